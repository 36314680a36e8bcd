"""Files of questions under topics: CSV with the columns topic and question, or a JSON list of {topic, question}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cityfolk.errors import DataError
from cityfolk.imports.mend import Lost
from cityfolk.imports.read import read_file

TOPIC, QUESTION = "topic", "question"
_BESIDE = frozenset({"answer", "answers", "response", "chosen", "rejected", "completion"})
_HEAD = 65_536  # bytes in which the keys of a text file's first records are looked for
_KEY = re.compile(r'"((?:[^"\\]|\\.){1,60})"\s*:')


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionsFile:
    """The (topic, question) of each record, in the file's order, and what could not be read."""

    records: tuple[tuple[str, str], ...]
    lost: tuple[Lost, ...]


def is_questions_file(path: Path) -> bool:
    """Say whether a file's columns or keys are those of questions under topics, without reading it whole."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return False
    if suffix == ".parquet":
        return False if path.stat().st_size == 0 else _are_questions(_parquet_columns(path))
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", errors="replace").removeprefix("\ufeff")
    if suffix in (".csv", ".tsv"):
        line = head.splitlines()[0] if head else ""
        return _are_questions(cell.strip(' "') for cell in line.split("\t" if suffix == ".tsv" else ","))
    return head.lstrip().startswith(("[", "{")) and _are_questions(_KEY.findall(head))


def read_questions(path: Path) -> QuestionsFile:
    """Read a file of questions; DataError where it holds none, UsageError where it is not there.

    Of a record, the columns topic and question count, in upper or lower case; one without a question is lost and told.
    """
    raw = read_file(path)
    names = {column.lower(): column for column in reversed(raw.columns)}
    if QUESTION not in names or TOPIC not in names:
        raise DataError(
            f"{path} is no file of questions: it has {', '.join(raw.columns[:6])}",
            hint="each record needs a topic and a question",
        )
    records: list[tuple[str, str]] = []
    lost = list(raw.tally.lost)
    for number, row in enumerate(raw.rows):
        topic, question = row.get(names[TOPIC]), row.get(names[QUESTION])
        if isinstance(question, str) and isinstance(topic, str):
            records.append((" ".join(topic.split()), " ".join(question.split())))
        else:
            excerpt = json.dumps(row, ensure_ascii=False, default=str)[:200]
            lost.append(Lost(at=number, reason="the record has no topic or no question", excerpt=excerpt))
    return QuestionsFile(records=tuple(records), lost=tuple(lost))


def _are_questions(names: Iterable[str]) -> bool:
    known = {name.lower() for name in names}
    return {TOPIC, QUESTION} <= known and not known & _BESIDE


def _parquet_columns(path: Path) -> list[str]:
    import polars as pl

    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError):
        return []  # what is wrong with it is said where it is read
