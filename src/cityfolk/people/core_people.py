"""Everyone as a row before they have a home: age, sex, citizenship, marital status and position in a household.

One table of cells (age band x sex x citizenship x position x marital status) is raked to every row of the place's
tables that speaks of these, rounded to whole people and spread over single years of age. The seed is the microdata of
household_shapes.json and, where the pack has one, an older age distribution of the place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cityfolk.people.core_tables import Facts, household_shapes
from cityfolk.people.raking import FloatArray, IntArray
from cityfolk.tables.query import interval
from cityfolk.tables.view import View
from cityfolk.vocabulary import CITIZENSHIPS, MARITAL_STATUSES, SEXES

POSITIONS = (
    "couple head",
    "couple spouse",
    "couple child",
    "couple other",
    "family head",
    "family child",
    "family other",
    "alone",
    "shared head",
    "housemate",
    "student",
    "institution",
    "other quarters",
)
HEADS = ("couple head", "family head", "alone", "shared head")
QUARTERS = ("student", "institution", "other quarters")
MARITAL = MARITAL_STATUSES
OLDEST = 99
_EDGES = (0, 3, 5, 6, 10, 15, 16, 18, 19, 20, 22, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85)
_YOUNGEST = {"couple child": 0, "family child": 0, "couple other": 0, "family other": 0, "student": 17,
             "institution": 10}  # fmt: skip
_OLDEST_STUDENT = 45
# Dormitories of Delaware's sample hold next to no graduate students; prior persons (ages 22, 25 and 30 up) for places
# with graduate schools. The place's own tables decide how many there are.
_GRADUATES = {22: 6.0, 25: 3.0, 30: 1.0}
_FEWEST_GROUPS = 6  # of ages, for a place's own age distribution to be better than the microdata's
_APART = 0.1  # weight of "married" for someone without a spouse at home, relative to the microdata's share of married


@dataclass(frozen=True, slots=True)
class Crowd:
    """One entry per person: age in years; sex, cit, pos, mar index SEXES, CITIZENSHIPS, POSITIONS, MARITAL."""

    age: IntArray
    sex: IntArray
    cit: IntArray
    pos: IntArray
    mar: IntArray

    def at(self, *positions: str) -> IntArray:
        """Return who stands at these positions, ascending."""
        return np.flatnonzero(np.isin(self.pos, [POSITIONS.index(p) for p in positions]))


def position(name: str) -> int:
    """Return the index of a position."""
    return POSITIONS.index(name)


def band_edges(facts: Facts) -> IntArray:
    """Return the ages at which bands start: every age that an own row mentions, and five-year steps."""
    edges = set(_EDGES)
    for row in facts.own:
        if row.query.entity == "persons":
            for condition in (c for c in row.query.conditions if c.column == "age"):
                for low, high in map(interval, condition.values):
                    edges |= {int(e) for e in (low, high) if 0 < e <= 85 and np.isfinite(e)}
            if row.query.measure == "median" and row.query.column == "age" and row.estimate < 85:
                edges |= {int(row.estimate), int(row.estimate) + 1}
    return np.array(sorted(edges))


def year_weights(facts: Facts) -> FloatArray:
    """Return weights (2 sexes, ages 0 to 99) of the place's age distribution, or of the microdata's.

    Five-year counts are spread over single years along the line through their midpoints, keeping each count.
    """
    groups: dict[int, list[tuple[int, int, float]]] = {0: [], 1: []}
    codes: set[str] = set()
    for row in facts.shapes or facts.own:
        names = {c.column for c in row.query.conditions}
        if row.query.entity == "persons" and row.query.measure == "count" and names == {"age", "sex"}:
            age = next(c for c in row.query.conditions if c.column == "age")
            sex = next(c for c in row.query.conditions if c.column == "sex")
            low, high = interval(age.values[0])
            start, end = int(max(low, 0)), int(min(high, OLDEST + 1))
            groups[SEXES.index(sex.values[0])].append((start, end, row.estimate))
            codes.add(row.code)
    parts = [_finest(groups[s]) for s in (0, 1)]
    if min(len(p) for p in parts) < _FEWEST_GROUPS:
        return _microdata_years()
    (facts.leaned_on if facts.shapes else facts.used).update(codes)
    return np.stack([_spread(p) for p in parts])


def _finest(groups: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Keep the narrowest age groups that don't overlap, in order of age."""
    kept: list[tuple[int, int, float]] = []
    for start, end, people in sorted(groups, key=lambda g: (g[1] - g[0], g[0])):
        if all(end <= s or start >= e for s, e, _ in kept):
            kept.append((start, end, people))
    return sorted(kept)


def _microdata_years() -> FloatArray:
    shapes = household_shapes()
    bands = [*shapes["bands"], OLDEST + 1]
    counts = np.sum([np.array(c) for c in shapes["positions"].values()], axis=0)
    groups = [[(bands[i], bands[i + 1], float(counts[s, i])) for i in range(len(bands) - 1)] for s in (0, 1)]
    return np.stack([_spread(g) for g in groups])


def _spread(groups: list[tuple[int, int, float]]) -> FloatArray:
    """Spread counts of [start, end) groups over single years; the last group falls off by a seventh a year."""
    ages = np.arange(OLDEST + 1)
    middles = [(start + end - 1) / 2 for start, end, _ in groups[:-1]]
    density = np.interp(ages, middles, [n / (end - start) for start, end, n in groups[:-1]])
    start, _, _ = groups[-1]
    density[start:] = density[start - 1] * (6 / 7) ** np.arange(OLDEST + 1 - start)
    for low, high, n in groups:
        total = density[low:high].sum()
        density[low:high] *= n / total if total > 0 else 0.0
    return density


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells that can hold people: band, sex, cit, pos and mar of each, and their seed weights."""

    edges: IntArray
    band: IntArray
    sex: IntArray
    cit: IntArray
    pos: IntArray
    mar: IntArray
    seed: FloatArray
    years: FloatArray


def make_cells(facts: Facts) -> Cells:
    """List the possible cells with seed weights."""
    edges, years = band_edges(facts), year_weights(facts)
    n = len(edges)
    band, sex, cit, pos, mar = (
        a.ravel()
        for a in np.meshgrid(range(n), range(2), range(3), range(len(POSITIONS)), range(len(MARITAL)), indexing="ij")
    )
    starts = edges[band]
    youngest = np.array([_YOUNGEST.get(p, 18) for p in POSITIONS])
    ends = np.append(edges[1:], OLDEST + 1)[band]
    possible = ends > youngest[pos]
    possible &= (pos != position("student")) | (starts < _OLDEST_STUDENT)
    minor_only = np.isin(pos, [position("couple child"), position("family child")])
    possible &= ~minor_only | (starts < 18)
    possible &= (starts >= 18) | (mar == MARITAL.index("never married"))
    coupled = np.isin(pos, [position("couple head"), position("couple spouse")])
    possible &= ~coupled | (mar == MARITAL.index("married"))
    band, sex, cit, pos, mar = (a[possible] for a in (band, sex, cit, pos, mar))
    ages = np.add.reduceat(years, edges, axis=1)  # people by sex and band
    seed = ages[sex, band] * _position_shares(edges)[pos, sex, band]
    apart = ~np.isin(pos, [position("couple head"), position("couple spouse")]) & (edges[band] >= 18)
    seed[apart] *= _marital_shares(edges, facts)[mar, sex, band][apart]
    return Cells(edges, band, sex, cit, pos, mar, seed + 1e-9, years)


def _on_bands(counts: FloatArray, edges: IntArray) -> FloatArray:
    """Carry densities by microdata band (last axis) to the place's bands, by where each band starts."""
    bands = np.array(household_shapes()["bands"])
    at = np.searchsorted(bands, edges, side="right") - 1
    return counts[..., at]


def _position_shares(edges: IntArray) -> FloatArray:
    """Return P(position | sex, band) of the microdata, half a person added to each."""
    shapes = household_shapes()["positions"]
    counts = np.array([shapes[p] for p in POSITIONS], dtype=float) + 0.5
    for start, people in _GRADUATES.items():
        counts[position("student"), :, household_shapes()["bands"].index(start)] += people / 2
    return _on_bands(counts / counts.sum(axis=0), edges)


def _marital_shares(edges: IntArray, facts: Facts) -> FloatArray:
    """Return P(marital status | sex, band) of those without a spouse at home, a prior that the tables then scale.

    No microdata with marital status by age is used (that pair is kept for checking). Whoever lives with a spouse is
    known by age; one who does not was married before in proportion to how many were ten years earlier, and is widowed
    rather than divorced with a chance that doubles every eight years (Gompertz), evens at 72 for women, 80 for men.
    Separated stand to divorced as in the place's table of marital status by sex, else one to six.
    """
    shapes = household_shapes()
    bands = np.array(shapes["bands"])
    counts = np.array([shapes["positions"][p] for p in POSITIONS if p not in QUARTERS], dtype=float)
    married = counts[:2].sum(axis=0) / (counts.sum(axis=0) + 1)
    ages = np.arange(OLDEST + 1)
    middles = np.append((bands[:-1] + bands[1:]) / 2, 90)
    by_year = np.array([np.interp(ages, middles, m) for m in married])
    ever = np.maximum.accumulate(by_year, axis=1)
    before = np.concatenate([np.zeros((2, 10)), ever[:, :-10]], axis=1)
    widowed = 2.0 ** ((ages - np.array([[72.0], [80.0]])) / 8)
    widowed /= 1 + widowed
    formerly = 0.5 * before
    parted = formerly * (1 - widowed)
    apart = np.array([[_separated_share(facts, sex)] for sex in SEXES])
    by_status = {
        "never married": (1 - ever) ** 1.5,
        "married": _APART * by_year,
        "separated": parted * apart,
        "divorced": parted * (1 - apart),
        "widowed": formerly * widowed,
    }
    weights = np.stack([by_status[m] for m in MARITAL]) + 1e-4
    shares: FloatArray = (weights / weights.sum(axis=0))[:, :, edges]
    return shares


def _separated_share(facts: Facts, sex: str) -> float:
    """Return the share of separated among divorced and separated."""
    universe = f"persons|age=15..|sex={sex}"
    both = [facts.known(universe, f"marital_status={m}", "percent") for m in ("separated", "divorced")]
    if both[0] is None or both[1] is None or both[0] + both[1] <= 0:
        return 1 / 7
    return both[0] / (both[0] + both[1])


def cell_view(cells: Cells) -> View:
    """Show cells as persons, so that rows of tables.csv can be asked which of them they mean."""
    names = np.array(POSITIONS)[cells.pos]
    starts = cells.edges[cells.band]
    couple = np.char.startswith(names, "couple")
    quarters = np.isin(names, QUARTERS)
    own = np.isin(names, ("couple child", "family child"))
    frame = pl.DataFrame(
        {
            "age": starts.astype(float),
            "sex": np.array(SEXES)[cells.sex],
            "nativity": np.where(cells.cit == 0, "native", "foreign-born"),
            "citizenship": np.array(CITIZENSHIPS)[cells.cit],
            "marital_status": np.array(MARITAL)[cells.mar],
            "living": np.where(
                couple, "married-couple family", np.where(quarters, "group quarters", "other household")
            ),
            "own_child": np.where(own, "yes", "no"),
            "parents": np.where(names == "couple child", "two", np.where(names == "family child", "one", "-")),
            "poverty_determined": np.where(np.isin(names, ("student", "institution")), "no", "yes"),
            "institutional": np.where(names == "institution", "yes", "no"),
            "hh_gq_type": np.select(
                [names == "student", names == "other quarters", names == "institution"],
                [
                    "student housing",
                    "other",
                    np.where(starts >= 65, "nursing facility", np.where(starts < 18, "juvenile", "")),
                ],
                "",
            ),
            "civilian": np.where(starts < 19, "yes", ""),
        }
    ).with_columns(pl.col("parents").replace("-", None), pl.col("civilian", "hh_gq_type").replace("", None))
    return View("persons", frame)


def head_view(cells: Cells) -> tuple[View, IntArray]:
    """Show the cells of householders as households; also return which cells they are."""
    heads = np.flatnonzero(np.isin(cells.pos, [position(p) for p in HEADS]))
    family = np.isin(cells.pos[heads], [position("couple head"), position("family head")])
    frame = pl.DataFrame(
        {
            "kind": np.where(family, "family", "nonfamily"),
            "family_type": np.select(
                [cells.pos[heads] == position("couple head"), family],
                ["married couple", np.char.add(np.array(SEXES)[cells.sex[heads]], " householder")],
                "",
            ),
            "size": np.where(cells.pos[heads] == position("alone"), 1.0, np.nan),
            "hhr_age": cells.edges[cells.band[heads]].astype(float),
            "hhr_sex": np.array(SEXES)[cells.sex[heads]],
            "hhr_nativity": np.where(cells.cit[heads] == 0, "native", "foreign-born"),
            "hhr_citizenship": np.array(CITIZENSHIPS)[cells.cit[heads]],
        }
    ).with_columns(pl.col("family_type").replace("", None))
    return View("households", frame), heads
