"""What is read out of prose, and what is left alone because it isn't said of the person."""

import pytest

from cityfolk.evaluation.truth.claims import read_claims
from cityfolk.evaluation.truth.facts import FACTS, agrees, invented_numbers, standing
from cityfolk.evaluation.truth.reading import having, number, sentences
from cityfolk.vocabulary import EDUCATIONS, OCCUPATIONS, RELIGIONS

GROUP = dict(zip(("management", "service", "sales", "trades", "production"), OCCUPATIONS, strict=True))


def claims(text, field, title=""):
    return [claim for claim in read_claims(text, title) if claim.field == field]


AGES = [
    ("Maria is 34 and lives in Cambridge.", (34, 34)),
    ("She is thirty-four years old.", (34, 34)),
    ("I am a 34-year-old nurse from Ohio.", (34, 34)),
    ("At 34, Maria runs a bakery.", (34, 34)),
    ("At the age of 34, she moved on.", (34, 34)),
    ("Meet Maria Lopez, 34, who bakes.", (34, 34)),
    ("A woman of 71, she walks daily.", (71, 71)),
    ("Born in Ohio and now 62, Tom fishes.", (62, 62)),
    ("He is in his early forties.", (40, 44)),
    ("She is now in her 60s.", (60, 69)),
]
NO_AGES = [
    "Her daughter is 5 and her son is 8.",
    "He lives with his 70-year-old mother.",
    "She wants to retire when she is 60.",
    "He is 180 cm tall.",
    "She has worked there for 20 years.",
    "She was 19 when she left.",
    "They have 2 cats.",
]


@pytest.mark.parametrize(("text", "span"), AGES)
def test_ages_are_read(text, span):
    assert {(claim.low, claim.high) for claim in claims(text, "age")} == {span}


@pytest.mark.parametrize("text", NO_AGES)
def test_other_numbers_are_no_ages(text):
    assert claims(text, "age") == []


SAID = [
    ("She was born in Haiti and grew up in Boston.", "origin", {"Haiti"}),
    ("He is originally from Ohio.", "origin", {"Ohio"}),
    ("A Brazilian-born cook, he sings.", "origin", {"Brazilian"}),
    ("She comes from the Midwest.", "origin", {"the Midwest"}),
    ("He holds a bachelor's degree in history.", "education", set(EDUCATIONS[3:])),
    ("She was born in China, is a citizen and has a graduate degree.", "education", {EDUCATIONS[4]}),
    ("He earned a PhD in physics.", "education", {EDUCATIONS[4]}),
    ("She never finished high school.", "education", {EDUCATIONS[0]}),
    ("He has a high school diploma.", "education", set(EDUCATIONS[1:])),
    ("She is married and has two sons.", "marriage", {"married"}),
    ("He has never been married.", "marriage", {"never married"}),
    ("She was married once and is divorced.", "marriage", {"divorced"}),
    ("He is widowed.", "marriage", {"widowed"}),
    ("She lives in a small flat with her husband.", "marriage", {"married"}),
    ("He votes Democratic.", "party", {"Democratic"}),
    ("She is a registered Republican.", "party", {"Republican"}),
    ("He votes for neither big party.", "party", {"other"}),
    ("She is a devout Catholic.", "religion", {"Catholic"}),
    ("He is Christian and prays at home.", "religion", set(RELIGIONS[:7])),
    ("She is not religious.", "religion", set(RELIGIONS[-4:])),
    ("I am an atheist.", "religion", {"Atheist"}),
    ("He is retired.", "job", {"not in labor force", "none"}),
    ("She works as a nurse.", "job", {GROUP["management"], "armed forces"}),
]
NOT_SAID = [
    ("Her mother was born in Haiti.", "origin"),
    ("He enjoys food from Italy.", "origin"),
    ("She was not born in Ohio.", "origin"),
    ("Her husband has a bachelor's degree.", "education"),
    ("He is working toward a bachelor's degree.", "education"),
    ("Her best friend is divorced.", "marriage"),
    ("She would like to be asked whether she is married.", "marriage"),
    ("He is married to his work.", "marriage"),
    ("Her neighbor is a Republican.", "party"),
    ("His colleague is Catholic.", "religion"),
    ("Her father is retired.", "job"),
    ("He hopes she is retired soon.", "job"),
]


@pytest.mark.parametrize(("text", "field", "allowed"), SAID)
def test_statements_are_read(text, field, allowed):
    found = claims(text, field)
    assert found and found[0].allowed == frozenset(allowed)


@pytest.mark.parametrize(("text", "field"), NOT_SAID)
def test_statements_of_others_wishes_and_denials_are_left_alone(text, field):
    assert claims(text, field) == []


def test_sex_goes_by_the_pronouns_that_prevail():
    assert claims("She bakes. Her bread sells. People like her.", "sex")[0].allowed == {"female"}
    assert claims("He and his wife cook; she sings.", "sex") == []
    assert claims("He works.", "sex") == []


def test_titles_are_looked_up():
    found = claims("He likes it.", "job", title="Plumber")
    assert found[0].allowed == {GROUP["trades"], "armed forces"}
    assert claims("He likes it.", "job", title="Retired plumber") == []


def test_incomes_are_yearly():
    assert claims("She earns $52,000 a year.", "income")[0].low == 52_000
    assert claims("He makes $4k a month.", "income")[0].low == 48_000
    assert claims("She pays $2,000 in rent and earns enough.", "income") == []


def facts(**values):
    return dict.fromkeys((*FACTS, "citizenship")) | values


def stands(text, title="", **values):
    return standing(read_claims(text, title), facts(**values))


def test_contradictions():
    assert stands("She is 35.", age=34)["age"].contradicted
    assert not stands("She is 34.", age=34)["age"].contradicted
    assert not stands("She is 35.")["age"].known
    haitian = {"birthplace": "Haiti", "nativity": "foreign-born"}
    assert not stands("Born in Haiti, she sings. She was born in Haiti.", **haitian)["origin"].contradicted
    assert stands("She was born in Ohio.", **haitian)["origin"].contradicted
    assert not stands("She was born in Ohio.", birthplace="US Midwest", nativity="native")["origin"].contradicted
    plumber = {"employment": "employed", "occupation": GROUP["management"]}
    assert stands("He is handy.", "Plumber", **plumber)["job"].contradicted
    assert stands("He is retired.", **plumber)["job"].contradicted
    assert not stands("He is retired.", employment="not in labor force")["job"].contradicted
    assert stands("She earns $90,000.", income_usd=40_000)["income"].contradicted
    assert not stands("She earns $45,000.", income_usd=40_000)["income"].contradicted
    assert stands("She has a master's degree.", education="bachelor's")["education"].contradicted
    # Whoever has a higher degree has the lower one too.
    assert not stands("She has a bachelor's degree.", education="graduate or professional")["education"].contradicted
    assert stands("He is Jewish.", religion="Catholic")["religion"].written == "is Jewish"


def test_a_claim_agrees_where_its_set_holds_the_fact():
    (claim,) = claims("He is Christian.", "religion")
    assert agrees(claim, facts(religion="Mormon")) and not agrees(claim, facts(religion="Hindu"))


def test_invented_numbers():
    known = facts(age=34, commute_minutes=12, income_usd=52_300)
    assert invented_numbers("At 34 she walks 12 minutes and earns $52,000.", known) == []
    assert invented_numbers("She has 3 cats and 40 books.", known) == ["3", "40"]
    assert invented_numbers("Her husband (36) sings.", known, others=[36, 34]) == []
    assert invented_numbers("She is 1.5 miles away on the A1 road.", known) == ["1.5"]


def test_where_the_household_is_not_known_ages_of_kin_are_not_judged():
    known = facts(age=34)
    assert invented_numbers("Her husband (36), her 5-year-old son and a son, 7, sing.", known) == []
    assert invented_numbers("Her husband (36) sings.", known, others=[34]) == ["36"]


def test_sentences_and_numbers():
    assert sentences("Dr. Ho paid 1.5 dollars. It rained!\nThen not") == [
        "Dr. Ho paid 1.5 dollars.",
        "It rained!",
        "Then not",
    ]
    assert [number(word) for word in ("7", "seven", "Forty-two", "ninety nine")] == [7, 7, 42, 99]
    assert having(["A Cat sat.", "Dogs ran."], "cat") == ["A Cat sat."]
