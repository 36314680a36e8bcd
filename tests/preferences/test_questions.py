"""One request and what is usable of its reply."""

import json

import pytest

from cityfolk.preferences.prompts import STYLE_LINES
from cityfolk.preferences.questions import (
    CLOSED,
    LONG,
    NO_MARK,
    PER_REQUEST,
    SCHEMA,
    SHORT,
    bared,
    clean,
    fault,
    parse_questions,
    question_request,
)
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import topic
from cityfolk.types import Reply, Sampling

OPEN = [
    "What do you do when a plan falls apart?",
    "Can you recall a time when you broke a promise?",
    "Could you please describe how you pack for a long trip?",
    "Do you tell a friend the truth, and why?",
    "Have you ever lied to a friend? What came of it?",
    "Imagine you find a wallet on the street. What goes through your mind?",
    "Describe a day without your phone. How did it feel?",
    "If a friend owes you money, what do you say?",
    '"What would you do first?" a neighbor asks. How do you answer?',
]
FAULTS = [
    ("Do you keep a budget at home?", CLOSED),
    ("Imagine that you are late again. Would you call ahead?", CLOSED),
    ("Have you ever lied to a friend?", CLOSED),
    ("Would you rather walk alone or with friends?", CLOSED),
    ("Isn't it hard to wait for a friend?", CLOSED),
    ("Why is that?", SHORT),
    ("", SHORT),
    ("Describe a time when you lost your keys.", NO_MARK),
    ("What do you think of it", NO_MARK),
    ("How " + "very " * 59 + "much?", LONG),
]


@pytest.mark.parametrize("text", OPEN)
def test_open_questions_pass(text):
    assert fault(text) is None


@pytest.mark.parametrize(("text", "reason"), FAULTS)
def test_what_is_no_question_for_us_is_rejected(text, reason):
    assert fault(text) == reason


def test_the_bounds_on_length_are_inside():
    assert fault("How do you rest?") is None and fault("How " + "very " * 58 + "much?") is None


@pytest.mark.parametrize(
    "text",
    [
        "1. What do you want?",
        "(2) What do you want?",
        "10) What do you want?",
        "- What do you want?",
        "\u2022 1. What do you want?",
        "Q3: What do you want?",
        "Question 4: What do you want?",
        '"What do you want?"',
        '1. "What  do\nyou want?" ',
        "\u201cWhat do you want?\u201d",
        "**What do you want?**",
    ],
)
def test_numbering_quotes_and_space_are_taken_off(text):
    assert bared(text) == "What do you want?"


@pytest.mark.parametrize(
    "text", ["'Why?' and 'How?' - which do you ask more?", "3 wishes: what are they?", "Queues: why wait?"]
)
def test_what_belongs_to_a_question_stays(text):
    assert bared(text) == text


def test_a_reply_is_cleaned_and_counted():
    cleaned = clean(
        ["1. What do you want?", "Do you want it now?", "Why?", "Is it so, and why?", "Does it matter to you?"]
    )
    assert cleaned.questions == ("What do you want?", "Is it so, and why?")
    assert cleaned.rejected == {CLOSED: 2, SHORT: 1} and cleaned.asked == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Sure, here you are:", "not JSON"),
        ('{"questions": []}', "not {"),
        ('{"questions": [1, 2]}', "not {"),
        ('{"questions": "What do you want?"}', "not {"),
        ("7", "not {"),
        (json.dumps({"questions": ["Do you like it much?", "Why?", "Are you sure of it?"]}), "yes or no: 2"),
    ],
)
def test_a_reply_without_a_usable_question_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse_questions(Reply(text=text, model="m"))


def test_a_fence_and_a_bare_list_are_understood_and_no_more_than_ten_are_read():
    many = json.dumps([f"What do you think of number {n}?" for n in range(30)])
    assert len(parse_questions(Reply(text=f"```json\n{many}\n```", model="m")).questions) == PER_REQUEST


def test_the_facets_of_a_topic_take_turns():
    two = topic("household-budget")
    assert two.facets == ("orderliness", "self_discipline")
    asked = {s: [question_request(two, s, n, "m", Sampling(seed=4)) for n in range(4)] for s in STYLES}
    focus = {s: [r.messages[1].content.split("Bring out: ")[1].split("\n")[0] for r in rs] for s, rs in asked.items()}
    assert focus["reflection"] == ["orderliness", "self discipline"] * 2
    assert focus["hypothetical"] == ["self discipline", "orderliness"] * 2
    assert [r.sampling.sample for r in asked["moral"]] == [0, 0, 1, 1]
    assert len({r.key for rs in asked.values() for r in rs}) == 20
    for style, requests in asked.items():
        for request in requests:
            assert request.schema == SCHEMA and request.sampling.seed == 4
            assert "keeping a household budget" in request.messages[1].content
            assert STYLE_LINES[style] in request.messages[1].content
    items = json.loads(SCHEMA)["properties"]["questions"]
    assert items["minItems"] == items["maxItems"] == PER_REQUEST == 10
