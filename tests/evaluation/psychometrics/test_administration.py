"""What is asked and how replies are read, in every form."""

import math

import numpy as np
import pytest

from cityfolk.errors import UsageError
from cityfolk.evaluation.psychometrics.administration import (
    WORDINGS,
    Design,
    Form,
    Respondent,
    item_question,
    option_of,
    pages,
    prompt_hash,
    read_reply,
    requests,
)
from cityfolk.personality.inventory import inventory, rating_question
from cityfolk.types import BigFive, Reply
from cityfolk.vocabulary import TRAITS

VECTOR = BigFive(**dict.fromkeys(TRAITS, 0.9))
LOW_FIRST, HIGH_FIRST = Form(), Form(option_order=1)


def said(text, form=LOW_FIRST):
    return read_reply(Reply(text=text, model="m"), form)


def test_the_first_form_is_the_plain_question_of_the_inventory():
    assert item_question("I rest", LOW_FIRST) == rating_question("I rest")
    turned = item_question("I rest", HIGH_FIRST)
    assert "from 1 (very well) to 5 (not at all): I rest" in turned


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_ends_change_places_and_nothing_else_does(wording):
    up, down = (item_question("I rest", Form(option_order=order, wording=wording)) for order in (0, 1))
    assert up != down and sorted(up) == sorted(down)
    assert "I rest" in up and "Answer with a number." in up


def test_the_size_is_known_beforehand_and_is_what_is_asked():
    design = Design(instrument="IPIP-50", option_orders=2, item_orders=2, wordings=3, samples=2)
    people = [Respondent(respondent_id="a", vector=VECTOR), Respondent(respondent_id="none")]
    asked = list(requests(design, people, "m@1"))
    assert len(asked) == design.calls(2) == 2 * 50 * 24
    assert len({request.key for *_, request in asked}) == len(asked)
    assert all(request.choices == ("1", "2", "3", "4", "5") for *_, request in asked)
    assert Design().calls(64) == 15_360


def test_only_who_is_told_sees_the_vector():
    design = Design(instrument="IPIP-50", option_orders=1)
    people = [
        Respondent(respondent_id="told", vector=VECTOR),
        Respondent(respondent_id="adapter", vector=VECTOR, told=False),
        Respondent(respondent_id="none"),
    ]
    first = {r.respondent_id: request for r, _, item, request in requests(design, people, "m@1") if item.number == 1}
    assert "Openness: very high, 90th of 100 adults" in first["told"].messages[-1].content
    assert first["adapter"].key == first["none"].key != first["told"].key
    assert first["none"].messages[-1].content == rating_question("I am the life of the party")
    assert first["told"].label == "told IPIP-50 1 0.0.rating.0"


def test_pages_hold_every_item_once_in_an_order_of_their_own():
    alone, one, two = (pages("IPIP-NEO-120", order, 7) for order in (0, 1, 2))
    assert alone == tuple((i,) for i in range(120))
    assert [len(page) for page in one] == [12] * 10
    assert sorted(place for page in one for place in page) == list(range(120))
    assert one != two and one == pages("IPIP-NEO-120", 1, 7) != pages("IPIP-NEO-120", 1, 8)
    design = Design(instrument="IPIP-50", option_orders=1, item_orders=2)
    texts = [r.messages[-1].content for _, form, _, r in requests(design, [Respondent(respondent_id="x")], "m")]
    assert texts[0].count("\n- ") == 0 and texts[50].count("\n- ") == 12
    assert all("\n- " + text.rpartition(": ")[2].split(". Answer")[0] + "." in text for text in texts[50:])


def test_expected_agreement_is_read_from_probabilities_whichever_end_came_first():
    shares = (0.1, 0.2, 0.3, 0.25, 0.15)
    reply = Reply(text="3", model="m", logprobs=tuple(math.log(share) for share in shares))
    up, down = read_reply(reply, LOW_FIRST), read_reply(reply, HIGH_FIRST)
    # .1 + .4 + .9 + 1 + .75
    assert up.value == pytest.approx(3.15) and up.probabilities == pytest.approx(shares)
    assert down.value == pytest.approx(6 - 3.15) and down.probabilities == pytest.approx(shares[::-1])
    assert up.outcome == "probabilities"
    sure = Reply(text="5", model="m", logprobs=(-1e9, -1e9, -1e9, -1e9, 0.0))
    assert read_reply(sure, LOW_FIRST).value == 5.0
    with pytest.raises(ValueError, match="cannot be read"):
        read_reply(Reply(text="3", model="m", logprobs=(-1.0, -1.0)), LOW_FIRST)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4),
        (" 4. ", 4),
        ('{"choice": "2"}', 2),
        ("I would say 4/5.", 4),
        ("5 (very well)", 5),
        ("My answer: **3**", 3),
        ("2 or 3", None),
        ("17", None),
        ("3.5", None),
        ("It depends.", None),
    ],
)
def test_numbers_in_texts(text, number):
    assert option_of(text, LOW_FIRST) == number


def test_words_of_options_are_understood_in_the_order_shown():
    accuracy, agreement = Form(wording="accuracy"), Form(wording="agreement", option_order=1)
    assert option_of("Moderately inaccurate.", accuracy) == 2
    assert option_of("Very accurate, I think", accuracy) == 5
    assert option_of("Neither accurate nor inaccurate", accuracy) == 3
    assert option_of("I strongly disagree", agreement) == 5
    assert said("I strongly disagree", agreement).value == 1.0
    assert said("Neither agree nor disagree", agreement).value == 3.0
    assert option_of("agree, or rather neither agree nor disagree", agreement) == 3


def test_numbers_mean_the_end_that_was_shown():
    assert said("4").value == 4.0 and said("4", HIGH_FIRST).value == 2.0


def test_refusals_are_answers_without_a_value_and_babble_is_none():
    refused = said("As an AI language model, I do not have personal feelings.")
    assert (refused.outcome, refused.value) == ("refused", None)
    assert said("I can't rate that, but people often agree.", Form(wording="agreement")).outcome == "refused"
    assert said("As an AI I would choose 3").value == 3.0
    with pytest.raises(ValueError, match="not one of the options: 'Well"):
        said("Well, you know.")
    with pytest.raises(ValueError, match="not one of the options"):
        said("")


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(UsageError, match="wordings cannot be 4"):
        Design(wordings=4)
    with pytest.raises(UsageError, match="no items of 'MBTI'"):
        Design(instrument="MBTI")
    assert len(prompt_hash()) == 32 and np.array_equal(Design(seed=1).forms, Design(seed=2).forms)
    assert len(inventory("IPIP-50")) == 50
