"""Pairs to read: a few of each table, spread over targets and margins, as marks for the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from scipy.special import ndtr

from cityfolk import rng
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.preferences.chosen import SIDES, Judged
from cityfolk.evaluation.preferences.tables import Preferences
from cityfolk.vocabulary import TRAITS

EXAMPLES = 10
_MOST_TEXT = 2000  # characters of an answer on the page


def examples(data: Preferences, judged: list[Judged], count: int = EXAMPLES) -> Iterator[Detail]:
    """Yield marks of `count` pairs, each of another target as far as there are, drawn by the study's seed.

    `group` numbers the pair; the label is "question", "target", "chosen", "rejected", or a trait, whose x is the
    percentile asked for, value that of the chosen and high that of the rejected answer.
    """
    every = [(one, row) for one in judged for row in range(one.rows.height)]
    if not every:
        return
    order = rng.child(data.seed, "evaluation", "preferences", "examples").permutation(len(every))
    seen: dict[str, int] = {}
    ranked = []
    for place in order.tolist():
        one, row = every[place]
        target = str(one.rows["target_name"][row])
        seen[target] = seen.get(target, 0) + 1
        ranked.append((seen[target], place))
        if sum(round_ == 1 for round_, _ in ranked) >= count:
            break
    chosen = [every[place] for _, place in sorted(ranked, key=lambda r: r[0])[:count]]
    wanted = {one.rows[f"{side}_id"][row] for one, row in chosen for side in SIDES}
    texts = dict(data.answers.filter(pl.col("answer_id").is_in(wanted)).select("answer_id", "text").iter_rows())
    questions = dict(data.questions.select("question_id", "text").iter_rows())
    for number, (one, row) in enumerate(chosen, start=1):
        yield from _one(one, row, f"{number:02d}", texts, questions)


def _one(one: Judged, row: int, number: str, texts: dict[str, str], questions: dict[str, str]) -> Iterator[Detail]:
    pair = one.rows.row(row, named=True)
    name, source = "pairs.example", one.name
    question = questions.get(pair["question_id"], "")
    yield Detail(name=name, source=source, group=number, label="question", text=question)
    yield Detail(name=name, source=source, group=number, label="topic", text=pair["topic"] or "")
    target = f"{pair['target_name']}; {pair['strategy']}"
    yield Detail(name=name, source=source, group=number, label="target", text=target, value=pair["margin"])
    for side in SIDES:
        text = texts.get(pair[f"{side}_id"]) or ""
        distance = float(one.distance[side][row])
        yield Detail(
            name=name,
            source=source,
            group=number,
            label=side,
            text=text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…",
            value=distance if np.isfinite(distance) else None,
        )
    for position, trait in enumerate(TRAITS):
        chosen, rejected = (float(ndtr(one.z[side][row, position])) for side in SIDES)
        yield Detail(
            name=name,
            source=source,
            group=number,
            label=trait,
            x=float(pair[f"target_{trait}"]),
            value=chosen if np.isfinite(chosen) else None,
            high=rejected if np.isfinite(rejected) else None,
        )
