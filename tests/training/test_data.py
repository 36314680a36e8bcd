"""Which pairs make a step: every pair once a pass, by address alone; how a step is shared among processes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.training.data import batch_of, chosen_alone, pairs_of_step, shares, some_of, weight_of
from cityfolk.training.logprobs import scores
from cityfolk.training.loss import LOSSES, Objective, loss
from tests.training.models import triples

LENGTHS = ((9, 3, 4), (2, 6, 1), (7, 2, 5), (1, 1, 1), (3, 8, 8))


@settings(max_examples=50, deadline=None)
@given(pairs=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 3))
def test_every_pass_has_every_pair_once(pairs, batch, seed):
    steps = -(-2 * pairs // batch)
    found = [place for step in range(steps) for place in pairs_of_step(step, pairs, batch, seed)]
    assert sorted(found[:pairs]) == sorted(found[pairs : 2 * pairs]) == list(range(pairs))
    assert all(len(pairs_of_step(step, pairs, batch, seed)) == batch for step in range(steps))


def test_the_order_is_that_of_seed_and_pass():
    first, second, other = ([pairs_of_step(s, 30, 30, seed)] for s, seed in ((0, 0), (1, 0), (0, 1)))
    assert first != second and first != other and first == [pairs_of_step(0, 30, 30, 0)]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), min_size=4, max_size=12),
    processes=st.integers(1, 4),
)
def test_shares_are_a_partition_and_even(sizes, processes):
    batch = triples(*sizes)
    found = shares(batch, processes)
    assert sorted(place for part in found for place in part) == list(range(len(batch)))
    loads = [sum(batch[place].tokens for place in part) for part in found]
    assert min(map(len, found)) >= 1 and max(loads) - min(loads) <= max(triple.tokens for triple in batch)


@pytest.mark.parametrize("name", LOSSES)
def test_the_weight_is_that_of_the_loss(name):
    batch = triples(*LENGTHS) if name != "sft" else chosen_alone(triples(*LENGTHS))
    made = batch_of(batch, objective=name, budget=20)
    total = 0.0
    for row in made.rows:
        tokens = torch.zeros(len(row.targets))
        total += float(loss(scores(tokens, tokens, row), Objective(name=name)).weight.sum())
    assert made.weight == weight_of(batch, name) == total
    assert made.tokens == sum(triple.tokens for triple in batch) and len(made.rows) > 1


def test_processes_compute_a_step_together():
    batch = triples(*LENGTHS)
    parts = [batch_of(batch, objective="dpo", budget=40, process=n, processes=2) for n in range(2)]
    assert sorted(t.name for part in parts for t in part.triples) == sorted(t.name for t in batch)
    assert {(part.weight, part.tokens) for part in parts} == {(5, sum(t.tokens for t in batch))}


def test_some_held_out_pairs_are_always_the_same():
    batch = triples(*[(2, 1, 1)] * 50)
    some = some_of(batch, 10, 0)
    names = [triple.name for triple in batch]
    places = [names.index(triple.name) for triple in some]
    assert len(some) == 10 and places == sorted(places) and places != list(range(10))
    assert some_of(batch, 10, 0) == some and some_of(batch, 99, 0) == batch
    assert [t.name for t in some_of(batch, 10, 1)] != [t.name for t in some]
    assert {t.name for t in some} <= {t.name for t in some_of(batch, 20, 0)}
    assert np.all([triple.rejected is None for triple in chosen_alone(batch)])
