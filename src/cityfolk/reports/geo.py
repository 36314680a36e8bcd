"""Outlines on the ground: GeoJSON in longitude and latitude (WGS 84), points inside, paths for a drawn map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.rng import uniform_at

FloatArray = NDArray[np.float64]
# What block-group files call their identifier: the Census Bureau's by vintage, then our own.
_IDENTIFIERS = ("geoid", "GEOID", "GEOID20", "GEOID10", "block_group")
_TRIES = 400  # a point misses a shape that fills 5% of its box 400 times in a row once in 10^9


@dataclass(frozen=True, slots=True)
class Shape:
    """One area: its rings as arrays of (longitude, latitude), outlines and holes alike (even-odd rule)."""

    name: str
    rings: tuple[FloatArray, ...]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Say for each (longitude, latitude) whether it lies inside: crossings of a ray, holes excluded."""
        xy = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        inside = np.zeros(len(xy), dtype=bool)
        for ring in self.rings:
            (x1, y1), (x2, y2) = ring[:-1].T, ring[1:].T
            px, py = xy[:, 0:1], xy[:, 1:2]
            crosses = (y1 > py) != (y2 > py)
            with np.errstate(divide="ignore", invalid="ignore"):
                at = (x2 - x1) * (py - y1) / (y2 - y1) + x1
            inside ^= (np.sum(crosses & (px < at), axis=1) % 2).astype(bool)
        return inside

    def box(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north."""
        every = np.concatenate(self.rings)
        (west, south), (east, north) = every.min(axis=0), every.max(axis=0)
        return float(west), float(south), float(east), float(north)


def shapes(geojson: Mapping[str, Any] | None) -> dict[str, Shape]:
    """Read the polygons of a GeoJSON feature collection by their identifier; DataError where one has none."""
    found: dict[str, Shape] = {}
    for feature in (geojson or {}).get("features", ()):
        properties = feature.get("properties") or {}
        name = next((str(properties[key]) for key in _IDENTIFIERS if key in properties), feature.get("id"))
        geometry = feature.get("geometry") or {}
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        if name is None or kind not in ("Polygon", "MultiPolygon"):
            raise DataError(
                f"a feature of the place's geometry is a {kind} named {name!r}",
                hint="each needs a Polygon or MultiPolygon and a property `geoid`",
            )
        polygons: list[Any] = [coordinates] if kind == "Polygon" else list(coordinates or ())
        rings = tuple(_closed(ring) for polygon in polygons for ring in polygon)
        found[str(name)] = Shape(str(name), rings)
    return found


def area_names(geojson: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the neighbourhood of each area, where its outline says one."""
    found = {}
    for feature in (geojson or {}).get("features", ()):
        properties = feature.get("properties") or {}
        name = next((str(properties[key]) for key in _IDENTIFIERS if key in properties), None)
        if name is not None and properties.get("neighbourhood"):
            found[name] = str(properties["neighbourhood"])
    return found


def _closed(ring: Iterable[Iterable[float]]) -> FloatArray:
    points = np.array([tuple(point)[:2] for point in ring], dtype=np.float64)
    return points if np.array_equal(points[0], points[-1]) else np.vstack([points, points[:1]])


def points_inside(shape: Shape, ids: ArrayLike, seed: int) -> FloatArray:
    """Return one (longitude, latitude) inside a shape for each id, uniform in area; an id's point is its own.

    Tries within the shape's box until one lies inside (von Neumann 1951); each try has an address, so asking for more
    ids later leaves earlier points where they were. Over one block group the earth is flat.
    """
    numbers = np.asarray(ids)
    west, south, east, north = shape.box()
    result = np.full((len(numbers), 2), np.nan)
    left = np.arange(len(numbers))
    for attempt in range(_TRIES):
        if not len(left):
            break
        u = uniform_at(seed, "home point", shape.name, attempt, "x", ids=numbers[left])
        v = uniform_at(seed, "home point", shape.name, attempt, "y", ids=numbers[left])
        # Rounded first (1e-6 degree is 0.1 m), so that what is written to a file lies inside too.
        tried = np.round(np.column_stack([west + (east - west) * u, south + (north - south) * v]), 6)
        hit = shape.contains(tried)
        result[left[hit]] = tried[hit]
        left = left[~hit]
    if len(left):
        raise DataError(f"no point was found inside {shape.name}", hint="the place's geometry has an area of no size")
    return result


@dataclass(frozen=True, slots=True)
class Projection:
    """Longitude and latitude to pixels of a drawing `width` wide: equirectangular around the middle latitude."""

    west: float
    north: float
    scale: float
    squeeze: float
    width: float
    height: float

    @classmethod
    def fit(cls, areas: Iterable[Shape], width: float, margin: float = 4.0) -> Projection:
        """Fit all areas into a drawing of a width; its height follows."""
        boxes = np.array([area.box() for area in areas])
        west, south = boxes[:, :2].min(axis=0)
        east, north = boxes[:, 2:].max(axis=0)
        squeeze = float(np.cos(np.radians((south + north) / 2)))
        scale = (width - 2 * margin) / ((east - west) * squeeze)
        height = float((north - south) * scale + 2 * margin)
        return cls(
            float(west) - margin / (scale * squeeze),
            float(north) + margin / scale,
            float(scale),
            squeeze,
            width,
            height,
        )

    def xy(self, points: ArrayLike) -> FloatArray:
        """Return pixels, x to the right and y down."""
        lonlat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        x = (lonlat[:, 0] - self.west) * self.squeeze * self.scale
        return np.column_stack([x, (self.north - lonlat[:, 1]) * self.scale])

    def path(self, shape: Shape, step: float = 0.1) -> str:
        """Return the SVG path of a shape, corners that fall on one another left out."""
        parts = []
        for ring in shape.rings:
            corners = np.round(self.xy(ring) / step) * step
            keep = np.concatenate([[True], np.any(np.diff(corners, axis=0) != 0, axis=1)])
            parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners[keep][:-1]) + "Z")
        return "".join(parts)


def dots(points: FloatArray, projection: Projection) -> str:
    """Return one SVG path of a dot at each point, for strokes with round caps."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in projection.xy(points))
