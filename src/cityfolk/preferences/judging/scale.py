"""From raw scores to one scale: percentiles where a judge is calibrated, z-scores for everything that is compared.

A judge's raw scores are its instrument's own. They become percentiles by the judge's own stated norms, or by a
calibration made here against a reference that knows the truth or is people: never against the targets that answers
were asked to meet, since control is measured by how near to those they come. A calibration is a line from raw score to
z, trait by trait, by least squares; it is linear so that it never ties two answers that the judge told apart. It
predicts the reference, so a judge that knows little gives z-scores near the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.reference import percentile_from_z, z_from_percentile
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
FILE = "calibration.json"
RAW = tuple(f"raw_{trait}" for trait in TRAITS)
FEWEST = 30
"""The least number of answers that a judge and its reference must both have read."""
BY_NORMS, BY_POOL = "percentile", "raw scores standardised over the study's answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """z = intercept + slope * raw of one trait; `r` is the correlation with the reference, `n` how many answers."""

    intercept: float
    slope: float
    r: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one judge's raw scores become percentiles, and against what that was settled."""

    judge: str
    instrument: str
    on: str
    answers: str
    lines: Mapping[str, Line]

    def percentiles(self, raw: Floats) -> Floats:
        """Return percentiles of raw scores, both (n, 5); NaN where there is no score or no line."""
        result = np.full(raw.shape, np.nan)
        for column, trait in enumerate(TRAITS):
            line = self.lines.get(trait)
            known = np.isfinite(raw[:, column])
            if line is not None:
                result[known, column] = percentile_from_z(line.intercept + line.slope * raw[known, column])
        return result

    def document(self) -> dict[str, Any]:
        """Return the calibration as JSON."""
        return {**asdict(self), "lines": {trait: asdict(line) for trait, line in self.lines.items()}}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Calibration:
        """Make a calibration from its JSON; DataError if it is none."""
        try:
            lines = {trait: Line(**line) for trait, line in document["lines"].items()}
            return cls(**{**document, "lines": lines})
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{FILE} cannot be read: {error}", hint="delete it, and calibrate again with `cityfolk judge`"
            ) from error


def calibrate(readings: pl.DataFrame, judge: str, on: str, *, answers: str = "all") -> Calibration:
    """Fit a judge's raw scores to the z-scores of a reference judge, over the answers that both have read.

    `answers` says which answers `readings` holds ("train": those to questions of that split). The reference must have
    percentiles: the embedded model's grammar, people, or another judge with norms. Raises UsageError where it has
    none or where it is the judge itself, DataError where they share fewer than 30 answers.
    """
    if judge == on:
        raise UsageError(f"{judge} cannot be calibrated on itself", hint="use people, or the grammar's known truth")
    if on.startswith("target"):
        raise UsageError(
            "a judge is not calibrated on targets: how near answers come to them is what it is there to measure",
            hint="use people (--on people:NAME) or the embedded model's known truth (--on grammar)",
        )
    mine = readings.filter(pl.col("judge") == judge)
    theirs = readings.filter(pl.col("judge") == on)
    for name, found in ((judge, mine), (on, theirs)):
        if not found.height:
            known = ", ".join(sorted(readings["judge"].unique())) or "nobody"
            raise UsageError(f"there are no readings by {name}", hint=f"who has read: {known}")
    both = mine.select("answer_id", *RAW).join(theirs.select("answer_id", *TRAITS), on="answer_id").sort("answer_id")
    lines = {}
    for trait in TRAITS:
        pair = both.select(f"raw_{trait}", trait).drop_nulls().to_numpy()
        if len(pair) >= FEWEST and np.ptp(pair[:, 0]) > 0 and np.ptp(pair[:, 1]) > 0:
            lines[trait] = _line(pair[:, 0], z_from_percentile(pair[:, 1]))
    if not lines:
        raise DataError(
            f"{judge} and {on} share too few answers to calibrate by ({both.height}; {on} must have percentiles)",
            hint=f"have both read {FEWEST} or more of the same answers",
        )
    return Calibration(judge=judge, instrument=str(mine["instrument"][0]), on=on, answers=answers, lines=lines)


def _line(raw: Floats, z: Floats) -> Line:
    centred = raw - raw.mean()
    slope = float(centred @ z) / float(centred @ centred)
    r = float(np.corrcoef(raw, z)[0, 1])
    return Line(intercept=float(z.mean() - slope * raw.mean()), slope=slope, r=r, n=len(raw))


def calibrated(readings: pl.DataFrame, calibration: Calibration) -> pl.DataFrame:
    """Return readings in which one judge's percentiles are those of its calibration."""
    mine = (readings["judge"] == calibration.judge).to_numpy()
    percentile = calibration.percentiles(_matrix(readings.filter(mine), RAW))
    columns = {}
    for column, trait in enumerate(TRAITS):
        values = _matrix(readings, (trait,))[:, 0]
        values[mine] = percentile[:, column]
        columns[trait] = pl.Series(trait, values).fill_nan(None)
    return readings.with_columns(**columns)


def judge_z(readings: pl.DataFrame) -> Floats:
    """Return z-scores in the reference, (n, 5) in the order of the rows and of TRAITS; NaN where nothing was read.

    By the reference's normal where a judge has a percentile for a trait; else its raw scores are standardised over
    all answers in `readings` that it has read, so that their mean is 0 and their standard deviation 1: such scores
    order answers, but where 0 lies among adults they do not know. A judge that gives every answer the same score has
    z = 0 throughout.
    """
    raw, percentile = _matrix(readings, RAW), _matrix(readings, TRAITS)
    result = np.full(raw.shape, np.nan)
    judges = readings["judge"].to_numpy()
    for judge in np.unique(judges):
        rows = judges == judge
        for column in range(len(TRAITS)):
            known = rows & np.isfinite(percentile[:, column])
            if known.any():
                result[known, column] = z_from_percentile(percentile[known, column])
                continue
            read = rows & np.isfinite(raw[:, column])
            values = raw[read, column]
            deviation = values.std() if len(values) else 0.0
            # Of equal numbers the deviation may be a rounding error rather than 0.
            flat = deviation <= 1e-9 * max(1.0, float(np.abs(values).max(initial=0.0)))
            result[read, column] = 0.0 if flat else (values - values.mean()) / deviation
    return result


def with_z(readings: pl.DataFrame) -> pl.DataFrame:
    """Return readings with a column z_TRAIT each, as `judge_z` has them; null where nothing was read."""
    z = judge_z(readings)
    return readings.with_columns(
        pl.Series(f"z_{trait}", z[:, column]).fill_nan(None) for column, trait in enumerate(TRAITS)
    )


def scale_of(readings: pl.DataFrame) -> dict[str, str]:
    """Say of each judge on what scale its z-scores are: `BY_NORMS` if all five have percentiles, else `BY_POOL`."""
    found = readings.group_by("judge").agg(pl.all_horizontal(pl.col(trait).is_not_null() for trait in TRAITS).any())
    return {judge: BY_NORMS if known else BY_POOL for judge, known in sorted(found.iter_rows())}


def _matrix(readings: pl.DataFrame, columns: tuple[str, ...]) -> Floats:
    return np.array(readings.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in columns).to_numpy())
