"""Files of answers with judged personality, as the original project leaves them: [{topic, question, answer, big_5}]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cityfolk.errors import DataError
from cityfolk.imports.mend import Lost
from cityfolk.imports.read import read_file
from cityfolk.vocabulary import TRAITS

QUESTION, ANSWER, TOPIC = "question", "answer", "topic"
_HEAD = 65_536  # bytes
SCORES = {trait: f"big_5/Score/{trait.capitalize()}" for trait in TRAITS}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswer:
    """One answer and the judge's five scores from 0 to 1, in the order of TRAITS; None where it has not all five.

    `topic` is "" where the file names none (the original writes the question there once more).
    """

    topic: str
    question: str
    text: str
    scores: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersFile:
    """The answers of one file in its order, what could not be read of it, and how many have no usable scores."""

    answers: tuple[ScoredAnswer, ...]
    lost: tuple[Lost, ...]
    unscored: int


def is_answers_file(columns: Sequence[str]) -> bool:
    """Say whether the flat columns of a file are those of answers with scores."""
    return {QUESTION, ANSWER} <= set(columns) and any(column in columns for column in SCORES.values())


def looks_like_answers(path: Path) -> bool:
    """Say whether the beginning of a file has the keys of answers with scores, without reading it whole."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", errors="replace")
    return all(f'"{key}"' in head for key in (QUESTION, ANSWER, "Score"))


def read_answers(path: Path) -> AnswersFile:
    """Read a file of answers; DataError where it holds none, UsageError where it is not there.

    A record without a question or an answer is lost and counted; scores that are no numbers from 0 to 1 are left out.
    """
    raw = read_file(path)
    if not is_answers_file(raw.columns):
        raise DataError(
            f"{path} is no file of answers with scores: it has {', '.join(raw.columns[:6])}",
            hint="each record needs question, answer and big_5.Score with the five traits",
        )
    found: list[ScoredAnswer] = []
    lost = list(raw.tally.lost)
    for number, row in enumerate(raw.rows):
        question, text = row.get(QUESTION), row.get(ANSWER)
        if not isinstance(question, str) or not isinstance(text, str):
            lost.append(Lost(number, "a record without a question or an answer", str(row)[:300]))
            continue
        topic = row.get(TOPIC)
        named = isinstance(topic, str) and topic.casefold() != question.casefold()
        found.append(ScoredAnswer(topic=str(topic) if named else "", question=question, text=text, scores=_scores(row)))
    if not found:
        raise DataError(f"{path} holds no answer", hint="each record needs a question and an answer")
    return AnswersFile(answers=tuple(found), lost=tuple(lost), unscored=sum(answer.scores is None for answer in found))


def _scores(row: Mapping[str, Any]) -> tuple[float, ...] | None:
    values = []
    for column in SCORES.values():
        try:
            value = float(row.get(column, "nan"))
        except (TypeError, ValueError):
            return None
        if not 0.0 <= value <= 1.0:
            return None
        values.append(value)
    return tuple(values)
