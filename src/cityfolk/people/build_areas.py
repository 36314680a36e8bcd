"""Move households between block groups so that richer ones live in richer areas, when incomes are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from cityfolk.people.raking import FloatArray
from cityfolk.places.pack import Place
from cityfolk.rng import child

# Correlation of a household's income with its area's older median, chosen so that areas' medians differ about as much
# as they did (a quarter of their mean).
_WITH_AREA = 0.2


def sort_by_income(people: pl.DataFrame, households: pl.DataFrame, place: Place, seed: int) -> pl.DataFrame:
    """Return households with block groups exchanged within groups that count the same for every area.

    Households exchange only with others of the same size (one, two, more) whose head is alike in race (White alone or
    not) and in birth (native or not), so what areas hold of these stays as it was.
    """
    areas = place.block_groups
    if (
        areas is None
        or "median_income_usd" not in areas.columns
        or households["income_usd"].null_count() == len(households)
    ):
        return households
    heads = people.filter(pl.col("role") == "householder").select(
        "household_id",
        (pl.col("nativity") == "native").alias("_native"),
        (pl.col("race_ethnicity") == "White").fill_null(False).alias("_white"),
    )
    median = areas.select(pl.col("block_group").cast(pl.String), pl.col("median_income_usd").log().alias("_area"))
    frame = households.join(heads, on="household_id", how="left", maintain_order="left")
    frame = frame.join(median, on="block_group", how="left", maintain_order="left")
    housed = np.flatnonzero((frame["kind"] != "group_quarters").to_numpy())
    small = frame[housed]
    rng = child(seed, place.name, "areas by income")
    size = small["size"].clip(1, 3).to_numpy()
    alike = size * 4 + small["_native"].to_numpy() * 2 + small["_white"].to_numpy()
    area = _score(small["_area"].fill_null(small["_area"].mean()).to_numpy())
    income = _score(small["income_usd"].fill_null(0).to_numpy().astype(float))
    places = area * _WITH_AREA + np.sqrt(1 - _WITH_AREA**2) * rng.normal(size=len(housed))
    by_income = housed[np.lexsort((rng.random(len(housed)), income, alike))]
    by_area = housed[np.lexsort((places, alike))]
    names = households["block_group"].to_numpy().copy()
    names[by_income] = households["block_group"].to_numpy()[by_area]
    return households.with_columns(block_group=pl.Series(names, dtype=pl.String))


def _score(values: FloatArray) -> FloatArray:
    """Return values with mean 0 and standard deviation 1."""
    spread = values.std()
    scored: FloatArray = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return scored
