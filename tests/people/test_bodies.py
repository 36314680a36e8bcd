"""Bodies have the published heights and weights of their age and sex."""

import csv
from importlib.resources import files
from io import StringIO
from itertools import pairwise

import numpy as np
import pytest

from cityfolk.errors import DataError
from cityfolk.people.bodies import draw_bodies, lms_value, percentile_value

N = 20_000
ROWS = list(csv.DictReader(StringIO(files("cityfolk.people").joinpath("bodies.csv").read_text(encoding="utf-8"))))


def _draw(age, sex, n=N):
    return draw_bodies(np.arange(n), np.full(n, age), np.full(n, sex), seed=1, place="p")


# Mean weights in kg: table 3 of Fryar et al. 2025, which drawing does not use; the largest standard error is 2.1.
@pytest.mark.parametrize(
    ("sex", "age", "weight"),
    [
        ("male", 25, 86.8), ("male", 45, 95.3), ("male", 75, 87.7), ("male", 85, 81.7),
        ("female", 25, 74.8), ("female", 45, 80.4), ("female", 65, 77.5), ("female", 85, 67.9),
    ],
)  # fmt: skip
def test_weights_of_adults_match_a_table_that_was_not_used(sex, age, weight):
    assert _draw(age, sex)[1].mean() == pytest.approx(weight, abs=2.1)


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r["measure"] == "height" and r["mean"]], ids=lambda r: r["age_low"] + r["sex"]
)
def test_heights_of_adults_have_the_published_mean_and_percentiles(row):
    heights, _ = _draw(int(row["age_low"]), row["sex"])
    assert heights.mean() == pytest.approx(float(row["mean"]), abs=0.5)
    for percentile in (10, 25, 50, 75, 90):
        assert np.percentile(heights, percentile) == pytest.approx(float(row[f"p{percentile}"]), abs=0.4)


def test_children_grow_and_men_are_taller():
    boys = [np.median(_draw(age, "male", 2000)[0]) for age in range(18)]
    assert all(later > earlier for earlier, later in pairwise(boys))
    # CDC 2000: median stature of boys at 10.5 years is 141.1 cm.
    assert boys[10] == pytest.approx(141.1, abs=0.6)
    assert _draw(30, "male")[0].mean() - _draw(30, "female")[0].mean() == pytest.approx(13.6, abs=0.5)


def test_weight_goes_with_height():
    heights, weights = _draw(40, "female")
    assert 0.2 < np.corrcoef(heights, weights)[0, 1] < 0.6


@pytest.mark.parametrize("age", [0, 1, 5, 12, 19, 40, 79, 103])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_bodies_are_possible(age, sex):
    heights, weights = _draw(age, sex)
    index = weights / (heights / 100) ** 2
    assert np.isfinite(heights).all() and index.min() > 10 and index.max() < 85
    assert heights.max() / heights.min() < 1.5


def test_a_body_stays_when_more_are_drawn():
    few = draw_bodies([5, 900], [30, 8], ["male", "female"], seed=2, place="p")
    ages, sexes = np.full(1000, 60), np.full(1000, "female")
    ages[[5, 900]], sexes[[5, 900]] = [30, 8], ["male", "female"]
    many = draw_bodies(np.arange(1000), ages, sexes, seed=2, place="p")
    assert all(np.array_equal(a, b[[5, 900]]) for a, b in zip(few, many, strict=True))


def test_lms_by_hand():
    # Cole and Green: M (1 + L S z)^(1/L); with L = 1 it is M (1 + S z).
    assert lms_value(1.0, 80.0, 0.05, 2.0) == pytest.approx(88.0)
    assert lms_value(-1.0, 20.0, 0.1, 1.0) == pytest.approx(20 / 0.9)


def test_percentiles_come_back_and_order_is_kept():
    shares, values = [0.05, 0.25, 0.5, 0.75, 0.95], [50.0, 60.0, 66.0, 75.0, 99.0]
    z = np.array([-1.6448536, -0.6744898, 0.0, 0.6744898, 1.6448536])
    assert percentile_value(shares, values, z) == pytest.approx(values, rel=1e-6)
    assert np.all(np.diff(percentile_value(shares, values, np.linspace(-3, 3, 100))) > 0)


def test_every_row_says_where_it_is_from():
    assert all(len(row["source"]) > 20 for row in ROWS)


def test_impossible_age():
    with pytest.raises(DataError, match="0 to 120"):
        draw_bodies([1], [130], ["male"], seed=1, place="p")
