"""Alpha, omega and congruence: by hand, against other programs, and what must hold of them."""

import numpy as np
import pytest

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.reliability import (
    alpha,
    components,
    congruence,
    omega,
    omega_of,
    one_factor,
    structure,
    structure_by_chance,
    turned_to,
)


@pytest.fixture(scope="module")
def items():
    """Answers of 60 respondents to six items, 1 to 5, of one factor with unequal loadings."""
    stream = rng.child(11, "psychometrics", "reference")
    factor = stream.standard_normal(60)
    raw = 3 + factor[:, None] * np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.2]) + 0.7 * stream.standard_normal((60, 6))
    return np.clip(np.round(raw), 1, 5)


def test_alpha_by_hand():
    # Variances 5/3 and 5/3, covariance 1, of the sum 16/3: 2 (1 - (10/3) / (16/3)) = 3/4.
    found = alpha([[1, 2], [2, 1], [3, 4], [4, 3]])
    assert found.value == pytest.approx(0.75)


def test_alpha_and_its_interval_equal_those_of_another_program(items):
    # pingouin 0.7.0, cronbach_alpha(ci=.90), rounds the interval to three digits.
    assert items.sum() == 1137
    found = alpha(items)
    assert found.value == pytest.approx(0.7657797068629302)
    assert (round(found.low, 3), round(found.high, 3)) == (0.680, 0.836)


def test_one_factor_by_hand():
    # Of three items a loading follows from the correlations alone: the first is the root of r12 r13 / r23.
    loadings = np.array([0.8, 0.6, 0.5])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    assert one_factor(correlation) == pytest.approx(loadings, abs=1e-5)
    # (.8 + .6 + .5)^2 = 3.61; uniquenesses .36 + .64 + .75 = 1.75.
    assert float(omega_of(correlation)) == pytest.approx(3.61 / 5.36, abs=1e-5)


def test_loadings_equal_those_of_another_program(items):
    # factor_analyzer 0.5.1, one factor, method "minres", on the same answers (signs turned).
    theirs = [0.773715, 0.771965, 0.743402, 0.500647, 0.394959, 0.34998]
    assert one_factor(np.corrcoef(items.T)) == pytest.approx(theirs, abs=2e-5)


def test_omega_equals_alpha_of_equal_items_and_exceeds_it_otherwise(items):
    equal = np.full((5, 5), 0.4) + np.diag(np.full(5, 0.6))
    # Alpha of five items that correlate .4 each: 5 * .4 / (1 + 4 * .4).
    assert float(omega_of(equal)) == pytest.approx(2.0 / 2.6, abs=1e-6)
    found = omega(items, rng.child(0, "omega"))
    assert alpha(items).value < found.value and found.low < found.value < found.high
    assert float(omega_of(np.cov(items.T))) == pytest.approx(found.value)


def test_several_covariances_at_once_give_what_each_gives_alone(items):
    many = np.stack([np.cov(items[:30].T), np.cov(items[30:].T)])
    assert omega_of(many) == pytest.approx([float(omega_of(one)) for one in many], abs=1e-5)


def test_items_that_tell_nobody_apart_have_no_reliability():
    constant = np.full((20, 4), 3.0)
    assert np.isnan(alpha(constant).value) and np.isnan(omega(constant, rng.child(0, "none")).value)
    with pytest.raises(DataError, match="2 or more items"):
        alpha(np.ones((5, 1)))
    holes = np.array([[1, 2], [2, 1], [3, 4], [4, 3], [np.nan, 5]])
    assert alpha(holes).value == pytest.approx(0.75)


def test_congruence_by_hand():
    # 1*2 + 2*1 = 4 over the root of 5 * 5.
    assert float(congruence([1, 2], [2, 1])) == pytest.approx(0.8)
    assert congruence([[1, 1], [2, -1]], [[3, -1], [6, 1]]) == pytest.approx([1.0, -1.0])


def test_turning_finds_a_structure_that_was_turned_away():
    stream = rng.child(1, "turn")
    key = np.kron(np.eye(3), np.ones((4, 1)))
    turn, _ = np.linalg.qr(stream.standard_normal((3, 3)))
    assert turned_to(key @ turn, key) == pytest.approx(key, abs=1e-12)
    factors = stream.standard_normal((400, 3))
    scores = factors @ key.T + 0.7 * stream.standard_normal((400, 12))
    assert structure(scores, key).min() > 0.95
    mixed = structure(scores[:, stream.permutation(12)], key).mean()
    assert mixed < 0.8
    chance = structure_by_chance(scores, key, rng.child(2, "turn"))
    assert chance < structure(scores, key).min()
    assert components(np.corrcoef(scores.T), 12) @ components(np.corrcoef(scores.T), 12).T == pytest.approx(
        np.corrcoef(scores.T), abs=1e-9
    )
