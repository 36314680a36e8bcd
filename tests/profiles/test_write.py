"""Requests, replies and the table: pure parts by hand, the whole against an engine that answers from a list."""

import json
import re
from itertools import pairwise, takewhile

import polars as pl
import pytest

from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.guidance import FULL_PROFILE, FULL_REFLECTIONS, SHORT_PROFILE
from cityfolk.profiles.records import citizens
from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.profiles.write import (
    PROFILE_SCHEMA,
    parse_profile,
    parse_reflections,
    profile_request,
    write_config,
    write_profiles,
)
from cityfolk.study.journal import Journal
from cityfolk.types import Failure, Reply, Sampling
from tests.profiles.fakes import ShortList, citizen, population, profile

PEOPLE, HOUSEHOLDS = population(300)
COHORT = draw_cohort(PEOPLE, 30, 1)


def cohort_citizens():
    return list(citizens(PEOPLE, HOUSEHOLDS, COHORT, "Toyville"))


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "calls.sqlite")
    yield opened
    opened.close()


def reply(text):
    return Reply(text=text, model="m")


def test_the_first_message_is_the_same_for_everyone():
    requests = [profile_request(c, "m", Sampling()) for c in cohort_citizens()]
    assert {r.messages[0].content for r in requests} == {FULL_PROFILE}
    assert len({r.key for r in requests}) == 30
    assert len({r.schema for r in requests}) == 1


def test_the_embedded_model_is_asked_with_the_words_it_was_trained_on_by_whatever_engine():
    citizen = cohort_citizens()[0]
    assert profile_request(citizen, "pocket-1@0123", Sampling()).messages[0].content == SHORT_PROFILE
    assert profile_request(citizen, "pocket-1", Sampling()).messages[0].content == SHORT_PROFILE
    assert profile_request(citizen, "pocket-1", Sampling(), form="full").messages[0].content == FULL_PROFILE


def test_nine_tenths_of_a_prompt_are_the_same_for_everyone():
    prompts = ["".join(m.content for m in profile_request(c, "m", Sampling()).messages) for c in cohort_citizens()]
    same = sum(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
        for a, b in pairwise(prompts)
    )
    assert same / sum(map(len, prompts[1:])) >= 0.9


def test_the_guidance_names_every_field_once_and_in_order():
    for guidance, model in ((FULL_PROFILE, ProfileText), (FULL_REFLECTIONS, ReflectionsText)):
        assert re.findall(r"^- (\w+):", guidance, re.MULTILINE) == list(model.model_fields)


def test_a_valid_reply_is_read_even_in_a_fence():
    text = profile().model_dump_json()
    assert parse_profile(reply(text)) == profile()
    assert parse_profile(reply(f"```json\n{text}\n```")) == profile()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Once upon a time", "not JSON"),
        ("{}", "Field required"),
        (profile().model_dump_json()[:-1] + ',"mood":"fine"}', "mood"),
        (json.dumps(profile().model_dump() | {"strengths": ["one", "two"]}), "strengths"),
        (json.dumps(profile().model_dump() | {"family": "............"}), "family: nothing is written"),
        (json.dumps(profile().model_dump() | {"family": "two\nlines of text"}), "family"),
        (json.dumps(profile().model_dump() | {"family": None}), "family"),
    ],
)
def test_a_reply_that_is_no_profile_has_a_reason_in_one_line(text, says):
    with pytest.raises(ValueError, match=says) as error:
        parse_profile(reply(text))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError):
        parse_reflections(reply(text))


def test_one_row_a_citizen_in_the_columns_of_the_contract(journal):
    written = write_profiles(journal, ShortList(), cohort_citizens())
    table = written.profiles
    assert written.failures == ()
    assert dict(table.schema) == PROFILE_SCHEMA
    assert table["person_id"].to_list() == sorted(COHORT["person_id"])
    assert table["problem_count"].sum() == 0
    assert table["reflection_summary"].null_count() == 30
    assert (table["prompt_tokens"] == 100).all()


def test_the_journal_gives_the_same_bytes_without_asking_again(journal, tmp_path):
    first = write_profiles(journal, ShortList(), cohort_citizens()).profiles
    engine = ShortList()
    again = write_profiles(journal, engine, reversed(cohort_citizens())).profiles
    assert engine.asked == []
    first.write_parquet(tmp_path / "1.parquet")
    again.write_parquet(tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_bad_replies_are_asked_again_and_then_are_failures(journal):
    bad = sorted(COHORT["person_id"])[:2]
    names = [f"Number{i}\n" for i in bad]

    def spoil(request):
        text = request.messages[-1].content
        if names[0] in text:
            return "no JSON at all"
        return "cut {" if names[1] in text and request.attempt == 0 else None

    written = write_profiles(journal, ShortList(spoil), cohort_citizens())
    assert written.profiles.height == 29
    (failure,) = written.failures
    assert isinstance(failure, Failure)
    assert (failure.label, failure.attempts, failure.raw) == (f"person {bad[0]}", 5, "no JSON at all")


def test_full_depth_thinks_first(journal):
    engine = ShortList()
    table = write_profiles(journal, engine, cohort_citizens(), depth="full").profiles
    assert len(engine.asked) == 60
    assert table["reflection_inner_world"].to_list() == ["Thoughts about inner_world in short."] * 30
    assert all("Thoughts about summary" in r.messages[-1].content for r in engine.asked[30:])
    assert (table["prompt_tokens"] == 200).all()
    assert set(table["depth"]) == {"full"}


def test_without_reflections_there_is_no_profile_at_full_depth(journal):
    lost = f"Number{COHORT['person_id'][0]}\n"
    engine = ShortList(lambda r: "nothing" if lost in r.messages[-1].content else None)
    written = write_profiles(journal, engine, cohort_citizens(), depth="full")
    assert written.profiles.height == 29
    assert [f.stage for f in written.failures] == ["reflect"]


def test_a_contradiction_is_a_problem_and_no_reason_to_ask_again(journal):
    them = citizen(sex="male", name="Tom Okafor")
    wrong = profile("Tom", family="Tom lives with his wife and her mother.").model_dump_json()
    engine = ShortList(lambda _: wrong)
    table = write_profiles(journal, engine, [them]).profiles
    assert len(engine.asked) == 1
    (problem,) = table["problems"][0]
    assert problem["rule"] == "household"
    assert table["family"][0][problem["start"] : problem["end"]] == problem["written"] == "wife"


def test_the_config_that_counts():
    config = write_config(ShortList(), "brief", Sampling(seed=3))
    assert config["model"] == "shortlist-1"
    assert config["sampling"]["seed"] == 3
    assert write_config(ShortList(), "full", Sampling())["reflections_hash"] != config["prompt_hash"]
    json.dumps(config)


def test_household_members_come_along():
    people = PEOPLE.with_columns(
        household_id=pl.col("person_id") // 2,
        role=pl.when(pl.col("person_id") % 2 == 0).then(pl.lit("householder")).otherwise(pl.lit("housemate")),
    )
    households = HOUSEHOLDS.filter(pl.col("household_id") < 150).with_columns(size=pl.lit(2, dtype=pl.Int16))
    (them,) = citizens(people, households, COHORT[:1], "Toyville")
    assert [o.person_id for o in them.others] == [them.person.person_id ^ 1]
