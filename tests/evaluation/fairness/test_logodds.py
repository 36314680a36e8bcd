"""Monroe, Colaresi & Quinn's eq. 22 by hand, and a planted word."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.evaluation.fairness.logodds import count_words, log_odds, telling_words


def test_by_hand():
    a, b, prior = np.array([8.0, 2.0]), np.array([3.0, 7.0]), np.array([1.1, 0.9])
    delta, z = log_odds(a, b, prior)
    expected = log(9.1 / (10 + 2 - 9.1)) - log(4.1 / (10 + 2 - 4.1))
    assert delta[0] == pytest.approx(expected)
    assert z[0] == pytest.approx(expected / sqrt(1 / 9.1 + 1 / 4.1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
def test_swapping_the_groups_turns_the_sign(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    prior = (a + b) / max((a + b).sum(), 1) * 10
    used = prior > 0
    if used.sum() < 2:
        return
    forth, back = log_odds(a, b, prior)[1], log_odds(b, a, prior)[1]
    assert np.allclose(forth[used], -back[used])
    assert np.isnan(forth[~used]).all()


def test_the_prior_pulls_a_rare_word_in():
    a, b = np.array([3.0, 300.0]), np.array([0.0, 300.0])
    weak, strong = (log_odds(a, b, size * (a + b) / (a + b).sum())[1][0] for size in (1.0, 1000.0))
    assert 0 < strong
    assert log_odds(a, b, 1.0 * (a + b) / (a + b).sum())[0][0] > log_odds(a, b, 1000.0 * (a + b) / (a + b).sum())[0][0]
    assert weak > 0


def test_words_are_counted_without_names_and_case():
    counts = count_words(["Ana likes the River, the river\u2019s edge", "it isn't Ana's"], without={"ana", "ana's"})
    table = dict(zip(counts.words, np.asarray(counts.table.sum(axis=0)).ravel(), strict=True))
    assert table == {"likes": 1, "the": 2, "river": 2, "edge": 1, "it": 1, "isn't": 1}


def test_a_planted_word_is_the_most_telling():
    texts = [f"She takes the bus and reads {'exotic tales' if i % 3 == 0 else 'plain tales'}." for i in range(90)]
    inside = np.arange(90) % 3 == 0
    known = np.ones(90, dtype=bool)
    counts = count_words(texts)
    found = telling_words(counts, inside, known)
    assert found[0][0] == "exotic" and found[0][1] > 3 and found[0][2] == 30
    assert "plain" not in [word for word, *_ in found]
    assert telling_words(counts, inside, known, fewest=31) == []


def test_one_persons_word_is_nobodys():
    texts = ["zebra " * 50, *["the bus"] * 20]
    inside = np.arange(21) < 8
    words = [word for word, *_ in telling_words(count_words(texts), inside, np.ones(21, dtype=bool))]
    assert "zebra" not in words
