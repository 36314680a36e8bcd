"""Pairs: raking and distances by hand; who holds the association is told from who does not."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cityfolk.evaluation.pairs import pair_distance, pairs, rake
from cityfolk.tables.view import build_views


def association(weights: dict[tuple[str, str], float], use: str = "withheld") -> pl.DataFrame:
    rows = [
        ("sex x party", "persons|age=18..", "sex", a, "party", b, w, round(w), "by hand", use)
        for (a, b), w in weights.items()
    ]
    names = ["pair", "universe", "a_column", "a_value", "b_column", "b_value", "weight", "n", "source", "use"]
    return pl.DataFrame(rows, schema=names, orient="row")


MICRO = {
    ("female", "Democratic"): 900.0,
    ("female", "Republican"): 100.0,
    ("male", "Democratic"): 300.0,
    ("male", "Republican"): 700.0,
}


def crowd(counts: dict[tuple[str, str], int]):
    sexes = [a for (a, _), n in counts.items() for _ in range(n)]
    parties = [b for (_, b), n in counts.items() for _ in range(n)]
    n = len(sexes)
    people = pl.DataFrame(
        {
            "person_id": range(n),
            "household_id": range(n),
            "role": ["householder"] * n,
            "age": [40] * n,
            "sex": sexes,
            "party": parties,
        }
    )
    homes = pl.DataFrame({"household_id": range(n), "kind": ["nonfamily"] * n, "gq_type": [None] * n})
    return build_views(people, homes)


def test_distances_by_hand():
    # Our margins are 1,000 and 1,000 by 1,200 and 800: those of the microdata, so that raking changes nothing.
    ours = {
        ("female", "Democratic"): 800,
        ("female", "Republican"): 200,
        ("male", "Democratic"): 400,
        ("male", "Republican"): 600,
    }
    found = pair_distance(association(MICRO), crowd(ours))
    assert found.made == pytest.approx(0.5 * 4 * 100 / 2000)
    # Independent: 600 400 600 400, each 300 off.
    assert found.independent == pytest.approx(0.5 * 4 * 300 / 2000)
    # A cell of a table with fixed margins has one degree of freedom here; two samples of 2,000 differ by about
    # sqrt(2 / 2000) * sd * sqrt(2 / pi), a few per mille, and never by as much as 3%.
    assert 0.001 < found.floor < 0.03
    assert found.ratio == pytest.approx((found.made - found.floor) / (found.independent - found.floor))
    assert (found.people, found.records) == (2000, 2000)


def test_margins_are_not_held_against_us():
    # Twice as many men, but the odds ratio of the microdata (21): rake the microdata and nothing is left to blame.
    target = rake(np.array([[900.0, 100.0], [300.0, 700.0]]), np.array([10_000.0, 20_000.0]), np.array([15e3, 15e3]))
    ours = dict(zip(MICRO, target.round().astype(int).ravel().tolist(), strict=True))
    found = pair_distance(association(MICRO), crowd(ours))
    assert found.made < 1e-4
    assert found.ratio == 0


@pytest.mark.parametrize(("shift", "verdict"), [(0, "inside"), (100, "inside"), (250, "outside"), (300, "outside")])
def test_half_of_independence_is_the_line(shift, verdict):
    signs = (-1, 1, 1, -1)
    ours = {cell: int(n) + sign * shift for (cell, n), sign in zip(MICRO.items(), signs, strict=True)}
    (finding,) = pairs(association(MICRO), crowd(ours))
    assert finding.verdict == verdict
    assert finding.id == "people.pair.withheld.sex_x_party"
    (fitted,) = pairs(association(MICRO, use="fitted"), crowd(ours))
    assert fitted.verdict == "none"


def test_nobody_in_the_universe_is_no_verdict():
    (finding,) = pairs(association({("male", "other"): 5.0}), crowd({("female", "other"): 3}))
    assert (finding.value, finding.verdict) == (None, "none")


def test_the_same_seed_gives_the_same_floor():
    town = crowd({cell: int(n) for cell, n in MICRO.items()})
    first, again, other = (pair_distance(association(MICRO), town, seed=s).floor for s in (1, 1, 2))
    assert first == again != other


@given(
    arrays(np.float64, (3, 4), elements=st.floats(0.1, 100)),
    arrays(np.float64, 3, elements=st.floats(1, 100)),
    arrays(np.float64, 4, elements=st.floats(1, 100)),
)
def test_raking_meets_both_margins_and_keeps_odds_ratios(table, rows, columns):
    columns = columns / columns.sum() * rows.sum()
    raked = rake(table, rows, columns, steps=2000)
    assert np.allclose(raked.sum(1), rows, rtol=1e-6)
    assert np.allclose(raked.sum(0), columns, rtol=1e-6)
    odds = table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])
    assert raked[0, 0] * raked[1, 1] / (raked[0, 1] * raked[1, 0]) == pytest.approx(odds, rel=1e-6)
