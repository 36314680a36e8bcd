"""A place whose tables hold little: nothing is made up in its report, and nothing breaks."""

import dataclasses
import re
from pathlib import Path

import polars as pl
import pytest

from cityfolk.places.pack import load_place
from cityfolk.reports.facts import fact_rows
from cityfolk.reports.page import build_report
from cityfolk.reports.show import plain_text
from cityfolk.types import Household, Person
from tests.reports.cases import study
from tests.reports.test_html import read

PORT_SELENE = Path(__file__).parents[1] / "packs" / "port_selene"
# What Port Selene's tables do not hold, and what still poorer ones might not.
MISSING = "language_home english poverty_ratio disability health_insurance religion party full_time_year_round".split()
POORER = [*MISSING, *(n for n, f in Person.__dataclass_fields__.items() if f.default is None and n not in MISSING)]
HOME = [n for n, f in Household.__dataclass_fields__.items() if f.default is None and n != "gq_type"] + ["rooms"]


def empty(frame, columns):
    kinds = frame.schema
    return frame.with_columns(pl.lit(None, dtype=kinds[name]).alias(name) for name in columns if name in kinds)


def elsewhere(missing, home=(), **changes):
    place = load_place(PORT_SELENE)
    given = {
        "place_title": place.title,
        "people": empty(study().people, missing),
        "households": empty(study().households, home),
        "tables": place.tables,
        "geometry": None,
        "names": {},
        "notes": place.about.notes,
    }
    return dataclasses.replace(study(), **given | changes)


@pytest.fixture(scope="module", params=["port-selene", "nothing", "people only"])
def inputs(request):
    if request.param == "people only":
        return elsewhere(MISSING, profiles=None, cohort=None, findings=study().findings.clear(), calls=(), manifest={})
    return elsewhere(MISSING) if request.param == "port-selene" else elsewhere(POORER, HOME)


def test_the_page_is_made_and_nothing_is_none(inputs):
    page = re.sub(r"<(style|script)[ >].*?</\1>", "", build_report(inputs), flags=re.S)
    text = read(page).text.replace("None of them exists", "")
    assert not re.search(r"\b(None|nan|NaN|null)\b", text)
    assert ("Nobody was written in this study" in text) == (inputs.profiles is None)


def test_a_terminal_shows_nobody_what_is_not_known(inputs):
    for person_id in (0, 1, 2, inputs.people["person_id"][-1]):
        assert "None" not in plain_text(inputs, person_id)


def test_facts_that_no_table_holds_are_left_out():
    inputs = elsewhere(POORER, HOME)
    adult = inputs.people.filter((pl.col("age") == 49) | (pl.col("role") == "spouse")).row(0, named=True)
    household = inputs.households.filter(pl.col("household_id") == adult["household_id"]).row(0, named=True)
    facts = dict(fact_rows(adult, household))
    assert facts.keys() == {"age and sex", "origin", "home"}
    assert facts["home"] == "home"
