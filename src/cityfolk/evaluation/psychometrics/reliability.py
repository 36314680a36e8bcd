"""How well items measure one thing: Cronbach's alpha, McDonald's omega; and how alike two structures are: Tucker's phi.

Items are (n respondents, k items), keyed so that high means high; a respondent with an item missing is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.judges.agreement import interval, moments
from cityfolk.evaluation.statistics import LEVEL, Estimate

Floats = NDArray[np.float64]
NOTHING = Estimate(float("nan"), float("nan"), float("nan"))
RESAMPLES = 300
_ROUNDS = 300
_RESAMPLED = 1e-3  # of a standard deviation: what is drawn is far less sure than that


def complete(items: ArrayLike, least_items: int = 2) -> Floats:
    """Return the rows of (n, k) that have no item missing; DataError where a table is no such thing."""
    table = np.asarray(items, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < least_items:
        raise DataError(
            f"{least_items} or more items are needed, and the table has the shape {table.shape}",
            hint="give one row a respondent and one column an item",
        )
    return table[np.isfinite(table).all(axis=1)]


def alpha(items: ArrayLike, level: float = LEVEL) -> Estimate:
    """Return Cronbach's alpha (1951, Psychometrika 16, eq. 2) with Feldt's interval; NaN where nobody differs.

    Feldt (1965), "The approximate sampling distribution of Kuder-Richardson reliability coefficient twenty",
    Psychometrika 30: (1 - alpha) / (1 - estimate) follows F with n - 1 and (n - 1)(k - 1) degrees of freedom.
    """
    from scipy.stats import f

    table = complete(items)
    n, k = table.shape
    if n < 3:
        return NOTHING
    total = float(table.sum(axis=1).var(ddof=1))
    if total <= 1e-12:
        return NOTHING
    value = k / (k - 1) * (1 - float(table.var(axis=0, ddof=1).sum()) / total)
    tail, first, second = (1 - level) / 2, n - 1, (n - 1) * (k - 1)
    low = 1 - (1 - value) * float(f.isf(tail, first, second))
    high = 1 - (1 - value) * float(f.isf(1 - tail, first, second))
    return Estimate(value, low, high)


def one_factor(covariance: ArrayLike, tolerance: float = 1e-7) -> Floats:
    """Return the loadings (..., k) of one factor on items with covariances (..., k, k), by least squares.

    The sum of squared residuals off the diagonal is made as small as it gets, one loading at a time, none beyond its
    item's standard deviation (minres: Harman & Jones 1966, Psychometrika 31). The sum of loadings is positive.
    `tolerance` is the last change of a loading, in the unit of the largest standard deviation.
    """
    s = np.asarray(covariance, dtype=np.float64)
    variance = np.diagonal(s, axis1=-2, axis2=-1)
    most = np.sqrt(np.maximum(variance, 0.0))
    scale = max(float(most.max(initial=0.0)), 1e-300)
    values, vectors = np.linalg.eigh(s if s.ndim == 2 else s.reshape(-1, *s.shape[-2:])[0])
    start = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
    loadings = np.broadcast_to(start if start.sum() >= 0 else -start, variance.shape).copy()
    squares = (loadings**2).sum(axis=-1)
    for _ in range(_ROUNDS):
        moved = 0.0
        for i in range(s.shape[-1]):
            old = loadings[..., i].copy()
            below = squares - old**2
            above = np.einsum("...j,...j->...", s[..., i, :], loadings) - variance[..., i] * old
            new = np.where(below > 1e-12 * scale**2, above / np.maximum(below, 1e-300), 0.0)
            new = np.minimum(np.maximum(new, -most[..., i]), most[..., i])
            loadings[..., i] = new
            squares = below + new**2
            moved = max(moved, float(np.abs(new - old).max(initial=0.0)))
        if moved < tolerance * scale:
            break
    return np.asarray(loadings * np.where(loadings.sum(axis=-1, keepdims=True) < 0, -1.0, 1.0))


def omega_of(covariance: ArrayLike, tolerance: float = 1e-7) -> Floats:
    """Return McDonald's omega of items with covariances (..., k, k): what one factor explains of their sum.

    McDonald (1999), "Test theory", eq. 6.20: (sum of loadings)^2 over that plus the sum of unique variances.
    """
    s = np.asarray(covariance, dtype=np.float64)
    loadings = one_factor(s, tolerance)
    common = loadings.sum(axis=-1) ** 2
    unique = (np.diagonal(s, axis1=-2, axis2=-1) - loadings**2).sum(axis=-1)
    whole = common + unique
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 1e-12, common / whole, np.nan))


def omega(items: ArrayLike, stream: Generator, resamples: int = RESAMPLES, level: float = LEVEL) -> Estimate:
    """Return McDonald's omega (total, one factor) with a percentile interval over resampled respondents."""
    table = complete(items, 3)
    if len(table) < 4:
        return NOTHING
    drawn = moments(table, np.arange(len(table)), stream, resamples)
    found = omega_of(drawn.covariance, _RESAMPLED)
    found[0] = omega_of(drawn.covariance[0])
    return interval(found, level)


def congruence(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return Tucker's congruence of loadings (k,) or, column by column, (k, m): 1 for proportional ones.

    Tucker (1951), "A method for synthesis of factor analysis studies"; Lorenzo-Seva & ten Berge (2006), Methodology
    2(2), hold .85 to .94 for fair similarity and .95 for equality.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise DataError(f"loadings of shapes {a.shape} and {b.shape} cannot be compared", hint="give the same items")
    below = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 0, (a * b).sum(axis=0) / below, np.nan))


def turned_to(loadings: ArrayLike, target: ArrayLike) -> Floats:
    """Return loadings (k, m) turned rigidly to lie as near a target (k, m) as they can (Schoenemann 1966)."""
    a, b = np.asarray(loadings, dtype=np.float64), np.asarray(target, dtype=np.float64)
    left, _, right = np.linalg.svd(a.T @ b)
    return np.asarray(a @ (left @ right))


def components(correlation: ArrayLike, count: int) -> Floats:
    """Return loadings (k, count) of the first principal components of correlations (k, k)."""
    values, vectors = np.linalg.eigh(np.asarray(correlation, dtype=np.float64))
    return np.asarray(vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0.0)))


def structure(scores: ArrayLike, key: ArrayLike) -> Floats:
    """Return how far the structure of scores (n, k) is that of a key (k, m): Tucker's congruence of each column.

    As many principal components as the key has columns, turned to it. Turning finds some likeness in anything: see
    `structure_by_chance`. NaN where a score is the same for everybody.
    """
    table, target = complete(scores), np.asarray(key, dtype=np.float64)
    if len(table) < 3 or (np.ptp(table, axis=0) <= 1e-12).any():
        return np.full(target.shape[1], np.nan)
    return congruence(turned_to(components(np.corrcoef(table.T), target.shape[1]), target), target)


def structure_by_chance(scores: ArrayLike, key: ArrayLike, stream: Generator, draws: int = 60) -> float:
    """Return the 95th percentile of the mean congruence when each score is shuffled among respondents."""
    table = complete(scores)
    found = [float(np.mean(structure(stream.permuted(table, axis=0), key))) for _ in range(draws)]
    return float(np.quantile(found, 0.95))
