"""Intervals, tests and corrections against values worked out by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.statistics import (
    bootstrap,
    correlation,
    correlation_below,
    holm,
    mean_interval,
    permutation_columns,
    permutation_paired,
    share_above,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def stream(*path):
    return rng.child(0, "test", *path)


def mean(x):
    return float(np.mean(x))


def test_bca_agrees_with_scipy_on_a_skewed_sample():
    x = stream("skewed").exponential(size=60)
    ours = bootstrap(mean, x, stream=stream("bca"), resamples=6000)
    theirs = stats.bootstrap(
        (x,), np.mean, confidence_level=0.9, n_resamples=6000, method="BCa", rng=np.random.default_rng(1)
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.value == pytest.approx(x.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.06 * width)
    plain = bootstrap(mean, x, stream=stream("percentile"), resamples=6000, method="percentile")
    assert ours.low > plain.low and ours.high > plain.high  # the correction for skewness moves both up


def test_whole_clusters_are_drawn():
    x = stream("cluster").normal(size=50)
    thrice, labels = np.repeat(x, 3), np.repeat(np.arange(50), 3)
    alone = bootstrap(mean, x, stream=stream("a"), resamples=3000, method="percentile")
    together = bootstrap(mean, thrice, stream=stream("b"), clusters=labels, resamples=3000, method="percentile")
    naive = bootstrap(mean, thrice, stream=stream("c"), resamples=3000, method="percentile")
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert naive.high - naive.low == pytest.approx((alone.high - alone.low) / np.sqrt(3), rel=0.1)


def test_rows_of_paired_samples_stay_together():
    x = stream("pair").normal(size=40)
    found = bootstrap(lambda a, b: float(np.corrcoef(a, b)[0, 1]), x, 2 * x + 1, stream=stream("d"), resamples=200)
    assert found.value == pytest.approx(1) and found.low == pytest.approx(1) and found.high == pytest.approx(1)


def test_the_same_stream_gives_the_same_interval():
    x = stream("same").normal(size=30)
    first, second = (bootstrap(mean, x, stream=stream("e"), resamples=100) for _ in range(2))
    assert first == second


def test_a_statistic_without_a_value_has_no_interval():
    found = bootstrap(lambda x: float("nan"), np.ones(5), stream=stream("f"), resamples=10)
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("method", ["student", ""])
def test_unknown_methods_are_refused(method):
    with pytest.raises(DataError, match="method"):
        bootstrap(mean, np.ones(5), stream=stream("g"), method=method)


def test_sign_flips_by_hand():
    # Of the eight ways to sign 1, 2, 3 only +++ and --- reach a sum of six.
    assert permutation_paired([1, 2, 3], stream("h")) == pytest.approx(2 / 8)
    assert permutation_paired([1, -1], stream("h")) == 1.0


def test_sign_flips_agree_with_scipy():
    x = stream("flips").normal(0.4, 1, size=10)
    theirs = stats.permutation_test(
        (x, np.zeros(10)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert permutation_paired(x, stream("i")) == pytest.approx(theirs.pvalue)
    many = stream("many").normal(0.15, 1, size=(120, 3))
    drawn = permutation_columns(many, stream("j"), 20_000)
    assert drawn == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.015)


def test_means_and_correlations_agree_with_scipy():
    x = stream("m").normal(1, 2, size=25)
    y = x + stream("n").normal(0, 3, size=25)
    found, theirs = mean_interval(x), stats.ttest_1samp(x, 0)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.9)))
    assert found.p == pytest.approx(theirs.pvalue)
    r, pearson = correlation(x, y), stats.pearsonr(x, y)
    assert r.value == pytest.approx(pearson.statistic)
    assert (r.low, r.high) == pytest.approx(tuple(pearson.confidence_interval(0.9)))
    assert np.isnan(correlation(x, np.ones(25)).value)


def test_tests_of_shares_and_correlations():
    assert share_above(3, 10, 0.1) == pytest.approx(stats.binomtest(3, 10, 0.1, alternative="greater").pvalue)
    assert share_above(0, 10, 0.1) == 1.0
    assert correlation_below(0.25, 103, 0.25) == pytest.approx(0.5)
    # atanh(.25) = .2554; ten standard errors of 1/sqrt(100) are 1: z = -2.554.
    assert correlation_below(0.0, 103, 0.25) == pytest.approx(stats.norm.cdf(-2.5541281), rel=1e-6)


def test_corrections_by_hand():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert len(holm([])) == 0
    with pytest.raises(DataError, match="p-values"):
        holm([0.5, float("nan")])


@given(P_VALUES)
def test_laws_of_corrections(p):
    family, discovery = holm(p), stats.false_discovery_control(p)
    assert (family >= np.array(p) - 1e-12).all() and (family <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()
    assert (discovery <= family + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(family[order]) >= -1e-12).all()
