"""Everything about people and households beyond the core, drawn jointly and fitted to the place's tables.

The order is that of cause: school, language, work, poverty, incomes, then what depends on them (insurance, commute,
housing). Each step is bound by every row of tables.csv that names it, given all that was settled before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from cityfolk.people.attributes_background import add_beliefs, add_disability, add_insurance
from cityfolk.people.attributes_commute import add_commute
from cityfolk.people.attributes_home import add_housing_costs, add_rooms_and_vehicles
from cityfolk.people.attributes_language import add_language
from cityfolk.people.attributes_world import Ints, World
from cityfolk.people.incomes import brackets_of, draw_unit_incomes, expected_earnings
from cityfolk.people.incomes_parts import add_benefits, add_earnings
from cityfolk.people.poverty import THRESHOLD_YEAR, Units, add_poverty_class, units_of
from cityfolk.people.schooling import add_schooling
from cityfolk.people.work import add_work
from cityfolk.vocabulary import DISABILITIES

UNITED_STATES = "United States"
PEOPLE_COLUMNS: dict[str, pl.DataType] = {
    "language_home": pl.String(),
    "english": pl.String(),
    "education": pl.String(),
    "enrollment": pl.String(),
    "grade": pl.String(),
    "employment": pl.String(),
    "occupation": pl.String(),
    "industry": pl.String(),
    "class_of_worker": pl.String(),
    "full_time_year_round": pl.Boolean(),
    "earnings_usd": pl.Int32(),
    "income_usd": pl.Int32(),
    "poverty_ratio": pl.Float32(),
    "commute_mode": pl.String(),
    "commute_minutes": pl.Int16(),
    "disability": pl.String(),
    "health_insurance": pl.String(),
    "religion": pl.String(),
    "party": pl.String(),
}
HOUSEHOLD_COLUMNS: dict[str, pl.DataType] = {
    "income_usd": pl.Int32(),
    "vehicles": pl.Int8(),
    "rooms": pl.Int8(),
    "snap": pl.Boolean(),
    "telephone": pl.Boolean(),
    "limited_english": pl.Boolean(),
    "earnings_usd": pl.Int32(),
    "social_security_usd": pl.Int32(),
    "ssi_usd": pl.Int32(),
    "public_assistance_usd": pl.Int32(),
    "retirement_usd": pl.Int32(),
    "housing_cost_pct": pl.Float32(),
}


class Core(Protocol):
    """What the core gives: people and households in the columns of a study, in final row order."""

    @property
    def people(self) -> pl.DataFrame:
        """Return one row a person."""

    @property
    def households(self) -> pl.DataFrame:
        """Return one row a household or group-quarters unit."""


class Place(Protocol):
    """What is read of a place."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def state(self) -> str:
        """Return the region in which natives may be born."""

    @property
    def country(self) -> str:
        """Return its country."""

    @property
    def vintage(self) -> str:
        """Return the vintage of its own tables: "ACS 5-year 2020-2024"."""

    @property
    def tables(self) -> pl.DataFrame:
        """Return its rows, with a column `borrowed`."""

    @property
    def associations(self) -> pl.DataFrame | None:
        """Return its two-way structure, if measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """People and households with every column, and how they came to be.

    fitted: codes of the rows that bound a draw; borrowed: column -> sentence, for what is not from this place's own
    tables; missing: column -> sentence, for what no table speaks of (all null).
    """

    people: pl.DataFrame
    households: pl.DataFrame
    fitted: tuple[str, ...]
    borrowed: dict[str, str]
    missing: dict[str, str]


def add_attributes(core: Core, place: Place, seed: int) -> Attributed:
    """Draw every attribute after the core. Row order is kept; the same core, place and seed give the same bytes."""
    world = World.of(
        core.people,
        core.households,
        place=place.name,
        state=place.state,
        seed=seed,
        tables=place.tables,
        associations=place.associations,
    )
    add_schooling(world)
    add_language(world)
    add_work(world)
    add_disability(world)
    level = _incomes(world, _why_no_poverty(world, place))
    add_rooms_and_vehicles(world)
    if world.homes.has("income_usd"):
        add_housing_costs(world, None if level is None else _home_level(world, level))
    else:
        for column in ("snap", "housing_cost_pct"):
            world.missing[column] = "it depends on household income, which this place's tables do not give"
    add_insurance(world, level)
    add_commute(world)
    add_beliefs(world)
    return _finished(world)


def _why_no_poverty(world: World, place: Place) -> str:
    """Return why poverty cannot be said of this place, "" where it can."""
    if place.country != UNITED_STATES or not world.book.speaks_of("poverty_ratio"):
        return "no table of this place speaks of poverty by US thresholds"
    if not place.vintage.endswith(THRESHOLD_YEAR):
        return (
            f"the poverty thresholds that cityfolk knows are in dollars of {THRESHOLD_YEAR}, this place's tables are "
            f"of {place.vintage}; use tables whose last year is {THRESHOLD_YEAR}, or add that year's thresholds to "
            "people/poverty.py"
        )
    return ""


def _incomes(world: World, why_no_poverty: str) -> Ints | None:
    """Settle poverty, incomes and earnings; return each person's poverty class, None where it is not known."""
    brackets = brackets_of(world.book, "income_usd", "family_income_usd", "earnings_usd")
    if brackets is None or "employment" in world.missing:
        why = "no table of this place speaks of income brackets" if brackets is None else "it needs employment"
        for column in (*PEOPLE_COLUMNS, *HOUSEHOLD_COLUMNS):
            if column.endswith("_usd") or column == "poverty_ratio":
                world.missing[column] = why
        return None
    units = units_of(world)
    if why_no_poverty:
        world.missing["poverty_ratio"] = why_no_poverty
    else:
        add_poverty_class(world, units)
    typical = world.book.value("persons|age=16..|sex=male|year_round_worker=yes", "", "median:earnings_usd")
    if typical is None:
        typical = world.book.value("households", "", "median:income_usd") or float(brackets.low[-7])
    expected = expected_earnings(world, typical)
    income = draw_unit_incomes(world, units, brackets, expected, typical)
    _, benefits, by_person = add_benefits(world, units, income, typical)
    earnings, person, income = add_earnings(world, units, income, benefits, by_person, expected, brackets, typical)
    _record(world, units, earnings, person, income)
    if units.level is None:
        return None
    return np.where(units.of >= 0, units.level[np.maximum(units.of, 0)], 2)


def _record(world: World, units: Units, earnings: Ints, person: Ints, income: Ints) -> None:
    """Write earnings, incomes and poverty ratios into the columns of people and households."""
    no_one = pl.repeat(None, world.n, dtype=pl.Int32, eager=True)
    earned = pl.Series("earnings_usd", earnings, dtype=pl.Int32).zip_with(pl.Series(world.age >= 16), no_one)
    world.add_series(earned.alias("earnings_usd"))
    received = pl.Series("income_usd", person, dtype=pl.Int32).zip_with(pl.Series(world.age >= 15), no_one)
    world.add_series(received.alias("income_usd"))
    world.add_home(pl.Series("earnings_usd", world.per_home(earnings).astype(np.int64), dtype=pl.Int32))
    world.add_home(pl.Series("income_usd", world.per_home(person).astype(np.int64), dtype=pl.Int32))
    if units.level is not None:
        ratio = np.floor(100.0 * income / units.threshold) / 100.0
        known = (units.of >= 0) & units.determined[np.maximum(units.of, 0)]
        value = np.where(known, ratio[np.maximum(units.of, 0)], np.nan)
        world.add_series(pl.Series("poverty_ratio", value, dtype=pl.Float32, nan_to_null=True))


def _home_level(world: World, level: Ints) -> Ints:
    return np.asarray(level[world.head])


def _note_origins(world: World) -> None:
    """Mark as borrowed every attribute that no row of the place's own tables bound."""
    views = {
        "disability": [f"disability_{d.replace(' ', '_').replace('-', '_')}" for d in DISABILITIES],
        "health_insurance": ["insured", "private_insurance", "public_insurance"],
        "poverty_ratio": ["family_poverty_ratio"],
        "full_time_year_round": ["year_round_worker"],
    }
    for column in (*PEOPLE_COLUMNS, *HOUSEHOLD_COLUMNS):
        origin = world.book.origin(column, *views.get(column, []))
        if origin and column not in world.missing:
            said = world.borrowed.get(column)
            world.borrowed[column] = f"{said} ({origin})" if said else origin


def _typed(series: pl.Series | None, dtype: pl.DataType, rows: int) -> pl.Series:
    """Return a column in its type, nulls where there is none; categories stay numbers with names (Enum)."""
    if series is None:
        return pl.repeat(None, rows, dtype=dtype, eager=True)
    return series if isinstance(series.dtype, pl.Enum) else series.cast(dtype)


def _finished(world: World) -> Attributed:
    _note_origins(world)
    columns = {c: _typed(world.columns.get(c), d, world.n) for c, d in PEOPLE_COLUMNS.items()}
    people = world.people.drop(columns, strict=False).with_columns(**columns)
    homes = pl.DataFrame({"household_id": pl.Series(world.home_ids, dtype=pl.Int32)})
    drawn = {c: _typed(world.home_columns.get(c), d, homes.height) for c, d in HOUSEHOLD_COLUMNS.items()}
    facts = homes.with_columns(**drawn)
    old = world.households.drop([c for c in HOUSEHOLD_COLUMNS if c in world.households.columns])
    households = old.join(facts, on="household_id", how="left", maintain_order="left")
    return Attributed(
        people=people,
        households=households,
        fitted=tuple(sorted(world.book.used)),
        borrowed=dict(sorted(world.borrowed.items())),
        missing=dict(sorted(world.missing.items())),
    )
