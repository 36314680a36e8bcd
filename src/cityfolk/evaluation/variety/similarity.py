"""How alike profiles are by their embeddings: mean in closed form, distribution, extremes, and the Vendi score."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cityfolk.evaluation.variety.pairs import Floats, Pairs, all_pairs, jackknife

_GROUPS = 20


def unit_rows(vectors: NDArray[np.float32]) -> Floats:
    """Return vectors scaled to length 1; a vector of zeros stays one."""
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms > 0, norms, 1.0)


def mean_cosine(units: Floats) -> tuple[float, float]:
    """Return the mean cosine of two different rows of n >= 3 unit vectors, and its jackknife standard error.

    Without any pair: the cosines of row i with all rows sum to u_i . (sum of u), so the mean is
    (|sum of u|^2 - n) / (n (n - 1)).
    """
    n = len(units)
    sums = units @ units.sum(axis=0) - np.square(units).sum(axis=1)
    return float(sums.sum() / (n * (n - 1))), jackknife(sums)


def cosine_pairs(units: Floats, edges: Floats, extremes: int) -> Pairs:
    """Return every pair's cosine, n >= 3, with the most and least alike pairs."""
    return all_pairs(lambda rows: units[rows] @ units.T, len(units), edges, extremes)


def vendi(units: Floats) -> float:
    """Return the Vendi score (Friedman & Dieng 2023, definition 3.1) of unit vectors under the cosine kernel.

    The exponential of the entropy of the eigenvalues of K / n: the number of entirely different texts that would be as
    varied. K = U U' has the eigenvalues of U' U, so this is exact for any n at the cost of the smaller matrix; it can't
    exceed n or the number of dimensions.
    """
    return _vendi(units.T @ units if len(units) > units.shape[1] else units @ units.T)


def _vendi(gram: Floats) -> float:
    values = np.linalg.eigvalsh(gram)
    shares = values[values > 0] / values[values > 0].sum()
    return float(np.exp(-(shares @ np.log(shares))))


def vendi_error(units: Floats) -> float:
    """Return the Vendi score's standard error: a jackknife that leaves out a twentieth of the texts at a time."""
    groups = [units[start::_GROUPS] for start in range(min(_GROUPS, len(units)))]
    if len(units) > units.shape[1]:
        parts = [group.T @ group for group in groups]
        total = sum(parts, np.zeros_like(parts[0]))
        without = np.array([_vendi(total - part) for part in parts])
    else:
        gram = units @ units.T
        places = np.arange(len(units))
        kept = [places % _GROUPS != start for start in range(len(groups))]
        without = np.array([_vendi(gram[np.ix_(keep, keep)]) for keep in kept])
    return sqrt((len(groups) - 1) / len(groups) * float(np.square(without - without.mean()).sum()))
