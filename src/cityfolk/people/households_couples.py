"""Husbands and wives (and same-sex spouses): matched by age and by birth in or outside the United States."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityfolk.people.core_people import Crowd, position
from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.raking import FloatArray, IntArray, Margin, Target, fit_cells, integerize_two_way, rake
from cityfolk.tables.query import parse_condition

_SAME_CITIZENSHIP = 3.0  # odds that both foreign-born spouses are naturalized, or neither, beyond chance


@dataclass(frozen=True, slots=True)
class Couples:
    """Person numbers of each couple's householder and spouse."""

    head: IntArray
    spouse: IntArray


def match_couples(crowd: Crowd, facts: Facts, rng: np.random.Generator) -> Couples:
    """Pair everyone who stands at a couple's position."""
    members = crowd.at("couple head", "couple spouse")
    if len(members) % 2:  # rounding left one over: they live with another couple
        odd = members[-1]
        crowd.pos[odd] = position("couple other")
        members = members[:-1]
    men, women = (rng.permutation(members[crowd.sex[members] == s]) for s in (1, 0))
    n = min(len(men), len(women))
    left = np.concatenate([men[n:], women[n:]])
    left = left[np.argsort(crowd.age[left], kind="stable")]
    men, women = men[:n], women[:n]
    if n:
        men, women = _pair(crowd, facts, men, women, rng)
        men, women = _some_same_sex(crowd, men, women, rng)
    first, second = np.concatenate([men, left[0::2]]), np.concatenate([women, left[1::2]])
    return _choose_heads(crowd, first, second, rng)


def _classes(crowd: Crowd, who: IntArray) -> IntArray:
    bands = np.array(household_shapes()["coarse_bands"])
    band = np.clip(np.searchsorted(bands, crowd.age[who], side="right") - 1, 0, None)
    return crowd.cit[who] * len(bands) + band


def _citizenship_table(crowd: Crowd, facts: Facts, men: IntArray, women: IntArray) -> FloatArray:
    """Return how many couples there are by his and her citizenship.

    Mixed couples are as frequent as among the parents of the place's children, else as the microdata's odds have it.
    """
    nativity = np.array(household_shapes()["couples"]["nativity"], dtype=float)
    odds = nativity[0, 0] * nativity[1, 1] / (nativity[0, 1] * nativity[1, 0])
    seed = np.ones((3, 3))
    seed[0, 0] = odds
    seed[1, 1] = seed[2, 2] = _SAME_CITIZENSHIP
    rows, columns = (np.bincount(crowd.cit[w], minlength=3).astype(float) for w in (men, women))
    cell = np.arange(9).reshape(3, 3)
    stated = [Target(name="wives", cells=cell[:, c], low=columns[c], high=columns[c]) for c in range(3)]
    stated += [Target(name="husbands", cells=cell[c], low=rows[c], high=rows[c]) for c in range(3)]
    parents = {
        tuple(str(c) for c in k if c.column == "parents_nativity"): v for k, v in facts.without("poverty_ratio").items()
    }
    mixed = parents.get((str(parse_condition("parents_nativity=mixed")),))
    if mixed is not None:
        two = mixed + sum(parents.get((f"parents_nativity=both {x}",), 0.0) for x in ("native", "foreign-born"))
        wanted = len(men) * mixed / two
        cells = np.array([1, 2, 3, 6])
        stated.insert(0, Target(name="mixed", cells=cells, low=wanted, high=wanted))
    return fit_cells(seed.ravel(), stated, max_sweeps=500, tolerance=1e-6).weights.reshape(3, 3)


def _pair(
    crowd: Crowd, facts: Facts, men: IntArray, women: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    shapes = household_shapes()["couples"]
    ages = np.array(shapes["husband_by_wife_band"], dtype=float) + 0.02
    b = len(ages)
    his, hers = _classes(crowd, men), _classes(crowd, women)
    rows = np.bincount(his, minlength=3 * b).astype(float)
    columns = np.bincount(hers, minlength=3 * b).astype(float)
    between = _citizenship_table(crowd, facts, men, women)
    between *= len(men) / between.sum()
    seed = np.broadcast_to(ages[None, :, None, :], (3, b, 3, b)) * np.maximum(between, 1e-9)[:, None, :, None]
    margins = [
        Margin(axes=(0, 2), target=between),
        Margin(axes=(0, 1), target=rows.reshape(3, b)),
        Margin(axes=(2, 3), target=columns.reshape(3, b)),
    ]
    joint = rake(seed, margins, max_sweeps=60).table.reshape(3 * b, 3 * b)
    exact = rake(joint, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-10).table
    counts = integerize_two_way(exact, rng)
    # Lay people out by class in blocks of cells: men row by row, women column by column, and join block to block.
    cell_r, cell_c = np.nonzero(counts)
    k = counts[cell_r, cell_c]
    men_sorted = men[np.lexsort((rng.random(len(men)), his))]
    women_sorted = women[np.lexsort((rng.random(len(women)), hers))]
    row_cells = np.repeat(np.arange(len(k)), k)  # cells in row order match men_sorted as they come
    by_column = np.lexsort((cell_r, cell_c))
    column_cells = np.repeat(by_column, k[by_column])
    # within a cell, order both by blurred age
    his_age = crowd.age[men_sorted] + rng.normal(0, 2.5, len(men))
    her_age = crowd.age[women_sorted] + rng.normal(0, 2.5, len(women))
    men_final = men_sorted[np.lexsort((his_age, row_cells))]
    women_final = women_sorted[np.lexsort((her_age, column_cells))]
    return men_final, women_final


def _some_same_sex(crowd: Crowd, men: IntArray, women: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Turn the microdata's share of couples into same-sex ones: two couples of like age exchange partners."""
    shapes = household_shapes()["couples"]
    swaps = round(len(men) * shapes["same_sex"] / shapes["n"] / 2)
    chosen = rng.permutation(len(men))[: 2 * swaps]
    chosen = chosen[np.lexsort((crowd.age[men[chosen]], crowd.cit[men[chosen]]))]
    a, b = chosen[0::2], chosen[1::2]
    ok = (np.abs(crowd.age[men[a]] - crowd.age[men[b]]) < 12) & (np.abs(crowd.age[women[a]] - crowd.age[women[b]]) < 15)
    a, b = a[ok], b[ok]
    first, second = men.copy(), women.copy()
    second[a], first[b], second[b] = men[b], women[a], women[b]
    return first, second


def _choose_heads(crowd: Crowd, first: IntArray, second: IntArray, rng: np.random.Generator) -> Couples:
    """Choose each couple's householder so that as many of each citizenship head couples as the table says."""
    male_share = household_shapes()["couples"]["male_householder_share"]
    wanted = np.bincount(crowd.cit[crowd.at("couple head")], minlength=3)
    swap = rng.random(len(first)) > male_share
    head, spouse = np.where(swap, second, first), np.where(swap, first, second)
    for _ in range(3):
        for c in range(3):
            for d in range(3):
                have = np.bincount(crowd.cit[head], minlength=3)
                extra = min(have[c] - wanted[c], wanted[d] - have[d])
                if c == d or extra <= 0:
                    continue
                able = np.flatnonzero((crowd.cit[head] == c) & (crowd.cit[spouse] == d))
                turn = rng.permutation(able)[:extra]
                head[turn], spouse[turn] = spouse[turn], head[turn].copy()
    return Couples(head, spouse)
