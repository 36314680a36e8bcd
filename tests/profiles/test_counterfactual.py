"""A swap changes what it says, what the rules force, the name where it tells, and nothing else."""

from dataclasses import asdict, replace

import pytest

from cityfolk.errors import UsageError
from cityfolk.profiles.counterfactual import (
    CannotSwap,
    _newly_broken,
    check_swap,
    parse_swap,
    partner_of,
    swap,
)
from cityfolk.profiles.prompts import citizen_text
from cityfolk.profiles.records import citizens
from tests.profiles.fakes import DAUGHTER, DORM, HUSBAND, MATE, SON, WIFE, citizen

GIVEN = {"female": "Fleur", "male": "Marc"}


def naming(person):
    """Name people by their sex and the letter of their origin."""
    return f"{GIVEN[person.sex]} {person.birthplace[:2]}son"


def changed(before, after):
    old, new = asdict(before.person), asdict(after.person)
    return {name for name in old if old[name] != new[name]}


def test_origin_changes_birth_citizenship_and_name():
    before = citizen(marital_status="married", others=[HUSBAND, SON])
    home = [replace(other, name=f"{other.name.split()[0]} {before.person.name.split()[-1]}") for other in before.others]
    before = replace(before, others=tuple(home))
    after = swap(before, "origin", "Haiti", naming=naming)
    assert changed(before, after) == {"birthplace", "nativity", "citizenship", "name"}
    person = after.person
    assert (person.birthplace, person.nativity, person.citizenship) == ("Haiti", "foreign-born", "naturalized")
    assert person.name == "Fleur Hason"
    assert all(other.name.endswith(" Hason") for other in after.others)
    assert [other.name.split()[0] for other in after.others] == [other.name.split()[0] for other in home]


def test_origin_back_home_makes_a_citizen_by_birth_and_keeps_a_foreigners_status_abroad():
    abroad = citizen(nativity="foreign-born", birthplace="Brazil", citizenship="not a citizen", party=None)
    home = swap(abroad, "origin", "Massachusetts", naming=naming).person
    assert (home.nativity, home.citizenship, home.party) == ("native", "born", None)
    assert swap(abroad, "origin", "China", naming=naming).person.citizenship == "not a citizen"


def test_others_with_another_family_name_keep_it():
    before = citizen(others=[MATE])
    before = replace(before, others=tuple(replace(other, name="Zoe Quill") for other in before.others))
    assert swap(before, "origin", "Haiti", naming=naming).others == before.others


def test_sex_takes_the_partner_along_and_leaves_children():
    before = citizen(marital_status="married", others=[HUSBAND, SON, DAUGHTER])
    after = swap(before, "sex", naming=naming)
    assert after.person.sex == "male" and after.person.name.startswith("Marc ")
    assert after.person.name.split()[-1] == before.person.name.split()[-1]
    partner = partner_of(after)
    assert partner is not None and partner.sex == "female" and partner.name.startswith("Fleur ")
    assert [o.sex for o in after.others if o.role == "child"] == ["male", "female"]
    assert changed(before, after) == {"sex", "name"}
    assert "wife" in citizen_text(after) and "husband" not in citizen_text(after)


def test_a_couple_of_one_sex_becomes_a_couple_of_two():
    before = citizen(marital_status="married", others=[WIFE])
    after = swap(before, "sex", "male", naming=naming)
    assert partner_of(after).sex == "female" and after.others == before.others


def test_age_takes_the_partner_along_and_refuses_what_the_rules_forbid():
    before = citizen(marital_status="married", others=[HUSBAND])
    after = swap(before, "age", "60", naming=naming)
    assert after.person.age == 60
    assert partner_of(after).age - partner_of(before).age == 60 - before.person.age
    assert changed(before, after) == {"age"}
    with pytest.raises(CannotSwap, match="years apart"):
        swap(citizen(marital_status="married", others=[HUSBAND, SON]), "age", "75", naming=naming)
    with pytest.raises(CannotSwap, match="bachelor's degree"):
        swap(citizen(), "age", "18", naming=naming)
    with pytest.raises(CannotSwap, match="partner"):
        swap(citizen(age=90, marital_status="married", others=[HUSBAND | {"age": 20}]), "age", "19", naming=naming)


def test_religion_and_race_change_alone():
    before = citizen()
    assert changed(before, swap(before, "religion", "Muslim", naming=naming)) <= {"religion"}
    after = swap(before, "race", "Black or African American", naming=naming)
    assert changed(before, after) <= {"race_ethnicity", "name"}


def test_religion_of_a_child_is_refused():
    child = citizen(age=12, religion=None, party=None, education="less than high school")
    with pytest.raises(CannotSwap):
        swap(child, "religion", "Muslim", naming=naming)


def test_nothing_to_swap_is_said():
    with pytest.raises(CannotSwap, match="already"):
        swap(citizen(), "sex", "female", naming=naming)


def test_more_can_be_changed_by_hand():
    after = swap(citizen(), "origin", "Haiti", naming=naming, also={"language_home": "Haitian", "english": "very well"})
    assert after.person.language_home == "Haitian"


def test_group_quarters_swap_too():
    before = citizen(role="resident", age=20, enrollment="college or graduate school", grade="undergraduate", home=DORM)
    assert swap(before, "origin", "Haiti", naming=naming).person.birthplace == "Haiti"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("shoe=9", "one of origin, sex"),
        ("origin=Haity", "Haiti"),
        ("origin", "such as"),
        ("sex=femal", "female"),
        ("age=old", "a number from 18"),
        ("age=12", "a number from 18"),
        ("age=116", "a number from 18"),
        ("religion=Muslin", "Muslim"),
        ("race=Klingon", "such as"),
        ("=", "one of origin, sex"),
    ],
)
def test_swaps_that_nobody_can_have(text, hint):
    with pytest.raises(UsageError) as caught:
        parse_swap(text)
    assert hint in caught.value.hint


def test_swaps_are_read():
    assert parse_swap(" origin = Haiti ") == ("origin", "Haiti")
    assert parse_swap("sex") == ("sex", "")
    assert parse_swap("religion=Nothing in particular") == ("religion", "Nothing in particular")
    check_swap("origin", "US South")


SWAPS = (
    ("origin", "Haiti"),
    ("origin", "US West"),
    ("sex", ""),
    ("religion", "Hindu"),
    ("age", "45"),
    ("race", "Asian"),
)


@pytest.mark.long
def test_every_swap_of_a_citys_people_keeps_the_rules(cambridge, cambridge_population):
    from cityfolk.profiles.cohort import draw_cohort

    people, households = cambridge_population.people, cambridge_population.households
    cohort = draw_cohort(people, 24, 3, households=households)
    done = dict.fromkeys(SWAPS, 0)
    for one in citizens(people, households, cohort, cambridge.title):
        for attribute, to in SWAPS:
            try:
                after = swap(one, attribute, to, naming=naming)
            except CannotSwap:
                continue
            done[attribute, to] += 1
            assert not _newly_broken(one, after)
            assert after.person.personality == one.person.personality
            assert after.person.person_id == one.person.person_id
            assert citizen_text(after) != citizen_text(one)
    assert done["sex", ""] == 24 and min(done.values()) > 5
