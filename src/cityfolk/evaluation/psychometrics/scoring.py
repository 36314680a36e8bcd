"""Scores of IPIP questionnaires: keyed, summed, and as percent of maximum possible (POMP, 0 to 1).

Answers are 1 (very inaccurate) to 5 (very accurate), whole numbers or expected values, NaN where none was given; n
respondents by the items of an instrument in its order. A negatively keyed item counts as 6 minus the answer, a scale is
the sum of its items (International Personality Item Pool, "Converting IPIP item responses to scale scores").

The published programs refuse a questionnaire with answers missing. Here a scale stands on the mean of the items that
were answered if at least 80% of them were, and is missing otherwise: Downey & King (1998), "Missing data in Likert
ratings", Journal of General Psychology 125(2), find the person's mean to serve up to a fifth missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.personality.inventory import Item, inventory
from cityfolk.personality.norms import INSTRUMENT, group_index, norms_file
from cityfolk.personality.reference import percentile_from_pomp, z_from_percentile
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
LOWEST, HIGHEST = 1.0, 5.0
LEAST_ANSWERED = 0.8
LONG = "IPIP-NEO-300"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of n respondents on one instrument, POMP from 0 to 1; NaN where too few items were answered.

    `trait` is (n, 5) in the order of TRAITS, `facet` (n, 30) in the order of `facets()`, (n, 0) where the instrument
    has none; `answered` (n,) counts items.
    """

    instrument: str
    trait: Floats
    facet: Floats
    answered: NDArray[np.int64]


@cache
def facets(instrument: str = INSTRUMENT) -> tuple[tuple[str, str], ...]:
    """Return (trait, facet) of an instrument's facets: six a trait in the order of the norms; none for IPIP-50."""
    if not inventory(instrument)[0].facet:
        return ()
    names = norms_file()["facets"]
    return tuple((trait, facet) for trait in TRAITS for facet in names[trait])


@cache
def keys(instrument: str) -> Floats:
    """Return 1 or -1 for each item of an instrument, in its order (read-only)."""
    signs = np.array([item.keyed for item in inventory(instrument)], dtype=np.float64)
    signs.setflags(write=False)
    return signs


@cache
def trait_positions(instrument: str) -> tuple[NDArray[np.intp], ...]:
    """Return the positions of each trait's items, five arrays in the order of TRAITS."""
    items = inventory(instrument)
    return tuple(np.array([i for i, item in enumerate(items) if item.trait == trait]) for trait in TRAITS)


@cache
def facet_positions(instrument: str) -> tuple[NDArray[np.intp], ...]:
    """Return the positions of each facet's items, in the order of `facets()`."""
    items = inventory(instrument)
    return tuple(
        np.array([i for i, item in enumerate(items) if (item.trait, item.facet) == facet])
        for facet in facets(instrument)
    )


@cache
def short_form() -> NDArray[np.intp]:
    """Return where each item of IPIP-NEO-120 stands among those of IPIP-NEO-300, which holds them all."""
    long = {_words(item): i for i, item in enumerate(inventory(LONG))}
    return np.array([long[_words(item)] for item in inventory(INSTRUMENT)])


def _words(item: Item) -> str:
    return item.text.casefold().rstrip(".")


def keyed(answers: ArrayLike, instrument: str) -> Floats:
    """Return answers (n, items) turned so that 5 is the high end of the trait; DataError for what are none."""
    table = np.asarray(answers, dtype=np.float64)
    count = len(inventory(instrument))
    if table.ndim != 2 or table.shape[1] != count:
        raise DataError(
            f"{instrument} has {count} items, and the answers have the shape {table.shape}",
            hint="give one row a respondent and one column an item, in the instrument's order",
        )
    known = table[np.isfinite(table)]
    if ((known < LOWEST) | (known > HIGHEST)).any() or np.isinf(table).any():
        raise DataError("an answer lies outside 1 to 5", hint="write NaN for an answer that was not given")
    return np.asarray(np.where(keys(instrument) > 0, table, LOWEST + HIGHEST - table))


def score(answers: ArrayLike, instrument: str = INSTRUMENT) -> Scores:
    """Return the scores of answers (n, items)."""
    turned = keyed(answers, instrument)
    return Scores(
        instrument=instrument,
        trait=_scales(turned, trait_positions(instrument)),
        facet=_scales(turned, facet_positions(instrument)),
        answered=np.isfinite(turned).sum(axis=1),
    )


def _scales(turned: Floats, scales: tuple[NDArray[np.intp], ...]) -> Floats:
    """Return POMP of scales (n, scales) from keyed answers (n, items)."""
    made = np.full((len(turned), len(scales)), np.nan)
    for column, positions in enumerate(scales):
        part = turned[:, positions]
        given = np.isfinite(part).sum(axis=1)
        enough = given >= LEAST_ANSWERED * len(positions) - 1e-9
        means = np.nansum(part[enough], axis=1) / given[enough]
        made[enough, column] = (means - LOWEST) / (HIGHEST - LOWEST)
    return made


def sums(answers: ArrayLike, instrument: str = INSTRUMENT) -> tuple[Floats, Floats]:
    """Return sums of keyed items as the scoring programs give them: traits (n, 5) and facets (n, 30)."""
    made = score(answers, instrument)
    traits, parts = trait_positions(instrument), facet_positions(instrument)
    return _sum(made.trait, traits), _sum(made.facet, parts)


def _sum(pomp: Floats, scales: tuple[NDArray[np.intp], ...]) -> Floats:
    sizes = np.array([len(positions) for positions in scales], dtype=np.float64)
    return np.asarray(sizes * (LOWEST + (HIGHEST - LOWEST) * pomp))


def percentiles(answers: ArrayLike, instrument: str = INSTRUMENT) -> Floats:
    """Return percentiles among adults, .001 to .999, (n, 5), NaN where a score is missing.

    IPIP-NEO-300 is read by the 120 of its items that the norms are of; DataError for an instrument without them.
    """
    table = np.asarray(answers, dtype=np.float64)
    if instrument == LONG:
        keyed(table, LONG)
        table = table[:, short_form()]
    elif instrument != INSTRUMENT:
        raise DataError(
            f"there are no norms of {instrument} by which a percentile could be told",
            hint=f"ask {INSTRUMENT} for percentiles, or compare scores within {instrument}",
        )
    pomp = score(table, INSTRUMENT).trait
    made = np.full_like(pomp, np.nan)
    for position, trait in enumerate(TRAITS):
        known = np.isfinite(pomp[:, position])
        made[known, position] = percentile_from_pomp(trait, np.clip(pomp[known, position], 0.0, 1.0))
    return made


def z_scores(answers: ArrayLike, instrument: str = INSTRUMENT) -> Floats:
    """Return z-scores in the reference, (n, 5): those of `percentiles`."""
    shares = percentiles(answers, instrument)
    made = np.full_like(shares, np.nan)
    known = np.isfinite(shares)
    made[known] = z_from_percentile(shares[known])
    return made


def t_scores(answers: ArrayLike, age: ArrayLike, sex: ArrayLike) -> tuple[Floats, Floats]:
    """Return T-scores (mean 50, SD 10) within a respondent's own norm group: traits (n, 5), facets (n, 30).

    For IPIP-NEO-120, ages in years and sexes ("female", "male"), as the published scoring program gives them.
    """
    traits, parts = sums(answers, INSTRUMENT)
    groups = norms_file()["groups"]
    own = group_index(age, sex)
    trait_norm = np.array([[[g[key][t] for t in TRAITS] for key in ("mean", "sd")] for g in groups])
    facet_norm = np.array(
        [[[v for t in TRAITS for v in g[key][t]] for key in ("facet_mean", "facet_sd")] for g in groups]
    )
    made = [
        50.0 + 10.0 * (raw - norm[own, 0]) / norm[own, 1] for raw, norm in ((traits, trait_norm), (parts, facet_norm))
    ]
    return np.asarray(made[0]), np.asarray(made[1])
