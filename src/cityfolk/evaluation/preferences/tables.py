"""Preference data to be measured: its tables, whoever made them, and the small tools that every measure shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.telling import Teller
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
finding = Teller("pairs", "tables")
TARGETS = tuple(f"target_{trait}" for trait in TRAITS)
Z = tuple(f"z_{trait}" for trait in TRAITS)
UNTARGETED, PROMPTED = "untargeted", "prompted"
CALIBRATED = "percentile"
"""What `scales` says of a judge whose z-scores come from percentiles."""
FEWEST_CLUSTERS = 8
"""With fewer topics than this, resampling draws questions instead: so few topics tell nothing of their own spread."""
_NEEDED = {
    "questions": ("question_id", "topic", "domain", "style", "text", "split"),
    "answers": ("answer_id", "question_id", "condition", "target_name", *TARGETS, "text", "model"),
    "readings": ("answer_id", "judge", *Z),
}


def _empty(name: str) -> pl.DataFrame:
    numbers = {*TARGETS, *Z}
    return pl.DataFrame(schema={column: pl.Float64 if column in numbers else pl.String for column in _NEEDED[name]})


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The tables of preference data: columns as in their Parquet files, and in `readings` also z_TRAIT.

    z_TRAIT is the reading in the reference, null where nothing was read; `scales` says of each judge what its z-scores
    are ("percentile" if it is calibrated). `pairs` are the tables of pairs by name. What there is not is empty.
    """

    questions: pl.DataFrame
    answers: pl.DataFrame = field(default_factory=lambda: _empty("answers"))
    readings: pl.DataFrame = field(default_factory=lambda: _empty("readings"))
    scales: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, columns in _NEEDED.items():
            missing = set(columns) - set(getattr(self, name).columns)
            if missing:
                raise DataError(f"{name} lack the columns {', '.join(sorted(missing))}", hint="see docs/preferences.md")

    @property
    def judges(self) -> tuple[str, ...]:
        """Return who has read answers, sorted."""
        return tuple(sorted(self.readings["judge"].unique().to_list()))

    def asked(self) -> pl.DataFrame:
        """Return the answers to known questions, with the question's topic, style and split."""
        about = self.questions.select("question_id", "topic", "style", "split")
        return self.answers.join(about, on="question_id", how="inner", maintain_order="left")


def matrix(frame: pl.DataFrame, columns: tuple[str, ...]) -> Floats:
    """Return columns as an (n, k) array; NaN for null."""
    return np.array(frame.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in columns).to_numpy())


def clusters(frame: pl.DataFrame) -> tuple[NDArray[np.int64], str]:
    """Return what belongs together when rows are resampled, a number a row, and what that is: topics or questions."""
    by = "topic" if frame["topic"].n_unique() >= FEWEST_CLUSTERS else "question_id"
    return frame[by].rank("dense").to_numpy().astype(np.int64), "topics" if by == "topic" else "questions"


def ranks(values: Floats) -> Floats:
    """Return mid-ranks."""
    return pl.Series(values).rank("average").to_numpy().astype(np.float64)
