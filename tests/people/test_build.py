"""Whole populations: a small invented place for every run, the city and a million people for the long one."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from cityfolk.evaluation.certificate import certificate
from cityfolk.evaluation.people import rule_findings
from cityfolk.evaluation.personality_check import personality_findings
from cityfolk.people.build import HOUSEHOLD_DTYPES, PEOPLE_DTYPES, STEPS, build_people, scaled
from cityfolk.people.build_areas import sort_by_income
from cityfolk.people.build_sources import columns_of
from cityfolk.places.pack import load_place
from cityfolk.tables.query import parse
from cityfolk.tables.rules import check
from cityfolk.tables.view import build_views
from cityfolk.types import Household, Person

ROOT = Path(__file__).parents[2]
PORT_SELENE = ROOT / "tests" / "packs" / "port_selene"


@pytest.fixture(scope="module")
def selene():
    return load_place(PORT_SELENE)


@pytest.fixture(scope="module")
def population(selene):
    return build_people(selene, 5)


def test_tables_have_their_columns_and_types(population):
    for frame, dtypes in ((population.people, PEOPLE_DTYPES), (population.households, HOUSEHOLD_DTYPES)):
        assert frame.columns == list(dtypes)
        for name, dtype in dtypes.items():
            assert frame.schema[name] == dtype or isinstance(frame.schema[name], pl.Enum), name
    assert population.people.height == 5090 and population.households["size"].sum() == 5090


def test_rows_are_records(population):
    """Every row passes the checks of the nouns."""
    for row in population.people.sample(200, seed=1).iter_rows(named=True):
        assert Person.from_row(row).person_id == row["person_id"]
    for row in population.households.sample(200, seed=1).iter_rows(named=True):
        assert Household.from_row(row).size == row["size"]


def test_no_rule_is_broken(population):
    """The evaluation agrees with the build, also where the place's tables know no religion, vote or poverty."""
    found = check(population.people, population.households)
    assert found["offenders"].to_list() == [0] * found.height


WORK = ("employment", "occupation", "industry", "class_of_worker", "commute", "worker", "earnings", "labor_force")


def test_a_place_without_areas_or_work_breaks_no_rule(selene):
    """What no table speaks of is null for everybody; building and evaluating agree that nothing is broken by it."""
    questions = pl.concat_str("universe", "dimensions", "measure", separator=" ")
    tables = selene.tables.filter(~questions.str.contains("|".join(WORK)))
    assert tables.height < selene.tables.height
    made = build_people(replace(selene, tables=tables, block_groups=None, geometry=None), 5)
    assert made.people["employment"].null_count() == made.people.height
    assert made.households["block_group"].null_count() == made.households.height
    by = {finding.id: finding for finding in rule_findings(made.people, made.households)}
    assert (by["people.rules.broken"].value, by["people.rules.broken"].verdict) == (0, "inside")
    assert made.sources["employment"].startswith("not known")


def test_the_same_seed_gives_the_same_bytes(population, selene, tmp_path):
    again = build_people(selene, 5)
    for name in ("people", "households"):
        for which, made in (("a", population), ("b", again)):
            getattr(made, name).write_parquet(tmp_path / f"{which}.parquet")
        assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert not build_people(selene, 6).people.equals(population.people)


def test_every_column_has_a_source_and_the_borrowed_say_so(population):
    about = population.sources
    assert set(about) >= set(PEOPLE_DTYPES) - {"person_id", "household_id", "norms", "borrowed"}
    assert {"openness", "height_cm", "name"} <= set(population.borrowed)
    assert "age" not in population.borrowed and "register" in "".join(r for r in selene_sources())
    assert about["religion"].startswith("not known")
    assert population.people["borrowed"].unique().to_list() == ["; ".join(sorted(population.borrowed))]
    assert population.people["religion"].null_count() == population.people.height


def selene_sources():
    return load_place(PORT_SELENE).tables["source"].to_list()


def test_progress_is_told_step_by_step(selene):
    told = []
    build_people(selene, 1, lambda word, done, total: told.append((word, done, total)))
    assert [done for _, done, _ in told] == list(range(len(STEPS) + 1))
    assert {total for *_, total in told} == {len(STEPS)}


def test_scaled_tables_multiply_counts_only(selene):
    twice = scaled(selene, 2)
    for row, other in zip(selene.tables.iter_rows(named=True), twice.tables.iter_rows(named=True), strict=True):
        factor = 2 if row["measure"] == "count" or row["measure"].startswith("sum:") else 1
        assert other["estimate"] == pytest.approx(factor * row["estimate"])


def test_questions_name_the_columns_they_are_about():
    asked = parse("households|hhr_nativity=native", "has_earnings=yes", "percent")
    assert columns_of(asked) == {"nativity", "earnings_usd"}
    assert columns_of(parse("persons|age=16..", "in_labor_force=yes", "count")) == {"age", "employment"}


def test_sorting_by_income_keeps_what_areas_hold(population, selene):
    again = sort_by_income(population.people, population.households, selene, 9)
    before, after = (f.group_by("block_group", "size").len().sort("block_group", "size")
                     for f in (population.households, again))  # fmt: skip
    small = pl.col("size") <= 2
    assert before.filter(small).equals(after.filter(small))
    assert again.drop("block_group").equals(population.households.drop("block_group"))


@pytest.mark.long
def test_the_city_meets_its_tables(cambridge, cambridge_population):
    """Of all counts and percents with a margin, once each: 95% inside, 98% of the fitted; no rule broken."""
    made = cambridge_population
    views = build_views(made.people, made.households, state=cambridge.state)
    _, findings = certificate(cambridge.tables, views, fitted=made.fitted)
    values = {f.id: f.value for f in findings}
    assert values["people.certificate.inside"] >= 0.95
    assert values["people.certificate.fitted.inside"] >= 0.98
    assert len(made.people) == 118_796


@pytest.mark.long
def test_the_citys_personality_is_that_of_the_norms(cambridge_population):
    """Means within .02 POMP, SD ratios .95 to 1.05, correlations within .03, or 4 standard errors: none outside."""
    findings = personality_findings(cambridge_population.people)
    judged = [finding for finding in findings if finding.verdict != "none"]
    assert len(judged) == 8 * 5 + 8 * 5 + 10 + 5 + 5  # eight groups of age and sex, five traits; then the whole city
    assert [finding.id for finding in judged if finding.verdict == "outside"] == []


@pytest.mark.long
def test_no_rule_is_broken_in_a_million_people():
    """build_people raises where a rule is broken."""
    assert build_people(load_place("cambridge-ma"), 4, scale=9).people.height == 9 * 118_796


@pytest.mark.long
def test_ten_million_people_of_a_five_way_table():
    """How long it takes is printed by the benchmark; here only that everybody comes out."""
    command = [sys.executable, str(ROOT / "benchmarks" / "people.py"), "--task", "five-way", "10000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["people"] == 10_000_000
