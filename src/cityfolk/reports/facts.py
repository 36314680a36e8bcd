"""One citizen's facts as short lines: the same words for the page, the terminal and the export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cityfolk.profiles.prompts import UNKNOWN, education_text, origin_text, relation, work_text
from cityfolk.types import Person


def fact_rows(person: Mapping[str, Any], household: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known of a person as (label, text); what was not asked, or no table holds, is left out."""
    yield "age and sex", f"{person['age']}, {person['sex']}"
    yield from ((label, text) for label, text in _background(person) if text not in (None, UNKNOWN))
    if person.get("commute_mode"):
        minutes = person.get("commute_minutes")
        yield "commute", f"{person['commute_mode']}{f', {minutes} minutes' if minutes else ''}"
    if person.get("income_usd") is not None:
        yield "income", f"${person['income_usd']:,} a year"
    if household["kind"] != "group_quarters" and household.get("income_usd") is not None:
        yield "household income", f"${household['income_usd']:,} a year"
    yield "home", _home(household)
    if person.get("religion"):
        yield "religion", str(person["religion"])
    if person.get("party"):
        yield "party", str(person["party"])
    if person.get("health_insurance"):
        insurance = str(person["health_insurance"])
        yield "health insurance", insurance
    if person.get("disability") not in (None, "none"):
        yield "disability", str(person["disability"])
    if person.get("height_cm") is not None and person.get("weight_kg") is not None:
        yield "body", f"{person['height_cm']:.0f} cm, {person['weight_kg']:.0f} kg"


def member_lines(
    person: Mapping[str, Any], household: Mapping[str, Any], members: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Return one line for each other member of a household: relation, name, age; none for group quarters."""
    if household["kind"] == "group_quarters":
        return []
    me = Person.from_row(person)
    others = [m for m in members if m["person_id"] != person["person_id"]]
    return [f"{relation(me, Person.from_row(other))}: {other['name']}, {other['age']}" for other in others]


def _background(person: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    me = Person.from_row(person)
    yield "race and ethnicity", me.race_ethnicity
    yield "origin", origin_text(me)
    yield "language at home", _language(me)
    yield "marital status", me.marital_status
    yield "education", education_text(me)
    yield "work", _work(me)


def _language(person: Person) -> str | None:
    if person.language_home is None or person.english in (None, "only English"):
        return person.language_home
    return f"{person.language_home}; speaks English {person.english}"


def _work(person: Person) -> str:
    if person.employment is None:
        return work_text(person)
    if person.employment != "employed":
        return person.employment
    parts = [part for part in (person.occupation, person.industry, person.class_of_worker) if part]
    earned = f"; earns ${person.earnings_usd:,} a year" if person.earnings_usd else ""
    return (" · ".join(parts) or person.employment) + earned


def _home(household: Mapping[str, Any]) -> str:
    where = f", block group {household['block_group']}" if household.get("block_group") else ""
    if household["kind"] == "group_quarters":
        kind = household.get("gq_type") or "other"
        return ("group quarters" if kind == "other" else str(kind)) + where
    count = household.get("rooms")
    rooms = f", {count} room{'s' if count > 1 else ''}" if count else ""
    owned = {"owner": "owned ", "renter": "rented "}.get(str(household.get("tenure")), "")
    return f"{owned}home{rooms}{where}"
