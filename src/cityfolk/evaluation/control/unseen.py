"""Answers to an adapter's own training questions are left out, and its model is measured on the questions that remain.

A training learns from pairs on training topics and chooses its checkpoint by some questions on held-out ones. Answers
to any of these flatter the adapter. What remains is the same for every condition of a model: they can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.preferences.tables import Preferences
from cityfolk.types import Finding, content_key

HELD_OUT = "held-out"
NAME = "unseen"
"""Findings are `control.unseen@training|MODEL|CONDITION`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The questions on held-out topics that had a say in a training, by their ids in this study and by their words.

    `texts` are `content_key`s of the words: another study's questions may go by the same ids.
    """

    ids: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    def __or__(self, other: Watched) -> Watched:
        return Watched(ids=self.ids | other.ids, texts=self.texts | other.texts)


def unseen(data: Preferences, trainings: Mapping[str, Watched]) -> tuple[Preferences, list[Finding]]:
    """Return the answers that no training had a say in, and a finding for every adapter whose training is known.

    `trainings` are those of conditions that are adapters; each is a condition of the model that it adapts. All answers
    of such a model are kept to the questions that all its adapters left alone; an adapter that answered none of these
    is left out, and does not count.
    """
    who = data.answers.filter(pl.col("condition").is_in(list(trainings))).select("model", "condition").unique()
    findings: list[Finding] = []
    answers = data.answers
    for model in who["model"].unique().sort().to_list():
        names = who.filter(pl.col("model") == model)["condition"].sort().to_list()
        own = answers.filter(pl.col("model") == model)
        clean = {name: _clean(data.questions, trainings[name]) for name in names}
        asked = {name: set(own.filter(pl.col("condition") == name)["question_id"]) for name in names}
        silent = [name for name in names if not asked[name] & clean[name]]
        kept = set(data.questions["question_id"]).intersection(*(clean[name] for name in names if name not in silent))
        stays = (pl.col("model") != model) | (
            pl.col("question_id").is_in(list(kept)) & ~pl.col("condition").is_in(silent)
        )
        answers = answers.filter(stays.fill_null(True))
        held = data.questions.filter(pl.col("split") == HELD_OUT)["question_id"].to_list()
        findings += [_told(own, model, name, set() if name in silent else kept, held) for name in names]
    return replace(data, answers=answers), findings


def _clean(questions: pl.DataFrame, watched: Watched) -> set[str]:
    """Return the questions on held-out topics that a training did not watch."""
    held = questions.filter(pl.col("split") == HELD_OUT).select("question_id", "text").iter_rows()
    return {name for name, text in held if name not in watched.ids and content_key(text) not in watched.texts}


def _told(own: pl.DataFrame, model: str, name: str, kept: set[str], held: list[str]) -> Finding:
    said = own.filter(pl.col("condition") == name)
    count = int(said["question_id"].is_in(list(kept)).sum())
    later = int(said["question_id"].is_in(held).sum())
    note = (
        f"left out: {said.height - later:,} on topics that are for training, {later - count:,} to questions by "
        "which a training chose its checkpoint; every condition of the model is measured on the questions that remain"
    )
    title = f"Answers of {name} to questions that no training had a say in"
    return told(f"{NAME}@training|{model}|{name}", title, float(count), said.height, "answers", note)


def sentence(name: str, kept: float, n: int, note: str) -> str:
    """Return in words what such a finding says, and what to do where nothing is left."""
    if kept:
        return f"{name} is measured on {kept:,.0f} of its {n:,} answers; {note}"
    left, _, _ = note.partition(";")
    return (
        f"Nothing is said of {name}: its training had a say in the questions of all its {n:,} answers ({left}). "
        "Ask for more questions with `cityfolk questions DIR --n N`, then have it answer them: "
        "`cityfolk answer DIR --split held-out`"
    )
