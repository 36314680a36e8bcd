"""The grammar of questions: distinct, open-ended, about the topic word for word."""

import re
from itertools import combinations, pairwise

import pytest

from cityfolk.pocket.asking import other_question, write_question, write_questions
from cityfolk.pocket.phrasing import bank
from cityfolk.preferences.questions import fault
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import TRAIT_OF
from cityfolk.rng import child

TOPICS = ("keeping a household budget", "swimming in an ice cold lake", "eating meat")


def bigrams(text):
    words = re.findall(r"[\w']+", text.lower())
    return set(pairwise(words))


@pytest.mark.parametrize("style", STYLES)
def test_every_frame_is_an_open_question_with_the_topic(style):
    assert len(bank("asking")["frames"][style]) >= 12
    for frame in bank("asking")["frames"][style]:
        assert frame.count("{topic}") == 1
        assert "  " not in frame and frame[0].isupper()
    for number in range(60):
        text = write_question("eating meat", style, "anger", child(number, "question"))
        assert text.count("eating meat") == 1 and not re.search(r"[\[\]{}|]", text), text
        assert fault(text) is None, text


def test_a_hundred_questions_a_topic_are_distinct_and_hardly_alike():
    for topic in TOPICS:
        asked = [q for style in STYLES for q in write_questions(topic, style, "trust", 20, child(1, topic, style))]
        assert len(asked) == len(set(asked)) == 100
        assert all(topic in text for text in asked)
        words = [bigrams(text) for text in asked]
        near = sum(len(a & b) > 0.6 * len(a | b) for a, b in combinations(words, 2))
        assert near <= 2, near


def test_as_many_as_asked_for_until_the_frames_are_used_up():
    for count in range(1, 11):
        assert len(write_questions("eating meat", "moral", "trust", count, child(count, "count"))) == count
    many = write_questions("eating meat", "moral", "trust", 1000, child(0, "many"))
    assert len(bank("asking")["frames"]["moral"]) <= len(many) < 100
    assert len(set(many)) == len(many)


def test_the_facet_shows_in_one_of_them_at_least():
    assert set(bank("asking")["colours"]) == set(TRAIT_OF)
    for focus in ("self consciousness", "self-consciousness", "self_consciousness", "Self-Consciousness, trust"):
        clauses = bank("asking")["colours"]["self_consciousness"] + bank("asking")["colours"]["trust"]
        for seed in range(20):
            asked = write_questions("eating meat", "reflection", focus, 2, child(seed, "facet"))
            assert any(clause in text for clause in clauses for text in asked)
    plain = write_questions("eating meat", "reflection", "nothing we know", 22, child(1, "plain"))
    assert any("what matters to you" in text for text in plain)


def test_other_wordings_keep_the_topic():
    assert all("eating meat" in other_question("eating meat", child(n, "other")) for n in range(60))
    assert len({other_question("eating meat", child(n, "other")) for n in range(200)}) >= 15
