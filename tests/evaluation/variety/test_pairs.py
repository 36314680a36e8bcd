"""Similarity over pairs, its errors, embeddings' closed forms, Vendi score, values."""

from itertools import combinations
from math import log2

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.evaluation.variety.pairs import all_pairs, drawn_pairs, jaccard_pairs, jackknife, word_sets
from cityfolk.evaluation.variety.similarity import cosine_pairs, mean_cosine, unit_rows, vendi, vendi_error
from cityfolk.evaluation.variety.values import entropy, field_values, telling_words
from cityfolk.texts.tokens import tokenize_texts

EDGES = np.linspace(0, 1, 11)
SENTENCES = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6).map(" ".join), min_size=3, max_size=9)


def jaccard(texts, **options):
    sets = word_sets(tokenize_texts(texts))
    rng = np.random.default_rng(0)
    return jaccard_pairs(sets, EDGES, **{"exact": 100, "pairs": 10, "rng": rng} | options)


def test_jaccard_by_hand():
    # {a b} {b c} {a b}: 1/3, 1, 1/3; an empty text is no one's pair.
    found = jaccard(["a b", "b c c", "b a", ""])
    assert found.mean == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert found.pairs == 3
    assert found.shares[3] == pytest.approx(2 / 3)
    assert found.shares[9] == pytest.approx(1 / 3)
    assert jaccard(["a", "b", ""]) is None


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
def test_jaccard_is_the_mean_over_all_pairs_and_its_error_the_jackknife(sentences):
    sets = [set(s.split()) for s in sentences]

    def mean(rest):
        return np.mean([len(a & b) / len(a | b) for a, b in combinations(rest, 2)])

    found = jaccard(sentences)
    assert found.mean == pytest.approx(mean(sets))
    n = len(sets)
    if n > 3:
        without = np.array([mean(sets[:i] + sets[i + 1 :]) for i in range(n)])
        error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
        assert found.error == pytest.approx(error, rel=1e-6, abs=1e-7)


def test_the_extremes_are_the_extremes():
    rng = np.random.default_rng(3)
    units = unit_rows(rng.standard_normal((600, 3)))  # more than two blocks
    found = cosine_pairs(units, np.linspace(-1, 1, 21), 4)
    cosines = sorted((float(units[i] @ units[j]), i, j) for i, j in combinations(range(600), 2))
    assert [pair[1:] for pair in found.least] == [pair[1:] for pair in cosines[:4]]
    assert [pair[1:] for pair in found.most] == [pair[1:] for pair in cosines[::-1][:4]]
    assert found.most[0][0] == pytest.approx(cosines[-1][0])
    assert found.shares.sum() == pytest.approx(1)


def test_drawn_pairs_are_of_two_people_and_every_pair_is_as_likely():
    seen = np.zeros((5, 5))

    def between(a, b):
        np.add.at(seen, (a, b), 1)
        return np.zeros(len(a))

    drawn_pairs(between, 5, 200_000, EDGES, np.random.default_rng(1))
    assert np.trace(seen) == 0
    expected = 200_000 / 20
    assert abs(seen[~np.eye(5, dtype=bool)] - expected).max() < 6 * np.sqrt(expected)


@pytest.mark.parametrize("draw", [True, False])
def test_the_interval_covers_what_the_source_would_write_of_others(draw):
    # Similarity of two people: exp(-(x - y)^2) of two normals; its mean over the population is 5^-1/2.
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng([seed, draw])
        x = rng.standard_normal(120)
        if draw:
            found = drawn_pairs(lambda a, b, x=x: np.exp(-((x[a] - x[b]) ** 2)), 120, 4000, EDGES, rng)
        else:
            found = all_pairs(lambda rows, x=x: np.exp(-((x[rows, None] - x) ** 2)), 120, EDGES)
        inside += abs(found.mean - 5**-0.5) <= 1.645 * found.error
    # 90% of 300 is 270, three standard errors 16; the error is allowed to be too wide, not too narrow.
    assert inside >= 254
    assert inside <= 292


def test_mean_cosine_is_the_mean_over_pairs():
    units = unit_rows(np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32))
    mean, error = mean_cosine(units)
    found = cosine_pairs(units, EDGES, 0)
    assert mean == pytest.approx(found.mean, abs=1e-12)
    assert error == pytest.approx(found.error, rel=1e-9)
    # Two alike and one across: cosines 1, 0, 0.
    assert mean_cosine(np.array([[1.0, 0], [1, 0], [0, 1]]))[0] == pytest.approx(1 / 3)


def test_jackknife_by_hand():
    # Similarities 1, 0, 0 of three: means without each 0, 0, 1: sqrt(2/3 * (1/9 + 1/9 + 4/9)).
    assert jackknife(np.array([1.0, 1.0, 0.0])) == pytest.approx((2 / 3 * 6 / 9) ** 0.5)


def test_vendi_by_hand():
    same, apart = np.tile([1.0, 0.0, 0.0], (4, 1)), np.eye(3)
    assert vendi(same) == pytest.approx(1.0)
    assert vendi(apart) == pytest.approx(3.0)
    # Two kinds, 3 to 1: exp(H(.75, .25)).
    mixed = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    entropy_nats = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert vendi(mixed) == pytest.approx(np.exp(entropy_nats))


@pytest.mark.parametrize("n", [5, 60])
def test_vendi_is_that_of_the_kernel(n):
    units = unit_rows(np.random.default_rng(n).standard_normal((n, 12)).astype(np.float32))
    eigenvalues = np.linalg.eigvalsh(units @ units.T / n)
    positive = eigenvalues[eigenvalues > 1e-12]
    assert vendi(units) == pytest.approx(np.exp(-(positive * np.log(positive)).sum()), rel=1e-9)


def test_the_error_of_vendi_is_that_of_samples():
    def sample(seed):
        # Fewer dimensions than texts, unequal: the score varies.
        return unit_rows(np.random.default_rng(seed).standard_normal((200, 8)) * np.arange(1, 9))

    spread = np.std([vendi(sample(seed)) for seed in range(200)])
    errors = np.mean([vendi_error(sample(seed)) for seed in range(40)])
    assert errors == pytest.approx(spread, rel=0.25)
    assert vendi_error(sample(0)[:6]) > 0


def test_values_by_hand():
    found = field_values(pl.Series(["Baker", " baker ", "Cook", None, ""]))
    assert found.values == ("baker", "cook")
    assert found.counts.tolist() == [2, 1]
    items = field_values(pl.Series([["kind", "Loud"], ["kind"], [], None]))
    assert items.values == ("kind", "loud")
    assert items.n == 3


def test_entropy_by_hand():
    # 1/2, 1/4, 1/4: 1.5 bits; the surprises 1, 2, 2 have variance .25.
    bits, error = entropy(np.array([4, 2, 2]))
    assert bits == pytest.approx(1.5)
    assert error == pytest.approx((0.25 / 8) ** 0.5)
    assert entropy(np.full(8, 3)) == (pytest.approx(3.0), pytest.approx(0.0))
    assert entropy(np.array([5]))[0] == 0.0


def test_the_error_of_entropy_is_that_of_samples():
    shares = np.array([0.5, 0.2, 0.2, 0.1])
    rng = np.random.default_rng(5)
    draws = [entropy(rng.multinomial(400, shares)) for _ in range(2000)]
    assert np.std([bits for bits, _ in draws]) == pytest.approx(np.mean([error for _, error in draws]), rel=0.07)
    truth = -sum(p * log2(p) for p in shares)
    assert np.mean([bits for bits, _ in draws]) == pytest.approx(truth - 3 / (2 * 400 * np.log(2)), abs=0.004)


def test_telling_words_leave_out_names_and_what_holds_a_sentence_together():
    tokens = tokenize_texts(["Ada is calm, calm and kind", "Ada isn't kind", "She is of the sea"])
    assert telling_words(tokens, frozenset({"ada"}), 5) == [
        ("kind", pytest.approx(2 / 3)),
        ("calm", pytest.approx(1 / 3)),
        ("sea", pytest.approx(1 / 3)),
    ]
