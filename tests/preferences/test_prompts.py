"""What is asked of a model, word for word: calls that were kept are found again by it."""

from cityfolk.personality.words import WORDINGS
from cityfolk.preferences.prompts import (
    OTHER_GUIDANCE,
    PROMPTED_GUIDANCE,
    answer_messages,
    answer_prompt_hash,
    wordings_hash,
)
from cityfolk.stages import control_stability
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS

SOMEBODY = BigFive(**dict.fromkeys(TRAITS, 0.71))


def test_every_wording_is_a_description_and_the_question_under_a_guidance_that_suits_it():
    for wording in WORDINGS:
        guidance, asked = answer_messages("Why?", SOMEBODY, wording)
        assert guidance.content == OTHER_GUIDANCE.get(wording, PROMPTED_GUIDANCE)
        assert asked.content.endswith("\n\nQuestion: Why?")
    assert "from 0 (lower than anybody) to 100" in answer_messages("Why?", SOMEBODY, "numbers")[0].content
    assert "Openness: 71\n" in answer_messages("Why?", SOMEBODY, "numbers")[1].content


def test_the_words_that_kept_calls_were_asked_in_stay():
    """A change of a word here loses every answer that was paid for: it wants a new name (`answer/2`)."""
    assert answer_prompt_hash() == "a0d945ed308149dfe77ccb4e1a62fc82"
    assert wordings_hash(control_stability.WORDINGS) == "df5b7abd4cfd756447f94ef7ae6e13ff"
