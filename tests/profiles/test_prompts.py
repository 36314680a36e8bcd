"""The prompt: byte for byte where everything is known, and no invented fact where something is not."""

import pytest

from cityfolk.profiles import prompts
from cityfolk.profiles.prompts import PROMPT_NAME, citizen_text, prompt_hash, prompt_name
from cityfolk.types import Person
from tests.profiles.fakes import HUSBAND, SON, citizen, person

KNOWN = """\
Name: Maria Santos
Age: 34
Sex: female
Home: Cambridge, Massachusetts
Origin: born in the Dominican Republic, not a citizen
Race and ethnicity: White
Language at home: Spanish
Marital status: married
Household: lives in a rented home with husband 36, son 8
Education: bachelor's, now in graduate
Work: management, business, science and arts occupation in education, health care and social assistance
Commute: walked, 12 minutes
Income: $73,000, household $90,000
Religion: Catholic
Politics: not asked
Disability: none
Body: 165 cm, 60 kg
Openness: average, 50th of 100 adults
Conscientiousness: average, 50th of 100 adults
Extraversion: average, 50th of 100 adults
Agreeableness: average, 50th of 100 adults
Neuroticism: average, 50th of 100 adults"""
NOTHING = {
    name: None
    for name, field in Person.__dataclass_fields__.items()
    if field.default is None and name not in ("height_cm", "weight_kg")
}


def lines(**facts):
    home = {"tenure": None, "income_usd": None} | facts.pop("home", {})
    text = citizen_text(citizen(home=home, **NOTHING | facts))
    return dict(line.split(": ", 1) for line in text.split("\n"))


def test_the_facts_of_somebody_of_whom_everything_is_known():
    # The embedded model was trained on these very words: a change here needs another training.
    abroad = {"birthplace": "Dominican Republic", "nativity": "foreign-born", "citizenship": "not a citizen"}
    more = {"language_home": "Spanish", "party": None, "marital_status": "married", "height_cm": 165, "weight_kg": 60}
    school = {"enrollment": "college or graduate school", "grade": "graduate"}
    assert citizen_text(citizen(others=[HUSBAND, SON], **abroad, **more, **school)) == KNOWN


def test_what_no_table_holds_is_not_made_up():
    found = lines(age=49)
    assert found["Work"] == found["Commute"] == found["Income"] == found["Education"] == "not known"
    assert found["Household"] == "lives alone in a home"
    assert found["Origin"] == "born in Massachusetts"
    assert not any(word in value for value in found.values() for word in ("None", "rented", "owned", "too young"))


@pytest.mark.parametrize(
    ("facts", "line", "says"),
    [
        ({"age": 12}, "Work", "too young to work"),
        ({"age": 12}, "Commute", "none"),
        ({"age": 12}, "Income", "no income of their own"),
        ({"age": 12}, "Education", "not known"),
        ({"age": 2}, "Education", "not in school yet"),
        ({"age": 12, "enrollment": "elementary (K-8)"}, "Education", "elementary (K-8)"),
        ({"education": "bachelor's"}, "Education", "bachelor's"),
        ({"enrollment": "college or graduate school"}, "Education", "not known, now in college or graduate school"),
        ({"employment": "employed"}, "Work", "employed"),
        ({"employment": "employed", "occupation": "service"}, "Work", "service occupation"),
        ({"employment": "employed", "industry": "retail trade"}, "Work", "employed in retail trade"),
        ({"employment": "employed"}, "Commute", "not known"),
        ({"employment": "unemployed"}, "Commute", "none"),
        ({"income_usd": 0}, "Income", "no income of their own"),
        ({"others": [SON], "home": {"income_usd": 51_400}}, "Income", "not known, household $51,000"),
        ({"others": [SON]}, "Household", "lives in a home with son 8"),
        ({"nativity": "foreign-born", "birthplace": "Brazil", "citizenship": None}, "Origin", "born in Brazil"),
    ],
)
def test_one_unknown_leaves_the_rest(facts, line, says):
    assert lines(**facts)[line] == says


@pytest.mark.parametrize("function", ["citizen_text", "body_text", "describe", "household_text"])
def test_changed_words_change_the_hash(monkeypatch, function):
    asked = [(depth, form) for depth in PROMPT_NAME for form in ("short", "full")]
    before = {one: prompt_hash.__wrapped__(*one) for one in asked}
    assert len(set(before.values())) == len({prompt_name(*one) for one in asked}) == 6
    old = getattr(prompts, function)
    changed = (lambda *a: (*old(*a), "More.")) if function == "describe" else (lambda *a: old(*a) + " More.")
    monkeypatch.setattr(prompts, function, changed)
    assert all(prompt_hash.__wrapped__(*one) != before[one] for one in asked)


def test_a_person_can_be_made_with_nothing_but_who_they_are():
    assert person(**NOTHING).employment is None
