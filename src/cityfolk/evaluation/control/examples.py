"""Answers at both poles of each trait, side by side: drawn by lot, not chosen, as marks for the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.control.trials import TRUE_TEXT, Trials, families
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.preferences.tables import TARGETS, UNTARGETED, Floats, matrix
from cityfolk.vocabulary import TRAITS

_MOST_TEXT = 1500  # characters of an answer on the page
_ENDS = (0.2, 0.8)


def pole_examples(trials: Trials, answers: pl.DataFrame, questions: pl.DataFrame) -> Iterator[Detail]:
    """Yield for each arm and trait one question with an answer asked for low and one asked for high in it.

    Of the questions answered at both poles one is drawn, of its answers at each pole one: nobody picks the best.
    `source` is "MODEL|CONDITION", `group` the trait, the label "question", "low" or "high"; x the percentile asked for.
    """
    about = trials.rows.unique("answer_id", maintain_order=True)
    about = about.filter(~pl.col("condition").is_in([UNTARGETED, TRUE_TEXT])).sort("answer_id")
    if not about.height:
        return
    named = families(trials.rows)
    keys = list(zip(about["model"].to_list(), about["condition"].to_list(), strict=True))
    about = about.with_columns(arm=pl.Series([f"{key[0]}|{named[key]}" for key in keys]))
    texts = dict(answers.filter(pl.col("text").fill_null("") != "").select("answer_id", "text").iter_rows())
    asked = dict(questions.select("question_id", "text").iter_rows())
    about = about.filter(pl.col("answer_id").is_in(list(texts)))
    for arm in about["arm"].unique().sort():
        own = about.filter(pl.col("arm") == arm)
        targets = matrix(own, TARGETS)
        for position, trait in enumerate(TRAITS):
            stream = rng.child(trials.seed, "evaluation", "control", "examples", arm, trait)
            sides = [own.filter(pl.Series(flags)) for flags in _poles(targets[:, position])]
            both = sorted(set(sides[0]["question_id"]) & set(sides[1]["question_id"]))
            if not both:
                continue
            question = both[int(stream.integers(len(both)))]
            yield Detail(
                name="control.example", source=arm, group=trait, label="question", text=asked.get(question, "")
            )
            for label, side in zip(("low", "high"), sides, strict=True):
                rows = side.filter(pl.col("question_id") == question)
                row = rows.row(int(stream.integers(rows.height)), named=True)
                text = texts[row["answer_id"]]
                yield Detail(
                    name="control.example",
                    source=arm,
                    group=trait,
                    label=label,
                    x=float(row[TARGETS[position]]),
                    text=text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…",
                )


def _poles(asked: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which answers were asked for low and for high in a trait; of few targets, the lowest and the highest."""
    low, high = asked <= _ENDS[0], asked >= _ENDS[1]
    if not (low.any() and high.any()):
        low, high = asked == asked.min(), asked == asked.max()
    return low & (asked < asked.max()), high & (asked > asked.min())
