"""The calibrated draw: laws of whole people, and small fits derived by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import DataError
from cityfolk.people.allocate import (
    Target,
    Targets,
    Weights,
    _product,
    _solve,
    allocate,
    calibrate,
    cells_of,
    round_quotas,
)


def start():
    """Return a stream of its own for one draw, always the same."""
    return np.random.default_rng(7)


@st.composite
def problems(draw):
    """Propensities with forbidden categories, groups, and quotas that some allocation meets."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k, groups = int(rng.integers(1, 80)), int(rng.integers(2, 7)), int(rng.integers(1, 4))
    group, truth = rng.integers(0, groups, n), rng.integers(0, k, n)
    p = rng.random((n, k))
    p[rng.random((n, k)) < draw(st.sampled_from([0.0, 0.4, 0.8]))] = 0.0
    p[np.arange(n), truth] = rng.random(n) + 0.01
    quotas = np.bincount(group * k + truth, minlength=groups * k).reshape(groups, k)
    return p, group, quotas, rng.random(n), rng.integers(0, 5, n), rng.permutation(n)


@settings(max_examples=200, deadline=None)
@given(problems())
def test_quotas_are_met_and_nothing_forbidden_is_chosen(problem):
    p, group, quotas, uniforms, order, _ = problem
    codes = allocate(p, group, quotas, uniforms, start(), order)
    k = p.shape[1]
    assert np.array_equal(np.bincount(group * k + codes, minlength=quotas.size).reshape(quotas.shape), quotas)
    assert (p[np.arange(len(p)), codes] > 0).all()


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_persons_category_does_not_depend_on_where_they_stand(problem):
    p, group, quotas, uniforms, order, shuffled = problem
    codes = allocate(p, group, quotas, uniforms, start(), order)
    again = allocate(p[shuffled], group[shuffled], quotas, uniforms[shuffled], start(), order[shuffled])
    assert np.array_equal(again, codes[shuffled])


def test_quotas_that_nobody_can_meet():
    p = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    group, uniforms = np.zeros(3, dtype=int), np.array([0.2, 0.5, 0.8])
    with pytest.raises(DataError, match="cannot be met"):
        allocate(p, group, np.array([[1, 2]]), uniforms, start())
    with pytest.raises(DataError, match="do not add up"):
        allocate(p, group, np.array([[1, 1]]), uniforms, start())
    nearest = allocate(p, group, np.array([[1, 2]]), uniforms, start(), exact=False)
    assert nearest.tolist() == [0, 0, 1]


def test_likelier_people_are_chosen_more_often():
    """A person with four times the odds is chosen about four times as often: 400 people, one in five chosen."""
    p = np.tile([[0.8, 0.2], [0.5, 0.5]], (200, 1))
    chosen = np.zeros(2)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        codes = allocate(p, np.zeros(400, int), np.array([[320, 80]]), rng.random(400), rng)
        chosen += codes.reshape(200, 2).sum(axis=0)
    assert 3.6 < (chosen[1] / (8000 - chosen[1])) / (chosen[0] / (8000 - chosen[0])) < 4.4


@pytest.mark.parametrize("n", [1, 47, 48, 49, 130])
def test_solving_by_tiles_is_solving(n):
    rng = np.random.default_rng(n)
    half = rng.normal(size=(n + 5, n))
    matrix, wanted = _product(half, half) + np.diag(rng.random(n)), rng.normal(size=n)
    assert _product(half, half) == pytest.approx(half.T @ half)
    assert matrix @ _solve(matrix, wanted) == pytest.approx(wanted)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_rounded_quotas_add_up_and_stay_close(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 50, int(rng.integers(1, 8)))
    shares = rng.dirichlet(np.ones(4), len(sizes))
    quotas = round_quotas(shares * sizes[:, None], sizes)
    assert np.array_equal(quotas.sum(axis=1), sizes) and (quotas >= 0).all()
    assert np.abs(np.cumsum(quotas - shares * sizes[:, None], axis=0)).max() < 2.0


def one(total, sigma, category=0, mask=0):
    wanted = np.zeros(2)
    wanted[category] = 1.0
    return Target(mask=mask, categories=wanted, total=total, sigma=sigma)


def test_one_target_by_hand():
    """100 people, even seeds, 80 wanted: .8 each (the ridge of a thousandth moves it by less than .01)."""
    p = calibrate(np.array([[0.5, 0.5]]), [100], np.ones((1, 1)), [one(80.0, 1.0)])
    assert p[0] == pytest.approx([0.8, 0.2], abs=1e-4)


def test_two_sources_that_disagree_are_weighed_by_their_margins():
    """60 within 1 and 90 within 2: weights 1 and 1/4 give (60 + 90 / 4) / 1.25 = 66."""
    p = calibrate(np.array([[0.5, 0.5]]), [100], np.ones((1, 1)), [one(60.0, 1.0), one(90.0, 2.0)])
    assert 100 * p[0, 0] == pytest.approx(66.0, abs=0.05)


def test_seeds_keep_their_odds_ratio_and_their_zeros():
    """Only the overall share is bound: each cell's odds are scaled alike, and what is impossible stays so."""
    seed = np.array([[0.2, 0.8], [0.5, 0.5], [0.0, 1.0]])
    p = calibrate(seed, [50, 50, 10], np.ones((3, 1)), [one(60.0, 0.5)])
    odds = p[:2, 0] / p[:2, 1]
    assert odds[1] / odds[0] == pytest.approx(4.0, rel=1e-6)
    assert p[2, 0] == 0.0
    assert (p[:, 0] * [50, 50, 10]).sum() == pytest.approx(60.0, abs=0.05)


def test_a_ratio_may_be_bound():
    """Unemployed as a tenth of the labour force: weights .9 and -.1 sum to nothing."""
    ratio = Target(mask=0, categories=np.array([-0.1, 0.9, 0.0]), total=0.0, sigma=0.5)
    p = calibrate(np.full((1, 3), 1 / 3), [1000], np.ones((1, 1)), [ratio])
    assert p[0, 1] / (p[0, 0] + p[0, 1]) == pytest.approx(0.1, abs=1e-3)


def test_a_cell_without_any_category_is_an_error():
    with pytest.raises(DataError, match="no possible category"):
        calibrate(np.zeros((1, 2)), [1], np.ones((1, 1)), [])


def test_cells_join_units_that_nothing_tells_apart():
    masks = [Weights.of([1, 1, 0, 0, 1])]
    cell, first, count = cells_of(masks, np.array([0, 0, 0, 1, 1]))
    assert cell[0] == cell[1] and len(set(cell.tolist())) == 4
    assert count.sum() == 5 and np.array_equal(np.sort(first), [0, 2, 3, 4])


def test_equal_masks_are_kept_once():
    targets = Targets()
    targets.add([1, 0, 1], [1.0, 0.0], 2.0, 0.1)
    targets.add([1, 0, 1], [0.0, 1.0], 0.0, 1.0)
    targets.add([1, 1, 1], [0.0, 1.0], 1.0, 1.0)
    assert len(targets.masks) == 2 and [t.mask for t in targets.rows] == [0, 0, 1]
    assert targets.rows[0].sigma == 0.3


def test_cells_are_numbered_as_sorting_would():
    rng = np.random.default_rng(4)
    masks = [Weights.of(rng.random(900) < 0.3), Weights.of(rng.integers(0, 4, 900))]
    seed_id = rng.integers(0, 5, 900)
    cell, first, count = cells_of(masks, seed_id)
    alike = np.stack([seed_id, *(mask.column() for mask in masks)], axis=1)
    _, at, members = np.unique(alike, axis=0, return_index=True, return_counts=True)
    assert sorted(first) == sorted(at) and sorted(count) == sorted(members)
    assert (alike[first[cell]] == alike).all() and (count == np.bincount(cell)).all()


def test_weights_are_the_same_as_flags_and_as_numbers():
    flags = np.random.default_rng(3).random(77) < 0.4
    as_flags, as_numbers = Weights.of(flags), Weights.of(flags.astype(int))
    assert as_flags.key() == as_numbers.key() and as_flags.kept.nbytes == 10
    assert as_flags.column().tolist() == flags.astype(float).tolist()
    counted = Weights.of(flags * 2)
    assert counted.key() != as_flags.key() and counted.column().tolist() == (flags * 2.0).tolist()


@pytest.mark.parametrize("groups", [1, 3])
def test_a_row_a_kind_gives_what_a_row_a_unit_gives(groups):
    rng = np.random.default_rng(6)
    p = rng.random((9, 4)) * (rng.random((9, 4)) < 0.8) + [0.1, 0, 0, 0]
    kind, group, uniforms = rng.integers(0, 9, 600), rng.integers(0, groups, 600), rng.random(600)
    units = p[kind] / p[kind].sum(axis=1, keepdims=True)
    expected = np.stack([np.bincount(group, units[:, k], groups) for k in range(4)], axis=1)
    quotas = round_quotas(expected, np.bincount(group, minlength=groups))
    each = allocate(p[kind], group, quotas, uniforms, np.random.default_rng(1), exact=False)
    by_kind = allocate(p, group, quotas, uniforms, np.random.default_rng(1), kind=kind, exact=False)
    assert np.array_equal(each, by_kind)


def test_groups_are_drawn_as_if_each_were_alone():
    """Along an order each kind gets its expected number to within one a category, in its group as alone."""
    rng = np.random.default_rng(8)
    p, kind, group = rng.random((5, 3)) + 0.05, rng.integers(0, 5, 6000), rng.integers(0, 3, 6000)
    sizes = np.bincount(group)
    wanted = round_quotas(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4]]) * sizes[:, None], sizes)
    uniforms = rng.random(6000)
    together = allocate(p, group, wanted, uniforms, start(), kind, kind=kind)
    for g in range(3):
        mine = group == g
        alone = allocate(p, group[mine] * 0, wanted[[g]], uniforms[mine], start(), kind[mine], kind=kind[mine])
        for k in range(5):
            here = kind[mine] == k
            gap = np.bincount(together[mine][here], minlength=3) - np.bincount(alone[here], minlength=3)
            assert np.abs(gap).max() <= 3
