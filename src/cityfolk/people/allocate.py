"""The calibrated draw: a maximum-entropy fit of propensities to official totals, then whole people.

`calibrate` moves seed propensities as little as it can (in Kullback-Leibler divergence) until weighted totals meet
their targets; every target has a tolerance, so that sources which disagree are reconciled in proportion to their
margins (generalised raking: Deville, Sarndal and Sautory 1993; the ridge on the multipliers is the "soft calibration"
of Guggemos and Tille 2010). `allocate` turns propensities into one category per unit with quotas met exactly
(systematic sampling along an order, one category after the other: Tille 2006, ch. 7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cells = NDArray[np.int32]

_MAX_STEPS = 60
_TOLERANCE = 0.02  # of a target's tolerance: the dual gradient at which the fit counts as reached
_PRIOR_WEIGHT = 0.001  # of the seed against the targets: an observation of it counts a thousandth of a person


@dataclass(frozen=True, kw_only=True)
class Target:
    """One weighted total: sum over units of weight[mask] times category weight equals `total`, give or take `sigma`."""

    mask: int
    categories: Floats  # (K,), usually 0 or 1; other values express ratios
    total: float
    sigma: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """A vector of unit weights: bits where all are 0 or 1, else 32-bit floats."""

    size: int
    kept: NDArray[np.uint8] | NDArray[np.float32]

    @classmethod
    def of(cls, weights: ArrayLike) -> Weights:
        """Take 32-bit floats as they are or as bits."""
        given = np.asarray(weights)
        if given.dtype == np.bool_:
            return cls(len(given), np.packbits(given))
        column = np.ascontiguousarray(given, dtype=np.float32)
        flags = column == 1
        plain = bool(np.all(flags | (column == 0)))
        return cls(len(column), np.packbits(flags) if plain else column)

    def column(self) -> NDArray[np.float32]:
        """Return the weights, shape (size,)."""
        if self.kept.dtype == np.uint8:
            return np.unpackbits(self.kept, count=self.size).astype(np.float32)  # type: ignore[arg-type]
        return np.asarray(self.kept, dtype=np.float32)

    def key(self) -> bytes:
        """Return what tells these weights from others."""
        return hashlib.blake2b(self.kept.tobytes(), digest_size=16, salt=self.kept.dtype.char.encode()).digest()


@dataclass
class Targets:
    """The totals one attribute must meet. `masks` holds each distinct vector of unit weights once, size n."""

    masks: list[Weights] = field(default_factory=list)
    rows: list[Target] = field(default_factory=list)
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, weights: ArrayLike, categories: ArrayLike, total: float, sigma: float, label: str = "") -> None:
        """Add one total; `sigma` is in the units of the total and is kept above .3 so that the fit stays well posed."""
        column = Weights.of(weights)
        mask = self._known.setdefault(column.key(), len(self.masks))
        if mask == len(self.masks):
            self.masks.append(column)
        wanted = np.asarray(categories, dtype=np.float64)
        self.rows.append(Target(mask=mask, categories=wanted, total=total, sigma=max(sigma, 0.3), label=label))


def _mix(state: NDArray[np.uint64], column: NDArray[np.float32]) -> None:
    """Mix a column of weights into a hash of each unit, in place."""
    state ^= column.view(np.uint32)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state ^= state >> np.uint64(29)


def cells_of(columns: Sequence[Weights], seed_id: ArrayLike) -> tuple[Cells, Ints, Ints]:
    """Group units that no target and no seed tells apart: (cell of each unit, first unit of each cell, its count)."""
    state = np.asarray(seed_id).astype(np.uint64)
    state *= np.uint64(0xD1B54A32D192ED03)
    state += np.uint64(1)
    for column in columns:
        _mix(state, column.column())
    return _group(state)


def _group(state: NDArray[np.uint64]) -> tuple[Cells, Ints, Ints]:
    """Return what np.unique does (inverse, index of the first, counts), by hashing, as most numbers occur often."""
    units = pl.DataFrame({"state": state})
    groups = units.with_row_index("at").group_by("state").agg(pl.col("at").min(), pl.len().alias("count"))
    groups = groups.sort("state").with_row_index("cell")
    cell = units.join(groups.select("state", "cell"), on="state", how="left", maintain_order="left")["cell"]
    first, count = (groups[c].to_numpy().astype(np.int64) for c in ("at", "count"))
    return cell.to_numpy().astype(np.int32), first, count


# Sums must not depend on how many threads BLAS has. Products and factors this small are computed by one thread
# (OpenBLAS: fewer than 2**18 multiplications, 64 rows), larger ones are put together from them in a fixed order.
_ONE_THREAD = 200_000
_TILE = 48


def _product(left: Floats, right: Floats) -> Floats:
    """Return left.T @ right, summed over blocks of rows in order."""
    rows = max(1, _ONE_THREAD // (left.shape[1] * right.shape[1]))
    total = np.zeros((left.shape[1], right.shape[1]))
    for at in range(0, len(left), rows):
        total += left[at : at + rows].T @ right[at : at + rows]
    return total


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve a symmetric positive definite system by Cholesky factors of tiles (Golub and Van Loan 2013, 4.2.9)."""
    factor, x = matrix.copy(), right.copy()
    tiles = [slice(at, min(at + _TILE, len(x))) for at in range(0, len(x), _TILE)]
    inverse = []
    for i, here in enumerate(tiles):
        inverse.append(np.linalg.inv(np.linalg.cholesky(factor[here, here])))
        x[here] = inverse[i] @ x[here]
        for j, below in enumerate(tiles[i + 1 :], i + 1):
            factor[below, here] = factor[below, here] @ inverse[i].T
            x[below] -= factor[below, here] @ x[here]
            panel = factor[below, here].copy()  # its own memory: a matrix times itself goes another way in BLAS
            for other in tiles[i + 1 : j + 1]:
                factor[below, other] -= panel @ factor[other, here].T
    for i in reversed(range(len(tiles))):
        for below in tiles[i + 1 :]:
            x[tiles[i]] -= factor[below, tiles[i]].T @ x[below]
        x[tiles[i]] = inverse[i].T @ x[tiles[i]]
    return x


class _Dual:
    """The convex dual of the soft calibration on cells: its value, gradient, Hessian and the fitted propensities."""

    def __init__(self, seed: Floats, count: Floats, weights: Floats, targets: list[Target]) -> None:
        with np.errstate(divide="ignore"):
            self.log_seed = np.log(seed)
        self.count = count
        kinds, self.kind = np.unique(np.array([t.categories for t in targets]), axis=0, return_inverse=True)
        self.kind = self.kind.reshape(-1)
        self.kinds: Floats = kinds
        self.blocks = [np.flatnonzero(self.kind == k) for k in range(len(kinds))]
        mask = np.array([t.mask for t in targets])
        self.parts = [np.ascontiguousarray(weights[:, mask[block]]) for block in self.blocks]
        self.total = np.array([t.total for t in targets], dtype=np.float64)
        self.variance = _PRIOR_WEIGHT * np.array([t.sigma for t in targets], dtype=np.float64) ** 2

    def propensities(self, multipliers: Floats) -> tuple[Floats, Floats]:
        scores = np.stack(
            [np.einsum("ij,j->i", part, multipliers[b]) for part, b in zip(self.parts, self.blocks, strict=True)],
            axis=1,
        )
        logits = self.log_seed + np.einsum("ib,bk->ik", scores, self.kinds)
        top = logits.max(axis=1, keepdims=True)
        p = np.exp(logits - top)
        norm = p.sum(axis=1, keepdims=True)
        p /= norm
        return p, (top + np.log(norm))[:, 0]

    def value(self, multipliers: Floats) -> tuple[float, Floats]:
        p, log_norm = self.propensities(multipliers)
        ridge = 0.5 * float((self.variance * multipliers**2).sum())
        return float((self.count * log_norm).sum()) - float((multipliers * self.total).sum()) + ridge, p

    def gradient(self, multipliers: Floats, p: Floats) -> Floats:
        mean = np.einsum("ik,bk->ib", p, self.kinds)
        reached = np.empty_like(self.total)
        for j, (part, block) in enumerate(zip(self.parts, self.blocks, strict=True)):
            reached[block] = np.einsum("ij,i->j", part, self.count * mean[:, j])
        return reached - self.total + self.variance * multipliers

    def hessian(self, p: Floats) -> Floats:
        mean = np.einsum("ik,bk->ib", p, self.kinds)
        hessian = np.diag(self.variance)
        for i, left in enumerate(self.blocks):
            for j, right in enumerate(self.blocks[: i + 1]):
                both = np.einsum("ik,k->i", p, self.kinds[i] * self.kinds[j]) - mean[:, i] * mean[:, j]
                part = _product(self.parts[i], self.parts[j] * (self.count * both)[:, None])
                hessian[np.ix_(left, right)] += part
                if i != j:
                    hessian[np.ix_(right, left)] += part.T
        return hessian


def calibrate(seed: Floats, count: ArrayLike, weights: Floats, targets: list[Target]) -> Floats:
    """Return propensities (cells, K), each row summing to 1, that meet the targets within their tolerances.

    seed: (cells, K), zero where a category is impossible; count: (cells,) units in each cell; weights: (cells, masks).
    Raises DataError when a cell has no possible category.
    """
    if not np.all(seed.sum(axis=1) > 0):
        raise DataError("a group of people has no possible category", hint="give each row of the seed a positive entry")
    if not targets:
        return np.asarray(seed / seed.sum(axis=1, keepdims=True))
    dual = _Dual(seed, np.asarray(count, dtype=np.float64), weights, targets)
    multipliers = np.zeros(len(targets))
    value, p = dual.value(multipliers)
    limit = _TOLERANCE * np.array([t.sigma for t in targets])
    for _ in range(_MAX_STEPS):
        gradient = dual.gradient(multipliers, p)
        if np.all(np.abs(gradient) <= limit):
            break
        step = _solve(dual.hessian(p), gradient)
        slope, scale = float((gradient * step).sum()), 1.0
        while True:
            new_value, new_p = dual.value(multipliers - scale * step)
            if new_value <= value - 1e-4 * scale * slope or scale < 1e-6:
                break
            scale *= 0.5
        if scale < 1e-6:
            break
        multipliers, value, p = multipliers - scale * step, new_value, new_p
    return p


def round_quotas(expected: Floats, sizes: Ints) -> Ints:
    """Round expected counts (groups, K) to integers whose rows sum to `sizes` and whose columns drift by less than 1.

    The remainder of each group is carried to the next.
    """
    quotas = np.zeros(expected.shape, dtype=np.int64)
    carry = np.zeros(expected.shape[1])
    for g in range(len(expected)):
        scaled = expected[g] * (sizes[g] / max(expected[g].sum(), 1e-300))
        wanted = np.where(expected[g] > 0, np.maximum(scaled + carry, 0.0), 0.0)
        whole = np.floor(wanted + 1e-6).astype(np.int64)
        short = int(sizes[g] - whole.sum())
        order = np.argsort(-(wanted - whole - 2.0 * (expected[g] <= 0)), kind="stable")
        if short > 0:
            whole[order[:short]] += 1
        while short < 0:  # a carried surplus: take it back where the overshoot is largest
            k = int(np.argmax(np.where(whole > 0, whole - wanted, -np.inf)))
            whole[k] -= 1
            short += 1
        quotas[g] = whole
        carry += scaled - whole
    return quotas


def _rake(p: Floats, kind: Ints, group: Ints, of: Ints, quotas: Ints, rounds: int) -> None:
    """Rake propensities to quotas, in place. p: (kinds, K), each kind in group `of`; kind, group: of each unit."""
    wanted = quotas.astype(np.float64)
    for _ in range(rounds):
        reached = np.stack([np.bincount(group, p[:, k][kind], len(quotas)) for k in range(p.shape[1])], axis=1)
        factor = np.divide(wanted, reached, out=np.zeros_like(wanted), where=reached > 0)
        if np.all(np.abs(reached - wanted) <= 0.01 * np.maximum(wanted, 1.0)):
            break
        p *= factor[of]
        total = p.sum(axis=1, keepdims=True)
        np.divide(p, total, out=p, where=total > 0)


def _inclusion(odds: Floats, of: Ints, kind: Ints, group: Ints, wanted: Floats) -> Floats:
    """Scale odds by one factor per group until inclusion probabilities sum to what is wanted (Newton on its log).

    odds, of: of each kind, as in `_rake`; kind, group: of each unit that is left. Returns the probability of each unit.
    """
    log_scale = np.zeros(len(wanted))
    certain = np.isinf(odds)
    for _ in range(40):
        scaled = np.where(certain, 1.0, odds) * np.exp(log_scale)[of]
        pi = np.where(certain, 1.0, scaled / (1.0 + scaled))
        units = pi[kind]
        gap = wanted - np.bincount(group, units, len(wanted))
        if np.all(np.abs(gap) < 1e-7):
            break
        slope = np.bincount(group, (pi * (1.0 - pi))[kind], len(wanted))
        log_scale += np.clip(np.divide(gap, slope, out=np.zeros_like(gap), where=slope > 1e-12), -3.0, 3.0)
    return units


def _kinds(rows: int, kind: Ints, group: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
    """Number the combinations of kind and group: (number of each unit, kind and group of each number)."""
    if groups == 1:
        return kind, np.arange(rows), np.zeros(rows, dtype=np.int64)
    pairs, number = np.unique(group * rows + kind, return_inverse=True)
    return number, pairs % rows, pairs // rows


def allocate(
    propensity: Floats,
    group: ArrayLike,
    quotas: ArrayLike,
    uniforms: ArrayLike,
    rng: np.random.Generator,
    order: ArrayLike | None = None,
    *,
    kind: ArrayLike | None = None,
    exact: bool = True,
) -> NDArray[np.int16]:
    """Give each unit one of K categories so that every (group, category) quota is met exactly.

    propensity: (n, K), zero where a category is forbidden to a unit, or one row a kind, with the kind (n,) of each
    unit; group: (n,) integers from 0; quotas: (groups, K)
    integers whose rows sum to the group sizes; uniforms: (n,) in (0, 1), which decide within equal propensities;
    rng: where the sample of each category and group starts;
    order: (n,) optional integers along which the draw is spread evenly (units that are alike get the same number).
    The result for a unit depends on rng and its values, not on its place in the arrays (up to ties of `uniforms`).
    Raises DataError when quotas cannot be met; with exact=False they are then met as nearly as can be, and a forbidden
    category is still never chosen.
    """
    group, quotas = np.asarray(group, dtype=np.int64), np.asarray(quotas, dtype=np.int64)
    uniforms = np.asarray(uniforms, dtype=np.float64)
    rows, k_all = propensity.shape
    n = len(group)
    sizes = np.bincount(group, minlength=len(quotas))
    if not np.array_equal(quotas.sum(axis=1), sizes):
        raise DataError("quotas do not add up to the groups", hint="each row of quotas sums to its group's size")
    key = np.zeros(n, dtype=np.int64) if order is None else np.asarray(order)
    sort = np.lexsort((uniforms, key, group))
    g = group[sort]
    kinds, source, of = _kinds(rows, np.arange(n) if kind is None else np.asarray(kind), group, len(quotas))
    kinds = kinds[sort]
    p = np.ascontiguousarray(propensity[source], dtype=np.float64)
    allowed = p > 0
    _rake(p, kinds, g, of, quotas, 20)
    codes = np.full(n, -1, dtype=np.int16)
    left = np.arange(n)
    categories = np.argsort(quotas.sum(axis=0), kind="stable")
    # after[:, j]: the propensity of all categories that come after the j-th in line
    after = np.cumsum(p[:, categories[::-1]], axis=1)[:, ::-1]
    starts = rng.random((k_all, len(quotas)))
    for position, k in enumerate(categories[:-1]):
        if not quotas[:, k].any():
            continue
        mine, rest = p[:, k], np.maximum(after[:, position + 1], 0.0)
        odds = np.minimum(np.divide(mine, rest, out=np.full(len(mine), np.inf), where=rest > 1e-300), 1e12)
        odds[mine <= 0] = 0.0
        # Where nothing else is possible later: certain now, if it is possible at all.
        odds[(rest <= 1e-300) & allowed[:, k]] = np.inf
        pi = _inclusion(odds, of, kinds[left], g[left], quotas[:, k].astype(np.float64))
        chosen = _systematic(pi, g[left], quotas[:, k], starts[k])
        codes[left[chosen]] = k
        left = left[~chosen]
    codes[left] = categories[-1]
    _repair(codes, allowed, kinds, g, quotas, exact)
    result = np.empty(n, dtype=np.int16)
    result[sort] = codes
    return result


def _systematic(pi: Floats, group: Ints, wanted: Ints, start: Floats) -> NDArray[np.bool_]:
    """Pick along the order where the running sum of probabilities passes a whole number, within each group."""
    running = np.cumsum(pi)
    last = np.flatnonzero(np.append(group[1:] != group[:-1], True)) if len(group) else np.zeros(0, dtype=np.int64)
    before = np.zeros(len(wanted))
    present = group[last]
    before[present] = np.concatenate(([0.0], running[last][:-1])) if len(last) else 0.0
    inside = running - before[group]
    reached = np.zeros(len(wanted))
    reached[present] = inside[last]
    # A group's probabilities sum to its quota up to rounding error; make the last step land exactly.
    exact = np.divide(wanted, reached, out=np.ones(len(wanted)), where=reached > 0)
    inside = np.where(np.abs(exact[group] - 1.0) < 1e-3, inside * exact[group], inside)
    passed = np.floor(inside + start[group] + 1e-9)
    passed[last] = wanted[present] + np.floor(start[present])
    previous = np.concatenate(([0.0], passed[:-1])) if len(passed) else passed
    first = np.concatenate(([0], last[:-1] + 1)) if len(last) else last
    previous[first] = np.floor(start[present])
    return np.asarray(passed > previous)


def _repair(
    codes: NDArray[np.int16], allowed: NDArray[np.bool_], kind: Ints, group: Ints, quotas: Ints, exact: bool
) -> None:
    """Move units along shortest chains of categories until nobody is where they may not be and quotas hold (in place).

    Only the few units that the sequential draw left in a wrong place are moved.
    """
    k_all = quotas.shape[1]
    bad = np.flatnonzero(~allowed[kind, codes])
    counts = np.bincount(group * k_all + codes, minlength=quotas.size).reshape(quotas.shape)
    for i in bad:  # take wrongly placed units out: each first goes to a category it may have
        counts[group[i], codes[i]] -= 1
        codes[i] = int(np.argmax(allowed[kind[i]] * (1.0 + quotas[group[i]] - counts[group[i]] + len(codes))))
        counts[group[i], codes[i]] += 1
    for g in np.flatnonzero(np.any(counts != quotas, axis=1)):
        members = np.flatnonzero(group == g)
        while np.any(counts[g] > quotas[g]):
            chain = _chain(codes, allowed, kind, members, counts[g] - quotas[g])
            if not chain and not exact:
                break
            if not chain:
                raise DataError(
                    "quotas cannot be met with the categories allowed", hint="relax a quota or allow a category"
                )
            for unit, k in chain:
                counts[g, codes[unit]] -= 1
                codes[unit] = k
                counts[g, k] += 1


def _chain(
    codes: NDArray[np.int16], allowed: NDArray[np.bool_], kind: Ints, members: Ints, surplus: Ints
) -> list[tuple[int, int]]:
    """Return moves (unit, new category) that carry one unit of surplus to a category that lacks one (breadth first).

    Empty where there is no such chain.
    """
    came: dict[int, tuple[int, int]] = {}
    frontier = [int(k) for k in np.flatnonzero(surplus > 0)]
    seen = set(frontier)
    while frontier:
        following: list[int] = []
        for k in frontier:
            inside = members[codes[members] == k]
            for target in np.flatnonzero(np.any(allowed[np.unique(kind[inside])], axis=0)) if len(inside) else []:
                if int(target) in seen:
                    continue
                seen.add(int(target))
                came[int(target)] = (int(inside[np.flatnonzero(allowed[kind[inside], target])[0]]), k)
                if surplus[target] < 0:
                    moves, here = [], int(target)
                    while here in came:
                        unit, source = came[here]
                        moves.append((unit, here))
                        here = source
                    return moves
                following.append(int(target))
        frontier = following
    return []
