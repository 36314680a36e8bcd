"""Names that fit sex, age and origin: one given name and one family name, in Latin letters.

Every origin has a tradition: lists of given names for women and men and of family names (`names.json`, built by
scripts/build_names.py from Faker and hand-made lists). People born abroad draw from their country's; people born in the
United States mostly bear a given name common for their age and a family name from a mixture by race and ethnicity. The
mixtures are chosen to be plausible, not measured, and names are nobody's in particular.

A person's name depends on seed, place and their own id; the members of a `family` share the surname of its first.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.rng import uniform_at
from cityfolk.vocabulary import HISPANIC_SUFFIX, SEXES

# Ages that part people named in three periods of the United States (births before about 1960, to 1989, since).
_COHORTS = (37, 66)
_AMERICAN_GIVEN = ("american_young", "american_middle", "american_old")
_TRIES = 6
_SHARES = {
    "householder": 1.0,
    "spouse": 0.75,
    "child": 1.0,
    "sibling": 1.0,
    "parent": 0.8,
    "grandchild": 0.6,
    "other relative": 0.5,
}
_RACES = {
    "White": "white",
    "Black or African American": "black",
    "Asian": "asian",
    "Native Hawaiian and Other Pacific Islander": "pacific",
}
_US_TERRITORIES = ("Puerto Rico", "US Island Areas")

Options = tuple[tuple[str, str, float], ...]
Indices = NDArray[np.intp]


class _Tables(NamedTuple):
    """All name lists end to end: `first[t, s]` and `size[t, s]` say where tradition t's list for sex s lies."""

    traditions: tuple[str, ...]
    given: NDArray[np.object_]
    given_first: Indices
    given_size: Indices
    family: NDArray[np.object_]
    family_first: Indices
    family_size: Indices
    skew: NDArray[np.float64]


def draw_names(
    ids: ArrayLike,
    sex: ArrayLike,
    age: ArrayLike,
    race_ethnicity: ArrayLike,
    birthplace: ArrayLike,
    nativity: ArrayLike,
    language_home: ArrayLike,
    seed: int,
    place: str,
    family: ArrayLike | None = None,
) -> NDArray[np.object_]:
    """Return one name per id; columns as in people.parquet, all of one length.

    `family` gives a number to each person (-1: nobody's). Members of a family bear the surname of the member who comes
    first (in the form of their own sex) and never the same given name, unless the list has no other left.
    """
    numbers = np.asarray(ids)
    tables = _tables()
    column = (np.asarray(sex) == SEXES[1]).astype(np.intp)
    ages = np.asarray(age)
    given, surname = _traditions(numbers, race_ethnicity, birthplace, nativity, language_home, seed, place)
    head, shares = _heads(len(numbers), family)
    native = np.asarray(nativity).astype(str) == "native"
    given = _given_beside(given, surname[head], native & shares & (head != np.arange(len(numbers))))
    given = _by_cohort(given, ages)
    family_u = uniform_at(seed, place, "name", "family", ids=numbers)[head]
    family_at = _pick(tables.family_size[surname[head], column], family_u, tables.skew[surname[head]])
    family_names = tables.family[tables.family_first[surname[head], column] + family_at]
    given_names = _draw_given(numbers, given, column, np.where(shares, head, -1), seed, place)
    return np.array([f"{a} {b}" for a, b in zip(given_names, family_names, strict=True)], dtype=object)


def surname_families(
    household_id: ArrayLike, role: ArrayLike, ids: ArrayLike, seed: int, place: str
) -> NDArray[np.int64]:
    """Return the `family` of draw_names from households and roles: the household's number, or -1.

    Children, siblings, parents and grandchildren of a householder bear the householder's name, and of spouses and other
    relatives the shares in _SHARES (chosen, not measured). Nobody else does.
    """
    households, roles = np.asarray(household_id, dtype=np.int64), np.asarray(role).astype(str)
    share = np.zeros(len(roles))
    for name, value in _SHARES.items():
        share[roles == name] = value
    return np.where(uniform_at(seed, place, "name", "shared", ids=ids) < share, households, -1)


def name_tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return every tradition's lists: female, male, family and, where it differs, family_female."""
    return {
        tradition: {key: tuple(text.split(",")) for key, text in entry.items() if isinstance(text, str)}
        for tradition, entry in _data()["tables"].items()
    }


def known_birthplaces() -> tuple[str, ...]:
    """Return the countries and territories that have a tradition of their own; all others fall back on the race's."""
    return tuple(_data()["country"])


def _traditions(
    numbers: NDArray[Any],
    race_ethnicity: ArrayLike,
    birthplace: ArrayLike,
    nativity: ArrayLike,
    language_home: ArrayLike,
    seed: int,
    place: str,
) -> tuple[Indices, Indices]:
    """Return the traditions of each person's given name and family name."""
    order = {name: number for number, name in enumerate(_tables().traditions)}
    columns = {"race": race_ethnicity, "birthplace": birthplace, "nativity": nativity, "language": language_home}
    frame = pl.DataFrame({k: pl.Series(np.asarray(v).astype(object), dtype=pl.String) for k, v in columns.items()})
    kinds = frame.unique(maintain_order=True).with_row_index("kind")
    kind = frame.join(kinds, on=frame.columns, nulls_equal=True, maintain_order="left")["kind"].to_numpy()
    u = uniform_at(seed, place, "name", "origin", ids=numbers)
    given = np.zeros(len(numbers), dtype=np.intp)
    surname = np.zeros(len(numbers), dtype=np.intp)
    by_kind = np.argsort(kind, kind="stable")
    starts = np.searchsorted(kind[by_kind], np.arange(len(kinds) + 1))
    for row in kinds.iter_rows(named=True):
        members = by_kind[starts[row["kind"]] : starts[row["kind"] + 1]]
        choices = options(row["race"] or "", row["birthplace"] or "", row["nativity"], row["language"] or "")
        weights = np.cumsum([weight for _, _, weight in choices])
        chosen = np.searchsorted(weights / weights[-1], u[members], side="right")
        given[members] = np.array([order[name] for name, _, _ in choices])[chosen]
        surname[members] = np.array([order[name] for _, name, _ in choices])[chosen]
    return given, surname


@cache
def options(race_ethnicity: str, birthplace: str, nativity: str, language_home: str) -> Options:
    """Return the (given tradition, family tradition, weight) that a person of an origin may have."""
    data = _data()
    hispanic = race_ethnicity.endswith(HISPANIC_SUFFIX)
    race = "hispanic" if hispanic else _RACES.get(race_ethnicity, "other")
    of_race: Options = tuple((given, family, weight) for given, family, weight in data["native"][race])
    if birthplace not in data["country"] or (nativity == "native" and birthplace not in _US_TERRITORIES):
        return _of_language(of_race, race, language_home) if nativity == "native" else of_race
    own: Options = tuple((tradition, tradition, 1.0) for tradition in data["country"][birthplace])
    return _where_race_differs(own, of_race, race)


def _of_language(of_race: Options, race: str, language: str) -> Options:
    """Let the language spoken at home decide the family name, where race does not speak against it."""
    data = _data()
    words = language.replace(",", " ").replace("/", " ").replace("-", " ").split()
    spoken = [name for word in words for name in data["language"].get(word, [])]
    regions = {
        "white": ("euro", "mena"),
        "black": ("africa", "caribbean"),
        "asian": ("east", "south"),
        "other": ("euro", "mena", "east", "south", "africa", "caribbean"),
    }
    fitting = [name for name in spoken if data["region"][name] in regions.get(race, ())]
    if not fitting:
        return of_race
    return tuple((given, name, 1.0) for name in fitting for given in ("american", "american", name))


def _where_race_differs(own: Options, of_race: Options, race: str) -> Options:
    """Replace traditions that a race makes unlikely in the country of birth: an Asian born in London, say."""
    region = _data()["region"][own[0][1]]
    given = own[0][0]
    if race == "asian" and region in ("euro", "anglo", "latin"):
        return tuple((given, family, weight) for _, family, weight in of_race)
    if race == "asian" and region in ("africa", "caribbean"):
        return ((given if region == "caribbean" else "indian", "indian", 1.0),)
    if race == "hispanic" and region not in ("latin", "euro") and own[0][1] != "filipino":
        return tuple((given, family, weight) for _, family, weight in of_race)
    if race == "black" and region == "euro":
        return ((given, "caribbean", 1.0), (given, "nigerian", 1.0), (given, "west_african", 1.0))
    if (race == "black" and region in ("east", "south")) or (race == "white" and region in ("east", "south", "africa")):
        return of_race
    return own


def _heads(count: int, family: ArrayLike | None) -> tuple[Indices, NDArray[np.bool_]]:
    """Return for each person the position of the first of their family (their own without one), and who has one."""
    positions = np.arange(count)
    if family is None:
        return positions, np.zeros(count, dtype=bool)
    groups = np.asarray(family)
    if len(groups) != count:
        raise DataError(f"{len(groups)} family numbers for {count} people", hint="give one number a person")
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    shares = groups >= 0
    return np.where(shares, first[inverse], positions), shares


def _given_beside(given: Indices, family: Indices, own: NDArray[np.bool_]) -> Indices:
    """Let the native-born who bear a family's name have an American given name or one of the family's tradition."""
    tables = _tables()
    american = tables.traditions.index("american")
    has_given = tables.given_size[family, 0] > 0
    heritage = np.where(has_given, family, american)
    return np.where(own & (given != american), heritage, given)


def _by_cohort(given: Indices, age: NDArray[Any]) -> Indices:
    """Turn "american" into the list of the years in which a person was named."""
    traditions = _tables().traditions
    lists = np.array([traditions.index(name) for name in _AMERICAN_GIVEN])
    cohort = lists[np.searchsorted(np.array(_COHORTS), age, side="right")]
    return np.where(given == traditions.index("american"), cohort, given)


def _draw_given(
    numbers: NDArray[Any], given: Indices, column: Indices, family: Indices, seed: int, place: str
) -> NDArray[np.object_]:
    """Draw given names; who has the same as one before them in the family draws again."""
    tables = _tables()
    names = np.empty(len(numbers), dtype=object)
    again = np.arange(len(numbers))
    for attempt in range(_TRIES):
        u = uniform_at(seed, place, "name", "given", attempt, ids=numbers[again])
        size = tables.given_size[given[again], column[again]]
        chosen = _pick(size, u, tables.skew[given[again]])
        names[again] = tables.given[tables.given_first[given[again], column[again]] + chosen]
        again = _repeated(names, family)
        if not len(again):
            break
    return names


def _repeated(names: NDArray[np.object_], family: Indices) -> Indices:
    """Return the positions of people whose given name an earlier member of the family has."""
    frame = pl.DataFrame({"name": pl.Series(names, dtype=pl.String), "family": family}).with_row_index("at")
    members = frame.filter(pl.col("family") >= 0)
    again = members.filter(~pl.struct("name", "family").is_first_distinct())
    return again["at"].to_numpy().astype(np.intp)


def _pick(size: Indices, u: NDArray[np.float64], skew: NDArray[np.float64]) -> Indices:
    """Return a position below `size`, the smaller the likelier when skew exceeds 1."""
    return np.minimum((size * u**skew).astype(np.intp), size - 1)


@cache
def _data() -> dict[str, Any]:
    text = files("cityfolk.people").joinpath("names.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def _tables() -> _Tables:
    entries = _data()["tables"]
    given: list[str] = []
    family: list[str] = []
    shape = (len(entries), len(SEXES))
    given_first, given_size, family_first, family_size = (np.zeros(shape, dtype=np.intp) for _ in range(4))
    for row, entry in enumerate(entries.values()):
        for column, sex in enumerate(SEXES):
            mine = entry[sex].split(",") if sex in entry else []
            given_first[row, column], given_size[row, column] = len(given), len(mine)
            given += mine
            text = entry.get("family_female" if sex == "female" else "family", entry.get("family", ""))
            mine = text.split(",") if text else []
            family_first[row, column], family_size[row, column] = len(family), len(mine)
            family += mine
    return _Tables(
        traditions=tuple(entries),
        given=np.array(given, dtype=object),
        given_first=given_first,
        given_size=given_size,
        family=np.array(family, dtype=object),
        family_first=family_first,
        family_size=family_size,
        skew=np.array([entry["skew"] for entry in entries.values()]),
    )
