"""Where people were born, their race and Hispanic origin: family members share, the place's tables hold exactly.

Both are dealt the same way. Each family has a leader; the leader draws from what the tables give to people like them,
relatives follow with the share measured on microdata, and everyone else fills what is left, so that every cell of the
quota table comes out exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cityfolk.people.core_people import Crowd
from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.households import ROLE, Homes
from cityfolk.people.raking import (
    FloatArray,
    IntArray,
    Margin,
    Target,
    fit_cells,
    integerize_two_way,
    rake,
    shares_to_counts,
)
from cityfolk.tables.birth import birthplaces
from cityfolk.vocabulary import HISPANIC_SUFFIX, RACE_ETHNICITIES, RACES, RELATED_ROLES, US_BIRTHPLACES

_KIN = [ROLE[r] for r in (*RELATED_ROLES, "unmarried partner") if r != "householder"]
_CITIZENSHIP = ("nativity=native", "citizenship=naturalized", "citizenship=not a citizen")
_MIXED_CHILD = 0.6  # share of children of parents of two races who are of two or more races
# Groups of birthplaces that household_shapes.json measures race and Hispanic origin for, and which country is in which.
RACE_GROUPS = (
    "US", "Puerto Rico", "Europe", "Eastern Asia", "South Central Asia", "South Eastern Asia", "Western Asia", "Africa",
    "Northern Africa", "Oceania", "Caribbean", "Spanish Caribbean", "Central America", "South America", "Brazil",
    "Northern America",
)  # fmt: skip
_GROUP_OF_COUNTRY = {
    "Iran": "Western Asia", "Cuba": "Spanish Caribbean", "Dominican Republic": "Spanish Caribbean", "Brazil": "Brazil",
    "Sudan": "Africa", "Asia, n.e.c.": "Eastern Asia",
}  # fmt: skip
REGIONS = ("Europe", "Asia", "Africa", "Oceania", "Latin America", "Northern America")


def deal(
    group: IntArray,
    quota: IntArray,
    leader: IntArray,
    wish: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """Deal one of quota's columns to each person so that row sums by group hold exactly.

    group: (n,) row of quota; leader: (n,) whom a person follows, themselves if they lead, -1 if they are alone.
    wish: (n,) a column that is preset for a follower, -1 to copy the leader, -2 to go their own way.
    Returns the column of each person. quota rows must sum to the size of each group.
    """
    n = len(group)
    result = np.full(n, -1, np.int64)
    leads = np.flatnonzero(leader == np.arange(n))
    result[leads] = _draw(group[leads], quota, rng)
    copies = np.flatnonzero((leader >= 0) & (leader != np.arange(n)) & (wish != -2))
    wanted = np.where(wish[copies] >= 0, wish[copies], result[leader[copies]])
    thin = quota[group[copies], wanted] < 2
    result[copies[~thin]] = wanted[~thin]
    _release(result, group, quota, rng)
    for g in range(len(quota)):
        mine = group == g
        taken = np.bincount(result[mine & (result >= 0)], minlength=quota.shape[1])
        free = np.flatnonzero(mine & (result < 0))
        left = np.repeat(np.arange(quota.shape[1]), quota[g] - taken)
        result[free] = rng.permutation(left)
    return result


def _draw(group: IntArray, quota: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw a column for each person from their group's row of quota."""
    share = np.cumsum(quota, axis=1) / np.maximum(quota.sum(axis=1, keepdims=True), 1)
    u, drawn = rng.random(len(group)), np.empty(len(group), np.int64)
    for g in range(len(quota)):
        mine = np.flatnonzero(group == g)
        drawn[mine] = np.searchsorted(share[g], u[mine], side="left")
    return drawn.clip(0, quota.shape[1] - 1)


def _release(result: IntArray, group: IntArray, quota: IntArray, rng: np.random.Generator) -> None:
    """Take back what was dealt beyond a quota, at random within it."""
    dealt = np.flatnonzero(result >= 0)
    key = group[dealt] * quota.shape[1] + result[dealt]
    order = np.lexsort((rng.random(len(dealt)), key))
    sorted_key = key[order]
    first = np.searchsorted(sorted_key, sorted_key, side="left")
    over = np.arange(len(order)) - first >= quota.ravel()[sorted_key]
    result[dealt[order[over]]] = -1


def _leaders(
    homes: Homes, among: NDArray[np.bool_], rng: np.random.Generator, follow: float
) -> tuple[IntArray, IntArray]:
    """Return whom each person follows and their wish: kin follow the first of `among` in their household."""
    n = len(homes.household)
    kin = np.isin(homes.role, _KIN) & among
    heads = np.zeros(n, dtype=bool)
    heads[homes.head] = True
    order = np.lexsort((homes.role, homes.household))
    order = order[among[order] & (kin | heads)[order]]
    first_of, at = np.unique(homes.household[order], return_index=True)
    first = np.full(len(homes.head), -1, np.int64)
    first[first_of] = order[at]
    leader = np.full(n, -1, np.int64)
    members = order[first[homes.household[order]] >= 0]
    leader[members] = first[homes.household[members]]
    alone = np.bincount(leader[leader >= 0], minlength=n) == 1
    leader[alone & (leader == np.arange(n))] = -1
    wish = np.where(rng.random(n) < follow, -1, -2)
    return leader, wish


def countries(crowd: Crowd, homes: Homes, facts: Facts, rng: np.random.Generator) -> tuple[IntArray, list[str]]:
    """Deal countries of birth to the foreign-born: index into the returned names, -1 for natives."""
    names = [str(c) for c in birthplaces()["country"]]
    region = dict(zip(names, birthplaces()["region"], strict=True))
    counts = _country_counts(facts, names)
    foreign = crowd.cit > 0
    result = np.full(len(crowd.age), -1, np.int64)
    if not foreign.any():
        return result, names
    if counts.sum() <= 0:
        counts = _region_counts(facts, names, region)
    if counts.sum() <= 0:
        return result, names
    table = np.zeros((2, len(names)))
    have = np.bincount(crowd.cit, minlength=3)[1:]
    for r in REGIONS:
        at = np.array([i for i, name in enumerate(names) if region[name] == r])
        stated = [facts.value("persons", f"birth_region={r}|{c}") for c in _CITIZENSHIP[1:]]
        split = np.array([1.0 if s is None else s for s in stated])
        if split.sum() > 0 and counts[at].sum() > 0:
            table[:, at] = np.outer(split / split.sum(), counts[at])
    rows = have.astype(float)
    columns = shares_to_counts(counts, int(have.sum())).astype(float)
    raked = rake(table, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-11).table
    quota = integerize_two_way(raked, rng)
    who = np.flatnonzero(foreign)
    leader, wish = _leaders(homes, foreign, rng, household_shapes()["couples"]["foreign_same_country_share"])
    result[who] = deal(crowd.cit[who] - 1, quota, _renumber(leader, who), wish[who], rng)
    return result, names


def _renumber(leader: IntArray, who: IntArray) -> IntArray:
    index = np.full(len(leader), -1, np.int64)
    index[who] = np.arange(len(who))
    mine = leader[who]
    return np.where(mine >= 0, index[mine], -1)


def _country_counts(facts: Facts, names: list[str]) -> FloatArray:
    """Return people by country of birth; a country known only together with others is what those leave over."""
    single: dict[str, float] = {}
    together: list[tuple[tuple[str, ...], float]] = []
    for row in facts.own:
        conditions = {c.column: c for c in row.query.conditions}
        if row.query.measure == "count" and set(conditions) == {"nativity", "birthplace"}:
            values = conditions["birthplace"].values
            facts.used.add(row.code)
            if len(values) == 1:
                single[values[0]] = row.estimate
            else:
                together.append((values, row.estimate))
    for values, people in together:
        missing = [v for v in values if v not in single]
        if len(missing) == 1:
            single[missing[0]] = max(people - sum(single.get(v, 0.0) for v in values), 0.0)
    return np.array([single.get(name, 0.0) for name in names])


def _region_counts(facts: Facts, names: list[str], region: dict[str, str]) -> FloatArray:
    """Return people by region of birth, put on each region's residual entry ("Europe, n.e.c.", "Other Caribbean")."""
    counts = np.zeros(len(names))
    for r in REGIONS:
        people = facts.value("persons|nativity=foreign-born", f"birth_region={r}")
        residual = [i for i, name in enumerate(names) if region[name] == r and ("n.e.c." in name or "Other" in name)]
        if people:
            counts[residual[-1]] = people
    if counts.sum() <= 0:  # nothing is known but that they were born abroad: everywhere alike
        counts[[i for i, name in enumerate(names) if "n.e.c." in name]] = 1.0
    return counts


def native_birthplaces(crowd: Crowd, facts: Facts, state: str, rng: np.random.Generator) -> tuple[IntArray, list[str]]:
    """Deal birthplaces to natives, younger ones likelier in the state; index into the returned names, -1 for others."""
    names = [state, *US_BIRTHPLACES]
    counts = np.array(
        [facts.value("persons", f"birth_region={r}") or 0.0 for r in ("state of residence", *US_BIRTHPLACES)]
    )
    natives = np.flatnonzero(crowd.cit == 0)
    result = np.full(len(crowd.age), -1, np.int64)
    if counts.sum() <= 0:
        result[natives] = 0
        return result, names
    shapes = household_shapes()
    measured = np.array(shapes["natives_and_born_in_state"], dtype=float)
    local = (measured[:, 1] + 1) / (measured[:, 0] + 2)
    band = np.searchsorted(shapes["bands"], crowd.age[natives], side="right") - 1
    rows = np.bincount(band, minlength=len(local)).astype(float)
    columns = shares_to_counts(counts, len(natives)).astype(float)
    seed = np.column_stack([local / (1 - local)] + [np.ones(len(local))] * (len(names) - 1)) * columns
    table = rake(seed, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-11).table
    quota = integerize_two_way(table, rng)
    result[natives] = deal(band, quota, np.full(len(natives), -1), np.full(len(natives), -2), rng)
    return result, names


def race_counts(facts: Facts, citizenship: str, people: int) -> IntArray | None:
    """Return how many of a citizenship group are of each of RACE_ETHNICITIES; None where the tables don't say."""
    universe = f"persons|{citizenship}"
    races = [facts.share(universe, f"race={r}") for r in RACES]
    if any(r is None for r in races):
        universe = "persons"
        races = [facts.share(universe, f"race={r}") for r in RACES]
    if any(r is None for r in races):
        return None
    origin = household_shapes()["origins"]
    where = RACE_GROUPS[:1] if citizenship == _CITIZENSHIP[0] else RACE_GROUPS[2:]
    seed = np.array([sum(origin[w].get(r, 0) for w in where) for r in RACE_ETHNICITIES], dtype=float) + 0.5
    cell = np.arange(14).reshape(2, 7)  # hispanic no, yes
    stated = []
    for r, share in enumerate(races):
        stated.append(Target(name=RACES[r], cells=cell[:, r], low=float(share or 0), high=float(share or 0)))
    white = facts.share(universe, "race=White|hispanic=no")
    hispanic = facts.share(universe, "hispanic=yes")
    if hispanic is not None:
        stated.append(Target(name="hispanic", cells=cell[1], low=hispanic, high=hispanic))
    if white is not None:
        stated.append(Target(name="white", cells=cell[0, :1], low=white, high=white))
        stated.append(
            Target(
                name="white hispanic",
                cells=cell[1, :1],
                low=float(races[0] or 0) - white,
                high=float(races[0] or 0) - white,
            )
        )
    weights = fit_cells(seed / seed.sum(), stated, max_sweeps=500, tolerance=1e-7).weights
    return shares_to_counts(weights, people)


def races(
    crowd: Crowd, homes: Homes, facts: Facts, country: IntArray, native: IntArray, rng: np.random.Generator
) -> IntArray | None:
    """Deal race and Hispanic origin: index into RACE_ETHNICITIES, or None where the tables have no race."""
    regions = RACE_GROUPS
    at = np.zeros(len(crowd.age), np.int64)
    at[native == 1 + US_BIRTHPLACES.index("Puerto Rico")] = 1
    of_country = np.array([regions.index(g) for g in _race_groups()])
    foreign = country >= 0
    at[foreign] = of_country[country[foreign]]
    group = crowd.cit * len(regions) + at
    quota = np.zeros((3 * len(regions), 14), np.int64)
    for c, label in enumerate(_CITIZENSHIP):
        rows = np.bincount(at[crowd.cit == c], minlength=len(regions))
        columns = race_counts(facts, label, int(rows.sum()))
        if columns is None:
            return None
        table = rake(
            _race_seed(regions),
            [Margin(axes=(0,), target=rows.astype(float)), Margin(axes=(1,), target=columns.astype(float))],
            tolerance=1e-11,
            max_sweeps=2000,
        ).table
        quota[c * len(regions) : (c + 1) * len(regions)] = integerize_two_way(table, rng)
    everyone = np.ones(len(crowd.age), dtype=bool)
    leader, wish = _leaders(homes, everyone, rng, household_shapes()["couples"]["same_race_share"])
    first = deal(group, quota, leader, wish, rng)
    return _with_parents(crowd, homes, first, group, quota, leader, wish, rng)


def _race_groups() -> list[str]:
    """Return the group of RACE_GROUPS that each country of B05006 belongs to."""
    groups = []
    for country, subregion, region in birthplaces().select("country", "subregion", "region").iter_rows():
        named = (_GROUP_OF_COUNTRY.get(country), subregion, region)
        groups.append(next(g for g in (*named, "Central America") if g in RACE_GROUPS))
    return groups


def _with_parents(
    crowd: Crowd,
    homes: Homes,
    first: IntArray,
    group: IntArray,
    quota: IntArray,
    leader: IntArray,
    wish: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """Deal again with parents' races known: children of two races are of two or more, or of one parent's."""
    child = np.flatnonzero(homes.role == ROLE["child"])
    head = homes.head[homes.household[child]]
    spouse = homes.spouse[homes.household[child]]
    a, b = first[head], np.where(spouse >= 0, first[spouse], first[head])
    two = RACES.index("Two or more races")
    hispanic = np.maximum(a // 7, b // 7)
    mixed = np.where(rng.random(len(child)) < _MIXED_CHILD, two, np.where(rng.random(len(child)) < 0.5, a % 7, b % 7))
    wanted = np.where(a == b, a, mixed + 7 * hispanic)
    parents = np.flatnonzero(homes.role <= ROLE["spouse"])
    kept = leader.copy()
    fixed = wish.copy()
    n = len(first)
    lead = np.flatnonzero((leader == np.arange(n)) | np.isin(np.arange(n), parents) & (leader >= 0))
    return _deal_fixed(group, quota, lead, first[lead], child, wanted, kept, fixed, rng)


def _deal_fixed(
    group: IntArray,
    quota: IntArray,
    lead: IntArray,
    lead_value: IntArray,
    child: IntArray,
    wanted: IntArray,
    leader: IntArray,
    wish: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    n = len(group)
    result = np.full(n, -1, np.int64)
    result[lead] = lead_value
    others = np.flatnonzero((leader >= 0) & (result < 0) & (wish == -1))
    result[others] = result[leader[others]]
    thin = quota[group[child], wanted] < 3
    result[child] = np.where(thin, -1, wanted)
    _release(result, group, quota, rng)
    for g in range(len(quota)):
        mine = group == g
        taken = np.bincount(result[mine & (result >= 0)], minlength=quota.shape[1])
        free = np.flatnonzero(mine & (result < 0))
        result[free] = rng.permutation(np.repeat(np.arange(quota.shape[1]), np.maximum(quota[g] - taken, 0)))
    return result


def _race_seed(regions: tuple[str, ...]) -> FloatArray:
    """Return race and Hispanic origin by region of birth in the microdata, each region a share of itself."""
    origin = household_shapes()["origins"]
    counts = np.array([[origin.get(r, {}).get(name, 0) for name in RACE_ETHNICITIES] for r in regions], dtype=float)
    everyone = counts.sum(axis=0) / counts.sum()
    prior = np.full(len(RACE_ETHNICITIES), 0.5)
    # From 2020 on the Census codes written answers to the question of race, and ten times as many people of some
    # origins are of two or more races: what an older sample says of who they are counts for little.
    prior[[i for i, name in enumerate(RACE_ETHNICITIES) if name.startswith(RACES[-1])]] = 100.0
    seed: FloatArray = counts + prior * everyone + 0.01
    return seed


assert len(RACE_ETHNICITIES) == 14 and RACE_ETHNICITIES[7].endswith(HISPANIC_SUFFIX)
