"""How near a personality lies to another: the distance that is used, and the similarity of the original work beside it.

The distance is Mahalanobis' between z-scores in the reference, with the correlations of the five traits given age, sex
and country (IPIP-NEO-300 residuals, `norms.json`): two traits that go together in people count less than two that do
not. The similarity of the original work, exp(-5 d^2), compares raw scores with the percentiles asked for; it is kept
for comparison under its own name.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.personality.norms import residual_correlations

FloatArray = NDArray[np.float64]
CORRELATIONS = "residual correlations given age, sex and country (IPIP-NEO-300)"
STEEPNESS = 5.0


@cache
def _precision() -> FloatArray:
    return np.asarray(np.linalg.inv(residual_correlations()))


def mahalanobis(z: ArrayLike, other: ArrayLike) -> FloatArray:
    """Return distances between z-scores, five in the last axis, in the order of TRAITS; NaN where one is NaN."""
    gap = np.asarray(z, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return np.asarray(np.sqrt(np.einsum("...i,ij,...j->...", gap, _precision(), gap)))


def original_similarity(scores: ArrayLike, target: ArrayLike) -> FloatArray:
    """Return the geometric mean over five traits of exp(-5 d^2), d the difference of scores from 0 to 1."""
    gap = np.asarray(scores, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    return np.asarray(np.exp(-STEEPNESS * np.mean(gap**2, axis=-1)))
