"""Count how often the embedded model copies what its prompt says, over people it was not trained on.

python scripts/check_pocket.py --n 500
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from functools import cache
from typing import Any

from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.facts import Facts, parse_facts
from cityfolk.pocket.occupations import status
from cityfolk.pocket.phrasing import bank
from cityfolk.profiles.checks import check_profile
from cityfolk.profiles.schema import ProfileText, json_schema
from cityfolk.types import Request, Sampling
from pocket_citizens import NamePool
from pocket_data import make_sample


def checks(facts: Facts, profile: dict[str, Any]) -> dict[str, bool | None]:
    """Return what is right and wrong in a profile; None where the prompt says nothing of it."""
    text = " ".join(v for v in profile.values() if isinstance(v, str))
    general, family = profile["general_description"], profile["family"]
    wrong = r"\b(she|her|herself|woman|girl)\b" if facts.sex == "male" else r"\b(he|his|him|himself|man|boy)\b"
    ages = sorted(str(age) for _, age in facts.members)
    return {
        "age": re.findall(r"\d+", general) == [str(facts.age)],
        "sex": not re.search(wrong, text.lower()),
        "first name": _names(text) <= set(re.findall(r"[^\W\d_]+", facts.first)) if _names(text) else None,
        "home": facts.home in general,
        "origin": facts.birthplace in general,
        "household ages": sorted(re.findall(r"\d+", family)) == ages if ages else None,
        "household relations": all(r.split()[-1].removesuffix("e") in family for r, _ in facts.members)
        if facts.members
        else None,
        "lives alone": bool(re.search(r"alone|by h|Nobody else", family)) == (not facts.members and not facts.quarters),
        "job": profile["job_title"] in fitting_titles(facts),
        "commute minutes": facts.minutes in profile["workplace"] if facts.minutes else None,
        "religion": facts.religion.split()[-1][:7].lower() in profile["community_role"].lower()
        if facts.religion not in ("not asked", "Don't know", "Other faith", "Other world religion")
        else None,
        "politics": [p for p in ("Democratic", "Republican") if p in text]
        == [p for p in ("Democratic", "Republican") if p == facts.politics],
        "disability": ("difficult" in profile["health_habits"]) == bool(facts.disabilities),
    }


def _names(text: str) -> set[str]:
    """Return the capitalized words that begin a later sentence and that no phrase bank writes: meant as the name."""
    found = re.findall(r"(?<=[.;,] )([^\W\d_]+)", text)
    return {word for word in found if word[0].isupper() and word.lower() not in _bank_words()}


@cache
def _bank_words() -> frozenset[str]:
    banks = ("traits", "life", "children", "jobs")
    return frozenset(re.findall(r"[a-z]+", json.dumps([bank(name) for name in banks]).lower())) | {
        "us",
        "he",
        "she",
        "his",
        "her",
    }


def fitting_titles(facts: Facts) -> set[str]:
    """Return the titles that the grammar allows for a person's occupation and industry, or status."""
    jobs = bank("jobs")
    if status(facts) != "worker":
        return {line.split("|")[0] for line in jobs["none"][status(facts)]}
    groups = {"management": "management", "service": "service", "sales": "sales", "natural": "trades"}
    group = groups.get(facts.occupation.split()[0].strip(","), "production")
    short = {"agriculture": "agriculture", "transportation": "transport"}
    word = facts.industry.split()[0].strip(",")
    return {line.split("|")[0] for line in jobs[group][short.get(word, word)]}


def main() -> None:
    """Write profiles, count, and print one line a fact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--weights", default="")
    parser.add_argument("--show", type=int, default=0, help="profiles to print")
    args = parser.parse_args()
    engine, names = PocketEngine(args.weights), NamePool()
    schema, people = json_schema(ProfileText), {}
    for number in range(args.n):
        sample = make_sample(1, "evaluation", number, names, "profile")
        request = Request(
            messages=sample.messages,
            model=engine.model,
            schema=schema,
            sampling=Sampling(temperature=args.temperature),
        )
        people[request.key] = (request, sample.citizen)
    right, asked, rules = Counter[str](), Counter[str](), Counter[str]()
    for number, (key, reply) in enumerate(engine.generate(request for request, _ in people.values())):
        prompt = people[key][0].messages[1].content
        profile = json.loads(reply.text) if reply.finish == "stop" else {}
        for name, good in (checks(parse_facts(prompt), profile) if profile else {"finished": False}).items():
            asked[name] += good is not None
            right[name] += bool(good)
        if profile:
            asked["no problem by cityfolk.profiles.checks"] += 1
            problems = check_profile(people[key][1], ProfileText(**profile))
            right["no problem by cityfolk.profiles.checks"] += not problems
            rules.update({problem.rule for problem in problems})
        if number < args.show:
            print(prompt, *(f"  {field}: {value}" for field, value in profile.items()), "", sep="\n")
    print("profiles with a problem, by rule:", dict(rules.most_common()))
    for name in asked:
        print(f"{name}: {right[name]} of {asked[name]} ({right[name] / max(asked[name], 1):.1%})")


if __name__ == "__main__":
    main()
