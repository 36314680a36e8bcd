"""`import --persona`: answers of a model tuned elsewhere, with their judge's scores, as tables of preference data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.imports.answers import AnswersFile, ScoredAnswer, read_answers
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences.records import ANSWERS, QUESTIONS, READINGS, UNTARGETED, answer_id
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import sha256
from cityfolk.study.folder import Study
from cityfolk.types import BigFive, Failure
from cityfolk.vocabulary import TRAITS

STAGE = "import"
JUDGE = "original-llm"
INSTRUMENT = "original-llm, five scores from 0 to 1"
MODEL = "imported"
NO_TOPIC = "imported"
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def import_answers(
    study: Study, file: Path, persona: str, base: Path | None = None, *, step: Step = quiet
) -> dict[str, Any]:
    """Add a tuned model's answers to a study: rows of questions, answers and readings; return counts.

    The model was tuned for the archetype `persona` and asked without a vector: the condition is the persona's name, the
    target its vector. `base` holds the untuned model's answers to the same questions: untargeted. Questions that the
    study has keep their id and topic. Pieces that could not be read are in failures.jsonl (`raise_if_lost`).
    """
    if persona not in ARCHETYPES:
        raise UsageError(f"there is no archetype {persona!r}", hint=f"one of {', '.join(ARCHETYPES)}")
    if "answer" in study.manifest["stages"]:
        raise StudyError(
            f"{study.folder} holds answers that were made in it", hint="import into a folder of its own with --out"
        )
    paths = [path for path in (file, base) if path is not None]
    step(STAGE, 0, len(paths), file.name)
    read = [read_answers(path) for path in paths]
    verb = f"{STAGE} answers {persona}"
    study.begin(verb, {path.name: sha256(path) for path in paths} | {"persona": persona})
    study.work(verb)
    questions = _questions(study, [answer for one in read for answer in one.answers])
    answers, readings = [], []
    for path, one, name in zip(paths, read, (persona, ""), strict=False):
        rows, judged = _rows(one, questions, name, sha256(path)[:16])
        answers += rows
        readings += judged
    study.write("questions", questions)
    _add(study, "answers", ANSWERS, answers, ["answer_id"])
    _add(study, "readings", READINGS, readings, ["answer_id", "judge"])
    failures = [
        Failure(key=f"{path.name}:{lost.at}", stage=verb, label=path.name, reason=lost.reason, raw=lost.excerpt)
        for path, one in zip(paths, read, strict=True)
        for lost in one.lost
    ]
    study.replace_failures(verb, failures)
    facts = {
        "answers": len(answers),
        "questions": questions.height,
        "readings": len(readings),
        "unscored": sum(one.unscored for one in read),
        "lost": len(failures),
    }
    study.finish(verb, **facts)
    step(STAGE, len(paths), len(paths), "")
    return {"persona": persona, "judge": JUDGE, **facts, "folder": str(study.folder)}


def raise_if_answers_lost(study: Study, done: dict[str, Any]) -> None:
    """Raise IncompleteError if records were lost or have no scores; everything else is kept."""
    if done["lost"] or done["unscored"]:
        raise IncompleteError(
            f"{done['lost']:,} records could not be read and {done['unscored']:,} answers have no scores; "
            "the rest is kept",
            hint=f"see {study.folder / 'failures.jsonl'}" if done["lost"] else "judge them: `cityfolk judge DIR`",
        )


def _questions(study: Study, answers: Iterable[ScoredAnswer]) -> pl.DataFrame:
    """Return the study's questions and those that are new, each under a topic; new ones are held out."""
    before = study.read("questions") if study.has("questions") else pl.DataFrame(schema=QUESTIONS)
    known = {_words(text) for text in before["text"]}
    count = Counter(before["topic"].to_list())
    splits = dict(before.select("topic", "split").iter_rows())
    rows: list[dict[str, Any]] = []
    for answer in answers:
        if _words(answer.question) in known:
            continue
        known.add(_words(answer.question))
        topic = _NOT_SLUG.sub("-", answer.topic.lower()).strip("-")[:60].strip("-") or NO_TOPIC
        rows.append(
            {
                "question_id": f"{topic}-{count[topic]:03d}",
                "topic": topic,
                "facets": [],
                "text": answer.question,
                "split": splits.get(topic, "held-out"),
            }
        )
        count[topic] += 1
    new = pl.DataFrame(rows, schema_overrides=QUESTIONS) if rows else pl.DataFrame(schema=QUESTIONS)
    return pl.concat([before, _shaped(new, QUESTIONS)]).sort("question_id")


def _words(text: str) -> str:
    """Return a question as it is compared: white space does not count."""
    return " ".join(text.split())


def _rows(
    one: AnswersFile, questions: pl.DataFrame, persona: str, name: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ids = {_words(text): number for number, text in questions.select("question_id", "text").iter_rows()}
    target: BigFive | None = ARCHETYPES[persona] if persona else None
    vector = {f"target_{trait}": value for trait, value in target.items()} if target else {}
    condition = persona or UNTARGETED
    seen: Counter[str] = Counter()
    answers, readings = [], []
    for answer in one.answers:
        question = ids[_words(answer.question)]
        sample = seen[question]
        seen[question] += 1
        key = answer_id(question, condition, target, sample, MODEL, persona, name)
        made = {"engine": MODEL, "model": MODEL, "adapter": persona}
        asked = {"question_id": question, "condition": condition, "target_name": persona, **vector, "sample": sample}
        answers.append({"answer_id": key, **asked, "text": answer.text, **made})
        if answer.scores is not None:
            raw = {f"raw_{trait}": score for trait, score in zip(TRAITS, answer.scores, strict=True)}
            judge = {"judge": JUDGE, "instrument": INSTRUMENT, "repeats": 1, "same_family": True}
            readings.append({"answer_id": key, **judge, **raw})
    return answers, readings


def _add(study: Study, table: str, schema: dict[str, Any], rows: Sequence[dict[str, Any]], key: list[str]) -> None:
    """Put rows in place of those of the same key, beside the others."""
    new = _shaped(pl.DataFrame(list(rows), infer_schema_length=None), schema)
    if study.has(table):
        new = pl.concat([study.read(table).join(new.select(key), on=key, how="anti"), new])
    order = ["question_id", "condition", "target_name", "sample"] if table == "answers" else key
    study.write(table, new.sort(order))


def _shaped(frame: pl.DataFrame, schema: dict[str, Any]) -> pl.DataFrame:
    """Return the frame with exactly the columns of a table, null where it has none."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
