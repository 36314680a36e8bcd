"""Raking and whole-number allocation: laws over random tables, and numbers worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cityfolk.errors import DataError
from cityfolk.people.raking import (
    Margin,
    Target,
    expand,
    fit_cells,
    integerize,
    integerize_two_way,
    rake,
    shares_to_counts,
    swap_to_counts,
)

positive = st.floats(0.1, 50.0)
tables = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=positive)
)


def margins_of(table: np.ndarray) -> list[Margin]:
    return [
        Margin(axes=(0, 1), target=table.sum(axis=2)),
        Margin(axes=(1, 2), target=table.sum(axis=0)),
        Margin(axes=(0, 2), target=table.sum(axis=1)),
    ]


@settings(deadline=None, max_examples=40)
@given(tables)
def test_margins_hold_and_are_measured(table):
    raked = rake(np.ones_like(table), margins_of(table), max_sweeps=20_000)  # sparse tables converge slowly
    for axis, margin in ((2, 0), (0, 1), (1, 2)):
        gap = np.abs(raked.table.sum(axis=axis) - margins_of(table)[margin].target).max()
        assert gap <= raked.largest_gap + 1e-12
    assert raked.converged == (raked.largest_gap <= 1e-6 * table.sum())
    assert raked.converged


def test_two_by_two_by_hand():
    """Seed odds ratio 6 = (3*2)/(1*1); with rows 6, 4 and columns 5, 5 the corner x solves x(x-1) = 6(6-x)(5-x)."""
    raked = rake([[3.0, 1.0], [1.0, 2.0]], [
        Margin(axes=(0,), target=np.array([6.0, 4.0])),
        Margin(axes=(1,), target=np.array([5.0, 5.0])),
    ], tolerance=1e-12)  # fmt: skip
    x = (65 - np.sqrt(65**2 - 4 * 5 * 180)) / 10
    assert raked.table == pytest.approx(np.array([[x, 6 - x], [5 - x, x - 1]]), abs=1e-8)
    ratio = raked.table[0, 0] * raked.table[1, 1] / (raked.table[0, 1] * raked.table[1, 0])
    assert ratio == pytest.approx(6.0)


def test_raking_is_the_nearest_table_in_information():
    """The fit minimises the Kullback-Leibler distance to the seed: any other table with its margins is farther."""
    rng = np.random.default_rng(3)
    seed = rng.random((4, 5)) + 0.1
    rows, columns = np.array([10.0, 20, 30, 40]), np.array([15.0, 25, 20, 20, 20])
    fit = rake(seed, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-12).table

    def distance(table):
        return float((table * np.log(table / seed)).sum())

    step = np.zeros((4, 5))
    step[0, 0], step[0, 1], step[1, 0], step[1, 1] = 0.5, -0.5, -0.5, 0.5
    assert distance(fit) < distance(fit + step) and distance(fit) < distance(fit - step)


def test_zero_cells_stay_zero_and_failure_is_said():
    seed = np.array([[1.0, 0.0], [0.0, 1.0]])
    raked = rake(seed, [
        Margin(axes=(0,), target=np.array([6.0, 4.0])),
        Margin(axes=(1,), target=np.array([5.0, 5.0])),
    ], max_sweeps=50)  # fmt: skip
    assert raked.table[0, 1] == raked.table[1, 0] == 0
    assert not raked.converged and raked.largest_gap == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        ([Margin(axes=(0,), target=np.array([-1.0, 5.0]))], "negative"),
        ([Margin(axes=(0,), target=np.array([1.0, 2.0, 3.0]))], "shape"),
        ([Margin(axes=(0,), target=np.array([1.0, 2.0])), Margin(axes=(1,), target=np.array([2.0, 2.0]))], "add up"),
    ],
)
def test_bad_margins_are_refused(margins, words):
    with pytest.raises(DataError, match=words):
        rake(np.ones((2, 2)), margins)


def test_margin_over_nothing_is_refused():
    with pytest.raises(DataError, match="every cell is zero"):
        rake([[0.0, 0.0], [1.0, 1.0]], [Margin(axes=(0,), target=np.array([3.0, 1.0]))])


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0.0, 9.0)), st.integers(0, 2**32 - 1))
def test_integerize_keeps_total_neighbours_and_zeros(table, seed):
    if table.sum() < 1:
        table[0] += 1
    total = round(float(table.sum()))
    whole = integerize(table, np.random.default_rng(seed), total=total)
    scaled = table * total / table.sum()
    assert whole.sum() == total
    assert (np.abs(whole - scaled) < 1 + 1e-6).all()
    assert (whole[table == 0] == 0).all()
    runs = np.abs(np.cumsum(whole) - np.cumsum(scaled))
    assert runs.max() < 1 + 1e-6


def test_integerize_is_unbiased():
    table = np.array([0.3, 1.7, 0.5, 2.5])
    mean = np.mean([integerize(table, np.random.default_rng(s)) for s in range(4000)], axis=0)
    assert mean == pytest.approx(table, abs=5 * 0.5 / np.sqrt(4000))


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_two_way_rounding_holds_every_margin(n, m, seed):
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 9, (n, m)) * rng.integers(0, 2, (n, m))
    whole[0] += 1
    whole[:, 0] += 1
    rows, columns = whole.sum(axis=1).astype(float), whole.sum(axis=0).astype(float)
    start = rng.random((n, m)) + 0.01
    table = rake(
        start, [Margin(axes=(0,), target=rows), Margin(axes=(1,), target=columns)], tolerance=1e-10, max_sweeps=5000
    ).table
    rounded = integerize_two_way(table, rng)
    assert (rounded.sum(axis=1) == rows).all() and (rounded.sum(axis=0) == columns).all()
    assert (np.abs(rounded - table) < 1 + 1e-6).all()


def test_two_way_rounding_refuses_broken_margins():
    with pytest.raises(DataError, match="not whole numbers"):
        integerize_two_way(np.array([[0.5, 0.2], [0.3, 0.4]]), np.random.default_rng(0))


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=20), st.integers(0, 1000))
def test_largest_remainders_add_up(weights, total):
    if sum(weights) <= 0:
        weights[0] = 1.0
    counts = shares_to_counts(weights, total)
    exact = np.array(weights) / max(weights)
    exact *= total / exact.sum()
    assert counts.sum() == total and (np.abs(counts - exact) < 1 + 1e-6).all()


def test_expand():
    assert expand([2, 0, 1]).tolist() == [0, 0, 2]


def test_fit_cells_meets_counts_shares_and_equalities():
    """Four cells a, b, c, d: a + b = 45 of 100, a is 40 to 50 percent of {a, c}, b and d weigh the same."""
    cell = np.arange(4)
    fitted = fit_cells([1.0, 1.0, 1.0, 1.0], [
        Target(name="share", cells=cell[[0]], low=0.4, high=0.5, base=cell[[0, 2]]),
        Target(name="all", cells=cell, low=100, high=100),
        Target(name="half", cells=cell[[0, 1]], low=45, high=45),
        Target(name="equal", cells=cell[[1]], partner=cell[[3]]),
    ], tolerance=1e-9, max_sweeps=5000)  # fmt: skip
    a, b, c, d = fitted.weights
    assert a + b + c + d == pytest.approx(100) and a + b == pytest.approx(45)
    assert 0.4 - 1e-6 <= a / (a + c) <= 0.5 + 1e-6
    assert b == pytest.approx(d)
    assert max(abs(g) for g in fitted.gaps.values()) < 1e-6


def test_fit_cells_says_what_it_could_not_meet():
    cell = np.arange(2)
    fitted = fit_cells([1.0, 1.0], [
        Target(name="first", cells=cell, low=10, high=10),
        Target(name="second", cells=cell, low=20, high=20),
    ], max_sweeps=20)  # fmt: skip
    assert fitted.gaps == {"first": pytest.approx(1.0), "second": pytest.approx(0.0)}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_swaps_bring_counts_nearer_and_never_farther(seed):
    rng = np.random.default_rng(seed)
    weights = rng.gamma(0.5, size=60) * rng.integers(0, 2, 60) * 10
    weights[0] += 200
    cells = [np.flatnonzero(rng.random(60) < 0.4) for _ in range(6)]
    targets = [Target(name=str(i), cells=c, low=round(weights[c].sum()), high=round(weights[c].sum()))
               for i, c in enumerate(cells)]  # fmt: skip
    counts = integerize(weights, rng)
    moved = swap_to_counts(counts, weights, targets, rng)

    def gap(whole):
        return sum(abs(whole[t.cells].sum() - t.low) for t in targets)

    assert moved.sum() == counts.sum() and (moved[weights == 0] == 0).all() and (moved >= 0).all()
    assert gap(moved) <= gap(counts)


def test_swaps_meet_a_margin_that_rounding_missed():
    targets = [Target(name="first two", cells=np.array([0, 1]), low=4, high=4)]
    moved = swap_to_counts([5, 1, 2, 2], [2.0, 2.0, 3.0, 3.0], targets, np.random.default_rng(0))
    assert moved[:2].sum() == 4 and moved.sum() == 10
