"""Adjusted differences against least squares, and the family-wise error against its promise."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.fairness import adjust
from cityfolk.evaluation.fairness.adjust import compare_groups, covariates
from cityfolk.evaluation.intervals import wilson
from tests.evaluation.fairness.cases import people


def drawn(seed, n=80, k=4, m=3):
    stream = rng.child(seed, "test", "adjust")
    held = np.column_stack([np.ones(n), stream.normal(size=(n, k))])
    inside = stream.random(n) < 1 / (1 + np.exp(-held[:, 1]))
    return held, inside, stream.normal(size=(n, m)) + held[:, 1:2], stream


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_difference_and_error_are_those_of_least_squares(seed):
    held, inside, measured, stream = drawn(seed)
    if not 5 < inside.sum() < 75:
        return
    found = compare_groups(measured, {"in": inside}, held, stream, deals=19)
    design = np.column_stack([held, inside])
    for column in range(3):
        solved, residual, *_ = np.linalg.lstsq(design, measured[:, column], rcond=None)
        variance = residual[0] / (80 - design.shape[1]) * np.linalg.inv(design.T @ design)
        assert found.difference[0, column] == pytest.approx(solved[-1])
        assert found.error[0, column] == pytest.approx(np.sqrt(variance[-1, -1]))


def test_without_covariates_it_is_hedges_g():
    stream = rng.child(1, "test")
    measured, inside = stream.normal(size=(60, 1)), np.arange(60) < 25
    found = compare_groups(measured, {"in": inside}, np.ones((60, 1)), stream, deals=19)
    x, y = measured[inside, 0], measured[~inside, 0]
    pooled = np.sqrt((24 * x.var(ddof=1) + 34 * y.var(ddof=1)) / 58)
    exact = np.exp(gammaln(29) - gammaln(28.5)) / np.sqrt(29)  # J(58), Hedges (1981), eq. 6e
    g = exact * (x.mean() - y.mean()) / pooled
    assert found.effect[0, 0] == pytest.approx(g, rel=1e-4)
    assert found.effect_error[0, 0] == pytest.approx(np.sqrt(60 / (25 * 35) + g**2 / 120), rel=1e-3)
    assert found.sizes.tolist() == [25] and found.n == 60


def test_a_measure_or_group_that_cannot_differ_is_nothing():
    held, inside, measured, stream = drawn(3)
    measured[:, 0] = 7.0
    twin = held[:, 1] > 0
    held = np.column_stack([held, twin])
    found = compare_groups(measured, {"in": inside, "told by a covariate": twin}, held, stream, deals=19)
    assert np.isnan(found.p[:, 0]).all() and np.isnan(found.effect[1]).all()
    assert np.isfinite(found.p[0, 1:]).all()


def test_too_few_people_for_the_facts():
    with pytest.raises(DataError, match="cannot be compared"):
        compare_groups(np.zeros((5, 1)), {"in": np.arange(5) < 2}, np.eye(5), rng.child(0, "x"))


@pytest.mark.long
@pytest.mark.parametrize("limit", [5_000, 10])
def test_the_family_wise_error_is_kept(limit, monkeypatch):
    """500 worlds without a difference, skewed and unequal groups, 5 x 3 tests: one in twenty has a p of .05."""
    monkeypatch.setattr(adjust, "_DEALT_UP_TO", limit)
    alarms = 0
    for seed in range(500):
        stream = rng.child(seed, "test", "family")
        n = 150
        held = np.column_stack([np.ones(n), stream.normal(size=(n, 6))])
        groups = {str(i): stream.random(n) < share for i, share in enumerate((0.5, 0.3, 0.2, 0.12, 0.1))}
        measured = stream.gamma(2.0, size=(n, 3)) + held[:, 1:4]
        alarms += np.nanmin(compare_groups(measured, groups, held, stream, deals=199).p) <= 0.05
    low, high = wilson(alarms, 500, z=2.58)
    assert low <= 0.05 <= high or (limit == 10 and alarms / 500 < 0.09)


def test_a_real_difference_is_found_and_a_confounded_one_is_not():
    stream = rng.child(5, "test")
    n = 400
    cause = stream.normal(size=n)
    inside = cause + 0.3 * stream.normal(size=n) > 0
    other = stream.random(n) < 0.2
    measured = np.column_stack([cause + 0.5 * stream.normal(size=n), 0.8 * other + stream.normal(size=n)])
    held = np.column_stack([np.ones(n), cause])
    found = compare_groups(measured, {"confounded": inside, "real": other}, held, stream, deals=999)
    assert found.p[0, 0] > 0.2 and found.p[1, 1] <= 0.002
    assert found.difference[1, 1] == pytest.approx(0.8, abs=0.3)
    raw = compare_groups(measured, {"confounded": inside}, np.ones((n, 1)), stream, deals=999)
    assert raw.p[0, 0] <= 0.002


def test_covariates_hold_back_the_attribute_and_flag_the_unknown():
    known = people(400)
    every = covariates(known, "origin").shape[1]
    assert covariates(known, "sex").shape[1] == every - 1
    assert covariates(known, "age").shape[1] == every - 2  # age and its square
    assert covariates(known, "income").shape[1] == every - 1
    gone = known.with_columns(income_usd=pl.when(pl.col("person_id") < 20).then(None).otherwise("income_usd"))
    columns = covariates(gone, "origin")
    assert columns.shape[1] == every + 1 and np.isfinite(columns).all()
    few = covariates(known.head(100), "origin")
    assert few.shape[1] < every  # a trait is one number and its square where people are few


def test_the_same_seed_gives_the_same_p():
    held, inside, measured, _ = drawn(9)
    a, b = (compare_groups(measured, {"in": inside}, held, rng.child(1, "x"), deals=99) for _ in range(2))
    assert np.array_equal(a.p, b.p)
