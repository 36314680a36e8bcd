"""How far apart two tables are as distributions: total variation distance and SRMSE over disjoint cells."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.tables.canonical import Allowed, allowed_of, disjoint
from cityfolk.tables.query import parse


def groups(frame: pl.DataFrame) -> list[list[int]]:
    """Return the rows (numbers) of a tables frame in groups of cells that exclude each other, two or more a group.

    Cells are grouped when they are counts, or percents, of one table and one universe, told apart by the same columns.
    Where cells overlap (a subtotal and its parts) the parts are taken: fewest values first.
    """
    found: dict[tuple[str, ...], list[tuple[int, dict[str, Allowed]]]] = {}
    for number, row in enumerate(frame.iter_rows(named=True)):
        if row["measure"] not in ("count", "percent") or not row["dimensions"]:
            continue
        query = parse(row["universe"], row["dimensions"], row["measure"])
        allowed = allowed_of(query.dimensions, query.entity)
        key = (row["table"], row["geography"], row["vintage"], row["universe"], row["measure"], *sorted(allowed))
        found.setdefault(key, []).append((number, allowed))
    result = []
    for members in found.values():
        kept: list[tuple[int, dict[str, Allowed]]] = []
        for number, allowed in sorted(members, key=lambda m: _breadth(m[1])):
            if all(disjoint(allowed, other) for _, other in kept):
                kept.append((number, allowed))
        if len(kept) > 1:
            result.append(sorted(number for number, _ in kept))
    return result


def _breadth(allowed: dict[str, Allowed]) -> float:
    spans = [
        len(a) if isinstance(a, frozenset) else sum(min(h, 1e9) - max(lo, -1e9) for lo, h in a)
        for a in allowed.values()
    ]
    return float(np.prod(spans))


def tvd(made: NDArray[np.float64], official: NDArray[np.float64]) -> float:
    """Return half the sum of absolute differences of two distributions (each is divided by its sum): 0 to 1."""
    return float(0.5 * np.abs(made / made.sum() - official / official.sum()).sum())


def srmse(made: NDArray[np.float64], official: NDArray[np.float64]) -> float:
    """Return sqrt(mean squared difference) / mean of the official values."""
    return float(np.sqrt(np.mean((made - official) ** 2)) / official.mean())


def distances(frame: pl.DataFrame) -> tuple[float, float, int]:
    """Return (mean TVD over groups, SRMSE of all shares, number of groups) of a frame with estimate and made."""
    made, official = frame["made"].to_numpy(), frame["estimate"].to_numpy()
    pairs = [(made[rows], official[rows]) for rows in groups(frame)]
    pairs = [(m, o) for m, o in pairs if m.sum() > 0 and o.sum() > 0]
    if not pairs:
        return float("nan"), float("nan"), 0
    shares = np.concatenate([m / m.sum() for m, _ in pairs]), np.concatenate([o / o.sum() for _, o in pairs])
    return float(np.mean([tvd(m, o) for m, o in pairs])), srmse(*shares), len(pairs)
