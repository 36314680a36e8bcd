"""Topics drawn anew: one set of draws for everything that is compared, sums of each draw, and intervals from them.

Answers on one topic are alike, so whole topics are drawn, with replacement. All conditions and judges of a model share
the draws: a difference between two of them is a difference draw by draw, so what a topic does to both falls out of it.

An interval is estimate +- t * s: s is the spread of the draws, widened by sqrt(G / (G - 1)) for G topics, and t
Student's quantile with G - 1 degrees of freedom. For a mean of equally large topics that is the textbook interval; the
percentile interval, which has neither correction, is too narrow with ten topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.statistics import LEVEL, Estimate

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Scale = Literal["plain", "fisher", "size", "share"]
RESAMPLES = 500
_WORST = 1e8  # condition number from which effects can't be told apart
_MIDDLE = (0.1, 0.9)
_NORMAL = 2.5631031310892007  # distance of the 10th and the 90th percentile of a standard normal
NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each of G clusters is in the sample, (1 + resamples, G): first the sample itself, then every draw."""

    weights: Floats
    unit: str

    @classmethod
    def of(cls, clusters: int, unit: str, stream: Generator, resamples: int = RESAMPLES) -> Draws:
        """Draw `clusters` of so many clusters `resamples` times; `unit` says what they are ("topics")."""
        drawn = stream.multinomial(clusters, np.full(clusters, 1.0 / clusters), size=resamples)
        return cls(np.vstack([np.ones((1, clusters)), drawn.astype(np.float64)]), unit)

    def sums(self, columns: Floats, clusters: Whole) -> Floats:
        """Return the sums of (n, k) columns in the sample and in each draw, (1 + resamples, k)."""
        return np.asarray(self.weights @ cluster_sums(columns, clusters, self.weights.shape[1]))

    def means(self, values: Floats, clusters: Whole) -> Floats:
        """Return the mean of (n,) values in the sample and in each draw; NaN where a draw holds none of them."""
        total = self.sums(np.column_stack([np.ones(len(values)), values]), clusters)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total[:, 1] / total[:, 0])

    def effects(self, design: Floats, values: Floats, clusters: Whole) -> Floats:
        """Return the least-squares effects of the (n, k) columns of a design, an intercept first.

        Shape (1 + resamples, k + 1); NaN where the columns can't be told apart.
        """
        centre = design.mean(axis=0)
        columns = np.column_stack([np.ones(len(values)), design - centre])
        width = columns.shape[1]
        products = np.einsum("ni,nj->nij", columns, columns).reshape(len(values), -1)
        total = self.sums(np.column_stack([products, columns * values[:, None]]), clusters)
        gram = total[:, : width * width].reshape(-1, width, width)
        scale = np.sqrt(np.maximum(np.diagonal(gram[0]), 1e-300))
        sound = _sound(gram / np.outer(scale, scale))
        gram = np.where(sound[:, None, None], gram, np.eye(width))
        found = np.linalg.solve(gram, total[:, width * width :, None])[..., 0]
        found[:, 0] -= found[:, 1:] @ centre
        found[~sound] = np.nan
        return np.asarray(found)


def cluster_sums(columns: Floats, clusters: Whole, count: int) -> Floats:
    """Return the sums of (n, k) columns by cluster, (count, k)."""
    sums = [np.bincount(clusters, weights=column, minlength=count) for column in columns.T]
    return np.column_stack(sums) if sums else np.zeros((count, 0))


def _sound(gram: Floats) -> NDArray[np.bool_]:
    values = np.linalg.eigvalsh(gram)
    return np.asarray(values[:, 0] * _WORST > values[:, -1])


def estimate(values: Floats, clusters: int, scale: Scale = "plain", level: float = LEVEL) -> Estimate:
    """Return the estimate of (1 + resamples,) values with its interval, and p of 0 where the scale is not "size".

    "fisher": correlations, on Fisher's (1921) scale. "size": what can't be below 0. "share": what lies between 0 and 1,
    by Wilson's interval of as many things as would have this spread, or as there are clusters where all of them are 0
    or all are 1: that four clusters agree is no certainty. The spread of the draws is taken between their 10th and 90th
    percentiles, so that a ratio that runs away in a few draws doesn't widen it.
    """
    from scipy.stats import t

    whole = np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9)) if scale == "fisher" else values
    rest = whole[1:][np.isfinite(whole[1:])]
    if not np.isfinite(whole[0]) or clusters < 2 or len(rest) < len(whole) // 2:
        return Estimate(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(rest, _MIDDLE)
    error = float(high - low) / _NORMAL * np.sqrt(clusters / (clusters - 1))
    quantile = float(t.ppf((1 + level) / 2, clusters - 1))
    half = quantile * error
    ends = np.array([whole[0] - half, whole[0] + half])
    if scale == "fisher":
        ends = np.tanh(ends)
    if scale == "share":
        ends = _share_ends(float(np.clip(whole[0], 0, 1)), error, clusters, quantile)
    if scale == "size":
        return Estimate(max(0.0, float(values[0])), max(0.0, float(ends[0])), max(0.0, float(ends[1])))
    p = float(2 * t.sf(abs(whole[0]) / error, clusters - 1)) if error > 0 else float(whole[0] == 0)
    return Estimate(float(values[0]), float(ends[0]), float(ends[1]), p)


def _share_ends(share: float, error: float, clusters: int, quantile: float) -> Floats:
    if not 0 < share < 1:
        count = float(clusters)
    elif error > 0:
        count = share * (1 - share) / error**2  # as many things, each 0 or 1, as would have this error
    else:
        return np.array([share, share])
    return np.array(wilson(share * count, count, quantile))


def error_of(values: Floats, clusters: int) -> float:
    """Return the standard error of (1 + resamples,) values, as `estimate` takes it; NaN where there is none."""
    rest = values[1:][np.isfinite(values[1:])]
    if clusters < 2 or len(rest) < len(values) // 2:
        return float("nan")
    low, high = np.quantile(rest, _MIDDLE)
    return float(high - low) / _NORMAL * float(np.sqrt(clusters / (clusters - 1)))
