"""Intraclass correlations against the published worked example, and moments against numpy."""

import numpy as np
import pytest

from cityfolk.errors import DataError
from cityfolk.evaluation.judges.agreement import icc, interval, moments

# Shrout and Fleiss (1979), table 2: six targets rated by four judges.
PUBLISHED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_the_published_example():
    found = icc(PUBLISHED, level=0.95)
    assert found.agreement.value == pytest.approx(0.29, abs=0.005)
    assert found.consistency.value == pytest.approx(0.71, abs=0.005)
    # From the mean squares of their table 3: 11.24 between targets, 32.49 between judges, 1.02 residual.
    assert found.agreement.value == pytest.approx(
        (11.24 - 1.02) / (11.24 + 3 * 1.02 + 4 * (32.49 - 1.02) / 6), abs=1e-3
    )
    assert found.consistency.value == pytest.approx((11.24 - 1.02) / (11.24 + 3 * 1.02), abs=1e-3)


def test_the_published_examples_intervals_as_another_program_gives_them():
    # The same data in `ICC` of R's psych: ICC2 .019 to .76, ICC3 .342 to .95, both at 95%.
    found = icc(PUBLISHED, level=0.95)
    ends = [found.agreement.low, found.agreement.high, found.consistency.low, found.consistency.high]
    assert ends == pytest.approx([0.019, 0.76, 0.342, 0.95], abs=5e-3)


def test_perfect_and_shifted_judges():
    answers = np.arange(8.0)
    same, shifted = icc(np.column_stack([answers] * 3)), icc(np.column_stack([answers, answers + 4]))
    assert same.agreement.value == same.consistency.value == 1.0
    assert shifted.consistency.value == 1.0
    # Between 12, judges 64, residual 0: 12 / (12 + 2 * 64 / 8).
    assert shifted.agreement.value == pytest.approx(12 / 28)


def test_what_has_no_icc():
    assert np.isnan(icc(np.ones((5, 2))).agreement.value)
    for wrong in (np.ones((1, 2)), np.ones((4, 1)), np.array([[1.0, np.nan], [2.0, 1.0]])):
        with pytest.raises(DataError, match="two or more answers by two or more judges"):
            icc(wrong)


def test_moments_are_numpys():
    stream = np.random.default_rng(1)
    columns = stream.normal(2, 3, (60, 3)) + stream.normal(size=(60, 1))
    found = moments(columns, np.arange(60) // 4, np.random.default_rng(0), 50)
    assert found.mean[0] == pytest.approx(columns.mean(axis=0))
    assert found.covariance[0] == pytest.approx(np.cov(columns.T))
    assert found.correlation(0, 1)[0] == pytest.approx(np.corrcoef(columns.T)[0, 1])
    slope, intercept = np.polyfit(columns[:, 1], columns[:, 0], 1)
    assert (found.slope(0, 1)[0], found.intercept(0, 1)[0]) == (pytest.approx(slope), pytest.approx(intercept))
    rest = [columns[:, i] - np.polyval(np.polyfit(columns[:, 2], columns[:, i], 1), columns[:, 2]) for i in (0, 1)]
    assert found.partial(0, 1, 2)[0] == pytest.approx(np.corrcoef(rest)[0, 1])
    both = icc(columns[:, :2])
    agreement, consistency = found.iccs(0, 1)
    assert agreement[0] == pytest.approx(both.agreement.value)
    assert consistency[0] == pytest.approx(both.consistency.value)
    assert len(found.n) == 51 and set(found.n[1:] % 4) == {0}  # whole clusters of four


def test_a_constant_has_no_correlation():
    columns = np.column_stack([np.full(20, 0.1 + 0.2), np.arange(20.0)])
    found = moments(columns, np.arange(20), np.random.default_rng(0), 20)
    assert found.deviation(0)[0] == 0.0 and np.isnan(found.correlation(0, 1)).all()
    assert np.isnan(interval(found.correlation(0, 1)).value)


def test_clusters_widen_the_interval():
    stream = np.random.default_rng(2)
    columns = np.repeat(stream.normal(size=(40, 2)), 10, axis=0)
    alone = interval(moments(columns, np.arange(400), np.random.default_rng(0)).correlation(0, 1))
    together = interval(moments(columns, np.arange(400) // 10, np.random.default_rng(0)).correlation(0, 1))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_bootstrap_covers_the_truth():
    hits = 0
    for seed in range(100):
        stream = np.random.default_rng(seed)
        x = stream.normal(size=300)
        columns = np.column_stack([x, 0.5 * x + np.sqrt(0.75) * stream.normal(size=300)])
        found = interval(moments(columns, np.arange(300), stream, 100).correlation(0, 1))
        hits += found.low <= 0.5 <= found.high
    assert 79 <= hits <= 98  # 90% of 100, within three standard errors and the bootstrap's own
