"""Tokens, distinct-n, MATTR, MTLD, self-BLEU: by hand, and against the definition carried out the slow way."""

from collections import Counter
from math import exp, isclose, isnan, log

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.evaluation.text_basic import distinct as distinct_slowly
from cityfolk.evaluation.text_basic import words
from cityfolk.evaluation.variety.wording import distinct, mattr, mtld, self_bleu
from cityfolk.texts.tokens import tokenize, tokenize_texts

LINES = st.lists(st.text(alphabet="abc é'’2_.-İß", max_size=25), min_size=1, max_size=6)
SENTENCES = st.lists(st.lists(st.sampled_from("a b c d e".split()), max_size=14).map(" ".join), min_size=2, max_size=7)


def read(tokens):
    """Return the words of each text."""
    pairs = zip(tokens.bounds, tokens.bounds[1:], strict=False)
    return [[tokens.vocabulary[i] for i in tokens.ids[a:b]] for a, b in pairs]


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_tokens_are_the_words_that_text_basic_finds(lines):
    assert read(tokenize_texts(lines)) == [words(line) for line in lines]


def test_every_letter_of_every_script_is_a_letter_in_both():
    texts = [f"a{chr(code)}b" for code in range(0x20, 0x3000) if chr(code).isprintable()]
    assert read(tokenize_texts(texts)) == [words(text) for text in texts]


def test_fields_rows_lists_and_nulls_keep_their_place():
    frame = pl.DataFrame({"one": ["A b", None, ""], "two": [["c d", "e"], [], ["b"]]})
    tokens = tokenize(frame, ["one", "two"])
    assert read(tokens) == [["a", "b"], ["c", "d", "e"], [], [], [], ["b"]]
    assert tokens.profiles == 3
    assert read(tokens.field("two")) == [["c", "d", "e"], [], ["b"]]
    assert read(tokens.rows(np.array([2, 0]))) == [[], ["b"], ["a", "b"], ["c", "d", "e"]]
    arrays = frame.head(1).with_columns(two=pl.Series([["x", "y"]], dtype=pl.Array(pl.String, 2)))
    assert read(tokenize(arrays, ["two"])) == [["x", "y"]]


@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.integers(1, 3))
def test_distinct_is_that_of_text_basic(sentences, size):
    value, total = distinct(tokenize_texts(sentences), size)
    expected = distinct_slowly([words(s) for s in sentences], size)
    assert value == expected or (isnan(value) and isnan(expected))
    assert total == sum(max(0, len(s.split()) - size + 1) for s in sentences)


def test_distinct_by_hand():
    # a b a | b a: 5 words of which 2 differ; pairs ab, ba | ba: 2 of 3; the two texts share no pair across them.
    tokens = tokenize_texts(["a b a", "b a"])
    assert distinct(tokens, 1) == (2 / 5, 5)
    assert distinct(tokens, 2) == (2 / 3, 3)
    assert distinct(tokens, 3) == (1.0, 1)


def test_mattr_by_hand():
    # Windows of 3 over a b a c c: aba 2, bac 3, acc 2 types; (2 + 3 + 2) / (3 * 3).
    assert mattr(tokenize_texts(["a b a c c", "a b"]), 3)[0] == pytest.approx(7 / 9)
    assert isnan(mattr(tokenize_texts(["a b a c c", "a b"]), 3)[1])


@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.integers(1, 6))
def test_mattr_is_the_mean_over_windows(sentences, window):
    values = mattr(tokenize_texts(sentences), window)
    for value, sentence in zip(values, sentences, strict=True):
        text = sentence.split()
        ratios = [len(set(text[i : i + window])) / window for i in range(len(text) - window + 1)]
        assert isnan(value) if not ratios else value == pytest.approx(sum(ratios) / len(ratios))


def test_mtld_by_hand():
    # of the people by the people: ratios 1 1 1 1 .8 .667, a factor of six words; then "for the": no factor, ratio 1.
    # Backwards the for | people the by the people ...: the for people the (.75) by (.8) the (.667): a factor after six
    # words; then people of: ratios 1, 1.
    # Forwards: of the people by the people | for the -> 1 factor; backwards: the for people the by the | people of
    # (people the of, reversed) -> 1 factor. Eight words over one factor in both directions.
    text = "of the people by the people for the".split()
    numbers = [sorted(set(text)).index(word) for word in text]
    assert mtld(numbers) == pytest.approx(8.0)
    # a a b b: aa falls to .5: a factor; bb too; the same backwards: 4 / 2.
    assert mtld([0, 0, 1, 1]) == pytest.approx(2.0)
    # a a b c: one factor and a rest with ratio 1; backwards c b a a: ratio .75 at the end, a part (1 - .75) / .28.
    assert mtld([0, 0, 1, 2]) == pytest.approx((4 / 1 + 4 / (0.25 / 0.28)) / 2)
    assert isnan(mtld([0, 1, 2]))
    assert isnan(mtld([]))


def bleu_slowly(texts, which):
    """BLEU-4 of one text against all others, by its definition (Papineni et al. 2002, sections 2.1 to 2.3)."""

    def counted(text, size):
        return Counter(tuple(text[i : i + size]) for i in range(len(text) - size + 1))

    others = [text for i, text in enumerate(texts) if i != which]
    logs = 0.0
    for size in (1, 2, 3, 4):
        own = counted(texts[which], size)
        limit = Counter()
        for other in others:
            limit |= counted(other, size)
        matched = sum((own & limit).values())
        if not matched:
            return 0.0
        logs += log(matched / own.total()) / 4
    length = len(texts[which])
    closest = min((len(other) for other in others), key=lambda other: (abs(other - length), other))
    return exp(logs) * (1.0 if length > closest else exp(1 - closest / length))


def test_self_bleu_by_hand():
    # abcde against abcdf (and itself the other way): precisions 4/5, 3/4, 2/3, 1/2, equal lengths; xyzw shares nothing.
    values = self_bleu(tokenize_texts(["a b c d e", "a b c d f", "x y z w"]))
    expected = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert values == pytest.approx([expected, expected, 0.0])


def test_self_bleu_pays_for_brevity_against_the_closest_length():
    # abcd is wholly in abcdef, two words shorter: exp(1 - 6/4).
    assert self_bleu(tokenize_texts(["a b c d", "a b c d e f"]))[0] == pytest.approx(exp(-0.5))


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
def test_self_bleu_is_bleu_against_all_others(sentences):
    texts = [sentence.split() for sentence in sentences]
    values = self_bleu(tokenize_texts(sentences))
    assert all(isclose(v, bleu_slowly(texts, i), abs_tol=1e-12) for i, v in enumerate(values))


def test_numbers_beyond_63_bits_are_hashed_and_still_told_apart(monkeypatch):
    from cityfolk.evaluation.variety import wording
    from cityfolk.texts.tokens import Tokens

    vocabulary = tuple(f"{i:07d}" for i in range(3_000_000))
    ids = np.array([2_999_999, 2_999_998, 0, 2_999_999, 2_999_998, 0, 1], dtype=np.int32)
    tokens = Tokens(vocabulary, ("text",), ids, np.array([0, 7]))
    assert wording.distinct(tokens, 3) == (4 / 5, 5)
