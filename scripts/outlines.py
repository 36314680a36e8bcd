"""Simplify areas that share borders: every border is a line of its own, simplified once, so that no gap opens.

Douglas, D. and Peucker, T. (1973), Algorithms for the reduction of the number of points required to represent a
digitized line. Coordinates are degrees (WGS 84); distances are taken on a plane with longitude scaled by the cosine
of the latitude, in metres.
"""

from __future__ import annotations

import math
from collections import defaultdict

METRES_PER_DEGREE = 111_320.0
Point = tuple[float, float]
Ring = list[Point]


def snap(ring: list[list[float]], digits: int = 6) -> Ring:
    """Return a closed ring's points once each, rounded, without its closing point and without repetitions."""
    points = [(round(x, digits), round(y, digits)) for x, y in ring]
    kept = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    return kept[:-1] if kept[0] == kept[-1] else kept


def simplify(rings: list[Ring], tolerance_m: float) -> list[Ring]:
    """Return the rings with every shared border reduced alike; points where three or more lines meet are kept."""
    neighbours: dict[Point, set[Point]] = defaultdict(set)
    for ring in rings:
        for i, point in enumerate(ring):
            neighbours[point] |= {ring[i - 1], ring[(i + 1) % len(ring)]}
    junctions = {point for point, near in neighbours.items() if len(near) != 2}
    return [_simplify_ring(ring, junctions, tolerance_m) for ring in rings]


def _simplify_ring(ring: Ring, junctions: set[Point], tolerance_m: float) -> Ring:
    cuts = [i for i, point in enumerate(ring) if point in junctions]
    if len(cuts) < 2:  # an island, or one that touches at a point: cut it at its two points farthest apart
        start = cuts[0] if cuts else ring.index(min(ring))
        far = max(range(len(ring)), key=lambda i: _distance(ring[i], ring[start]))
        cuts = sorted({start, far})
    result: Ring = []
    for i, start in enumerate(cuts):
        end = cuts[(i + 1) % len(cuts)]
        line = ring[start : end + 1] if end > start else ring[start:] + ring[: end + 1]
        result += _line(line, tolerance_m)[:-1]
    return result


def _line(points: Ring, tolerance_m: float) -> Ring:
    """Reduce an open line, the same way whichever end it is read from."""
    if points[0] > points[-1]:
        return _peucker(points[::-1], tolerance_m)[::-1]
    return _peucker(points, tolerance_m)


def _peucker(points: Ring, tolerance_m: float) -> Ring:
    if len(points) < 3:
        return points
    offsets = [_offset(point, points[0], points[-1]) for point in points[1:-1]]
    farthest = max(range(len(offsets)), key=offsets.__getitem__)
    if offsets[farthest] <= tolerance_m:
        return [points[0], points[-1]]
    middle = farthest + 1
    return _peucker(points[: middle + 1], tolerance_m)[:-1] + _peucker(points[middle:], tolerance_m)


def _metres(point: Point, origin: Point) -> Point:
    scale = math.cos(math.radians(origin[1]))
    return (point[0] - origin[0]) * METRES_PER_DEGREE * scale, (point[1] - origin[1]) * METRES_PER_DEGREE


def _distance(a: Point, b: Point) -> float:
    return math.hypot(*_metres(a, b))


def _offset(point: Point, start: Point, end: Point) -> float:
    """Return the distance in metres from a point to the segment from start to end."""
    px, py = _metres(point, start)
    ex, ey = _metres(end, start)
    length = ex * ex + ey * ey
    along = min(1.0, max(0.0, (px * ex + py * ey) / length)) if length else 0.0
    return math.hypot(px - along * ex, py - along * ey)


def centroid(ring: Ring) -> Point:
    """Return the centre of gravity of a ring."""
    area = x = y = 0.0
    ox, oy = ring[0]
    for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
        cross = (x0 - ox) * (y1 - oy) - (x1 - ox) * (y0 - oy)
        area += cross
        x += (x0 + x1 - 2 * ox) * cross
        y += (y0 + y1 - 2 * oy) * cross
    return ox + x / (3 * area), oy + y / (3 * area)


def contains(ring: Ring, point: Point) -> bool:
    """Return whether a point lies inside a ring (even-odd rule)."""
    px, py = point
    inside = False
    for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (y0 > py) != (y1 > py) and px < (x1 - x0) * (py - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside
