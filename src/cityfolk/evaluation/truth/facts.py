"""Claims against facts: what is contradicted, what was said in agreement, which numbers nobody knows of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cityfolk.evaluation.truth.claims import FIELDS, Claim
from cityfolk.evaluation.truth.reading import OTHER
from cityfolk.tables.birth import same_place

FACTS = (
    "age",
    "sex",
    "birthplace",
    "nativity",
    "education",
    "employment",
    "occupation",
    "income_usd",
    "earnings_usd",
    "household_income_usd",
    "marital_status",
    "party",
    "religion",
    "commute_minutes",
    "height_cm",
    "weight_kg",
    "household_id",
)
"""The columns of people that claims and numbers are held against; any of them may be unknown."""

_COLUMN = {"age": "age", "sex": "sex", "education": "education", "marriage": "marital_status"}
_COLUMN |= {"party": "party", "religion": "religion", "origin": "birthplace"}
_TOLERANCE, _SLACK_USD = 0.15, 2500.0
# Rules of profiles.parquet's `problems` in the words of the fields here.
RULES = {"household": "marriage"} | {name: name for name in FIELDS if name != "marriage"}


def known(field: str, facts: Mapping[str, Any]) -> bool:
    """Say whether the fact that a field is about is known."""
    if field == "job":
        return facts["employment"] is not None
    if field == "income":
        return facts["income_usd"] is not None or facts["earnings_usd"] is not None
    if field == "origin":
        return facts["birthplace"] is not None and facts["nativity"] is not None
    return facts[_COLUMN[field]] is not None


def agrees(claim: Claim, facts: Mapping[str, Any]) -> bool:
    """Say whether a known fact bears a claim out.

    Incomes may be 15% or 2,500 dollars off, as the person's, their earnings or their household's.
    """
    if claim.field == "age":
        return bool(claim.low <= facts["age"] <= claim.high)
    if claim.field == "income":
        amounts = (facts["income_usd"], facts["earnings_usd"], facts["household_income_usd"])
        return any(
            abs(claim.low - amount) <= max(_TOLERANCE * abs(amount), _SLACK_USD)
            for amount in amounts
            if amount is not None
        )
    if claim.field == "origin":
        (word,) = claim.allowed
        return same_place(word, facts["birthplace"], native=facts["nativity"] == "native")
    if claim.field == "job":
        return _job_agrees(claim.allowed, facts)
    return facts[_COLUMN[claim.field]] in claim.allowed


def _job_agrees(allowed: frozenset[str], facts: Mapping[str, Any]) -> bool:
    if facts["employment"] == "employed":
        return facts["occupation"] in allowed or (facts["occupation"] is None and "none" not in allowed)
    return facts["employment"] in allowed


@dataclass(frozen=True, slots=True)
class Standing:
    """How a profile stands in one field: whether the fact is known, something is said of it, and is contradicted."""

    known: bool
    claimed: bool
    contradicted: bool
    written: str = ""


def standing(claims: Iterable[Claim], facts: Mapping[str, Any]) -> dict[str, Standing]:
    """Return how a profile stands in each field; `written` is the first contradiction in its own words."""
    by_field: dict[str, list[Claim]] = {field: [] for field in FIELDS}
    for claim in claims:
        by_field[claim.field].append(claim)
    result = {}
    for field, made in by_field.items():
        is_known = known(field, facts)
        wrong = [claim for claim in made if is_known and not agrees(claim, facts)]
        result[field] = Standing(is_known, bool(made), bool(wrong), wrong[0].text if wrong else "")
    return result


_DIGITS = re.compile(r"(?<![\w.,])\$?\d+(?:,\d{3})*(?:\.\d+)?k?(?![\w])", re.I)


_KIN_AGE = re.compile(
    rf"\b{OTHER}(?: of|,| is| aged|,? age)? ?\(?\d{{1,3}}\b(?:(?:, | and )\d{{1,3}}\b)*|"
    rf"\b\d{{1,3}}-years?-old (?:\w+ )?{OTHER}\b",
    re.I,
)


def invented_numbers(text: str, facts: Mapping[str, Any], others: Collection[float] = ()) -> list[str]:
    """Return the numbers in digits that are none of the person's facts.

    Facts are age, incomes (rounded as prompts round them, to a thousand dollars, or 15% off), commute, height, weight,
    and `others`: the ages of the household, where it is known; else ages of relatives and housemates aren't judged.
    """
    if not others:
        text = _KIN_AGE.sub(" ", text)
    exact = {round(float(v)) for v in (facts["age"], facts["commute_minutes"], *others) if v is not None}
    exact |= {round(float(v)) for v in (facts["height_cm"], facts["weight_kg"]) if v is not None}
    money = [v for v in (facts["income_usd"], facts["earnings_usd"], facts["household_income_usd"]) if v is not None]
    found = []
    for match in _DIGITS.finditer(text):
        raw = match.group(0)
        value = float(raw.strip("$kK").replace(",", "")) * (1000 if raw[-1] in "kK" else 1)
        near = any(abs(value - amount) <= max(_TOLERANCE * abs(amount), _SLACK_USD) for amount in money)
        if value not in exact and not (near and value >= 1000):
            found.append(raw)
    return found
