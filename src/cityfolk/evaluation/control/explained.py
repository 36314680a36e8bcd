"""Of what differs between answers to the same question: how much goes with the vector, how much with the background.

Every share is an omega^2 (Hays 1963) of the sum of squares within questions: what a factor explains beside the other
factors, less what chance explains on average, over all there is. The vector is held against what is left after question
and vector; a background factor within blocks (one question under one vector) against what is left there, so that what
a vector does is never counted to a background. Several measures together (five traits, all emotions) add up their sums
of squares. Intervals draw whole questions anew; near 0 they are too wide rather than too narrow. Tests are F tests that
take answers within a block as independent.

Differences between the values of a factor are of least squares within blocks, each beside the other factors. Of all
pairs the largest is told, with Tukey and Kramer's interval (1956), which holds for the largest of all pairs, and with
its p-value corrected (Holm 1979) over all pairs of all factors and measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from cityfolk.errors import DataError
from cityfolk.evaluation.control.draws import Draws, Floats, Whole, cluster_sums, estimate
from cityfolk.evaluation.statistics import LEVEL, Estimate

FEWEST = 30
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The share of one factor, the F test of it (p None for several measures together), rows and values."""

    share: Estimate
    p: float | None
    n: int
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How far one value of a factor lies from the mean of all of them, and its standard error."""

    label: str
    value: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The difference of two values of a factor: which is higher, by how much, and the p-value of no difference."""

    high: str
    low: str
    value: float
    error: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """All values of a factor and all pairs of them, the pair that differs most first; its interval is simultaneous."""

    levels: tuple[Level, ...]
    gaps: tuple[Gap, ...]
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Answers: (n, m) measures, the question and the vector of each, and what its background says of some factors."""

    values: Floats
    question: Whole
    vector: Whole
    factors: Mapping[str, Sequence[str]]
    draws: Draws

    def of(self, **changes: Any) -> Table:
        """Return the table with some of its columns changed."""
        return replace(self, **changes)

    def rows(self, kept: Whole) -> Table:
        """Return some of the answers."""
        factors = {name: [labels[int(row)] for row in kept] for name, labels in self.factors.items()}
        return replace(
            self,
            values=self.values[kept],
            question=self.question[kept],
            vector=self.vector[kept],
            factors=factors,
        )

    def known(self) -> Table:
        """Return the answers that have every measure."""
        return self.rows(np.flatnonzero(np.isfinite(self.values).all(axis=1)))

    @property
    def block(self) -> Whole:
        """The number of each answer's question and vector."""
        return np.unique(np.column_stack([self.question, self.vector]), axis=0, return_inverse=True)[1].ravel()


def table_of(
    values: Floats, questions: Sequence[str], vectors: Sequence[str], factors: Mapping[str, Sequence[str]], draws: Draws
) -> Table:
    """Return answers as a table; the questions, in alphabetical order, are the clusters of the draws."""
    place = {name: at for at, name in enumerate(sorted(set(questions)))}
    if len(place) != draws.weights.shape[1]:
        raise DataError(f"there are {len(place)} questions and draws of {draws.weights.shape[1]}", hint="draw anew")
    return Table(
        values=np.asarray(values, dtype=np.float64).reshape(len(questions), -1),
        question=np.array([place[name] for name in questions], dtype=np.int64),
        vector=np.unique(np.asarray(vectors, dtype=str), return_inverse=True)[1].astype(np.int64),
        factors=factors,
        draws=draws,
    )


Measures = Mapping[str, Sequence[int]]
"""Measures by name: the columns of a table that are taken together, one or several."""


def vector_shares(table: Table, measures: Measures) -> dict[str, Explained]:
    """Return the share of each measure that the vector explains; measures that can't be told are left out."""
    results: dict[str, Explained] = {}
    for one, columns in _alike(table, measures):
        y = _freed(one.values, one.question)
        dummies = _freed(_dummies(one.vector), one.question)
        rank = int(np.linalg.matrix_rank(dummies)) if dummies.size else 0
        free = len(y) - len(np.unique(one.question)) - rank
        if _enough(len(y), rank, free):
            found = _shares(one, y, {"vector": dummies}, y, free, columns)
            results |= {name: found["vector", name] for name in columns}
    return results


def factor_shares(table: Table, measures: Measures) -> dict[tuple[str, str], Explained]:
    """Return the share of each (factor, measure) beside the other factors; those that can't be told are left out."""
    results: dict[tuple[str, str], Explained] = {}
    for some, columns in _alike(table, measures):
        blocks = _blocks(some)
        if blocks is not None:
            one, y, design, free = blocks
            results |= _shares(one, y, design, _freed(one.values, one.question), free, columns)
    return results


def factor_effects(table: Table) -> dict[str, Effects]:
    """Return how the values of each factor differ in the one measure of a table, beside the other factors.

    Nothing where they can't be told.
    """
    from scipy.stats import t

    blocks = _blocks(table.known())
    if blocks is None:
        return {}
    one, y, columns, free = blocks
    design = np.column_stack(list(columns.values()))
    inverse = np.linalg.pinv(design.T @ design)
    found = inverse @ (design.T @ y[:, 0])
    left = float(((y[:, 0] - design @ found) ** 2).sum()) / free
    results: dict[str, Effects] = {}
    start = 0
    for name, own in columns.items():
        labels = sorted(set(one.factors[name]))
        places = np.arange(start, start + own.shape[1])
        start += own.shape[1]
        # The last value is the one that the others are told from.
        effect = np.append(found[places], 0.0)
        spread = np.zeros((len(labels), len(labels)))
        spread[:-1, :-1] = inverse[np.ix_(places, places)] * left
        centre = np.eye(len(labels)) - 1.0 / len(labels)
        error = np.sqrt(np.maximum(np.diagonal(centre @ spread @ centre), 0.0))
        levels = [
            Level(label=label, value=float(v), error=float(e))
            for label, v, e in zip(labels, effect - effect.mean(), error, strict=True)
        ]
        gaps = []
        for first, second in combinations(range(len(labels)), 2):
            high, low = (first, second) if effect[first] >= effect[second] else (second, first)
            gap = float(effect[high] - effect[low])
            wide = float(np.sqrt(max(spread[high, high] + spread[low, low] - 2 * spread[high, low], 0.0)))
            p = float(2 * t.sf(gap / wide, free)) if wide > 0 else float(gap == 0)
            gaps.append(Gap(high=labels[high], low=labels[low], value=gap, error=wide, p=p))
        gaps.sort(key=lambda gap: -gap.value)
        half = _tukey(len(labels), free) * gaps[0].error
        ends = (gaps[0].value - half, gaps[0].value + half)
        results[name] = Effects(levels=tuple(levels), gaps=tuple(gaps), interval=ends, n=len(y))
    return results


def group_means(values: Floats, question: Whole, draws: Draws) -> list[Estimate]:
    """Return the means of (n, m) measures, each with its interval by drawing questions anew."""
    sums = draws.sums(np.column_stack([np.ones(len(values)), values]), question)
    clusters = len(np.unique(question))
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    return [estimate(means[:, column], clusters) for column in range(means.shape[1])]


# ------------------------------------------------------------------------------------------------------------ the sums


def _alike(table: Table, measures: Measures) -> Iterator[tuple[Table, dict[str, list[int]]]]:
    """Yield the answers that have a measure, with the measures that just these answers have and their new columns."""
    groups: dict[bytes, dict[str, Sequence[int]]] = {}
    for name, columns in measures.items():
        known = np.isfinite(table.values[:, list(columns)]).all(axis=1)
        groups.setdefault(known.tobytes(), {})[name] = columns
    for own in groups.values():
        used = sorted({column for columns in own.values() for column in columns})
        yield (
            table.of(values=table.values[:, used]).known(),
            {name: [used.index(column) for column in columns] for name, columns in own.items()},
        )


def _blocks(table: Table) -> tuple[Table, Floats, dict[str, Floats], int] | None:
    """Return the answers of blocks with several, their measures within blocks, each factor's columns within blocks, and
    degrees of freedom; None where too few are left.
    """
    _, place, sizes = np.unique(table.block, return_inverse=True, return_counts=True)
    one = table.rows(np.flatnonzero(sizes[place] > 1))
    one = one.of(factors={name: labels for name, labels in one.factors.items() if len(set(labels)) > 1})
    if not one.factors:
        return None
    block = one.block
    y = _freed(one.values, block)
    columns = {
        name: _freed(_dummies(np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]), block)
        for name, labels in one.factors.items()
    }
    rank = int(np.linalg.matrix_rank(np.column_stack(list(columns.values()))))
    free = len(y) - len(np.unique(block)) - rank
    return (one, y, columns, free) if _enough(len(y), rank, free) else None


def _enough(n: int, rank: int, free: int) -> bool:
    return n >= FEWEST and rank >= 1 and free >= 2


def _dummies(numbers: Whole) -> Floats:
    return np.asarray(numbers[:, None] == np.arange(int(numbers.max(initial=0)))[None, :], dtype=np.float64)


def _freed(columns: Floats, place: Whole) -> Floats:
    """Return columns less the mean of their place."""
    if not columns.shape[1] or not len(columns):
        return columns
    _, at, sizes = np.unique(place, return_inverse=True, return_counts=True)
    return np.asarray(columns - (cluster_sums(columns, at.astype(np.int64), len(sizes)) / sizes[:, None])[at])


def _shares(
    one: Table,
    y: Floats,
    factors: Mapping[str, Floats],
    total: Floats,
    free: int,
    measures: Mapping[str, Sequence[int]],
) -> dict[tuple[str, str], Explained]:
    """Return the share of each (factor, measure) of the sum of squares of `total`, in the sample and in every draw."""
    design = np.column_stack(list(factors.values()))
    k, m = design.shape[1], y.shape[1]
    products = np.einsum("ni,nj->nij", design, np.column_stack([design, y])).reshape(len(y), -1)
    sums = one.draws.sums(products, one.question).reshape(-1, k, k + m)
    gram, cross = sums[:, :, :k], sums[:, :, k:]
    inside, whole = one.draws.sums(y**2, one.question), one.draws.sums(total**2, one.question)
    every = _explained(gram, cross)
    found: dict[tuple[str, str], Explained] = {}
    start = 0
    for factor, own in factors.items():
        others = np.delete(np.arange(k), np.arange(start, start + own.shape[1]))
        start += own.shape[1]
        rest = _explained(gram[:, others][:, :, others], cross[:, others]) if len(others) else np.zeros_like(every)
        rank = int(np.linalg.matrix_rank(own))
        for name, columns in measures.items():
            between, left, all_ = (part[:, list(columns)].sum(axis=1) for part in (every - rest, inside - every, whole))
            share, p = _share(between, left, all_, rank, free, len(np.unique(one.question)))
            found[factor, name] = Explained(share=share, p=p if len(columns) == 1 else None, n=len(y), levels=rank + 1)
    return found


def _share(between: Floats, left: Floats, whole: Floats, rank: int, free: int, clusters: int) -> tuple[Estimate, float]:
    """Return omega^2 of sums of squares (draws,) with its interval, and p of the F test of the first."""
    from scipy.stats import f as f_distribution

    if whole[0] <= _TINY:
        return Estimate(0.0, 0.0, 0.0), 1.0
    error = np.maximum(left, 0.0) / free
    with np.errstate(divide="ignore", invalid="ignore"):
        found = estimate(np.asarray((between - rank * error) / (whole + error)), clusters)
    ratio = between[0] / rank / error[0] if error[0] > _TINY * whole[0] else float("inf")
    p = float(f_distribution.sf(ratio, rank, free))
    return Estimate(found.value, found.low, min(found.high, 1.0), p), p


def _explained(gram: Floats, cross: Floats) -> Floats:
    """Return the sum of squares of each measure that columns explain, (draws, measures)."""
    inverse = np.asarray(np.linalg.pinv(gram, hermitian=True), dtype=np.float64)
    return np.asarray(np.einsum("rkm,rkm->rm", cross, inverse @ cross))


@lru_cache(maxsize=256)
def _tukey(levels: int, free: int, level: float = LEVEL) -> float:
    """Return how many standard errors of a difference the largest of all differences may be off."""
    from scipy.stats import studentized_range, t

    if levels == 2:
        return float(t.ppf((1 + level) / 2, free))
    return float(studentized_range.ppf(level, levels, free)) / float(np.sqrt(2))
