"""Intervals cover the truth at the rate that they promise."""

import numpy as np
import pytest

from cityfolk import rng
from cityfolk.evaluation.psychometrics.reliability import alpha, omega
from cityfolk.evaluation.psychometrics.scoring import z_scores
from cityfolk.evaluation.psychometrics.validity import acquiescence, gain, keying, multitrait, shift, spearman
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.personality.reference import z_from_percentile
from tests.evaluation.psychometrics import planted

REPETITIONS = 250
# 90% of 250, four standard errors to each side; bootstrap intervals of small samples are known to be a little short.
EXACT, BOOTSTRAPPED = (0.824, 0.976), (0.80, 0.976)


def stream(*path):
    return rng.child(6, "coverage", *path)


def covered(estimates, truth):
    return np.mean([one.low <= truth <= one.high for one in estimates])


@pytest.mark.long
def test_gain_bleed_and_leanings_of_planted_respondents():
    """Answers are drawn item by item; the truth is what very many respondents give."""
    many = planted.vectors(20_000, "many")
    answers = planted.drawn(planted.kinder_when_open(many), stream("many"))
    truth = gain(z_from_percentile(many), z_scores(answers))
    inside, agrees, negations = [], [], []
    for number in range(REPETITIONS):
        target = planted.vectors(64, number)
        requested, draw = z_from_percentile(target), stream("planted", number)
        found = gain(requested, z_scores(planted.drawn(planted.kinder_when_open(target), draw)))
        inside.append(
            [
                [cell.low <= true.value <= cell.high for cell, true in zip(row, other, strict=True)]
                for row, other in zip(found.matrix, truth.matrix, strict=True)
            ]
        )
        agrees.append(acquiescence(planted.drawn(planted.agrees(target), draw), INSTRUMENT))
        blind = planted.drawn(planted.overhears_negations(target), draw)
        negations.append(keying(blind, requested, INSTRUMENT)[2])
    rates = np.mean(inside, axis=0)
    assert EXACT[0] < rates.mean() < EXACT[1]
    assert rates.min() > 0.79
    assert EXACT[0] < covered(agrees, 0.3) < EXACT[1]
    assert EXACT[0] < covered(negations, -1.0) < EXACT[1]


@pytest.mark.long
def test_reliability():
    loadings = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    common = loadings.sum() ** 2
    true_omega = common / (common + 6 * 0.49)
    true_alpha = 8 * 0.4 / (1 + 7 * 0.4)
    alphas, omegas = [], []
    for number in range(REPETITIONS):
        draw = stream("reliability", number)
        factor = draw.standard_normal((64, 1))
        alphas.append(alpha(np.sqrt(0.4) * factor + np.sqrt(0.6) * draw.standard_normal((64, 8))))
        omegas.append(omega(factor * loadings + 0.7 * draw.standard_normal((64, 6)), draw, resamples=200))
    assert EXACT[0] < covered(alphas, true_alpha) < EXACT[1]
    assert BOOTSTRAPPED[0] < covered(omegas, true_omega) < BOOTSTRAPPED[1]


@pytest.mark.long
def test_agreement_between_ways_and_ranks():
    convergent, more, ranks, shifts = [], [], [], []
    for number in range(REPETITIONS):
        draw = stream("ways", number)
        truth = draw.standard_normal((64, 5))
        ways = truth + draw.standard_normal((2, 64, 5))
        found = multitrait(ways, draw, resamples=200)
        convergent.append(found.convergent[0])
        more.append(found.discriminant[0])
        ranks.append(spearman(ways[0, :, 0], ways[1, :, 0]))
        answers = 3 + draw.standard_normal((64, 20)) * 0.3
        shifts.append(shift(answers, answers + 0.2 + 0.4 * draw.standard_normal((64, 1))).change)
    assert BOOTSTRAPPED[0] < covered(convergent, 0.5) < BOOTSTRAPPED[1]
    # Spearman's rho of a bivariate normal: 6 / pi * arcsin(r / 2).
    assert EXACT[0] < covered(ranks, 6 / np.pi * np.arcsin(0.25)) < EXACT[1]
    assert EXACT[0] < covered(shifts, 0.2) < EXACT[1]
    # The size of a correlation that is nought is .1 on average among 64, and counts against the difference.
    assert np.mean([one.value for one in more]) == pytest.approx(0.5 - 0.1, abs=0.03)
