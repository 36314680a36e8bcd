"""Which pairs stay, so that every corner of the cube counts and neither side of a pair is the longer one.

Pairs are only ever dropped, in an order made from their contents: the order of rows does not matter. A direction is one
side of one trait (a target above or below .5); corners are those of `personality.cube`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cityfolk.personality.cube import corners
from cityfolk.types import content_key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
EVEN_FROM = 20  # pairs to begin with; of fewer the mean length ratio is chance and is only reported


@dataclass(frozen=True, kw_only=True)
class BalanceRules:
    """What a set of pairs must be as a whole.

    `spread`: no corner and no target has more than so many times the mean of those that have any. `tilt`: of each trait
    the commoner direction has at most so many times the pairs of the rarer (where the rarer has any). `mean_log_ratio`:
    the mean of ln(words chosen / words rejected) lies within plus or minus this.
    """

    spread: float = 2.0
    tilt: float = 3.0
    mean_log_ratio: float = 0.05


def directions(targets: Floats) -> Flags:
    """Return (n, 10) flags, low and high of each trait in turn; a percentile of exactly .5 has no direction."""
    return np.asarray(np.stack([targets < 0.5, targets > 0.5], axis=-1).reshape(len(targets), 10))


def content_order(keys: Sequence[str]) -> Ints:
    """Return each key's place in an order that depends on nothing but the keys and favours none."""
    hashed = np.array([int(content_key(key)[:15], 16) for key in keys], dtype=np.int64)
    place = np.empty(len(keys), dtype=np.int64)
    place[np.lexsort((np.array(keys, dtype=str), hashed)) if len(keys) else []] = np.arange(len(keys))
    return place


def kept(
    targets: Floats, names: Sequence[str], log_ratio: Floats, order: Ints, rules: BalanceRules | None
) -> tuple[Flags, Flags]:
    """Say which pairs stay: (kept, dropped for their length); what is in neither was dropped for balance.

    targets (n, 5) percentiles; names of the targets; log_ratio (n,); order from `content_order`. No rules: all stay.
    """
    keep = np.ones(len(targets), dtype=bool)
    longer = np.zeros(len(targets), dtype=bool)
    if rules is None:
        return keep, longer
    corner, side = corners(targets), directions(targets)
    _, named = np.unique(np.array(names, dtype=str), return_inverse=True)
    evened = len(targets) >= EVEN_FROM
    caps = {"corner": _cap(corner, rules.spread), "name": _cap(named, rules.spread)}
    while True:
        before = int(keep.sum())
        keep = _accepted(keep, corner, named, side, order, caps, rules.tilt)
        even = _even(keep, log_ratio, order, rules.mean_log_ratio) if evened else keep
        longer |= keep & ~even
        keep = even
        if int(keep.sum()) == before:
            return keep, longer


def _cap(labels: Ints, spread: float) -> int:
    return ceil(spread * len(labels) / max(1, len(np.unique(labels))))


def _accepted(
    keep: Flags, corner: Ints, named: Ints, side: Flags, order: Ints, caps: dict[str, int], tilt: float
) -> Flags:
    """Return which of the kept pairs fit under every cap, taken from each corner in turn."""
    while True:
        counts = side[keep].sum(axis=0).reshape(5, 2)
        rarer = np.repeat(counts.min(axis=1), 2)
        most = np.where(rarer > 0, np.floor(tilt * rarer), np.inf)
        queue = _queue(np.flatnonzero(keep), corner, side, order)
        taken = np.zeros(len(keep), dtype=bool)
        corners, names = np.zeros(32, dtype=int), np.zeros(int(named.max(initial=0)) + 1, dtype=int)
        sides = np.zeros(10)
        for i in queue:
            c, name, own = corner[i], named[i], side[i]
            if corners[c] >= caps["corner"] or names[name] >= caps["name"] or (sides[own] >= most[own]).any():
                continue
            taken[i] = True
            corners[c] += 1
            names[name] += 1
            sides += own
        if taken.sum() == keep.sum():
            return taken
        keep = taken


def _queue(rows: Ints, corner: Ints, side: Flags, order: Ints) -> Ints:
    """Return rows in turns: one of each corner, those with rare directions first; within an corner by `order`."""
    if not len(rows):
        return rows
    rows = rows[np.argsort(order[rows], kind="stable")]
    own = side[rows]
    rarity = own @ (1.0 / np.maximum(own.sum(axis=0), 1))
    by_corner = np.argsort(corner[rows], kind="stable")
    sorted_corner = corner[rows][by_corner]
    starts = np.searchsorted(sorted_corner, sorted_corner)
    turn = np.empty(len(rows), dtype=np.int64)
    turn[by_corner] = np.arange(len(rows)) - starts
    return np.asarray(rows[np.lexsort((np.arange(len(rows)), -rarity.round(12), turn))])


def _even(keep: Flags, log_ratio: Floats, order: Ints, bound: float) -> Flags:
    """Drop the pairs whose chosen (or rejected) is longest for its partner until the mean lies within the bound."""
    keep = keep.copy()
    while keep.any():
        rows = np.flatnonzero(keep)
        mean = log_ratio[rows].mean()
        if abs(mean) <= bound:
            break
        sign = 1.0 if mean > 0 else -1.0
        rows = rows[np.lexsort((order[rows], -sign * log_ratio[rows]))]
        left = np.arange(len(rows) - 1, -1, -1)
        rest = sign * (log_ratio[rows].sum() - np.cumsum(log_ratio[rows]))
        enough = np.flatnonzero(rest <= bound * left + 1e-12)
        keep[rows[: int(enough[0]) + 1]] = False
    return keep
