"""Own children under 18: which couples and lone parents have them, how many, and who belongs to whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cityfolk.people.core_people import Crowd
from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.raking import (
    FloatArray,
    IntArray,
    Margin,
    integerize_two_way,
    rake,
    shares_to_counts,
)
from cityfolk.vocabulary import ROLES

OLDEST_GAP, YOUNGEST_GAP = 49, 15
_LABELS = {
    True: ("both native", "mixed", "both foreign-born"),  # by number of foreign-born parents
    False: ("native", "foreign-born"),
}


def place_children(
    crowd: Crowd,
    facts: Facts,
    heads: IntArray,
    spouses: IntArray,
    household: IntArray,
    role: IntArray,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Place own children with couples and lone parents; say which families got one.

    Children by their parents' nativity follow the place's tables where they have it (ACS table B05010), and the
    microdata's shares of children born abroad by parents' nativity.
    """
    placed = np.zeros(len(heads), dtype=bool)
    for couple, name in ((True, "couple child"), (False, "family child")):
        kids = crowd.at(name)
        families = np.flatnonzero((spouses >= 0) == couple)
        if not len(kids) or not len(families):
            continue
        foreign = (crowd.cit[heads[families]] > 0).astype(int)
        if couple:
            foreign += crowd.cit[spouses[families]] > 0
        counts = _by_parents(crowd, facts, kids, foreign, couple, rng)
        for label in range(len(_LABELS[couple])):
            mine = _take(crowd, kids, counts[:, label], household, rng)
            if not len(mine):
                continue
            at = families[foreign == label]
            chosen = _choose_families(crowd, heads, spouses, at, len(mine), couple, rng)
            home = _assign(crowd, mine, chosen, heads, spouses, rng, couple)
            household[mine], role[mine] = home, ROLES.index("child")
            placed[home] = True
            _, older, younger = _parent_ages(crowd, heads, spouses, home)
            wrong = (older - crowd.age[mine] > OLDEST_GAP) | (younger - crowd.age[mine] < YOUNGEST_GAP)
            role[mine[wrong]] = ROLES.index("other relative")  # nobody of their parents' age was left
    return placed


def _by_parents(
    crowd: Crowd, facts: Facts, kids: IntArray, foreign: IntArray, couple: bool, rng: np.random.Generator
) -> IntArray:
    """Return whole numbers of children by their citizenship (3) and number of foreign-born parents."""
    labels = _LABELS[couple]
    known = {
        str(c.values[0]): v
        for k, v in facts.without("poverty_ratio").items()
        for c in k
        if c.column == "parents_nativity"
    }
    wanted = np.array([known.get(label, 0.0) for label in labels])
    if wanted.sum() <= 0:
        wanted = np.bincount(foreign, minlength=len(labels)).astype(float)
    wanted[np.bincount(foreign, minlength=len(labels)) == 0] = 0.0
    columns = shares_to_counts(wanted, len(kids)).astype(float)
    rows = np.bincount(crowd.cit[kids], minlength=3).astype(float)
    measured = household_shapes()["children"]["foreign_born_children"]
    rates = []
    for n in range(len(labels)):
        everyone, abroad = measured.get(f"{2 if couple else 1} parents, {n} foreign-born", (1, 0))
        rates.append((abroad + 0.5) / (everyone + 1))
    share = np.array(rates)
    seed = np.stack([1 - share, share, share]) * np.maximum(columns, 1e-9)
    table = rake(seed, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-10).table
    return integerize_two_way(table, rng)


def _take(crowd: Crowd, kids: IntArray, counts: IntArray, household: IntArray, rng: np.random.Generator) -> IntArray:
    """Take counts[c] children of each citizenship who have no home yet."""
    free = kids[household[kids] < 0]
    return np.concatenate([rng.permutation(free[crowd.cit[free] == c])[: counts[c]] for c in range(3)])


def _parent_ages(crowd: Crowd, heads: IntArray, spouses: IntArray, at: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the ages of the mother (or lone parent, or householder), the older and the younger parent."""
    head = crowd.age[heads[at]]
    spouse = np.where(spouses[at] >= 0, crowd.age[spouses[at]], head)
    mother = np.where((spouses[at] >= 0) & (crowd.sex[heads[at]] == 1), spouse, head)
    return mother, np.maximum(head, spouse), np.minimum(head, spouse)


def _choose_families(
    crowd: Crowd,
    heads: IntArray,
    spouses: IntArray,
    at: IntArray,
    children: int,
    couple: bool,
    rng: np.random.Generator,
) -> IntArray:
    """Return the family of each child's place: families that may have children, with as many as in the microdata."""
    shapes = household_shapes()
    shape = shapes["children"]["couple" if couple else "family"]
    mother, older, younger = _parent_ages(crowd, heads, spouses, at)
    band = np.clip(np.searchsorted(shapes["coarse_bands"], mother, side="right") - 1, 0, None)
    weight = np.array(shape["share_with_children_by_band"])[band] + 0.001
    weight[np.maximum(older - OLDEST_GAP, 0) > np.minimum(younger - YOUNGEST_GAP, 17)] = 0.0
    able = int((weight > 0).sum())
    sizes = np.array(shape["families_by_children"], dtype=float)
    mean = (sizes * np.arange(1, 7)).sum() / sizes.sum()
    families = int(np.clip(round(children / mean), 1, max(able, 1)))
    if able == 0:
        weight[:] = 1.0
    chosen = at[_sample(weight, families, rng)]
    counts = np.repeat(np.arange(1, 7), shares_to_counts(sizes, len(chosen)))
    counts = rng.permutation(counts)
    while (gap := children - int(counts.sum())) != 0:
        able_ = np.flatnonzero(counts > 1) if gap < 0 else np.arange(len(counts))
        counts[rng.permutation(able_)[: abs(gap)]] += np.sign(gap)
    return np.repeat(chosen, counts)


def _sample(weight: FloatArray, k: int, rng: np.random.Generator) -> IntArray:
    """Return k different indices, likelier by weight (exponential keys, Efraimidis and Spirakis 2006)."""
    keys = np.full(len(weight), np.inf)
    positive = weight > 0
    keys[positive] = rng.exponential(size=int(positive.sum())) / weight[positive]
    return np.argsort(keys, kind="stable")[:k]


def _assign(
    crowd: Crowd,
    kids: IntArray,
    places: IntArray,
    heads: IntArray,
    spouses: IntArray,
    rng: np.random.Generator,
    couple: bool,
) -> IntArray:
    """Match children to places by age: a place wants a child of an age that its mother's age suggests."""
    mother, older, younger = _parent_ages(crowd, heads, spouses, places)
    births = household_shapes()["children"]["couple" if couple else "family"]["age_at_birth"]
    years = np.arange(0, 100)
    density = np.array([births.get(str(y), 0) for y in years], dtype=float) + 0.01
    below = np.concatenate([[0.0], np.cumsum(density)])
    low_age = np.clip(older - OLDEST_GAP, 0, 17)
    high_age = np.clip(younger - YOUNGEST_GAP, low_age, 17)
    top, bottom = np.clip(mother - low_age, 0, 99), np.clip(mother - high_age, 0, 99)
    target = below[bottom] + rng.random(len(places)) * (below[top + 1] - below[bottom])
    gap = np.searchsorted(below, target, side="right") - 1
    wanted = mother - gap + rng.random(len(places))
    home = np.empty(len(kids), np.int64)
    order = np.lexsort((rng.random(len(kids)), crowd.age[kids]))
    slots = np.argsort(wanted, kind="stable")
    slot = np.empty(len(kids), np.int64)
    slot[order] = slots
    slot = _repair(crowd.age[kids], slot, older, younger, rng)
    slot = _gather_foreign(crowd, kids, slot, places, heads, rng)
    home[:] = places[slot]
    return home


def _gather_foreign(
    crowd: Crowd,
    kids: IntArray,
    slot: IntArray,
    places: IntArray,
    heads: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """Bring children born abroad together: they change places with natives of their age in some families.

    These are as many families as the children fill, first those whose householder is not a citizen.
    """
    abroad = crowd.cit[kids] > 0
    if not abroad.any() or abroad.all():
        return slot
    families, of = np.unique(places, return_inverse=True)
    order = np.lexsort((rng.random(len(families)), crowd.cit[heads[families]] != 2))
    filled = np.cumsum(np.bincount(of)[order])
    chosen = np.zeros(len(families), dtype=bool)
    chosen[order[: int(np.searchsorted(filled, abroad.sum())) + 1]] = True
    inside = chosen[of[slot]]
    age = crowd.age[kids]
    movers, natives = np.flatnonzero(abroad & ~inside), np.flatnonzero(~abroad & inside)
    for years in range(18):
        a, b = movers[age[movers] == years], natives[age[natives] == years]
        n = min(len(a), len(b))
        a, b = rng.permutation(a)[:n], rng.permutation(b)[:n]
        slot[a], slot[b] = slot[b], slot[a].copy()
    return slot


def _repair(age: IntArray, slot: IntArray, older: IntArray, younger: IntArray, rng: np.random.Generator) -> IntArray:
    """Exchange places between children until no parent is too young or too old, or 60 rounds are done."""

    def wrong(a: IntArray, s: IntArray) -> NDArray[np.bool_]:
        return (older[s] - a > OLDEST_GAP) | (younger[s] - a < YOUNGEST_GAP)

    for _ in range(60):
        bad = np.flatnonzero(wrong(age, slot))
        if not len(bad):
            break
        other = rng.permutation(len(age))[: len(bad)]
        bad = bad[: len(other)]
        clean = ~np.isin(other, bad)
        bad, other = bad[clean], other[clean]
        ok = ~wrong(age[bad], slot[other]) & ~wrong(age[other], slot[bad])
        b, o = bad[ok], other[ok]
        slot[b], slot[o] = slot[o], slot[b].copy()
    return slot
