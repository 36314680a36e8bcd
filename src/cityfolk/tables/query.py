"""Questions about a place in the words of tables.csv: parse them, compare them, answer them.

    universe   := entity ("|" condition)*          entity := persons | households | families
    dimensions := "" | condition ("|" condition)*
    condition  := column "=" value (";" value)*  |  column "!=" value (";" value)*
    measure    := count | percent | median:COLUMN | mean:COLUMN | sum:COLUMN | per_capita:COLUMN

Values of number columns are ranges: "5..17", "65..", "..4" or "3". The upper bound covers its last written digit:
"1..1.99" is 1 <= x < 2 and "5..17" is 5 <= x < 18. A null meets no condition, neither = nor !=.
Percents run from 0 to 100; per_capita is the sum over the number of rows, nulls counting as 0; median and mean leave
nulls out. Of an empty universe every measure but count and sum is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.tables.columns import ENTITIES, Column, column_of, nearest
from cityfolk.tables.view import View, Views

MEASURES = ("count", "percent", "median", "mean", "sum", "per_capita")
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?|({_NUMBER})")
# The Census Bureau's medians of whole numbers are interpolated within the number that holds the middle person: an age
# of 30 spans 30 to 31, four rooms 3.5 to 4.5 (ACS 2024 accuracy of the data, "medians").
_SPAN_STARTS = {"age": 0.0, "rooms": -0.5, "hhr_age": 0.0, "hh_rooms": -0.5}

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Condition:
    """One column and the values it may (or, negated, may not) take; `values` keep their written form, sorted."""

    column: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.column}{'!=' if self.negated else '='}{';'.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Query:
    """One parsed question; its conditions are sorted, so that equal questions are equal objects."""

    entity: str
    universe: tuple[Condition, ...] = ()
    dimensions: tuple[Condition, ...] = ()
    measure: str = "count"
    column: str = ""
    conditions: tuple[Condition, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", self.universe + self.dimensions)


def _check_values(column: str, kind: Column, values: tuple[str, ...]) -> None:
    for value in values:
        if kind.kind == "number":
            interval(value)
        elif kind.kind == "flag" and value not in ("yes", "no"):
            raise DataError(f"{column} cannot be {value!r}", hint="it is yes or no")
        elif kind.kind == "category" and value not in kind.categories:
            raise DataError(f"{column} cannot be {value!r}", hint=nearest(value, kind.categories, "values"))
        elif not value:
            raise DataError(f"{column} has an empty value", hint="write column=value, or leave the condition out")


@lru_cache(maxsize=4096)
def parse_condition(text: str, entity: str = "persons") -> Condition:
    """Read one condition and check its column and values against the entity's view.

    Raises:
        DataError: the text is not a condition, or its column or a value is unknown.
    """
    name, found, written = text.partition("=")
    if not found:
        raise DataError(f"{text!r} is not a condition", hint="write column=value, column=lo..hi or column!=value")
    negated = name.endswith("!")
    name = name.removesuffix("!").strip()
    values = tuple(sorted({value.strip() for value in written.split(";")}))
    _check_values(name, column_of(entity, name), values)
    return Condition(name, values, negated)


@lru_cache(maxsize=4096)
def interval(text: str) -> Interval:
    """Return [low, high) of a written range; the upper bound covers its last written digit.

    Raises:
        DataError: the text is not a number or a range, or its bounds are the wrong way round.
    """
    match = _RANGE.fullmatch(text)
    if not match or text == "..":
        raise DataError(f"{text!r} is not a number or a range", hint="write 5..17, 65.., ..4 or 3")
    low, high, single = match.groups()
    low, high = (single, single) if single else (low, high)
    start = float(low) if low else -np.inf
    end = np.inf
    if high:
        digits = len(high.partition(".")[2])
        end = round(float(high) + 10.0**-digits, digits)
    if start >= end:
        raise DataError(f"the range {text!r} is empty", hint="write the lower bound first")
    return start, end


@lru_cache(maxsize=16384)
def parse(universe: str, dimensions: str = "", measure: str = "count") -> Query:
    """Read one row's universe, dimensions and measure.

    Raises:
        DataError: a word is unknown, with the nearest known one as hint.
    """
    entity, *rest = universe.split("|")
    entity = entity.strip()
    column_of(entity, "size" if entity != "persons" else "age")
    name, _, column = measure.partition(":")
    if name not in MEASURES:
        raise DataError(f"a measure cannot be {measure!r}", hint=nearest(name, MEASURES, "measures"))
    if (name in ("count", "percent")) != (column == ""):
        raise DataError(
            f"a measure cannot be {measure!r}", hint="median, mean, sum and per_capita name a column: median:age"
        )
    if column and column_of(entity, column).kind != "number":
        raise DataError(f"{column!r} is not a number column", hint="median, mean and sum need numbers")

    def conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
        return tuple(sorted({parse_condition(text, entity) for text in texts if text.strip()}, key=str))

    return Query(entity, conditions(rest), conditions(dimensions.split("|")), name, column)


def format_query(query: Query) -> tuple[str, str, str]:
    """Return (universe, dimensions, measure) as text that parses to the same query."""
    universe = "|".join([query.entity, *map(str, query.universe)])
    measure = f"{query.measure}:{query.column}" if query.column else query.measure
    return universe, "|".join(map(str, query.dimensions)), measure


def condition_mask(condition: Condition, view: View) -> NDArray[np.bool_]:
    """Return which rows of a view meet one condition, as booleans of shape (rows,); cached by the view."""
    cached = view.masks.get(condition)
    if cached is None:
        cached = view.masks[condition] = _compute(condition, view)
    return cached


def _compute(condition: Condition, view: View) -> NDArray[np.bool_]:
    encoded = view.encoded(condition.column)
    if encoded.categories is None:
        numbers = encoded.values
        met = np.zeros(len(numbers), dtype=bool)
        for text in condition.values:
            low, high = interval(text)
            met |= (numbers >= low) & (numbers < high)
        return ~met & ~np.isnan(numbers) if condition.negated else met
    wanted = set(condition.values)
    table = np.array([(c in wanted) != condition.negated for c in encoded.categories] + [False])
    result: NDArray[np.bool_] = table[encoded.values]
    return result


def mask(conditions: Iterable[Condition | str], view: View) -> NDArray[np.bool_]:
    """Return which rows of a view meet every condition; texts are parsed as conditions of the view's entity.

    Raises:
        DataError: the view lacks a column.
    """
    parsed = [parse_condition(c, view.entity) if isinstance(c, str) else c for c in conditions]
    result = np.ones(view.rows, dtype=bool)
    for condition in parsed:
        result &= condition_mask(condition, view)
    return result


def evaluate(query: Query, views: Views) -> float:
    """Answer one question."""
    view = views[query.entity]
    universe = mask(query.universe, view)
    met = universe & mask(query.dimensions, view) if query.dimensions else universe
    count = int(np.count_nonzero(met))
    if query.measure == "count":
        return float(count)
    if query.measure == "percent":
        total = int(np.count_nonzero(universe))
        return 100.0 * count / total if total else float("nan")
    values = np.asarray(view.encoded(query.column).values, dtype=np.float64)[met]
    if query.measure == "per_capita":
        return float(np.nansum(values)) / count if count else float("nan")
    return statistic(values, query.measure, query.column)


def statistic(values: NDArray[np.float64], measure: str, column: str) -> float:
    """Return the median, mean or sum of values, NaNs dropped; medians of ages and rooms are interpolated."""
    values = values[~np.isnan(values)]
    if measure == "sum":
        return float(values.sum())
    if not len(values):
        return float("nan")
    if measure == "mean":
        return float(values.mean())
    if column in _SPAN_STARTS:
        return _interpolated_median(values, _SPAN_STARTS[column])
    return float(np.median(values))


def _interpolated_median(values: NDArray[np.float64], start: float) -> float:
    middle = float(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2])
    below, at = np.count_nonzero(values < middle), np.count_nonzero(values == middle)
    return middle + start + (len(values) / 2 - below) / at


class _Packed:
    """Conditions of one view as bit strings, so that a conjunction and its count cost microseconds."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._words: dict[Condition, NDArray[np.uint64]] = {}
        self._counts: dict[tuple[Condition, ...], int] = {}
        self._all = self._pack(np.ones(view.rows, dtype=bool))

    @staticmethod
    def _pack(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
        packed = np.packbits(flags)
        return np.pad(packed, (0, -len(packed) % 8)).view(np.uint64)

    def count(self, conditions: tuple[Condition, ...]) -> int:
        if conditions not in self._counts:
            words = self._all
            for condition in conditions:
                if condition not in self._words:
                    self._words[condition] = self._pack(condition_mask(condition, self._view))
                words = words & self._words[condition]
            self._counts[conditions] = int(np.bitwise_count(words).sum())
        return self._counts[conditions]


def answerable(tables: pl.DataFrame, views: Views) -> pl.Series:
    """Tell which rows of tables.csv ask only for columns that an unfinished population already has (booleans)."""
    there = []
    for texts in tables.select("universe", "dimensions", "measure").iter_rows():
        query = parse(texts[0], texts[1] or "", texts[2])
        needed = {condition.column for condition in query.conditions} | ({query.column} - {""})
        there.append(needed <= set(views[query.entity].frame.columns))
    return pl.Series("answerable", there, dtype=pl.Boolean)


def evaluate_all(tables: pl.DataFrame, views: Views) -> pl.DataFrame:
    """Answer every row of tables.csv.

    Returns the same rows with three more columns: `made`, the answer (NaN where nothing can be said), `made_rows`, how
    many rows the answer is about, and `made_universe`, how many its universe has.
    """
    packed = {entity: _Packed(views[entity]) for entity in ENTITIES}
    made, rows, universes = [], [], []
    for texts in tables.select("universe", "dimensions", "measure").iter_rows():
        query = parse(texts[0], texts[1] or "", texts[2])
        count, total = packed[query.entity].count(query.conditions), packed[query.entity].count(query.universe)
        if query.measure == "count":
            made.append(float(count))
        elif query.measure == "percent":
            made.append(100.0 * count / total if total else float("nan"))
        else:
            made.append(evaluate(query, views))
        rows.append(count)
        universes.append(total)
    return tables.with_columns(
        pl.Series("made", made, dtype=pl.Float64),
        pl.Series("made_rows", rows, dtype=pl.Int64),
        pl.Series("made_universe", universes, dtype=pl.Int64),
    )
