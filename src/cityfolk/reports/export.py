"""A study for other programs: CSV and JSON Lines, homes on a map, a Hugging Face dataset folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cityfolk.errors import UsageError
from cityfolk.reports import frames
from cityfolk.reports.columns import GEO, HOUSEHOLDS, PEOPLE, dictionary, markdown
from cityfolk.reports.gallery import is_pocket
from cityfolk.reports.geo import Projection, area_names, points_inside, shapes
from cityfolk.reports.inputs import ReportInputs
from cityfolk.study.files import write_text, write_whole
from cityfolk.vocabulary import TRAITS

METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
_PERSON = (
    "person_id",
    "household_id",
    "name",
    "age",
    "sex",
    "role",
    "nativity",
    "education",
    "enrollment",
    "employment",
    "occupation",
    "industry",
    "income_usd",
    "commute_mode",
    "commute_minutes",
    *TRAITS,
)
_HOME = {
    "kind": "household_kind",
    "gq_type": "gq_type",
    "size": "household_size",
    "income_usd": "household_income_usd",
    "tenure": "tenure",
    "vehicles": "vehicles",
    "block_group": "block_group",
}
_ON_POINTS = (
    "person_id",
    "household_id",
    "age",
    "sex",
    "commute_mode",
    "commute_minutes",
    "household_size",
    "block_group",
)
NOT_REAL = (
    "Nobody in these files is real. Everyone was drawn from published tables; any likeness to a living person is "
    "chance."
)


def export_tables(inputs: ReportInputs, to: Path) -> list[Path]:
    """Write every table as CSV and as JSON Lines under to/tables, with columns.json and a README; return the files.

    In CSV, lists and structs are JSON text. Raises StudyError where a file cannot be written.
    """
    folder = to / "tables"
    tables = _tables(inputs)
    files = []
    for name, frame in tables.items():
        files.append(_write(folder / f"{name}.csv", _flat(frame).write_csv))
        files.append(_write(folder / f"{name}.jsonl", frame.write_ndjson))
    entries = {
        name: dictionary(name, frame, sources=inputs.sources if name == "people" else None)
        for name, frame in tables.items()
    }
    return [
        *files,
        *_describe(inputs, folder, entries, "CSV and JSON Lines; the same tables lie as Parquet in the study folder."),
    ]


def export_hf(inputs: ReportInputs, to: Path) -> list[Path]:
    """Write a Hugging Face dataset under to/hf: a configuration a table, each with a split `train`, and a card."""
    folder = to / "hf"
    tables = _tables(inputs)
    files = [
        _write(folder / "data" / f"{name}.parquet", partial(frame.write_parquet, compression="zstd"))
        for name, frame in tables.items()
    ]
    entries = {name: dictionary(name, frame) for name, frame in tables.items()}
    card = _card(inputs, tables, entries)
    write_text(folder / "README.md", card)
    return [*files, folder / "README.md"]


def export_geo(inputs: ReportInputs, to: Path) -> list[Path]:
    """Write homes on a map under to/geo: people and households with a point, block groups with their outlines.

    Raises UsageError where the place pack has no outlines.
    """
    folder = to / "geo"
    homes = home_points(inputs)
    people = people_with_homes(inputs, homes)
    blocks = frames.block_groups(inputs.people, inputs.households)
    files = [
        _write(folder / "people.csv", people.write_csv),
        _write(folder / "people.geojson", lambda path: path.write_text(_points(people, _ON_POINTS), encoding="utf-8")),
        _write(folder / "households.csv", homes.write_csv),
        _write(folder / "block_groups.geojson", lambda path: path.write_text(_areas(inputs, blocks), encoding="utf-8")),
    ]
    said = {**HOUSEHOLDS, **PEOPLE, **GEO}
    entries = {
        "people.csv": dictionary("people", people, sources=inputs.sources, meanings=said),
        "households.csv": dictionary("households", homes, meanings={**HOUSEHOLDS, **GEO}),
        "block_groups.geojson": dictionary("block_groups", blocks, meanings=GEO),
    }
    how = (
        "`people.csv` has one row a person with their home and commute; `people.geojson` the same homes as points "
        "with a few columns; `block_groups.geojson` the outlines with what the people in them amount to. Coordinates "
        "are longitude and latitude (WGS 84, EPSG:4326); `home_x_m` and `home_y_m` are metres. Every column of "
        "people.csv can be handed to Mesa's `Agent.create_agents(model, n, **columns)`. A home's point is random "
        "within its block group: it is no address."
    )
    return [*files, *_describe(inputs, folder, entries, how)]


def home_points(inputs: ReportInputs) -> pl.DataFrame:
    """Return households with a point each (home_lon, home_lat, home_x_m, home_y_m) inside their block group.

    A household's point is addressed by the study's seed and its id. Null where the pack has no outline for its area.
    """
    areas = shapes(inputs.geometry)
    if not areas:
        raise UsageError(
            f"the place pack of {inputs.place_title} has no outlines", hint="add geometry.geojson to the pack"
        )
    households = inputs.households
    where = np.full((households.height, 2), np.nan)
    rows = households.with_row_index("row").select("row", "household_id", "block_group")
    for (group,), part in rows.group_by("block_group", maintain_order=True):
        if str(group) in areas:
            where[part["row"].to_numpy()] = points_inside(
                areas[str(group)], part["household_id"].to_numpy(), inputs.seed or 0
            )
    projection = Projection.fit(areas.values(), 1000.0, margin=0.0)
    west, north = projection.west, projection.north
    south = north - projection.height / projection.scale
    metres = np.column_stack([(where[:, 0] - west) * projection.squeeze, where[:, 1] - south]) * METRES_PER_DEGREE
    hoods = {**area_names(inputs.geometry), **inputs.names}
    points = pl.DataFrame(
        {
            "home_lon": where[:, 0].round(6),
            "home_lat": where[:, 1].round(6),
            "home_x_m": metres[:, 0].round(1),
            "home_y_m": metres[:, 1].round(1),
        }
    ).fill_nan(None)
    named = households.hstack(points)
    if hoods:
        hood = pl.col("block_group").replace_strict(hoods, default=None, return_dtype=pl.String)
        named = named.with_columns(neighbourhood=hood)
    return named


def people_with_homes(inputs: ReportInputs, homes: pl.DataFrame) -> pl.DataFrame:
    """Return people with commute, personality, household and home point, one row each, by person_id."""
    extra = [c for c in ("neighbourhood", "home_lon", "home_lat", "home_x_m", "home_y_m") if c in homes.columns]
    near = homes.select("household_id", *(pl.col(old).alias(new) for old, new in _HOME.items()), *extra)
    own = inputs.people.select(_PERSON).with_columns(pl.col(TRAITS).cast(pl.Float64).round(4))
    return own.join(near, on="household_id", how="left", maintain_order="left")


def _points(frame: pl.DataFrame, columns: tuple[str, ...]) -> str:
    """Return a GeoJSON feature collection of points, one feature a line; rows without a home are left out."""
    properties = pl.struct(columns).struct.json_encode()
    start, middle = '{"type":"Feature","geometry":{"type":"Point","coordinates":[', ']},"properties":'
    feature = pl.concat_str(pl.lit(start), "home_lon", pl.lit(","), "home_lat", pl.lit(middle), properties, pl.lit("}"))
    lines = frame.filter(pl.col("home_lon").is_not_null()).select(feature).to_series()
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def _areas(inputs: ReportInputs, blocks: pl.DataFrame) -> str:
    """Return the place's outlines with what the people in each amount to."""
    facts = {row["block_group"]: row for row in blocks.iter_rows(named=True)}
    hoods = {**area_names(inputs.geometry), **inputs.names}
    features = []
    for name, feature in zip(shapes(inputs.geometry), (inputs.geometry or {})["features"], strict=True):
        known = facts.get(name, {"block_group": name, "people": 0, "households": 0})
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in known.items()}
        if name in hoods:
            rounded["neighbourhood"] = hoods[name]
        features.append({"type": "Feature", "properties": rounded, "geometry": feature["geometry"]})
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
    return '{"type":"FeatureCollection","features":[\n' + lines + "\n]}\n"


def _tables(inputs: ReportInputs) -> dict[str, pl.DataFrame]:
    held = {
        "people": inputs.people,
        "households": inputs.households,
        "cohort": inputs.cohort,
        "profiles": inputs.profiles,
        "findings": inputs.findings,
    }
    return {
        name: frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        for name, frame in held.items()
        if frame is not None and frame.height
    }


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Write lists and structs as JSON text, which a CSV can hold."""

    def as_json(value: Any) -> str:
        return json.dumps(value.to_list() if isinstance(value, pl.Series) else value, ensure_ascii=False)

    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return frame.with_columns(pl.col(name).map_elements(as_json, return_dtype=pl.String) for name in nested)


def _write(path: Path, fill: Callable[[Path], Any]) -> Path:
    write_whole(path, lambda temporary: _done(fill(temporary)))
    return path


def _done(_: Any) -> None:
    """Forget what a writer returns."""


def _describe(inputs: ReportInputs, folder: Path, entries: Mapping[str, list[dict[str, Any]]], how: str) -> list[Path]:
    """Write columns.json and README.md beside exported tables."""
    about = {"place": inputs.place_title, "seed": inputs.seed, "note": NOT_REAL, "tables": entries}
    write_text(folder / "columns.json", json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    parts = [f"# {inputs.place_title}: synthetic people", "", NOT_REAL, "", how, "", "## Columns", ""]
    parts += [markdown(name, columns) for name, columns in entries.items()]
    write_text(folder / "README.md", "\n".join(parts))
    return [folder / "columns.json", folder / "README.md"]


def _card(inputs: ReportInputs, tables: Mapping[str, pl.DataFrame], entries: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return the dataset card: YAML front matter, what it is, how it was made, columns, limits."""
    sizes = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
        (10**9, "1M<n<10M"),
    )
    size = next(name for bound, name in sizes if inputs.people.height < bound)
    front = [
        "---",
        f"pretty_name: {json.dumps(f'{inputs.place_title}: synthetic people')}",
        "language:",
        "- en",
        "annotations_creators:",
        "- machine-generated",
        f"size_categories:\n- {size}",
        "tags:",
        *(f"- {tag}" for tag in ("synthetic", "synthetic-population", "census", "big-five", "personas")),
        "configs:",
    ]
    for name in tables:
        default = "\n  default: true" if name == "people" else ""
        front.append(f"- config_name: {name}{default}\n  data_files:\n  - split: train\n    path: data/{name}.parquet")
    front.append("---")
    engines = (
        sorted(set(inputs.profiles["engine"].to_list()))
        if inputs.profiles is not None and inputs.profiles.height
        else []
    )
    wrote = f"The lives were written by: {', '.join(engines)}. " if engines else ""
    if any(is_pocket(engine) for engine in engines):
        wrote += (
            "`pocket` is the small embedded demonstration model of cityfolk: for demonstrations, teaching and tests. "
        )
    stages = inputs.manifest.get("stages", {})
    version = stages.get("people", {}).get("versions", {}).get("cityfolk", "")
    body = [
        f"# {inputs.place_title}: synthetic people",
        "",
        f"{NOT_REAL}",
        "",
        f"{inputs.people.height:,} people in {inputs.households.height:,} households and group-quarters units, made "
        f"with cityfolk {version}".rstrip()
        + f" (seed {inputs.seed}) from official tables; a Big Five personality each, drawn from IPIP-NEO-120 norms. "
        f"{wrote}".rstrip(),
        "",
        "`cityfolk` reproduces the tables from place, seed and version. `findings` holds how near they come to the "
        "official figures.",
        "",
        "## Use",
        "",
        "Rehearse surveys, teach, test software and models. Do not use these people to say what real people of this "
        "place think, to decide about anybody, or to pass for somebody. What no table ties together is close to "
        "independent; small groups are guesses.",
        "",
        "## Columns",
        "",
        *(markdown(name, columns) for name, columns in entries.items()),
        "## Sources",
        "",
        *(f"- `{name}`: {text}" for name, text in inputs.sources.items()),
        *(f"- borrowed, `{name}`: {text}" for name, text in inputs.borrowed.items()),
        *(f"- {note}" for note in inputs.notes),
    ]
    return "\n".join([*front, "", *body]) + "\n"
