"""A place's tables as targets for raking, and the few numbers that the core asks of them by name.

Rows of the place's own vintage (those with margins of error) are targets; rows of older vintages are shapes: they say
how something is distributed, never how much of it there is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.raking import Target
from cityfolk.tables.query import Condition, Query, interval, mask, parse
from cityfolk.tables.view import View

HALF_DIGIT = 0.05  # published percents have one decimal


@lru_cache(maxsize=1)
def household_shapes() -> dict[str, Any]:
    """Return what scripts/measure_households.py measured on microdata: counts and shares with their sources."""
    text = (files("cityfolk.people") / "household_shapes.json").read_text("utf-8")
    shapes: dict[str, Any] = json.loads(text)
    return shapes


@dataclass(frozen=True, slots=True)
class Row:
    """One row of tables.csv, parsed."""

    code: str
    query: Query
    estimate: float


@dataclass(frozen=True)
class Facts:
    """The rows of a place: `own` of its own vintage, `shapes` of others.

    `used` collects the codes of own rows that were asked for, `leaned_on` those of shapes.
    """

    own: tuple[Row, ...]
    shapes: tuple[Row, ...]
    used: set[str] = field(default_factory=set)
    leaned_on: set[str] = field(default_factory=set)

    @cached_property
    def _by_question(self) -> dict[bool, dict[tuple[Any, ...], Row]]:
        """Index own rows (True) and shapes (False) by what they ask; the first of equal ones stands."""
        found: dict[bool, dict[tuple[Any, ...], Row]] = {True: {}, False: {}}
        for own, rows in ((True, self.own), (False, self.shapes)):
            for row in rows:
                found[own].setdefault(_key(row.query), row)
        return found

    def value(self, universe: str, dimensions: str = "", measure: str = "count") -> float | None:
        """Return an own estimate by its question, None where the tables don't say."""
        row = self._by_question[True].get(_key(parse(universe, dimensions, measure)))
        if row is None:
            return None
        self.used.add(row.code)
        return row.estimate

    def share(self, universe: str, dimensions: str) -> float | None:
        """Return an own percent, or a count by its universe, as a share 0 to 1; None where the tables don't say."""
        percent = self.value(universe, dimensions, "percent")
        if percent is not None:
            return percent / 100
        part, whole = self.value(universe, dimensions), self.value(universe)
        return None if part is None or not whole else part / whole

    def shape(self, universe: str, dimensions: str = "", measure: str = "count") -> float | None:
        """Return an older estimate by its question, None where the tables don't say."""
        row = self._by_question[False].get(_key(parse(universe, dimensions, measure)))
        if row is None:
            return None
        self.leaned_on.add(row.code)
        return row.estimate

    def known(self, universe: str, dimensions: str = "", measure: str = "count") -> float | None:
        """Return an own estimate, else an older one."""
        own = self.value(universe, dimensions, measure)
        return self.shape(universe, dimensions, measure) if own is None else own

    def without(self, column: str) -> dict[tuple[Condition, ...], float]:
        """Sum own counts over a number column that their conditions cut up completely; keyed by the other conditions.

        B05010 counts children by their parents and by poverty in three classes: without("poverty_ratio") counts them
        by their parents.
        """
        parts: dict[tuple[Condition, ...], list[tuple[float, float, Row]]] = defaultdict(list)
        for row in self.own:
            cut = [c for c in row.query.dimensions if c.column == column]
            if row.query.measure == "count" and row.query.entity == "persons" and len(cut) == 1 and not cut[0].negated:
                rest = tuple(sorted((c for c in row.query.conditions if c.column != column), key=str))
                parts[rest] += [(*interval(v), row) for v in cut[0].values]
        sums = {}
        for rest, pieces in parts.items():
            pieces.sort(key=lambda p: (p[0], p[1]))
            ends = [p[1] for p in pieces]
            starts = [p[0] for p in pieces]
            if len(pieces) > 1 and np.allclose(starts[1:], ends[:-1], atol=2e-4) and ends[-1] == np.inf:
                sums[rest] = sum(p[2].estimate for p in pieces)
                self.used.update(p[2].code for p in pieces)
        return sums


def _key(query: Query) -> tuple[Any, ...]:
    conditions = tuple(sorted({str(c) for c in query.conditions}))
    universe = tuple(sorted(str(c) for c in query.universe)) if query.measure == "percent" else ()
    return query.entity, conditions, universe, query.measure, query.column


def read_facts(tables: pl.DataFrame) -> Facts:
    """Sort the rows of a pack's tables by their column `borrowed`."""
    own: list[Row] = []
    shapes: list[Row] = []
    wanted = tables.filter(pl.col("estimate").is_not_null())
    for code, universe, dimensions, measure, estimate, borrowed in wanted.select(
        "code", "universe", "dimensions", "measure", "estimate", "borrowed"
    ).iter_rows():
        query = parse(universe, dimensions or "", measure)
        (shapes if borrowed else own).append(Row(code, query, float(estimate)))
    return Facts(tuple(own), tuple(shapes))


def answerable(query: Query, view: View) -> bool:
    """Say whether every column of a question's conditions is in a view."""
    return all(c.column in view.frame.columns for c in query.conditions)


def _minors_only(query: Query) -> bool:
    return any(c.column == "age" and all(interval(v)[1] <= 19 for v in c.values) for c in query.conditions)


def targets(facts: Facts, view: View, cells: NDArray[np.int64], entities: tuple[str, ...]) -> list[Target]:
    """Turn own counts and percents about a view's columns into targets; row i of the view is cell cells[i].

    Percents are held to their rounding (half of the last digit), counts exactly; percents come first.
    """
    percents, counts = [], []
    for row in facts.own:
        query = row.query
        if query.entity not in entities or query.measure not in ("count", "percent") or not answerable(query, view):
            continue
        if any(c.column == "civilian" for c in query.conditions) and not _minors_only(query):
            continue  # who is in the armed forces is drawn later
        met = mask(query.conditions, view)
        if query.entity == "families":
            met &= mask([Condition("kind", ("family",))], view)
        if not met.any():
            continue
        if query.measure == "count":
            counts.append(Target(name=row.code, cells=cells[met], low=row.estimate, high=row.estimate))
        else:
            universe = mask(query.universe, view)
            low, high = max(row.estimate - HALF_DIGIT, 0.0) / 100, min(row.estimate + HALF_DIGIT, 100.0) / 100
            percents.append(Target(name=row.code, cells=cells[met], low=low, high=high, base=cells[universe]))
        facts.used.add(row.code)
    return percents + counts
