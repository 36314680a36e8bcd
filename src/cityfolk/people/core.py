"""Build the core of a population: who lives here, with whom, and where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.codes import named as category
from cityfolk.people.core_crowd import draw_crowd
from cityfolk.people.core_homes import block_groups, owners
from cityfolk.people.core_origins import countries, native_birthplaces, races
from cityfolk.people.core_people import MARITAL, POSITIONS, Crowd, position
from cityfolk.people.core_tables import Facts, read_facts
from cityfolk.people.households import Homes, build_homes
from cityfolk.people.raking import IntArray, shares_to_counts
from cityfolk.places.pack import Place
from cityfolk.rng import child
from cityfolk.vocabulary import CITIZENSHIPS, NATIVITIES, RACE_ETHNICITIES, ROLES, SEXES

KINDS = ("family", "nonfamily", "group_quarters")
_ROLE_ORDER = ("householder", "spouse", "unmarried partner", "child", "parent", "sibling", "grandchild",
               "other relative", "housemate", "resident")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Core:
    """Persons and households with who they are and with whom they live; everything else is added later.

    Columns that start with "_" are helpers for later steps and are dropped at the end: _position (the place in the
    household that was raked), _spouse_id, _parent1_id and _parent2_id (person ids at home, null where none).
    `fitted` lists the codes of the place's own rows that were used, `leaned_on` those of older or wider ones, `gaps`
    what raking left of each, relative.
    """

    people: pl.DataFrame
    households: pl.DataFrame
    facts: Facts
    fitted: tuple[str, ...]
    leaned_on: tuple[str, ...]
    gaps: dict[str, float] = field(repr=False)


def build_core(place: Place, seed: int) -> Core:
    """Build persons and households of a place from its tables."""
    tables, name = place.tables, place.name
    facts = read_facts(tables)
    crowd, gaps = draw_crowd(facts, seed, name)
    homes = build_homes(crowd, facts, seed, name)
    country, countries_ = countries(crowd, homes, facts, child(seed, name, "core", "countries"))
    native, natives_ = native_birthplaces(crowd, facts, place.state, child(seed, name, "core", "birthplaces"))
    race = races(crowd, homes, facts, country, native, child(seed, name, "core", "races"))
    owner = owners(crowd, homes, facts, child(seed, name, "core", "tenure"))
    minority = np.zeros(len(crowd.age), dtype=bool) if race is None else race != 0
    areas = block_groups(crowd, homes, place.block_groups, minority, child(seed, name, "core", "areas"))
    types = _quarters_types(crowd, homes, facts, child(seed, name, "core", "quarters"))
    new_household, order = _numbering(crowd, homes, areas)
    birthplace = np.where(country >= 0, country + len(natives_), native)
    people = _people_frame(crowd, homes, order, new_household, (birthplace, (*natives_, *countries_)), race)
    households = _household_frame(homes, new_household, owner, areas, types)
    return Core(people, households, facts, tuple(sorted(facts.used)), tuple(sorted(facts.leaned_on)), gaps)


def _numbering(crowd: Crowd, homes: Homes, areas: NDArray[np.str_] | None) -> tuple[IntArray, IntArray]:
    """Return the new number of each household (by area, then as made) and the order of persons."""
    n = len(homes.head)
    old = np.lexsort((np.arange(n),)) if areas is None else np.lexsort((np.arange(n), homes.kind == 2, areas))
    new = np.empty(n, np.int64)
    new[old] = np.arange(n)
    rank = np.array([_ROLE_ORDER.index(r) for r in ROLES])[homes.role]
    order = np.lexsort((np.arange(len(crowd.age)), -crowd.age, rank, new[homes.household]))
    return new, order


def _quarters_types(crowd: Crowd, homes: Homes, facts: Facts, rng: np.random.Generator) -> NDArray[np.str_]:
    """Name the type of each group-quarters unit: institutions as the place's older count has them, by age."""
    types = np.full(len(homes.head), "", dtype="<U20")
    quarters = homes.kind == 2
    pos = crowd.pos[homes.head]
    types[quarters & (pos == position("student"))] = "student housing"
    types[quarters & (pos == position("other quarters"))] = "other"
    inside = np.flatnonzero(quarters & (pos == position("institution")))
    kinds = ("nursing facility", "correctional", "juvenile", "other institutional")
    counts = np.array([facts.known("persons|living=group quarters", f"hh_gq_type={k}") or 0.0 for k in kinds])
    if counts.sum() <= 0:
        types[inside] = "other institutional"
        return types
    age = crowd.age[homes.head[inside]]
    types[inside[age < 18]] = "juvenile"
    types[inside[age >= 65]] = "nursing facility"
    rest = rng.permutation(inside[(age >= 18) & (age < 65)])
    split = counts[[1, 3]] if counts[[1, 3]].sum() > 0 else np.array([0.0, 1.0])
    types[rest] = np.repeat(np.array(kinds)[[1, 3]], shares_to_counts(split, len(rest)))
    return types


def _people_frame(
    crowd: Crowd,
    homes: Homes,
    order: IntArray,
    new_household: IntArray,
    birthplace: tuple[IntArray, tuple[str, ...]],
    race: IntArray | None,
) -> pl.DataFrame:
    n = len(order)
    number = np.empty(n + 1, np.int64)  # person id of each row of the crowd; the last stands for nobody
    number[order] = np.arange(n)
    number[n] = -1
    role = homes.role
    child_ = role == ROLES.index("child")
    head, spouse = homes.head[homes.household], homes.spouse[homes.household]
    partner = np.where(role == 0, spouse, np.where(role == 1, head, -1))
    parents = (np.where(child_, head, -1), np.where(child_, spouse, -1))

    place_ = crowd.pos.copy()  # who of a couple is the householder was settled after raking
    place_[homes.head[homes.spouse >= 0]] = position("couple head")
    place_[homes.spouse[homes.spouse >= 0]] = position("couple spouse")

    def ids(rows: IntArray) -> pl.Series:
        return pl.Series(number[rows][order], dtype=pl.Int32).replace(-1, None)

    def named(names: tuple[str, ...], codes: IntArray) -> pl.Series:
        return category("", names, codes[order])

    return pl.DataFrame(
        {
            "person_id": pl.Series(np.arange(n), dtype=pl.Int32),
            "household_id": pl.Series(new_household[homes.household][order], dtype=pl.Int32),
            "role": named(ROLES, role),
            "age": pl.Series(crowd.age[order], dtype=pl.Int16),
            "sex": named(SEXES, crowd.sex),
            "race_ethnicity": None if race is None else named(RACE_ETHNICITIES, race),
            "birthplace": named(birthplace[1], birthplace[0]),
            "nativity": named(NATIVITIES, np.minimum(crowd.cit, 1)),
            "citizenship": named(CITIZENSHIPS, crowd.cit),
            "marital_status": named(MARITAL, crowd.mar),
            "_position": named(POSITIONS, place_),
            "_spouse_id": ids(partner),
            "_parent1_id": ids(parents[0]),
            "_parent2_id": ids(parents[1]),
        }
    )


def _household_frame(
    homes: Homes,
    new_household: IntArray,
    owner: NDArray[np.bool_] | None,
    areas: NDArray[np.str_] | None,
    types: NDArray[np.str_],
) -> pl.DataFrame:
    old = np.argsort(new_household)
    n = len(old)
    housed = homes.kind < 2
    tenure = None
    if owner is not None:
        tenure = pl.Series(np.where(owner, "owner", np.where(housed, "renter", ""))[old]).replace("", None)
    return pl.DataFrame(
        {
            "household_id": pl.Series(np.arange(n), dtype=pl.Int32),
            "kind": pl.Series(np.array(KINDS)[homes.kind[old]]),
            "gq_type": pl.Series(types[old]).replace("", None),
            "size": pl.Series(np.bincount(homes.household, minlength=n)[old], dtype=pl.Int16),
            "tenure": pl.Series([None] * n, dtype=pl.String) if tenure is None else tenure,
            "block_group": pl.Series([None] * n, dtype=pl.String) if areas is None else pl.Series(areas[old]),
        }
    )
