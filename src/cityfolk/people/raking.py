"""Raking (iterative proportional fitting) and whole-number allocation.

`rake` fits an n-way table to margins on any of its axes (Deming and Stephan 1940); `fit_cells` fits a list of cells to
counts, shares and equalities over any sets of cells, as published tables state them. Both say how far from each target
they ended, and never turn an empty cell into a full one. `integerize` and `integerize_two_way` then make whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_flow

from cityfolk.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What a table sums to over all axes but `axes` (ascending); `target` has their shape."""

    axes: tuple[int, ...]
    target: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Raked:
    """A fitted table, the sweeps it took, and the largest gap left: |margin - target| in the table's own unit."""

    table: FloatArray
    sweeps: int
    largest_gap: float
    converged: bool


def rake(seed: ArrayLike, margins: Sequence[Margin], *, tolerance: float = 1e-6, max_sweeps: int = 500) -> Raked:
    """Scale `seed` until its sums meet every margin within tolerance times the total, or max_sweeps are done.

    Zero cells stay zero. `converged` is measured on all margins after the last sweep, not assumed.

    Raises:
        DataError: a margin is negative, has another shape or total, or asks for people where every cell is zero.
    """
    table = np.array(seed, dtype=np.float64)
    _check_margins(table, margins)
    total = float(margins[0].target.sum()) if margins else float(table.sum())
    others = [tuple(a for a in range(table.ndim) if a not in m.axes) for m in margins]
    sweeps = 0
    while sweeps < max_sweeps:
        sweeps += 1
        gap = 0.0
        for margin, rest in zip(margins, others, strict=True):
            sums = table.sum(axis=rest)
            gap = max(gap, float(np.abs(sums - margin.target).max()))
            factor = np.divide(margin.target, sums, out=np.zeros_like(sums), where=sums > 0)
            table *= np.expand_dims(factor, rest)
        if gap <= tolerance * total:
            break
    final = max((_gap(table, m, r) for m, r in zip(margins, others, strict=True)), default=0.0)
    return Raked(table=table, sweeps=sweeps, largest_gap=final, converged=final <= tolerance * max(total, 1.0))


def _gap(table: FloatArray, margin: Margin, rest: tuple[int, ...]) -> float:
    return float(np.abs(table.sum(axis=rest) - margin.target).max())


def _check_margins(table: FloatArray, margins: Sequence[Margin]) -> None:
    if (table < 0).any() or not np.isfinite(table).all():
        raise DataError("a seed has negative or infinite cells", hint="raking starts from zero or positive weights")
    for margin in margins:
        shape = tuple(table.shape[a] for a in margin.axes)
        if margin.target.shape != shape:
            raise DataError(f"a margin has shape {margin.target.shape}, its axes {shape}", hint="order axes ascending")
        if (margin.target < 0).any():
            raise DataError("a margin is negative", hint="counts of people are zero or more")
        if not np.isclose(margin.target.sum(), margins[0].target.sum(), rtol=1e-6):
            raise DataError(
                f"margins don't add up: {margins[0].target.sum():,.1f} and {margin.target.sum():,.1f}",
                hint="scale them to one total first",
            )
        sums = table.sum(axis=tuple(a for a in range(table.ndim) if a not in margin.axes))
        if ((margin.target > 0) & (sums <= 0)).any():
            raise DataError("a margin asks for people where every cell is zero", hint="give the seed a small weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A statement about a list of cells: `cells` together weigh between low and high.

    With `base`, low and high are shares of the weight of the base cells. With `partner` instead, the two sets of
    cells weigh the same. `name` says whose statement it is.
    """

    name: str
    cells: IntArray
    low: float = 0.0
    high: float = 0.0
    base: IntArray | None = None
    partner: IntArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Fitted weights; `gaps` maps each target's name to (weight - nearest bound) relative to what was asked."""

    weights: FloatArray
    sweeps: int
    gaps: dict[str, float]


def fit_cells(
    weights: ArrayLike, targets: Sequence[Target], *, tolerance: float = 1e-4, max_sweeps: int = 200
) -> Fitted:
    """Scale weights until every target holds within tolerance (relative), or max_sweeps are done.

    Each sweep moves each target's cells to the nearest of its bounds, so targets stated last win where two disagree.
    """
    w = np.array(weights, dtype=np.float64)
    sweeps = 0
    while sweeps < max_sweeps:
        sweeps += 1
        worst = 0.0
        for target in targets:
            worst = max(worst, _move(w, target))
        if worst <= tolerance:
            break
    gaps = {}
    for target in targets:
        now, wanted = _state(w, target)
        gaps[target.name] = (now - wanted) / max(wanted, 1.0)
    return Fitted(weights=w, sweeps=sweeps, gaps=gaps)


def _state(w: FloatArray, target: Target) -> tuple[float, float]:
    now = float(w[target.cells].sum())
    if target.partner is not None:
        return now, (now + float(w[target.partner].sum())) / 2
    scale = 1.0 if target.base is None else float(w[target.base].sum())
    return now, min(max(now, target.low * scale), target.high * scale)


def _move(w: FloatArray, target: Target) -> float:
    now, wanted = _state(w, target)
    if now <= 0 or now == wanted:
        return 0.0
    if target.partner is not None:
        w[target.cells] *= wanted / now
        other = float(w[target.partner].sum())
        if other > 0:
            w[target.partner] *= wanted / other
    elif target.base is not None:
        # The base keeps its weight: what its cells gain, the rest of it gives.
        base = float(w[target.base].sum())
        rest = (base - wanted) / (base - now) if base > now else 1.0
        if rest > 0:
            w[target.base] *= rest
            w[target.cells] *= wanted / now / rest
    else:
        w[target.cells] *= wanted / now
    return abs(now - wanted) / max(wanted, 1.0)


def shares_to_counts(weights: ArrayLike, total: int) -> IntArray:
    """Return whole numbers in proportion to weights that add to total: largest remainders, ties to the first."""
    w = np.asarray(weights, dtype=np.float64)
    if total and w.sum() <= 0:
        raise DataError(f"{total} people have nowhere to go", hint="at least one weight must be positive")
    exact = w / w.max() if total else np.zeros_like(w)  # so that even the smallest weights can be divided by
    exact *= total / exact.sum() if total else 1.0
    whole = np.floor(exact).astype(np.int64)
    short = int(total - whole.sum())
    if short > 0:
        order = np.argsort(-(exact - whole), kind="stable")
        whole.flat[order[:short]] += 1
    return whole


def integerize(table: ArrayLike, rng: np.random.Generator, *, total: int | None = None) -> IntArray:
    """Round a table of any shape to whole numbers that add to `total` (default: its rounded sum).

    Systematic sampling of the fractions in C order: each cell becomes one of its two neighbouring whole numbers with
    the right expectation, every run of neighbouring cells is off by less than one, and zero cells stay zero.
    """
    w = np.asarray(table, dtype=np.float64)
    total = round(float(w.sum())) if total is None else total
    if total < 0 or (w < 0).any():
        raise DataError("a table to be rounded is negative", hint="counts of people are zero or more")
    if w.sum() <= 0:
        return shares_to_counts(w, total) if total else np.zeros(w.shape, np.int64)
    edges = np.concatenate([[0.0], np.cumsum(w.ravel())])
    edges *= total / edges[-1]
    marks = np.floor(edges + rng.uniform(1e-9, 1 - 1e-9))
    marks[0], marks[-1] = 0, total
    result = np.diff(marks).astype(np.int64)
    return result.reshape(w.shape)


def swap_to_counts(
    counts: ArrayLike,
    weights: ArrayLike,
    targets: Sequence[Target],
    rng: np.random.Generator,
    *,
    rounds: int = 60,
    tries: int = 3000,
) -> IntArray:
    """Move single people between cells while that brings the counts of targets (without base or partner) nearer.

    Each round draws pairs of an occupied cell and a likely one (by weight), values every move by the sum of absolute
    gaps, and makes the best moves that touch no target twice. Totals stay, cells of weight zero stay empty, and the
    sum of gaps never grows.
    """
    whole, w = np.array(counts, dtype=np.int64), np.asarray(weights, dtype=np.float64)
    exact = [t for t in targets if t.base is None and t.partner is None and t.low == t.high]
    if not exact or not whole.sum():
        return whole
    member = np.zeros((len(whole), len(exact)), dtype=np.int8)
    for column, target in enumerate(exact):
        member[target.cells, column] = 1
    gap = whole @ member - np.rint([t.low for t in exact]).astype(np.int64)
    chance = np.cumsum(w) / w.sum()
    for _ in range(rounds):
        if not gap.any():
            break
        occupied = np.flatnonzero(whole > 0)
        source = occupied[rng.integers(0, len(occupied), tries)]
        goal = np.searchsorted(chance, rng.random(tries)).clip(0, len(w) - 1)
        change = member[goal].astype(np.int64) - member[source]
        gain = (np.abs(gap) - np.abs(gap + change)).sum(axis=1)
        best = np.argsort(-gain, kind="stable")[:40]
        for move in best[gain[best] > 0]:
            after = gap + change[move]
            if np.abs(after).sum() < np.abs(gap).sum() and whole[source[move]] > 0 and w[goal[move]] > 0:
                whole[source[move]] -= 1
                whole[goal[move]] += 1
                gap = after
    return whole


def integerize_two_way(table: ArrayLike, rng: np.random.Generator) -> IntArray:
    """Round a two-way table whose row and column sums are whole numbers so that every one of them holds exactly.

    Each cell becomes one of its two neighbours. Such a rounding always exists (Bacharach 1966); it is found as a
    maximum flow of the fractions from rows to columns, the cells tried in random order.

    Raises:
        DataError: a row or column sum is not a whole number (within 1e-3).
    """
    w = np.asarray(table, dtype=np.float64)
    rows, columns = w.sum(axis=1), w.sum(axis=0)
    if max(np.abs(rows - np.rint(rows)).max(), np.abs(columns - np.rint(columns)).max()) > 1e-3:
        raise DataError("row and column sums are not whole numbers", hint="rake to whole-number margins first")
    whole = np.floor(w + 1e-9).astype(np.int64)
    need_r = (np.rint(rows) - whole.sum(axis=1)).astype(np.int64)
    need_c = (np.rint(columns) - whole.sum(axis=0)).astype(np.int64)
    r_order, c_order = rng.permutation(len(rows)), rng.permutation(len(columns))
    open_cells = (w - whole > 1e-9)[np.ix_(r_order, c_order)]
    chosen = _flow(open_cells, need_r[r_order], need_c[c_order])
    added = np.zeros_like(whole)
    added[np.ix_(r_order, c_order)] = chosen
    return whole + added


def _flow(open_cells: NDArray[np.bool_], need_r: IntArray, need_c: IntArray) -> IntArray:
    n, m = open_cells.shape
    i, j = np.nonzero(open_cells)
    source, sink = n + m, n + m + 1
    heads = np.concatenate([np.full(n, source), i, np.arange(n, n + m)])
    tails = np.concatenate([np.arange(n), n + j, np.full(m, sink)])
    capacity = np.concatenate([need_r, np.ones(len(i), np.int64), need_c]).astype(np.int32)
    keep = capacity > 0
    graph = csr_matrix((capacity[keep], (heads[keep], tails[keep])), shape=(n + m + 2, n + m + 2))
    result = maximum_flow(graph, source, sink)
    if result.flow_value != need_r.sum():
        raise DataError("no rounding meets these margins", hint="rake with a smaller tolerance first")
    flow = np.asarray(result.flow[:n, n : n + m].todense())
    units: IntArray = np.maximum(flow, 0).astype(np.int64)
    return units


def expand(counts: ArrayLike) -> IntArray:
    """Return the flat cell number of each person: cell k appears counts[k] times, in order."""
    c = np.asarray(counts).ravel()
    return np.repeat(np.arange(c.size), c)
