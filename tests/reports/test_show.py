"""One citizen in a terminal."""

import dataclasses

import polars as pl
import pytest
from rich.console import Console

from cityfolk.errors import UsageError
from cityfolk.reports.facts import fact_rows
from cityfolk.reports.show import plain_text, rich_view, show_document
from tests.reports.cases import study


def written_id():
    return study().profiles["person_id"][3]  # the first with a problem


def test_a_written_citizen_has_facts_traits_household_story_and_problems():
    text = plain_text(study(), written_id())
    name = study().people.filter(pl.col("person_id") == written_id())["name"][0]
    assert text.startswith(name)
    for part in (
        "A synthetic person, not real.",
        "Openness",
        "Laboratory manager",
        "demonstration model",
        "! age in family",
        "91 years old",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 110


def test_a_person_without_a_life_and_their_household():
    people = study().people
    couple = people.filter(pl.col("role") == "spouse")["household_id"][0]
    first = people.filter(pl.col("household_id") == couple).row(0, named=True)
    others = people.filter((pl.col("household_id") == couple) & (pl.col("person_id") != first["person_id"]))
    only = dataclasses.replace(study(), profiles=None, cohort=None)
    text = plain_text(only, first["person_id"])
    assert "No life was written" in text and f"Lives with {others.height}" in text
    assert all(name in text for name in others["name"])
    assert "husband" in text or "wife" in text


def test_group_quarters_have_no_members_of_a_household():
    resident = study().people.filter(pl.col("role") == "resident")["person_id"][0]
    document = show_document(study(), resident)
    assert document["others"] == [] and "Lives in group quarters." in plain_text(study(), resident)


def test_the_document_is_plain_values():
    document = show_document(study(), written_id())
    assert document["real"] is False and document["place"] == "Testville"
    assert document["profiles"][0]["problems"][0]["rule"] == "age"
    assert document["person"]["person_id"] == written_id()


def test_traits_set_by_hand_are_said():
    chosen = study().cohort.filter(pl.col("overrides") != "")["person_id"][0]
    assert "[set by hand]" in plain_text(study(), chosen)
    assert show_document(study(), chosen)["overrides"] == {"openness": 0.05}


def test_nobody_of_that_number():
    with pytest.raises(UsageError, match="no person 99999"):
        plain_text(study(), 99999)


def test_a_text_cannot_steer_the_terminal():
    people = study().people.with_columns(name=pl.lit("\x1b[31mRed\x07"))
    text = plain_text(dataclasses.replace(study(), people=people), written_id())
    assert "\x1b" not in text and "\x07" not in text and "\ufffd[31mRed\ufffd" in text


def test_rich_shows_markup_in_a_name_as_text():
    people = study().people.with_columns(name=pl.lit("[bold]Ann[/bold]"))
    console = Console(width=120, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(rich_view(dataclasses.replace(study(), people=people), written_id()))
    assert "[bold]Ann[/bold]" in capture.get()


def test_facts_leave_out_what_was_not_asked():
    child = study().people.filter(pl.col("age") < 15).row(0, named=True)
    household = study().households.filter(pl.col("household_id") == child["household_id"]).row(0, named=True)
    facts = dict(fact_rows(child, household))
    assert facts["work"] == "too young to work" and not {"income", "religion", "party", "commute"} & facts.keys()
