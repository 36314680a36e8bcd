"""The grammar's texts are valid, agree with the facts in the prompt, and differ from one another."""

import re

import pytest

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.pocket.facts import parse_facts
from cityfolk.pocket.grammar import write_profile
from cityfolk.pocket.occupations import status
from cityfolk.pocket.phrasing import bank
from cityfolk.pocket.reflecting import write_reflections
from cityfolk.pocket.talk import write_answer, write_choice
from cityfolk.profiles.prompts import citizen_text
from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.vocabulary import INDUSTRIES, PARTIES, RELIGIONS, TRAITS


@pytest.fixture(scope="module")
def written(citizens):
    """(citizen, facts, profile) for every citizen."""
    found = []
    for number, citizen in enumerate(citizens):
        text = citizen_text(citizen)
        found.append((citizen, parse_facts(text), write_profile(text, rng.child(1, "grammar", number))))
    return found


def words_of(profile):
    values = [" ".join(v) if isinstance(v, list) else v for v in profile.values()]
    return " ".join(values)


def test_facts_are_read_back_from_the_prompt(citizens):
    for citizen in citizens:
        facts, person = parse_facts(citizen_text(citizen)), citizen.person
        assert (facts.age, facts.sex, facts.name) == (person.age, person.sex, person.name)
        assert len(facts.members) == min(6, len(citizen.others))
        assert [age for _, age in facts.members] == [other.age for other in citizen.others[:6]]
        assert facts.religion == (person.religion or "not asked")
        assert facts.industry == (person.industry if person.employment == "employed" else "")
        assert "; ".join(facts.disabilities) == person.disability.replace("none", "")


def test_every_profile_and_reflection_fits_its_schema(written, citizens):
    for _, _, profile in written:
        assert list(ProfileText(**profile).model_dump()) == list(profile)
    for number, citizen in enumerate(citizens[:150]):
        thoughts = write_reflections(citizen_text(citizen), rng.child(2, "grammar", number))
        assert list(ReflectionsText(**thoughts).model_dump()) == list(thoughts)


def test_no_slot_or_choice_is_left_open(written):
    for _, _, profile in written:
        assert not re.search(r"[{}\[\]|]|  | ,|\.\.|\ba [aeio]", words_of(profile)), words_of(profile)


def test_age_and_sex_are_in_the_description(written):
    for citizen, facts, profile in written:
        general = profile["general_description"]
        assert re.search(rf"\b{citizen.person.age}\b", general)
        wrong = r"\b(she|her|hers|herself|woman|girl)\b" if facts.sex == "male" else r"\b(he|his|him|himself|man|boy)\b"
        assert not re.search(wrong, words_of(profile).lower())


def test_no_number_appears_that_the_prompt_does_not_give(written):
    for citizen, _, profile in written:
        given = set(re.findall(r"\d+", citizen_text(citizen)))
        assert set(re.findall(r"\d+", words_of(profile))) <= given


def test_the_family_field_names_who_lives_there(written):
    for _, facts, profile in written:
        family = profile["family"]
        for relation, age in facts.members:
            assert relation.removeprefix("other ").removesuffix("e") in family and str(age) in family
        if not facts.members and not facts.quarters:
            assert "alone" in family or "by h" in family or "Nobody else" in family
            assert not re.search(r"\b(wife|husband|son|daughter|partner|mother|father)\b", family)


def test_the_job_fits_occupation_and_status(written):
    jobs = bank("jobs")
    for _, facts, profile in written:
        name = status(facts)
        if name == "worker":
            titles = [line.split("|")[0] for group in jobs.values() for rows in group.values() for line in rows]
            assert profile["job_title"] in titles
        else:
            assert profile["job_title"] in [line.split("|")[0] for line in jobs["none"][name]]
        if facts.age < 16:
            assert name in ("infant", "toddler", "preschool", "school", "high_school", "teen_home")


def test_religion_politics_and_disability_only_where_given(written):
    for _, facts, profile in written:
        community = profile["community_role"]
        if facts.religion in RELIGIONS and facts.religion != "Don't know":
            stem = facts.religion.split()[-1][:7].lower()
            assert stem in community.lower() or "faith" in community or "religion" in community
        assert ("Democratic" in community) == (facts.politics == "Democratic")
        assert ("Republican" in community) == (facts.politics == "Republican")
        assert ("difficult" in profile["health_habits"]) == bool(facts.disabilities)


def test_a_trait_shows_only_on_its_own_side(written):
    """The adjectives of the other pole never describe a person."""
    for _, facts, profile in written:
        if facts.age < 5:
            continue
        for trait in TRAITS:
            level = facts.levels[trait]
            for side in ("high", "low"):
                if level == 0 or (side == "high") != (level > 0):
                    for adjective in bank("traits")[trait][side]["adjectives"]:
                        own = adjective.replace("{his}", "his").replace("{himself}", "himself")
                        assert f" {own} and" not in profile["personality_description"], (trait, side, profile)


def test_twenty_texts_of_one_person_differ(citizens):
    text = citizen_text(citizens[11])
    profiles = [words_of(write_profile(text, rng.child(3, "again", n))) for n in range(20)]
    assert len(set(profiles)) == 20


def test_the_same_stream_writes_the_same_text(citizens):
    text = citizen_text(citizens[3])
    assert write_profile(text, rng.child(1, "x")) == write_profile(text, rng.child(1, "x"))


def test_a_job_named_in_the_reflections_is_kept(citizens):
    for number, citizen in enumerate(citizens):
        text = citizen_text(citizen)
        thoughts = write_reflections(text, rng.child(4, "full", number))
        said = re.search(r"works as an? ([\w' -]+?)(?: and lives|[.;,]| and is)", thoughts["summary"])
        if said is None:
            continue
        profile = write_profile(f"{text}\nReflections\nSummary: {thoughts['summary']}", rng.child(5, "full", number))
        assert profile["job_title"].lower() == said[1].lower()


def test_every_bank_is_complete():
    jobs, life = bank("jobs"), bank("life")
    assert {len(jobs[group]) for group in ("management", "service", "sales", "trades", "production")} == {13}
    assert all(industry in life["place_of_work"] for industry in INDUSTRIES)
    assert all(religion in life["religion"] for religion in RELIGIONS)
    assert all(party in life["politics"] for party in PARTIES)
    for group, industries in jobs.items():
        for rows in industries.values():
            assert all(2 <= len(line.split("|")[0]) <= 60 for line in rows)
            assert group == "none" or any(line.count("|") == 1 for line in rows)


def test_choices_follow_the_trait(citizens):
    for number, citizen in enumerate(citizens):
        text = citizen_text(citizen)
        question, options, answer = write_choice(text, rng.child(6, "choice", number))
        assert answer in options and question
        said, reply = write_answer(text, rng.child(7, "answer", number))
        assert said.endswith(("?", ".")) and reply.endswith(".")


def test_a_prompt_without_its_lines_is_refused():
    with pytest.raises(DataError, match="Origin"):
        parse_facts("Name: Ana Silva\nAge: 3")
