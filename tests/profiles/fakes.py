"""Citizens built in one line, profiles that say nothing wrong, and an engine that answers from its own short list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import polars as pl

from cityfolk.profiles.schema import ProfileText, ReflectionsText, json_schema
from cityfolk.rng import uniform_at
from cityfolk.types import BigFive, Citizen, Household, Person, Reply, Request
from cityfolk.vocabulary import TRAITS

PLAIN = {
    "general_description": "{name} likes long walks by the river.",
    "job_title": "Something else",
    "job_description": "The days are much alike and pass quickly.",
    "personality_description": "{name} takes things as they come.",
    "cognition": "{name} thinks in pictures first and in words later.",
    "motivations": "A good meal and a good night's sleep matter most.",
    "strengths": ["patience", "a good memory", "steady hands"],
    "weaknesses": ["late nights", "strong coffee", "a short fuse"],
    "family": "The family keeps in touch by telephone.",
    "friends": "Two old friends come by on Fridays.",
    "workplace": "The place is bright and rather loud.",
    "community_role": "{name} helps at the street fair.",
    "daily_routine": "Breakfast is at seven and the light goes out at eleven.",
    "leisure_habits": "{name} reads mysteries and plays cards.",
    "work_habits": "One thing at a time is the rule.",
    "health_habits": "Plenty of water and stairs instead of lifts.",
    "social_habits": "{name} likes small groups better than crowds.",
    "appearance": "{name} wears plain clothes and good shoes.",
}


def profile(name: str = "Maria", **fields) -> ProfileText:
    """A profile without any claim of fact, with some fields replaced."""
    texts = {k: v.format(name=name) if isinstance(v, str) else v for k, v in PLAIN.items()} | fields
    return ProfileText(**texts)


def person(**facts) -> Person:
    """A 34-year-old nurse from Massachusetts who was never married, with some facts replaced."""
    known = {
        "person_id": 7,
        "household_id": 3,
        "role": "householder",
        "age": 34,
        "sex": "female",
        "race_ethnicity": "White",
        "birthplace": "Massachusetts",
        "nativity": "native",
        "citizenship": "born",
        "language_home": "English",
        "english": "only English",
        "education": "bachelor's",
        "enrollment": "not enrolled",
        "marital_status": "never married",
        "employment": "employed",
        "occupation": "management, business, science and arts",
        "industry": "education, health care and social assistance",
        "class_of_worker": "private",
        "earnings_usd": 71000,
        "income_usd": 73000,
        "commute_mode": "walked",
        "commute_minutes": 12,
        "disability": "none",
        "religion": "Catholic",
        "party": "Democratic",
        "name": "Maria Santos",
        "personality": BigFive(**dict.fromkeys(TRAITS, 0.5)),
    }
    return Person(**(known | facts))


def citizen(others: Iterable[dict] = (), home: dict | None = None, **facts) -> Citizen:
    """A citizen with their household; `others` are facts of who else lives there."""
    me = person(**facts)
    rest = tuple(
        person(**({"person_id": 100 + i, "name": f"Kim Doe{i}", "employment": None} | other))
        for i, other in enumerate(others)
    )
    married = any(p.role == "spouse" for p in (me, *rest))
    known = {
        "household_id": 3,
        "kind": "family" if rest and married else "nonfamily",
        "size": 1 + len(rest),
        "tenure": "renter",
        "income_usd": 90000,
    }
    return Citizen(
        person=me, household=Household(**(known | (home or {}))), others=rest, place="Cambridge, Massachusetts"
    )


DORM = {"kind": "group_quarters", "gq_type": "student housing", "tenure": None, "income_usd": None, "size": 1}
HUSBAND = {"role": "spouse", "sex": "male", "age": 36, "marital_status": "married"}
WIFE = {"role": "spouse", "sex": "female", "age": 33, "marital_status": "married"}
SON = {"role": "child", "sex": "male", "age": 8}
DAUGHTER = {"role": "child", "sex": "female", "age": 5}
MATE = {"role": "housemate", "sex": "female", "age": 30}


def population(n: int = 2000, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """People and households of a toy town: everyone lives alone, attributes drawn by hash."""
    ids = list(range(n))
    draw = {name: uniform_at(seed, name, ids=ids) for name in ("age", "sex", "nativity", *TRAITS)}
    ages = (draw["age"] * 90).astype(int)
    native = draw["nativity"] < 0.7
    people = pl.DataFrame(
        {
            "person_id": pl.Series(ids, dtype=pl.Int32),
            "household_id": pl.Series(ids, dtype=pl.Int32),
            "role": ["householder"] * n,
            "age": pl.Series(ages, dtype=pl.Int16),
            "sex": ["female" if u < 0.5 else "male" for u in draw["sex"]],
            "race_ethnicity": ["White"] * n,
            "birthplace": ["Massachusetts" if u else "Brazil" for u in native],
            "nativity": ["native" if u else "foreign-born" for u in native],
            "citizenship": ["born" if u else "not a citizen" for u in native],
            "language_home": ["English"] * n,
            "education": ["high school"] * n,
            "enrollment": ["not enrolled"] * n,
            "marital_status": ["never married"] * n,
            "name": [f"Ada Number{i}" for i in ids],
            **{t: pl.Series(draw[t].clip(0.001, 0.999), dtype=pl.Float32) for t in TRAITS},
        }
    )
    households = pl.DataFrame(
        {
            "household_id": pl.Series(ids, dtype=pl.Int32),
            "kind": ["nonfamily"] * n,
            "size": pl.Series([1] * n, dtype=pl.Int16),
            "tenure": ["renter"] * n,
        }
    )
    return people, households


class ShortList:
    """An engine that answers every schema with plain text; `spoil(request)` may put another text in its place."""

    name = "shortlist"
    model = "shortlist-1"

    def __init__(self, spoil=lambda request: None) -> None:
        self.spoil = spoil
        self.asked: list[Request] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        for request in requests:
            self.asked.append(request)
            text = self.spoil(request)
            if text is None:
                text = self._answer(request)
            yield request.key, Reply(text=text, model=self.model, prompt_tokens=100, completion_tokens=50)

    def _answer(self, request: Request) -> str:
        if request.schema == json_schema(ReflectionsText):
            return json.dumps({name: f"Thoughts about {name} in short." for name in ReflectionsText.model_fields})
        first = request.messages[-1].content.split("Name: ")[1].split()[0]
        return profile(first).model_dump_json()
