"""What judges read and what they leave: answers in parts, readings.parquet, retests.parquet, calibration.json.

However many answers there are, a few thousand of them are held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

import polars as pl

from cityfolk import rng
from cityfolk.errors import DataError, StudyError
from cityfolk.preferences.judging.base import Item, ReadingRows
from cityfolk.preferences.judging.scale import FILE, Calibration, calibrated
from cityfolk.preferences.records import READINGS
from cityfolk.study.files import write_text
from cityfolk.study.folder import Study
from cityfolk.types import Reading

TABLE, RETESTS = "readings", "retests"
RETEST_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {**READINGS, "look": pl.Int8}
"""retests.parquet: answers that a judge read twice; `look` is 1 or 2, the rest as in readings."""
_SLICE = 5_000  # answers in memory
FRAMES = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


@dataclass(slots=True)
class Pool:
    """The answers of a study, read in parts; `chosen` are those that are judged now (None: all)."""

    study: Study
    questions: dict[str, str]
    models: dict[str, int]
    chosen: frozenset[str] | None

    @classmethod
    def of(cls, study: Study, limit: int | None, seed: int, judges: Iterable[str] = ()) -> Pool:
        """Return a study's answers; DataError if there are none, or one is to a question that is not there.

        `limit` answers are chosen by their ids. Those that most of `judges` have read come first, so that answers
        made later change no choice.
        """
        questions = dict(study.read("questions").select("question_id", "text").iter_rows())
        scan = study.scan("answers")
        found = scan.group_by("model").len().collect(engine="streaming")
        models = {str(model): int(count) for model, count in found.sort("model").iter_rows()}
        if not models:
            raise DataError("there are no answers to judge", hint="run `cityfolk answer` first")
        asked = scan.group_by("question_id").agg(pl.col("answer_id").min()).collect(engine="streaming")
        for question_id, answer_id in asked.sort("question_id").iter_rows():
            if question_id not in questions:
                raise DataError(
                    f"answer {answer_id} is to a question that questions.parquet does not have: {question_id}",
                    hint="put back the questions that the answers were made from",
                )
        first = _readers(study, judges) if limit is not None else {}
        chosen = None if limit is None else frozenset(first_answers(study, limit, seed, first=first))
        return cls(study, questions, models, chosen)

    @property
    def size(self) -> int:
        """How many answers are judged."""
        return sum(self.models.values()) if self.chosen is None else len(self.chosen)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield all answers in the order of their table: answer_id, question_id, text, model."""
        return slices(self.study.scan("answers").select("answer_id", "question_id", "text", "model"))

    def due(self, part: pl.DataFrame) -> pl.DataFrame:
        """Return those of a part that are judged now."""
        return part if self.chosen is None else part.filter(pl.col("answer_id").is_in(list(self.chosen)))

    def items(self, part: pl.DataFrame) -> Iterator[Item]:
        """Yield what a judge sees of answers."""
        for answer_id, question_id, text in part.select("answer_id", "question_id", "text").iter_rows():
            yield Item(answer_id=answer_id, question=self.questions[question_id], text=text or "")

    def everything(self) -> Iterator[Item]:
        """Yield all that is judged."""
        for part in self.parts():
            yield from self.items(self.due(part))

    def some(self, n: int, seed: int, judge: str) -> list[Item]:
        """Return n of the answers that are judged, in the order of the table: those a judge has read twice first."""
        twice = _readers(self.study, [judge], RETESTS)
        wanted = set(first_answers(self.study, n, seed, among=self.chosen, what="retest", first=twice))
        return [item for part in self.parts() for item in self.items(part.filter(pl.col("answer_id").is_in(wanted)))]


def slices(scan: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield a table in parts that follow one another."""
    rows = int(scan.select(pl.len()).collect().item())
    for offset in range(0, rows, _SLICE):
        yield scan.slice(offset, _SLICE).collect()


def answer_ids(study: Study) -> Iterator[str]:
    """Yield the ids of a study's answers in the order of their table."""
    for part in slices(study.scan("answers").select("answer_id")):
        yield from part["answer_id"]


def first_answers(
    study: Study,
    n: int,
    seed: int,
    *,
    among: frozenset[str] | None = None,
    what: str = "limit",
    first: Mapping[str, int] | None = None,
) -> list[str]:
    """Return n ids of answers in an order that depends on the ids alone: the first n of n + m are the same.

    Those with the greatest numbers in `first` come before the others.
    """
    known = first or {}
    found = (answer for answer in answer_ids(study) if among is None or answer in among)
    return nsmallest(n, found, key=lambda answer: (-known.get(answer, 0), rng.derive(seed, "judge", what, answer)))


def _readers(study: Study, judges: Iterable[str], table: str = TABLE) -> dict[str, int]:
    """Return how many readings by some judges an answer has; nothing of those that have none."""
    if not study.has(table):
        return {}
    own = study.scan(table).filter(pl.col("judge").is_in(list(judges)))
    return dict(own.group_by("answer_id").len().collect(engine="streaming").iter_rows())


def write_readings(study: Study, pool: Pool, made: Mapping[str, FRAMES]) -> None:
    """Write readings.parquet anew: `made` gives a judge's rows for a part of the answers from those it has of them.

    Other judges' rows stay as they are; rows of answers that are gone go. Percentiles of calibrated judges are those
    of their calibration.
    """
    before = study.scan(TABLE) if study.has(TABLE) else None
    known = [] if before is None else before.select("judge").unique().collect(engine="streaming")["judge"].to_list()
    calibrations = read_calibrations(study)

    def frames() -> Iterator[pl.DataFrame]:
        for judge in sorted({*known, *made}):
            for part in pool.parts():
                order = part.select("answer_id", place=pl.int_range(pl.len()))
                old = pl.DataFrame(schema=READINGS)
                if before is not None and judge in known:
                    here = pl.col("answer_id").is_in(order["answer_id"].implode())
                    old = before.filter((pl.col("judge") == judge) & here).collect()
                frame = made[judge](part, old) if judge in made else old
                if judge in calibrations:
                    frame = calibrated(frame, calibrations[judge])
                frame = frame.join(order, on="answer_id").sort("place").drop("place")
                yield frame.select(pl.col(name).cast(kind) for name, kind in READINGS.items())

    study.write_frames(TABLE, frames(), READINGS)


def keep_retests(study: Study, judge: str, looks: Sequence[tuple[Reading, int]]) -> None:
    """Put a judge's first and second readings of the same answers in place of its earlier ones: retests.parquet."""
    parts = []
    for look in (1, 2):
        rows = ReadingRows()
        for reading, number in looks:
            if number == look:
                rows.add(reading)
        parts.append(rows.frame().with_columns(look=pl.lit(look, dtype=pl.Int8)))
    if study.has(RETESTS):
        parts.insert(0, study.read(RETESTS).filter(pl.col("judge") != judge))
    study.write(RETESTS, pl.concat(parts).sort("judge", "answer_id", "look"))


def read_calibrations(study: Study) -> dict[str, Calibration]:
    """Return the calibrations of a study by judge; none if nothing was calibrated."""
    path = study.folder / FILE
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {judge: Calibration.read(one) for judge, one in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StudyError(f"{path} cannot be read: {error}", hint="delete it and calibrate again") from error


def write_calibrations(study: Study, calibrations: Mapping[str, Calibration]) -> None:
    """Write calibration.json."""
    document = {judge: one.document() for judge, one in sorted(calibrations.items())}
    write_text(study.folder / FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
