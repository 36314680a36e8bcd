"""Compare every shipped figure of the cambridge-ma pack with the folder of source data; exit 1 if one differs.

Tables, small areas and outlines come from DATA/places, the associations from DATA/pums.

python scripts/check_sources.py DATA          (or: make check-sources DATA=<folder>)
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import build_associations
from build_cambridge import PACK, build
from cambridge_sources import COLUMNS, Row, cambridge

MEANING = tuple(column for column in COLUMNS if column not in ("code", "estimate", "moe90"))


@dataclass(frozen=True)
class Difference:
    """One thing that the pack says and its source does not."""

    file: str
    where: str
    shipped: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: shipped {self.shipped}, source {self.source}"


def compare_tables(shipped: list[Row], source: list[Row]) -> list[Difference]:
    """Return what differs between two versions of tables.csv: figures, margins, what they mean, rows in one alone."""
    ours, theirs = {row["code"]: row for row in shipped}, {row["code"]: row for row in source}
    found = [Difference("tables.csv", code, "nothing", theirs[code]["estimate"]) for code in theirs if code not in ours]
    for code, row in ours.items():
        if code not in theirs:
            found.append(Difference("tables.csv", code, row["estimate"], "nothing"))
            continue
        for column in ("estimate", "moe90", *MEANING):
            if row[column] != theirs[code][column]:
                found.append(Difference("tables.csv", f"{code} {column}", row[column], theirs[code][column]))
    return found


def differences(pack: Path, data: Path) -> list[Difference]:
    """Return everything in the pack that its source folder does not say, figure by figure and line by line."""
    found: list[Difference] = []
    expected = build(data)
    if (data / "pums").is_dir():
        expected["associations.csv"] = build_associations.build(data).write_csv()
    for name, text in expected.items():
        shipped = (pack / name).read_text("utf-8")
        if name == "tables.csv":
            found += compare_tables(list(csv.DictReader(shipped.splitlines())), list(csv.DictReader(text.splitlines())))
            continue
        pairs = zip_longest(shipped.splitlines(), text.splitlines(), fillvalue="nothing")
        found += [Difference(name, f"line {n}", a, b) for n, (a, b) in enumerate(pairs, start=1) if a != b]
    return found


def main(data: Path, pack: Path = PACK) -> int:
    """Print what was compared and what differs; return the exit code."""
    sources = cambridge(data / "places")
    found = differences(pack, data)
    for difference in found:
        print(difference)
    if not (data / "pums").is_dir():
        print(f"{data} holds no pums/: associations.csv was not compared")
    margins = sum(bool(row["moe90"]) for row in sources.rows)
    print(
        f"{len(sources.rows):,} figures and {margins:,} margins of error compared with {data}; "
        f"{len(sources.left_out)} cells of the sources have no figure or no meaning here; {len(found)} differences"
    )
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "places").is_dir():
        sys.exit("usage: python scripts/check_sources.py DATA, where DATA holds places/")
    sys.exit(main(Path(sys.argv[1])))
