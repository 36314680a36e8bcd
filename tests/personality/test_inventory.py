"""Items of both instruments as statements, and prompts that ask for one option."""

from collections import Counter

import pytest

from cityfolk.errors import UsageError
from cityfolk.personality.inventory import (
    PROMPTED_CHOICE,
    UNTARGETED_CHOICE,
    agree_question,
    choice_messages,
    either_question,
    inventory,
    rating_question,
)
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS


def test_the_long_form_holds_the_short_one_with_the_same_keys():
    long = {item.text.lower(): (item.trait, item.facet, item.keyed) for item in inventory("IPIP-NEO-300")}
    short = {item.text.lower(): (item.trait, item.facet, item.keyed) for item in inventory()}
    assert len(long) == 300 and len(short) == 120
    assert {text: long[text] for text in short} == short
    assert set(Counter((trait, facet) for trait, facet, _ in long.values()).values()) == {10}


def test_items_become_statements():
    said = {item.statement for item in inventory("IPIP-NEO-300")}
    assert {"I worry about things", "I am afraid of many things", "I am interested in many things"} <= said
    assert {"I don't like to draw attention to myself", "I would never cheat on my taxes"} <= said


def test_prompts_hold_the_vector_and_the_options():
    vector = BigFive(**dict.fromkeys(TRAITS, 0.97))
    system, user = choice_messages(rating_question("I worry about things"), vector)
    assert system.content == PROMPTED_CHOICE
    assert user.content.startswith("Openness: extremely high, 97th of 100 adults")
    assert user.content.endswith("(very well): I worry about things. Answer with a number.")
    system, user = choice_messages(agree_question("I argue a lot"), None)
    assert (system.content, user.content) == (
        UNTARGETED_CHOICE,
        "Is this true of you: I argue a lot? Answer Yes or No.",
    )
    assert "A: I rest. B: I run. Answer A or B." in either_question(("I rest", "I run"))


def test_an_unknown_instrument_is_refused():
    with pytest.raises(UsageError, match="no items of 'MBTI'"):
        inventory("MBTI")
