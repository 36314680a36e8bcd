"""The norms file says what its sources say, and its order is what its facets say."""

import numpy as np
import pytest

from cityfolk.errors import DataError
from cityfolk.personality.norms import (
    COVERED_AGES,
    group_index,
    is_covered,
    norm_groups,
    norms_file,
    pomp_from_sum,
    residual_correlations,
)
from cityfolk.vocabulary import SEXES, TRAITS


def test_eight_groups_cover_every_age_and_sex_once():
    for sex in SEXES:
        covered = [age for group in norm_groups() if group.sex == sex for age in range(group.low, group.high + 1)]
        assert covered == list(range(121))


def test_group_index_agrees_with_the_bounds_of_the_groups():
    for sex in SEXES:
        for age in range(121):
            group = norm_groups()[int(group_index([age], [sex])[0])]
            assert group.sex == sex and group.low <= age <= group.high


def test_figures_carried_over_from_the_source():
    by_name = {group.name: group for group in norm_groups()}
    # Men 21 to 40: extraversion 78.90 of 120, (78.90 - 24) / 96; women over 60: agreeableness SD 9.52 / 96.
    assert by_name["men 21-40"].mean[TRAITS.index("extraversion")] == pytest.approx(0.571875)
    assert by_name["women over 60"].sd[TRAITS.index("agreeableness")] == pytest.approx(9.52 / 96)


def test_domains_are_the_sums_of_their_facets():
    # The source lists bare numbers; only the right order of domains makes the facets add up (largest gap .69).
    for group in norms_file()["groups"]:
        for trait in TRAITS:
            assert sum(group["facet_mean"][trait]) == pytest.approx(group["mean"][trait], abs=0.7)


def test_facets_have_names_for_every_figure():
    facets = norms_file()["facets"]
    assert {trait: len(names) for trait, names in facets.items()} == dict.fromkeys(TRAITS, 6)
    assert len({name for names in facets.values() for name in names}) == 30


def test_correlations_are_a_correlation_matrix_in_our_order():
    matrix = residual_correlations()
    assert np.allclose(matrix, matrix.T) and np.all(np.diag(matrix) == 1)
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert matrix[TRAITS.index("conscientiousness"), TRAITS.index("neuroticism")] == -0.463
    assert matrix[TRAITS.index("agreeableness"), TRAITS.index("extraversion")] == 0.063
    assert matrix[TRAITS.index("openness"), TRAITS.index("extraversion")] == 0.242


def test_pomp_of_the_ends_of_the_scale():
    assert (pomp_from_sum(24), pomp_from_sum(72), pomp_from_sum(120)) == (0.0, 0.5, 1.0)


def test_only_covered_ages_are_covered():
    low, high = COVERED_AGES
    assert is_covered([low - 1, low, high]).tolist() == [False, True, True]


def test_unknown_sex_is_an_error():
    with pytest.raises(DataError, match="female or male"):
        group_index([30], ["f"])
