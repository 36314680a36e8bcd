"""Attributes: fitted to rows, coherent within people and households, null where no table speaks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.pairs import pair_distance
from cityfolk.people.allocate import Targets
from cityfolk.people.attributes import HOUSEHOLD_COLUMNS, PEOPLE_COLUMNS, add_attributes
from cityfolk.people.attributes_fit import Book, choices
from cityfolk.people.attributes_known import Known
from cityfolk.people.attributes_world import cross
from cityfolk.people.core import build_core
from cityfolk.people.incomes import Brackets, within
from cityfolk.people.poverty import thresholds
from cityfolk.places.pack import load_place
from cityfolk.tables.query import evaluate, parse
from cityfolk.tables.view import build_views, person_view

PORT_SELENE = Path(__file__).parents[1] / "packs" / "port_selene"
WITHHELD = (
    "size x income_usd",
    "enrollment x income_usd",
    "income_usd x hh_income_usd",
    "marital_status x hh_income_usd",
    "age x marital_status",
)


@pytest.fixture(scope="module")
def selene():
    return load_place(PORT_SELENE)


@pytest.fixture(scope="module")
def core(selene):
    return build_core(selene, 3)


@pytest.fixture(scope="module")
def drawn(core, selene):
    return add_attributes(core, selene, 3)


@pytest.fixture(scope="module")
def views(drawn, selene):
    return build_views(drawn.people, drawn.households, state=selene.state)


def test_rows_keep_their_order_and_get_every_column(core, drawn):
    assert drawn.people["person_id"].equals(core.people["person_id"])
    assert drawn.households["household_id"].equals(core.households["household_id"])
    assert set(PEOPLE_COLUMNS) <= set(drawn.people.columns)
    assert set(HOUSEHOLD_COLUMNS) <= set(drawn.households.columns)


def test_columns_are_null_if_and_only_if_they_are_named_missing(drawn):
    for frame, columns in ((drawn.people, PEOPLE_COLUMNS), (drawn.households, HOUSEHOLD_COLUMNS)):
        for name in columns:
            empty = frame[name].null_count() == frame.height
            assert empty == (name in drawn.missing), name
    assert {"religion", "party", "poverty_ratio"} <= set(drawn.missing)


def test_fitted_rows_lie_within_their_margins(drawn, views, selene):
    outside = []
    for row in selene.tables.filter(pl.col("code").is_in(drawn.fitted) & (pl.col("moe90") > 0)).iter_rows(named=True):
        made = evaluate(parse(row["universe"], row["dimensions"] or "", row["measure"]), views)
        if abs(made - row["estimate"]) > row["moe90"]:
            outside.append((row["code"], row["estimate"], made))
    assert len(drawn.fitted) > 40
    assert not outside


def test_same_seed_same_people_another_seed_others(core, selene, drawn):
    again = add_attributes(core, selene, 3)
    assert again.people.equals(drawn.people) and again.households.equals(drawn.households)
    other = add_attributes(core, selene, 4)
    assert not other.people["occupation"].equals(drawn.people["occupation"])


def test_work_hangs_together(drawn):
    people = drawn.people
    works = pl.col("employment").is_in(["employed", "armed forces"])
    assert people.filter(works & (pl.col("earnings_usd") <= 0)).is_empty()
    assert people.filter(~works & (pl.col("earnings_usd") > 0)).is_empty()
    assert people.filter(works != pl.col("commute_mode").is_not_null()).is_empty()
    employed = pl.col("employment") == "employed"
    assert people.filter(employed != pl.col("occupation").is_not_null()).is_empty()
    public = people.filter(pl.col("industry") == "public administration")
    if public["class_of_worker"].drop_nulls().len():
        assert set(public["class_of_worker"]) == {"government"}
    home = people.filter(pl.col("commute_mode").is_in(["worked from home", "not at work last week"]))
    assert home["commute_minutes"].null_count() == home.height


def test_money_adds_up_to_the_dollar(drawn):
    sums = drawn.people.group_by("household_id").agg(
        pl.col("income_usd").cast(pl.Int64).sum().alias("income"),
        pl.col("earnings_usd").cast(pl.Int64).sum().alias("earnings"),
    )
    homes = drawn.households.filter(pl.col("kind") != "group_quarters").join(sums, on="household_id")
    assert homes.filter(pl.col("income") != pl.col("income_usd")).is_empty()
    assert homes.filter(pl.col("earnings") != pl.col("earnings_usd")).is_empty()
    assert drawn.people.filter(pl.col("earnings_usd") > pl.col("income_usd")).is_empty()
    quarters = drawn.households.filter(pl.col("kind") == "group_quarters")
    assert quarters.select(pl.col(list(HOUSEHOLD_COLUMNS)).is_null().all()).row(0) == (True,) * len(HOUSEHOLD_COLUMNS)


def test_grades_follow_age(drawn):
    grades = drawn.people.cast({"grade": pl.String}).filter(pl.col("grade").str.starts_with("grade "))
    gap = grades["age"].cast(pl.Int64) - grades["grade"].str.slice(6).cast(pl.Int64)
    assert gap.min() >= 5 and gap.max() <= 8
    enrolled = pl.col("enrollment") != "not enrolled"
    assert drawn.people.filter(enrolled != pl.col("grade").is_not_null()).is_empty()
    graduates = drawn.people.filter(pl.col("grade") == "graduate")
    assert set(graduates["education"].unique()) <= {"bachelor's", "graduate or professional"}


def test_withheld_pairs_do_not_touch_the_draw(core, selene):
    """Turning every withheld table upside down changes nobody; turning a fitted one does."""
    associations = load_place("cambridge-ma").associations
    assert associations is not None and set(associations["use"].unique()) == {"fitted", "withheld"}

    def turned(use):
        reverse = (
            pl.when(pl.col("use") == use).then(pl.col("weight").reverse().over("pair")).otherwise(pl.col("weight"))
        )
        return add_attributes(core, replace(selene, associations=associations.with_columns(weight=reverse)), 3).people

    as_is = add_attributes(core, replace(selene, associations=associations), 3).people
    assert turned("withheld").equals(as_is)
    assert not turned("fitted").equals(as_is)


def with_rows(place, *rows, **about):
    """Return a place with more rows (code, universe, dimensions, percent, geography) and other lines in place.toml."""
    own = place.tables.row(0, named=True)
    more = [
        own | {"code": code, "table": "X", "universe": universe, "dimensions": dimensions, "measure": "percent",
               "estimate": percent, "moe90": None, "geography": geography, "source": "A survey",
               "borrowed": geography != place.about.geography}
        for code, universe, dimensions, percent, geography in rows
    ]  # fmt: skip
    tables = pl.concat([place.tables, pl.DataFrame(more, schema=place.tables.schema)])
    return replace(place, tables=tables, about=place.about.model_copy(update=about))


def test_sources_are_those_of_the_rows(core, drawn, selene):
    """Nothing of the shipped city is said of another place; what is borrowed names its own geography."""
    for sentence in drawn.borrowed.values():
        assert not any(word in sentence for word in ("ZIP", "Boston", "Pew", "metropolitan", "presidential"))
    religion = [
        ("X1", "persons|age=18..", "religion=Catholic", 40.0),
        ("X2", "persons|age=18..", "religion=Jewish", 5.0),
    ]
    near = add_attributes(core, with_rows(selene, *[(*row, "Port Selene") for row in religion]), 3)
    far = add_attributes(core, with_rows(selene, *[(*row, "All Marevia") for row in religion]), 3)
    assert "religion" not in near.borrowed and "religion" not in near.missing
    assert far.borrowed["religion"].startswith("A survey; drawn independently of everything else")
    assert "All Marevia" in far.borrowed["religion"]


@pytest.mark.parametrize(("vintage", "known"), [("ACS 5-year 2020-2024", True), ("ACS 5-year 2018-2022", False)])
def test_thresholds_of_2024_are_for_dollars_of_2024(core, selene, vintage, known):
    row = ("X1", "persons|poverty_determined=yes", "poverty_ratio=..0.99", 12.0, "Port Selene")
    made = add_attributes(core, with_rows(selene, row, country="United States", vintage=vintage), 3)
    ratios = made.people["poverty_ratio"]
    assert (ratios.null_count() < ratios.len()) == known == ("poverty_ratio" not in made.missing)
    if not known:
        why = made.missing["poverty_ratio"]
        assert "dollars of 2024" in why and vintage in why and "use tables whose last year is 2024" in why


def test_poverty_thresholds_of_2024():
    """Cells of the Census Bureau's table: one person under and over 65, two with a child, four with two, nine."""
    size = np.array([1, 1, 2, 2, 4, 9, 12])
    children = np.array([0, 0, 1, 1, 2, 8, 0])
    head = np.array([64, 65, 30, 70, 40, 40, 80])
    assert thresholds(size, children, head).tolist() == [16320, 15045, 21621, 21540, 31812, 60645, 69473]


def test_brackets_within_limits():
    brackets = Brackets(low=np.array([0.0, 10.0, 20.0]), high=np.array([10.0, 20.0, 40.0]))
    kind, share = within(np.array([5.0, 5.0, 15.0]), np.array([15.0, 15.0, np.inf]), brackets)
    assert kind[0] == kind[1] != kind[2]
    assert share[kind[0]].tolist() == [0.5, 0.5, 0.0]
    assert share[kind[2]].tolist() == [0.0, 0.5, 1.0]
    assert brackets.of(np.array([0.0, 10.0, 19.9, 99.0])).tolist() == [0, 1, 1, 2]


def test_rows_become_totals():
    """A count binds as it is, a percent as a share of its universe, a rate among values as a balance."""
    view = person_view(pl.DataFrame({"age": [20, 30, 40, 10], "sex": ["male", "female", "male", "male"]}))
    tables = pl.DataFrame(
        {
            "table": ["T"] * 4,
            "code": ["T1", "T2", "T3", "T4"],
            "universe": [
                "persons|age=16..",
                "persons|age=16..|sex=male",
                "persons|age=16..|employment=employed;unemployed",
                "persons|age=16..",
            ],
            "dimensions": [
                "employment=employed",
                "employment=employed",
                "employment=unemployed",
                "industry=construction",
            ],
            "measure": ["count", "percent", "percent", "count"],
            "estimate": [2.0, 50.0, 10.0, 1.0],
            "moe90": [1.0, 10.0, 5.0, 1.0],
            "vintage": ["2024"] * 4,
            "geography": ["here"] * 4,
            "borrowed": [False] * 4,
        }
    )
    targets = Targets()
    values = choices(employment=["employed", "unemployed", "not in labor force"])
    codes = Book(tables).bind(targets, Known.of(view), values)
    assert codes == ["T1", "T2", "T3"]
    count, percent, rate = targets.rows
    assert (count.total, targets.masks[count.mask].column().tolist()) == (2.0, [1, 1, 1, 0])
    assert (percent.total, targets.masks[percent.mask].column().tolist()) == (1.0, [1, 0, 1, 0])
    assert rate.total == 0.0 and rate.categories == pytest.approx([-0.1, 0.9, 0.0])


def test_factors_multiply():
    seed_id, seed = cross(
        (np.array([0, 1, 1]), np.array([[1.0, 2], [3, 4]])), (np.array([0, 0, 1]), np.array([[1.0, 1], [0, 5]]))
    )
    assert seed[seed_id].tolist() == [[1, 2], [3, 4], [0, 20]]


@pytest.mark.long
def test_five_withheld_pairs_are_nearer_to_the_microdata_than_to_independence():
    place = load_place("cambridge-ma")
    drawn = add_attributes(build_core(place, 11), place, 11)
    views = build_views(drawn.people, drawn.households, state=place.state)
    withheld = place.associations.filter(pl.col("use") == "withheld")
    for pair in WITHHELD:
        distance = pair_distance(withheld.filter(pl.col("pair") == pair), views)
        assert distance.ratio <= 0.5, distance
