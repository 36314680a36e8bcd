"""Numbers in words: one way to write a value, a finding and a verdict."""

from __future__ import annotations

from typing import Any

import polars as pl

from cityfolk.reports.html import Html, tag

# What the Census Bureau's tables are about, shortened from their titles; a table that is not here goes by its name.
TABLE_TITLES = {
    "B05001": "citizenship",
    "B05002": "birthplace and citizenship",
    "B05003": "citizenship by age and sex",
    "B05006": "country of birth",
    "B05010": "children and parents",
    "B06011": "income by birthplace",
    "B15002": "education by sex",
    "B25003": "owners and renters",
    "DP03": "work, commute, income",
    "P8": "race",
    "RLS": "Religious Landscape Study",
    "S0101": "age and sex",
    "S0501": "natives and foreign-born",
    "S1201": "marital status",
    "S1401": "school enrollment",
    "S1810": "disability",
    "S1901": "household income",
}


def table_title(name: str) -> str:
    """Return a table's name and, where known, what it is about."""
    about = TABLE_TITLES.get(name)
    return f"{name} {about}" if about else name


def number(value: float | None, unit: str = "") -> str:
    """Write a value with its unit: counts whole, percents and years with one decimal, shares as percents."""
    if value is None or value != value:
        return "–"
    if unit == "share":
        return f"{100 * value:.1f}%"
    if unit == "percent":
        return f"{value:.1f}%"
    if unit in ("USD", "US dollars"):
        return f"${value:,.0f}"
    if unit in ("count", "persons", "people", "households", "calls", "tokens", "characters", "profiles"):
        return f"{value:,.0f}"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}" if unit and unit not in ("POMP", "AUC", "r", "ratio") else text


def value_of(findings: pl.DataFrame, identifier: str) -> dict[str, Any] | None:
    """Return one finding by its id, None if there is none."""
    found = findings.filter(pl.col("id") == identifier)
    return found.row(0, named=True) if found.height else None


def verdict(value: str) -> Html:
    """Write a verdict so that it does not depend on colour."""
    text = {"inside": "✓ inside", "outside": "✗ outside"}.get(value, "–")
    return tag("span", text, class_=f"verdict {value if value in ('inside', 'outside') else 'none'}")
