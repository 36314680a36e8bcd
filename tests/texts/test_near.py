"""Near copies of short texts: the definition carried out over all pairs, and what it finds in plain English."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.texts.near import ACROSS, THRESHOLD, Distinct, likeness, normal_form, shingles

WORDS = st.sampled_from("how do you feel what would happen if money friends work".split())
TEXTS = st.lists(st.tuples(st.sampled_from("ab"), st.lists(WORDS, max_size=9).map(" ".join)), max_size=25)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  How do\tYOU feel -- today? ", "how do you feel today"),
        ("Don't you? Don’t you?", "dont you dont you"),
        ("Über Café, 24/7", "über café 24 7"),
        ("cafe\u0301", "café"),
        ("...", ""),
    ],
)
def test_normal_form(text, form):
    assert normal_form(text) == form


def test_likeness_by_hand():
    # 13 pairs of words each, 12 shared when the last word changes: 12 / 14.
    first = "How do you feel when a friend asks for money and never returns it?"
    assert likeness(first, first.replace("it?", "them?")) == pytest.approx(12 / 14)
    # A word in the midst belongs to two pairs: 11 shared of 15.
    assert likeness(first, first.replace("friend", "brother")) == pytest.approx(11 / 15)
    assert likeness("", "") == 1 and likeness("Why?", "why") == 1 and likeness("Why?", "") == 0


FOUND = [
    ("How do you decide what to buy first?", "How do you decide what to buy first, then?"),
    (
        "What would you do if a friend asked you for a loan that you can't afford?",
        "What would you do if a friend asked you for a loan you can't afford?",
    ),
    (
        "Imagine that your budget is gone by the tenth of the month. What do you do next?",
        "Imagine your budget is gone by the tenth of the month. What do you do then?",
    ),
]
MISSED = [
    # The same question in other words shares none of its pairs of words.
    ("How do you keep track of what you spend?", "In what way do you watch your expenses?"),
    ("What makes you angry at work?", "Which things at work make you angry?"),
]
DIFFERENT = [
    ("What worries you about keeping a household budget?", "What do you enjoy about keeping a household budget?"),
    ("When did keeping a promise cost you something?", "When did breaking a promise cost you something?"),
    ("How do you feel when a plan works out?", "How do you feel when a friend is late?"),
]


@pytest.mark.parametrize(("first", "second"), FOUND)
def test_paraphrases_that_share_their_frame_are_found(first, second):
    assert likeness(first, second) >= THRESHOLD
    distinct = Distinct()
    assert distinct.add(first) == ("new", None, "")
    assert distinct.add(second) == ("near", 0, "")


@pytest.mark.parametrize(("first", "second"), MISSED + DIFFERENT)
def test_other_words_are_not_found_and_other_questions_are_left(first, second):
    assert likeness(first, second) < THRESHOLD
    distinct = Distinct()
    assert [distinct.add(text)[0] for text in (first, second)] == ["new", "new"]


def test_topics_may_share_a_frame_and_no_more():
    frame = "Imagine that a friend you trust asks you about {} in front of others. What do you say first?"
    about = [frame.format(topic) for topic in ("growing older", "giving blood")]
    assert THRESHOLD < likeness(*about) < ACROSS
    distinct = Distinct()
    assert distinct.add(about[0], "growing-older").outcome == "new"
    assert distinct.look(about[1], "growing-older") == ("near", 0, "growing-older")
    assert distinct.add(about[1], "giving-blood").outcome == "new"
    assert distinct.look(about[0].replace("first", "now"), "giving-blood") == ("near", 0, "growing-older")
    assert distinct.look(about[0].upper(), "giving-blood") == ("exact", 0, "growing-older")


def test_a_near_copy_that_comes_again_is_an_exact_one():
    distinct = Distinct()
    said = ["How do you decide what to buy first?", "How do you decide what to buy first, then?"]
    assert [distinct.add(said[n], "a").outcome for n in (0, 1, 1)] == ["new", "near", "exact"]
    assert distinct.look(said[1], "b") == ("exact", 0, "a")


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.sampled_from([(0.4, 0.9), (0.5, 0.5), (0.6, 0.8), (0.75, 1.0)]), st.booleans())
def test_what_is_found_is_the_definition(texts, bars, informed):
    distinct = Distinct.over((text for _, text in texts), *bars) if informed else Distinct(*bars)
    kept, seen = [], {}
    for group, text in texts:
        form = normal_form(text)
        alike = [n for n, (of, other) in enumerate(kept) if _jaccard(form, other) >= bars[of != group] - 1e-9]
        found = distinct.add(text, group)
        if form in seen:
            assert found == ("exact", *seen[form])
        elif alike:
            assert found == ("near", alike[0], kept[alike[0]][0])
            seen[form] = alike[0], group
        else:
            assert found == ("new", None, "")
            seen[form] = len(kept), group
            kept.append((group, form))
    assert len(distinct) == len(kept)
    for (a, one), (b, two) in combinations(kept, 2):
        assert _jaccard(one, two) < bars[a != b]


def _jaccard(first, second):
    a, b = shingles(first), shingles(second)
    return len(a & b) / len(a | b) if a or b else 0.0


def test_look_changes_nothing_and_keep_takes_anything():
    distinct = Distinct()
    assert distinct.look("What do you want?").outcome == "new" and len(distinct) == 0
    assert [distinct.keep("What do you want?"), distinct.keep("What do you want")] == [0, 1]
    assert distinct.look("what do you want") == ("exact", 0, "")
