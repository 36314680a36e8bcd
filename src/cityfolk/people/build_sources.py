"""Where the figures behind each column come from: one sentence a column, and which columns are borrowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from cityfolk.people.core_tables import household_shapes
from cityfolk.places.pack import Place
from cityfolk.tables.query import Query, parse

# Columns of a view that speak of another column of people.parquet or households.parquet.
_SPEAKS_OF = {
    "race": "race_ethnicity",
    "hispanic": "race_ethnicity",
    "birth_region": "birthplace",
    "birth_subregion": "birthplace",
    "birth_country": "birthplace",
    "born_abroad": "birthplace",
    "living": "role",
    "own_child": "role",
    "related_child": "role",
    "parents": "role",
    "in_family": "role",
    "family_type": "role",
    "n_family": "role",
    "insured": "health_insurance",
    "private_insurance": "health_insurance",
    "public_insurance": "health_insurance",
    "in_labor_force": "employment",
    "worker": "employment",
    "n_workers": "employment",
    "civilian": "employment",
    "year_round_worker": "full_time_year_round",
    "has_income": "income_usd",
    "income_or_zero_usd": "income_usd",
    "family_income_usd": "income_usd",
    "poverty_determined": "poverty_ratio",
    "family_poverty_ratio": "poverty_ratio",
    "has_earnings": "earnings_usd",
    "has_social_security": "social_security_usd",
    "has_ssi": "ssi_usd",
    "has_public_assistance": "public_assistance_usd",
    "has_retirement": "retirement_usd",
    "crowded": "rooms",
    "disabled": "disability",
}
# What no place's tables hold: the wider source that everybody gets, by column.
_WIDER = {
    "height_cm": "United States: CDC growth charts and NHANES percentiles by age and sex (people/bodies.csv)",
    "weight_kg": "United States: CDC growth charts and NHANES percentiles by age and sex (people/bodies.csv)",
    "name": "lists of names by origin (people/names.json); plausible, not measured",
    "openness": "IPIP-NEO-120 norms by age and sex; residual correlations of the IPIP-NEO-300 sample",
    "conscientiousness": "IPIP-NEO-120 norms by age and sex; residual correlations of the IPIP-NEO-300 sample",
    "extraversion": "IPIP-NEO-120 norms by age and sex; residual correlations of the IPIP-NEO-300 sample",
    "agreeableness": "IPIP-NEO-120 norms by age and sex; residual correlations of the IPIP-NEO-300 sample",
    "neuroticism": "IPIP-NEO-120 norms by age and sex; residual correlations of the IPIP-NEO-300 sample",
}
_NUMBERS = ("person_id", "household_id", "norms", "borrowed")
_LIVING_TOGETHER = ("role", "size")


def columns_of(query: Query) -> set[str]:
    """Return the columns of people.parquet and households.parquet that a question is about."""
    names = {c.column for c in query.conditions} | ({query.column} if query.column else set())
    result = set()
    for name in names:
        name = name.removeprefix("hhr_").removeprefix("hh_")
        name = "disability" if name.startswith("disability_") else name
        result.add(_SPEAKS_OF.get(name, name))
    return result


def _tables(rows: pl.DataFrame) -> dict[str, list[str]]:
    """Map each column to the tables that speak of it, with vintage and geography."""
    found: dict[str, dict[str, None]] = {}
    unique = rows.select("table", "universe", "dimensions", "measure", "vintage", "geography")
    for table, universe, dimensions, measure, vintage, geography in unique.iter_rows():
        for column in columns_of(parse(universe, dimensions or "", measure)):
            found.setdefault(column, {})[f"{table} ({vintage}, {geography})"] = None
    return {column: list(names) for column, names in found.items()}


def describe(
    place: Place, columns: Iterable[str], borrowed: Mapping[str, str], missing: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return (sources, borrowed): a sentence for every column, and for those not from the place's own tables.

    `borrowed` and `missing` are what the drawing of attributes says of itself; its words win.
    """
    own, other = _tables(place.own), _tables(place.borrowed)
    sources: dict[str, str] = {}
    lent: dict[str, str] = {}
    for column in columns:
        if column in _NUMBERS:
            continue
        shape = f"; shape: {', '.join(other[column])}" if column in other else ""
        if column in _LIVING_TOGETHER:
            shape += f"; who lives with whom: {household_shapes()['source']}"
        if column in missing:
            sources[column] = f"not known: {missing[column]}"
        elif column in borrowed:
            sources[column] = lent[column] = borrowed[column]
        elif column in own:
            sources[column] = ", ".join(own[column]) + shape
        elif column in other:
            sources[column] = lent[column] = "borrowed: " + ", ".join(other[column])
        elif column in _WIDER:
            sources[column] = lent[column] = _WIDER[column]
        elif column == "block_group" and place.block_groups is not None:
            note = next((n for n in place.about.notes if n.lower().startswith("block groups")), "block_groups.csv")
            sources[column] = lent[column] = note
        else:
            sources[column] = "follows from other columns"
    return sources, lent
