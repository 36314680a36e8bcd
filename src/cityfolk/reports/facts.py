"""One citizen's facts as short lines: the same words for the page, the terminal and the export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cityfolk.profiles.prompts import relation
from cityfolk.types import Person


def fact_rows(person: Mapping[str, Any], household: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is known of a person as (label, text); what was not asked of them is left out."""
    yield "age and sex", f"{person['age']}, {person['sex']}"
    yield "race and ethnicity", str(person["race_ethnicity"])
    yield "origin", _origin(person)
    yield "language at home", _language(person)
    yield "marital status", str(person["marital_status"])
    yield "education", _education(person)
    yield "work", _work(person)
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


def _origin(person: Mapping[str, Any]) -> str:
    place = str(person["birthplace"])
    status = {"naturalized": ", naturalized citizen", "not a citizen": ", not a citizen"}.get(
        str(person["citizenship"]), ""
    )
    return f"{place}{status}" if place.startswith("abroad") else f"born in {place}{status}"


def _language(person: Mapping[str, Any]) -> str:
    language, english = str(person["language_home"]), person.get("english")
    return f"{language}; speaks English {english}" if english and english != "only English" else language


def _education(person: Mapping[str, Any]) -> str:
    now = "" if person["enrollment"] == "not enrolled" else f"; now in {person.get('grade') or person['enrollment']}"
    if person["age"] < 15:
        return now.removeprefix("; now in ") or "not in school yet"
    return f"{person['education']}{now}"


def _work(person: Mapping[str, Any]) -> str:
    employment = person.get("employment")
    if employment is None:
        return "under 16"
    if employment != "employed":
        return str(employment)
    parts = [str(person[c]) for c in ("occupation", "industry", "class_of_worker") if person.get(c)]
    earned = f"; earns ${person['earnings_usd']:,} a year" if person.get("earnings_usd") else ""
    return " · ".join(parts) + earned


def _home(household: Mapping[str, Any]) -> str:
    where = f", block group {household['block_group']}" if household.get("block_group") else ""
    if household["kind"] == "group_quarters":
        kind = household.get("gq_type") or "other"
        return ("group quarters" if kind == "other" else str(kind)) + where
    count = household.get("rooms")
    rooms = f", {count} room{'s' if count > 1 else ''}" if count else ""
    owned = "owned" if household.get("tenure") == "owner" else "rented"
    return f"{owned} home{rooms}{where}"
