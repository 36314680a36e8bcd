"""What the attribute steps share: who is already known, the place's rows and associations, and what has been drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.people.allocate import Floats, Targets
from cityfolk.people.attributes_fit import Book, Fit, fit, place
from cityfolk.people.attributes_known import Known, known_of
from cityfolk.people.codes import named
from cityfolk.tables.query import Condition, condition_mask, parse_condition
from cityfolk.tables.view import Encoded, View
from cityfolk.vocabulary import RELATED_ROLES

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Factor = tuple[Ints, Floats]  # (kind of each unit, propensities of each kind)
_PAIR_TOLERANCE = 1.0  # of a pair cell's own sampling error: far looser than official rows


def cross(*factors: Factor, rows: Ints | None = None) -> tuple[Ints, Floats]:
    """Multiply factors: (seed number of each unit, one row of propensities per combination that occurs).

    rows: the only units that are looked at.
    """
    count = len(factors[0][0]) if rows is None else len(rows)
    key = np.zeros(count, dtype=np.int64)
    for kind, table in factors:
        key *= len(table)
        key += kind if rows is None else kind[rows]
    shape = [len(table) for _, table in factors]
    if math.prod(shape) > max(4 * count, 1 << 20):
        present, number = np.unique(key, return_inverse=True)
    else:  # few enough to count them off, which is faster than sorting
        rank = np.zeros(math.prod(shape), dtype=np.int64)
        rank[key] = 1
        present = np.flatnonzero(rank)
        rank[present] = np.arange(len(present))
        number = rank[key]
    seed = np.ones((len(present), factors[0][1].shape[1]))
    for (_, table), kind in zip(factors, np.unravel_index(present, shape), strict=True):
        seed = seed * table[kind]
    return number, seed


class Associations:
    """Two-way structure measured on microdata, as lifts: how much likelier a value is than under independence."""

    def __init__(self, table: pl.DataFrame | None) -> None:
        self.pairs: dict[str, pl.DataFrame] = {}
        if table is not None:
            fitted = table.filter(pl.col("use") == "fitted")
            self.pairs = {str(name[0]): part for name, part in fitted.group_by("pair", maintain_order=True)}

    def table(self, pair: str, known: Known) -> tuple[str, list[str], str, list[str], Floats, float] | None:
        """Return a fitted pair as (known column, its values, drawn column, its values, weights, records behind)."""
        if pair not in self.pairs:
            return None
        part = self.pairs[pair]
        a_column, b_column = part["a_column"][0], part["b_column"][0]
        if not known.has(a_column):  # the pair is written the other way round
            part = part.rename({"a_value": "b_value", "b_value": "a_value"})
            a_column, b_column = b_column, a_column
        wide = part.pivot(on="b_value", index="a_value", values="weight", aggregate_function="sum").fill_null(0)
        counts = wide.drop("a_value").to_numpy().astype(np.float64)
        return a_column, wide["a_value"].to_list(), b_column, wide.columns[1:], counts, float(part["n"].sum())

    def lift(self, pair: str, known: Known, values: View) -> Factor:
        """Return a factor from a fitted pair; all ones where the pack has no such pair or a unit is in no row of it."""
        found = self.table(pair, known)
        if found is None:
            return np.zeros(known.rows, dtype=np.int64), np.ones((1, values.rows))
        a_column, a_values, b_column, b_values, counts, records = found
        counts = counts + 0.5 * counts.sum() / max(records, counts.size)
        lifts = counts * counts.sum() / (counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True))
        columns = np.full(values.rows, -1)
        for j, text in enumerate(b_values):
            columns[condition_mask(_condition(b_column, text, values.entity), values)] = j
        table = np.where(columns >= 0, np.hstack([lifts, np.ones((len(lifts), 1))])[:, columns], 1.0)
        kind = np.full(known.rows, len(table), dtype=np.int64)
        for i, text in enumerate(a_values):
            kind[known.mask([_condition(a_column, text, known.entity)])] = i
        return kind, np.vstack([table, np.ones((1, values.rows))])

    def bind(self, pair: str, known: Known, values: View, rows: Ints, fitted: Fit, targets: Targets) -> None:
        """Add the cells of a fitted pair as loose targets: its table raked to the margins that the fit now has."""
        found = self.table(pair, known)
        if found is None:
            return
        a_column, a_values, b_column, b_values, counts, records = found
        masks = [known.mask([_condition(a_column, text, known.entity)])[rows] for text in a_values]
        wanted = [condition_mask(_condition(b_column, text, values.entity), values).astype(float) for text in b_values]
        categories = np.array(wanted)
        ours = np.array([np.einsum("k,jk->j", fitted.totals(mask), categories) for mask in masks])
        target = counts.copy()
        for _ in range(100):
            target *= (ours.sum(axis=1) / np.maximum(target.sum(axis=1), 1e-9))[:, None]
            target *= ours.sum(axis=0) / np.maximum(target.sum(axis=0), 1e-9)
        error = np.sqrt(np.maximum(counts / counts.sum() * records, 1.0))
        for i, mask in enumerate(masks):
            for j in range(len(b_values)):
                sigma = target[i, j] / error[i, j] * _PAIR_TOLERANCE + 2.0
                targets.add(mask, categories[j], float(target[i, j]), sigma, f"{pair}:{i},{j}")


def _condition(column: str, text: str, entity: str) -> Condition:
    return parse_condition(f"{column}={text}", entity)


@dataclass
class World:
    """The population while its attributes are drawn. Persons and households keep the core's row order."""

    place: str
    state: str
    seed: int
    people: pl.DataFrame
    households: pl.DataFrame
    book: Book
    associations: Associations
    persons: Known
    homes: Known
    families: Known
    home_ids: Ints
    columns: dict[str, pl.Series] = field(default_factory=dict)
    home_columns: dict[str, pl.Series] = field(default_factory=dict)
    borrowed: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        people: pl.DataFrame,
        households: pl.DataFrame,
        *,
        place: str,
        state: str,
        seed: int,
        tables: pl.DataFrame,
        associations: pl.DataFrame | None,
    ) -> World:
        """Start from the core's two tables."""
        persons, homes, families, home_ids = known_of(people, households, state)
        return cls(
            place=place,
            state=state,
            seed=seed,
            people=people,
            households=households,
            book=Book(tables),
            associations=Associations(associations),
            persons=persons,
            homes=homes,
            families=families,
            home_ids=home_ids,
        )

    @property
    def n(self) -> int:
        """Return the number of people."""
        return self.people.height

    @cached_property
    def age(self) -> Ints:
        """Return ages in whole years."""
        return np.asarray(self.people["age"].to_numpy(), dtype=np.int64)

    @cached_property
    def home(self) -> Ints:
        """Return the row of `homes` where each person lives, -1 in group quarters."""
        row = np.full(int(self.households["household_id"].max()) + 2, -1, dtype=np.int64)  # type: ignore[arg-type]
        row[self.home_ids] = np.arange(len(self.home_ids))
        return np.asarray(row[self.people["household_id"].to_numpy()])

    @cached_property
    def head(self) -> Ints:
        """Return the person row of each home's householder."""
        rows = np.flatnonzero(self.is_("role", "householder") & (self.home >= 0))
        head = np.zeros(self.homes.rows, dtype=np.int64)
        head[self.home[rows]] = rows
        return head

    @cached_property
    def related(self) -> Bools:
        """Say who is a member of a family: the householder of a family household and those related to them."""
        family = np.zeros(self.homes.rows, dtype=bool)
        family[self.family_home] = True
        return (self.home >= 0) & family[self.home] & self.is_("role", *RELATED_ROLES)

    @cached_property
    def family_home(self) -> Ints:
        """Return the row of `homes` of each family."""
        return np.flatnonzero(self.homes.mask([_condition("kind", "family", "households")]))

    def is_(self, column: str, *values: str) -> Bools:
        """Say which persons have one of the values in a category or text column."""
        encoded = self.persons.encoded(column)
        wanted = np.array([*(c in values for c in encoded.categories or ()), False])
        return np.asarray(wanted[encoded.values])

    def home_is(self, column: str, *values: str) -> Bools:
        """Say which homes have one of the values in a category column."""
        encoded = self.homes.encoded(column)
        wanted = np.array([*(c in values for c in encoded.categories or ()), False])
        return np.asarray(wanted[encoded.values])

    def per_home(self, flags: NDArray[np.generic]) -> Floats:
        """Sum a number over the people of each home."""
        inside = self.home >= 0
        weights = np.asarray(flags, dtype=np.float64)[inside]
        return np.bincount(self.home[inside], weights, self.homes.rows).astype(np.float64)

    def u(self, purpose: str) -> Floats:
        """Return each person's own uniform number for a purpose."""
        return rng.uniform_at(self.seed, self.place, purpose, ids=self.people["person_id"].to_numpy())

    def hu(self, purpose: str) -> Floats:
        """Return each home's own uniform number for a purpose."""
        return rng.uniform_at(self.seed, self.place, purpose, ids=self.home_ids)

    def start(self, purpose: str) -> np.random.Generator:
        """Return the stream that says where a draw's systematic samples start."""
        return rng.child(self.seed, self.place, purpose, "start")

    def add(self, column: str, values: list[str] | tuple[str, ...], codes: NDArray[np.integer]) -> None:
        """Settle a category column of persons; code -1 is null."""
        self.columns[column] = named(column, tuple(values), codes)
        self.persons.put(column, Encoded(np.where(codes < 0, len(values), codes), tuple(values)))

    def add_series(self, series: pl.Series) -> None:
        """Settle a column of persons."""
        self.columns[series.name] = series
        self.persons.learn(series)

    def add_home(self, series: pl.Series) -> None:
        """Settle a column of homes, for families and (as hh_...) for the people who live there too."""
        self.home_columns[series.name] = series
        self.homes.learn(series)
        self.families.learn(series.gather(self.family_home.astype(np.uint32)))

    def choose(
        self,
        who: Bools,
        values: View,
        factors: list[Factor],
        purpose: str,
        group: Ints | None = None,
        own_only: bool = False,
        extra: Targets | None = None,
        pairs: tuple[str, ...] = (),
    ) -> NDArray[np.int16]:
        """Draw one of `values` for each person in `who` (n, in full length; -1 for the others), bound by every row.

        Rows count only people in `who`: everyone whom a row covers must be in it. pairs: associations to fit
        beside. own_only: leave borrowed rows out.
        """
        return self._choose(
            self.persons, who, values, factors, self.u(purpose), group, own_only, self.start(purpose), extra, pairs
        )

    def choose_home(
        self,
        who: Bools,
        values: View,
        factors: list[Factor],
        purpose: str,
        own_only: bool = False,
    ) -> NDArray[np.int16]:
        """Draw one of `values` for each home in `who`, bound by every row about households."""
        return self._choose(
            self.homes, who, values, factors, self.hu(purpose), None, own_only, self.start(purpose), None, ()
        )

    def _choose(
        self,
        known: Known,
        who: Bools,
        values: View,
        factors: list[Factor],
        uniforms: Floats,
        group: Ints | None,
        own_only: bool,
        start: np.random.Generator,
        extra: Targets | None,
        pairs: tuple[str, ...],
    ) -> NDArray[np.int16]:
        rows = np.flatnonzero(who)
        codes = np.full(known.rows, -1, dtype=np.int16)
        if not len(rows):
            return codes
        targets = extra or Targets()
        self.book.bind(targets, known, values, rows=rows, own_only=own_only)
        seed_id, seed = cross(*factors, rows=rows)
        fitted = fit(seed, seed_id, targets)
        if any(pair in self.associations.pairs for pair in pairs):
            for pair in pairs:
                self.associations.bind(pair, known, values, rows, fitted, targets)
            fitted = fit(seed, seed_id, targets)
        codes[rows] = place(fitted, uniforms[rows], start, None if group is None else group[rows])
        return codes
