"""Planted faults are caught by a finding that names them, and clean data is left alone."""

import pytest

from tests.evaluation.preferences.planted import FAULTS, clean

SEEDS = 20


def test_a_clean_set_raises_nothing():
    assert clean(100) == set()


@pytest.mark.parametrize("fault", ["ignores the target", "swapped", "leaked topic"])
def test_each_fault_is_named(fault):
    made, named = FAULTS[fault]
    assert named(made(100))


@pytest.mark.long
def test_clean_sets_raise_nothing_but_chance():
    raised = [found for seed in range(SEEDS) if (found := clean(seed))]
    assert len(raised) <= 2, raised


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault):
    made, named = FAULTS[fault]
    assert sum(named(made(seed)) for seed in range(SEEDS)) >= 19
