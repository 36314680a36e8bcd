"""Tables of preference data made up for the tests: answers whose readings are known, with noise that is asked for."""

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from cityfolk.preferences.records import ANSWERS, QUESTIONS, READINGS, TARGET_COLUMNS, answer_id
from cityfolk.rng import child
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS

ARCHETYPES = {
    "Analyst": (0.90, 0.60, 0.35, 0.25, 0.35),
    "Diplomat": (0.90, 0.50, 0.45, 0.90, 0.60),
    "Sentinel": (0.25, 0.90, 0.50, 0.65, 0.40),
    "Explorer": (0.40, 0.25, 0.80, 0.65, 0.25),
}
WORDS = "I walk to the river before work and mend what is broken there with a friend who talks of other rivers".split()


def cube(n, seed=0):
    """n targets spread over the cube, by name."""
    return {f"spot-{i:02d}": tuple(child(seed, "spot", i).uniform(0.05, 0.95, 5).round(3)) for i in range(n)}


def question_rows(topics=2, each=2, held_out=1):
    rows = []
    for t in range(topics):
        for q in range(each):
            rows.append(
                {
                    "question_id": f"topic-{t}-{q:03d}",
                    "topic": f"topic-{t}",
                    "domain": "home",
                    "facets": ["trust"],
                    "style": "reflection",
                    "text": f"What do you make of matter {q} of topic {t}?",
                    "split": "held-out" if t >= topics - held_out else "train",
                }
            )
    return pl.DataFrame(rows, schema={name: QUESTIONS[name] for name in rows[0]})


def answer_row(question, name, target, sample, text, *, model="m", condition="prompted"):
    vector = None if target is None else BigFive(**dict(zip(TRAITS, target, strict=True)))
    return {
        "answer_id": answer_id(question, condition, vector, sample, model, "", "h"),
        "question_id": question,
        "condition": condition if target is not None else "untargeted",
        "target_name": name if target is not None else "",
        **dict(zip(TARGET_COLUMNS, target or (None,) * 5, strict=True)),
        "sample": sample,
        "text": text,
        "engine": model,
        "model": model,
        "adapter": "",
    }


def reading_row(answer, judge, z):
    return {
        "answer_id": answer,
        "judge": judge,
        "instrument": judge,
        **{f"raw_{trait}": float(value) for trait, value in zip(TRAITS, ndtr(z), strict=True)},
        **{trait: float(value) for trait, value in zip(TRAITS, ndtr(z), strict=True)},
        "same_family": None,
    }


def frames(answers, readings):
    """Rows as the tables of a study."""
    return (
        pl.DataFrame(answers, schema={name: ANSWERS[name] for name in answers[0]}),
        pl.DataFrame(readings, schema={name: READINGS[name] for name in readings[0]}),
    )


def world(seed=0, *, topics=2, each=2, targets=None, samples=2, noise=0.2, off=0.8, judges=("one", "two"), model="m"):
    """Questions, answers and readings.

    An answer expresses its target's z plus `off` standard deviations; a judge reads that plus `noise`.
    """
    targets = ARCHETYPES if targets is None else targets
    questions = question_rows(topics, each)
    rng = child(seed, "world")
    answers, readings = [], []
    for question in questions["question_id"]:
        for name, target in [*targets.items(), ("", None)]:
            for sample in range(samples):
                length = int(rng.integers(12, 22))
                text = " ".join(rng.permutation(WORDS)[: length % 20 + 1]) + f" {question}{name}{sample}."
                row = answer_row(question, name, target, sample, text, model=model)
                asked = ndtri(target) if target is not None else np.array([0.3, 0.2, 0.1, 1.0, -0.3])
                said = np.clip(asked + rng.normal(0, off, 5), -2.9, 2.9)
                answers.append(row)
                for judge in judges:
                    seen = np.clip(said + rng.normal(0, noise, 5), -2.9, 2.9)
                    readings.append(reading_row(row["answer_id"], judge, seen))
    return (questions, *frames(answers, readings))
