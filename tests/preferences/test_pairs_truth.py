"""Do pairs hold in truth? Answers of the embedded grammar, paired by two judges who do not know it, read by itself."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from cityfolk.personality.nearness import mahalanobis
from cityfolk.pocket.answering import base_z, write_answer
from cityfolk.preferences.judging.base import Item, ReadingRows
from cityfolk.preferences.judging.registry import load_judge
from cityfolk.preferences.judging.scale import judge_z
from cityfolk.preferences.pairs import PairRules, make_pairs
from cityfolk.preferences.records import ANSWERS, QUESTIONS, TARGET_COLUMNS
from cityfolk.preferences.topics import spread
from cityfolk.rng import child
from tests.preferences.tables import ARCHETYPES, answer_row, cube


@pytest.fixture(scope="module")
def tables():
    questions, answers = [], []
    for topic in spread(8):
        for number in range(2):
            name = f"{topic.id}-{number:03d}"
            text = f"What do you make of {topic.phrase}, time {number}?"
            questions.append({"question_id": name, "topic": topic.id, "text": text, "split": topic.split})
            for target, vector in [*ARCHETYPES.items(), *cube(20).items(), ("", None)]:
                for sample in range(2):
                    rng = child(0, name, target, sample)
                    z = base_z(rng) if vector is None else ndtri(vector)
                    said = write_answer(topic.phrase, topic.facets, z, rng)
                    answers.append(answer_row(name, target, vector, sample, said))
    rows = ReadingRows()
    for judge in ("rater", "lexicon", "grammar"):
        for reading in load_judge(judge).read(
            [Item(answer_id=row["answer_id"], question="", text=row["text"]) for row in answers]
        ):
            rows.add(reading)
    schemas = ({k: s[k] for k in r[0]} for r, s in ((questions, QUESTIONS), (answers, ANSWERS)))
    frames = [pl.DataFrame(r, schema=s) for r, s in zip((questions, answers), schemas, strict=True)]
    return (*frames, rows.frame())


def share_true(tables, strategy):
    """The share of pairs whose chosen answer is the nearer one by the grammar's own reading."""
    pairs = make_pairs(*tables, PairRules(strategies=(strategy,)), judges=["rater", "lexicon"]).table
    truth = tables[2].filter(pl.col("judge") == "grammar")
    z = dict(zip(truth["answer_id"], judge_z(truth), strict=True))
    target = ndtri(pairs.select(TARGET_COLUMNS).to_numpy())
    near, far = (mahalanobis(np.array([z[i] for i in pairs[c]]), target) for c in ("chosen_id", "rejected_id"))
    assert pairs.height >= 50
    return float((near < far).mean())


@pytest.mark.long
def test_pairs_across_targets_hold_in_truth_and_within_one_they_are_little_but_chance(tables):
    assert share_true(tables, "nearest-wrong") > 0.9
    assert share_true(tables, "base") > 0.9
    assert share_true(tables, "farthest") < 0.75
