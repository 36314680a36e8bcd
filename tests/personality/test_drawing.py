"""A drawn city has the published means, spreads and correlations, and nobody depends on anybody else."""

import numpy as np
import pytest

from cityfolk.personality.drawing import draw_personality
from cityfolk.personality.norms import LOWEST_ADULT, group_index, norm_groups, residual_correlations
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.types import PERCENTILE_CEILING, PERCENTILE_FLOOR
from cityfolk.vocabulary import TRAITS

N = 100_000


@pytest.fixture(scope="module")
def adults():
    ages = np.random.default_rng(3).choice([18, 20, 21, 33, 40, 41, 60, 61, 95], N)
    sexes = np.where(np.arange(N) % 2 == 0, "female", "male")
    draw = draw_personality(ages, sexes, np.arange(N), seed=1, place="somewhere")
    stored = draw.percentile.astype(np.float32).astype(np.float64)
    raw = np.column_stack([pomp_from_percentile(trait, stored[:, i]) for i, trait in enumerate(TRAITS)])
    return group_index(ages, sexes), raw, stored


def test_means_and_spreads_of_every_group(adults):
    group, raw, _ = adults
    for number, norm in enumerate(norm_groups()):
        scores = raw[group == number]
        assert len(scores) > 5000
        assert np.abs(scores.mean(axis=0) - norm.mean).max() < 0.01
        assert np.abs(scores.std(axis=0) / norm.sd - 1).max() < 0.04


def test_residual_correlations_from_stored_percentiles(adults):
    group, raw, _ = adults
    residual = raw - np.array([raw[group == g].mean(axis=0) for g in range(8)])[group]
    assert np.abs(np.corrcoef(residual.T) - residual_correlations()).max() < 0.015


def test_stored_in_32_bits_they_are_still_percentiles_that_a_person_may_have(adults):
    _, _, stored = adults
    assert stored.min() >= PERCENTILE_FLOOR and stored.max() <= PERCENTILE_CEILING


def test_the_reference_is_adults_so_adults_average_half():
    # Draw the reference's own mixture: percentiles must then be uniform.
    weights = np.array([group.adults for group in norm_groups()], dtype=float)
    chosen = np.random.default_rng(5).choice(8, N, p=weights / weights.sum())
    age = np.array([max(group.low, LOWEST_ADULT) for group in norm_groups()])[chosen]
    sex = np.array([group.sex for group in norm_groups()])[chosen]
    percentile = draw_personality(age, sex, np.arange(N), seed=2, place="x").percentile
    for column in percentile.T:
        shares = np.histogram(column, bins=10, range=(0, 1))[0] / N
        assert np.abs(shares - 0.1).max() < 0.006


def test_a_person_stays_who_they_are():
    ids = np.array([412, 7, 99_999])
    few = draw_personality([30, 70, 15], ["female", "male", "male"], ids, seed=4, place="p")
    ages, sexes = np.full(100_000, 50), np.full(100_000, "female")
    ages[ids], sexes[ids] = [30, 70, 15], ["female", "male", "male"]
    many = draw_personality(ages, sexes, np.arange(100_000), seed=4, place="p")
    assert np.array_equal(few.percentile, many.percentile[ids])
    assert np.array_equal(few.pomp, many.pomp[ids])


def test_seed_and_place_matter():
    def drawn(seed, place):
        return draw_personality([30], ["male"], [1], seed=seed, place=place).percentile

    assert not np.allclose(drawn(1, "a"), drawn(2, "a"))
    assert not np.allclose(drawn(1, "a"), drawn(1, "b"))


def test_marks():
    draw = draw_personality([3, 17, 18, 90], ["male"] * 4, range(4), seed=1, place="p")
    assert draw.norms.tolist() == ["extrapolated", "extrapolated", "IPIP-NEO-120", "IPIP-NEO-120"]


def test_nobody_is_drawn_from_nothing():
    assert draw_personality([], np.array([], dtype=str), [], seed=1, place="p").percentile.shape == (0, 5)
