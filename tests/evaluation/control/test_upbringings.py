"""A sentence of background changes nothing of a request but its own line."""

import pytest

from cityfolk.errors import DataError
from cityfolk.evaluation.control.backgrounds import Background
from cityfolk.evaluation.control.upbringings import brought_up
from cityfolk.preferences.prompts import answer_messages
from cityfolk.types import BigFive, Message


def test_a_background_is_one_line_before_the_question():
    vector = BigFive(openness=0.9, conscientiousness=0.5, extraversion=0.2, agreeableness=0.5, neuroticism=0.5)
    sentence = Background(nationality="Brazil", language="Portuguese").sentence
    plain = answer_messages("What matters to you?", vector)
    made = brought_up(plain, sentence)
    assert made[0] == plain[0]
    lines, before = made[-1].content.splitlines(), plain[-1].content.splitlines()
    assert [line for line in lines if line != sentence] == before
    assert lines[-1] == "Question: What matters to you?" and lines[-3] == sentence
    bare = brought_up(answer_messages("Why?", None), sentence)
    assert bare[-1].content == f"{sentence}\n\nQuestion: Why?"
    with pytest.raises(DataError, match="user's turn"):
        brought_up((Message(role="assistant", content="I rest."),), sentence)
