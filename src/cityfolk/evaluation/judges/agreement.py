"""Agreement in numbers: intraclass correlations, and moments of columns with their cluster bootstrap.

ICC(2,1) asks whether judges give the same score (absolute agreement; judges are a sample of judges), ICC(3,1) whether
they order answers alike whatever their levels (consistency; these judges alone): Shrout & Fleiss (1979), "Intraclass
correlations: uses in assessing rater reliability", Psychological Bulletin 86(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.statistics import LEVEL, Estimate

Floats = NDArray[np.float64]
_AT_ONCE = 2_000_000  # numbers in memory while clusters are drawn


@dataclass(frozen=True, slots=True)
class Icc:
    """Both intraclass correlations of single scores, with intervals by the F distribution."""

    agreement: Estimate
    consistency: Estimate


def icc(scores: ArrayLike, level: float = LEVEL) -> Icc:
    """Return ICC(2,1) and ICC(3,1) of n answers by k judges, (n, k), every answer read by every judge.

    Intervals are Shrout and Fleiss's, which take answers to be independent. Raises DataError for fewer than two
    answers or judges; where all scores are equal both are NaN.
    """
    from scipy.stats import f

    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise DataError("an ICC needs two or more answers by two or more judges", hint="leave the missing ones out")
    n, k = table.shape
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between = k * float(((rows - grand) ** 2).sum()) / (n - 1)
    judges = n * float(((columns - grand) ** 2).sum()) / (k - 1)
    rest = float(((table - rows[:, None] - columns + grand) ** 2).sum()) / ((n - 1) * (k - 1))
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    if between <= 0 and rest <= 0:
        return Icc(nothing, nothing)
    consistency = (between - rest) / (between + (k - 1) * rest)
    agreement = (between - rest) / (between + (k - 1) * rest + k * (judges - rest) / n)
    if rest <= 0:
        return Icc(Estimate(agreement, agreement, agreement), Estimate(1.0, 1.0, 1.0))
    tail, free = (1 + level) / 2, (n - 1) * (k - 1)
    lower = between / rest / f.ppf(tail, n - 1, free)
    upper = between / rest * f.ppf(tail, free, n - 1)
    ends = [(bound - 1) / (bound + k - 1) for bound in (lower, upper)]
    ratio = judges / rest
    part = n * (1 + (k - 1) * agreement) - k * agreement
    degrees = free * (k * agreement * ratio + part) ** 2 / ((n - 1) * (k * agreement * ratio) ** 2 + part**2)
    above, below = f.ppf(tail, n - 1, degrees), f.ppf(tail, degrees, n - 1)
    noise = k * judges + (k * n - k - n) * rest
    low = n * (between - above * rest) / (above * noise + n * between)
    high = n * (below * between - rest) / (noise + n * below * between)
    return Icc(Estimate(agreement, float(low), float(high)), Estimate(consistency, float(ends[0]), float(ends[1])))


@dataclass(frozen=True, slots=True)
class Moments:
    """Means and covariances (divided by n - 1) of k columns: of the whole sample first, then of every resample."""

    n: Floats  # (1 + resamples,)
    mean: Floats  # (1 + resamples, k)
    covariance: Floats  # (1 + resamples, k, k)

    def correlation(self, first: int, second: int) -> Floats:
        """Return Pearson's r of two columns; NaN where one is constant."""
        variance = self.covariance[:, first, first] * self.covariance[:, second, second]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(variance > 0, self.covariance[:, first, second] / np.sqrt(variance), np.nan)

    def partial(self, first: int, second: int, given: int) -> Floats:
        """Return the correlation of two columns at equal values of a third."""
        pair, one, two = (
            self.correlation(first, second),
            self.correlation(first, given),
            self.correlation(second, given),
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            below = np.sqrt((1 - one**2) * (1 - two**2))
            return np.where(below > 1e-9, (pair - one * two) / below, np.nan)

    def slope(self, y: int, x: int) -> Floats:
        """Return the slope of the line of y on x; NaN where x is constant."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.covariance[:, x, x] > 0, self.covariance[:, y, x] / self.covariance[:, x, x], np.nan)

    def intercept(self, y: int, x: int) -> Floats:
        """Return the intercept of the line of y on x."""
        return np.asarray(self.mean[:, y] - self.slope(y, x) * self.mean[:, x])

    def deviation(self, column: int) -> Floats:
        """Return the standard deviation of a column."""
        return np.asarray(np.sqrt(np.maximum(self.covariance[:, column, column], 0.0)))

    def iccs(self, first: int, second: int) -> tuple[Floats, Floats]:
        """Return ICC(2,1) and ICC(3,1) of two columns as two judges, as `icc` does."""
        a, b = self.covariance[:, first, first], self.covariance[:, second, second]
        both = self.covariance[:, first, second]
        between, rest = (a + b) / 2 + both, (a + b) / 2 - both
        judges = self.n * (self.mean[:, first] - self.mean[:, second]) ** 2 / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            agreement = (between - rest) / (between + rest + 2 * (judges - rest) / self.n)
            consistency = (between - rest) / (between + rest)
        return agreement, consistency


def moments(columns: Floats, clusters: ArrayLike, stream: Generator, resamples: int = 400) -> Moments:
    """Return the moments of (n, k) columns, and of resamples in which whole clusters are drawn.

    `clusters` holds one label a row: answers to one question belong together.
    """
    centre = columns.mean(axis=0)
    shifted = np.column_stack([np.ones(len(columns)), columns - centre])
    _, labels = np.unique(np.asarray(clusters), return_inverse=True)
    count, width = int(labels.max()) + 1, shifted.shape[1]
    sums = np.empty((count, width, width))
    for i in range(width):
        for j in range(i, width):
            sums[:, i, j] = sums[:, j, i] = np.bincount(labels, weights=shifted[:, i] * shifted[:, j], minlength=count)
    flat = sums.reshape(count, width * width)
    drawn = [flat.sum(axis=0)[None]]
    size = max(1, _AT_ONCE // count)
    for start in range(0, resamples, size):
        times = stream.multinomial(count, np.full(count, 1 / count), size=min(size, resamples - start))
        drawn.append(times.astype(np.float64) @ flat)
    total = np.concatenate(drawn).reshape(-1, width, width)
    n = total[:, 0, 0]
    mean = total[:, 0, 1:] / n[:, None]
    squares = total[:, 1:, 1:] - n[:, None, None] * mean[:, :, None] * mean[:, None, :]
    covariance = squares / np.maximum(n - 1, 1)[:, None, None]
    # What rounding leaves of the variance of a constant is no variance.
    scale = np.maximum(np.abs(columns).max(axis=0), 1.0) ** 2 * 1e-12
    diagonal = np.arange(width - 1)
    covariance[:, diagonal, diagonal] = np.where(
        covariance[:, diagonal, diagonal] > scale, covariance[:, diagonal, diagonal], 0.0
    )
    return Moments(n=n, mean=mean + centre, covariance=covariance)


def interval(values: Floats, level: float = LEVEL) -> Estimate:
    """Return a statistic of `Moments` with its percentile interval over the resamples; NaN where it has no value."""
    rest = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(rest):
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(rest, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(values[0]), float(low), float(high))
