"""Percentile, POMP and z are one scale in three units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from cityfolk.errors import DataError
from cityfolk.personality.norms import norm_groups
from cityfolk.personality.reference import (
    group_distributions,
    percentile_from_pomp,
    percentile_from_z,
    pomp_from_percentile,
    reference_weights,
    z_from_percentile,
)
from cityfolk.vocabulary import TRAITS

traits = st.sampled_from(TRAITS)
percentiles = st.floats(0.001, 0.999)


@given(traits, percentiles)
def test_percentile_to_pomp_and_back(trait, percentile):
    assert percentile_from_pomp(trait, pomp_from_percentile(trait, percentile)) == pytest.approx(percentile, abs=1e-6)


@given(percentiles)
def test_percentile_to_z_and_back(percentile):
    assert percentile_from_z(z_from_percentile(percentile)) == pytest.approx(percentile, abs=1e-9)


@given(traits, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_has_a_lower_percentile(trait, one, other):
    low, high = sorted((one, other))
    assert percentile_from_pomp(trait, low) <= percentile_from_pomp(trait, high)


def test_vectors_equal_their_elements():
    values = np.array([0.01, 0.3, 0.5, 0.99])
    together = percentile_from_pomp("openness", values)
    assert together.tolist() == [float(percentile_from_pomp("openness", v)) for v in values]


def test_the_mixture_by_hand():
    # Far from the ends of the scale the mixture is nearly a sum of eight plain normals.
    position = TRAITS.index("neuroticism")
    adults = np.array([group.adults for group in norm_groups()])
    plain = sum(
        group.adults / adults.sum() * ndtr((0.4 - group.mean[position]) / group.sd[position]) for group in norm_groups()
    )
    assert float(percentile_from_pomp("neuroticism", 0.4)) == pytest.approx(plain, abs=0.006)


def test_weights_are_adults_and_sum_to_one():
    weights = reference_weights()
    assert weights.sum() == pytest.approx(1.0)
    # 255,200,373 residents of 18 and over on 1 July 2019 (NC-EST2019-AGESEX-RES).
    assert sum(group.adults for group in norm_groups()) == 255_200_373


def test_cut_normals_have_the_published_moments():
    grid = (np.arange(200_000) + 0.5) / 200_000
    for number, group in enumerate(norm_groups()):
        for position in range(len(TRAITS)):
            scores = group_distributions().quantile(grid, number, position)
            assert 0 <= scores.min() and scores.max() <= 1
            assert scores.mean() == pytest.approx(group.mean[position], abs=1e-4)
            assert scores.std() == pytest.approx(group.sd[position], abs=1e-4)


def test_clipped_at_one_in_a_thousand():
    assert percentile_from_pomp("openness", [0.0, 1.0]).tolist() == [0.001, 0.999]


def test_errors_name_what_is_wrong():
    with pytest.raises(DataError, match="not a trait"):
        percentile_from_pomp("honesty", 0.5)
    with pytest.raises(DataError, match="between 0 and 1"):
        pomp_from_percentile("openness", 50)
    with pytest.raises(DataError, match="between 0 and 1"):
        z_from_percentile(float("nan"))
