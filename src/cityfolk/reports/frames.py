"""What the report counts: pure functions from people and households to small frames. Shares are 0 to 1."""

from __future__ import annotations

import re

import polars as pl

BANDS = (*(f"{low}–{low + 4}" for low in range(0, 85, 5)), "85+")
_AGE = re.compile(r"age=(\d*)\.\.(\d*)(?:\||$)")
_SEX = re.compile(r"sex=(female|male)(?:\||$)")

LIVING = (
    "with parents",
    "with spouse or partner",
    "alone",
    "with children only",
    "with relatives or housemates",
    "in group quarters",
)
HOUSEHOLD_TYPES = (
    "one person",
    "couple, no child under 18",
    "couple and child under 18",
    "one parent, child under 18",
    "other family",
    "unmarried partners",
    "housemates",
)


def band() -> pl.Expr:
    """Return the five-year age band of a person."""
    index = (pl.col("age").cast(pl.Int32) // 5).clip(0, 17)
    return index.replace_strict(dict(enumerate(BANDS)), return_dtype=pl.String)


def pyramid(people: pl.DataFrame) -> pl.DataFrame:
    """Count people by five-year band and sex: band, sex, made; every cell once, empty ones too."""
    cells = pl.DataFrame({"band": BANDS}).join(pl.DataFrame({"sex": ["female", "male"]}), how="cross")
    made = people.group_by(band().alias("band"), pl.col("sex").cast(pl.String)).agg(made=pl.len().cast(pl.Int64))
    return cells.join(made, on=["band", "sex"], how="left", maintain_order="left").with_columns(
        pl.col("made").fill_null(0)
    )


def official_pyramid(tables: pl.DataFrame | None, total: int) -> tuple[pl.DataFrame, str] | None:
    """Return the place's own counts by five-year band and sex, scaled to `total`, and where they come from.

    None unless one table of the pack has all 36 cells.
    """
    if tables is None or not {"table", "dimensions", "estimate"} <= set(tables.columns):
        return None
    wanted = tables.filter(pl.col("dimensions").str.contains("sex=") & pl.col("dimensions").str.contains("age="))
    for name in sorted(set(wanted["table"].to_list())):
        rows = wanted.filter(pl.col("table") == name)
        cells: dict[tuple[str, str], float] = {}
        for dimensions, estimate in zip(rows["dimensions"], rows["estimate"], strict=True):
            cell = _cell(dimensions)
            if cell is not None and estimate is not None:
                cells[cell] = float(estimate)
        if len(cells) == 2 * len(BANDS) and sum(cells.values()) > 0:
            factor = total / sum(cells.values())
            frame = pl.DataFrame(
                {
                    "band": [b for b, _ in cells],
                    "sex": [s for _, s in cells],
                    "official": [value * factor for value in cells.values()],
                }
            )
            source = " ".join(str(rows[c][0]) for c in ("vintage", "table") if c in rows.columns)
            return frame, source
    return None


def _cell(dimensions: str) -> tuple[str, str] | None:
    age, sex = _AGE.search(dimensions), _SEX.search(dimensions)
    if age is None or sex is None or dimensions.count("|") != 1:
        return None
    low, high = int(age[1] or 0), age[2]
    if low == 85 and not high:
        return "85+", sex[1]
    if low % 5 == 0 and low < 85 and high and int(high) == low + 4:
        return BANDS[low // 5], sex[1]
    return None


def _in_household(people: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Add to each person what their household holds: kind, size, and whom."""
    role, minor = pl.col("role").cast(pl.String), pl.col("age") < 18
    whole = people.group_by("household_id").agg(
        spouse=(role == "spouse").any(),
        partner=(role == "unmarried partner").any(),
        child=((role == "child") & minor).any(),
        any_child=(role == "child").any(),
        parent=(role == "parent").any(),
        related=role.is_in(["child", "parent", "sibling", "grandchild", "other relative"]).any(),
    )
    kinds = households.select("household_id", pl.col("kind").cast(pl.String), "size")
    return people.select("household_id", "age", role).join(whole, on="household_id").join(kinds, on="household_id")


def living_by_age(people: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Count people by single year of age (85 and over together) and by whom they live with: age, living, n, share."""
    role = pl.col("role")
    coupled = role.is_in(["spouse", "unmarried partner"]) | (
        (role == "householder") & (pl.col("spouse") | pl.col("partner"))
    )
    living = (
        pl.when(pl.col("kind") == "group_quarters")
        .then(pl.lit(LIVING[5]))
        .when(
            (role == "child")
            | (role == "grandchild")
            | ((role == "householder") & pl.col("parent") & ~pl.col("spouse"))
        )
        .then(pl.lit(LIVING[0]))
        .when(coupled)
        .then(pl.lit(LIVING[1]))
        .when(pl.col("size") == 1)
        .then(pl.lit(LIVING[2]))
        .when((role == "householder") & pl.col("any_child"))
        .then(pl.lit(LIVING[3]))
        .otherwise(pl.lit(LIVING[4]))
    )
    counted = (
        _in_household(people, households)
        .select(age=pl.col("age").clip(0, 85).cast(pl.Int64), living=living)
        .group_by("age", "living")
        .agg(n=pl.len().cast(pl.Int64))
    )
    grid = pl.DataFrame({"age": range(86)}).join(pl.DataFrame({"living": LIVING}), how="cross")
    whole = grid.join(counted, on=["age", "living"], how="left", maintain_order="left").with_columns(
        pl.col("n").fill_null(0)
    )
    return whole.with_columns(share=(pl.col("n") / pl.col("n").sum().over("age")).fill_nan(0.0))


def household_types(people: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Count households (not group quarters) by type and size, 7 and more together: type, size, n."""
    family = pl.col("kind") == "family"
    kind = (
        pl.when(pl.col("size") == 1)
        .then(pl.lit(HOUSEHOLD_TYPES[0]))
        .when(family & pl.col("spouse") & ~pl.col("child"))
        .then(pl.lit(HOUSEHOLD_TYPES[1]))
        .when(family & pl.col("spouse"))
        .then(pl.lit(HOUSEHOLD_TYPES[2]))
        .when(family & pl.col("child"))
        .then(pl.lit(HOUSEHOLD_TYPES[3]))
        .when(family)
        .then(pl.lit(HOUSEHOLD_TYPES[4]))
        .when(pl.col("partner"))
        .then(pl.lit(HOUSEHOLD_TYPES[5]))
        .otherwise(pl.lit(HOUSEHOLD_TYPES[6]))
    )
    one_row = _in_household(people, households).unique("household_id", keep="first", maintain_order=True)
    counted = (
        one_row.filter(pl.col("kind") != "group_quarters")
        .select(type=kind, size=pl.col("size").clip(1, 7).cast(pl.Int64))
        .group_by("type", "size")
        .agg(n=pl.len().cast(pl.Int64))
    )
    grid = pl.DataFrame({"type": HOUSEHOLD_TYPES}).join(pl.DataFrame({"size": range(1, 8)}), how="cross")
    return grid.join(counted, on=["type", "size"], how="left", maintain_order="left").with_columns(
        pl.col("n").fill_null(0)
    )


def block_groups(people: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Summarise each block group: people, households, medians and shares; null where there is nobody to summarise."""
    home = households.select("household_id", "block_group", pl.col("kind").cast(pl.String))
    worker = pl.col("commute_mode").is_not_null() & (pl.col("commute_mode").cast(pl.String) != "not at work last week")
    mode = pl.col("commute_mode").cast(pl.String)
    adult = pl.col("age") >= 25
    degree = pl.col("education").cast(pl.String).is_in(["bachelor's", "graduate or professional"])
    by_people = (
        people.join(home, on="household_id")
        .group_by("block_group")
        .agg(
            people=pl.len().cast(pl.Int64),
            median_age=pl.col("age").median(),
            foreign_born=(pl.col("nativity").cast(pl.String) == "foreign-born").mean(),
            students=(pl.col("enrollment").cast(pl.String) == "college or graduate school").mean(),
            degree=degree.filter(adult).mean(),
            group_quarters=(pl.col("kind") == "group_quarters").mean(),
            car_commute=mode.is_in(["drove alone", "carpooled"]).filter(worker).mean(),
            commute_minutes=pl.col("commute_minutes").mean(),
        )
    )
    occupied = households.filter(pl.col("kind").cast(pl.String) != "group_quarters")
    by_households = occupied.group_by("block_group").agg(
        households=pl.len().cast(pl.Int64),
        median_income_usd=pl.col("income_usd").median(),
        owners=(pl.col("tenure").cast(pl.String) == "owner").mean(),
        household_size=pl.col("size").mean(),
    )
    return by_people.join(by_households, on="block_group", how="left").sort("block_group")
