"""Intervals, tests and effect sizes, and what to do about many of them at once.

Every function is pure: the stream of random numbers is passed in (`rng.child`), so the same seed gives the same
interval. Intervals are at 90% unless told otherwise. Samples are 1-d arrays of finite numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError

Floats = NDArray[np.float64]
Statistic = Callable[..., float]
LEVEL = 0.90
_AT_ONCE = 4_000_000
_EXACT_SIGNS = 12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its interval, and the two-sided p-value of "no difference" where one was asked for."""

    value: float
    low: float
    high: float
    p: float | None = None


def _sample(values: ArrayLike, at_least: int = 1) -> Floats:
    sample = np.asarray(values, dtype=np.float64).ravel()
    if len(sample) < at_least:
        raise DataError(f"{len(sample)} values are too few", hint=f"give {at_least} or more")
    if not np.isfinite(sample).all():
        raise DataError("a sample holds values that are not finite numbers", hint="leave the missing ones out")
    return sample


# ------------------------------------------------------------------------------------------------------- bootstrap


def bootstrap(
    statistic: Statistic,
    *samples: ArrayLike,
    stream: Generator,
    clusters: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = LEVEL,
    method: str = "bca",
) -> Estimate:
    """Return a statistic of paired samples (rows that belong together) with its bootstrap interval.

    `statistic` takes as many arrays as there are samples. With `clusters` (one label a row) whole clusters are drawn,
    so that rows of one person count once. `method` is "bca" (bias-corrected and accelerated, Efron 1987; acceleration
    by the jackknife over clusters, Efron & Tibshirani 1993, eq. 14.15) or "percentile". Where a resample has no value
    (NaN: a correlation of equal numbers) it is left out; where none has one, the interval is NaN.
    """
    from scipy.special import ndtr, ndtri

    if method not in ("bca", "percentile"):
        raise DataError(f"a bootstrap method cannot be {method!r}", hint="bca or percentile")
    rows = [np.asarray(sample) for sample in samples]
    members = _members(len(rows[0]), clusters)
    value = float(statistic(*rows))
    drawn = np.array([statistic(*_drawn(rows, members, stream)) for _ in range(resamples)], dtype=np.float64)
    drawn = drawn[np.isfinite(drawn)]
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if not len(drawn) or not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"))
    below = (np.count_nonzero(drawn < value) + 0.5 * np.count_nonzero(drawn == value)) / len(drawn)
    if method == "bca" and 0 < below < 1 and len(members) > 2:
        bias, acceleration = ndtri(below), _acceleration(statistic, rows, members)
        shifted = bias + ndtri(tails)
        tails = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(drawn, np.clip(tails, 0, 1))
    return Estimate(value, float(low), float(high))


def _members(n: int, clusters: ArrayLike | None) -> list[NDArray[np.int64]]:
    if clusters is None:
        return [np.array([i]) for i in range(n)]
    labels = np.asarray(clusters)
    if len(labels) != n:
        raise DataError(f"{len(labels)} cluster labels for {n} rows", hint="give one label a row")
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(labels[order][1:] != labels[order][:-1]) + 1
    return np.split(order, ends)


def _drawn(rows: list[Any], members: list[NDArray[np.int64]], stream: Generator) -> list[Any]:
    chosen = stream.integers(len(members), size=len(members))
    # Where every row is a cluster of its own, their numbers are the rows'.
    index = chosen if len(members) == len(rows[0]) else np.concatenate([members[i] for i in chosen])
    return [row[index] for row in rows]


def _acceleration(statistic: Statistic, rows: list[Any], members: list[NDArray[np.int64]]) -> float:
    keep = np.ones(len(rows[0]), dtype=bool)
    left = np.empty(len(members))
    for number, member in enumerate(members):
        keep[member] = False
        left[number] = statistic(*(row[keep] for row in rows))
        keep[member] = True
    gaps = np.nanmean(left) - left
    spread = np.nansum(gaps**2) ** 1.5
    return float(np.nansum(gaps**3) / (6 * spread)) if spread > 0 else 0.0


# ------------------------------------------------------------------------------------------------------ permutation


def permutation_paired(differences: ArrayLike, stream: Generator, resamples: int = 9999) -> float:
    """Return the two-sided p-value of a mean difference of zero: signs are flipped within pairs.

    Exact by going through all flips up to 12 pairs; else (extreme flips + 1) / (flips + 1) (Phipson & Smyth 2010).
    """
    return float(permutation_columns(_sample(differences)[:, None], stream, resamples)[0])


def permutation_columns(differences: ArrayLike, stream: Generator, resamples: int = 9999) -> Floats:
    """Return p-values, one a column, of zero mean differences (n pairs, m measures); all columns share flips."""
    table = np.asarray(differences, dtype=np.float64)
    n = len(table)
    observed = np.abs(table.sum(axis=0))
    # A flip that gives the observed sum again must count as one, whatever order its terms were added in.
    least = observed - 1e-9 * np.maximum(np.abs(table).sum(axis=0), 1e-300)
    if n <= _EXACT_SIGNS:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return np.asarray((np.abs(signs @ table) >= least).mean(axis=0))
    extreme = np.zeros(table.shape[1])
    for size in _batches(resamples, n):
        signs = stream.integers(0, 2, size=(size, n), dtype=np.int8).astype(np.float64) * 2 - 1
        extreme += (np.abs(signs @ table) >= least).sum(axis=0)
    return np.asarray((extreme + 1) / (resamples + 1))


def _batches(total: int, width: int) -> list[int]:
    size = max(1, min(total, _AT_ONCE // max(width, 1)))
    return [min(size, total - start) for start in range(0, total, size)]


# ------------------------------------------------------------------------------------------- means and correlations


def mean_interval(values: ArrayLike, level: float = LEVEL) -> Estimate:
    """Return the mean with Student's t interval; p tests a mean of zero."""
    from scipy.stats import t

    sample = _sample(values, 2)
    mean, error = float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))
    if error == 0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    half = float(t.ppf((1 + level) / 2, len(sample) - 1)) * error
    return Estimate(mean, mean - half, mean + half, float(2 * t.sf(abs(mean) / error, len(sample) - 1)))


def correlation(x: ArrayLike, y: ArrayLike, level: float = LEVEL) -> Estimate:
    """Return Pearson's r, its interval by Fisher's z (1921), and p of no correlation; NaN where one is constant."""
    from scipy.special import ndtr

    first, second = _sample(x, 4), _sample(y, 4)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    r = float(np.corrcoef(first, second)[0, 1])
    z = float(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)))
    error = 1 / np.sqrt(len(first) - 3)
    half = _z(level) * error
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)), float(2 * ndtr(-abs(z) / error)))


# --------------------------------------------------------------------------------------------------- tests of shares


def share_above(successes: int, n: int, bound: float) -> float:
    """Return the p-value of "the true share is at most `bound`": the exact binomial chance of so many or more."""
    from scipy.stats import binom

    return float(binom.sf(successes - 1, n, bound)) if n else 1.0


def correlation_below(r: float, n: int, bound: float) -> float:
    """Return the p-value of "the true correlation is at least `bound`", by Fisher's z."""
    from scipy.special import ndtr

    if n <= 3:
        return 1.0
    return float(ndtr((np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)) - np.arctanh(bound)) * np.sqrt(n - 3)))


# ------------------------------------------------------------------------------------------------------- many tests


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted for the family-wise error rate (Holm 1979): reject those at or below alpha."""
    p, order, undo = _ordered(p_values)
    steps = (len(p) - np.arange(len(p))) * p[order]
    return np.asarray(np.minimum(np.maximum.accumulate(steps), 1.0)[undo])


def _ordered(p_values: ArrayLike) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    p = np.asarray(p_values, dtype=np.float64)
    if len(p) and not ((p >= 0) & (p <= 1)).all():
        raise DataError("p-values lie between 0 and 1", hint="leave out tests that could not be done")
    order = np.argsort(p, kind="stable")
    undo = np.empty_like(order)
    undo[order] = np.arange(len(p))
    return p, order, undo


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
