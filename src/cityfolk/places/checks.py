"""What the rows of tables.csv must say together: what is needed is there, and parts add up to their whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from cityfolk.errors import DataError
from cityfolk.places.acs import NEEDED_TABLES
from cityfolk.tables.columns import column_of
from cityfolk.tables.query import Condition, Query, interval, parse

# Statistical offices round counts (some to multiples of 5) and percents (to a tenth, some to a whole).
SLACK_OF_TOTAL, SLACK_PER_COUNT, SLACK_PER_PERCENT, SLACK_OF_SHARE = 0.005, 3.0, 0.15, 1.0

NEEDED_QUANTITIES = (
    ("the number of people", "persons", None),
    ("the number of households", "households", None),
    ("people by age", "persons", "age"),
    ("people by sex", "persons", "sex"),
    ("households by tenure", "households", "tenure"),
)


def check_needed(tables: pl.DataFrame, file: Path, *, american: bool) -> None:
    """Check that the place's own rows say enough to make people.

    Raises:
        DataError: a needed table (US packs: S0501, DP03, B25003) or quantity is missing.
    """
    own = tables.filter(~pl.col("borrowed"))
    if american:
        for table in NEEDED_TABLES:
            if table not in own["table"]:
                raise DataError(
                    f"{file} holds no row of table {table} in the place's own vintage",
                    hint=f"a place in the United States needs {', '.join(NEEDED_TABLES)}; see docs/places.md",
                )
    asked = [_query(row) for row in own.iter_rows(named=True)]
    for what, entity, column in NEEDED_QUANTITIES:
        if not any(_says(q, entity, column) for q in asked):
            raise DataError(
                f"{file} does not say {what}",
                hint=f"add rows with universe {entity}" + (f" and dimensions {column}=..." if column else ""),
            )


def _says(query: Query, entity: str, column: str | None) -> bool:
    if query.entity != entity or query.measure not in ("count", "percent"):
        return False
    if column is None:
        return query.measure == "count" and not query.conditions
    return column in {condition.column for condition in query.conditions}


def _query(row: dict[str, str]) -> Query:
    return parse(row["universe"], row["dimensions"], row["measure"])


@dataclass(frozen=True, slots=True)
class _Part:
    line: int
    code: str
    condition: Condition
    estimate: float


def check_sums(tables: pl.DataFrame, file: Path) -> None:
    """Check that disjoint parts do not exceed their whole, and that complete partitions reach it.

    Parts are rows of one table that differ in one column alone. Counts are compared with the count of their universe
    in the same vintage and area, percents with 100.

    Raises:
        DataError: naming the parts, their sum and the whole.
    """
    totals: dict[tuple[object, ...], float] = {}
    groups: dict[tuple[object, ...], list[_Part]] = defaultdict(list)
    for line, row in enumerate(tables.iter_rows(named=True), start=2):
        query = _query(row)
        if query.measure not in ("count", "percent"):
            continue
        area = (row["vintage"], row["geography"], query.entity, query.measure)
        denominator: frozenset[Condition] = frozenset(query.universe if query.measure == "percent" else ())
        totals.setdefault((*area, denominator, frozenset(query.conditions)), row["estimate"])
        for part in query.dimensions:
            rest = frozenset(query.conditions) - {part} | frozenset(query.universe)
            groups[row["table"], *area, denominator, rest, part.column].append(
                _Part(line, row["code"], part, row["estimate"])
            )
    for key, parts in groups.items():
        _, vintage, geography, entity, measure, base, others, column = key
        total = totals.get((vintage, geography, entity, measure, base, others))
        if total is None and measure == "percent" and others == base:
            total = 100.0
        if total is not None:
            _check_group(parts, total, str(entity), str(column), file, percent=measure == "percent")


def check_shares(tables: pl.DataFrame, file: Path) -> None:
    """Check that a percent agrees with the counts of the same part and whole, where the tables give all three.

    Raises:
        DataError: naming the percent and the two counts.
    """
    counts: dict[tuple[object, ...], tuple[str, float]] = {}
    percents: list[tuple[int, str, float, tuple[object, ...], tuple[object, ...]]] = []
    for line, row in enumerate(tables.iter_rows(named=True), start=2):
        query = _query(row)
        area = (row["vintage"], row["geography"], query.entity)
        part: tuple[object, ...] = (*area, frozenset(query.conditions))
        if query.measure == "count":
            counts.setdefault(part, (row["code"], row["estimate"]))
        elif query.measure == "percent":
            percents.append((line, row["code"], row["estimate"], part, (*area, frozenset(query.universe))))
    for line, code, percent, some, whole in percents:
        if some in counts and whole in counts and counts[whole][1]:
            share = 100 * counts[some][1] / counts[whole][1]
            if abs(share - percent) > SLACK_OF_SHARE:
                raise DataError(
                    f"{file}, line {line}: {code} is {percent}%, but {counts[some][0]} is {share:.1f}% of "
                    f"{counts[whole][0]}",
                    hint="compare these rows with their source",
                )


def _check_group(parts: list[_Part], total: float, entity: str, column: str, file: Path, *, percent: bool) -> None:
    smallest = _smallest(parts, entity)
    if smallest is None or len(smallest) < 2:
        return
    found = sum(part.estimate for part in smallest)
    slack = len(smallest) * (SLACK_PER_PERCENT if percent else SLACK_PER_COUNT) + SLACK_OF_TOTAL * total
    missing = total - found > slack and _complete([p.condition for p in smallest], entity)
    if found - total > slack or missing:
        unit = "%" if percent else ""
        raise DataError(
            f"{file}, lines {min(p.line for p in smallest)} to {max(p.line for p in smallest)}: {column} does not add "
            f"up: {smallest[0].code} to {smallest[-1].code} make {found:,.10g}{unit}, their whole is "
            f"{total:,.10g}{unit}",
            hint="compare these rows with their source",
        )


def _smallest(parts: list[_Part], entity: str) -> list[_Part] | None:
    """Return the parts that hold no other part; None where two of them overlap."""
    if any(part.condition.negated for part in parts):
        return None
    numeric = column_of(entity, parts[0].condition.column).kind == "number"
    if numeric:
        if any(len(part.condition.values) > 1 for part in parts):
            return None
        spans = {part: interval(part.condition.values[0]) for part in parts}
        kept = [p for p, s in spans.items() if not any(_inside(o, s) for o in spans.values())]
        ordered = sorted(kept, key=lambda p: spans[p])
        apart = all(spans[a][1] <= spans[b][0] for a, b in pairwise(ordered))
        return ordered if apart else None
    sets = {part: set(part.condition.values) for part in parts}
    kept = [p for p, s in sets.items() if not any(o < s for o in sets.values())]
    together: list[str] = [value for p in kept for value in p.condition.values]
    return kept if len(together) == len(set(together)) else None


def _inside(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return inner != outer and inner[0] >= outer[0] and inner[1] <= outer[1]


def _complete(conditions: Iterable[Condition], entity: str) -> bool:
    """Return whether the conditions leave nobody out: every category, or every number from 1 or less upwards."""
    parts = list(conditions)
    column = column_of(entity, parts[0].column)
    if column.kind == "category":
        return {value for part in parts for value in part.values} == set(column.categories)
    if column.kind == "flag":
        return len(parts) == 2
    if column.kind == "text":
        return False
    spans = sorted(interval(part.values[0]) for part in parts)
    joined = all(a[1] == b[0] for a, b in pairwise(spans))
    return joined and spans[0][0] <= 1 and spans[-1][1] == float("inf")


ASSOCIATION_COLUMNS = ("pair", "universe", "a_column", "a_value", "b_column", "b_value", "weight", "n", "source", "use")
USES = ("fitted", "withheld")


def check_associations(associations: pl.DataFrame | None, file: Path) -> None:
    """Check the two-way tables measured on microdata: columns, conditions, weights, and what each is for.

    Raises:
        DataError: naming file and line.
    """
    if associations is None:
        return
    missing = [column for column in ASSOCIATION_COLUMNS if column not in associations.columns]
    if missing:
        raise DataError(f"{file} has no column {missing[0]!r}", hint=f"columns: {', '.join(ASSOCIATION_COLUMNS)}")
    for line, row in enumerate(associations.iter_rows(named=True), start=2):
        try:
            parse(row["universe"], f"{row['a_column']}={row['a_value']}|{row['b_column']}={row['b_value']}")
        except DataError as error:
            raise DataError(f"{file}, line {line}: {error}", hint=error.hint) from error
        if not isinstance(row["weight"], int | float) or row["weight"] < 0:
            raise DataError(f"{file}, line {line}: the weight is {row['weight']!r}", hint="a weight is 0 or more")
        if row["use"] not in USES:
            raise DataError(f"{file}, line {line}: use is {row['use']!r}", hint=f"it is {' or '.join(USES)}")


def check_areas(block_groups: pl.DataFrame | None, outlined: list[str] | None, folder: Path) -> None:
    """Check that small areas have people, households and one name each, and that outlines are of the same areas.

    Raises:
        DataError: naming the file and the area.
    """
    file = folder / "block_groups.csv"
    if block_groups is None:
        return
    for column in ("block_group", "population", "households"):
        if column not in block_groups.columns:
            raise DataError(
                f"{file} has no column {column!r}", hint="it has at least block_group, population, households"
            )
    names = block_groups["block_group"]
    if names.n_unique() != names.len():
        raise DataError(f"{file} names an area twice: {names.filter(names.is_duplicated())[0]}", hint="one row an area")
    if not all(
        block_groups[c].dtype.is_numeric() and (block_groups[c] >= 0).all() for c in ("population", "households")
    ):
        raise DataError(f"{file} has a population or households that is no count", hint="write whole numbers from 0 up")
    apart = set(names) ^ set(outlined) if outlined is not None else set()
    if apart:
        raise DataError(
            f"{file} and geometry.geojson are not of the same areas: {min(apart)} is in one of them alone",
            hint='each outline has a property "block_group" with the name that block_groups.csv uses',
        )
