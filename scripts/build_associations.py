"""Measure two-way structure on public microdata and write it as associations.csv of the cambridge-ma pack.

    python scripts/build_associations.py DATA [OUT]

DATA holds pums/ (American Community Survey public use microdata samples). Only weighted two-way tables leave it, with
the number of records behind each; no record does. Dollars are brought to 2024 by the annual CPI-U (Bureau of Labor
Statistics: 232.957 in 2013, 240.007 in 2016, 313.689 in 2024). `use` says what a pair is for: "fitted" pairs shape the
draw, "withheld" pairs are kept out of it and serve as a test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

CPI = {2013: 232.957, 2016: 240.007, 2024: 313.689}
OUT = Path(__file__).parents[1] / "src/cityfolk/places/packs/cambridge_ma/associations.csv"

BOSTON = "ACS PUMS 2016, commuters of 13 PUMAs of the Boston area without Cambridge (weighted by person weight)"
DELAWARE = "ACS PUMS 2013, Delaware (records counted once: the sample at hand has no weights)"

AGES = ["16..24", "25..34", "35..44", "45..54", "55..64", "65.."]
ALL_AGES = [
    "16..17",
    "18..19",
    "20..21",
    "22..24",
    "25..29",
    "30..44",
    "45..54",
    "55..59",
    "60..64",
    "65..69",
    "70..74",
]
ALL_AGES.append("75..")
SCHOOL_AGES = ["3..4", "5..17", "18..19", "20..21", "22..24", "25..29", "30..44", "45..64", "65.."]
INCOMES = ["..14999", "15000..29999", "30000..49999", "50000..74999", "75000..99999", "100000..149999", "150000.."]
HOUSE_INCOMES = ["..34999", "35000..74999", "75000..124999", "125000..199999", "200000.."]
MINUTES = ["..9", "10..19", "20..29", "30..39", "40..44", "45..59", "60..89", "90.."]
BELOW_BACHELOR = "high school;less than high school;some college or associate's"
MODES = {
    **dict.fromkeys((2, 3, 4, 5, 6), "public transportation"),
    1: "drove alone or carpooled",
    10: "walked",
    **dict.fromkeys((7, 8, 9, 12), "other means"),
}
COMMUTERS = "persons|commute_mode!=worked from home|worker=yes"
ROLES = {
    0: "householder",
    1: "spouse",
    **dict.fromkeys((2, 3, 4), "child"),
    5: "sibling",
    **dict.fromkeys((6, 8), "parent"),
    7: "grandchild",
    **dict.fromkeys((9, 10), "other relative"),
    **dict.fromkeys((11, 12, 14, 15), "housemate"),
    13: "unmarried partner",
}
EMPLOYMENTS = {
    **dict.fromkeys((1, 2), "employed"),
    3: "unemployed",
    **dict.fromkeys((4, 5), "armed forces"),
    6: "not in labor force",
}
# First code after each group of the 2010 Census occupation classification.
OCCUPATIONS = [
    (3600, "management, business, science and arts"),
    (4700, "service"),
    (6000, "sales and office"),
    (7700, "natural resources, construction and maintenance"),
    (9800, "production, transportation and material moving"),
]


def _ranges(column: str, ranges: list[str]) -> pl.Expr:
    """Name the range of the query language that holds each number; null outside all."""
    result = pl.when(False).then(pl.lit(None, dtype=pl.String))
    for text in ranges:
        low, _, high = text.partition("..")
        inside = pl.lit(True)
        if low:
            inside &= pl.col(column) >= float(low)
        if high:
            inside &= pl.col(column) < float(high) + 1
        result = result.when(inside).then(pl.lit(text))
    return result.otherwise(None)


def _boston(folder: Path) -> pl.DataFrame:
    frame = pl.read_csv(folder / "pums/boston_2016_commuters_without_cambridge.csv", infer_schema_length=None)
    inflate = CPI[2024] / CPI[2016]
    married = {1: "married", 2: "widowed", 3: "divorced", 4: "separated", 5: "never married"}
    marital = pl.coalesce(
        *(pl.when(pl.col(f"marraige_status_{k}").cast(pl.Float64) == 1).then(pl.lit(v)) for k, v in married.items())
    )
    school = pl.col("school_status_1.0").cast(pl.Float64) == 1
    graduate, bachelor = (
        pl.col("gradDegree").cast(pl.String).str.to_lowercase() == "true",
        pl.col("collegeDegree").cast(pl.String).str.to_lowercase() == "true",
    )
    foreign = pl.col("citizen_status_4").cast(pl.Float64) + pl.col("citizen_status_5").cast(pl.Float64) > 0
    return frame.with_columns(
        person=pl.col("incomePersonal").cast(pl.Float64) * inflate,
        house=pl.col("incomeH").cast(pl.Float64) * inflate,
        years=pl.col("age").cast(pl.Float64),
        travel=pl.col("travelT").cast(pl.Float64),
        weight=pl.col("weighting").cast(pl.Float64),
    ).with_columns(
        age=_ranges("years", AGES),
        income_usd=_ranges("person", INCOMES),
        hh_income_usd=_ranges("house", HOUSE_INCOMES),
        commute_minutes=_ranges("travel", MINUTES),
        education=pl.when(graduate)
        .then(pl.lit("graduate or professional"))
        .when(bachelor)
        .then(pl.lit("bachelor's"))
        .otherwise(pl.lit(BELOW_BACHELOR)),
        commute_mode=pl.col("mode")
        .cast(pl.Int64)
        .replace_strict(MODES, default=None, return_dtype=pl.String)
        .replace({"drove alone or carpooled": "carpooled;drove alone"}),
        marital_status=marital,
        enrollment=pl.when(school)
        .then(pl.lit("not enrolled"))
        .otherwise(pl.lit("college or graduate school;elementary (K-8);high school (9-12);nursery or preschool")),
        sex=pl.when(pl.col("female").cast(pl.String).str.to_lowercase() == "true")
        .then(pl.lit("female"))
        .otherwise(pl.lit("male")),
        nativity=pl.when(foreign).then(pl.lit("foreign-born")).otherwise(pl.lit("native")),
        hh_tenure=pl.when(pl.col("Renter").cast(pl.String).str.to_lowercase() == "true")
        .then(pl.lit("renter"))
        .otherwise(pl.lit("owner")),
    )


def _delaware(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    persons = pl.read_csv(folder / "pums/delaware_2013_persons.csv", null_values="NA", infer_schema_length=None)
    houses = pl.read_csv(folder / "pums/delaware_2013_households.csv", null_values="NA", infer_schema_length=None)
    inflate = CPI[2024] / CPI[2013]
    occupation = pl.when(False).then(pl.lit(None, dtype=pl.String))
    for limit, name in OCCUPATIONS:
        occupation = occupation.when(pl.col("OCCP") < limit).then(pl.lit(name))
    grade = pl.col("SCHG")
    level = (
        pl.when(pl.col("SCH") == 1)
        .then(pl.lit("not enrolled"))
        .when(grade == 1)
        .then(pl.lit("nursery or preschool"))
        .when(grade <= 10)
        .then(pl.lit("elementary (K-8)"))
        .when(grade <= 14)
        .then(pl.lit("high school (9-12)"))
        .when(grade <= 16)
        .then(pl.lit("college or graduate school"))
    )
    people = persons.with_columns(
        person=pl.col("PINCP").cast(pl.Float64) * inflate, years=pl.col("AGEP").cast(pl.Float64), weight=pl.lit(1.0)
    ).with_columns(
        age=_ranges("years", ALL_AGES),
        school_age=_ranges("years", SCHOOL_AGES),
        income_usd=_ranges("person", INCOMES),
        role=pl.col("RELP").replace_strict(ROLES, default=None, return_dtype=pl.String),
        employment=pl.col("ESR").replace_strict(EMPLOYMENTS, default=None, return_dtype=pl.String),
        occupation=occupation.otherwise(None),
        enrollment=level,
        sex=pl.when(pl.col("SEX") == 2).then(pl.lit("female")).otherwise(pl.lit("male")),
    )
    homes = (
        houses.filter((pl.col("TYPE") == 1) & (pl.col("NP") > 0))
        .with_columns(house=pl.col("HINCP").cast(pl.Float64) * inflate, weight=pl.lit(1.0))
        .with_columns(
            income_usd=_ranges("house", HOUSE_INCOMES),
            size=pl.when(pl.col("NP") >= 5).then(pl.lit("5..")).otherwise(pl.col("NP").cast(pl.String)),
        )
    )
    return people, homes


def _pair(
    frame: pl.DataFrame, universe: str, a: str, b: str, source: str, use: str, columns: tuple[str, str] | None = None
) -> pl.DataFrame:
    a_name, b_name = columns or (a, b)
    suffix = "" if "sex=" not in universe else f" ({universe.rpartition('sex=')[2]})"
    if universe == COMMUTERS and b == "enrollment":
        suffix = " (commuters)"  # the same question is put to everybody elsewhere
    table = (
        frame.filter(pl.col(a).is_not_null() & pl.col(b).is_not_null())
        .group_by(pl.col(a).alias("a_value"), pl.col(b).alias("b_value"))
        .agg(pl.col("weight").sum().alias("weight"), pl.len().alias("n"))
        .sort("a_value", "b_value")
    )
    return table.select(
        pl.lit(f"{a_name} x {b_name}{suffix}").alias("pair"),
        pl.lit(universe).alias("universe"),
        pl.lit(a_name).alias("a_column"),
        "a_value",
        pl.lit(b_name).alias("b_column"),
        "b_value",
        pl.col("weight").round(1),
        "n",
        pl.lit(source).alias("source"),
        pl.lit(use).alias("use"),
    )


def build(folder: Path) -> pl.DataFrame:
    """Return every association as one tidy table."""
    boston = _boston(folder)
    people, homes = _delaware(folder)
    adults = people.filter(pl.col("years") >= 16)
    working = adults.filter((pl.col("employment") == "employed") & pl.col("occupation").is_not_null())
    pairs = [
        _pair(boston, COMMUTERS, "age", "education", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "education", "income_usd", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "sex", "income_usd", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "age", "income_usd", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "income_usd", "commute_mode", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "age", "commute_mode", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "commute_mode", "commute_minutes", BOSTON, "fitted"),
        _pair(boston, COMMUTERS, "hh_tenure", "commute_mode", BOSTON, "fitted"),
    ]
    for sex in ("female", "male"):
        there = pl.col("sex") == sex
        pairs.append(
            _pair(adults.filter(there), f"persons|age=16..|sex={sex}", "age", "employment", DELAWARE, "fitted")
        )
    pairs += [
        _pair(people, "persons|age=3..", "school_age", "enrollment", DELAWARE, "withheld", ("age", "enrollment")),
        _pair(working, "persons|employment=employed", "sex", "occupation", DELAWARE, "fitted"),
        _pair(working, "persons|employment=employed", "age", "occupation", DELAWARE, "fitted"),
        _pair(working, "persons|employment=employed", "occupation", "income_usd", DELAWARE, "fitted"),
        _pair(homes, "households", "size", "income_usd", DELAWARE, "withheld"),
        _pair(boston, COMMUTERS, "enrollment", "income_usd", BOSTON, "withheld"),
        _pair(boston, COMMUTERS, "income_usd", "hh_income_usd", BOSTON, "withheld"),
        _pair(boston, COMMUTERS, "marital_status", "hh_income_usd", BOSTON, "withheld"),
        _pair(boston, COMMUTERS, "age", "marital_status", BOSTON, "withheld"),
        _pair(boston, COMMUTERS, "age", "enrollment", BOSTON, "withheld"),
        _pair(
            adults.filter(pl.col("role").is_not_null()),
            "persons|age=16..|hh_kind!=group_quarters",
            "role",
            "employment",
            DELAWARE,
            "withheld",
        ),
    ]
    return pl.concat(pairs)


def main() -> None:
    """Write the table."""
    if len(sys.argv) < 2:
        raise SystemExit("usage: python scripts/build_associations.py DATA [OUT]")
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    table = build(Path(sys.argv[1]))
    table.write_csv(out)
    print(f"{table.height} rows, {table['pair'].n_unique()} pairs -> {out}")


if __name__ == "__main__":
    main()
