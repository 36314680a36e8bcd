"""Who lives with whom: couples, their children, relatives, housemates.

Each step takes people who stand at a position and finds them a household by age and by birth in or outside the US,
in the proportions of household_shapes.json and of the place's own tables of children by their parents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cityfolk.people.core_people import MARITAL, Crowd
from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.households_children import place_children
from cityfolk.people.households_couples import match_couples
from cityfolk.people.households_matching import attach, random_ranks
from cityfolk.people.raking import FloatArray, IntArray, expand, shares_to_counts
from cityfolk.rng import child
from cityfolk.vocabulary import ROLES

ROLE = {name: number for number, name in enumerate(ROLES)}
OLDEST_GAP, YOUNGEST_GAP = 48, 15
CITIZENSHIP_OF_HEAD = ("hhr_nativity=native", "hhr_citizenship=naturalized", "hhr_citizenship=not a citizen")


@dataclass(frozen=True, slots=True)
class Homes:
    """Per person: household (0..n-1) and role (index of ROLES). Per household: head, spouse or -1, kind.

    kind: 0 family, 1 nonfamily, 2 group quarters.
    """

    household: IntArray
    role: IntArray
    head: IntArray
    spouse: IntArray
    kind: IntArray


def build_homes(crowd: Crowd, facts: Facts, seed: int, place: str) -> Homes:
    """Put everyone into a household with a role."""
    n = len(crowd.age)
    household = np.full(n, -1, np.int64)
    role = np.full(n, -1, np.int64)
    couples = match_couples(crowd, facts, child(seed, place, "core", "couples"))
    lone = crowd.at("family head")
    heads = np.concatenate([couples.head, lone])
    spouses = np.concatenate([couples.spouse, np.full(len(lone), -1)])
    household[heads] = np.arange(len(heads))
    household[couples.spouse] = np.arange(len(couples.head))
    role[heads], role[couples.spouse] = ROLE["householder"], ROLE["spouse"]
    with_children = place_children(
        crowd, facts, heads, spouses, household, role, child(seed, place, "core", "children")
    )
    relatives = child(seed, place, "core", "relatives")
    _place_others(crowd, heads, spouses, with_children, household, role, facts, relatives)
    heads, spouses = _place_sharers(
        crowd, facts, heads, spouses, household, role, child(seed, place, "core", "sharing")
    )
    kind = np.zeros(len(heads), np.int64)
    kind[len(couples.head) + len(lone) :] = 1
    quarters = crowd.at("student", "institution", "other quarters")
    household[quarters] = len(heads) + np.arange(len(quarters))
    role[quarters] = ROLE["resident"]
    heads = np.concatenate([heads, quarters])
    spouses = np.concatenate([spouses, np.full(len(quarters), -1)])
    kind = np.concatenate([kind, np.full(len(quarters), 2)])
    return Homes(household, role, heads, spouses, kind)


def _draw_roles(who: IntArray, crowd: Crowd, name: str, rng: np.random.Generator) -> IntArray:
    """Draw the role of other family members by age band, as the microdata has them."""
    shapes = household_shapes()
    bands = np.searchsorted(shapes["bands"], crowd.age[who], side="right") - 1
    table = shapes["other_roles"][name]
    names = sorted(table)
    counts = np.array([table[r] for r in names], dtype=float) + 0.02
    for r, role in enumerate(names):
        if role in ("child", "unmarried partner"):
            counts[r, :4] = 0  # under 18: own children are counted apart, and partners are adults
        if role == "housemate":
            counts[r, :3] = 0
        if role == "parent":
            counts[r, :8] = 0
    table_ = np.cumsum(counts / counts.sum(axis=0), axis=0)
    draws = rng.random(len(who))
    picked = (draws[None, :] > table_[:, bands]).sum(axis=0).clip(0, len(names) - 1)
    codes: IntArray = np.array([ROLE[r] for r in names])[picked]
    return codes


def _desired_head_age(role: IntArray, age: IntArray, rng: np.random.Generator) -> FloatArray:
    """Draw how old the householder of someone in a role may be."""
    gaps = {"child": (30.0, 6.0), "parent": (-29.0, 6.0), "grandchild": (55.0, 8.0), "sibling": (0.0, 5.0),
            "unmarried partner": (0.0, 4.0)}  # fmt: skip
    wanted = age + rng.normal(0.0, 18.0, len(age))
    for name, (mean, sd) in gaps.items():
        at = role == ROLE[name]
        wanted[at] = age[at] + rng.normal(mean, sd, int(at.sum()))
    return wanted


def fitting_role(role: IntArray, age: IntArray, head: IntArray, spouse: IntArray) -> IntArray:
    """Keep a role where the ages allow it, else name the one they do allow.

    head and spouse are ages in years, spouse -1 where there is none.
    """
    older = np.maximum(head, spouse)
    younger = np.where(spouse >= 0, np.minimum(head, spouse), head)
    child_ok = (age >= 18) & (younger - age >= YOUNGEST_GAP) & (older - age <= OLDEST_GAP)
    parent_ok = (age - head >= YOUNGEST_GAP) & (age - head <= OLDEST_GAP)
    sibling_ok = np.abs(age - head) <= 18
    grandchild_ok = (younger - age >= 32) & (older - age <= 85)
    valid = {"child": child_ok, "parent": parent_ok, "sibling": sibling_ok, "grandchild": grandchild_ok,
             "unmarried partner": np.abs(age - head) <= 15}  # fmt: skip
    result = role.copy()
    other = np.select(
        [child_ok, parent_ok, grandchild_ok & (age < 18), sibling_ok],
        [ROLE["child"], ROLE["parent"], ROLE["grandchild"], ROLE["sibling"]],
        ROLE["other relative"],
    )
    for name, ok in valid.items():
        at = (role == ROLE[name]) & ~ok
        result[at] = other[at]
    return result


def _place_others(
    crowd: Crowd,
    heads: IntArray,
    spouses: IntArray,
    with_children: NDArray[np.bool_],
    household: IntArray,
    role: IntArray,
    facts: Facts,
    rng: np.random.Generator,
) -> None:
    """Place the other members of families; every family without spouse or child gets a relative first."""
    head_age = crowd.age[heads]
    spouse_age = np.where(spouses >= 0, crowd.age[spouses], -1)
    needy = np.flatnonzero((spouses < 0) & ~with_children)
    for name, couple in (("family other", False), ("couple other", True)):
        who = crowd.at(name)
        drawn = _draw_roles(who, crowd, name, rng)
        if couple:
            drawn[drawn == ROLE["unmarried partner"]] = ROLE["other relative"]
        else:
            kin = np.flatnonzero(~np.isin(drawn, [ROLE["housemate"], ROLE["unmarried partner"]]))
            if len(kin) < len(needy):
                drawn[:] = np.where(np.isin(drawn, drawn[kin]), drawn, ROLE["other relative"])
                kin = np.arange(len(who))
            chosen = rng.permutation(kin)[: len(needy)]
            group = _like(crowd.cit[who[chosen]], np.bincount(crowd.cit[heads[needy]], minlength=3), rng)
            for c in range(3):
                part, pool = chosen[group == c], needy[crowd.cit[heads[needy]] == c]
                wanted = _desired_head_age(drawn[part], crowd.age[who[part]], rng)
                at = pool[attach(wanted, head_age[pool], rng)]
                _settle(who[part], at, drawn[part], crowd, head_age, spouse_age, household, role)
            rest = np.setdiff1d(np.arange(len(who)), chosen)
            who, drawn = who[rest], drawn[rest]
        group = _like(crowd.cit[who], _wanted(crowd, heads, spouses, household, facts, couple, len(who)), rng)
        for c in range(3):
            pool = np.flatnonzero(((spouses >= 0) == couple) & (crowd.cit[heads] == c))
            mine = np.flatnonzero(group == c)
            if not len(pool):
                pool = np.flatnonzero((spouses >= 0) == couple)
            for part in np.array_split(rng.permutation(mine), max(1, -(-2 * len(mine) // max(len(pool), 1)))):
                wanted = _desired_head_age(drawn[part], crowd.age[who[part]], rng)
                at = pool[attach(wanted, head_age[pool], rng)]
                _settle(who[part], at, drawn[part], crowd, head_age, spouse_age, household, role)
    _at_most(1, ROLE["unmarried partner"], ROLE["housemate"], household, role)
    _at_most(2, ROLE["parent"], ROLE["other relative"], household, role)


def _wanted(
    crowd: Crowd, heads: IntArray, spouses: IntArray, household: IntArray, facts: Facts, couple: bool, people: int
) -> IntArray:
    """Return how many of `people` other family members go to heads of each citizenship.

    Where the tables give the mean family size by the householder's citizenship, each gets what it lacks of that;
    otherwise in proportion to families.
    """
    kinds = (spouses >= 0) == couple
    families = np.bincount(crowd.cit[heads[kinds]], minlength=3).astype(float)
    known = [facts.value(f"families|{g}", "", "mean:n_family") for g in CITIZENSHIP_OF_HEAD]
    weights = families.copy()
    if all(k is not None for k in known):
        members = np.bincount(household[household >= 0], minlength=len(heads))
        have = np.bincount(crowd.cit[heads], weights=members, minlength=3)
        lack = np.array(known, dtype=float) * np.bincount(crowd.cit[heads], minlength=3) - have
        weights = np.maximum(lack, 0.02 * people) * (families > 0)
    return shares_to_counts(weights, people)


def _like(own: IntArray, counts: IntArray, rng: np.random.Generator) -> IntArray:
    """Give each person a group so that group sizes are as asked and like goes to like where it can."""
    total = shares_to_counts(counts + 1e-9, len(own))
    groups = expand(total)
    result = np.empty(len(own), np.int64)
    result[np.lexsort((rng.random(len(own)), own))] = groups
    return result


def _settle(
    who: IntArray,
    at: IntArray,
    drawn: IntArray,
    crowd: Crowd,
    head_age: IntArray,
    spouse_age: IntArray,
    household: IntArray,
    role: IntArray,
) -> None:
    household[who] = at
    role[who] = fitting_role(drawn, crowd.age[who], head_age[at], spouse_age[at])


def _at_most(most: int, which: int, instead: int, household: IntArray, role: IntArray) -> None:
    """Leave at most so many of a role in each household; the others become something else."""
    who = np.flatnonzero(role == which)
    who = who[np.argsort(household[who], kind="stable")]
    first = np.searchsorted(household[who], household[who], side="left")
    role[who[np.arange(len(who)) - first >= most]] = instead


def _place_sharers(
    crowd: Crowd,
    facts: Facts,
    heads: IntArray,
    spouses: IntArray,
    household: IntArray,
    role: IntArray,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Give people who live alone their household, and shared households their housemates and partners."""
    alone, sharing, mates = crowd.at("alone"), crowd.at("shared head"), crowd.at("housemate")
    if len(mates) < len(sharing):  # a household of two needs a second person
        alone, sharing = np.concatenate([alone, sharing[len(mates) :]]), sharing[: len(mates)]
    start = len(heads)
    new = np.concatenate([alone, sharing])
    household[new] = start + np.arange(len(new))
    role[new] = ROLE["householder"]
    if len(sharing):
        extras = _extras(crowd, facts, sharing, len(mates), np.concatenate([heads, new]), household, rng)
        slots = expand(extras)
        # Order slots and housemates alike by birthplace group (mostly shared) and age (mostly near), match by rank.
        group = np.where(rng.random(len(slots)) < 0.6, crowd.cit[sharing[slots]], -1)
        free = group < 0
        have = np.bincount(crowd.cit[mates], minlength=3)
        group[free] = _fill(have - np.bincount(group[~free], minlength=3), int(free.sum()), rng)
        slot_rank = random_ranks(crowd.age[sharing[slots]], 4.0, rng)
        mate_rank = random_ranks(crowd.age[mates], 2.0, rng)
        slot_order = np.lexsort((slot_rank, group))
        mate_order = np.lexsort((mate_rank, crowd.cit[mates]))
        placed, slot = mates[mate_order], slots[slot_order]
        household[placed] = household[sharing[slot]]
        role[placed] = ROLE["housemate"]
        _make_partners(crowd, sharing, extras, placed, slot, role, rng)
    return np.concatenate([heads, new]), np.concatenate([spouses, np.full(len(new), -1)])


def _fill(wanted: IntArray, total: int, rng: np.random.Generator) -> IntArray:
    counts = shares_to_counts(np.maximum(wanted, 0) + 1e-9, total)
    return rng.permutation(expand(counts))


def _extras(
    crowd: Crowd,
    facts: Facts,
    sharing: IntArray,
    mates: int,
    heads: IntArray,
    household: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """Draw how many live with each sharing householder: at least one, `mates` in all.

    The number falls off geometrically, as it does in the microdata, with the mean that the place needs. Where the
    tables give the mean household size by the householder's citizenship, each group's mean is its own.
    """
    sizes = np.arange(1, len(household_shapes()["sharing"]["shared_by_size"]) + 1)
    need = np.full(3, mates / len(sharing))
    known = [facts.value(f"households|{c}", "", "mean:size") for c in CITIZENSHIP_OF_HEAD]
    groups = [np.flatnonzero(crowd.cit[sharing] == c) for c in range(3)]
    if all(k is not None for k in known):
        units = np.bincount(household[household >= 0], minlength=len(heads))
        head_cit = crowd.cit[heads]
        for c in range(3):
            mine = head_cit == c
            wanted = float(known[c] or 0.0) * mine.sum() - units[mine].sum()
            need[c] = max(wanted, 0.0) / max(len(groups[c]), 1)
    totals = shares_to_counts(np.maximum(need, 1.05) * [len(g) for g in groups], mates)
    result = np.ones(len(sharing), np.int64)
    for group, total in zip(groups, totals, strict=True):
        if len(group):
            result[group] = _sizes_with_total(sizes, len(group), int(total), rng)
    spare = mates - int(result.sum())
    while spare:  # a group that could not take its share leaves a few to the others
        able = np.flatnonzero(result > 1) if spare < 0 else np.arange(len(result))
        change = rng.permutation(able)[: abs(spare)]
        result[change] += np.sign(spare)
        spare = mates - int(result.sum())
    return result


def _sizes_with_total(sizes: IntArray, households: int, total: int, rng: np.random.Generator) -> IntArray:
    """Return a size for each household: geometric on the sizes given, adding to total."""
    total = min(max(total, households), households * int(sizes[-1]))
    low, high = -5.0, 5.0
    for _ in range(60):
        tilt = (low + high) / 2
        p = np.exp(tilt * sizes)
        p /= p.sum()
        low, high = (tilt, high) if (p * sizes).sum() * households < total else (low, tilt)
    result = rng.permutation(np.repeat(sizes, shares_to_counts(p, households)))
    gap = total - int(result.sum())
    while gap:
        able = np.flatnonzero(result < sizes[-1]) if gap > 0 else np.flatnonzero(result > 1)
        result[rng.permutation(able)[: abs(gap)]] += np.sign(gap)
        gap = total - int(result.sum())
    return result


def _make_partners(
    crowd: Crowd,
    sharing: IntArray,
    extras: IntArray,
    placed: IntArray,
    slot: IntArray,
    role: IntArray,
    rng: np.random.Generator,
) -> None:
    """Call one housemate the unmarried partner in the microdata's share of households, where ages and status allow."""
    shapes = household_shapes()
    share = shapes["sharing"]["with_partner_share"]
    same_sex = shapes["couples"]["same_sex"] / shapes["couples"]["n"]
    head = sharing[slot]
    chance = np.where(crowd.sex[placed] == crowd.sex[head], same_sex, 1.0) * share * np.where(extras[slot] == 1, 1, 0.3)
    fits = (np.abs(crowd.age[placed] - crowd.age[head]) <= 12) & (crowd.age[placed] >= 18)
    fits &= (crowd.mar[placed] != MARITAL.index("married")) & (crowd.mar[head] != MARITAL.index("married"))
    chosen = np.flatnonzero(fits & (rng.random(len(placed)) < chance))
    _, first = np.unique(slot[chosen], return_index=True)
    role[placed[chosen[first]]] = ROLE["unmarried partner"]
