"""Two wide frames over a population, one of persons and one of occupied housing units, for questions to be put to.

Definitions are those of the American Community Survey's subject definitions (2024): a family household has someone
related to the householder; own children are never-married children of the householder (or spouse) under 18; related
children are all under 18 who are related to the householder, but not the householder or spouse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.tables.birth import birthplaces
from cityfolk.tables.columns import STATE_OF_RESIDENCE
from cityfolk.vocabulary import DISABILITIES, HISPANIC_SUFFIX, RELATED_ROLES

if TYPE_CHECKING:
    from cityfolk.tables.query import Condition

INSTITUTIONAL_TYPES = ("nursing facility", "correctional", "juvenile", "other institutional")
_WORKING = ("employed", "armed forces")
_ISLANDS = ("Puerto Rico", "US Island Areas")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column as numbers: category codes (null is the number past the last), or float64 with NaN for null."""

    values: NDArray[np.integer] | NDArray[np.float64]
    categories: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class View:
    """A frame one can put questions to; encodings and masks of conditions are computed once and kept."""

    entity: str
    frame: pl.DataFrame
    masks: dict[Condition, NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    _encoded: dict[str, Encoded] = field(default_factory=dict, repr=False)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return self.frame.height

    def encoded(self, column: str) -> Encoded:
        """Return a column as numbers.

        Raises:
            DataError: the frame has no such column.
        """
        if column not in self._encoded:
            if column not in self.frame.columns:
                raise DataError(f"these {self.entity} have no column {column!r} yet", hint="build the full view first")
            self._encoded[column] = encode(self.frame[column])
        return self._encoded[column]


@dataclass(frozen=True, slots=True)
class Views:
    """The views of one population; families are the household rows of kind "family"."""

    persons: View
    households: View
    families: View

    def __getitem__(self, entity: str) -> View:
        view: View = getattr(self, entity)
        return view


def encode(series: pl.Series) -> Encoded:
    """Turn a column into numbers: text, categories and flags (yes, no) into codes, the rest into float64."""
    if series.dtype == pl.Boolean:
        codes = series.cast(pl.Int32).fill_null(2).to_numpy()
        return Encoded(codes, ("no", "yes"))
    if series.dtype.is_numeric():
        return Encoded(series.cast(pl.Float64).fill_null(float("nan")).to_numpy(), None)
    text = series.cast(pl.String)
    categories = text.drop_nulls().unique().sort()
    codes = text.cast(pl.Enum(categories)).to_physical().cast(pl.Int32).fill_null(len(categories)).to_numpy()
    return Encoded(codes, tuple(categories))


def _yes(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit("yes")).when(condition.is_not_null()).then(pl.lit("no"))


def _all_yes(condition: pl.Expr) -> pl.Expr:
    """Return yes or no where a null condition means no."""
    return pl.when(condition.fill_null(False)).then(pl.lit("yes")).otherwise(pl.lit("no"))


def _has(*columns: str, among: set[str]) -> bool:
    return set(columns) <= among


def _origin_columns(state: str) -> dict[str, tuple[tuple[str, ...], pl.Expr]]:
    race, birthplace, native = pl.col("race_ethnicity"), pl.col("birthplace"), pl.col("nativity") == "native"
    places = birthplaces()
    region = dict(zip(places["country"], places["region"], strict=True))
    subregion = dict(zip(places["country"], places["subregion"], strict=True))
    foreign = pl.when(~native)
    return {
        "race": (("race_ethnicity",), race.str.strip_suffix(HISPANIC_SUFFIX)),
        "hispanic": (("race_ethnicity",), _yes(race.str.ends_with(HISPANIC_SUFFIX))),
        "birth_country": (("birthplace", "nativity"), foreign.then(birthplace)),
        "birth_region": (
            ("birthplace", "nativity"),
            foreign.then(birthplace.replace_strict(region, default=None, return_dtype=pl.String))
            .when(birthplace == state)
            .then(pl.lit(STATE_OF_RESIDENCE))
            .otherwise(birthplace),
        ),
        "birth_subregion": (
            ("birthplace", "nativity"),
            foreign.then(birthplace.replace_strict(subregion, default=None, return_dtype=pl.String)),
        ),
        "born_abroad": (
            ("birthplace", "nativity"),
            foreign.then(pl.lit("foreign-born"))
            .when(birthplace.is_in(_ISLANDS))
            .then(pl.lit("Puerto Rico or US Island Areas"))
            .when(birthplace == "abroad of American parents")
            .then(birthplace)
            .otherwise(pl.lit("in the United States")),
        ),
    }


def _work_columns() -> dict[str, tuple[tuple[str, ...], pl.Expr]]:
    employment, insurance, income = pl.col("employment"), pl.col("health_insurance"), pl.col("income_usd")
    at_work = employment.is_in(_WORKING) & (pl.col("commute_mode") != "not at work last week").fill_null(False)
    return {
        "civilian": (("employment",), _all_yes(employment.is_null() | (employment != "armed forces"))),
        "in_labor_force": (("employment",), _yes(employment != "not in labor force")),
        "worker": (("employment", "commute_mode"), _yes(at_work)),
        "year_round_worker": (("full_time_year_round",), _all_yes(pl.col("full_time_year_round"))),
        "has_income": (("income_usd",), _all_yes(income != 0)),
        "has_earnings": (("earnings_usd",), _all_yes(pl.col("earnings_usd") != 0)),
        "income_or_zero_usd": (("income_usd",), income.fill_null(0)),
        "insured": (("health_insurance",), _yes(insurance != "none")),
        "private_insurance": (("health_insurance",), _yes(insurance.is_in(("private", "private and public")))),
        "public_insurance": (("health_insurance",), _yes(insurance.is_in(("public", "private and public")))),
        "poverty_determined": (("poverty_ratio",), _all_yes(pl.col("poverty_ratio").is_not_null())),
        "disabled": (("disability",), _yes(pl.col("disability") != "none")),
        **{
            f"disability_{name.replace(' ', '_').replace('-', '_')}": (
                ("disability",),
                _yes(pl.col("disability").str.split("; ").list.contains(name)),
            )
            for name in DISABILITIES
        },
    }


def _family_columns() -> dict[str, tuple[tuple[str, ...], pl.Expr]]:
    role, age = pl.col("role"), pl.col("age")
    kin = role.is_in(RELATED_ROLES) & ~role.is_in(("householder", "spouse"))
    own = (role == "child") & (age < 18) & (pl.col("marital_status") == "never married")
    head, spouse = pl.col("_head_nativity"), pl.col("_spouse_nativity")
    head_work, spouse_work = pl.col("_head_working"), pl.col("_spouse_working")
    with_spouse = pl.col("_spouses") > 0
    own_needs = ("role", "age", "marital_status", "_spouses")
    return {
        "living": (
            ("hh_kind", "_spouses"),
            pl.when(pl.col("hh_kind") == "group_quarters")
            .then(pl.lit("group quarters"))
            .when(with_spouse)
            .then(pl.lit("married-couple family"))
            .otherwise(pl.lit("other household")),
        ),
        "in_family": (("hh_kind", "role"), _all_yes((pl.col("hh_kind") == "family") & role.is_in(RELATED_ROLES))),
        "institutional": (("hh_gq_type",), _all_yes(pl.col("hh_gq_type").is_in(INSTITUTIONAL_TYPES))),
        "own_child": (("role", "age", "marital_status"), _all_yes(own)),
        "related_child": (("role", "age"), _all_yes(kin & (age < 18))),
        "parents": (own_needs, pl.when(own & with_spouse).then(pl.lit("two")).when(own).then(pl.lit("one"))),
        "parents_nativity": (
            (*own_needs, "_head_nativity"),
            pl.when(~own)
            .then(None)
            .when(~with_spouse)
            .then(head)
            .when(head != spouse)
            .then(pl.lit("mixed"))
            .otherwise(pl.lit("both ") + head),
        ),
        "parents_in_labor_force": (
            (*own_needs, "_head_working"),
            pl.when(~own)
            .then(None)
            .when(head_work & (~with_spouse | spouse_work))
            .then(pl.lit("all"))
            .otherwise(pl.lit("not all")),
        ),
    }


def _with_heads(persons: pl.DataFrame) -> pl.DataFrame:
    """Add what a member needs to know of the householder and the spouse: whether there is one, nativity, work."""
    if not _has("household_id", "role", among=set(persons.columns)):
        return persons
    role = pl.col("role")
    pieces = [(role == "spouse").sum().alias("_spouses")]
    for column, name in (("nativity", "nativity"), ("employment", "working")):
        if column not in persons.columns:
            continue
        value = pl.col(column)
        if name == "working":
            value = (value != "not in labor force").fill_null(False)
        pieces.append(value.filter(role == "householder").first().alias(f"_head_{name}"))
        pieces.append(value.filter(role == "spouse").first().alias(f"_spouse_{name}"))
    members = persons.group_by("household_id").agg(pieces)
    return persons.join(members, on="household_id", how="left", maintain_order="left")


def person_view(people: pl.DataFrame, households: pl.DataFrame | None = None, *, state: str = "") -> View:
    """Widen people (in their own row order) by every column that their present columns allow.

    `state` is the place's own state: a native born there has birth_region "state of residence".
    """
    persons = _as_text(people)
    if households is not None and "household_id" in persons.columns:
        facts = _as_text(households).rename(lambda name: name if name == "household_id" else f"hh_{name}")
        persons = persons.join(facts, on="household_id", how="left", maintain_order="left")
    persons = _with_heads(persons)
    present = set(persons.columns)
    derived = _origin_columns(state) | _work_columns() | _family_columns()
    persons = persons.with_columns(
        expression.alias(name) for name, (needs, expression) in derived.items() if _has(*needs, among=present)
    )
    return View("persons", persons.select(pl.exclude("^_.*$")))


def household_view(persons: pl.DataFrame, households: pl.DataFrame) -> View:
    """Widen occupied housing units by what their members are; `persons` is the frame of a person view."""
    units = _as_text(households).filter(pl.col("kind") != "group_quarters")
    members = persons.filter(pl.col("hh_kind") != "group_quarters") if "hh_kind" in persons.columns else persons
    present = set(persons.columns)
    heads = members.filter(pl.col("role") == "householder").select(
        "household_id",
        *(pl.col(c).alias(f"hhr_{c}") for c in persons.columns if c != "household_id" and not c.startswith("hh_")),
    )
    family = pl.col("role").is_in(RELATED_ROLES)
    pieces = [(pl.col("role") == "spouse").any().alias("_married"), family.sum().alias("n_family")]
    if _has("employment", among=present):
        pieces.append(pl.col("employment").is_in(_WORKING).fill_null(False).sum().alias("n_workers"))
    if _has("related_child", "age", among=present):
        child, small = pl.col("related_child") == "yes", pl.col("age") < 5
        pieces += [child.sum().alias("_children"), (child & small).sum().alias("_small")]
    if _has("income_usd", among=present):
        pieces.append(pl.col("income_usd").filter(family).sum().alias("family_income_usd"))
    units = units.join(heads, on="household_id", how="left", maintain_order="left")
    summed = members.group_by("household_id").agg(pieces)
    units = units.join(summed, on="household_id", how="left", maintain_order="left")
    return View("households", _with_household_columns(units).select(pl.exclude("^_.*$")))


def _with_household_columns(units: pl.DataFrame) -> pl.DataFrame:
    present = set(units.columns)
    derived: dict[str, tuple[tuple[str, ...], pl.Expr]] = {
        "family_type": (
            ("hhr_sex",),
            pl.when(pl.col("kind") != "family")
            .then(None)
            .when("_married")
            .then(pl.lit("married couple"))
            .otherwise(pl.col("hhr_sex") + " householder"),
        ),
        "has_related_child": (("_children",), _all_yes(pl.col("_children") > 0)),
        "has_related_child_under5": (("_children",), _all_yes(pl.col("_small") > 0)),
        "related_children_only_under5": (
            ("_children",),
            _all_yes((pl.col("_small") > 0) & (pl.col("_small") == pl.col("_children"))),
        ),
        "family_poverty_ratio": (
            ("hhr_poverty_ratio",),
            pl.when(pl.col("kind") == "family").then(pl.col("hhr_poverty_ratio")),
        ),
        "crowded": (("size", "rooms"), _yes(pl.col("size") > pl.col("rooms"))),
        **{
            f"has_{name}": ((f"{name}_usd",), _all_yes(pl.col(f"{name}_usd") != 0))
            for name in ("earnings", "social_security", "ssi", "public_assistance", "retirement")
        },
    }
    return units.with_columns(
        expression.alias(name) for name, (needs, expression) in derived.items() if _has(*needs, among=present)
    )


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Read categories as plain text, so that frames made in different places compare."""
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def build_views(people: pl.DataFrame, households: pl.DataFrame, *, state: str = "") -> Views:
    """Return the views of a population; columns that are missing are simply not there until asked for."""
    persons = person_view(people, households, state=state)
    units = household_view(persons.frame, households)
    families = View("families", units.frame.filter(pl.col("kind") == "family"))
    return Views(persons, units, families)
