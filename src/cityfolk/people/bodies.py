"""Height and weight by age and sex.

Height and body mass index are drawn from published distributions (`bodies.csv`, each row with its source) as if
independent of each other within an age and sex; weight is their product, so weight goes with height as it must.
 - 20 and over: percentiles of NHANES August 2021 to August 2023 (Fryar et al. 2025), height table 7, BMI table 10.
 - 2 to 19: height from the CDC 2000 growth charts (LMS at the middle of each year), BMI from Fryar et al. table 9.
 - under 2: length and BMI from the WHO Child Growth Standards (LMS), which the CDC recommends below that age.
The figures are for the United States; origin and race are not used.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from io import StringIO

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cityfolk.errors import DataError
from cityfolk.rng import uniform_at
from cityfolk.vocabulary import SEXES

FloatArray = NDArray[np.float64]
_PERCENTILES = (5, 10, 15, 25, 50, 75, 85, 90, 95)
# The outermost two in a thousand on either side are not drawn: there the tables say nothing.
_EDGE = 0.002
_OLDEST = 120
_KNOTS = ndtri(np.linspace(_EDGE, 1.0 - _EDGE, 1001))


def draw_bodies(
    ids: ArrayLike, age: ArrayLike, sex: ArrayLike, seed: int, place: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return heights in cm and weights in kg, to one decimal, for ids with ages in years and sexes.

    A body depends on seed, place, id, age and sex, and on nobody else's.
    """
    ages, sexes, numbers = np.asarray(age), np.asarray(sex), np.asarray(ids)
    if ages.size and (ages.min() < 0 or ages.max() > _OLDEST):
        raise DataError("an age lies outside 0 to 120", hint="ages are whole years")
    height = np.zeros(len(numbers))
    bmi = np.zeros(len(numbers))
    score_height = _score(uniform_at(seed, place, "height", ids=numbers))
    score_bmi = _score(uniform_at(seed, place, "bmi", ids=numbers))
    for position, name in enumerate(SEXES):
        chosen = sexes == name
        for values, measure, score in ((height, "height", score_height), (bmi, "bmi", score_bmi)):
            values[chosen] = _lookup(measure, position, ages[chosen], score[chosen])
    height = np.round(height, 1)
    weight = np.round(bmi * (height / 100.0) ** 2, 1)
    weight = np.where(ages >= 18, np.maximum(weight, 30.0), weight)  # the tables' tails go on beyond what is possible
    return height.astype(np.float32), weight.astype(np.float32)


def _score(uniform: FloatArray) -> FloatArray:
    """Return standard normal scores of uniform numbers, without the outermost ones."""
    return np.asarray(ndtri(_EDGE + (1.0 - 2.0 * _EDGE) * uniform))


def _lookup(measure: str, sex: int, age: NDArray[np.int_], score: FloatArray) -> FloatArray:
    """Return the values at standard normal scores by linear interpolation in a table of score by band."""
    bands, table = _tables()[measure, SEXES[sex]]
    band = bands[age]
    place = np.clip(np.interp(score, _KNOTS, np.arange(len(_KNOTS))), 0, len(_KNOTS) - 1.000001)
    left = place.astype(np.intp)
    part = place - left
    return np.asarray(table[band, left] * (1.0 - part) + table[band, left + 1] * part)


@cache
def _tables() -> dict[tuple[str, str], tuple[NDArray[np.intp], FloatArray]]:
    """Return for each measure and sex: the band of each age 0 to 120, and each band's values at the knots."""
    text = files("cityfolk.people").joinpath("bodies.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(StringIO(text)))
    tables = {}
    for measure in ("height", "bmi"):
        for sex in SEXES:
            mine = [row for row in rows if row["measure"] == measure and row["sex"] == sex]
            bands = np.full(_OLDEST + 1, -1, dtype=np.intp)
            for number, row in enumerate(mine):
                bands[int(row["age_low"]) : int(row["age_high"]) + 1] = number
            if (bands < 0).any():
                raise DataError(f"bodies.csv does not cover every age for {measure}, {sex}", hint="add the rows")
            tables[measure, sex] = bands, np.array([_at_knots(row) for row in mine])
    return tables


def _at_knots(row: dict[str, str]) -> FloatArray:
    if row["M"]:
        return lms_value(float(row["L"]), float(row["M"]), float(row["S"]), _KNOTS)
    known = [(p, float(row[f"p{p}"])) for p in _PERCENTILES if row[f"p{p}"]]
    return percentile_value([p / 100 for p, _ in known], [value for _, value in known], _KNOTS)


def lms_value(power: float, median: float, spread: float, score: ArrayLike) -> FloatArray:
    """Return the value at a standard normal score: M (1 + L S z)^(1/L) (Cole and Green 1992; L is never 0 here)."""
    return np.asarray(median * (1.0 + power * spread * np.asarray(score)) ** (1.0 / power))


def percentile_value(shares: list[float], values: list[float], score: FloatArray) -> FloatArray:
    """Return the value at a standard normal score, log-linear between published percentiles.

    Beyond the outermost ones the line goes on with its mean slope from the quartile outwards: a single outer step is
    too uncertain to extend.
    """
    z = ndtri(np.array(shares))
    logs = np.log(np.array(values))
    low, high = shares.index(0.25), shares.index(0.75)
    slope_low = (logs[low] - logs[0]) / (z[low] - z[0])
    slope_high = (logs[-1] - logs[high]) / (z[-1] - z[high])
    far = 10.0
    z = np.concatenate([[-far], z, [far]])
    ends = logs[0] - slope_low * (z[1] + far), logs[-1] + slope_high * (far - z[-2])
    return np.asarray(np.exp(np.interp(score, z, np.concatenate([[ends[0]], logs, [ends[1]]]))))
