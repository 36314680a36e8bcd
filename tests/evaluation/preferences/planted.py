"""Good preference data, and faults planted in it: 10 topics, 30 questions, all 32 corners of the cube, two samples.

An answer expresses what was asked for plus a deviation of its own; judges read that with noise; the grammar knows it.
"""

from functools import cache

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from cityfolk.evaluation.judges import judges_findings
from cityfolk.evaluation.preferences import Preferences, preference_evidence
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.pairs import PairRules, make_pairs
from cityfolk.preferences.records import ANSWERS, READINGS, TARGET_COLUMNS
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.texts.near import Distinct
from cityfolk.vocabulary import TRAITS

TOPICS, HELD_OUT, EACH, SAMPLES = 10, 2, 3, 2
BASE = np.array([0.13, 0.3, 0.3, 1.04, -0.9])
WORDS = np.array([first + second for first in "bdfgklmnprstvz" for second in ("ala", "emo", "iru", "ona", "uti", "ys")])


@cache
def questions():
    """Thirty different questions on ten topics, two of them held out."""
    chosen = [t for t in topics() if t.split == "train"][: TOPICS - HELD_OUT]
    chosen += [t for t in topics() if t.split == "held-out"][:HELD_OUT]
    kept, stream, rows = Distinct(), child(0, "planted", "questions"), []
    for topic in chosen:
        number = 0
        while number < EACH:
            text = write_question(topic.phrase, "reflection", "", stream)
            if kept.add(text).outcome != "new":
                continue
            row = {"question_id": f"{topic.id}-{number:03d}", "topic": topic.id, "domain": topic.domain}
            rows.append({**row, "style": "reflection", "text": text, "split": topic.split})
            number += 1
    return pl.DataFrame(rows)


def targets(seed):
    """One target in each corner of the cube: 32 rows of five percentiles."""
    signs = (np.arange(32)[:, None] >> np.arange(4, -1, -1)) & 1
    jitter = child(seed, "planted", "targets").uniform(0.0, 0.15, (32, 5))
    return np.round(np.where(signs == 1, 0.75 + jitter, 0.25 - jitter), 3)


def world(seed, *, ignores=False):
    """Return questions, answers and readings by judges "one" and "two" and the grammar."""
    rng = child(seed, "planted", "world")
    asked = questions()
    vectors = targets(seed)
    names = [f"sobol-{i:02d}" for i in range(32)]
    per = 33 * SAMPLES
    n = asked.height * per
    which = np.tile(np.repeat(np.arange(33), SAMPLES), asked.height)
    wanted = np.vstack([ndtri(vectors), np.full(5, np.nan)])[which]
    meant = np.broadcast_to(BASE, (n, 5)) if ignores else np.where(np.isnan(wanted), BASE, 0.8 * wanted + 0.2 * BASE)
    said = np.clip(meant + rng.normal(0, 0.6, (n, 5)), -2.9, 2.9)
    lengths = rng.integers(40, 81, n)
    texts = [" ".join(WORDS[rng.integers(len(WORDS), size=length)]) for length in lengths]
    frame = {
        "answer_id": [f"{i:016x}" for i in range(n)],
        "question_id": np.repeat(asked["question_id"].to_numpy(), per),
        "condition": np.where(which == 32, "untargeted", "prompted"),
        "target_name": [names[i] if i < 32 else "" for i in which],
        **{
            c: pl.Series(np.vstack([vectors, np.full(5, np.nan)])[which][:, i]).fill_nan(None)
            for i, c in enumerate(TARGET_COLUMNS)
        },
        "sample": np.tile(np.arange(SAMPLES), asked.height * 33),
        "text": texts,
        "engine": "m",
        "model": "m",
        "adapter": "",
    }
    answers = pl.DataFrame(frame, schema={name: ANSWERS[name] for name in frame})
    noise = {"one": 0.4, "two": 0.4, "grammar": 0.1}
    read = {judge: np.clip(said + rng.normal(0, sd, (n, 5)), -3.0, 3.0) for judge, sd in noise.items()}
    readings = pl.concat([reading_rows(answers, judge, z) for judge, z in read.items()])
    return asked, answers, readings


def reading_rows(answers, judge, z):
    """Readings of all answers by one calibrated judge."""
    shares = {f"raw_{trait}": ndtr(z[:, i]) for i, trait in enumerate(TRAITS)}
    shares |= {trait: ndtr(z[:, i]) for i, trait in enumerate(TRAITS)}
    frame = {"answer_id": answers["answer_id"], "judge": [judge] * answers.height, **shares}
    rows = pl.DataFrame(frame).with_columns(instrument=pl.lit(judge), same_family=pl.lit(False))
    return rows.with_columns(
        pl.lit(None, dtype=READINGS[c]).alias(c) for c in READINGS if c not in rows.columns
    ).select(pl.col(name).cast(kind) for name, kind in READINGS.items())


def with_judge(answers, readings, judge, z):
    """Put other readings of one judge in place of its own."""
    return pl.concat([readings.filter(pl.col("judge") != judge), reading_rows(answers, judge, z)])


def measured(asked, answers, readings, pairs):
    """Return every finding of a study, of its judges and of its pairs, with a verdict of outside."""
    seen = with_z(readings)
    data = Preferences(questions=asked, answers=answers, readings=seen, scales=scale_of(readings), pairs=pairs)
    found = list(preference_evidence(data, texts=False).findings)
    words = answers.select("answer_id", "question_id", *TARGET_COLUMNS, words=pl.col("text").str.count_matches(r"\S+"))
    found += judges_findings(words, seen, scale_of(readings))
    return {finding.id for finding in found if finding.verdict == "outside"}


def paired(asked, answers, readings):
    """Return pairs of two answers made under one target."""
    return make_pairs(asked, answers, readings, PairRules(strategies=("farthest",))).table


def clean(seed):
    asked, answers, readings = world(seed)
    return measured(asked, answers, readings, {"all": paired(asked, answers, readings)})


def always_the_same(seed):
    asked, answers, readings = world(seed)
    readings = with_judge(answers, readings, "two", np.full((answers.height, 5), ndtri(0.8)))
    return measured(asked, answers, readings, {})


def rates_length(seed):
    asked, answers, readings = world(seed)
    words = answers["text"].str.count_matches(r"\S+").to_numpy()
    z = (words - words.mean())[:, None] / words.std() + child(seed, "planted", "length").normal(0, 0.6, (len(words), 5))
    readings = with_judge(answers, readings, "two", np.clip(z, -3, 3))
    return measured(asked, answers, readings, {})


def ignores_the_target(seed):
    asked, answers, readings = world(seed, ignores=True)
    return measured(asked, answers, readings, {})


def swapped(seed, share=1.0):
    asked, answers, readings = world(seed)
    pairs = paired(asked, answers, readings)
    turned = child(seed, "planted", "swapped").random(pairs.height) < share
    flag = pl.Series(turned)
    pairs = pairs.with_columns(
        chosen_id=pl.when(flag).then("rejected_id").otherwise("chosen_id"),
        rejected_id=pl.when(flag).then("chosen_id").otherwise("rejected_id"),
    )
    return measured(asked, answers, readings, {"all": pairs})


def judged_backwards(seed):
    """Two judges read everybody as their opposite: by them the pairs look right, and the truth says otherwise."""
    asked, answers, readings = world(seed)
    mirror = readings.filter(pl.col("judge") != "grammar").with_columns(
        **{name: -pl.col(name) + 1.0 for name in (*TRAITS, *(f"raw_{trait}" for trait in TRAITS))}
    )
    pairs = paired(asked, answers, mirror)
    truth = readings.filter(pl.col("judge") == "grammar")
    return measured(asked, answers, pl.concat([mirror, truth]), {"all": pairs})


def leaked_topic(seed):
    asked, answers, readings = world(seed)
    pairs = paired(asked, answers, readings)
    held = asked.filter(pl.col("split") == "held-out")["topic"].unique().sort()[0]
    some = asked.filter(pl.col("topic") == held)["question_id"][0]
    moved = asked.with_columns(split=pl.when(pl.col("question_id") == some).then(pl.lit("train")).otherwise("split"))
    return measured(moved, answers, readings, {"all": pairs})


def leaked_question(seed):
    asked, answers, readings = world(seed)
    held = asked.filter(pl.col("split") == "held-out").row(0, named=True)
    train = asked.filter(pl.col("split") == "train")["question_id"][seed % 24]
    text = pl.when(pl.col("question_id") == train).then(pl.lit(held["text"].upper() + "!")).otherwise("text")
    return measured(asked.with_columns(text=text), answers, readings, {})


def leaked_pairs(seed):
    asked, answers, readings = world(seed)
    pairs = paired(asked, answers, readings).with_columns(split=pl.lit("train"))
    return measured(asked, answers, readings, {"all": pairs})


FAULTS = {
    "always the same": (always_the_same, lambda ids: {f"judges.same_score.{t}@two" for t in TRAITS} <= ids),
    "rates length": (rates_length, lambda ids: {f"judges.length.{t}@two" for t in TRAITS} <= ids),
    "ignores the target": (
        ignores_the_target,
        lambda ids: {f"pairs.control.spearman.{t}@{j}" for t in TRAITS for j in ("one", "two", "grammar")} <= ids,
    ),
    "swapped": (swapped, lambda ids: {"pairs.order@all", "pairs.independent.grammar.margin@all"} <= ids),
    "one in twenty swapped": (lambda seed: swapped(seed, 0.05), lambda ids: "pairs.order@all" in ids),
    "judged backwards": (
        judged_backwards,
        lambda ids: (
            {"pairs.independent.grammar.margin@all", *(f"judges.pearson.{t}@grammar|one" for t in TRAITS)} <= ids
        ),
    ),
    "leaked topic": (leaked_topic, lambda ids: {"pairs.leak.topics", "pairs.leak.pairs@all"} <= ids),
    "leaked question": (leaked_question, lambda ids: "pairs.leak.questions" in ids),
    "leaked pairs": (leaked_pairs, lambda ids: "pairs.leak.pairs@all" in ids),
}
"""Name of a fault -> what is measured of a set with it, by seed, and whether that names the fault."""
