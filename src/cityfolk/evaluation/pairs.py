"""Two attributes together: does our population hold the association that microdata show?

The measure is the total variation distance between our joint table of a pair, within the pair's universe, and the
microdata's joint table raked to our margins (so that only the association is judged, not the margins). The same
distance of independent drawing, the product of our margins, is the yardstick; the floor is the distance that two
samples of the same table, as large as the microdata and as our population, have on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.evaluation.partitions import tvd
from cityfolk.rng import child
from cityfolk.tables.query import condition_mask, mask, parse, parse_condition
from cityfolk.tables.view import Views
from cityfolk.types import Finding, Verdict

Table = NDArray[np.float64]
ACCEPT = 0.5
_FLOOR_DRAWS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDistance:
    """Total variation distances (0 to 1) of one pair, and the numbers behind them.

    `people` counts our rows in the pair's cells, `records` the microdata's.
    """

    pair: str
    made: float
    independent: float
    floor: float
    people: int
    records: int

    @property
    def ratio(self) -> float:
        """Return how much of independence's distance, above the floor, is left: 0 is none, 1 all; NaN when unknown."""
        room = self.independent - self.floor
        return max(self.made - self.floor, 0.0) / room if room > 0 else float("nan")


def rake(table: Table, rows: Table, columns: Table, *, steps: int = 500) -> Table:
    """Scale a table of shape (a, b) to the given row and column sums (Deming and Stephan 1940); zeros stay zero."""
    result = np.array(table, dtype=np.float64)
    for _ in range(steps):
        result *= np.divide(rows, result.sum(1), out=np.zeros_like(rows), where=result.sum(1) > 0)[:, None]
        scale = np.divide(columns, result.sum(0), out=np.zeros_like(columns), where=result.sum(0) > 0)
        result *= scale
        if np.abs(result.sum(1) - rows).max() < 1e-9 * max(rows.sum(), 1.0):
            break
    return result


def pair_distance(association: pl.DataFrame, views: Views, *, seed: int = 0) -> PairDistance:
    """Compare one pair: `association` holds the rows of associations.csv with one pair and one universe."""
    a_values = association["a_value"].unique(maintain_order=True).to_list()
    b_values = association["b_value"].unique(maintain_order=True).to_list()
    micro = np.zeros((len(a_values), len(b_values)))
    records = np.zeros_like(micro)
    for row in association.iter_rows(named=True):
        cell = a_values.index(row["a_value"]), b_values.index(row["b_value"])
        micro[cell] += row["weight"]
        records[cell] += row["n"]
    first = association.row(0, named=True)
    ours = _joint(first["universe"], first["a_column"], a_values, first["b_column"], b_values, views)
    people, n = int(ours.sum()), int(records.sum())
    if not people or not micro.sum():
        return PairDistance(
            pair=first["pair"],
            made=float("nan"),
            independent=float("nan"),
            floor=float("nan"),
            people=people,
            records=n,
        )
    margins = ours.sum(1), ours.sum(0)
    target = rake(micro, *margins)
    independent = np.outer(*margins)
    draws = [
        tvd(_resample(target, n, seed, first["pair"], k, 0), _resample(target, people, seed, first["pair"], k, 1))
        for k in range(_FLOOR_DRAWS)
    ]
    return PairDistance(
        pair=first["pair"],
        made=tvd(ours, target),
        independent=tvd(independent, target),
        floor=float(np.mean(draws)),
        people=people,
        records=n,
    )


def _joint(universe: str, a: str, a_values: list[str], b: str, b_values: list[str], views: Views) -> Table:
    query = parse(universe)
    view = views[query.entity]
    inside = mask(query.universe, view)

    def masks(column: str, values: list[str]) -> list[NDArray[np.bool_]]:
        texts = (f"{column}={value}" for value in values)
        return [inside & condition_mask(parse_condition(text, query.entity), view) for text in texts]

    left, right = masks(a, a_values), masks(b, b_values)
    return np.array([[float(np.count_nonzero(x & y)) for y in right] for x in left])


def _resample(table: Table, n: int, seed: int, pair: str, draw: int, side: int) -> Table:
    """Draw n records from a table and rake them back to its margins."""
    drawn = child(seed, "pair", pair, draw, side).multinomial(n, (table / table.sum()).ravel()).reshape(table.shape)
    return rake(drawn.astype(np.float64), table.sum(1), table.sum(0), steps=100)


def pairs(associations: pl.DataFrame, views: Views, *, seed: int = 0) -> list[Finding]:
    """Return one finding a pair: the share of independence's distance that is left, which may be half for withheld."""
    findings = []
    for (use, pair, universe, source), part in associations.group_by(
        "use", "pair", "universe", "source", maintain_order=True
    ):
        distance = pair_distance(part, views, seed=seed)
        withheld = use == "withheld"
        known = distance.ratio == distance.ratio
        verdict: Verdict = "none"
        if withheld and known:
            verdict = "inside" if distance.ratio <= ACCEPT else "outside"
        findings.append(
            Finding(
                id=f"people.pair.{use}.{str(pair).replace(' ', '_')}",
                title=f"{pair} ({use}): distance to the microdata, independent drawing = 1",
                value=distance.ratio if known else None,
                n=distance.people,
                unit="ratio",
                expected=ACCEPT if withheld else None,
                verdict=verdict,
                note=f"total variation: made {distance.made:.4f}, independent {distance.independent:.4f}, "
                f"sampling floor {distance.floor:.4f}, {distance.records:,} records; {universe}; {source}",
            )
        )
    return findings
