"""Planted respondents are told apart by the right numbers; estimators by hand and against other programs."""

import numpy as np
import pytest
from scipy import stats

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.scoring import score, z_scores
from cityfolk.evaluation.psychometrics.validity import (
    acquiescence,
    agreeing,
    bleed,
    distance,
    gain,
    keying,
    multitrait,
    shift,
    spearman,
)
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.personality.reference import z_from_percentile
from tests.evaluation.psychometrics import planted

TARGET = planted.vectors(64)
REQUESTED = z_from_percentile(TARGET)


def stream(*path):
    return rng.child(4, "validity", *path)


def effects(answers):
    return gain(REQUESTED, z_scores(answers))


def values(found):
    return np.array([[cell.value for cell in row] for row in found.matrix])


def test_gain_of_a_line_by_hand():
    # 1, 2, 4, 5 on -2, -1, 1, 2: slope (2 + 2 - ... ) = sum(xy) / sum(x^2) = 10 / 10, intercept 3.
    found = gain([[-2.0], [-1.0], [1.0], [2.0]], [[1.0], [2.0], [4.0], [5.0]])
    assert found.matrix[0][0].value == pytest.approx(1.0) and found.intercept[0].value == pytest.approx(3.0)
    assert found.matrix[0][0].low == pytest.approx(1.0)


def test_gain_equals_least_squares_and_its_errors_those_written_out():
    draw = stream("least squares")
    x = draw.standard_normal((40, 2))
    y = x @ np.array([[0.7], [-0.2]]) + draw.standard_normal((40, 1)) * (1 + np.abs(x[:, :1]))
    found = gain(x, y)
    design = np.column_stack([np.ones(40), x])
    beta, *_ = np.linalg.lstsq(design, y[:, 0], rcond=None)
    inverse = np.linalg.inv(design.T @ design)
    hat = np.diag(design @ inverse @ design.T)
    residual = (y[:, 0] - design @ beta) / (1 - hat)
    covariance = inverse @ (design.T * residual**2) @ design @ inverse
    half = stats.t.ppf(0.95, 37) * np.sqrt(np.diag(covariance))
    for i in (1, 2):
        cell = found.matrix[i - 1][0]
        assert (cell.value, cell.low, cell.high) == pytest.approx((beta[i], beta[i] - half[i], beta[i] + half[i]))


def test_requests_that_cannot_be_told_apart_are_refused():
    with pytest.raises(DataError, match="tell the effects"):
        gain(np.ones((30, 5)), np.ones((30, 5)))
    with pytest.raises(DataError, match="6 respondents"):
        gain(REQUESTED[:6], REQUESTED[:6])


def test_who_obeys_has_a_slope_of_one_and_no_bleed():
    found = effects(planted.obeys(TARGET))
    assert values(found) == pytest.approx(np.eye(5), abs=2e-3)
    assert bleed(found) < 2e-3
    answers = planted.obeys(TARGET)
    assert [one.value for one in keying(answers, REQUESTED, INSTRUMENT)] == pytest.approx([1.0] * 5)
    assert acquiescence(answers, INSTRUMENT).value == pytest.approx(0.0, abs=1e-12)


def test_who_ignores_the_vector_has_no_slope():
    found = effects(planted.drawn(planted.ignores(TARGET), stream("ignores")))
    assert np.abs(np.diagonal(values(found))).max() < 0.2
    assert sum(cell.low <= 0 <= cell.high for row in found.matrix for cell in row) >= 19
    constant = planted.ignores(TARGET)
    assert np.isnan(bleed(effects(constant)))
    assert np.isnan(keying(constant, REQUESTED, INSTRUMENT)[0].value)


def test_openness_that_moves_agreeableness_is_found_where_it_is():
    found = effects(planted.kinder_when_open(TARGET))
    expected = np.eye(5)
    expected[0, 3] = 0.5
    assert values(found) == pytest.approx(expected, abs=0.05)
    noisy = effects(planted.drawn(planted.kinder_when_open(TARGET), stream("kind")))
    assert noisy.matrix[0][3].low <= 0.5 <= noisy.matrix[0][3].high
    assert noisy.matrix[0][3].low > 0.25 and noisy.matrix[3][0].low < 0 < noisy.matrix[3][0].high


def test_agreeing_is_measured_apart_from_the_traits():
    answers = planted.agrees(TARGET)
    # Everything moves by .15 of its way to 5: at a balanced middle of 3 that is .3.
    assert agreeing(answers, INSTRUMENT) == pytest.approx(np.full(64, 0.3))
    found = acquiescence(planted.drawn(answers, stream("agrees")), INSTRUMENT)
    assert found.low < 0.3 < found.high and found.high - found.low < 0.1
    assert np.isnan(acquiescence(np.full((4, 120), np.nan), INSTRUMENT).value)


def test_who_overhears_negations_is_told_from_who_ignores_the_vector():
    answers = planted.overhears_negations(TARGET)
    assert [one.value for one in keying(answers, REQUESTED, INSTRUMENT)] == pytest.approx([-1.0] * 5)
    noisy = keying(planted.drawn(answers, stream("negations")), REQUESTED, INSTRUMENT)
    assert all(one.low < -1 < one.high for one in noisy[1:3]) and all(one.high < 0 for one in noisy)
    # Openness: 12 items each way cancel out, so the sum is what everybody has.
    assert np.ptp(score(answers).trait[:, 0]) < 0.2


def test_two_ways_of_asking_agree_as_far_as_their_noise_lets_them():
    truth = stream("truth").standard_normal((400, 5))
    ways = np.stack([truth + stream("way", i).standard_normal((400, 5)) for i in range(2)])
    found = multitrait(ways, stream("multitrait"))
    # As much noise as truth: the correlation is one half.
    assert [one.value for one in found.convergent] == pytest.approx([0.5] * 5, abs=0.1)
    assert sum(one.low < 0.5 < one.high for one in found.convergent) >= 3
    theirs = stats.pearsonr(ways[0, :, 2], ways[1, :, 2]).statistic
    assert found.convergent[2].value == pytest.approx(theirs)
    assert all(more.low > 0.3 for more in found.discriminant)
    alike = multitrait(np.repeat(truth[:, :1], 5, axis=1)[None].repeat(2, axis=0), stream("alike"))
    assert alike.convergent[0].value == pytest.approx(1.0) and alike.discriminant[0].value == pytest.approx(0.0)


def test_the_mean_size_of_other_correlations_by_hand():
    one = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, 0.0], [4.0, 0.0], [5.0, 0.0]])
    found = multitrait(np.stack([one, one]), stream("hand"))
    crossed = abs(np.corrcoef(one.T)[0, 1])
    assert found.discriminant[0].value == pytest.approx(1 - crossed)


def test_an_order_that_matters_is_seen_in_points():
    answers = planted.obeys(TARGET) * 0.8 + 0.6
    found = shift(answers - 0.25, answers + 0.25)
    assert found.change.value == pytest.approx(0.5) and found.size.value == pytest.approx(0.5)
    noise = stream("order").standard_normal((64, 120)) * 0.1
    found = shift(answers, np.where(np.arange(120) % 2, answers + 0.5, answers - 0.5) + noise)
    assert found.change.low < 0 < found.change.high and found.size.value > 0.4
    holes = answers.copy()
    holes[:, 3] = np.nan
    assert shift(holes, answers + 0.1).change.value == pytest.approx(0.1)


def test_spearman_equals_another_programs():
    draw = stream("rank")
    x = draw.standard_normal(50)
    y = x + draw.standard_normal(50)
    found = spearman(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert np.isnan(spearman(x, np.ones(50)).value)


def test_distance_of_correlations_by_hand():
    # Two cells that differ by .3 each: the root of .18.
    assert distance([[1, 0.5], [0.5, 1]], [[1, 0.2], [0.2, 1]]) == pytest.approx(np.sqrt(0.18))
