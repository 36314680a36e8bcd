"""Where people outside the United States are born: country, subregion and region, as ACS table B05006 lists them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import polars as pl

FOREIGN_REGIONS = ("Europe", "Asia", "Africa", "Oceania", "Latin America", "Northern America")


@lru_cache(maxsize=1)
def birthplaces() -> pl.DataFrame:
    """Return one row a country: country, subregion (null where B05006 has none) and region."""
    with files("cityfolk.tables").joinpath("birthplaces.csv").open("rb") as file:
        return pl.read_csv(file, comment_prefix="#")
