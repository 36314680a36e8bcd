"""Situations, stability and cost: planted truths come out with the right numbers, formulas by hand."""

import math

import numpy as np
import pytest

from cityfolk.engines.given import Given, divergence
from cityfolk.evaluation.control.cost import neutral_texts, poles, text_findings
from cityfolk.evaluation.control.deeds import DEEDS, WORDS, Method, agreement_findings, situation_findings
from cityfolk.evaluation.control.refusals import declines, pairs, rule_errors
from cityfolk.evaluation.control.situations import LETTERS, Deeds, read_reply, requests, situations
from cityfolk.evaluation.control.stability import (
    TURNS,
    Crossed,
    Talks,
    asked_turns,
    components,
    conversation_findings,
    form_findings,
    question_at,
)
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.types import Reply
from cityfolk.vocabulary import TRAITS


def by_name(findings):
    return {one.id.removeprefix("control."): one for one in findings}


def test_forty_situations_eight_a_trait_each_option_once_in_every_place():
    items = situations()
    assert [sum(one.trait == trait for one in items) for trait in TRAITS] == [8] * 5
    assert all(len(set(one.options)) == 4 for one in items) and len({one.id for one in items}) == 40
    for item in items:
        shown = np.array([item.shown(order) for order in range(4)])
        assert all(sorted(column) == [0, 1, 2, 3] for column in (*shown.T, *shown))
        assert list(shown[1]) == list(shown[0][::-1])


@pytest.mark.parametrize("order", range(4))
def test_a_choice_is_scored_by_key_in_every_order(order):
    asked = [
        request for *_, o, request in requests((Respondent(respondent_id="a b"),), "m", orders=4, seed=0) if o == order
    ]
    item = situations()[5]
    request = asked[5]
    keys = item.shown(order)
    logs = [math.log({3: 0.7, 2: 0.1, 1: 0.1, 0: 0.1}[key]) for key in keys]
    said = read_reply(request, Reply(text="A", model="m", logprobs=tuple(logs)))
    assert said.value == pytest.approx((3 * 0.7 + 0.3) / 3) and said.probabilities[3] == pytest.approx(0.7)
    letter = LETTERS[keys.index(2)]
    for text in (letter, f"{letter}: {item.options[2]}", f"My answer is {letter}.", item.options[2]):
        assert read_reply(request, Reply(text=text, model="m")).value == pytest.approx(2 / 3), text
    assert read_reply(request, Reply(text="I'm sorry, I can't help with that.", model="m")).outcome == "refused"
    with pytest.raises(ValueError, match="not one of the options"):
        read_reply(request, Reply(text="A friend of mine would know.", model="m"))


def planted_deeds(follow, n=40):
    stream = np.random.default_rng(3)
    target = stream.uniform(0.02, 0.98, (n, 5))
    value = np.empty((n, 40))
    for place, item in enumerate(situations()):
        own = target[:, TRAITS.index(item.trait)] if follow else stream.uniform(size=n)
        value[:, place] = np.clip(own + 0.1 * stream.standard_normal(n), 0, 1)
    names = tuple(f"sobol-{i:02d}" for i in range(n))
    orders = np.stack([value, value])
    return Deeds(
        model="m",
        condition="prompted",
        respondents=names,
        target=target,
        value=value,
        orders=orders,
        refused=0,
        asked=1600,
    )


def test_deeds_that_follow_and_deeds_that_do_not_are_told_apart_from_words_that_do():
    good, bad = planted_deeds(True), planted_deeds(False)
    found = by_name([one for sheet in (good,) for one in situation_findings(sheet)])
    assert found["situations.slope.openness@keys|m|prompted"].value == pytest.approx(0.95, abs=0.06)
    assert found["situations.alpha.openness@keys|m|prompted"].low > 0.95
    assert found["situations.order@keys|m|prompted"].value == 0
    idle = by_name(situation_findings(bad))
    slope = idle["situations.slope.openness@keys|m|prompted"]
    assert slope.low < 0 < slope.high or abs(slope.value) < 0.1
    words = Method(name=WORDS, respondents=good.respondents, scores=good.target, reliability=(0.9,) * 5)
    for sheet, agrees in ((good, True), (bad, False)):
        deed = Method(name=DEEDS, respondents=sheet.respondents, scores=sheet.scores(), reliability=(0.8,) * 5)
        met = by_name(agreement_findings([words, deed], "m", "prompted", 0))
        assert len([name for name in met if ".cell." in name]) == 45
        r = met["situations.agree.words.deeds.agreeableness@keys|m|prompted"]
        assert (r.verdict == "inside") is agrees and (r.value > 0.9) is agrees
        freed = met["situations.true.words.deeds.agreeableness@keys|m|prompted"]
        assert freed.value == pytest.approx(r.value / math.sqrt(0.72))


def test_each_conversation_asks_every_question_once_and_turns_are_no_questions_own():
    questions = [f"q{i}" for i in range(len(asked_turns()))]
    for conversation in (0, 5):
        said = [question_at(turn, conversation, questions) for turn in range(1, TURNS + 1)]
        assert sorted(text for text, small in said if not small) == sorted(questions)
        assert [turn for turn, (_, small) in enumerate(said, 1) if small] == [3, 6, 9, 12, 15, 18]
    assert len({question_at(1, conversation, questions)[0] for conversation in range(14)}) == 14


@pytest.mark.parametrize(("change", "kept"), [(0.0, 1.0), (-0.6, 1 - 0.6 / 0.9)])
def test_a_personality_that_fades_is_found_to_fade_as_far_as_it_does(change, kept):
    stream = np.random.default_rng(7)
    talks, turns = 16, np.array(asked_turns())
    voice = np.array([0.2, 0.3, 0.1, 1.0, -0.8])
    target = stream.standard_normal((talks, 5))
    turn, talk = np.tile(turns, talks), np.repeat(np.arange(talks), len(turns))
    share = 0.9 + change * (turn - 1) / (TURNS - 1)
    read = voice + share[:, None] * (target[talk] - voice) + 0.3 * stream.standard_normal((len(turn), 5))
    made = Talks(
        asked=target[talk], read=read, turn=turn, conversation=talk, voice=voice, left_out=np.maximum(turn - 8, 0)
    )
    found = by_name(conversation_findings(made, "rater|m|prompted", "prompted", 0))
    line = found["stability.slope@rater|m|prompted"]
    assert line.low <= change / (TURNS - 1) <= line.high
    assert line.verdict == ("outside" if change else "inside")
    last = found["stability.kept@rater|m|prompted"]
    assert last.low <= kept <= last.high and last.value == pytest.approx(kept, abs=0.08)
    assert found["stability.turn.20@rater|m|prompted"].value == pytest.approx(0.9 + change, abs=0.12)
    assert found["stability.left_out@rater|m|prompted"].value == 12


def test_variance_components_are_those_that_were_planted():
    stream = np.random.default_rng(11)
    shape = (60, 12, 4, 3, 4)
    planted = {(0,): 1.0, (0, 1): 0.5, (0, 2): 0.3, (): 0.7}
    values = np.sqrt(0.7) * stream.standard_normal(shape)
    for effect in ((0,), (0, 1), (0, 2)):
        size = [shape[axis] if axis in effect else 1 for axis in range(5)]
        values += np.sqrt(planted[effect]) * stream.standard_normal(size)
    found = components(values)
    for effect, value in found.items():
        assert value == pytest.approx(planted.get(effect, 0.0), abs=0.25 if effect == (0,) else 0.06), effect


def test_two_way_components_equal_the_mean_squares_by_hand():
    # Two draws of every cell, 1 below its mean and 1 above: means 1, 3 / 5, 11; rows 2 and 8, columns 3 and 7, grand 5.
    means = np.array([[1.0, 3.0], [5.0, 11.0]])[:, :, None, None, None]
    found = components(means + np.array([-1.0, 1.0]))
    # Sums of squares: rest 8 on 4, interaction 2 * 4 * 1 on 1, rows 4 * 2 * 9 on 1, columns 4 * 2 * 4 on 1; a cell has
    # 2 values, a row or a column 4: (8 - 2) / 2, (72 - 2 - 2 * 3) / 4, (32 - 2 - 2 * 3) / 4.
    by_hand = {(): 2.0, (0, 1): 3.0, (0,): 16.0, (1,): 6.0}
    assert {effect: value for effect, value in found.items() if value} == pytest.approx(by_hand)
    # With one draw no rest is left beside the interaction, so nothing can be told of it.
    assert math.isnan(components(means)[()])


def test_a_design_in_which_only_the_vector_speaks_gives_it_everything():
    target = np.random.default_rng(2).standard_normal((8, 5))
    read = np.broadcast_to(target[:, None, None, None, None, :], (8, 3, 2, 2, 2, 5)).copy()
    read += 1e-6 * np.random.default_rng(3).standard_normal(read.shape)
    made = Crossed(asked=target, read=read, wordings=("levels", "numbers"), temperatures=(0.3, 1.0))
    found = by_name(form_findings(made, "rater|m|prompted", "prompted", 0))
    assert found["stability.share.vector@rater|m|prompted"].value == pytest.approx(1.0)
    assert found["stability.icc.wording.openness@rater|m|prompted"].value == pytest.approx(1.0)
    assert found["stability.reach.wording.numbers@rater|m|prompted"].value == pytest.approx(1.0, abs=1e-4)


def test_divergence_and_perplexity_by_hand():
    base = Given((0, 1), np.log(np.array([[0.5, 0.5], [0.5, 0.5]])))
    moved = Given((0, 1), np.log(np.array([[0.9, 0.1], [0.5, 0.5]])))
    assert divergence(base, base) == 0
    assert divergence(moved, base) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))
    assert base.loss == pytest.approx(2 * math.log(2))
    n = np.full(5, 2.0)
    found = by_name(text_findings(n * math.log(2), np.zeros(5), n, "neutral", "m|untargeted", 0))
    assert found["cost.perplexity.neutral@given|m|untargeted"].value == pytest.approx(2.0)
    assert found["cost.kl.neutral@given|m|untargeted"].value == 0
    assert len(set(neutral_texts())) == 60 and len(poles()) == 10


def test_rules_of_refusal_err_as_often_as_the_page_says():
    assert len(pairs()) >= 24
    assert rule_errors() == (3, 20, 0, 20)
    assert declines("I'm sorry, but I can't help with that.") and not declines("Beans, rice and eggs.")
