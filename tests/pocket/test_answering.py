"""The grammar of answers: what it writes it reads, and the posterior it reads is calibrated."""

import re
from math import exp, inf, pi, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from cityfolk.personality.words import LEVELS, level
from cityfolk.pocket.answering import (
    BASE_VOICE,
    NOISE,
    SENTENCES,
    Shown,
    base_z,
    level_of,
    parse,
    read_answer,
    read_answers,
    renderings,
    split,
    trait_of,
    write_answer,
)
from cityfolk.pocket.phrasing import bank
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import TRAIT_OF, topics
from cityfolk.rng import child
from cityfolk.vocabulary import TRAITS

TOPIC = "keeping a household budget"
SIDES = {"high": 1, "low": -1, "lines": 0}


def phrases():
    for trait in TRAITS:
        for facet, sides in bank("answers")[trait].items():
            for side, lines in sides.items():
                for line in lines:
                    yield line, trait, facet if facet != "average" else "", SIDES[side]


def test_the_bank_covers_every_facet_and_pole():
    assert trait_of() == TRAIT_OF
    for trait in TRAITS:
        assert len(bank("answers")[trait]["average"]["lines"]) >= 8
        for facet in (facet for facet, of in TRAIT_OF.items() if of == trait):
            for side in ("high", "low"):
                lines = bank("answers")[trait][facet][side]
                assert len(lines) >= 5 and sum("{topic}" in line for line in lines) >= 3
    assert set(bank("answers")["openers"]) == set(STYLES)
    for openers in bank("answers")["openers"].values():
        assert len(openers) >= 12 and all("{topic}" in opener for opener in openers)


def test_a_phrase_has_one_graded_word_and_the_topic_in_its_middle():
    for line, _, _, sign in phrases():
        assert line.count("{adv}") + line.count("{often}") == abs(sign), line
        assert not line.startswith("{topic}") and line.count("{topic}") <= 1
        assert ", and I " not in line and not re.search(r"[.;:?!]", line), line
        assert "{topic}" in line or line.startswith("I "), line


def test_every_sentence_is_read_as_what_wrote_it():
    count = 0
    for line, trait, facet, sign in phrases():
        for text, size in renderings(line):
            assert parse(text.replace("{topic}", TOPIC) + ".") == Shown(trait, facet, sign * size), text
            count += 1
    for openers in bank("answers")["openers"].values():
        for opener in openers:
            for text, _ in renderings(opener):
                assert parse(text.replace("{topic}", TOPIC) + ".") == Shown("", "", 0), text
    assert count > 2000


def test_no_two_levels_share_a_word():
    levels = {}
    for line, trait, _, sign in phrases():
        for text, size in renderings(line):
            levels.setdefault(text, set()).add((trait, sign * size))
    assert all(len(found) == 1 for found in levels.values())


def test_levels_are_those_of_the_words_in_prompts():
    for percentile in (0.01, 0.049, 0.051, 0.19, 0.21, 0.39, 0.41, 0.59, 0.61, 0.79, 0.81, 0.94, 0.96, 0.99):
        assert LEVELS[level_of(NormalDist().inv_cdf(percentile)) + 3] == level(percentile)


def test_answers_parse_whole_and_begin_with_the_topics_trait():
    for number, topic in enumerate(topics()):
        rng = child(number, "answer")
        text = write_answer(topic.phrase, topic.facets, rng.standard_normal(5), rng, style=STYLES[number % 5])
        shown = [parse(part) for part in split(text)]
        assert None not in shown and shown[0].trait == "", text
        traits = [one.trait for one in shown[1:]]
        start = TRAITS.index(TRAIT_OF[topic.facets[0]])
        assert traits == [TRAITS[start], *TRAITS[start:], *TRAITS[:start]]
        assert all(one.facet in topic.facets for one in shown[1:3] if one.level)
        assert topic.phrase in text and text.count(". ") < SENTENCES, text
        assert 45 < len(text.split()) < 100, text


def test_two_sentences_of_a_trait_never_contradict_each_other():
    for number in range(400):
        text = write_answer("eating meat", ("trust", "anger"), np.zeros(5), child(number, "sides"))
        shown = [parse(part) for part in split(text)]
        first, second = (one.level for one in shown if one.trait == "agreeableness")
        assert first * second >= 0, text


def test_the_posterior_is_calibrated():
    rng = child(5, "calibration")
    subjects = topics()
    truth = rng.standard_normal((1500, 5))
    found = []
    for z in truth:
        topic = subjects[int(rng.random() * len(subjects))]
        found.append(read_answer(write_answer(topic.phrase, topic.facets, z, rng)))
    mean, spread, low, high = (
        np.array([getattr(one, name) for one in found]) for name in ("z", "spread", "low", "high")
    )
    score = (truth - mean) / spread
    # 7,500 values: the standard errors are .012 and .008 and .0035.
    assert abs(score.mean()) < 0.04
    assert abs(score.std() - 1) < 0.03
    assert abs(((low <= truth) & (truth <= high)).mean() - 0.9) < 0.015
    assert not any(one.unparsed for one in found)
    percentile = np.array([one.percentile for one in found])
    assert min(np.corrcoef(truth[:, t], percentile[:, t])[0, 1] for t in range(5)) > 0.88


def test_the_posterior_of_one_sentence_is_that_of_an_ordered_probit():
    said = read_answer("I am very reluctant to take charge.")
    cut = [NormalDist().inv_cdf(p) for p in (0.05, 0.20)]
    step, weight, mean = 0.001, 0.0, 0.0
    for n in range(-5000, 5001):
        z = n * step
        chance = NormalDist(z, NOISE).cdf(cut[1]) - NormalDist(z, NOISE).cdf(cut[0])
        density = exp(-0.5 * z * z) / sqrt(2 * pi) * chance
        weight, mean = weight + density, mean + density * z
    place = TRAITS.index("extraversion")
    assert said.z[place] == pytest.approx(mean / weight, abs=1e-3)
    assert said.evidence == tuple(int(n == place) for n in range(5))
    others = [z for n, z in enumerate(said.z) if n != place]
    assert others == pytest.approx([0.0] * 4, abs=1e-9)
    assert said.spread[0] == pytest.approx(1.0, abs=2e-3) and said.percentile[0] == pytest.approx(0.5)


def test_several_answers_of_one_person_say_more_than_one():
    rng = child(9, "several")
    truth = np.array([-1.5, 0.8, 0.1, -0.4, 1.6])
    texts = [write_answer(t.phrase, t.facets, truth, rng) for t in topics()[:20]]
    one, all_of_them = read_answer(texts[0]), read_answers(texts)
    assert max(all_of_them.spread) < 0.5 * min(one.spread)
    assert np.abs(np.array(all_of_them.z) - truth).max() < 4 * max(all_of_them.spread)
    assert sum(all_of_them.evidence) == sum(sum(read_answer(text).evidence) for text in texts)


def test_what_the_grammar_never_wrote_is_counted():
    text = "I am very reluctant to take charge. I simply adore Mondays! I am very, very shy. I often stay in the"
    said = read_answer(text)
    assert (said.sentences, said.parsed) == (4, 1)
    assert said.unparsed == ("I simply adore Mondays!", "I am very, very shy.", "I often stay in the")
    nothing = read_answer("")
    assert (nothing.sentences, nothing.evidence, nothing.unparsed) == (0, (0,) * 5, ())
    # A topic is a phrase, not a second statement.
    assert parse("When it comes to this. I lie, I am very reserved.") is None
    assert parse("When it comes to , I am very reserved.") is None


def test_a_sentence_that_two_things_could_have_written_is_unclear(monkeypatch):
    import cityfolk.pocket.answering as grammar

    both = {Shown("openness", "intellect", 1), Shown("openness", "imagination", 2)}
    monkeypatch.setattr(grammar, "_table", lambda: ({"I say so": both}, {}))
    assert grammar.parse("I say so.") is None
    assert grammar.read_answer("I say so.").unparsed == ("I say so.",)


def test_the_plain_voice_is_agreeable_and_upbeat():
    rng = child(2, "base")
    drawn = np.array([base_z(rng) for _ in range(4000)])
    wanted = np.array([NormalDist().inv_cdf(BASE_VOICE[trait]) for trait in TRAITS])
    assert drawn.mean(axis=0) == pytest.approx(wanted, abs=0.02)
    assert drawn.std(axis=0) == pytest.approx([0.25] * 5, abs=0.012)
    assert BASE_VOICE["agreeableness"] > 0.8 and BASE_VOICE["neuroticism"] < 0.2 and inf > NOISE > 0
