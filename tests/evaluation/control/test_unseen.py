"""Answers that a training had a say in are left out, of the adapter and of the model that it is held against."""

import polars as pl
import pytest

from cityfolk.evaluation.control.unseen import Watched, sentence, unseen
from cityfolk.evaluation.preferences.tables import Preferences
from cityfolk.types import content_key
from tests.preferences.tables import ARCHETYPES, answer_row, frames, question_rows, reading_row


def data(conditions=("prompted", "untargeted", "dpo"), model="m"):
    """Four questions on each of two topics, one of them held out, answered once in every condition."""
    questions = question_rows(topics=2, each=4, held_out=1)
    rows = []
    for question in questions["question_id"]:
        for condition in conditions:
            target = None if condition == "untargeted" else ARCHETYPES["Diplomat"]
            row = answer_row(question, "Diplomat", target, 0, condition, model=model, condition=condition)
            rows.append(row)
    answers, _ = frames(rows, [reading_row(rows[0]["answer_id"], "one", [0.0] * 5)])
    return Preferences(questions=questions, answers=answers)


def left(kept, condition):
    return sorted(kept.answers.filter(pl.col("condition") == condition)["question_id"])


def test_training_topics_and_watched_questions_are_left_out_of_every_condition_of_the_model():
    made = data()
    watched = Watched(ids=frozenset({"topic-1-000"}), texts=frozenset({content_key(made.questions["text"][6])}))
    kept, [found] = unseen(made, {"dpo": watched})
    assert made.questions["question_id"][6] == "topic-1-002"
    for name in ("prompted", "untargeted", "dpo"):
        assert left(kept, name) == ["topic-1-001", "topic-1-003"]
    assert (found.id, found.value, found.n) == ("control.unseen@training|m|dpo", 2.0, 8)
    assert "4 on topics that are for training, 2 to questions by which" in found.note
    assert sentence("dpo", found.value, found.n, found.note).startswith(
        "dpo is measured on 2 of its 8 answers; left out"
    )


def test_an_adapter_with_nothing_left_is_left_out_and_takes_nothing_from_the_others():
    made = data(("prompted", "dpo", "sft"))
    every = frozenset(made.questions["question_id"])
    kept, findings = unseen(made, {"dpo": Watched(ids=every), "sft": Watched(ids=frozenset({"topic-1-000"}))})
    assert left(kept, "dpo") == [] and left(kept, "sft") == left(kept, "prompted")
    assert left(kept, "sft") == ["topic-1-001", "topic-1-002", "topic-1-003"]
    assert [one.value for one in findings] == [0.0, 3.0]
    said = sentence("dpo", 0.0, 8, findings[0].note)
    assert said.startswith("Nothing is said of dpo") and "all its 8 answers (left out: 4 on topics" in said


@pytest.mark.parametrize("trainings", [{}, {"other": Watched()}])
def test_what_was_trained_nowhere_is_left_as_it_is(trainings):
    made = data()
    kept, findings = unseen(made, trainings)
    assert kept.answers.equals(made.answers) and findings == []


def test_only_the_model_that_an_adapter_is_in_is_held_to_its_questions():
    one, other = data(), data(("prompted",), model="n")
    both = Preferences(questions=one.questions, answers=pl.concat([one.answers, other.answers]))
    kept, _ = unseen(both, {"dpo": Watched()})
    counts = dict(kept.answers.group_by("model").len().iter_rows())
    assert counts == {"m": 3 * 4, "n": 8}
