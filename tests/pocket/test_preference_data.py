"""The shipped weights make preference data: questions, answers under vectors, readings, pairs, by the usual stages."""

import polars as pl
import pytest
from scipy.stats import spearmanr

from cityfolk.preferences.topics import topics
from cityfolk.stages import (
    AnswerOptions,
    JudgeOptions,
    PairOptions,
    QuestionOptions,
    answer_questions,
    ask_for_questions,
    judge_answers,
    pair_answers,
)
from cityfolk.study.folder import Study
from cityfolk.vocabulary import TRAITS


def made(study, *, ids, n, targets, samples):
    """Return (questions, answers with the grammar's readings) of a study that is made here."""
    ask_for_questions(study, QuestionOptions(topics=ids, n=n))
    answer_questions(study, AnswerOptions(targets=targets, samples=samples))
    judge_answers(study, JudgeOptions(judges=("rater", "lexicon", "grammar")))
    readings = study.read("readings").filter(pl.col("judge") == "grammar").drop("judge")
    return study.read("questions"), study.read("answers").join(readings, on="answer_id", how="left")


def some(split, count):
    return [topic.id for topic in topics() if topic.split == split][:count]


def test_a_small_set_from_questions_to_pairs(tmp_path):
    ids = some("train", 2) + some("held-out", 1)
    with Study.open(tmp_path / "s", create=True) as study:
        questions, answers = made(study, ids=ids, n=3, targets=("Diplomat", "sobol:4", "none"), samples=1)
        assert questions.height == 9 == questions["text"].str.to_lowercase().n_unique()
        assert answers.height == 9 * 6 and answers["text"].str.len_chars().min() > 20
        assert pair_answers(study, PairOptions(margin=0.3, balance=False, ratio=3.0))["pairs"] > 0


@pytest.mark.long
def test_answers_follow_the_vector_on_topics_that_were_held_out(tmp_path):
    """By the exact posterior of the grammar; a text that it could not have written has no reading and is counted."""
    with Study.open(tmp_path / "s", create=True) as study:
        _, answers = made(study, ids=some("held-out", 20), n=2, targets=("sobol:16", "none"), samples=1)
    prompted = answers.filter(pl.col("condition") == "prompted")
    plain = answers.filter(pl.col("condition") == "untargeted")
    read = prompted.drop_nulls("openness")
    assert read.height >= 0.95 * prompted.height
    for trait in TRAITS:
        told = read.drop_nulls(trait)  # a text may say nothing of a trait
        assert told.height >= 0.95 * prompted.height
        found = spearmanr(told[f"target_{trait}"], told[trait]).statistic
        assert found >= 0.6, (trait, found)
    assert plain["agreeableness"].mean() > 0.6  # its own voice is kinder than the average, as real models are
