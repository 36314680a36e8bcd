"""Every rule holds in a valid town, and every rule can fail."""

import polars as pl
import pytest

from cityfolk.people.attributes import HOUSEHOLD_COLUMNS, PEOPLE_COLUMNS
from cityfolk.tables.rules import RULES, check
from tests.tables.town import households, people, random_town

# rule -> what one changes in the town to break it: (table, id, column, value) ...
# People: 0 Ana 40, 1 Ben 42 (spouse), 2 Cleo 8, 3 Dan 2, 4 Eva 70 (parent); 5 Flo 66, 6 Gus 10 (grandchild), 7 Hal 60
# (sibling), 8 Iris 38; 9 Jon 24; 10 Lea 30 (soldier), 11 Max 31 (partner), 12 Kim 17; 13 Ned 19 (student housing),
# 14 Oda 81 (nursing), 15 Pat 16 (juvenile), 16 Quin 35 (correctional).
P, H = "person", "household"
BREAKS: dict[str, list[tuple[str, int, str, object]]] = {
    "everybody_has_a_home": [(P, 16, "household_id", 99)],
    "householder_comes_first": [(P, 0, "role", "spouse"), (P, 1, "role", "householder")],
    "householder_is_15": [(P, 10, "age", 14)],
    "partner_is_16": [(P, 11, "age", 15)],
    "spouse_is_married": [(P, 1, "marital_status", "divorced")],
    "householder_with_spouse_is_married": [(P, 0, "marital_status", "never married")],
    "householder_and_child_apart": [(P, 8, "age", 53)],
    "spouse_and_child_apart": [(P, 1, "age", 59)],
    "householder_and_parent_apart": [(P, 4, "age", 53)],
    "grandchild_is_28_years_younger": [(P, 6, "age", 39)],
    "siblings_within_36_years": [(P, 7, "age", 29)],
    "residents_live_in_group_quarters": [(P, 16, "role", "housemate")],
    "minors_live_with_an_adult": [(P, 9, "age", 17)],
    "children_outside_adult_quarters": [(P, 16, "age", 15)],
    "student_housing_is_for_students": [(P, 13, "enrollment", "not enrolled")],
    "nursing_residents_are_old": [(P, 14, "age", 49)],
    "juvenile_residents_are_young": [(P, 15, "age", 21)],
    "prisoners_do_not_work": [(P, 16, "employment", "employed")],
    "household_ids_ascend": [(H, 3, "household_id", 2)],
    "household_categories_are_known": [(H, 3, "tenure", "squatter")],
    "household_numbers_are_not_negative": [(H, 3, "retirement_usd", -1)],
    "block_group_is_set": [(H, 3, "block_group", None)],
    "size_is_number_of_members": [(H, 3, "size", 4)],
    "one_householder": [(P, 11, "role", "householder")],
    "at_most_one_partner": [(P, 4, "role", "unmarried partner")],
    "at_most_two_parents": [(P, 1, "role", "parent"), (P, 2, "role", "parent")],
    "family_has_relatives": [(H, 3, "kind", "family")],
    "group_quarters_have_a_type": [(H, 7, "gq_type", None)],
    "group_quarters_own_nothing": [(H, 7, "tenure", "owner")],
    "group_quarters_are_single": [(H, 7, "size", 2)],
    "homes_are_described": [(H, 3, "telephone", None)],
    "rooms_and_vehicles_are_possible": [(H, 3, "rooms", 0)],
    "income_is_sum_of_members": [(H, 3, "income_usd", 60_001)],
    "earnings_are_sum_of_members": [(H, 3, "earnings_usd", 60_001)],
    "income_holds_its_parts": [(H, 3, "retirement_usd", 1)],
    "limited_english_is_what_members_speak": [(H, 2, "limited_english", False)],
    "housing_cost_is_a_percentage": [(H, 2, "housing_cost_pct", 120.0)],
    "person_ids_run_from_zero": [(P, 16, "person_id", 17)],
    "members_stand_together": [(P, 16, "household_id", 3)],
    "required_facts_are_set": [(P, 5, "birthplace", None)],
    "person_categories_are_known": [(P, 5, "religion", "Pastafarian")],
    "person_numbers_are_not_negative": [(P, 5, "weight_kg", float("nan"))],
    "age_is_possible": [(P, 5, "age", 116)],
    "name_has_two_parts": [(P, 5, "name", "Flo")],
    "under_15_never_married": [(P, 2, "marital_status", "separated")],
    "under_18_not_widowed_or_divorced": [(P, 12, "marital_status", "divorced")],
    "high_school_takes_16_years": [(P, 6, "education", "high school")],
    "some_college_takes_17_years": [(P, 15, "education", "some college or associate's")],
    "bachelors_takes_19_years": [(P, 12, "education", "bachelor's")],
    "graduate_degree_takes_21_years": [(P, 13, "education", "graduate or professional")],
    "enrolled_from_3": [(P, 3, "enrollment", "nursery or preschool")],
    "grade_if_enrolled": [(P, 2, "grade", None)],
    "grade_fits_level": [(P, 2, "grade", "grade 9")],
    "elementary_grade_fits_age": [(P, 2, "grade", "grade 5")],
    "higher_grade_fits_age": [(P, 13, "grade", "graduate"), (P, 13, "age", 18)],
    "schoolchildren_go_to_school": [(P, 2, "enrollment", "nursery or preschool")],
    "pupils_have_not_finished": [(P, 12, "education", "high school")],
    "students_have_finished_what_came_before": [(P, 9, "education", "high school")],
    "natives_are_citizens": [(P, 5, "citizenship", "naturalized")],
    "citizens_by_birth_are_natives": [(P, 0, "citizenship", "born")],
    "naturalized_are_foreign_born": [(P, 0, "nativity", "native")],
    "not_citizens_are_foreign_born": [(P, 9, "nativity", "native")],
    "foreign_born_come_from_abroad": [(P, 0, "birthplace", "US South")],
    "natives_come_from_home": [(P, 5, "birthplace", "Kenya")],
    "english_from_5": [(P, 3, "english", "only English")],
    "only_english_if_english_at_home": [(P, 5, "language_home", "Spanish")],
    "disabilities_are_known": [(P, 4, "disability", "hearing; ambulatory")],
    "small_children_hear_and_see": [(P, 3, "disability", "cognitive")],
    "independent_living_from_15": [(P, 6, "disability", "independent living")],
    "religion_of_adults": [(P, 12, "religion", "Catholic")],
    "party_of_adult_citizens": [(P, 9, "party", "Republican")],
    "height_fits_age": [(P, 3, "age", 1), (P, 3, "height_cm", 110.0)],
    "weight_fits_age": [(P, 5, "weight_kg", 25.0)],
    "weight_fits_height": [(P, 5, "weight_kg", 250.0)],
    "personality_is_percentiles": [(P, 5, "openness", 1.0)],
    "norms_say_where_extrapolated": [(P, 5, "norms", "extrapolated")],
    "employment_from_16": [(P, 6, "employment", "not in labor force")],
    "earnings_from_16": [(P, 5, "earnings_usd", None)],
    "income_from_15": [(P, 2, "income_usd", 5)],
    "occupation_if_employed": [(P, 5, "occupation", "service")],
    "industry_if_employed": [(P, 1, "industry", None)],
    "class_of_worker_if_employed": [(P, 10, "class_of_worker", "government")],
    "commute_if_working": [(P, 10, "commute_mode", None)],
    "earnings_if_working": [(P, 1, "earnings_usd", 0)],
    "full_time_if_working": [(P, 5, "full_time_year_round", True)],
    "earnings_within_income": [(P, 1, "earnings_usd", 55_001)],
    "income_within_household_income": [(P, 1, "income_usd", 200_000)],
    "armed_forces_have_ages": [(P, 10, "age", 66)],
    "minutes_if_travelling": [(P, 8, "commute_minutes", 10)],
    "minutes_are_possible": [(P, 1, "commute_minutes", 0)],
    "walks_are_short": [(P, 9, "commute_minutes", 121)],
    "children_do_not_commute": [(P, 6, "commute_mode", "walked")],
    "poverty_where_determined": [(P, 13, "poverty_ratio", 1.0)],
    "family_shares_poverty_ratio": [(P, 4, "poverty_ratio", 2.5)],
    "insurance_of_civilians": [(P, 5, "health_insurance", None)],
}


def changed(frame: pl.DataFrame, key: str, number: int, column: str, value: object) -> pl.DataFrame:
    new = pl.lit(value, dtype=frame.schema[column])
    return frame.with_columns(pl.when(pl.col(key) == number).then(new).otherwise(pl.col(column)).alias(column))


def broken_by(edits: list[tuple[str, int, str, object]]) -> set[str]:
    tables = {P: people(), H: households()}
    for table, number, column, value in edits:
        tables[table] = changed(tables[table], f"{table}_id", number, column, value)
    result = check(tables[P], tables[H])
    assert result["offenders"].null_count() == 0
    return set(result.filter(pl.col("offenders") > 0)["rule"])


def test_nobody_in_the_town_breaks_a_rule():
    assert broken_by([]) == set()


def test_there_are_at_least_forty_rules_and_each_has_a_way_to_fail():
    assert len(RULES) >= 40
    assert {rule.name for rule in RULES} == BREAKS.keys()
    assert all(rule.sentence.endswith(".") and rule.source for rule in RULES)
    assert len({rule.sentence for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("name", BREAKS)
def test_a_rule_can_fail(name):
    assert name in broken_by(BREAKS[name])


ATTRIBUTES = [*PEOPLE_COLUMNS, "race_ethnicity", "birthplace"]
OF_HOMES = [*HOUSEHOLD_COLUMNS, "block_group", "tenure"]


@pytest.mark.parametrize("column", ATTRIBUTES)
def test_what_no_table_of_a_place_speaks_of_breaks_no_rule(column):
    """An attribute that is null for everybody is not asked about."""
    town = people().with_columns(pl.lit(None, dtype=people().schema[column]).alias(column))
    found = check(town, households()).filter(pl.col("offenders") > 0)["rule"].to_list()
    assert found == []


@pytest.mark.parametrize("column", OF_HOMES)
def test_what_no_table_of_a_place_says_of_homes_breaks_no_rule(column):
    homes = households().with_columns(pl.lit(None, dtype=households().schema[column]).alias(column))
    assert check(people(), homes).filter(pl.col("offenders") > 0)["rule"].to_list() == []


def test_offenders_are_counted_and_named():
    town = people().with_columns(party=pl.lit("other"))
    row = check(town, households()).row(by_predicate=pl.col("rule") == "party_of_adult_citizens", named=True)
    # Cleo, Dan, Eva (not a citizen), Gus, Jon (not a citizen), Kim, Pat
    assert row["offenders"] == 7
    assert row["examples"] == [2, 3, 4, 6, 9]


def test_a_rule_whose_column_is_missing_says_so():
    row = check(people().drop("party"), households()).row(
        by_predicate=pl.col("rule") == "party_of_adult_citizens", named=True
    )
    assert row["offenders"] is None


def test_categories_of_any_string_type_are_checked_alike():
    town = people().with_columns(pl.col("role", "marital_status").cast(pl.Categorical))
    assert check(town, households())["offenders"].sum() == 0


@pytest.mark.long
def test_offenders_of_a_town_many_times_over_are_that_many_times_as_many():
    """A rule looks at a household and not at its neighbours, a million of them or three."""
    town, homes = random_town(20_000)
    once = check(town, homes)
    copies = range(50)
    step = int(homes["household_id"].max()) + 1
    more = pl.concat(town.with_columns(pl.col("household_id") + step * n) for n in copies)
    more = more.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("person_id"))
    many = check(more, pl.concat(homes.with_columns(pl.col("household_id") + step * n) for n in copies))
    assert more.height >= 1_000_000 and once["offenders"].sum() > 0
    assert many["offenders"].to_list() == [n if n is None else n * len(copies) for n in once["offenders"]]
