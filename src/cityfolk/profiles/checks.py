"""What was written against what was known: every contradiction is a Problem with its place.

Precision first: a rule speaks only of what is said of the citizen, now, in plain words (`checks_text` says how), and
keeps silent where a sentence could be true. It therefore misses contradictions that are implied rather than said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cityfolk.profiles.checks_facts import (
    check_disability,
    check_education,
    check_income,
    check_party,
    check_religion,
)
from cityfolk.profiles.checks_home import check_household
from cityfolk.profiles.checks_origin import check_origin
from cityfolk.profiles.checks_person import check_age, check_home, check_name, check_sex
from cityfolk.profiles.checks_text import Page
from cityfolk.profiles.checks_traits import check_traits
from cityfolk.profiles.jobs import check_job
from cityfolk.profiles.schema import ProfileText
from cityfolk.types import Citizen, Problem
from cityfolk.vocabulary import PROBLEM_RULES

RULES: dict[str, Callable[[Page], Iterator[Problem]]] = {
    "name": check_name,
    "home": check_home,
    "age": check_age,
    "sex": check_sex,
    "job": check_job,
    "household": check_household,
    "origin": check_origin,
    "education": check_education,
    "income": check_income,
    "religion": check_religion,
    "party": check_party,
    "disability": check_disability,
    "traits": check_traits,
}
assert tuple(RULES) == PROBLEM_RULES


def check_profile(citizen: Citizen, profile: ProfileText) -> list[Problem]:
    """Return the contradictions between a profile and its citizen, in the order of RULES and then of the text.

    A stretch of text is reported once a rule. Offsets count characters in the field (or list item) that is named.
    """
    page = Page(citizen, profile)
    order = {name: i for i, name in enumerate(page.texts)}
    problems: list[Problem] = []
    for check in RULES.values():
        seen: dict[tuple[str, int], Problem] = {}
        for problem in check(page):
            seen.setdefault((problem.field, problem.end), problem)
        problems += sorted(seen.values(), key=lambda p: (order[p.field], p.start))
    return problems
