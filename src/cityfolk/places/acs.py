"""What the codes of the American Community Survey mean in the query language of tables.csv.

`acs_codes.csv` says it once a line of nine tables (DP03, S0501, B05001, B05002, B05003, B05006, B05010, B06011,
B25003; 2020-2024 vintage). This module turns a published code, such as DP03_0004PE or S0501_C03_051E, into its
universe, dimensions and measure: DP03 has a count and a percent for each line, S0501 one line in five columns.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from cityfolk.tables.query import format_query, parse

TABLES = ("DP03", "S0501", "B05001", "B05002", "B05003", "B05006", "B05010", "B06011", "B25003")
NEEDED_TABLES = ("S0501", "DP03", "B25003")

# S0501 puts each person, or each household by its householder, into these columns.
S0501_COLUMNS = {
    "C01": None,
    "C02": ("nativity", "native"),
    "C03": ("nativity", "foreign-born"),
    "C04": ("citizenship", "naturalized"),
    "C05": ("citizenship", "not a citizen"),
}
_CODE = re.compile(r"(?P<table>[A-Z]+\d+)_(?:(?P<column>C\d\d)_)?(?P<line>\d+)(?P<kind>P?E)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A published figure in the query language, with the Bureau's own label for people to read."""

    table: str
    universe: str
    dimensions: str
    measure: str
    label: str


@cache
def lines() -> dict[str, Meaning]:
    """Return the meaning of each line: "DP03_0004", "S0501_051" (its first column), "B25003_002"."""
    text = (resources.files("cityfolk.places") / "acs_codes.csv").read_text("utf-8")
    return {
        row["line"]: Meaning(
            table=row["line"].split("_")[0],
            universe=row["universe"],
            dimensions=row["dimensions"],
            measure=row["measure"],
            label=row["label"],
        )
        for row in csv.DictReader(text.splitlines())
    }


def meaning(code: str) -> Meaning | None:
    """Return what a published code counts; None where the code has no meaning of its own.

    The percent of a line that is not a share of anything (DP03_0062PE, a median) has none; the "percent" of a total
    (DP03_0001PE) is that total again.
    """
    parts = _CODE.fullmatch(code)
    if parts is None:
        return None
    line = lines().get(f"{parts['table']}_{parts['line']}")
    if line is None:
        return None
    if parts["column"]:
        return _in_column(line, parts["column"])
    if parts["table"] == "DP03":
        return _dp03(line, percent=parts["kind"] == "PE")
    return line


def _dp03(line: Meaning, *, percent: bool) -> Meaning | None:
    if line.measure == "percent":
        return line if percent else None
    if not percent:
        return line
    if line.measure != "count":
        return None
    return replace(line, measure="percent") if line.dimensions else line


def _in_column(line: Meaning, column: str) -> Meaning | None:
    if column not in S0501_COLUMNS:
        return None
    condition = S0501_COLUMNS[column]
    if condition is None:
        return line
    name, value = condition
    column_of_person = name if line.universe.startswith("persons") else f"hhr_{name}"
    narrowed = parse(f"{line.universe}|{column_of_person}={value}", line.dimensions, line.measure)
    return replace(line, universe=format_query(narrowed)[0])
