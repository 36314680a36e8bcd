"""Hand-derived scores, laws, and VADER as a reference, on sentences made here."""

from itertools import product
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk import rng
from cityfolk.evaluation.feeling import lexicon
from cityfolk.evaluation.feeling.inflect import adjective_forms, noun_forms, verb_forms
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, emotions, explain, sentiment, tally

WORDS = [*("kind", "cruel", "not", "very", "slightly", "never", "happy", "afraid", "table", "nurse", "and", "but")]
WORDS += [
    ".",
    ",",
    "\n",
    "looks forward to",
    "takes pride in",
    "kind of",
    "can't",
    "Grateful",
    "it\u2019s",
    "éclair",
    "12",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0.0),
        ("She works as a nurse.", 0.0),
        ("She is kind.", 0.5 / 2),
        ("She is kind and honest.", 1.0 / 3),
        ("She is very kind.", 1.3 * 0.5 / 2),
        ("She is slightly kind.", 0.6 * 0.5 / 2),
        ("She is not kind.", -0.75 * 0.5 / 2),
        ("She is not very kind.", -0.75 * 1.3 * 0.5 / 2),
        ("She is never not kind.", 0.5 / 2),
        ("She does not work here, and is kind.", 0.5 / 2),
        ("She is not at all a kind person.", 0.5 / 2),  # four words away: out of reach
        ("It isn\u2019t awful.", 0.75 * 0.9 / 2),
        ("She is kind but lonely.", (0.5 - 0.5) / 3),
        ("It is a kind of bread.", 0.0),
        ("She is exceptionally tired.", -1.3 * 0.25 / 2),
        ("GORGEOUS", 0.9 / 2),
    ],
)
def test_sentiment_by_hand(text, value):
    assert sentiment([text])[0] == pytest.approx(value)


def test_words_that_counted_are_told():
    assert explain("He is not happy, and often worried.") == (("happy", pytest.approx(-0.525)), ("worried", -0.5))


def test_emotions_are_shares_of_sentences():
    text = "She is grateful. He fears the dark. The bus leaves at nine. They are sad and angry."
    shares = dict(zip(EMOTIONS, emotions([text])[0], strict=True))
    expected = {"gratitude": 0.25, "fear": 0.25, "neutral": 0.25, "sadness": 0.125, "anger": 0.125}
    assert {label: share for label, share in shares.items() if share} == pytest.approx(expected)


def test_a_word_of_two_emotions_counts_half_for_each_and_a_negated_one_not():
    shares = dict(zip(EMOTIONS, emotions(["It was a funeral, and she was ashamed."])[0], strict=True))
    assert shares["grief"] == pytest.approx(0.5)
    assert shares["embarrassment"] == shares["remorse"] == pytest.approx(0.25)
    assert emotions(["She is not sad."])[0, lexicon.NEUTRAL] == 1.0


def test_phrases_count_as_one_and_across_no_sentence():
    assert emotions(["He takes pride in Sundays."])[0, EMOTIONS.index("pride")] == 1.0
    assert emotions(["He looks after her."])[0, EMOTIONS.index("caring")] == 1.0
    assert emotions(["He looks. After her."])[0, EMOTIONS.index("caring")] == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_bounds_and_sums(texts):
    feeling, shares = sentiment(texts), emotions(texts)
    assert feeling.shape == (len(texts),) and shares.shape == (len(texts), 28)
    assert np.all(np.abs(feeling) < 1)
    assert np.all(shares >= 0) and np.allclose(shares.sum(axis=1), 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.lists(TEXTS, min_size=1, max_size=5))
def test_tallies_of_parts_add_up_to_the_whole(first, second):
    size = min(len(first), len(second))
    whole = tally([f"{a}\n{b}" for a, b in zip(first, second, strict=False)])
    parts = tally(first[:size]) + tally(second[:size])
    for name in ("valence", "words", "emotion", "sentences"):
        assert np.allclose(getattr(whole, name), getattr(parts, name))


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(1, 40))
def test_a_text_scores_the_same_in_any_company(texts, chunk):
    alone = [sentiment([text])[0] for text in texts]
    saved, lexicon._CHUNK = lexicon._CHUNK, chunk
    try:
        assert np.allclose(sentiment(texts), alone)
    finally:
        lexicon._CHUNK = saved


def test_praise_turned_into_blame_lowers_and_the_mirror_is_exact():
    lists = lexicon.lexicon()
    good = [lists.vocabulary.words[at] for at in np.flatnonzero(lists.valence > 0)]
    plain, turned = sentiment([f"She is {w}." for w in good]), sentiment([f"She is not {w}." for w in good])
    assert np.all(plain > 0)
    assert np.allclose(turned, -0.75 * plain)


def test_the_lists_are_well_formed():
    lists = lexicon.lexicon()
    assert set(EMOTIONS) - {"neutral"} == set(lexicon._toml("emotions.toml"))
    assert (lists.labels.sum(axis=1) <= 1 + 1e-9).all() and (lists.labels > 0).sum(axis=0).min() >= 15
    assert lists.valence[0] == 0.0 and np.abs(lists.valence).max() <= 1
    for level in lexicon._toml("valence.toml")["level"]:
        for part in ("verbs", "nouns", "adjectives", "words"):
            for word in lexicon.entries(level.get(part, "")):
                assert " " not in word and word == word.lower(), word
    # A word that praises is not one that blames, whichever of its forms.
    signs = {}
    for level in lexicon._toml("valence.toml")["level"]:
        kinds = [(part, level[part]) for part in ("verbs", "nouns", "adjectives", "words") if part in level]
        for word in lexicon.forms(kinds):
            signs.setdefault(word, set()).add(level["valence"] > 0)
    assert not [word for word, both in signs.items() if len(both) > 1]


def test_regular_forms():
    assert verb_forms("hug") == ("hug", "hugs", "hugged", "hugging")
    assert verb_forms("worry") == ("worry", "worries", "worried", "worrying")
    assert verb_forms("lie") == ("lie", "lies", "lied", "lying")
    assert verb_forms("love") == ("love", "loves", "loved", "loving")
    assert verb_forms("embarrass")[1] == "embarrasses"
    assert verb_forms("enjoy")[2] == "enjoyed"
    assert noun_forms("anxiety")[1] == "anxieties" and noun_forms("bliss")[1] == "blisses"
    assert adjective_forms("gentle")[1] == "gently" and adjective_forms("happy")[1] == "happily"
    assert adjective_forms("tragic")[1] == "tragically"


def made_sentences():
    """Plain sentences about people, praise and blame in all strengths, some negated or made stronger."""
    people = ("She", "He", "Her neighbor", "The new colleague")
    verbs = ("is", "is very", "is not", "is rarely", "seems", "is often")
    words = (
        *("kind", "generous", "honest", "warm", "brilliant", "cheerful", "patient", "friendly", "wonderful", "calm"),
        *("rude", "cruel", "selfish", "lonely", "anxious", "hostile", "lazy", "terrible", "dishonest", "gloomy"),
        *("tall", "thirty", "at home", "a carpenter", "from Ohio"),
    )
    # VADER carries "not" across "and" and the end of a sentence; three words in between keep the two apart.
    ends = (".", " on Mondays.", ". These days life is good.", ". All day long he worries about money.")
    every = [f"{a} {b} {c}{d}" for a, b, c, d in product(people, verbs, words, ends)]
    chosen = rng.child(0, "test", "sentences").choice(len(every), size=600, replace=False)
    return [every[at] for at in sorted(chosen)]


def test_vader_agrees():
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    theirs = SentimentIntensityAnalyzer()
    sentences = made_sentences()
    expected = np.array([theirs.polarity_scores(text)["compound"] for text in sentences])
    ours = sentiment(sentences)
    assert np.corrcoef(ours, expected)[0, 1] > 0.85
    clear = (np.abs(expected) > 0.4) & (ours != 0)
    assert clear.sum() > 200
    assert (np.sign(ours) == np.sign(expected))[clear].mean() > 0.90


@pytest.mark.long
def test_a_city_is_read_in_two_minutes():
    stream = rng.child(0, "test", "speed")
    vocabulary = np.array([*"the a of in and to she he with her his at on home work day time".split(), *WORDS[:11]])
    texts = [" ".join(stream.choice(vocabulary, 300)) for _ in range(1500)]
    tally(texts[:10])
    began = process_time()
    tally(texts)
    assert (process_time() - began) / len(texts) * 118_000 < 150
