"""Draw everyone: rake the cells of core_people to the tables, round them, and give each person a single year of age."""

from __future__ import annotations

import numpy as np

from cityfolk.errors import DataError
from cityfolk.people.core_people import (
    HEADS,
    MARITAL,
    OLDEST,
    POSITIONS,
    Cells,
    Crowd,
    cell_view,
    head_view,
    make_cells,
    position,
)
from cityfolk.people.core_plan import position_targets
from cityfolk.people.core_tables import Facts, answerable, targets
from cityfolk.people.raking import IntArray, Target, expand, fit_cells, integerize, swap_to_counts
from cityfolk.rng import child
from cityfolk.tables.query import mask
from cityfolk.tables.view import View


def draw_crowd(facts: Facts, seed: int, place: str) -> tuple[Crowd, dict[str, float]]:
    """Rake, round and spread; return the crowd and the gap that raking left for each target (relative)."""
    cells = make_cells(facts)
    view, (households, heads) = cell_view(cells), head_view(cells)
    everyone = np.arange(len(cells.seed))
    stated = targets(facts, view, everyone, ("persons",))
    stated += _medians(facts, cells, view)
    stated += targets(facts, households, heads, ("households", "families"))
    stated += position_targets(facts, cells, view)
    fitted = fit_cells(cells.seed, stated, max_sweeps=300)
    total = facts.value("persons")
    if total is None:
        raise DataError("the tables don't say how many people live here", hint="add a row: persons, count")
    rng = child(seed, place, "core", "cells")
    order = np.lexsort((cells.sex, cells.mar, cells.band, cells.pos, cells.cit))
    counts = np.empty(len(order), np.int64)
    counts[order] = integerize(fitted.weights[order], rng, total=round(total))
    counts = swap_to_counts(counts, fitted.weights, stated, rng)
    at = expand(counts)
    at = _exact_households(cells, at, round(facts.value("households") or 0), rng)
    crowd = Crowd(
        age=_single_years(cells, at, rng), sex=cells.sex[at], cit=cells.cit[at], pos=cells.pos[at], mar=cells.mar[at]
    )
    return crowd, fitted.gaps


def _exact_households(cells: Cells, at: IntArray, households: int, rng: np.random.Generator) -> IntArray:
    """Meet the number of households: where rounding and rounded percents left a few too many, they share, and back."""
    heads = np.isin(cells.pos[at], [position(p) for p in HEADS if p != "couple head"])
    coupled = np.isin(cells.pos[at], [position("couple head"), position("couple spouse")])
    over = int(heads.sum()) + int(coupled.sum()) // 2 - households
    leaving, entering = ("alone", "housemate") if over > 0 else ("housemate", "alone")
    movers = np.flatnonzero((cells.pos[at] == position(leaving)) & (cells.edges[cells.band[at]] >= 18))
    movers = rng.permutation(movers)[: abs(over)]
    shape = (len(cells.edges), 2, 3, len(POSITIONS), len(MARITAL))
    number = np.full(np.prod(shape), -1, np.int64)
    number[np.ravel_multi_index((cells.band, cells.sex, cells.cit, cells.pos, cells.mar), shape)] = np.arange(
        len(cells.pos)
    )
    old = at[movers]
    same = (cells.band[old], cells.sex[old], cells.cit[old], np.full(len(old), position(entering)), cells.mar[old])
    result = at.copy()
    result[movers] = number[np.ravel_multi_index(same, shape)]
    return result


def _medians(facts: Facts, cells: Cells, view: View) -> list[Target]:
    """Hold medians of age to their year: at most half are younger, at least half not older."""
    result = []
    for row in facts.own:
        query = row.query
        if query.entity != "persons" or query.measure != "median" or query.column != "age":
            continue
        if not answerable(query, view):
            continue
        met = mask(query.conditions, view)
        base, starts = np.flatnonzero(met), cells.edges[cells.band]
        year, part = int(row.estimate), row.estimate % 1
        result.append(
            Target(
                name=row.code, cells=np.flatnonzero(met & (starts < year)), low=0.46, high=0.5 - 0.02 * part, base=base
            )
        )
        result.append(
            Target(name=row.code, cells=np.flatnonzero(met & (starts <= year)), low=0.505, high=0.55, base=base)
        )
        facts.used.add(row.code)
    return result


def _single_years(cells: Cells, at: IntArray, rng: np.random.Generator) -> IntArray:
    """Give each person a single year in their band, following the place's distribution within sex and band."""
    ages = np.empty(len(at), np.int64)
    band, sex = cells.band[at], cells.sex[at]
    ends = np.append(cells.edges[1:], OLDEST + 1)
    for s in (0, 1):
        for b, (start, end) in enumerate(zip(cells.edges, ends, strict=True)):
            who = np.flatnonzero((band == b) & (sex == s))
            if not len(who):
                continue
            student = cells.pos[at[who]] == position("student")
            weights = cells.years[s, start:end] + 1e-9
            years = expand(integerize(weights, rng, total=len(who))) + start
            ages[who] = rng.permutation(years)
            if start < 17 < end and student.any():
                ages[who[student]] = 17
    return ages
