"""Norms of IPIP-NEO-120 by age and sex, and how the five traits go together given age, sex and country.

POMP is "percent of maximum possible", 0 to 1: (item mean - 1) / 4, for a domain (sum - 24) / 96. It is a raw score and
means nothing without the name of its instrument. The figures and their sources stand in `norms.json`: means and
standard deviations are Johnson's (2014), the correlations those of IPIP-NEO-300 residuals. The standard deviations are
those within a group, so that drawing with them and the residual correlations counts age and sex once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.vocabulary import TRAITS

INSTRUMENT = "IPIP-NEO-120"
ITEMS_A_DOMAIN = 24
LOWEST_ADULT = 18
# The youngest norm group is published as "under 21" with no lower bound, from people who answered on their own; the
# reference is adults. So people under 18 are drawn from it but marked. "Over 60" is open at the top and is taken so.
COVERED_AGES = (LOWEST_ADULT, 120)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormGroup:
    """One norm group: POMP means and within-group standard deviations, in the order of TRAITS.

    `adults` is the number of US residents of 18 and over that the group stands for (1 July 2019).
    """

    name: str
    sex: str
    low: int
    high: int
    adults: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]


@cache
def norms_file() -> dict[str, Any]:
    """Return norms.json as it stands: item sums, facets and sources included."""
    text = files("cityfolk.personality").joinpath("norms.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def norm_groups() -> tuple[NormGroup, ...]:
    """Return the eight groups: men, then women, each from young to old."""
    return tuple(
        NormGroup(
            name=_group_name(group["sex"], group["low"], group["high"]),
            sex=group["sex"],
            low=group["low"],
            high=group["high"],
            adults=group["us_adults_2019"],
            mean=tuple(pomp_from_sum(group["mean"][trait]) for trait in TRAITS),
            sd=tuple(group["sd"][trait] / (4.0 * ITEMS_A_DOMAIN) for trait in TRAITS),
        )
        for group in norms_file()["groups"]
    )


@cache
def residual_correlations() -> FloatArray:
    """Return the 5 x 5 correlations of the traits given age, sex and country, in the order of TRAITS (read-only)."""
    block = norms_file()["residual_correlations"]
    matrix = np.array(block["matrix"], dtype=np.float64)
    order = [block["order"].index(trait) for trait in TRAITS]
    matrix = matrix[np.ix_(order, order)]
    matrix.setflags(write=False)
    return matrix


def group_index(age: ArrayLike, sex: ArrayLike) -> NDArray[np.intp]:
    """Return the position in `norm_groups()` for each person of an age in years and a sex; any age has one."""
    ages, sexes = np.asarray(age), np.asarray(sex)
    is_female = sexes == "female"
    if not np.all(is_female | (sexes == "male")):
        raise DataError("sex must be female or male", hint="norms exist for these two groups only")
    band = np.searchsorted(np.array([21, 41, 61]), ages, side="right")
    return np.asarray(band + 4 * is_female, dtype=np.intp)


def is_covered(age: ArrayLike) -> NDArray[np.bool_]:
    """Say for each age in years whether the norms are taken to cover it (see COVERED_AGES)."""
    ages = np.asarray(age)
    return np.asarray((ages >= COVERED_AGES[0]) & (ages <= COVERED_AGES[1]))


def pomp_from_sum(total: float) -> float:
    """Turn the sum of a domain's 24 IPIP-NEO-120 items (24 to 120) into POMP (0 to 1)."""
    return (total - ITEMS_A_DOMAIN) / (4.0 * ITEMS_A_DOMAIN)


def _group_name(sex: str, low: int, high: int) -> str:
    people = "women" if sex == "female" else "men"
    if high < 21:
        return f"{people} under 21"
    return f"{people} over 60" if low > 60 else f"{people} {low}-{high}"
