"""What the checks find and, above all, what they leave alone."""

import pytest

from cityfolk.profiles.checks import RULES, check_profile
from tests.profiles.cases import CLEAN, MAN, PLANTED
from tests.profiles.fakes import citizen, profile


def check(facts, field, text):
    them = citizen(**facts)
    return check_profile(them, profile(them.person.name.split()[0], **{field: text}))


@pytest.mark.parametrize(("rule", "facts", "field", "text"), PLANTED, ids=[case[3][:60] for case in PLANTED])
def test_planted_contradictions_are_found(rule, facts, field, text):
    problems = check(facts, field, text)
    assert [(p.rule, p.field) for p in problems] == [(rule, field)]
    problem = problems[0]
    assert text[problem.start : problem.end] == problem.written != ""


@pytest.mark.parametrize(("facts", "field", "text"), CLEAN, ids=[case[2][:60] for case in CLEAN])
def test_what_may_be_true_is_left_alone(facts, field, text):
    assert check(facts, field, text) == []


def test_a_plain_profile_has_no_problems():
    assert check_profile(citizen(), profile()) == []
    assert check_profile(citizen(**MAN), profile("Tom")) == []


def test_every_rule_has_a_planted_case():
    assert {case[0] for case in PLANTED} == set(RULES)


UNKNOWN = (
    "race_ethnicity language_home english education enrollment marital_status employment occupation industry "
    "class_of_worker earnings_usd income_usd commute_mode commute_minutes disability religion party"
).split()


def test_what_is_not_known_cannot_be_contradicted():
    nothing_known = {**dict.fromkeys(UNKNOWN), "home": {"tenure": None, "income_usd": None}}
    silent = {"job", "education", "income", "religion", "party", "disability"}
    for rule, _, field, text in PLANTED:
        found = {p.rule for p in check(nothing_known, field, text)}
        assert rule not in silent or rule not in found, text
