"""The views: every derived column, worked out by hand for the town."""

import polars as pl
import pytest

from cityfolk.tables.birth import FOREIGN_REGIONS, birthplaces
from cityfolk.tables.columns import HOUSEHOLD_COLUMNS, PERSON_COLUMNS
from cityfolk.tables.view import build_views, person_view
from tests.tables.town import STATE, households, people

VIEWS = build_views(people(), households(), state=STATE)
PERSONS, HOMES = VIEWS.persons.frame, VIEWS.households.frame


def of(number: int, column: str) -> object:
    return PERSONS.filter(pl.col("person_id") == number)[column].item()


def test_the_views_have_exactly_the_columns_that_questions_may_name():
    assert set(PERSONS.columns) == PERSON_COLUMNS.keys()
    assert set(HOMES.columns) == HOUSEHOLD_COLUMNS.keys() - {"hhr_household_id"}


def test_the_views_keep_the_order_of_the_tables():
    assert PERSONS["person_id"].to_list() == list(range(17))
    assert HOMES["household_id"].to_list() == [0, 1, 2, 3]
    assert VIEWS.families.frame["household_id"].to_list() == [0, 1]


# 0 Ana (Spain, householder), 2 Cleo 8, 4 Eva (mother), 6 Gus 10 (grandchild), 8 Iris 38 (child), 9 Jon (China),
# 10 Lea (armed forces), 11 Max (Puerto Rico), 13 Ned (student housing), 14 Oda (nursing)
@pytest.mark.parametrize(
    ("number", "column", "value"),
    [
        (0, "race", "White"),
        (0, "hispanic", "yes"),
        (9, "hispanic", "no"),
        (0, "birth_region", "Europe"),
        (0, "birth_subregion", "Southern Europe"),
        (0, "birth_country", "Spain"),
        (9, "birth_region", "Asia"),
        (1, "birth_region", "state of residence"),
        (1, "birth_country", None),
        (11, "birth_region", "Puerto Rico"),
        (11, "born_abroad", "Puerto Rico or US Island Areas"),
        (0, "born_abroad", "foreign-born"),
        (1, "born_abroad", "in the United States"),
        (2, "living", "married-couple family"),
        (9, "living", "other household"),
        (13, "living", "group quarters"),
        (2, "own_child", "yes"),
        (6, "own_child", "no"),
        (8, "own_child", "no"),
        (6, "related_child", "yes"),
        (12, "related_child", "no"),
        (2, "parents", "two"),
        (6, "parents", None),
        (2, "parents_nativity", "mixed"),
        (2, "parents_in_labor_force", "all"),
        (13, "poverty_determined", "no"),
        (0, "poverty_determined", "yes"),
        (4, "in_family", "yes"),
        (9, "in_family", "no"),
        (14, "institutional", "yes"),
        (13, "institutional", "no"),
        (10, "civilian", "no"),
        (2, "civilian", "yes"),
        (0, "insured", "yes"),
        (14, "insured", None),
        (0, "public_insurance", "no"),
        (7, "in_labor_force", "yes"),
        (2, "in_labor_force", None),
        (8, "worker", "yes"),
        (5, "worker", "no"),
        (2, "worker", "no"),
        (5, "year_round_worker", "no"),
        (7, "has_income", "no"),
        (4, "has_income", "yes"),
        (2, "income_or_zero_usd", 0),
        (4, "disabled", "yes"),
        (4, "disability_hearing", "yes"),
        (4, "disability_independent_living", "no"),
        (9, "hh_rooms", 1),
        (13, "hh_gq_type", "student housing"),
    ],
)
def test_a_person_seen(number, column, value):
    assert of(number, column) == value


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("family_type", ["married couple", "female householder", None, None]),
        ("n_workers", [2, 1, 1, 2]),
        ("n_family", [5, 4, 1, 1]),
        ("family_income_usd", [135_000, 70_000, 20_000, 30_000]),
        ("has_related_child", ["yes", "yes", "no", "no"]),
        ("has_related_child_under5", ["yes", "no", "no", "no"]),
        ("related_children_only_under5", ["no", "no", "no", "no"]),
        ("has_earnings", ["yes", "yes", "yes", "yes"]),
        ("has_social_security", ["yes", "yes", "no", "no"]),
        ("crowded", ["yes", "no", "no", "no"]),
        ("hhr_age", [40, 66, 24, 30]),
        ("hhr_nativity", ["foreign-born", "native", "foreign-born", "native"]),
        ("family_poverty_ratio", [2.0, 3.0, None, None]),
    ],
)
def test_households_seen(column, values):
    assert HOMES[column].to_list() == values


def test_one_small_child_is_only_small_children():
    town = people().filter(pl.col("person_id") != 2)
    assert build_views(town, households()).households.frame["related_children_only_under5"].to_list()[0] == "yes"


def test_a_single_parent_is_one_parent():
    town = people().with_columns(
        role=pl.when(pl.col("person_id") == 1).then(pl.lit("housemate")).otherwise("role"),
        employment=pl.when(pl.col("person_id") == 0).then(pl.lit("not in labor force")).otherwise("employment"),
    )
    child = person_view(town, households()).frame.row(2, named=True)
    assert (child["parents"], child["parents_nativity"]) == ("one", "foreign-born")
    assert child["parents_in_labor_force"] == "not all"


def test_an_unfinished_population_has_the_columns_it_can_have():
    frame = person_view(people().select("person_id", "age", "race_ethnicity")).frame
    assert frame.columns == ["person_id", "age", "race_ethnicity", "race", "hispanic"]


def test_categorical_columns_make_the_same_view():
    town = people().with_columns(pl.col(pl.String).cast(pl.Categorical))
    assert build_views(town, households(), state=STATE).persons.frame.equals(PERSONS)


def test_birthplaces_are_those_of_the_table():
    places = birthplaces()
    assert places.height == places["country"].n_unique() == 151
    assert set(places["region"]) == set(FOREIGN_REGIONS)
    assert places.filter(pl.col("country") == "Haiti").row(0) == ("Haiti", "Caribbean", "Latin America")
