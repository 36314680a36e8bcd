"""Rules about who lives with whom, and about homes."""

from __future__ import annotations

from functools import reduce
from operator import or_

import polars as pl

from cityfolk.tables.rulebook import NIST, STUDY, differ, known, rule
from cityfolk.vocabulary import HOUSEHOLD_CATEGORIES

AGE, ROLE = pl.col("age"), pl.col("role")
HEAD_AGE, SPOUSE_AGE = pl.col("_head_age"), pl.col("_spouse_age")
KIND, GQ = pl.col("kind"), pl.col("kind") == "group_quarters"
HOME_GQ = pl.col("hh_gq_type")
PARENT_GAP = (14, 50)
"""Years between a parent and a child, both ends possible."""
ASKED_OF_HOMES = ("tenure", "income_usd", "vehicles", "rooms", "snap", "telephone", "limited_english")
OWNED = ("tenure", "income_usd", "vehicles", "rooms", "housing_cost_pct")
INCOME_PARTS = ("earnings_usd", "social_security_usd", "ssi_usd", "public_assistance_usd", "retirement_usd")


def _any(conditions: list[pl.Expr]) -> pl.Expr:
    return reduce(or_, (condition.fill_null(False) for condition in conditions))


def _apart(older: pl.Expr, younger: pl.Expr) -> pl.Expr:
    return ~(older.cast(pl.Int32) - younger.cast(pl.Int32)).is_between(*PARENT_GAP)


@rule("person", "Everybody lives in a household that exists.", STUDY)
def everybody_has_a_home() -> pl.Expr:
    return pl.col("hh_kind").is_null()


@rule("person", "The householder stands first among the members, and nobody else does.", STUDY)
def householder_comes_first() -> pl.Expr:
    first = pl.col("household_id").ne_missing(pl.col("household_id").shift(1))
    return (pl.col("hh_kind") != "group_quarters") & differ(ROLE == "householder", first)


@rule("person", "A householder is 15 or older.")
def householder_is_15() -> pl.Expr:
    return (ROLE == "householder") & (AGE < 15)


@rule("person", "A spouse or unmarried partner is 16 or older.", NIST)
def partner_is_16() -> pl.Expr:
    return ROLE.is_in(("spouse", "unmarried partner")) & (AGE < 16)


@rule("person", "A spouse is married.")
def spouse_is_married() -> pl.Expr:
    return (ROLE == "spouse") & (pl.col("marital_status") != "married")


@rule("person", "A householder who lives with a spouse is married.")
def householder_with_spouse_is_married() -> pl.Expr:
    return (ROLE == "householder") & (pl.col("_spouses") > 0) & (pl.col("marital_status") != "married")


@rule("person", "Householder and child are 14 to 50 years apart.", NIST)
def householder_and_child_apart() -> pl.Expr:
    return (ROLE == "child") & _apart(HEAD_AGE, AGE)


@rule("person", "Spouse and child are 14 to 50 years apart.", NIST)
def spouse_and_child_apart() -> pl.Expr:
    return (ROLE == "child") & _apart(SPOUSE_AGE, AGE)


@rule("person", "Householder and parent are 14 to 50 years apart.", NIST)
def householder_and_parent_apart() -> pl.Expr:
    return (ROLE == "parent") & _apart(AGE, HEAD_AGE)


@rule("person", "Householder and grandchild are at least two generations of 14 years apart.", NIST)
def grandchild_is_28_years_younger() -> pl.Expr:
    return (ROLE == "grandchild") & (HEAD_AGE - AGE < 2 * PARENT_GAP[0])


@rule("person", "Siblings are at most as far apart as a parent's years allow: 36.", NIST)
def siblings_within_36_years() -> pl.Expr:
    return (ROLE == "sibling") & ((HEAD_AGE - AGE).abs() > PARENT_GAP[1] - PARENT_GAP[0])


@rule("person", "Everybody in group quarters is a resident, and nobody else is.")
def residents_live_in_group_quarters() -> pl.Expr:
    return differ(ROLE == "resident", pl.col("hh_kind") == "group_quarters")


@rule("person", "Who is under 18 lives with an adult.", NIST)
def minors_live_with_an_adult() -> pl.Expr:
    return (AGE < 18) & (pl.col("hh_kind") != "group_quarters") & (pl.col("_adults") == 0)


@rule("person", "Under 16 nobody lives in group quarters for adults: student housing, nursing facilities, prisons.")
def children_outside_adult_quarters() -> pl.Expr:
    return (AGE < 16) & HOME_GQ.is_in(("student housing", "nursing facility", "correctional"))


@rule("person", "Residents of student housing study at a college.")
def student_housing_is_for_students() -> pl.Expr:
    return (HOME_GQ == "student housing") & (pl.col("enrollment") != "college or graduate school")


@rule("person", "Residents of nursing facilities are 50 or older and do not work.")
def nursing_residents_are_old() -> pl.Expr:
    return (HOME_GQ == "nursing facility") & (
        (AGE < 50) | pl.col("employment").is_in(("employed", "unemployed", "armed forces"))
    )


@rule("person", "Residents of juvenile facilities are under 21.")
def juvenile_residents_are_young() -> pl.Expr:
    return (HOME_GQ == "juvenile") & (AGE >= 21)


@rule("person", "Residents of correctional facilities are not in the labor force.")
def prisoners_do_not_work() -> pl.Expr:
    return HOME_GQ.is_in(("correctional", "juvenile", "other institutional")) & (
        pl.col("employment").is_in(("employed", "unemployed", "armed forces"))
    )


@rule("household", "Household ids are unique and in order.", STUDY)
def household_ids_ascend() -> pl.Expr:
    return pl.col("household_id").is_null() | (pl.col("household_id") <= pl.col("household_id").shift(1))


@rule("household", "A household's category is one of its column's closed list.", STUDY)
def household_categories_are_known() -> pl.Expr:
    return KIND.is_null() | _any([~pl.col(name).is_in(values) for name, values in HOUSEHOLD_CATEGORIES.items()])


@rule("household", "No amount of a household is negative or not a number.", STUDY)
def household_numbers_are_not_negative() -> pl.Expr:
    names = ("size", "income_usd", "vehicles", "rooms", "housing_cost_pct", *INCOME_PARTS)
    return _any([(pl.col(name) < 0) | pl.col(name).cast(pl.Float64).is_nan() for name in names])


@rule("household", "Every household has its block group, or none has where the place has no such areas.", STUDY)
def block_group_is_set() -> pl.Expr:
    return known("block_group") & (pl.col("block_group").is_null() | (pl.col("block_group").str.len_chars() == 0))


@rule("household", "A household's size is the number of its members.")
def size_is_number_of_members() -> pl.Expr:
    return pl.col("size").ne_missing(pl.col("_rows").cast(pl.Int64))


@rule("household", "A household has exactly one householder; group quarters have none.")
def one_householder() -> pl.Expr:
    return pl.col("_heads") != pl.when(GQ).then(0).otherwise(1)


@rule("household", "A householder has at most one spouse or unmarried partner.")
def at_most_one_partner() -> pl.Expr:
    return pl.col("_spouses") + pl.col("_partners") > 1


@rule("household", "A householder lives with at most two parents.")
def at_most_two_parents() -> pl.Expr:
    return pl.col("_parents") > 2


@rule("household", "A family has a relative of the householder; a nonfamily household has none.")
def family_has_relatives() -> pl.Expr:
    return ~GQ & differ(KIND == "family", pl.col("_relatives") > 0)


@rule("household", "Group quarters have a type, and nothing else has.", STUDY)
def group_quarters_have_a_type() -> pl.Expr:
    return differ(pl.col("gq_type").is_not_null(), GQ)


@rule("household", "Residents of group quarters own nothing there: no tenure, household income, vehicles or rooms.")
def group_quarters_own_nothing() -> pl.Expr:
    return GQ & _any([pl.col(name).is_not_null() for name in OWNED])


@rule("household", "A group-quarters unit is one person.", STUDY)
def group_quarters_are_single() -> pl.Expr:
    return GQ & (pl.col("size") != 1)


@rule(
    "household",
    "Tenure, income, vehicles, rooms, SNAP, telephone and language are known of every home, or of none in this place.",
)
def homes_are_described() -> pl.Expr:
    return ~GQ & _any([pl.col(name).is_null() & known(name) for name in ASKED_OF_HOMES])


@rule("household", "A home has at least one room and at most seven vehicles.")
def rooms_and_vehicles_are_possible() -> pl.Expr:
    return (pl.col("rooms") < 1) | (pl.col("vehicles") > 7)


@rule("household", "Household income is the sum of its members' incomes.")
def income_is_sum_of_members() -> pl.Expr:
    return ~GQ & known("income_usd") & (pl.col("income_usd").cast(pl.Int64) != pl.col("_income"))


@rule("household", "Household earnings are the sum of its members' earnings.")
def earnings_are_sum_of_members() -> pl.Expr:
    return ~GQ & known("earnings_usd") & (pl.col("earnings_usd").cast(pl.Int64) != pl.col("_earnings"))


@rule("household", "Earnings, Social Security, SSI, public assistance and retirement income are parts of income.")
def income_holds_its_parts() -> pl.Expr:
    return ~GQ & (pl.sum_horizontal(pl.col(name).cast(pl.Int64) for name in INCOME_PARTS) > pl.col("income_usd"))


@rule("household", "A household is limited English-speaking if nobody of 14 or older speaks English only or very well.")
def limited_english_is_what_members_speak() -> pl.Expr:
    speakers = pl.col("_english_14")
    return ~GQ & known("limited_english") & known("_english_14") & differ(pl.col("limited_english"), speakers == 0)


@rule("household", "Housing takes at most all of a household's income, as the survey counts it: 0 to 101 percent.")
def housing_cost_is_a_percentage() -> pl.Expr:
    return ~pl.col("housing_cost_pct").is_between(0, 101)
