"""Build a whole population: the core, its attributes, personality, names and bodies, checked against the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from cityfolk.errors import CityfolkError
from cityfolk.people.attributes import add_attributes
from cityfolk.people.blocks import Blocks, blocks_of
from cityfolk.people.bodies import draw_bodies
from cityfolk.people.build_areas import sort_by_income
from cityfolk.people.build_sources import describe
from cityfolk.people.core import build_core
from cityfolk.people.names import draw_names, surname_families
from cityfolk.personality.drawing import draw_personality
from cityfolk.places.pack import Place
from cityfolk.tables.rules import check
from cityfolk.vocabulary import HOUSEHOLD_CATEGORIES, PEOPLE_CATEGORIES, TRAITS

Progress = Callable[[str, int, int], None]

PEOPLE_DTYPES: dict[str, pl.DataType] = {
    "person_id": pl.Int32(),
    "household_id": pl.Int32(),
    "role": pl.String(),
    "age": pl.Int16(),
    **dict.fromkeys(
        (
            "sex", "race_ethnicity", "birthplace", "nativity", "citizenship", "language_home", "english", "education",
            "enrollment", "grade", "marital_status", "employment", "occupation", "industry", "class_of_worker",
        ),
        pl.String(),
    ),
    "full_time_year_round": pl.Boolean(),
    "earnings_usd": pl.Int32(),
    "income_usd": pl.Int32(),
    "poverty_ratio": pl.Float32(),
    "commute_mode": pl.String(),
    "commute_minutes": pl.Int16(),
    **dict.fromkeys(("disability", "health_insurance", "religion", "party"), pl.String()),
    "height_cm": pl.Float32(),
    "weight_kg": pl.Float32(),
    "name": pl.String(),
    **dict.fromkeys(TRAITS, pl.Float32()),
    "norms": pl.String(),
    "borrowed": pl.String(),
}  # fmt: skip
HOUSEHOLD_DTYPES: dict[str, pl.DataType] = {
    "household_id": pl.Int32(),
    "kind": pl.String(),
    "gq_type": pl.String(),
    "size": pl.Int16(),
    "tenure": pl.String(),
    "income_usd": pl.Int32(),
    "vehicles": pl.Int8(),
    "block_group": pl.String(),
    "rooms": pl.Int8(),
    **dict.fromkeys(("snap", "telephone", "limited_english"), pl.Boolean()),
    **dict.fromkeys(
        ("earnings_usd", "social_security_usd", "ssi_usd", "public_assistance_usd", "retirement_usd"), pl.Int32()
    ),
    "housing_cost_pct": pl.Float32(),
}
STEPS = ("households", "attributes", "personality", "names and bodies", "rules")


@dataclass(frozen=True, slots=True)
class Population:
    """Everyone of a place, one row each, and where each column's figures come from.

    people and households have the columns of PEOPLE_DTYPES and HOUSEHOLD_DTYPES, categories as Enum. `fitted` lists
    the codes of tables.csv that the population was fitted to; `borrowed` maps a column that does not come from the
    place's own tables to where it comes from; `sources` says it for every column.
    """

    people: pl.DataFrame
    households: pl.DataFrame
    fitted: list[str]
    borrowed: dict[str, str]
    sources: dict[str, str]


def build_people(place: Place, seed: int, progress: Progress | None = None, *, scale: int = 1) -> Population:
    """Build everyone who lives in a place; scale multiplies every count of its tables.

    The same place and seed give the same bytes. progress(step, done, steps) is called before each step and at the end.

    Raises:
        DataError: the tables contradict each other or leave out what is needed.
        CityfolkError: the population breaks a rule, which is a bug of this package.
    """

    def tell(step: int) -> None:
        if progress is not None:
            progress(STEPS[min(step, len(STEPS) - 1)], step, len(STEPS))

    tell(0)
    if scale > 1:
        place = scaled(place, scale)
    core = build_core(place, seed)
    tell(1)
    drawn = add_attributes(core, place, seed)
    used = {*core.leaned_on, *core.fitted, *drawn.fitted}
    fitted = sorted({*core.fitted, *drawn.fitted})
    del core
    tell(2)
    blocks = blocks_of(drawn.people, drawn.households)
    people = _beside(drawn.people, blocks, lambda block: _personality(block, seed, place.name))
    tell(3)
    people = _beside(people, blocks, lambda block: _names_and_bodies(block, seed, place.name))
    sources, borrowed = describe(place, {**PEOPLE_DTYPES, **HOUSEHOLD_DTYPES}, used, drawn.borrowed, drawn.missing)
    people = people.with_columns(pl.lit("; ".join(sorted(borrowed))).alias("borrowed"))
    people = _arranged(people, PEOPLE_DTYPES, PEOPLE_CATEGORIES)
    households = sort_by_income(people, drawn.households, place, seed)
    households = _arranged(households, HOUSEHOLD_DTYPES, HOUSEHOLD_CATEGORIES)
    tell(4)
    _hold_rules(people, households, blocks)
    tell(5)
    return Population(people, households, fitted, borrowed, sources)


def scaled(place: Place, scale: int) -> Place:
    """Return a place whose counts, sums and margins of them are multiplied."""
    total = (pl.col("measure") == "count") | pl.col("measure").str.starts_with("sum:")
    times = pl.when(total).then(scale).otherwise(1)
    tables = place.tables.with_columns(pl.col("estimate") * times, pl.col("moe90") * times)
    return replace(place, tables=tables)


def _personality(people: pl.DataFrame, seed: int, place: str) -> pl.DataFrame:
    drawn = draw_personality(
        people["age"].to_numpy(), people["sex"].to_numpy(), people["person_id"].to_numpy(), seed, place
    )
    traits = {t: pl.Series(drawn.percentile[:, i], dtype=pl.Float32) for i, t in enumerate(TRAITS)}
    return pl.DataFrame({**traits, "norms": pl.Series(drawn.norms, dtype=_type_of("norms"))})


def _names_and_bodies(people: pl.DataFrame, seed: int, place: str) -> pl.DataFrame:
    people = people.with_columns(pl.col(pl.Enum).cast(pl.String))
    ids, age, sex = (people[c].to_numpy() for c in ("person_id", "age", "sex"))
    height, weight = draw_bodies(ids, age, sex, seed, place)
    family = surname_families(people["household_id"].to_numpy(), people["role"].to_numpy(), ids, seed, place)
    race, language = (people[c].fill_null("") for c in ("race_ethnicity", "language_home"))
    name = draw_names(
        ids, sex, age, race.to_numpy(), people["birthplace"].to_numpy(), people["nativity"].to_numpy(),
        language.to_numpy(), seed, place, family,
    )  # fmt: skip
    return pl.DataFrame(
        {
            "height_cm": pl.Series(height, dtype=pl.Float32),
            "weight_kg": pl.Series(weight, dtype=pl.Float32),
            "name": pl.Series(name.tolist(), dtype=pl.String),
        }
    )


def _beside(people: pl.DataFrame, blocks: Blocks, make: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Return people with the columns that `make` returns for a block of them."""
    made = pl.concat([make(people[rows]) for rows, _ in blocks], rechunk=True)
    return people.with_columns(made.get_columns())


def _type_of(column: str) -> pl.DataType:
    """Return the type that a column of people has in the end."""
    return pl.Enum(PEOPLE_CATEGORIES[column]) if column in PEOPLE_CATEGORIES else PEOPLE_DTYPES[column]


def _arranged(
    frame: pl.DataFrame, dtypes: dict[str, pl.DataType], categories: dict[str, tuple[str, ...]]
) -> pl.DataFrame:
    """Put columns into their order and types, categories as Enum; a column that nobody made is null."""
    columns = []
    for name, dtype in dtypes.items():
        wanted = pl.Enum(categories[name]) if name in categories else dtype
        column = pl.col(name) if name in frame.columns else pl.lit(None)
        columns.append(column.cast(wanted).alias(name))
    return frame.select(columns)


def _hold_rules(people: pl.DataFrame, households: pl.DataFrame, blocks: Blocks) -> None:
    """Raise CityfolkError where a rule is broken; blocks are looked at one by one."""
    unknown = [_unknown(people), _unknown(households)]
    if any([_unknown(people[rows]), _unknown(households[homes])] != unknown for rows, homes in blocks):
        # What is null for everybody is held to be unknown, so a block without any must be seen with the others.
        blocks = [(slice(0, people.height), slice(0, households.height))]
    for rows, homes in blocks:
        block = people[rows].with_columns(pl.col("person_id") - rows.start)
        found = check(block, households[homes])
        broken = found.filter(pl.col("offenders").fill_null(0) > 0)
        if broken.height:
            first = broken.row(0, named=True)
            raise CityfolkError(
                f"{broken.height} rules are broken; the first: {first['sentence']} ({first['offenders']} times)",
                hint="this is a bug of cityfolk: please report the place and the seed",
            )


def _unknown(frame: pl.DataFrame) -> list[str]:
    """Return the columns that are null for everybody."""
    return [column.name for column in frame if column.null_count() == frame.height]
