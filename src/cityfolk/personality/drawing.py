"""Draw five correlated traits for each person, given age and sex.

A person's five standard normal numbers come from a hash of seed, place, trait and id, are mixed by the Cholesky factor
of the residual correlations, and are carried by their rank into the distribution of the person's norm group (a
Gaussian copula). So a person's personality depends on their own id, age and sex, and on nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cityfolk.personality.norms import INSTRUMENT, group_index, is_covered, residual_correlations
from cityfolk.personality.reference import group_distributions, percentile_from_pomp
from cityfolk.rng import uniform_at
from cityfolk.types import PERCENTILE_CEILING
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
EXTRAPOLATED = "extrapolated"
# The largest 32-bit float that is not above .999: tables store percentiles in 32 bits, and .999 itself rounds up there.
_STORED_CEILING = float(np.nextafter(np.float32(PERCENTILE_CEILING), np.float32(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalityDraw:
    """What was drawn for n people; columns in the order of TRAITS.

    percentile: (n, 5) among adults, .001 to .999; pomp: (n, 5) raw IPIP-NEO-120, 0 to 1; norms: (n,) the instrument's
    name, or "extrapolated" where the norms do not cover the age.
    """

    percentile: FloatArray
    pomp: FloatArray
    norms: NDArray[np.str_]


def draw_personality(age: ArrayLike, sex: ArrayLike, ids: ArrayLike, seed: int, place: str) -> PersonalityDraw:
    """Draw one personality per id for ages in years and sexes ("female", "male").

    The same seed, place, id, age and sex give the same personality, whoever else is drawn.
    """
    ages, numbers = np.asarray(age), np.asarray(ids)
    group = group_index(ages, sex)
    raw = np.column_stack([ndtri(uniform_at(seed, place, "personality", trait, ids=numbers)) for trait in TRAITS])
    mixed = _mix(raw, np.asarray(np.linalg.cholesky(residual_correlations()), dtype=np.float64))
    shares = group_distributions()
    pomp = np.empty_like(mixed)
    percentile = np.empty_like(mixed)
    for position, trait in enumerate(TRAITS):
        pomp[:, position] = shares.quantile(ndtr(mixed[:, position]), group, position)
        percentile[:, position] = np.minimum(percentile_from_pomp(trait, pomp[:, position]), _STORED_CEILING)
    norms = np.where(is_covered(ages), INSTRUMENT, EXTRAPOLATED)
    return PersonalityDraw(percentile=percentile, pomp=pomp, norms=norms)


def _mix(raw: FloatArray, factor: FloatArray) -> FloatArray:
    """Return raw @ factor.T summed in a fixed order: BLAS may add in another order when n changes."""
    mixed = np.zeros_like(raw)
    for row in range(len(factor)):
        for column in range(row + 1):
            mixed[:, row] += factor[row, column] * raw[:, column]
    return mixed
