"""A place pack: a folder with place.toml and tables.csv, and where they exist, what one knows of its parts.

    place.toml            what the place is called and which vintage its own tables have
    tables.csv            one row a figure, in the query language of cityfolk.tables
    associations.csv      two-way structure measured on microdata, with its source (optional)
    block_groups.csv      the small areas of the place (optional)
    geometry.geojson      their outlines (optional)

A pack is data: a place that nobody has thought of needs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityfolk.errors import DataError, UsageError
from cityfolk.places.checks import check_areas, check_associations, check_needed, check_shares, check_sums
from cityfolk.places.tables import read_small_table, read_tables

UNITED_STATES = "United States"


class PlaceFile(BaseModel):
    """The keys of place.toml; any other key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="how the place is called on the command line")
    title: str = Field(min_length=1, description='for people to read: "Cambridge, Massachusetts"')
    state: str = Field(min_length=1, description="state, province or region: the birthplace of those born in it")
    country: str = UNITED_STATES
    geoid: str = ""
    geography: str = Field(min_length=1, description="the geography of the place's own rows in tables.csv")
    vintage: str = Field(min_length=1, description="the vintage of the place's own rows in tables.csv")
    population: int = Field(gt=0, description="people, group quarters included")
    households: int = Field(gt=0, description="occupied housing units")
    currency: str = "US dollars"
    languages: tuple[str, ...] = ("English",)
    locales: tuple[str, ...] = ("en_US",)
    license: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place, read and checked. `tables` has a row a figure; a row is borrowed where its vintage or area differs."""

    about: PlaceFile
    folder: Path
    tables: pl.DataFrame
    associations: pl.DataFrame | None = None
    block_groups: pl.DataFrame | None = None
    geometry: dict[str, Any] | None = None
    content_hash: str

    @property
    def name(self) -> str:
        """Return the name on the command line."""
        return self.about.name

    @property
    def title(self) -> str:
        """Return the name for people to read."""
        return self.about.title

    @property
    def state(self) -> str:
        """Return the state, province or region: the birthplace of those who were born in it."""
        return self.about.state

    @property
    def country(self) -> str:
        """Return the country."""
        return self.about.country

    @property
    def geoid(self) -> str:
        """Return the Census Bureau's identifier, or ""."""
        return self.about.geoid

    @property
    def vintage(self) -> str:
        """Return the vintage of the place's own tables."""
        return self.about.vintage

    @property
    def population(self) -> int:
        """Return the number of people, group quarters included."""
        return self.about.population

    @property
    def households(self) -> int:
        """Return the number of occupied housing units."""
        return self.about.households

    @property
    def own(self) -> pl.DataFrame:
        """Return the rows of the place's own tables, in its main vintage."""
        return self.tables.filter(~pl.col("borrowed"))

    @property
    def borrowed(self) -> pl.DataFrame:
        """Return the rows of an older vintage or a wider area: they give shape, not level."""
        return self.tables.filter("borrowed")


def user_folder() -> Path:
    """Return where packs that people add are kept: $CITYFOLK_PLACES, or ~/.local/share/cityfolk/places."""
    chosen = os.environ.get("CITYFOLK_PLACES")
    return Path(chosen) if chosen else Path.home() / ".local" / "share" / "cityfolk" / "places"


def list_places() -> list[str]:
    """Return the names of all packs, shipped ones first."""
    return list(_folders())


def _folders() -> dict[str, Path]:
    """Return name -> folder; a shipped pack wins over an added one of the same name."""
    found: dict[str, Path] = {}
    for root in (Path(str(resources.files("cityfolk.places"))) / "packs", user_folder()):
        for file in sorted(root.glob("*/place.toml")):
            found.setdefault(file.parent.name.replace("_", "-"), file.parent)
    return found


def find_place(name: str) -> Path:
    """Return the folder of a pack by its name, or of a folder that holds one.

    Raises:
        UsageError: there is no such pack; names the nearest.
    """
    folders = _folders()
    if name in folders:
        return folders[name]
    folder = Path(name)
    if (folder / "place.toml").is_file():
        return folder
    if folder.is_dir():
        raise UsageError(f"the folder {name} holds no place.toml", hint="see docs/places.md for what a pack holds")
    close = get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), folders, n=1, cutoff=0.5)
    known = f"the places here are {', '.join(folders)}; `cityfolk places add` makes another"
    raise UsageError(
        f"there is no place called {name!r}",
        hint=f"did you mean {close[0]!r}?" if close else known,
    )


def load_place(name: str | Path) -> Place:
    """Read and check a pack, by name or folder.

    Raises:
        UsageError: there is no such pack.
        DataError: a file of the pack is missing or is not what it should be; names file and line.
    """
    folder = find_place(str(name))
    about = read_place_file(folder / "place.toml")
    tables = read_tables(folder / "tables.csv").with_columns(
        borrowed=(pl.col("vintage") != about.vintage) | (pl.col("geography") != about.geography)
    )
    check_needed(tables, folder / "tables.csv", american=about.country == UNITED_STATES)
    check_sums(tables, folder / "tables.csv")
    check_shares(tables, folder / "tables.csv")
    _check_totals(about, tables, folder)
    associations = read_small_table(folder / "associations.csv")
    check_associations(associations, folder / "associations.csv")
    block_groups = read_small_table(folder / "block_groups.csv")
    geometry = _read_geometry(folder / "geometry.geojson")
    features = geometry["features"] if geometry is not None else ()
    outlined = [(feature.get("properties") or {}).get("block_group", "") for feature in features]
    check_areas(block_groups, outlined if geometry is not None else None, folder)
    return Place(
        about=about,
        folder=folder,
        tables=tables,
        associations=associations,
        block_groups=block_groups,
        geometry=geometry,
        content_hash=_hash(folder),
    )


def _check_totals(about: PlaceFile, tables: pl.DataFrame, folder: Path) -> None:
    own = tables.filter(~pl.col("borrowed"), pl.col("measure") == "count", pl.col("dimensions") == "")
    for entity in ("persons", "households"):
        said = about.population if entity == "persons" else about.households
        for row in own.filter(pl.col("universe") == entity).iter_rows(named=True):
            if row["estimate"] != said:
                raise DataError(
                    f"{folder / 'place.toml'} says {said:,} {entity}, {row['code']} in tables.csv "
                    f"{row['estimate']:,.0f}",
                    hint="give both the figure of the table",
                )


def read_place_file(file: Path) -> PlaceFile:
    """Read place.toml.

    Raises:
        DataError: it is not TOML, a key is missing, unknown (with the nearest known one) or has a wrong value.
    """
    try:
        return PlaceFile.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not TOML: {error}", hint="see docs/places.md for an example") from error
    except ValidationError as error:
        first = min(
            error.errors(), key=lambda e: e["type"] != "extra_forbidden"
        )  # a misspelt key is also a missing one
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            close = get_close_matches(key, PlaceFile.model_fields, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"keys: {', '.join(PlaceFile.model_fields)}"
            raise DataError(f"{file} has an unknown key {key!r}", hint=hint) from error
        described = PlaceFile.model_fields[key.partition(".")[0]].description
        raise DataError(f"{file}: {key}: {first['msg']}", hint=described or "see docs/places.md") from error


def _read_geometry(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        geometry: dict[str, Any] = json.loads(file.read_text("utf-8"))
        kinds = {feature["geometry"]["type"] for feature in geometry["features"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is not a GeoJSON FeatureCollection", hint="export it as GeoJSON, WGS 84") from error
    if not kinds <= {"Polygon", "MultiPolygon"}:
        raise DataError(f"{file} holds {', '.join(sorted(kinds))}", hint="areas are Polygon or MultiPolygon")
    return geometry


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".toml", ".csv", ".geojson"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
