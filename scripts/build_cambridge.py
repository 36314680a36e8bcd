"""Build the cambridge-ma pack from the folder of source data: tables.csv, block_groups.csv, geometry.geojson.

    python scripts/build_cambridge.py DATA

The pack is committed; this script says how it came about, and scripts/check_sources.py whether it still agrees with
its sources.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cambridge_sources import COLUMNS, Row, cambridge, read
from outlines import Ring, centroid, contains, simplify, snap

PACK = Path(__file__).parents[1] / "src" / "cityfolk" / "places" / "packs" / "cambridge_ma"
OUTLINES = "geometry/Demographics_Census_2020_2020_Block_Groups_DEMOGRAPHICS_BlockGroups2020.geojson"
NEIGHBOURHOODS = "geometry/Boundary_CDD_Neighborhoods_BOUNDARY_CDDNeighborhoods.geojson"
TOLERANCE_M, DIGITS = 4.0, 5

# Census tracts of 2010 -> 2020, where they were split or joined. Tracts 3534, 3535 and a part of 3530 became 3594.
TRACTS = {"354600": "3546", "354601": "3546", "354602": "3546", "354900": "3549", "354901": "3549", "354902": "3549"}
TRACTS |= dict.fromkeys(("353000", "353400", "353500", "359400"), "3530+3594")
COUNTS = {
    "population": "pop",
    "households": "tothh",
    "minority_population": "minopop",
    "foreign_born": "foreignbornres",
    "low_income_households": "li50hh",
    "limited_english_households": "limenghh",
    "few_car_households": "lownocarhh",
}


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows under a header, with Unix line ends."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def crosswalk(old: list[Row], new: list[str]) -> dict[str, dict[str, float]]:
    """Carry block groups of 2010 over to those of 2020: counts and median household income by new GEOID.

    Where a tract kept its block groups, they are taken as they are. Where it did not (also where tracts were split or
    joined), its people are shared equally among its new block groups, which are drawn to hold about as many people
    each; the median income is then the mean of the old medians, weighted by households.
    """
    olds, news = defaultdict(list), defaultdict(list)
    for row in old:
        olds[_tract(row["GEOID"])].append(row)
    for geoid in new:
        news[_tract(geoid)].append(geoid)
    result: dict[str, dict[str, float]] = {}
    for tract, geoids in news.items():
        rows = olds[tract]
        if {row["GEOID"] for row in rows} == set(geoids):
            result |= {row["GEOID"]: _summary([row], 1) for row in rows}
        else:
            result |= {geoid: _summary(rows, len(geoids)) for geoid in geoids}
    return result


def _tract(geoid: str) -> str:
    return TRACTS.get(geoid[5:11], geoid[5:11])


def _summary(rows: list[Row], parts: int) -> dict[str, float]:
    result = {name: sum(float(row[column]) for row in rows) / parts for name, column in COUNTS.items()}
    known = [(float(row["MHHI"]), float(row["tothh"])) for row in rows if row["MHHI"]]
    households = sum(weight for _, weight in known)
    if households:
        result["median_income_usd"] = sum(value * weight for value, weight in known) / households
    return result


def neighbourhood(ring: Ring, areas: dict[str, Ring]) -> str:
    """Return the name of the neighbourhood that holds the centre of an area, else the one whose centre is nearest."""
    x, y = centroid(ring)
    for name, outline in areas.items():
        if contains(outline, (x, y)):
            return name
    return min(areas, key=lambda name: (centroid(areas[name])[0] - x) ** 2 + (centroid(areas[name])[1] - y) ** 2)


def _features(file: Path) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["features"]
    return features


def areas(places: Path) -> dict[str, str]:
    """Return block_groups.csv and geometry.geojson as text."""
    features = sorted(_features(places / OUTLINES), key=lambda f: str(f["properties"]["GEOID20"]))
    named = {f["properties"]["NAME"]: snap(f["geometry"]["coordinates"][0]) for f in _features(places / NEIGHBOURHOODS)}
    rings = [snap(f["geometry"]["coordinates"][0]) for f in features]
    geoids = [f["properties"]["GEOID20"] for f in features]
    people = crosswalk(read(places / "cambridge_bg_2019.csv"), geoids)
    rows, shapes = [], []
    for feature, ring, simple in zip(features, rings, simplify(rings, TOLERANCE_M), strict=True):
        geoid = feature["properties"]["GEOID20"]
        where = neighbourhood(ring, named)
        rows.append(
            {
                "block_group": geoid,
                "tract": geoid[:11],
                "neighbourhood": where,
                "land_km2": round(feature["properties"]["ALAND20"] / 1e6, 4),
                **{name: round(value) for name, value in people[geoid].items()},
            }
        )
        coordinates = [[round(x, DIGITS), round(y, DIGITS)] for x, y in [*simple, simple[0]]]
        shapes.append(
            {
                "type": "Feature",
                "properties": {"block_group": geoid, "neighbourhood": where},
                "geometry": {"type": "Polygon", "coordinates": [coordinates]},
            }
        )
    columns = ("block_group", "tract", "neighbourhood", "land_km2", *COUNTS, "median_income_usd")
    lines = ",\n".join(json.dumps(shape, separators=(",", ":")) for shape in shapes)
    return {
        "block_groups.csv": csv_text(columns, rows),
        "geometry.geojson": '{"type":"FeatureCollection","features":[\n' + lines + "\n]}\n",
    }


def build(data: Path) -> dict[str, str]:
    """Return the files of the pack that come from the source folder: name -> text."""
    places = data / "places"
    return {"tables.csv": csv_text(COLUMNS, cambridge(places).rows), **areas(places)}


if __name__ == "__main__":
    for name, text in build(Path(sys.argv[1])).items():
        (PACK / name).write_text(text, "utf-8")
        print(f"{name}: {len(text.encode()):,} bytes")
