"""The text rater: its features by hand, its caution, and what it does on wordings and topics it never trained on."""

import json
import re
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

from cityfolk.errors import DataError
from cityfolk.personality import rater
from cityfolk.personality.rater_text import families, families_of, features, sentences, stem
from cityfolk.vocabulary import TRAITS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import rater_bank  # noqa: E402  # scripts are no package
import train_rater  # noqa: E402

NOTHING = ("", "...", "1234 !!", "Wir treffen uns jeden Dienstag am Bahnhof.", "昨日は雨でした。", "\x00")
SHIPPED = ROOT / "src" / "cityfolk" / "personality" / "rater.json"


def only(text: str) -> dict[str, float]:
    (tokens,) = sentences(text)
    return features(tokens)


# ------------------------------------------------------------------------------------------------ features by hand


@pytest.mark.parametrize(
    ("words", "root"),
    [
        ("worry worries worried worrying", "worri"),
        ("plan plans planned planning", "plan"),
        ("slept sleep sleeping", "sleep"),
    ],
)
def test_forms_of_a_word_share_a_stem(words, root):
    assert {stem(word) for word in words.split()} == {root}


def test_features_by_hand():
    found = only("I worry a bit, but I sleep.")
    assert found["w:worri"] == 0.6
    assert found["f:worry"] == 0.6
    assert found["w:sleep"] == 1.0
    assert "w:bit" not in found
    assert only("I am extremely tidy")["f:order"] == 1.8


def test_negation_turns_to_the_end_of_its_clause_and_twice_is_none():
    assert only("I don't worry, I plan")["f:worry"] == -0.7
    assert only("I don't worry, I plan")["w:plan"] == 1.0
    assert only("I can't stop worrying")["f:worry"] == 1.0
    assert only("I never miss parties")["w:parti"] == 1.8
    assert only("Parties drain me")["w:parti"] == -0.7
    assert only("I'd rather read than go to parties")["w:parti"] == -0.7
    assert only("I prefer books to parties")["w:parti"] == -0.7
    assert only("I prefer to be alone")["f:reserved"] == 1.0
    assert only("I avoid parties")["w:parti"] == -0.7


def test_word_families_hold_no_word_twice_and_match_as_written():
    for name, words in families().items():
        assert len(set(words)) == len(words), name
        assert all(re.fullmatch(r"[a-z'-]+\*?", word) for word in words), name
    assert "worry" in families_of("anxiously")
    assert families_of("doorknob") == ()


# ---------------------------------------------------------------------------------------------------- what it reads


@pytest.mark.parametrize(
    ("trait", "high", "low"),
    [
        ("openness", "I love poetry and new ideas.", "I don't care for poetry or new ideas."),
        (
            "conscientiousness",
            "I keep my desk tidy and finish my work early.",
            "I never keep my desk tidy or finish my work.",
        ),
        ("extraversion", "I love big parties and talking to people.", "I avoid big parties and talking to people."),
        ("agreeableness", "I am kind and generous to everyone.", "I am not kind or generous to anyone."),
        ("neuroticism", "I worry all the time and panic easily.", "I never worry and don't panic easily."),
    ],
)
def test_poles_and_their_negations(trait, high, low):
    above, below = rater.rate(high), rater.rate(low)
    assert above.raw[trait] > 0.2
    assert below.raw[trait] < -0.1
    assert above.percentile[trait] > 0.5 > below.percentile[trait]


def test_stronger_words_rate_stronger():
    weak, plain, strong = rater.rate_many(["I'm a bit anxious.", "I'm anxious.", "I'm extremely anxious."])[:, 4]
    assert 0 < weak < plain < strong


@pytest.mark.parametrize("text", NOTHING)
def test_what_says_nothing_lies_in_the_middle_with_a_wide_spread(text):
    raw, spread, evidence = rater.read_many([text])
    assert np.abs(raw).max() < 0.1
    assert spread.min() > 0.95
    assert evidence.max() < 0.5


def test_no_texts_give_no_rows():
    assert rater.rate_many([]).shape == (0, 5)


def test_a_very_long_text_is_read_in_good_time():
    started = time.process_time()
    raw = rater.rate_many(["worry " * 8_000, "I worry about my work. " * 1_000, "a" * 100_000, "(((((" * 20_000])
    assert np.isfinite(raw).all()
    assert np.abs(raw).max() < 10
    assert time.process_time() - started < 20


def test_spread_falls_with_evidence_and_never_below_its_floor():
    weights = rater.shipped()
    evidence = np.linspace(0.0, 50.0, 20)[:, None] * np.ones(5)
    spread = rater.spread_at(evidence, weights)
    assert np.allclose(spread[0], 1.0)
    assert (np.diff(spread, axis=0) < 0).all()
    assert (spread > weights.sd_floor).all()


def test_percentiles_undo_the_caution():
    raw = np.array([0.0, 0.2, 0.2, -0.2, 1.0])
    place = rater.percentiles(raw)
    assert place[0] == pytest.approx(0.5)
    assert place[1] > 0.5 + 0.05
    assert place[3] < 0.5 < place[4]
    assert rater.percentiles(np.zeros((3, 5))).shape == (3, 5)
    with pytest.raises(DataError):
        rater.percentiles([0.1, 0.2])


def test_explain_names_what_counted():
    (first, *_) = rater.explain("I worry a lot.")
    assert first.trait == "neuroticism"
    assert first.contribution > 0
    assert rater.explain("") == ()


def test_pool_by_hand():
    total, evidence = rater.pool(np.array([[1.0, 0.0], [1.0, -3.0]]), tau=1.0)
    assert total == pytest.approx([1.0, -2.7])
    assert evidence == pytest.approx([1.0, 0.9])


# ------------------------------------------------------------------------------------- planted: it must not rate length


@pytest.fixture(scope="module")
def held_out():
    """z (100, 5) and 500 answers in wordings and on topics held out of training."""
    z, texts, _ = train_rater.answers("test", 100, frozenset({rater_bank.HELD_OUT}), True)
    return z, texts


def test_length_alone_does_not_count(held_out):
    """The same content twice keeps its score within half a spread, and so does the same content in padding."""
    texts = held_out[1][:100]
    once, spread, _ = rater.read_many(texts)
    padding = " That is how it went. The bus takes about forty minutes from there. It was a Tuesday in March."
    twice = rater.rate_many([f"{text} {text}" for text in texts])
    padded = rater.rate_many([text + 2 * padding for text in texts])
    assert (np.abs(twice - once) / spread).mean() < 0.35
    assert (np.abs(padded - once) / spread).mean() < 0.10
    assert ((np.abs(twice) >= np.abs(once) - 1e-9) | (np.abs(once) < 0.1)).all()
    length = np.array([len(text) for text in texts])
    for trait in range(5):
        assert abs(np.corrcoef(length, once[:, trait])[0, 1]) < 0.3


def test_order_of_sentences_does_not_count(held_out):
    for text in held_out[1][:20]:
        parts = text.split(". ")
        turned = ". ".join([parts[-1].rstrip("."), *parts[-2::-1]])
        assert rater.rate_many([turned]) == pytest.approx(rater.rate_many([text]))


# ------------------------------------------------------------------------------------------------------- the training


def test_held_out_wordings_are_not_in_training():
    trained = {phrase.text for phrase in rater_bank.phrases() if phrase.fold in train_rater.TRAINED}
    kept = {phrase.text for phrase in rater_bank.phrases() if phrase.fold == rater_bank.HELD_OUT}
    assert not trained & kept
    assert len(kept) > 400
    assert {topic.held_out for topic in rater_bank.topics()} == {True, False}


def test_every_facet_and_pole_has_a_rich_bank():
    assert len(rater_bank.facets()) == 30
    for facet in rater_bank.facets():
        for pole in (1, -1):
            count = sum(phrase.facet == facet and phrase.pole == pole for phrase in rater_bank.phrases())
            assert count >= 25, (facet, pole)


def test_the_bank_shares_next_to_nothing_with_the_embedded_models_grammar():
    """Of the bank's runs of four words (slots and choices resolved to nothing), at most 3% stand in the grammar."""
    grammar: set[tuple[str, ...]] = set()
    for path in (ROOT / "src" / "cityfolk" / "pocket" / "phrases").glob("*.toml"):
        for text in _strings(tomllib.loads(path.read_text(encoding="utf-8"))):
            grammar |= _runs(text)
    bank: set[tuple[str, ...]] = set()
    for phrase in rater_bank.phrases():
        bank |= _runs(phrase.text)
    shared = bank & grammar
    assert len(bank) > 4_000
    assert len(shared) <= 0.03 * len(bank), sorted(shared)[:20]


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _runs(text: str) -> set[tuple[str, ...]]:
    found = set()
    for piece in re.split(r"[\[\]|{}.,;:]", text.lower()):
        words = re.findall(r"[a-z']+", piece)
        found |= {tuple(words[at : at + 4]) for at in range(len(words) - 3)}
    return found


def test_the_shipped_file_is_small_and_plain():
    assert SHIPPED.stat().st_size < 1_000_000
    raw = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert raw["instrument"] == rater.INSTRUMENT
    assert all(len(row) == 5 for row in raw["features"].values())
    assert rater.shipped().matrix.shape == (len(raw["features"]), 5)


def test_weights_without_features_are_refused():
    with pytest.raises(DataError):
        rater.weights_from({})


def test_swapped_weights_are_noticed(held_out):
    """Sanity of the measure itself: a rater whose weights are turned round correlates negatively."""
    z, texts = held_out
    weights = rater.shipped()
    total, evidence = rater.sums(texts[:250], weights)
    right = rater.raw_from(total, evidence, weights).reshape(50, 5, 5).mean(axis=1)
    wrong = rater.raw_from(-total, evidence, weights).reshape(50, 5, 5).mean(axis=1)
    for trait in range(5):
        assert np.corrcoef(right[:, trait], z[:50, trait])[0, 1] > 0.4
        assert np.corrcoef(wrong[:, trait], z[:50, trait])[0, 1] < 0


@pytest.mark.long
def test_held_out_correlation_is_at_least_point_eight():
    found = train_rater.measure(rater.shipped())
    assert set(found) == set(TRAITS)
    for trait, row in found.items():
        assert row["r over five answers"] >= 0.8, (trait, row)
        assert 0.85 <= row["share of truths within 1.645 spreads"] <= 0.97, (trait, row)


@pytest.mark.long
def test_the_script_makes_the_shipped_file_again():
    made, shipped = train_rater.train(), json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert made["features"].keys() == shipped["features"].keys()
    for name, row in made["features"].items():
        assert np.abs(np.array(row) - np.array(shipped["features"][name])).max() <= 2, name
    for name, values in made["constants"].items():
        assert values == pytest.approx(shipped["constants"][name], rel=0.05, abs=0.01), name
