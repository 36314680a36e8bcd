"""Rules about a person's work, income and way to work."""

from __future__ import annotations

from functools import reduce
from operator import and_

import polars as pl

from cityfolk.tables.rulebook import NIST, STUDY, differ, known, rule
from cityfolk.tables.view import INSTITUTIONAL_TYPES

AGE, EMPLOYMENT, MODE = pl.col("age"), pl.col("employment"), pl.col("commute_mode")
EARNINGS, INCOME, MINUTES = pl.col("earnings_usd"), pl.col("income_usd"), pl.col("commute_minutes")
EMPLOYED = EMPLOYMENT == "employed"
WORKING = EMPLOYMENT.is_in(("employed", "armed forces"))
GROUP_QUARTERS = pl.col("hh_kind") == "group_quarters"


def _all_known(*columns: str) -> pl.Expr:
    """Return whether this place's tables hold all of these attributes: a rule that ties them together needs them."""
    return reduce(and_, (known(column) for column in columns))


@rule(
    "person",
    "Work is asked about from 16 on: employment is known of everyone of 16 or older, and of nobody younger.",
    NIST,
)
def employment_from_16() -> pl.Expr:
    return known("employment") & differ(EMPLOYMENT.is_not_null(), AGE >= 16)


@rule("person", "Earnings are known of everyone of 16 or older, and of nobody younger.")
def earnings_from_16() -> pl.Expr:
    return known("earnings_usd") & differ(EARNINGS.is_not_null(), AGE >= 16)


@rule("person", "Income is known of everyone of 15 or older, and of nobody younger.", NIST)
def income_from_15() -> pl.Expr:
    return known("income_usd") & differ(INCOME.is_not_null(), AGE >= 15)


@rule("person", "The employed, and nobody else, have an occupation.")
def occupation_if_employed() -> pl.Expr:
    return _all_known("occupation", "employment") & differ(pl.col("occupation").is_not_null(), EMPLOYED)


@rule("person", "The employed, and nobody else, work in an industry.")
def industry_if_employed() -> pl.Expr:
    return _all_known("industry", "employment") & differ(pl.col("industry").is_not_null(), EMPLOYED)


@rule("person", "The employed, and nobody else, have a class of worker.")
def class_of_worker_if_employed() -> pl.Expr:
    return _all_known("class_of_worker", "employment") & differ(pl.col("class_of_worker").is_not_null(), EMPLOYED)


@rule("person", "The employed and the armed forces, and nobody else, have a way to work.")
def commute_if_working() -> pl.Expr:
    return _all_known("commute_mode", "employment") & differ(MODE.is_not_null(), WORKING)


@rule("person", "The employed and the armed forces, and nobody else, have earnings.")
def earnings_if_working() -> pl.Expr:
    return _all_known("earnings_usd", "employment") & differ(EARNINGS > 0, WORKING)


@rule("person", "Only those who work, work full time all year.")
def full_time_if_working() -> pl.Expr:
    return known("employment") & pl.col("full_time_year_round").fill_null(False) & ~WORKING.fill_null(False)


@rule("person", "Earnings are part of income.", NIST)
def earnings_within_income() -> pl.Expr:
    return known("income_usd") & (EARNINGS > INCOME.fill_null(0))


@rule("person", "Income is part of the household's income.", NIST)
def income_within_household_income() -> pl.Expr:
    return ~GROUP_QUARTERS & (INCOME > pl.col("hh_income_usd"))


@rule("person", "The armed forces take people of 17 to 65.", "10 U.S.C. 505 and 1251")
def armed_forces_have_ages() -> pl.Expr:
    return (EMPLOYMENT == "armed forces") & ~AGE.is_between(17, 65)


@rule(
    "person", "Travel time is known of those who travel to work, and of nobody else: not of those who work from home."
)
def minutes_if_travelling() -> pl.Expr:
    travels = ~MODE.is_in(("worked from home", "not at work last week"))
    return _all_known("commute_minutes", "commute_mode") & differ(MINUTES.is_not_null(), travels)


@rule("person", "A trip to work takes 1 to 200 minutes.")
def minutes_are_possible() -> pl.Expr:
    return ~MINUTES.is_between(1, 200)


@rule("person", "Nobody walks to work for more than two hours.")
def walks_are_short() -> pl.Expr:
    return (MODE == "walked") & (MINUTES > 120)


@rule("person", "Nobody under 16 has a way to work or a time to get there.", NIST)
def children_do_not_commute() -> pl.Expr:
    return (AGE < 16) & (MODE.is_not_null() | MINUTES.is_not_null())


@rule("person", "Poverty status is not determined in institutions and student housing, nor of unrelated under-15s.")
def poverty_where_determined() -> pl.Expr:
    out = pl.col("hh_gq_type").is_in((*INSTITUTIONAL_TYPES, "student housing")).fill_null(False)
    stranger = (AGE < 15) & pl.col("role").is_in(("housemate", "unmarried partner", "resident"))
    return known("poverty_ratio") & (pl.col("poverty_ratio").is_not_null() == (out | stranger))


@rule("person", "The members of a family share one ratio of income to poverty threshold.")
def family_shares_poverty_ratio() -> pl.Expr:
    related = pl.col("role").is_in(("spouse", "child", "parent", "sibling", "grandchild", "other relative"))
    return (
        known("poverty_ratio")
        & related
        & (pl.col("poverty_ratio") - pl.col("_head_poverty_ratio")).abs().fill_null(1.0).gt(1e-3)
    )


@rule("person", "Insurance is known of everybody outside the armed forces and institutions.", STUDY)
def insurance_of_civilians() -> pl.Expr:
    inside = pl.col("hh_gq_type").is_in(INSTITUTIONAL_TYPES).fill_null(False)
    soldier = (EMPLOYMENT == "armed forces").fill_null(False)
    return known("health_insurance") & pl.col("health_insurance").is_null() & ~inside & ~soldier
