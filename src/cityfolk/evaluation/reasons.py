"""Why a quantity lies outside its margin: said from data, never from memory.

The reasons, any of which may apply: another official row for the same people contradicts it by more than the two
margins; few people; not fitted; fitted, and missed all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from cityfolk.tables.canonical import canonical_key, denominator_key
from cityfolk.tables.query import Query, parse

SMALL = 100


def add_reasons(frame: pl.DataFrame, queries: list[Query]) -> pl.DataFrame:
    """Add the column `reason`: text for counted cells that lie outside, null elsewhere."""
    rows = list(frame.iter_rows(named=True))
    twins: dict[str, list[int]] = {}
    counts: dict[str, dict[str, Any]] = {}
    for number, (row, query) in enumerate(zip(rows, queries, strict=True)):
        key = canonical_key(query)
        if row["class"] != "borrowed" and row["estimate"] is not None:
            twins.setdefault(key, []).append(number)
            if query.measure == "count":
                counts.setdefault(key, row)
    texts: list[str | None] = []
    for number, (row, query) in enumerate(zip(rows, queries, strict=True)):
        if not row["counted"] or row["inside"] is not False or row["class"] == "borrowed":
            texts.append(None)
            continue
        others = [rows[twin] for twin in twins.get(canonical_key(query), ()) if twin != number]
        context = {"others": others, "total": counts.get(denominator_key(query)), "counts": counts, "query": query}
        texts.append(reason(row, row["z"], context))
    return frame.with_columns(pl.Series("reason", texts, dtype=pl.String))


def reason(row: Mapping[str, Any], z: float | None, context: Mapping[str, Any]) -> str:
    """Say why one cell lies outside.

    `context` has "others" (the other rows for the same people), "total" (the row that counts a percent's universe) and
    "query".
    """
    reasons = [*_contradictions(row, context), *_size(row)]
    if not row["fitted"]:
        reasons.append("held back: not fitted")
    elif not reasons:
        reasons.append("fitted, but other quantities it shares people with pull it away")
    if z is not None:
        reasons.append(f"{abs(z):.1f} margins {'above' if z > 0 else 'below'}")
    return "; ".join(reasons)


def _contradictions(row: Mapping[str, Any], context: Mapping[str, Any]) -> list[str]:
    """Return the other official rows for the same people that differ from this one by more than both margins."""
    mine = _people(row, context["total"])
    found = []
    for other in context["others"]:
        if other["measure"] not in ("count", "percent") or other["measure"] == row["measure"] == "percent":
            continue
        total = context["counts"].get(_denominator(other)) if other["measure"] == "percent" else None
        theirs = _people(other, total)
        if mine is None or theirs is None:
            continue
        if abs(mine[0] - theirs[0]) > math.hypot(mine[1], theirs[1]):
            found.append(
                f"inconsistent with {other['code']}: official figures of {mine[0]:,.0f} and {theirs[0]:,.0f} "
                "differ by more than their margins"
            )
    return found


def _denominator(row: Mapping[str, Any]) -> str:
    """Return the canonical name of the set that a row's percent is taken of."""
    return denominator_key(parse(row["universe"], row["dimensions"] or "", row["measure"]))


def _people(row: Mapping[str, Any], total: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """Return (number, margin) that an official row states; a percent is multiplied by the count of its universe."""
    margin = row["moe90"] or 0.0
    if row["measure"] == "count":
        return row["estimate"], margin
    if total is None:
        return None
    return row["estimate"] * total["estimate"] / 100, (margin + 0.05) * total["estimate"] / 100


def _size(row: Mapping[str, Any]) -> list[str]:
    if row["measure"] == "count":
        size = row["estimate"]
    elif row["measure"] == "percent":
        size = row["estimate"] * row["made_universe"] / 100
    else:
        size = row["made_rows"]
    what = "people" if row["universe"].startswith("persons") else "households"
    return [f"a cell of under {SMALL} {what}"] if size < SMALL else []
