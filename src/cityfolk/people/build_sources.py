"""Where the figures behind each column come from: one sentence a column, and which columns are borrowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import polars as pl

from cityfolk.people.core_tables import household_shapes
from cityfolk.places.pack import UNITED_STATES, Place
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
# What the core takes from older or wider tables where the place's own stop.
_WITHIN = {
    "age": "single years within the age groups of this place's tables",
    "role": "household types",
    "size": "how many live alone",
    "marital_status": "separated apart from divorced",
    "tenure": "owners by age",
}
# What the microdata behind household_shapes.json have a part in.
_MICRODATA = {
    "role": "who lives with whom, and of which sex couples are",
    "marital_status": "who lives with a spouse, by age and sex",
    "race_ethnicity": "race by region of birth, and couples of one race",
    "birthplace": "natives born in the state, and couples from one country",
    "size": "how many relatives and housemates live together",
}


def columns_of(query: Query) -> set[str]:
    """Return the columns of people.parquet and households.parquet that a question is about."""
    names = {c.column for c in query.conditions} | ({query.column} if query.column else set())
    result = set()
    for name in names:
        name = name.removeprefix("hhr_").removeprefix("hh_")
        name = "disability" if name.startswith("disability_") else name
        result.add(_SPEAKS_OF.get(name, name))
    return result


def _tables(rows: pl.DataFrame, *, whole: bool) -> dict[str, str]:
    """Name for each column the tables that speak of it, by vintage and geography.

    `whole` counts every column of a row's question; otherwise only those that it divides or measures by.
    """
    found: dict[str, dict[tuple[str, str], dict[str, None]]] = {}
    unique = rows.select("table", "universe", "dimensions", "measure", "vintage", "geography")
    for table, universe, dimensions, measure, vintage, geography in unique.iter_rows():
        query = parse(universe, dimensions or "", measure)
        divided = any(
            not c.column.startswith("hhr_") for c in query.dimensions
        )  # owners by the householder's age: tenure
        part = replace(query, universe=()) if divided or query.column else replace(query, dimensions=())
        for column in columns_of(query if whole else part):
            found.setdefault(column, {}).setdefault((vintage, geography), {})[table] = None
    return {
        column: "; ".join(f"{', '.join(tables)} ({vintage}, {area})" for (vintage, area), tables in places.items())
        for column, places in found.items()
    }


def describe(
    place: Place,
    columns: Iterable[str],
    used: Collection[str],
    borrowed: Mapping[str, str],
    missing: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return (sources, borrowed): a sentence for every column, and for those not wholly from the place's own tables.

    `used` holds the codes of all rows that had a part; `borrowed` and `missing` are what the drawing of attributes says
    of itself, and its words win.
    """
    own = _tables(place.own, whole=True)
    other = _tables(place.borrowed.filter(pl.col("code").is_in(list(used))), whole=False)
    abroad = "" if place.country == UNITED_STATES else "US microdata, for want of this country's: "
    micro = {c: f"{what}: {abroad}{household_shapes()['source']}" for c, what in _MICRODATA.items()}
    sources: dict[str, str] = {}
    lent: dict[str, str] = {}
    for column in columns:
        if column in _NUMBERS:
            continue
        tables = own.get(column, "")
        if column in missing:
            sources[column] = f"not known: {missing[column]}"
        elif column in borrowed:
            sources[column] = lent[column] = borrowed[column]
        elif column in _WITHIN and column in other:
            lent[column] = f"{_WITHIN[column]}: {other[column]}"
            sources[column] = f"{tables or 'follows from other columns'}; {lent[column]}"
        elif column in own:
            sources[column] = tables + (f"; also {other[column]}" if column in other else "")
        elif column in other:
            sources[column] = lent[column] = f"borrowed: {other[column]}"
        elif column in _WIDER:
            sources[column] = lent[column] = _WIDER[column]
        elif column == "block_group" and place.block_groups is not None:
            note = next((n for n in place.about.notes if n.lower().startswith("block groups")), "block_groups.csv")
            sources[column] = lent[column] = note
        else:
            sources[column] = "follows from other columns"
        if column in micro and column not in missing:
            sources[column] = f"{sources[column]}; {micro[column]}"
            lent[column] = "; ".join(filter(None, (lent.get(column), micro[column])))
    return sources, lent
