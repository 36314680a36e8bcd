"""What a citizen is told before a question: everything that is known, everything that was said, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.profiles.conversation import (
    GUIDANCE,
    LEFT_OUT,
    LIMIT_CHARACTERS,
    Turn,
    conversation_messages,
    life_text,
    question_request,
    read_answer,
)
from cityfolk.profiles.prompts import citizen_text
from cityfolk.types import Reply
from tests.profiles.fakes import citizen, profile

WHO, LIFE = citizen(), profile().model_dump()


def test_guidance_facts_life_then_the_turns_in_order():
    turns = [Turn("Q1?", "A1."), Turn("Q2?", "A2.")]
    messages, dropped = conversation_messages(WHO, LIFE, turns, "Q3?")
    assert dropped == 0
    assert [(m.role, m.content) for m in messages[1:]] == [
        ("user", "Q1?"), ("assistant", "A1."), ("user", "Q2?"), ("assistant", "A2."), ("user", "Q3?"),
    ]  # fmt: skip
    system = messages[0].content
    assert system.startswith(GUIDANCE) and citizen_text(WHO) in system and system.endswith(life_text(LIFE))
    assert LEFT_OUT not in system


def test_the_life_has_every_field_that_was_written_and_nothing_else():
    text = life_text({**LIFE, "person_id": 3, "problems": ["x"], "leisure_habits": None})
    assert f"Strengths: {'; '.join(LIFE['strengths'])}" in text
    assert "Leisure" not in text and "Problems" not in text
    assert len(text.splitlines()) == len(LIFE) - 1


@given(sizes=st.lists(st.integers(1, 9000), max_size=12))
def test_what_does_not_fit_is_left_out_from_the_oldest_on_and_said(sizes):
    turns = [Turn(f"{i}?", "x" * size) for i, size in enumerate(sizes)]
    messages, dropped = conversation_messages(WHO, LIFE, turns, "Now?")
    assert sum(len(m.content) for m in messages) <= LIMIT_CHARACTERS["full"]
    assert [m.content for m in messages if m.role == "user"] == [*(t.question for t in turns[dropped:]), "Now?"]
    assert (LEFT_OUT in messages[0].content) == (dropped > 0)
    if dropped:  # one more would not have fitted
        assert sum(len(m.content) for m in messages) + sizes[dropped - 1] + 40 > LIMIT_CHARACTERS["full"] - 200


def test_the_embedded_model_gets_the_form_it_was_trained_on():
    request, dropped = question_request(WHO, LIFE, [], "How old are you?", model="pocket-1@x", seed=0, label="")
    assert [m.role for m in request.messages] == ["system", "user"] and dropped == 0
    assert request.messages[1].content == f"{citizen_text(WHO)}\n\nHow old are you?"
    assert request.sampling.max_tokens <= 64


def test_the_same_question_later_is_another_request():
    ask = lambda turns: question_request(WHO, LIFE, turns, "Why?", model="m", seed=0, label="")[0].key  # noqa: E731
    assert ask([]) != ask([Turn("Why?", "Because.")])
    assert ask([]) == ask([])


@pytest.mark.parametrize(
    ("text", "said"),
    [(" I do. ", "I do."), ('"I do."', "I do."), ('"I" and "you"', '"I" and "you"'), ('He said "no"', 'He said "no"')],
)
def test_an_answer_is_what_was_said(text, said):
    assert read_answer(Reply(text=text, model="m")) == said


@pytest.mark.parametrize("text", ["", "  ", "...", '""'])
def test_silence_is_no_answer(text):
    with pytest.raises(ValueError, match="nothing was said"):
        read_answer(Reply(text=text, model="m"))
