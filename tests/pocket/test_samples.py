"""Training samples without a citizen: prompts as the stages ask them, replies that hold, nothing held out."""

import json

import numpy as np
import pytest

from cityfolk.personality.inventory import PROMPTED_CHOICE, UNTARGETED_CHOICE
from cityfolk.pocket.answering import read_answer
from cityfolk.preferences.prompts import PROMPTED_GUIDANCE, QUESTION_GUIDANCE, UNTARGETED_GUIDANCE
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.types import BigFive
from pocket_answers import RATING_CUTS, choice_sample, draw_topic, draw_vector, practice_items
from pocket_data import MIXES, make_sample, mix_at

HELD_OUT = [topic.phrase for topic in topics() if topic.split == "held-out"]


def made(kind, count, names):
    return [make_sample(3, "test", number, names, kind) for number in range(count)]


def test_the_shares_of_the_mix_add_up():
    kinds = {kind for kind, _ in mix_at(0)}
    for first, mix in MIXES:
        assert sum(share for _, share in mix) == pytest.approx(1.0)
        assert {kind for kind, _ in mix} == kinds
        assert mix_at(first) == mix_at(first + 1) == mix != mix_at(first - 1 if first else 10**9)


def test_no_sample_is_about_a_topic_that_is_held_out(names):
    assert len(HELD_OUT) == 40
    drawn = [draw_topic(child(number, "topic")) for number in range(3000)]
    assert not {phrase for phrase, _ in drawn} & set(HELD_OUT)
    assert len({phrase for phrase, _ in drawn}) > 1000
    for kind in ("reply", "voice", "ask"):
        for sample in made(kind, 150, names):
            assert not [phrase for phrase in HELD_OUT if phrase in sample.messages[1].content + sample.reply]


def test_answers_follow_the_vector_of_the_prompt(names):
    asked = made("reply", 400, names)
    assert all(sample.messages[0].content == PROMPTED_GUIDANCE for sample in asked)
    said = [read_answer(sample.reply) for sample in asked]
    assert not any(one.unparsed for one in said)
    wanted = np.array([[int(part.split("th of")[0].split("st of")[0].split("nd of")[0].split("rd of")[0].split()[-1])
                        for part in sample.messages[1].content.split("\n")[:5]] for sample in asked])  # fmt: skip
    read = np.array([one.percentile for one in said])
    assert min(np.corrcoef(wanted[:, t], read[:, t])[0, 1] for t in range(5)) > 0.9


def test_the_plain_voice_answers_without_a_vector(names):
    asked = made("voice", 200, names)
    assert all(sample.messages[0].content == UNTARGETED_GUIDANCE for sample in asked)
    assert all(sample.messages[1].content.startswith("Question: ") for sample in asked)
    read = np.mean([read_answer(sample.reply).percentile for sample in asked], axis=0)
    assert read[3] > 0.7 and read[4] < 0.3 and 0.4 < read[0] < 0.7


def test_questions_are_as_many_as_asked_for_and_keep_the_topic(names):
    for sample in made("ask", 150, names):
        assert sample.messages[0].content == QUESTION_GUIDANCE
        lines = dict(line.split(": ", 1) for line in sample.messages[1].content.split("\n"))
        questions = json.loads(sample.reply)["questions"]
        assert len(questions) == int(lines["Questions"]) == len(set(questions)) <= 10
        assert all(lines["Topic"] in question for question in questions)


def test_choices_agree_with_the_vector():
    ratings, kinds = {1: [], -1: []}, set()
    keyed = {item.statement: item for item in practice_items()}
    for number in range(3000):
        (system, user), reply = choice_sample(child(number, "choice"))
        kinds.add((system.content, reply))
        if system.content == PROMPTED_CHOICE and "Answer with a number" in user.content:
            item = keyed[user.content.split("very well): ")[1].removesuffix(". Answer with a number.")]
            line = next(text for text in user.content.split("\n") if text.startswith(item.trait.capitalize()))
            if "high, 9" in line or "low, " in line:
                ratings[item.keyed if "high, 9" in line else -item.keyed].append(int(reply))
    assert np.mean(ratings[1]) > 3.8 and np.mean(ratings[-1]) < 2.4
    for system in (PROMPTED_CHOICE, UNTARGETED_CHOICE):
        assert {reply for said, reply in kinds if said == system} == {*"12345", "A", "B", "Yes", "No"}
    assert tuple(-cut for cut in reversed(RATING_CUTS)) == RATING_CUTS


def test_one_item_of_each_facet_is_kept_back():
    assert len(practice_items()) == 270
    assert len({item.facet for item in practice_items()}) == 30


def test_vectors_reach_every_corner_of_the_cube():
    drawn = np.array([[v for _, v in draw_vector(child(n, "vector")).items()] for n in range(4000)])
    corners = {tuple(row) for row in (drawn > 0.5)}
    assert len(corners) == 32
    assert (drawn < 0.05).mean() > 0.05 and (drawn > 0.95).mean() > 0.05
    assert isinstance(draw_vector(child(0, "vector")), BigFive)
