"""Make a place pack from the files that one downloads from the Census Bureau's site (data.census.gov, "CSV").

A file holds one table: two header rows (codes, labels) and a row a geography, with an estimate (E) and a margin of
error (M) for each cell; DP03 also has percents (PE, PM). Cells without a figure hold annotations instead of numbers.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cityfolk.config import toml_value
from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.places import acs
from cityfolk.places.pack import list_places, load_place, user_folder
from cityfolk.places.tables import COLUMNS

_FILE = re.compile(r"ACS(?P<kind>DP|DT|ST)(?P<span>[15])Y(?P<year>\d{4})\.(?P<table>[A-Z]+\d+[A-Z]*)-Data\.csv")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# A margin of "*****" means that the estimate is controlled to a population total: it has no sampling error.
_CONTROLLED = ("*****", "-555555555")
# What the Bureau writes where it publishes no figure: letters in a download, large negative numbers from its API.
_ANNOTATIONS = {
    "(X)": "does not apply or is not available",
    "-": "could not be computed, there were too few sample cases",
    "N": "cannot be shown, there were too few sample cases",
    "**": "has too few sample cases",
    "***": "lies in an open-ended interval of a median",
    "null": "is not available",
    "": "is empty",
    "-888888888": "does not apply or is not available",
    "-666666666": "could not be computed, there were too few sample cases",
    "-999999999": "cannot be shown, there were too few sample cases",
    "-222222222": "has too few sample cases",
    "-333333333": "lies in an open-ended interval of a median",
}
NEEDED_CELLS = (
    *(f"S0501_C01_{n:03d}E" for n in range(1, 13)),
    *(f"DP03_{n:04d}E" for n in (1, 4, 5, 6, 7)),
    *(f"DP03_{n:04d}E" for n in range(51, 62)),
    *(f"B25003_{n:03d}E" for n in range(1, 4)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One downloaded table, reduced to one geography: code -> cell, as written, and code -> label."""

    file: Path
    table: str
    vintage: str
    source: str
    geography: str
    cells: dict[str, str]
    labels: dict[str, str]


def add_place(name: str, folder: Path, geoid: str, home: Path | None = None) -> Path:
    """Make a pack called `name` of the geography `geoid` from downloaded files, and return its folder.

    `home` is where packs are kept, `user_folder()` if not given.

    Raises:
        UsageError: the name cannot be used, or there is no such folder.
        DataError: a needed table is missing, the geography is not in a file, or a needed cell is suppressed.
        StudyError: the pack cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a place's name", hint="lower-case letters, digits and hyphens: boston-ma")
    if name in list_places():
        raise UsageError(f"there is a place called {name!r} already", hint="choose another name, or delete its folder")
    target = (home or user_folder()) / name
    if target.exists():
        raise UsageError(f"{target} is there already", hint="choose another name, or delete it")
    downloads = read_downloads(folder, geoid)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as scratch:
            made = Path(scratch) / name
            made.mkdir()
            _write(made, name, geoid, downloads)
            _check(made, folder, downloads)
            shutil.move(made, target)
    except OSError as error:
        raise StudyError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="free some space, or set CITYFOLK_PLACES to a folder that you may write to",
        ) from error
    return target


def _check(made: Path, folder: Path, downloads: list[Download]) -> None:
    """Read a pack before it is kept; complain of the downloads, as the pack's own files are gone by then."""
    try:
        load_place(made)
    except DataError as error:
        where = re.compile(rf"{re.escape(str(made))}/\S+?\.(csv|toml)(, line \d+)?")
        files = ", ".join(download.file.name for download in downloads)
        said = where.sub(f"{folder} ({files})", str(error))
        raise DataError(said, hint=where.sub(str(folder), error.hint)) from error


def read_downloads(folder: Path, geoid: str) -> list[Download]:
    """Read the downloaded tables of a folder that the pack can use, for one geography.

    Raises:
        UsageError: there is no such folder.
        DataError: a needed table is missing, a table stands there twice, or a file is not a download.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="--from names the folder with the downloaded files")
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        match = _FILE.fullmatch(file.name)
        if match is None or match["table"] not in acs.TABLES:
            continue
        if match["table"] in files:
            raise DataError(
                f"{folder} holds table {match['table']} twice: {files[match['table']].name} and {file.name}",
                hint="keep one of them",
            )
        files[match["table"]] = file
    missing = [table for table in acs.NEEDED_TABLES if table not in files]
    if missing:
        raise DataError(
            f"{folder} holds no table {' and no table '.join(missing)}",
            hint="download it from data.census.gov as CSV; the file is named like ACSST5Y2024.S0501-Data.csv",
        )
    downloads = [_read(files[table], geoid) for table in acs.TABLES if table in files]
    vintages = {download.vintage: download.file.name for download in downloads}
    if len(vintages) > 1:
        raise DataError(
            "the tables are of several vintages: " + ", ".join(f"{v} ({f})" for v, f in vintages.items()),
            hint="download all tables of one vintage",
        )
    return downloads


def _read(file: Path, geoid: str) -> Download:
    match = _FILE.fullmatch(file.name)
    assert match is not None  # the caller found the file by this pattern
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = [row for row in csv.reader(opened) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a CSV file in UTF-8", hint="download it again") from error
    if len(rows) < 3 or rows[0][:2] != ["GEO_ID", "NAME"]:
        raise DataError(
            f"{file} does not start with GEO_ID, NAME and a row of labels",
            hint='choose "Download table data (CSV)" and take the file that ends in -Data.csv',
        )
    header, labels, *geographies = rows
    absent = [code for code in NEEDED_CELLS if code.startswith(f"{match['table']}_") and code not in header]
    if absent:
        more = f" and {len(absent) - 1} more that are needed" if len(absent) > 1 else ""
        raise DataError(
            f"{file.name} has no column {absent[0]}{more}",
            hint="download the whole table, with no row or column hidden or filtered out",
        )
    found = {row[0]: row for row in geographies}
    if geoid not in found:
        listed = [f"{row[0]} ({row[1]})" for row in geographies]
        more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
        raise DataError(
            f"{file.name} does not hold the geography {geoid}",
            hint=f"it holds {', '.join(listed[:12])}{more}",
        )
    cells = found[geoid]
    if len(cells) < len([code for code in header if code]):
        raise DataError(f"{file.name} breaks off in the row of {geoid}", hint="download it again")
    span, year = int(match["span"]), int(match["year"])
    years = f"{year - span + 1}-{year}" if span > 1 else str(year)
    return Download(
        file=file,
        table=match["table"],
        vintage=f"ACS {span}-year {years}",
        source=f"U.S. Census Bureau, American Community Survey {years} {span}-year estimates, table {match['table']}",
        geography=cells[1],
        cells={code: cell.strip().replace(",", "") for code, cell in zip(header, cells, strict=False) if code},
        labels=dict(zip(header, labels, strict=False)),
    )


def rows_of(download: Download) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return the rows that a table gives to tables.csv, and the cells left out, each with its reason.

    Raises:
        DataError: a needed cell is suppressed, or means something else in this vintage.
    """
    rows: list[dict[str, str]] = []
    left_out: dict[str, str] = {}
    for code, cell in download.cells.items():
        if not code.endswith("E") or code in ("GEO_ID", "NAME"):
            continue
        meaning = acs.meaning(code)
        reason = _reason(code, cell, meaning, download.labels[code])
        if reason and code in NEEDED_CELLS:
            raise DataError(
                f"{code} ({_plain(download.labels[code])}) of {download.geography} {reason}",
                hint=f"table {download.table} is needed whole here: choose a larger area, or the 5-year tables",
            )
        if reason or meaning is None:
            left_out[code] = reason
            continue
        rows.append(
            {
                "table": download.table,
                "code": code,
                "universe": meaning.universe,
                "geography": download.geography,
                "dimensions": meaning.dimensions,
                "measure": meaning.measure,
                "estimate": cell,
                "moe90": _margin(download.cells.get(f"{code[:-1]}M", "")),
                "vintage": download.vintage,
                "source": download.source,
            }
        )
    return rows, left_out


def _reason(code: str, cell: str, meaning: acs.Meaning | None, label: str) -> str:
    """Return why a cell cannot be used, or ""."""
    if cell in _ANNOTATIONS:
        return f"{_ANNOTATIONS[cell]} ({cell!r} in the file)"
    if not _NUMBER.fullmatch(cell):
        return f"is not a number ({cell!r} in the file)"
    if meaning is None:
        return "is not a line that cityfolk knows"
    if not _same_label(label, meaning.label, of_column="_C0" in code):
        return f"means something else in this vintage ({_plain(label)!r})"
    return ""


def _same_label(published: str, known: str, *, of_column: bool) -> bool:
    parts = published.split("!!")[2 if of_column else 1 :]
    return _letters(" ".join(parts)) == _letters(known)


def _letters(text: str) -> str:
    """Return the lower-case letters and digits of a label, without the year that dollars are adjusted to."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"in \d{4} inflation", "in inflation", text.lower()))


def _plain(label: str) -> str:
    return ", ".join(part.rstrip(":") for part in label.split("!!")[1:])


def _margin(cell: str) -> str:
    if cell in _CONTROLLED:
        return "0"
    return cell if _NUMBER.fullmatch(cell) and float(cell) >= 0 else ""


def _write(folder: Path, name: str, geoid: str, downloads: Iterable[Download]) -> None:
    rows: list[dict[str, str]] = []
    left_out: dict[str, str] = {}
    notes: list[str] = []
    tables = set()
    geography = vintage = ""
    for download in downloads:
        found, missing = rows_of(download)
        rows += found
        left_out |= missing
        tables.add(download.table)
        geography, vintage = download.geography, download.vintage
    if left_out:
        notes.append(f"{len(left_out)} cells without a usable figure were left out, the first of them {min(left_out)}.")
    for table in acs.TABLES:
        if table not in tables:
            notes.append(f"Table {table} was not among the files; what only it says is not fitted.")
    by_code = {row["code"]: row["estimate"] for row in rows}
    state = geography.rpartition(", ")[2]
    about = {
        "name": name,
        "title": re.sub(r" (city|town|village|borough|CDP)(?=,)", "", geography),
        "state": state,
        "country": "United States",
        "geoid": geoid,
        "geography": geography,
        "vintage": vintage,
        "population": int(by_code["S0501_C01_001E"]),
        "households": int(by_code["B25003_001E"]),
        "currency": f"US dollars of {vintage[-4:]}",
        "license": "Tables of the U.S. Census Bureau are in the public domain",
        "notes": notes,
    }
    lines = [f"{key} = {toml_value(value)}" for key, value in about.items()]
    (folder / "place.toml").write_text("\n".join(lines) + "\n", "utf-8")
    with (folder / "tables.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
