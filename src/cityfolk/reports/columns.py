"""What every exported column means: one dictionary for CSV, Parquet, Hugging Face and maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.vocabulary import HOUSEHOLD_CATEGORIES, PEOPLE_CATEGORIES, TRAITS

_AMOUNT = "US dollars a year unless the place says another currency"
PEOPLE = {
    "person_id": "number of the person in this study, from 0",
    "household_id": "number of the household; in group quarters each person is a unit of their own",
    "role": "what the person is to the householder; `resident` in group quarters",
    "age": "age in completed years",
    "sex": "sex as the survey asks it",
    "race_ethnicity": "race, and whether of Hispanic or Latino origin",
    "birthplace": "state or region of birth for natives, country for the foreign-born",
    "nativity": "born a citizen (native) or not (foreign-born)",
    "citizenship": "citizen by birth, naturalized, or not a citizen",
    "language_home": "language spoken at home",
    "english": "how well English is spoken; null under 5",
    "education": "highest level finished",
    "enrollment": "school attended now",
    "grade": "grade attended now; null for those not enrolled",
    "marital_status": "marital status; `never married` under 15",
    "employment": "employment status; null under 16",
    "occupation": "major occupation group of workers",
    "industry": "industry group of workers",
    "class_of_worker": "whom a worker works for",
    "full_time_year_round": "worked full time the whole past year",
    "earnings_usd": f"earnings from work, {_AMOUNT}; null under 16",
    "income_usd": f"all personal income, {_AMOUNT}; null under 15",
    "poverty_ratio": "family income divided by its poverty threshold; null where poverty is not determined",
    "commute_mode": "how a worker got to work last week",
    "commute_minutes": "one-way travel time to work in minutes; null at home or not at work",
    "disability": "`none`, or kinds of difficulty joined by `; `",
    "health_insurance": "health insurance coverage",
    "religion": "religious affiliation of adults; null under 18",
    "party": "party of adult citizens, after the votes of the place; null for others",
    "height_cm": "height in centimetres",
    "weight_kg": "weight in kilograms",
    "name": "invented name that fits sex, age and origin",
    "norms": "whose norms the personality was drawn from; `extrapolated` for ages that they do not cover",
    "borrowed": "columns of this row that do not come from the place's own tables, joined by `;`",
    **{trait: f"{trait}, percentile among adults on IPIP-NEO-120, .001 to .999" for trait in TRAITS},
}
HOUSEHOLDS = {
    "household_id": "number of the household in this study",
    "kind": "family, nonfamily, or one person in group quarters",
    "gq_type": "kind of group quarters; null for households",
    "size": "number of people",
    "tenure": "owned or rented; null in group quarters",
    "income_usd": f"household income, {_AMOUNT}",
    "vehicles": "cars, vans and trucks kept at home",
    "block_group": "census block group of the home (12-digit GEOID in the United States)",
    "rooms": "number of rooms",
    "snap": "received food stamps (SNAP) in the past year",
    "telephone": "has telephone service",
    "limited_english": "nobody of 14 or older speaks English very well",
    "housing_cost_pct": "monthly owner cost or gross rent as percent of household income",
    **{
        f"{name}_usd": f"{name.replace('_', ' ')} of the household, {_AMOUNT}; 0 when none"
        for name in ("earnings", "social_security", "ssi", "public_assistance", "retirement")
    },
}
COHORT = {
    "person_id": "number of the person chosen to be written",
    "weight": "number of eligible people that this person stands for; the weights sum to all of them",
    "overrides": "traits set by hand, as JSON; null where all are as drawn",
}
PROFILES = {
    "person_id": "number of the person",
    "engine": "who wrote; `pocket` is the small embedded demonstration model",
    "model": "model and revision",
    "depth": "brief, or full (with eight reflections written first)",
    **{name: f"written by the model: {name.replace('_', ' ')}" for name in ProfileText.model_fields},
    **{
        f"reflection_{name}": f"written by the model before the profile: {name.replace('_', ' ')}"
        for name in ReflectionsText.model_fields
    },
    "problems": "contradictions with what is known: rule, field, known, written, start and end (characters)",
    "problem_count": "number of contradictions found",
    "prompt": "name and version of the prompt",
    "prompt_hash": "hash of the fixed part of the prompt",
    "temperature": "sampling temperature",
    "seed": "seed of the study",
    "prompt_tokens": "tokens read",
    "completion_tokens": "tokens written",
}
FINDINGS = {
    "id": "name of the finding",
    "title": "what was measured",
    "value": "the number",
    "low": "lower end of the interval (90% unless the note says otherwise)",
    "high": "upper end of the interval",
    "n": "how many people, households, texts or quantities it rests on",
    "unit": "unit of value, low, high and expected",
    "expected": "what it should be",
    "verdict": "inside or outside of what it should be; none where there is nothing to compare with",
    "note": "source, reason or remark",
}
GEO = {
    "home_lon": "longitude of the home (WGS 84): a random point inside the block group, the same for all who live "
    "together",
    "home_lat": "latitude of the home (WGS 84)",
    "home_x_m": "metres east of the place's southwest corner",
    "home_y_m": "metres north of the place's southwest corner",
    "neighbourhood": "neighbourhood of the block group, where the place pack names one",
    "household_kind": HOUSEHOLDS["kind"],
    "gq_type": HOUSEHOLDS["gq_type"],
    "household_size": HOUSEHOLDS["size"],
    "household_income_usd": HOUSEHOLDS["income_usd"],
    "tenure": HOUSEHOLDS["tenure"],
    "vehicles": HOUSEHOLDS["vehicles"],
    "block_group": HOUSEHOLDS["block_group"],
    "people": "people who live in the block group",
    "households": "households in the block group, group quarters not counted",
    "median_age": "median age in years",
    "foreign_born": "share of people born abroad, 0 to 1",
    "students": "share of people in college or graduate school, 0 to 1",
    "degree": "share with a bachelor's degree or more among people of 25 and over, 0 to 1",
    "group_quarters": "share of people in group quarters, 0 to 1",
    "car_commute": "share of workers who commute by car, 0 to 1",
    "median_income_usd": f"median household income, {_AMOUNT}",
    "owners": "share of homes lived in by their owner, 0 to 1",
}
MEANINGS: dict[str, Mapping[str, str]] = {
    "people": PEOPLE,
    "households": HOUSEHOLDS,
    "cohort": COHORT,
    "profiles": PROFILES,
    "findings": FINDINGS,
}
_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"people": PEOPLE_CATEGORIES, "households": HOUSEHOLD_CATEGORIES}


def dictionary(
    table: str,
    frame: pl.DataFrame,
    *,
    sources: Mapping[str, str] | None = None,
    meanings: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return one entry a column: name, type, what it means, its values where they are a closed list, its source."""
    said = meanings if meanings is not None else MEANINGS[table]
    values = _VALUES.get(table, {})
    entries = []
    for name, kind in frame.schema.items():
        entry: dict[str, Any] = {"name": name, "type": _kind(kind), "meaning": said.get(name, name.replace("_", " "))}
        if name in values:
            entry["values"] = list(values[name])
        if sources and name in sources:
            entry["source"] = sources[name]
        entries.append(entry)
    return entries


def _kind(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "integer"
    if kind.is_float():
        return "number"
    if kind == pl.Boolean:
        return "boolean"
    if isinstance(kind, pl.List):
        return "list"
    return "string"


def markdown(table: str, entries: list[dict[str, Any]]) -> str:
    """Return a dictionary as a Markdown table."""
    lines = [f"### {table}", "", "| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{e['name']}` | {e['type']} | {e['meaning'].replace('|', '/')} |" for e in entries]
    return "\n".join(lines) + "\n"
