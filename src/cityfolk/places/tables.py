"""Read tables.csv: every row checked on its own, every complaint with file and line."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from cityfolk.errors import DataError
from cityfolk.places import acs
from cityfolk.tables.query import Query, format_query, parse

COLUMNS = (
    "table",
    "code",
    "universe",
    "geography",
    "dimensions",
    "measure",
    "estimate",
    "moe90",
    "vintage",
    "source",
)
_MAY_BE_EMPTY = {"dimensions", "moe90"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def read_tables(file: Path) -> pl.DataFrame:
    """Return the rows of tables.csv: estimate and moe90 (90% margin, null where there is none) as Float64, and `label`.

    Raises:
        DataError: naming file, line and what to do.
    """
    frame = read_text_table(file)
    _check_columns(frame, file)
    seen: dict[str, int] = {}
    for line, row in enumerate(frame.iter_rows(named=True), start=2):
        try:
            check_row(row)
        except DataError as error:
            raise DataError(f"{file}, line {line}: {error}", hint=error.hint) from error
        if row["code"] in seen:
            raise DataError(
                f"{file}, line {line}: the code {row['code']} is also on line {seen[row['code']]}",
                hint="each figure stands once; remove one of the two",
            )
        seen[row["code"]] = line
    return frame.select(
        *("table", "code", "universe", "geography", "dimensions", "measure"),
        pl.col("estimate").cast(pl.Float64),
        pl.col("moe90").replace("", None).cast(pl.Float64),
        *("vintage", "source"),
        pl.col("code").map_elements(_label, return_dtype=pl.String).alias("label"),
    )


def read_text_table(file: Path) -> pl.DataFrame:
    """Return a CSV file with every cell as text, empty cells as "".

    Raises:
        DataError: the file is missing, empty or not a table in UTF-8.
    """
    try:
        return pl.read_csv(file, infer_schema=False).fill_null("")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing", hint="see docs/places.md for the files of a pack") from error
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file} is not a table: {reason}", hint="save it as CSV in UTF-8, with a header") from error


def read_small_table(file: Path) -> pl.DataFrame | None:
    """Return an optional table of a pack, types inferred, identifiers and categories as text; None if it is absent."""
    if not file.exists():
        return None
    texts = ("block_group", "tract", "a_value", "b_value")
    header = read_text_table(file).columns
    return pl.read_csv(
        file, infer_schema_length=None, schema_overrides={name: pl.String for name in texts if name in header}
    )


def _check_columns(frame: pl.DataFrame, file: Path) -> None:
    for column in frame.columns:
        if column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"the columns are {', '.join(COLUMNS)}"
            raise DataError(f"{file} has an unknown column {column!r}", hint=hint)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"{file} has no column {missing[0]!r}", hint=f"the columns are {', '.join(COLUMNS)}")
    if not frame.height:
        raise DataError(f"{file} has no rows", hint="write one row a figure")


def check_row(row: dict[str, str]) -> Query:
    """Check one row of tables.csv as text, and return its question.

    Raises:
        DataError: a cell is empty that may not be, a number is none or impossible, or the question is none.
    """
    for column in COLUMNS:
        if not row[column] and column not in _MAY_BE_EMPTY:
            raise DataError(f"{column} is empty", hint="only dimensions and moe90 may be empty")
    code, estimate, margin = row["code"], row["estimate"], row["moe90"]
    if not _NUMBER.fullmatch(estimate):
        raise DataError(
            f"the estimate of {code} is {estimate!r}, not a number",
            hint='leave out a figure that is not published ("(X)", "-", "***"); write 1234.5 without separators',
        )
    if margin and not (_NUMBER.fullmatch(margin) and float(margin) >= 0):
        raise DataError(
            f"the margin of {code} is {margin!r}",
            hint="write a number of at least 0, or leave it empty where there is none",
        )
    asked = parse(row["universe"], row["dimensions"], row["measure"])
    if format_query(asked) != (row["universe"], row["dimensions"], row["measure"]):
        spelled = " and ".join(text for text in format_query(asked)[:2] if text)
        raise DataError(f"the conditions of {code} are not in order", hint=f"write {spelled}")
    value = float(estimate)
    if asked.measure == "count" and value < 0:
        raise DataError(f"the count {code} is negative: {estimate}", hint="a count is 0 or more; see its source")
    if asked.measure == "percent" and not 0 <= value <= 100:
        raise DataError(f"the percent {code} is {estimate}", hint="a percent lies between 0 and 100; see its source")
    if asked.measure == "percent" and not asked.dimensions:
        raise DataError(f"the percent {code} has no dimensions", hint="say which part of the universe it is")
    return asked


def _label(code: str) -> str:
    meaning = acs.meaning(code)
    return meaning.label if meaning else code
