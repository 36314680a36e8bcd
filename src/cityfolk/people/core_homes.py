"""Who owns and who rents, and which block group a household lives in."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.core_people import Crowd, position
from cityfolk.people.core_tables import Facts
from cityfolk.people.households import Homes
from cityfolk.people.raking import (
    FloatArray,
    IntArray,
    Margin,
    expand,
    integerize,
    integerize_two_way,
    rake,
    shares_to_counts,
)
from cityfolk.tables.query import interval

_GROUPS = ("hhr_nativity=native", "hhr_citizenship=naturalized", "hhr_citizenship=not a citizen")


def owners(crowd: Crowd, homes: Homes, facts: Facts, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """Say which households own their home, None where the tables have no tenure.

    Owners by the householder's citizenship come out exactly. Who they are follows a logistic rule on age (from the
    place's older table of householders by age and tenure, where it has one), family and size, whose slope on size
    meets the mean size of owners' households.
    """
    units = np.flatnonzero(homes.kind < 2)
    size = np.bincount(homes.household, minlength=len(homes.head))[units].astype(float)
    cit = crowd.cit[homes.head[units]]
    base = _age_score(crowd.age[homes.head[units]], facts) + np.where(homes.kind[units] == 0, 0.7, 0.0)
    result = np.zeros(len(homes.head), dtype=bool)
    overall = facts.value("households", "tenure=owner")
    if overall is None:
        return None
    counts = [facts.value(f"households|{g}", "tenure=owner") for g in _GROUPS]
    known = [c for c in counts if c is not None]
    groups = [cit == c for c in range(3)] if len(known) == 3 else [np.ones(len(units), dtype=bool)]
    totals = shares_to_counts(np.array(known if len(known) == 3 else [overall]), round(overall))
    for group, total, label in zip(groups, totals, _GROUPS, strict=False):
        at = np.flatnonzero(group)
        if not len(at):
            continue
        where = f"households|{label}|tenure=owner" if len(groups) == 3 else "households|tenure=owner"
        mean = facts.value(where, "", "mean:size")
        p = _tilt(base[at], size[at], min(int(total), len(at)), mean)
        order = np.lexsort((rng.random(len(at)), size[at]))
        taken = np.zeros(len(at), dtype=np.int64)
        taken[order] = integerize(p[order], rng, total=min(int(total), len(at)))
        result[units[at[taken > 0]]] = True
    return result


def _age_score(age: IntArray, facts: Facts) -> FloatArray:
    """Return the log odds of owning by the householder's age in the older table, centred; zero without one."""
    odds: list[tuple[float, float, float]] = []
    for row in (*facts.shapes, *facts.own):
        tenure = next((c for c in row.query.conditions if c.column == "tenure"), None)
        ages = next((c for c in row.query.conditions if c.column == "hhr_age"), None)
        if row.query.entity == "households" and tenure and ages and tenure.values == ("owner",):
            rent = facts.known("households|tenure=renter", str(ages))
            if rent:
                facts.leaned_on.add(row.code)
                low, high = interval(ages.values[0])
                odds.append((low, high, float(np.log((row.estimate + 1) / (rent + 1)))))
    score = np.zeros(len(age))
    for low, high, value in odds:
        score[(age >= low) & (age < high)] = value
    return score - score.mean() if odds else score


def _tilt(base: FloatArray, size: FloatArray, total: int, mean: float | None) -> FloatArray:
    """Return probabilities that add to total and whose mean size is `mean` (where given): base + a + b * size."""

    def odds(a: float, b: float) -> FloatArray:
        return 1 / (1 + np.exp(-np.clip(base + a + b * size, -30, 30)))

    def level(b: float) -> float:
        low, high = -40.0, 40.0
        for _ in range(50):
            a = (low + high) / 2
            low, high = (a, high) if odds(a, b).sum() < total else (low, a)
        return (low + high) / 2

    slope = 0.0
    if mean is not None:
        low, high = -3.0, 3.0
        for _ in range(30):
            slope = (low + high) / 2
            p = odds(level(slope), slope)
            low, high = (slope, high) if (p * size).sum() < mean * p.sum() else (low, slope)
    return odds(level(slope), slope)


def block_groups(
    crowd: Crowd, homes: Homes, areas: pl.DataFrame | None, minority: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.str_] | None:
    """Give each household a block group, None where the pack has none.

    Households by area follow the areas' own counts; within that, households whose head was born abroad, is not White
    alone, or has company live where the areas' older tables have more of them. Student housing goes where an area's
    people far outnumber what its households can hold; other group quarters follow people.
    """
    if areas is None or areas.is_empty():
        return None
    names = areas["block_group"].cast(pl.String).to_numpy()
    people, dwellings = (areas[c].fill_null(0).to_numpy().astype(float) for c in ("population", "households"))
    foreign = _share(areas, "foreign_born", people)
    other = _share(areas, "minority_population", people)
    units = np.flatnonzero(homes.kind < 2)
    size = np.bincount(homes.household, minlength=len(homes.head))[units]
    mean_size = size.mean()
    surplus = np.maximum(people - dwellings * mean_size * 1.15, 0.0)
    dorm = surplus * (surplus > 150)
    in_homes = np.clip((people - dorm) / np.maximum(dwellings, 1), 1.2, 3.5)
    large = np.clip((in_homes - 1) / 2.5, 0.05, 0.8)
    head = homes.head[units]
    kind = (crowd.cit[head] > 0) * 1 + minority[head] * 2 + np.digitize(size, [2, 3]) * 4
    rows = shares_to_counts(dwellings, len(units)).astype(float)
    columns = np.bincount(kind, minlength=12).astype(float)
    by_size = np.stack([1 - large, np.ones(len(large)) * 0.5, large])  # one, two, three or more
    seed = np.stack(
        [(foreign if k & 1 else 1 - foreign) * (other if k & 2 else 1 - other) * by_size[k // 4] for k in range(12)],
        axis=1,
    )
    table = rake(seed, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-10).table
    counts = integerize_two_way(table, rng)
    result = np.empty(len(homes.head), dtype=np.int64)
    for k in range(12):
        mine = units[kind == k]
        result[rng.permutation(mine)] = expand(counts[:, k])
    quarters = np.flatnonzero(homes.kind == 2)
    students = crowd.pos[homes.head[quarters]] == position("student")
    for who, weight in ((quarters[students], dorm if dorm.sum() > 0 else people), (quarters[~students], people)):
        result[rng.permutation(who)] = expand(shares_to_counts(weight, len(who)))
    return names[result]


def _share(areas: pl.DataFrame, column: str, people: FloatArray) -> FloatArray:
    if column not in areas.columns:
        return np.full(len(people), 0.5)
    part = areas[column].fill_null(0).to_numpy().astype(float)
    return np.clip(part / np.maximum(people, 1), 0.03, 0.97)
