"""From the rows of tables.csv to whole people: which official totals bind an attribute, and the draw that meets them.

A row binds an attribute when its conditions name the attribute and otherwise only columns that are already known.
Counts and percents become totals; a median becomes "as many below as above"; a mean over brackets becomes a balance
around it. Nothing here knows a table by name, so a place outside the US is fitted by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.allocate import Cells, Floats, Targets, allocate, calibrate, cells_of, round_quotas
from cityfolk.people.attributes_known import Known
from cityfolk.tables.query import Condition, Query, condition_mask, parse
from cityfolk.tables.view import View, person_view

TIGHTNESS = 0.08  # of a row's 90% margin: how far the fit may stay from an estimate where sources disagree
_LOOSE = 0.04  # relative tolerance of a figure that has no margin of error
Bools = NDArray[np.bool_]


def choices(**columns: Sequence[object]) -> View:
    """Return the possible values of an attribute (and what follows from each) as a small view of persons."""
    return person_view(pl.DataFrame(columns))


def household_choices(entity: str = "households", /, **columns: Sequence[object]) -> View:
    """Return the possible values of a household attribute as a small view."""
    return View(entity, pl.DataFrame(columns))


class Book:
    """The rows of a place's tables, parsed once.

    Rows that are borrowed (an older vintage, a wider area) give shape, not level: their counts are read as shares of
    their universe, with a loose tolerance.
    """

    def __init__(self, tables: pl.DataFrame) -> None:
        self.rows: list[tuple[Query, float, float | None, str]] = []
        self.used: set[str] = set()
        self.shapes: dict[str, str] = {}  # code of a borrowed row -> where it is from
        self.publishers: dict[str, str] = {}  # code -> the source that its row names
        columns = ["universe", "dimensions", "measure", "estimate", "moe90", "code", "table", "vintage", "geography"]
        columns += ["source"] if "source" in tables.columns else []
        borrowed = tables["borrowed"] if "borrowed" in tables.columns else pl.Series([False] * tables.height)
        of_table = {
            (table, universe): total
            for table, universe, total in tables.filter(borrowed & (pl.col("measure") == "count"))
            .group_by("table", "universe")
            .agg(pl.col("estimate").sum())
            .iter_rows()
        }
        for row, shape in zip(tables.select(columns).iter_rows(), borrowed, strict=True):
            universe, dimensions, measure, estimate, moe, code, table, vintage, geography, *publisher = row
            if estimate is None:
                continue
            self.publishers[code] = "".join(publisher)
            if shape:
                self.shapes[code] = f"{table}, {vintage}, {geography}"
            if shape and measure == "count":
                measure, estimate = "percent", 100.0 * estimate / max(of_table[table, universe], 1.0)
            query = parse(universe, dimensions or "", measure)
            self.rows.append((query, float(estimate), None if moe is None or shape else float(moe), code))

    def speaks_of(self, *columns: str) -> bool:
        """Say whether any row's conditions or measure name one of these columns."""
        wanted = set(columns)
        return any(q.column in wanted or any(c.column in wanted for c in q.conditions) for q, *_ in self.rows)

    def origin(self, *columns: str) -> str | None:
        """Return where an attribute comes from if all rows that bound it are borrowed, None if some are the place's."""
        codes = self._bound(*columns)
        if not codes or codes - self.shapes.keys():
            return None
        return "; ".join(sorted({self.shapes[code] for code in codes}))

    def _bound(self, *columns: str) -> set[str]:
        """Return the codes of the rows that had a part and whose conditions name one of these columns."""
        wanted = set(columns)
        return {
            code for q, _, _, code in self.rows if code in self.used and any(c.column in wanted for c in q.conditions)
        }

    def lent(self, *columns: str) -> str:
        """Return where the borrowed rows behind an attribute are from, "" where none had a part."""
        return "; ".join(sorted({self.shapes[code] for code in self._bound(*columns) & self.shapes.keys()}))

    def published(self, *columns: str) -> str:
        """Return the sources that the rows behind an attribute name."""
        return "; ".join(sorted({self.publishers[code] for code in self._bound(*columns)} - {""}))

    def tied_to(self, column: str) -> set[str]:
        """Return the other columns that rows about an attribute name."""
        rows = [{c.column for c in q.conditions} for q, *_ in self.rows]
        return set().union(*(names for names in rows if column in names)) - {column}

    def value(self, universe: str, dimensions: str = "", measure: str = "count") -> float | None:
        """Return the estimate of the row that asks exactly this, None where there is none."""
        wanted = parse(universe, dimensions, measure)
        for query, estimate, _, code in self.rows:
            if query == wanted:
                self.used.add(code)
                return estimate
        return None

    def bind(
        self,
        targets: Targets,
        known: Known,
        values: View,
        unit: NDArray[np.int64] | None = None,
        units: int = 0,
        rows: NDArray[np.int64] | None = None,
        own_only: bool = False,
    ) -> list[str]:
        """Add every row that binds an attribute with these possible values; return their codes.

        unit: for attributes of larger units, the unit number (0 to units - 1, or -1) of each row of `known`; weights
        are then numbers of such rows in the unit. rows: the only rows of `known` that are drawn for. own_only: leave
        borrowed rows out.
        """
        codes = []
        for query, estimate, moe, code in self.rows:
            if query.entity != known.entity or not _relevant(query, known, values):
                continue
            if own_only and code in self.shapes:
                continue
            row = _linear(query, estimate, moe, known, values)
            if row is None:
                continue
            mask, categories, total, sigma = row
            if rows is not None:
                targets.add(mask[rows], categories, total, sigma, code)
            elif unit is None:
                targets.add(mask, categories, total, sigma, code)
            else:
                counted = np.bincount(unit[mask & (unit >= 0)], minlength=units)
                targets.add(counted, categories, total, sigma, code)
            codes.append(code)
        self.used.update(codes)
        return codes


def _relevant(query: Query, known: Known, values: View) -> bool:
    about = query.column in values.frame.columns and "low" in values.frame.columns
    if query.column and not about:
        return False
    for condition in query.conditions:
        if condition.column in values.frame.columns:
            about = True
        elif not known.has(condition.column):
            return False
    return about


def _split(conditions: tuple[Condition, ...], values: View) -> tuple[list[Condition], Floats]:
    """Part conditions into those on known columns, and the indicator of the values that meet the others."""
    own = [c for c in conditions if c.column in values.frame.columns]
    met = np.ones(values.rows, dtype=bool)
    for condition in own:
        met &= condition_mask(condition, values)
    return [c for c in conditions if c.column not in values.frame.columns], met.astype(np.float64)


def _linear(
    query: Query, estimate: float, moe: float | None, known: Known, values: View
) -> tuple[Bools, Floats, float, float] | None:
    """Write a row as sum(weights x categories) = total within sigma; None where it has no such form."""
    universe, in_universe = _split(query.universe, values)
    both, met = _split(query.conditions, values)
    measure = query.measure
    if measure == "count":
        sigma = TIGHTNESS * moe if moe is not None else _LOOSE * estimate + 2.0
        return known.mask(both), met, estimate, sigma
    mask = known.mask(universe)
    size = float(mask.sum())
    if measure == "percent":
        share = estimate / 100.0
        margin = TIGHTNESS * moe / 100.0 if moe is not None else _LOOSE * share + 0.002
        if len(both) != len(universe) and in_universe.min() < 1:
            return None  # a ratio whose two parts are different people: not linear in one mask
        if in_universe.min() == 1:
            return known.mask(both), met, share * size, margin * size
        return mask, met - share * in_universe, 0.0, margin * size * max(float(in_universe.mean()), 0.05)
    return _statistic(query, estimate, moe, mask, in_universe, values)


def _statistic(
    query: Query, estimate: float, moe: float | None, mask: Bools, inside: Floats, values: View
) -> tuple[Bools, Floats, float, float] | None:
    """Write a median or mean of a bracketed attribute as a balance; the frame gives each bracket's low, high, mean."""
    frame = values.frame
    if query.column not in frame.columns or "low" not in frame.columns:
        return None
    size = float(mask.sum())
    margin = moe if moe is not None else 0.03 * estimate
    low, high = frame["low"].to_numpy(), frame["high"].to_numpy()
    if query.measure == "median":
        below = np.clip((estimate - low) / (high - low), 0.0, 1.0)
        return mask, inside * (below - 0.5), 0.0, 0.15 * size * min(margin / max(estimate, 1.0), 0.2) + 1.0
    if query.measure == "mean" and "mean" in frame.columns:
        return mask, inside * (frame["mean"].to_numpy() / estimate - 1.0), 0.0, 0.3 * size * margin / estimate + 1.0
    return None


@dataclass
class Fit:
    """Calibrated propensities: units fall into cells that no target and no seed tells apart."""

    cell: Cells
    count: NDArray[np.int64]
    order: Cells
    weights: Floats
    p: Floats

    def totals(self, mask: NDArray[np.generic]) -> Floats:
        """Return the expected number of units of a mask in each category."""
        inside = np.bincount(self.cell, np.asarray(mask, dtype=np.float64), len(self.count))
        return np.asarray(np.einsum("i,ik->k", inside, self.p), dtype=np.float64)


def fit(seed: Floats, seed_id: NDArray[np.int64], targets: Targets) -> Fit:
    """Calibrate seeds to targets. seed: (kinds, K), zero where impossible; seed_id: (n,) the kind of each unit."""
    cell, first, count = cells_of(targets.masks, seed_id)
    weights = (
        np.stack([mask.column()[first] for mask in targets.masks], axis=1).astype(np.float64)
        if targets.masks
        else np.zeros((len(first), 0))
    )
    p = calibrate(seed[seed_id[first]], count, weights, targets.rows)
    return Fit(cell, count, _spread(cell, first, weights), weights, p)


def place(
    fitted: Fit, uniforms: Floats, rng: np.random.Generator, group: NDArray[np.int64] | None = None
) -> NDArray[np.int16]:
    """Give every unit one category; expected totals are met to the unit, within each group where there are groups.

    uniforms and rng are as in `allocate`.
    """
    n = len(fitted.cell)
    if not n:
        return np.zeros(0, dtype=np.int16)
    group = np.zeros(n, dtype=np.int64) if group is None else group
    groups = int(group.max()) + 1
    expected = np.zeros((groups, fitted.p.shape[1]))
    for k in range(fitted.p.shape[1]):
        expected[:, k] = np.bincount(group, fitted.p[:, k][fitted.cell], groups)
    quotas = round_quotas(expected, np.bincount(group, minlength=groups))
    return allocate(fitted.p, group, quotas, uniforms, rng, order=fitted.order, kind=fitted.cell, exact=False)


def draw(
    seed: Floats,
    seed_id: NDArray[np.int64],
    targets: Targets,
    uniforms: Floats,
    rng: np.random.Generator,
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.int16]:
    """Return one category per unit: seeds calibrated to the targets, then whole units."""
    return place(fit(seed, seed_id, targets), uniforms, rng, group) if len(seed_id) else np.zeros(0, dtype=np.int16)


def _spread(cell: Cells, first: NDArray[np.int64], weights: Floats) -> Cells:
    """Number the cells so that neighbours share as many masks as possible: the draw is spread evenly along it."""
    if not weights.shape[1]:
        return cell
    place = np.empty(len(first), dtype=np.int32)
    place[np.lexsort(weights.T[::-1])] = np.arange(len(first))
    return np.asarray(place[cell])


def bins(values: NDArray[np.generic], edges: list[float]) -> NDArray[np.int64]:
    """Return the number of the half-open bin [edge, next edge) that holds each value; 0 below the first edge."""
    return np.searchsorted(np.asarray(edges), values, side="right")
