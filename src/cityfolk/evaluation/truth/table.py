"""What each profile says against what is known, a row a profile: the table that all findings of truth are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.truth.claims import FIELDS, Claim, read_claims
from cityfolk.evaluation.truth.facts import FACTS, agrees, invented_numbers, known, standing
from cityfolk.tables.birth import US_AREAS, origin_words
from cityfolk.vocabulary import EDUCATIONS, OCCUPATIONS, US_BIRTHPLACES

TITLES = ("job_title", "occupation", "job", "profession")
WRITTEN = "age sex nativity citizenship education employment occupation marital_status party religion".split()
_FACTS = tuple(dict.fromkeys((*FACTS, "citizenship")))
# Rules of the `problems` that a study keeps, where they name one of the fields here.
_RULES = frozenset(FIELDS) - {"marriage"}


def truth_table(corpus: Corpus) -> pl.DataFrame:
    """Return one row a profile, in the corpus's order.

    person_id and source; for each field `FIELD_known`, `FIELD_claimed`, `FIELD_contradicted` (booleans; contradicted by
    the profile's kept problems or by what is read here) and `FIELD_words` (the first contradiction as written);
    `invented` (numbers that no fact bears out); the drawn facts by name; and `written_...`, the facts as the text has
    them: the drawn one where the text is silent or agrees, null where it disagrees without saying what instead.
    """
    texts = corpus.whole()
    title = next((name for name in TITLES if name in corpus.fields), None)
    titles = corpus.texts(title) if title else [""] * len(texts)
    facts = corpus.facts(*_FACTS).rows(named=True)
    ages = _household_ages(corpus.people)
    kept = _kept_rules(corpus.profiles)
    rows = []
    for number, (text, name, fact) in enumerate(zip(texts, titles, facts, strict=True)):
        claims = read_claims(text, name)
        others = ages.get(fact["household_id"], ())
        rows.append(_row(claims, fact, kept[number]) | {"invented": len(invented_numbers(text, fact, others))})
    found = pl.DataFrame(rows, schema=_schema(), strict=False)
    return pl.concat([corpus.profiles.select("person_id", "source"), found], how="horizontal")


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for field in FIELDS:
        schema |= {f"{field}_{what}": pl.Boolean for what in ("known", "claimed", "contradicted")}
        schema[f"{field}_words"] = pl.String
    numbers = {"age", "income_usd", "earnings_usd", "household_income_usd", "commute_minutes", "household_id"}
    numbers |= {"height_cm", "weight_kg"}
    schema |= {name: pl.Float64 if name in numbers else pl.String for name in _FACTS}
    schema |= {f"written_{name}": pl.Float64 if name in numbers else pl.String for name in WRITTEN}
    return schema | {"invented": pl.Int64}


def _household_ages(people: pl.DataFrame | None) -> dict[Any, list[float]]:
    """Return the ages of each household of which two or more are known; else nobody says who else lives there."""
    if people is None or not {"household_id", "age"} <= set(people.columns):
        return {}
    grouped = people.group_by("household_id").agg(pl.col("age")).filter(pl.col("age").list.len() > 1)
    return dict(zip(grouped["household_id"].to_list(), grouped["age"].to_list(), strict=True))


def _kept_rules(profiles: pl.DataFrame) -> list[set[str]]:
    if "problems" not in profiles.columns:
        return [set() for _ in range(profiles.height)]
    rules = profiles["problems"].list.eval(pl.element().struct.field("rule")).to_list()
    return [set(names or ()) & _RULES for names in rules]


def _row(claims: Sequence[Claim], facts: Mapping[str, Any], rules: set[str]) -> dict[str, Any]:
    row: dict[str, Any] = dict(facts)
    for field, stands in standing(claims, facts).items():
        wrong = stands.contradicted or (field in rules and stands.known)
        row |= {f"{field}_known": stands.known, f"{field}_claimed": stands.claimed, f"{field}_contradicted": wrong}
        row[f"{field}_words"] = stands.written
    return row | {f"written_{name}": value for name, value in _written(claims, facts).items()}


def _written(claims: Iterable[Claim], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts as the text has them."""
    result = {name: facts[name] for name in WRITTEN}
    if result["age"] is not None:
        result["age"] = float(result["age"])
    seen: set[str] = set()
    for claim in claims:
        if claim.field in seen or not known(claim.field, facts):
            continue
        if claim.field == "education":
            result["education"] = min(claim.allowed, key=EDUCATIONS.index)
        elif agrees(claim, facts):
            continue
        else:
            result |= _instead(claim)
        seen.add(claim.field)
    return result


def _instead(claim: Claim) -> dict[str, Any]:
    """Return what a contradiction puts in the place of the fact; null where that is more than one thing."""
    if claim.field == "age":
        return {"age": claim.low if claim.low == claim.high else None}
    if claim.field == "origin":
        return _born(next(iter(claim.allowed)))
    if claim.field == "job":
        groups = sorted(set(claim.allowed) & set(OCCUPATIONS))
        if groups:
            return {"employment": "employed", "occupation": groups[0] if len(groups) == 1 else None}
        status = "unemployed" if "unemployed" in claim.allowed else "not in labor force"
        return {"employment": status, "occupation": None}
    if claim.field in ("sex", "marriage", "party", "religion"):
        column = "marital_status" if claim.field == "marriage" else claim.field
        return {column: next(iter(claim.allowed)) if len(claim.allowed) == 1 else None}
    return {}


def _born(word: str) -> dict[str, Any]:
    place, kind = origin_words()[word]
    home = kind in ("state", "city", "region", "country") or place in (*US_AREAS, *US_BIRTHPLACES)
    if home:
        return {"nativity": "native", "citizenship": "born"}
    return {"nativity": "foreign-born", "citizenship": None}
