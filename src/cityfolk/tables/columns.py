"""What a question about a place may name: the columns of the person and household views, and what each can hold.

A column is one of four kinds: "category" (a closed list), "text" (any words, such as a country), "number" and "flag"
(true or false, written yes or no).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from cityfolk.errors import DataError
from cityfolk.vocabulary import (
    DISABILITIES,
    HOUSEHOLD_CATEGORIES,
    NORMS,
    PEOPLE_CATEGORIES,
    RACES,
    TRAITS,
)

Kind = Literal["category", "text", "number", "flag"]
YES_NO = ("yes", "no")
FAMILY_TYPES = ("married couple", "male householder", "female householder")
LIVINGS = ("married-couple family", "other household", "group quarters")
BORN_ABROAD = (
    "in the United States",
    "Puerto Rico or US Island Areas",
    "abroad of American parents",
    "foreign-born",
)
PARENTS_NATIVITY = ("both native", "both foreign-born", "mixed", "native", "foreign-born")
STATE_OF_RESIDENCE = "state of residence"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view: its kind, and its closed list of values where it has one."""

    kind: Kind
    categories: tuple[str, ...] = ()


_NUMBER, _TEXT, _FLAG = Column("number"), Column("text"), Column("flag")


def _closed(*categories: str) -> Column:
    return Column("category", categories)


HOUSEHOLD_FACTS: dict[str, Column] = {
    **{name: _closed(*values) for name, values in HOUSEHOLD_CATEGORIES.items()},
    **dict.fromkeys(
        (
            "household_id",
            "size",
            "income_usd",
            "vehicles",
            "rooms",
            "earnings_usd",
            "social_security_usd",
            "ssi_usd",
            "public_assistance_usd",
            "retirement_usd",
            "housing_cost_pct",
        ),
        _NUMBER,
    ),
    **dict.fromkeys(("snap", "telephone", "limited_english"), _FLAG),
    "block_group": _TEXT,
}
"""The columns of households.parquet."""

PERSON_FACTS: dict[str, Column] = {
    **{name: _closed(*values) for name, values in PEOPLE_CATEGORIES.items()},
    **dict.fromkeys(
        (
            "person_id",
            "household_id",
            "age",
            "earnings_usd",
            "income_usd",
            "poverty_ratio",
            "commute_minutes",
            "height_cm",
            "weight_kg",
            *TRAITS,
        ),
        _NUMBER,
    ),
    **dict.fromkeys(("birthplace", "language_home", "disability", "name", "borrowed"), _TEXT),
    "full_time_year_round": _FLAG,
    "norms": _closed(*NORMS),
}
"""The columns of people.parquet."""

PERSON_DERIVED: dict[str, Column] = {
    "race": _closed(*RACES),
    **dict.fromkeys(("birth_region", "birth_subregion", "birth_country"), _TEXT),
    "born_abroad": _closed(*BORN_ABROAD),
    "living": _closed(*LIVINGS),
    "parents": _closed("two", "one"),
    "parents_nativity": _closed(*PARENTS_NATIVITY),
    "parents_in_labor_force": _closed("all", "not all"),
    **dict.fromkeys(
        (
            "hispanic",
            "own_child",
            "related_child",
            "poverty_determined",
            "in_family",
            "institutional",
            "civilian",
            "insured",
            "private_insurance",
            "public_insurance",
            "in_labor_force",
            "worker",
            "year_round_worker",
            "has_income",
            "has_earnings",
            "disabled",
            *(f"disability_{name.replace(' ', '_').replace('-', '_')}" for name in DISABILITIES),
        ),
        _closed(*YES_NO),
    ),
    "income_or_zero_usd": _NUMBER,
}
"""What the person view adds; `cityfolk.tables.view` says how each is made."""

HOUSEHOLD_DERIVED: dict[str, Column] = {
    "family_type": _closed(*FAMILY_TYPES),
    **dict.fromkeys(("n_workers", "n_family", "family_income_usd", "family_poverty_ratio"), _NUMBER),
    **dict.fromkeys(
        (
            "has_related_child",
            "has_related_child_under5",
            "related_children_only_under5",
            "has_earnings",
            "has_social_security",
            "has_ssi",
            "has_public_assistance",
            "has_retirement",
            "crowded",
        ),
        _closed(*YES_NO),
    ),
}
"""What the household view adds, besides the householder's own columns as hhr_<column>."""

PERSON_COLUMNS: dict[str, Column] = {
    **PERSON_FACTS,
    **PERSON_DERIVED,
    **{f"hh_{name}": column for name, column in HOUSEHOLD_FACTS.items() if name != "household_id"},
}
HOUSEHOLD_COLUMNS: dict[str, Column] = {
    **HOUSEHOLD_FACTS,
    **HOUSEHOLD_DERIVED,
    **{f"hhr_{name}": column for name, column in (PERSON_FACTS | PERSON_DERIVED).items()},
}
ENTITIES: dict[str, dict[str, Column]] = {
    "persons": PERSON_COLUMNS,
    "households": HOUSEHOLD_COLUMNS,
    "families": HOUSEHOLD_COLUMNS,
}


def nearest(word: str, known: Iterable[str], what: str) -> str:
    """Return the hint for an unknown word: the one that was probably meant, or the first of those there are."""
    known = list(known)
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"{what}: {', '.join(sorted(known)[:12])} ..."


def column_of(entity: str, name: str) -> Column:
    """Return what a view's column can hold.

    Raises:
        DataError: the entity or the column is unknown.
    """
    if entity not in ENTITIES:
        raise DataError(f"a universe cannot be {entity!r}", hint=nearest(entity, ENTITIES, "entities"))
    columns = ENTITIES[entity]
    if name not in columns:
        raise DataError(f"{entity} have no column {name!r}", hint=nearest(name, columns, "columns"))
    return columns[name]
