"""What a judge is: a name, an instrument, a family, and one method. It sees a question and an answer, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.preferences.records import READINGS
from cityfolk.types import Reading
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
BATCH = 512  # answers that a judge in process reads at once
_CHUNK = 5000  # rows that are kept as tuples before they become columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is put before a judge. Which target or condition the answer was made under is not part of it."""

    answer_id: str
    question: str
    text: str


class Judge(Protocol):
    """Whoever reads answers."""

    @property
    def name(self) -> str:
        """What it is called in readings.parquet."""
        ...

    @property
    def instrument(self) -> str:
        """What its raw scores are measured with, version included."""
        ...

    @property
    def family(self) -> str:
        """The family of the model behind it, "" where there is none."""
        ...

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers; one reading an answer, in any order. What could not be read has none."""
        ...


def batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """Yield items in lists of `size`, the last may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def readings_of(
    judge: Judge,
    items: list[Item],
    raw: Floats,
    *,
    percentile: Floats | None = None,
    spread: Floats | None = None,
) -> Iterator[Reading]:
    """Yield one reading an item from arrays of (n, 5); a value that is not a finite number is None."""
    for row, item in enumerate(items):
        yield Reading(
            answer_id=item.answer_id,
            judge=judge.name,
            instrument=judge.instrument,
            raw=_five(raw, row),
            percentile=_five(percentile, row),
            spread=_five(spread, row),
        )


def _five(values: Floats | None, row: int) -> tuple[float | None, ...]:
    if values is None:
        return (None,) * len(TRAITS)
    return tuple(float(value) if np.isfinite(value) else None for value in values[row])


@dataclass(slots=True)
class ReadingRows:
    """Rows of readings.parquet as they come, kept as columns: many thousands of dicts would take far more memory."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)

    def add(self, reading: Reading, *, repeats: int = 1, same_family: bool | None = None) -> None:
        """Add one reading, made of `repeats` looks at the answer."""
        five = (*reading.raw, *reading.percentile, *reading.spread)
        self.rows.append((reading.answer_id, reading.judge, reading.instrument, *five, repeats, same_family))
        if len(self.rows) >= _CHUNK:
            self._fold()

    def _fold(self) -> None:
        self.frames.append(pl.DataFrame(self.rows, schema=READINGS, orient="row"))
        self.rows = []

    def frame(self) -> pl.DataFrame:
        """Return all rows as readings.parquet has them, sorted by answer and judge."""
        self._fold()
        return pl.concat(self.frames).sort("answer_id", "judge")
