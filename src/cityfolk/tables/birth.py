"""Places of birth: those outside the United States as ACS table B05006 lists them, and the words that name a place."""

from __future__ import annotations

import csv
from functools import cache, lru_cache
from importlib.resources import files

import polars as pl

FOREIGN_REGIONS = ("Europe", "Asia", "Africa", "Oceania", "Latin America", "Northern America")
US_AREAS = ("Puerto Rico", "US Island Areas")


@lru_cache(maxsize=1)
def birthplaces() -> pl.DataFrame:
    """Return one row a country: country, subregion (null where B05006 has none) and region."""
    with files("cityfolk.tables").joinpath("birthplaces.csv").open("rb") as file:
        return pl.read_csv(file, comment_prefix="#")


@cache
def origin_words() -> dict[str, tuple[str, str]]:
    """Return {word: (place, kind)} of origins.csv, which says what the kinds are, and areas of the world as "area"."""
    text = files("cityfolk.tables").joinpath("origins.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    words = {row["word"]: (row["place"], row["kind"]) for row in rows}
    for column in ("subregion", "region"):
        words |= {area: (area, "area") for area in birthplaces()[column].drop_nulls() if area not in words}
    return words


@cache
def _areas() -> dict[str, tuple[str, str]]:
    """Return {place of birth abroad: its subregion and region}."""
    return {row["country"]: (row["subregion"], row["region"]) for row in birthplaces().iter_rows(named=True)}


def same_place(word: str, birthplace: str, *, native: bool) -> bool:
    """Say whether a place named can be the birthplace known; catch-all rows can be anything of their part of the world.

    `word` is one of `origin_words`, `birthplace` and `native` are a person's.
    """
    place, kind = origin_words()[word]
    if kind == "either":
        return birthplace in ("abroad of American parents", word, *place.split(";")) or birthplace.startswith("Other ")
    if kind == "area":
        return birthplace == "abroad of American parents" or place in _areas().get(birthplace, ())
    abroad = not native or birthplace in (*US_AREAS, "abroad of American parents")
    if kind in ("place", "people"):
        if birthplace.startswith("Other "):  # a catch-all row: any country of that part of the world, or unlisted
            return _areas().get(place, ("",))[0] in ("", birthplace.removeprefix("Other "))
        if birthplace == "abroad of American parents":
            return word not in ("Puerto Rico", "Puerto Rican")
        known = origin_words().get(birthplace, (birthplace, ""))[0]
        return place == known
    if abroad:
        return birthplace in US_AREAS and kind == "country"
    if kind == "country":
        return True
    return _within(word, kind, place, birthplace)


def _within(word: str, kind: str, place: str, birthplace: str) -> bool:
    """Say whether a US state, city or region written agrees with a native's state or region of birth."""
    home_region = origin_words().get(birthplace, ("", ""))[0]
    if kind == "region":
        return birthplace == place or home_region == place
    state = word if kind == "state" else place
    region = origin_words().get(state, (state, ""))[0] if not state.startswith("US ") else state
    if birthplace.startswith("US "):
        return region == birthplace
    return birthplace == state or (state.startswith("US ") and home_region == state)
