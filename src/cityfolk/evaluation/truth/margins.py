"""The certificate again after writing: shares by what the texts say, beside the drawn facts and the official tables.

After writing a person is what their text says; where it says nothing, or agrees, the drawn fact stands. Official shares
are the rows of tables.csv of one table and universe that tell people apart by one column and exclude each other,
renormalised over the rows that concern the ages written. The test is Pearson's chi-square against its simulated null:
multinomial samples of the effective size (sum w)^2 / sum w^2 (Kish 1965) from official shares that themselves vary by
their margin of error, or by rounding where the table gives whole percents and no margin. Samples stratified by age and
sex vary less than multinomial ones, so the test is conservative. Official universes may begin up to three years below
the ages written (15 and over, 16 and over): it then allows for 3 in 100 such people in any one row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.partitions import groups
from cityfolk.tables.canonical import allowed_of
from cityfolk.tables.query import Condition, Query, condition_mask, mask, parse
from cityfolk.tables.view import View, person_view

Floats = NDArray[np.float64]
# What a table tells people apart by -> the field that texts are read for.
_FIELD = {
    ("age",): "age",
    ("age", "sex"): "age",
    ("sex",): "sex",
    ("nativity",): "origin",
    ("citizenship", "nativity"): "origin",
    ("citizenship",): "origin",
    ("nativity", "sex"): "origin",
    ("citizenship", "sex"): "origin",
    ("education",): "education",
    ("employment",): "job",
    ("occupation",): "job",
    ("marital_status",): "marriage",
    ("party",): "party",
    ("religion",): "religion",
}
_UNIVERSES = frozenset({"age", "employment", "citizenship"})
_YOUNGER, _YOUNGER_SHARE = 3, 0.03
_SIMULATED = 4000
_FEWEST = 30
_NO_DOUBT = 0.25


@dataclass(frozen=True, slots=True)
class Margin:
    """Official shares of one table: who is asked, the rows, their shares (summing to 1) and standard errors."""

    field: str
    table: str
    universe: tuple[Condition, ...]
    rows: tuple[tuple[Condition, ...], ...]
    labels: tuple[str, ...]
    shares: Floats
    errors: Floats
    younger: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Shares of one margin's rows by the drawn facts and after writing, and the p-value of agreement of each."""

    drawn: Floats
    written: Floats
    n: int
    effective: float
    p_drawn: float
    p_written: float


def margins(tables: pl.DataFrame, youngest: int = 18) -> tuple[Margin, ...]:
    """Return the official margins that people of `youngest` years and over can be held against, in table order."""
    kept = tables.filter(
        pl.col("universe").str.starts_with("persons") & pl.col("measure").is_in(("count", "percent"))
    ).with_columns(pl.col("dimensions").fill_null(""))
    relevant = [_may_matter(*texts) for texts in kept.select("universe", "dimensions").iter_rows()]
    kept = kept.filter(pl.Series(relevant, dtype=pl.Boolean))
    best: dict[tuple[str, ...], Margin] = {}
    for rows in groups(kept):
        margin = _margin(kept[rows], youngest)
        if margin is None:
            continue
        # One table says a thing once: of everybody rather than of a part, and with its margin of error.
        name = (margin.field, margin.table, *margin.labels)
        if name not in best or _rank(margin) < _rank(best[name]):
            best[name] = margin
    return tuple(best.values())


def _rank(margin: Margin) -> tuple[int, bool]:
    return len(margin.universe), not margin.errors.any()


def _may_matter(universe: str, dimensions: str) -> bool:
    query = parse(universe, dimensions)
    asked = {condition.column for condition in query.universe}
    told = {condition.column for condition in query.dimensions} - {"age"} or {"age"}
    return asked <= _UNIVERSES and (tuple(sorted(told)) in _FIELD or tuple(sorted(told | {"age"})) in _FIELD)


def _margin(rows: pl.DataFrame, youngest: int) -> Margin | None:
    cells = []
    for row in rows.iter_rows(named=True):
        query = parse(row["universe"], row["dimensions"])
        start = _first_age(query)
        if start >= youngest or (start >= youngest - _YOUNGER and not _told_by_age(query)):
            whole = row["moe90"] is None and row["measure"] == "percent" and float(row["estimate"]).is_integer()
            error = row["moe90"] / Z90 if row["moe90"] is not None else math.sqrt(1 / 12) if whole else 0.0
            cells.append((query, float(row["estimate"]), float(error), start < youngest))
    if len(cells) < 2:
        return None
    queries = [query for query, *_ in cells]
    field = _FIELD.get(tuple(sorted(_varying(queries))))
    total = sum(estimate for _, estimate, *_ in cells)
    if field is None or total <= 0:
        return None
    return Margin(
        field,
        rows["table"][0],
        queries[0].universe,
        tuple(query.dimensions for query in queries),
        tuple(_label(query, _varying(queries)) for query in queries),
        np.array([estimate for _, estimate, *_ in cells]) / total,
        np.array([error for *_, error, _ in cells]) / total,
        any(young for *_, young in cells),
    )


def _first_age(query: Query) -> float:
    """Return the least age of the people a row counts; jobs are asked from 16, the rest is not implied."""
    ages = allowed_of(query.conditions, "persons").get("age")
    if isinstance(ages, tuple):
        return min(low for low, _ in ages)
    return 16.0 if any(c.column in ("employment", "occupation") for c in query.conditions) else 0.0


def _told_by_age(query: Query) -> bool:
    return any(condition.column == "age" for condition in query.dimensions)


def _varying(queries: list[Query]) -> set[str]:
    by_column: dict[str, set[tuple[str, ...]]] = {}
    for query in queries:
        for condition in query.dimensions:
            by_column.setdefault(condition.column, set()).add(condition.values)
    return {column for column, values in by_column.items() if len(values) > 1}


def _label(query: Query, columns: set[str]) -> str:
    return ", ".join(" or ".join(c.values) for c in query.dimensions if c.column in columns)


# -------------------------------------------------------------------------------------------------------- comparing


def views(drawn: pl.DataFrame, written: pl.DataFrame) -> tuple[View, View]:
    """Return the two populations as views: as drawn, and as the texts have it."""
    return person_view(drawn), person_view(written)


def compare(margin: Margin, drawn: View, written: View, weights: Floats, stream: Generator) -> Standing | None:
    """Hold people against one margin; None where a column is missing or fewer than 30 people (effective) are asked.

    Who is asked goes by the drawn facts, which row they are in by the drawn facts or by the text.
    """
    columns = {c.column for row in margin.rows for c in row} | {c.column for c in margin.universe}
    if not columns <= set(drawn.frame.columns):
        return None
    asked = mask(margin.universe, drawn)
    by_fact, by_text = (_shares(margin, view, weights * asked) for view in (drawn, written))
    if by_fact is None or by_text is None:
        return None
    counted = weights[asked]
    effective = float(counted.sum() ** 2 / (counted**2).sum()) if counted.any() else 0.0
    effective *= by_fact[1]
    if effective < _FEWEST:
        return None
    p_drawn, p_written = _chances(margin, (by_fact[0], by_text[0]), effective, stream)
    return Standing(by_fact[0], by_text[0], int(asked.sum()), effective, p_drawn, p_written)


def _shares(margin: Margin, view: View, weights: Floats) -> tuple[Floats, float] | None:
    sums = np.array([weights[_meets(row, view)].sum() for row in margin.rows])
    total = float(sums.sum())
    return (sums / total, total / float(weights.sum())) if total > 0 else None


def _meets(conditions: tuple[Condition, ...], view: View) -> NDArray[np.bool_]:
    met = np.ones(view.rows, dtype=bool)
    for condition in conditions:
        met &= condition_mask(condition, view)
    return met


def _chances(margin: Margin, seen: tuple[Floats, Floats], effective: float, stream: Generator) -> tuple[float, ...]:
    """Return the p-value of each vector of shares: the largest over what the younger people may add to a row."""
    size = max(round(effective), 1)
    candidates = [margin.shares]
    if margin.younger:
        for row, share in enumerate(margin.shares):
            if share > _YOUNGER_SHARE:
                less = margin.shares.copy()
                less[row] -= _YOUNGER_SHARE
                candidates.append(less / less.sum())
    return tuple(max(_chance(margin, shares, official, size, stream) for official in candidates) for shares in seen)


def _chance(margin: Margin, shares: Floats, official: Floats, size: int, stream: Generator) -> float:
    """Return one p-value; where the textbook's chi-square leaves no doubt, it is not simulated."""
    from scipy.stats import chi2

    distance = float(_distance(shares[None], official, margin.errors, size)[0])
    textbook = float(chi2.sf(distance, len(official) - 1))
    if textbook > _NO_DOUBT:
        return textbook
    noise = stream.normal(size=(_SIMULATED, len(official))) * margin.errors
    varied = np.clip(official + noise, 1e-9, None)
    varied /= varied.sum(axis=1, keepdims=True)
    simulated = _distance(stream.multinomial(size, varied) / size, official, margin.errors, size)
    return float((np.count_nonzero(simulated >= distance - 1e-12) + 1) / (_SIMULATED + 1))


def _distance(shares: Floats, official: Floats, errors: Floats, size: int) -> Floats:
    """Return chi-square with the variance that sampling and the official margin have together; shares (m, rows)."""
    spread = np.maximum(official, 0.5 / size) / size + errors**2
    return np.asarray(((shares - official) ** 2 / spread).sum(axis=1))
