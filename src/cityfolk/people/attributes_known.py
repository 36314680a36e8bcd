"""What is settled of each entity while attributes are drawn: its columns as narrow numbers, and who meets what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.people.blocks import blocks_of
from cityfolk.tables.query import Condition, condition_mask
from cityfolk.tables.view import Encoded, View, build_views, encode

Bools = NDArray[np.bool_]
_IDS = ("person_id", "household_id")


class Masks(dict[Condition, NDArray[np.uint8]]):
    """Booleans of shape (rows,) by condition, kept as bits; `get` and item assignment take and give booleans."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def __setitem__(self, condition: Condition, met: NDArray[np.generic]) -> None:
        super().__setitem__(condition, np.packbits(met.astype(bool, copy=False)))

    def get(self, condition: Condition, default: None = None) -> Bools | None:  # type: ignore[override]
        """Return the booleans of a condition, None where they are not kept."""
        bits = super().get(condition)
        return default if bits is None else np.unpackbits(bits, count=self.rows).view(np.bool_)


class Known:
    """Columns of one entity that are settled; stands in for a view when conditions are evaluated."""

    def __init__(self, entity: str, rows: int, columns: dict[str, Encoded]) -> None:
        self.entity = entity
        self.rows = rows
        self.columns = columns
        self.masks = Masks(rows)

    @classmethod
    def of(cls, view: View) -> Known:
        """Take over the columns of a view, as numbers."""
        return cls(view.entity, view.rows, {name: narrow(view.encoded(name)) for name in view.frame.columns})

    def encoded(self, column: str) -> Encoded:
        """Return a column as numbers."""
        if column not in self.columns:
            raise DataError(f"these {self.entity} have no column {column!r} yet", hint="settle it first")
        return self.columns[column]

    def has(self, column: str) -> bool:
        """Say whether a column is settled."""
        return column in self.columns

    def learn(self, *series: pl.Series) -> None:
        """Add columns of the same rows."""
        for column in series:
            self.put(column.name, encode(column))

    def put(self, name: str, encoded: Encoded) -> None:
        """Add a column that is numbers already."""
        self.columns[name] = narrow(encoded)
        for condition in [c for c in self.masks if c.column == name]:
            del self.masks[condition]

    def say(self, name: str, flags: Bools) -> None:
        """Add a column of flags: yes or no."""
        self.put(name, Encoded(flags.astype(np.int8), ("no", "yes")))

    def mask(self, conditions: list[Condition]) -> Bools:
        """Return which rows meet every condition."""
        met = np.ones(self.rows, dtype=bool)
        for condition in conditions:
            met &= condition_mask(condition, self)  # type: ignore[arg-type]  # the part of View that it needs
        return met


def narrow(encoded: Encoded) -> Encoded:
    """Keep codes in as few bytes as their number allows."""
    if encoded.categories is None:
        return encoded
    return Encoded(encoded.values.astype(code_type(len(encoded.categories))), encoded.categories)


def code_type(categories: int) -> np.dtype[np.signedinteger[Any]]:
    """Return the narrowest type for the codes of so many categories and null."""
    return np.dtype(np.int8 if categories < 127 else np.int16 if categories < 32_767 else np.int32)


@dataclass
class _Column:
    """One column of a view, taken over block by block."""

    parts: list[NDArray[np.integer] | NDArray[np.float64]] = field(default_factory=list)
    categories: list[str] | None = None

    def add(self, series: pl.Series) -> None:
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            encoded = encode(series)
            self.parts.append(encoded.values)
            self.categories = None if encoded.categories is None else list(encoded.categories)
            return
        text = series.cast(pl.String)
        names = self.categories = self.categories or []
        coded = text.cast(pl.Enum(names), strict=False)
        if coded.null_count() > text.null_count():
            names += text.filter(coded.is_null()).drop_nulls().unique().sort().to_list()
            coded = text.cast(pl.Enum(names))
        codes = coded.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
        self.parts.append(codes.astype(code_type(len(names))))

    def joined(self) -> Encoded:
        """Return the whole column; its parts are given up."""
        values = np.concatenate(self.parts)
        self.parts.clear()
        if self.categories is None:
            return Encoded(values.astype(np.float64, copy=False), None)
        codes = values.astype(code_type(len(self.categories)), copy=False)
        codes[codes < 0] = len(self.categories)
        return Encoded(codes, tuple(self.categories))


def known_of(
    people: pl.DataFrame, households: pl.DataFrame, state: str
) -> tuple[Known, Known, Known, NDArray[np.int64]]:
    """Return what a population's views hold: persons, homes, families, and the household ids of homes."""
    columns: dict[str, dict[str, _Column]] = {"persons": {}, "households": {}}
    ids = []
    for rows, homes in blocks_of(people, households):
        views = build_views(people[rows], households[homes], state=state)
        ids.append(views.households.frame["household_id"].to_numpy())
        for entity, mine in columns.items():
            for series in views[entity].frame.drop(*_IDS, strict=False):
                mine.setdefault(series.name, _Column()).add(series)
        del views
    persons, units = ({name: c.joined() for name, c in mine.items()} for mine in columns.values())
    home_ids = np.concatenate(ids).astype(np.int64)
    homes_known = Known("households", len(home_ids), units)
    kind = units["kind"]
    family = np.flatnonzero(np.array([*(c == "family" for c in kind.categories or ()), False])[kind.values])
    families = {name: Encoded(c.values[family], c.categories) for name, c in units.items()}
    return (
        Known("persons", people.height, persons),
        homes_known,
        Known("families", len(family), families),
        home_ids,
    )
