"""How alike two profiles are on average: over all pairs where that is few, over drawn pairs with their error above.

Errors speak of what the model would have written for other people like these: the pairs of n profiles are a
U-statistic (Hoeffding 1948), whose error is that of n profiles and not that of n (n - 1) / 2 pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cityfolk.texts.tokens import Tokens

Floats = NDArray[np.float64]
Extreme = tuple[float, int, int]
"""(similarity, row, other row)."""

_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The mean similarity of two profiles, its standard error, and how the similarities are distributed.

    `shares[k]` of the pairs lie in edges[k] to edges[k + 1], the last edge included. `most` and `least` hold the most
    and the least alike pairs looked at, the most extreme first.
    """

    mean: float
    error: float
    pairs: int
    exact: bool
    edges: Floats
    shares: Floats
    most: tuple[Extreme, ...] = ()
    least: tuple[Extreme, ...] = ()


def all_pairs(block: Callable[[slice], Floats], n: int, edges: Floats, extremes: int = 0) -> Pairs:
    """Look at every pair of n >= 3 profiles; block(rows) gives these rows' similarities to all n.

    The error is the jackknife's, which needs only the sum of each row.
    """
    sums = np.empty(n)
    counts = np.zeros(len(edges) - 1)
    most: list[Extreme] = []
    least: list[Extreme] = []
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(n, start + _BLOCK))
        values = np.asarray(block(rows), dtype=np.float64)
        values[np.arange(values.shape[0]), np.arange(rows.start, rows.stop)] = 0.0
        sums[rows] = values.sum(axis=1)
        upper = np.arange(n)[None, :] > np.arange(rows.start, rows.stop)[:, None]
        flat = values[upper]
        counts += np.histogram(np.clip(flat, edges[0], edges[-1]), bins=edges)[0]
        if extremes:
            places = np.argwhere(upper) + np.array([start, 0])
            most = sorted([*most, *_extremes(-flat, places, extremes)])[:extremes]
            least = sorted([*least, *_extremes(flat, places, extremes)])[:extremes]
    pairs = n * (n - 1) // 2
    return Pairs(
        mean=float(sums.sum() / (2 * pairs)),
        error=jackknife(sums),
        pairs=pairs,
        exact=True,
        edges=edges,
        shares=counts / pairs,
        most=tuple((-value, i, j) for value, i, j in most),
        least=tuple(least),
    )


def _extremes(values: Floats, places: NDArray[np.int64], count: int) -> list[Extreme]:
    chosen = np.argsort(values, kind="stable")[:count] if len(values) <= count else _smallest(values, count)
    return [(float(values[k]), int(places[k, 0]), int(places[k, 1])) for k in chosen]


def _smallest(values: Floats, count: int) -> NDArray[np.int64]:
    """Return where the smallest values are, the first of equal ones."""
    limit = np.partition(values, count - 1)[count - 1]
    within = np.flatnonzero(values <= limit)
    return within[np.argsort(values[within], kind="stable")[:count]]


def jackknife(sums: Floats) -> float:
    """Return the jackknife standard error of a mean over all pairs, from each row's sum over the others."""
    n = len(sums)
    total = sums.sum() / 2
    without = (total - sums) / ((n - 1) * (n - 2) / 2)
    return float(sqrt((n - 1) / n * np.square(without - without.mean()).sum()))


def drawn_pairs(
    between: Callable[[NDArray[np.int64], NDArray[np.int64]], Floats],
    n: int,
    pairs: int,
    edges: Floats,
    rng: Generator,
) -> Pairs:
    """Draw pairs of n >= 3 profiles, two at a time that share one; between(rows, others) gives their similarities.

    The two pairs that share a profile tell the part of the variance that belongs to profiles (their covariance c): the
    squared error is var(mean of the two) / draws, plus 4 c / n for the n profiles at hand.
    """
    draws = max(2, pairs // 2)
    anchor = rng.integers(0, n, draws)
    one = (anchor + rng.integers(1, n, draws)) % n
    step = rng.integers(1, n - 1, draws)
    # The second partner differs from the anchor and from the first.
    other = (anchor + 1 + ((one - anchor) % n - 1 + step) % (n - 1)) % n
    values = np.stack([between(anchor, one), between(anchor, other)]).astype(np.float64)
    shared = max(0.0, float(np.cov(values)[0, 1]))
    variance = float(values.mean(axis=0).var(ddof=1)) / draws + 4 * shared / n
    counts = np.histogram(np.clip(values.ravel(), edges[0], edges[-1]), bins=edges)[0]
    return Pairs(
        mean=float(values.mean()),
        error=sqrt(variance),
        pairs=2 * draws,
        exact=False,
        edges=edges,
        shares=counts / values.size,
    )


def word_sets(tokens: Tokens) -> csr_matrix:
    """Return which words each profile has: one row a profile, 1 where a word occurs."""
    lengths = np.diff(tokens.ends)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    shape = (len(lengths), max(1, len(tokens.vocabulary)))
    sets = csr_matrix((np.ones(len(owner), dtype=np.float32), (owner, tokens.ids)), shape=shape)
    sets.sum_duplicates()
    sets.data[:] = 1.0
    return sets


def jaccard_pairs(sets: csr_matrix, edges: Floats, *, exact: int, pairs: int, rng: Generator) -> Pairs | None:
    """Return the Jaccard similarity (shared over all different words) of two profiles' word sets.

    Rows without words are left out; None with fewer than three left. All pairs up to `exact` rows, else `pairs` drawn.
    """
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    sets, sizes = sets[sizes > 0], sizes[sizes > 0]
    n = len(sizes)
    if n < 3:
        return None
    if n <= exact:
        turned = sets.T.tocsr()

        def block(rows: slice) -> Floats:
            shared = (sets[rows] @ turned).toarray()
            result: Floats = shared / (sizes[rows, None] + sizes[None, :] - shared)
            return result

        return all_pairs(block, n, edges)

    def between(left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
        parts = []
        for start in range(0, len(left), 20_000):
            a, b = left[start : start + 20_000], right[start : start + 20_000]
            shared = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
            parts.append(shared / (sizes[a] + sizes[b] - shared))
        return np.concatenate(parts)

    return drawn_pairs(between, n, pairs, edges, rng)
