"""Chosen and rejected, coverage, copies and leakage: numbers worked out by hand."""

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.preferences import Preferences, preference_evidence, verdicts
from cityfolk.evaluation.preferences.chosen import chosen_and_rejected, judged_pairs
from cityfolk.evaluation.preferences.copies import copies, leakage
from cityfolk.preferences.judging.scale import BY_NORMS, BY_POOL, scale_of, with_z
from cityfolk.preferences.pairs import make_pairs
from cityfolk.preferences.records import PAIRS
from cityfolk.vocabulary import TRAITS
from tests.evaluation.preferences import planted
from tests.preferences.tables import answer_row, frames, question_rows, reading_row

HALF = (0.5,) * 5


def one_pair():
    """One question, three answers under the middle of the cube: readings at z 0, 1 and 2 in openness alone."""
    questions = question_rows(1, 1, 0)
    texts = ["four words are here", "eight words are here and four words more", "two words"]
    answers = [answer_row("topic-0-000", "middle", HALF, i, text) for i, text in enumerate(texts)]
    z = np.array([[0.0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 0, 0, 0, 0]])
    readings = [
        reading_row(a["answer_id"], judge, row) for a, row in zip(answers, z, strict=True) for judge in ("a", "b")
    ]
    pair = {
        "question_id": "topic-0-000",
        "topic": "topic-0",
        "split": "train",
        "target_name": "middle",
        **dict.fromkeys([f"target_{t}" for t in TRAITS], 0.5),
        "chosen_id": answers[0]["answer_id"],
        "rejected_id": answers[1]["answer_id"],
        "margin": 1.0,
        "strategy": "farthest",
        "distance_chosen": 0.0,
        "distance_rejected": 1.0,
        "similarity_chosen": 1.0,
        "similarity_rejected": 0.9,
        "judges": ["a", "b"],
    }
    other = {**pair, "rejected_id": answers[2]["answer_id"], "target_name": "again"}
    return questions, *frames(answers, readings), pl.DataFrame([pair, other], schema=PAIRS)


def found_in(questions, answers, readings, pairs, **options):
    data = Preferences(
        questions=questions,
        answers=answers,
        readings=with_z(readings),
        scales=scale_of(readings),
        pairs={"all": pairs} if pairs is not None else {},
    )
    return {f.id.removeprefix("pairs."): f for f in preference_evidence(data, **options).findings}


def test_two_pairs_by_hand():
    questions, answers, readings, pairs = one_pair()
    found = found_in(questions, answers, readings, pairs)
    from cityfolk.personality.nearness import mahalanobis

    apart = [float(mahalanobis([z, 0, 0, 0, 0], [0.0] * 5)) for z in (1, 2)]
    assert found["order@all"].value == 1.0 and found["order@all"].verdict == "inside"
    assert found["distance.chosen@all"].value == pytest.approx(0.0, abs=1e-9)
    assert found["distance.rejected@all"].value == pytest.approx(sum(apart) / 2)
    assert found["distance.constant@all"].value == pytest.approx(0.0, abs=1e-9)
    assert found["similarity.constant@all"].value == pytest.approx(1.0)
    # Four words against eight, and against two: geometric mean of 1/2 and 2.
    assert found["words.ratio@all"].value == pytest.approx(1.0)
    assert found["words.chosen@all"].value == 4.0 and found["words.rejected@all"].value == 5.0
    assert found["lost@all"].value == 0.0


def test_an_exchanged_pair_and_a_lost_answer_are_found():
    questions, answers, readings, pairs = one_pair()
    turned = pairs.with_columns(chosen_id="rejected_id", rejected_id="chosen_id")
    found = found_in(questions, answers, readings, pl.concat([pairs[:1], turned[1:]]))
    assert found["order@all"].value == 0.5 and found["order@all"].verdict == "outside"
    gone = found_in(questions, answers[1:], readings, pairs)
    assert gone["lost@all"].value == 2.0 and gone["lost@all"].verdict == "outside"
    unread = found_in(questions, answers, readings.filter(pl.col("judge") == "a"), pairs)
    assert unread["lost@all"].value == 2.0 and "order@all" not in unread


def test_an_independent_judge_is_asked_and_the_pairs_own_are_not():
    questions, answers, readings, pairs = one_pair()
    flipped = readings.filter(pl.col("judge") == "b").with_columns(judge=pl.lit("c"))
    values = flipped.sort("answer_id").reverse().select("openness", "raw_openness")
    flipped = pl.concat([flipped.sort("answer_id").drop("openness", "raw_openness"), values], how="horizontal")
    found = found_in(questions, answers, pl.concat([readings, flipped.select(readings.columns)]), pairs)
    assert "independent.c@all" in found and not any(name.startswith("independent.a") for name in found)


def test_an_empty_corner_and_a_missing_direction_are_outside():
    asked, answers, readings = planted.world(3)
    pairs = make_pairs(asked, answers, readings).table
    full = found_in(asked, answers, readings, pairs, texts=False)
    assert full["coverage.corners"].verdict == "inside" and full["coverage.low.agreeableness"].verdict == "inside"
    agreeable = pairs.filter(pl.col("target_agreeableness") > 0.5)
    found = found_in(asked, answers, readings, agreeable, texts=False)
    assert found["coverage.corners"].value == 16.0 and found["coverage.corners"].verdict == "outside"
    assert found["coverage.low.agreeableness"].verdict == "outside"
    empty = [f for name, f in found.items() if name.startswith("coverage.corner.")]
    assert len(empty) == 16 and all("A-" in f.id and f.verdict == "outside" for f in empty)
    assert all("no pair came of them" in f.note for f in empty)


def questions_with(*texts, splits=None, topics=None):
    rows = question_rows(len(texts), 1, 0)
    return rows.with_columns(
        text=pl.Series(texts),
        split=pl.Series(splits or ["train"] * len(texts)),
        topic=pl.Series(topics or ["one"] * len(texts)),
    )


def test_copies_of_questions_are_counted():
    frame = questions_with(
        "What do you do on a quiet evening at home with nobody around?",
        "what do you do, on a quiet evening at home with nobody around",
        "What do you do on a quiet morning at home with nobody around?",
        "Whom would you call first if your bicycle broke far from any town?",
    )
    found = {f.finding.id: f.finding for f in copies(Preferences(questions=frame)) if not isinstance(f, Detail)}
    assert found["pairs.copies.questions"].value == 0.25 and found["pairs.copies.questions"].verdict == "outside"
    assert found["pairs.copies.questions.near"].value == 0.25


def test_leaks_are_named():
    frame = questions_with(
        "Where do you go when it rains?",
        "How do you mend what is broken?",
        "HOW do you mend what is broken",
        splits=["train", "train", "held-out"],
        topics=["rain", "mending", "rain"],
    )
    found = {f.finding.id: f.finding for f in leakage(Preferences(questions=frame))}
    assert found["pairs.leak.topics"].value == 1.0 and "rain" in found["pairs.leak.topics"].note
    assert found["pairs.leak.questions"].value == 1.0
    clean = frame.with_columns(split=pl.lit("train"))
    assert all(f.finding.verdict == "inside" for f in leakage(Preferences(questions=clean)))


def test_questions_alone_can_be_measured():
    found = found_in(question_rows(3, 2, 1), *frames_of_nothing(), None)
    assert found["asked.questions"].value == 6.0 and "count" not in found


def frames_of_nothing():
    answers, readings = frames([answer_row("topic-0-000", "", None, 0, "a")], [reading_row("x", "a", np.zeros(5))])
    return answers[:0], readings[:0]


def test_a_gain_is_judged_where_all_judges_have_norms():
    questions, answers, readings, pairs = one_pair()
    for scales, judged in (({"a": BY_NORMS, "b": BY_NORMS}, True), ({"a": BY_NORMS, "b": BY_POOL}, False)):
        data = Preferences(
            questions=questions, answers=answers, readings=with_z(readings), scales=scales, pairs={"all": pairs}
        )
        found = [
            one for one in chosen_and_rejected(data, judged_pairs(data, "all")) if isinstance(one, verdicts.Tested)
        ]
        gain = [one for one in found if one.finding.id == "pairs.gain.distance@all"]
        assert [one.p is not None for one in gain] == [judged]


def test_pairs_without_their_margin_are_measured_all_the_same():
    questions, answers, readings, pairs = one_pair()
    found = found_in(questions, answers, readings, pairs.with_columns(margin=pl.lit(None, dtype=pl.Float64)))
    assert found["margin@all"].value is None
