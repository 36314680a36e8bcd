"""Rows -> citizens: a chosen person, their household, and who else lives there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from cityfolk.errors import DataError
from cityfolk.types import BigFive, Citizen, Household, Person


def citizens(
    people: pl.DataFrame, households: pl.DataFrame, cohort: pl.DataFrame, place_title: str
) -> Iterator[Citizen]:
    """Yield a citizen for each row of the cohort, in its order, with traits set by hand applied.

    Household members keep the order of people.parquet (householder first). Raises DataError where a chosen person or
    their household is missing: the tables are then not of one study.
    """
    homes = people.select("person_id", "household_id").join(
        cohort.select("person_id").cast({"person_id": people.schema["person_id"]}), on="person_id", how="semi"
    )
    near = people.join(homes.select("household_id").unique(), on="household_id", how="semi")
    by_home: dict[int, list[Person]] = {}
    for row in near.sort("household_id", "person_id").iter_rows(named=True):
        by_home.setdefault(row["household_id"], []).append(Person.from_row(row))
    known = households.join(homes.select("household_id").unique(), on="household_id", how="semi")
    units = {row["household_id"]: Household.from_row(row) for row in known.iter_rows(named=True)}
    where = dict(homes.iter_rows())
    for row in cohort.iter_rows(named=True):
        home = where.get(row["person_id"])
        if home is None or home not in units:
            raise DataError(
                f"person {row['person_id']} of the cohort is not in this study's people and households",
                hint="run `cityfolk people` and `cityfolk write` on one folder",
            )
        yield _citizen(row["person_id"], by_home[home], units[home], row.get("overrides"), place_title)


def _citizen(
    person_id: int, members: list[Person], household: Household, overrides: str | None, place_title: str
) -> Citizen:
    person = next(member for member in members if member.person_id == person_id)
    if overrides:
        traits = dict(person.personality.items()) | json.loads(overrides)
        person = replace(person, personality=BigFive.clipped(**traits))
    others = tuple(m for m in members if m.person_id != person_id) if household.kind != "group_quarters" else ()
    return Citizen(person=person, household=household, others=others, place=place_title)
