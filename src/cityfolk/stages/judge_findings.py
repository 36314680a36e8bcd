"""The judges of a study measured: from its tables to findings, for `judge` and for whoever evaluates later."""

from __future__ import annotations

from heapq import nsmallest

import polars as pl

from cityfolk import rng
from cityfolk.evaluation.judges.evidence import judges_findings
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.stages.judge_tables import answer_ids
from cityfolk.study.folder import Study
from cityfolk.types import Finding

MOST_ANSWERS = 20_000
"""Of a study with more answers so many are measured, drawn by their ids: every `n` says how many they were."""


def judge_findings(study: Study, *, most: int = MOST_ANSWERS) -> tuple[Finding, ...]:
    """Return the findings `judges.*` of a study that has readings."""
    answers, readings = study.scan("answers"), study.scan("readings")
    if int(answers.select(pl.len()).collect().item()) > most:
        drawn = nsmallest(most, answer_ids(study), key=lambda answer: rng.derive(study.seed(), "judges", answer))
        here = pl.col("answer_id").is_in(pl.Series(drawn).implode())
        answers, readings = answers.filter(here), readings.filter(here)
    scored = with_z(readings.collect())
    about = answers.select(
        "answer_id", "question_id", *TARGET_COLUMNS, words=pl.col("text").str.count_matches(r"\S+")
    ).collect(engine="streaming")
    retests = study.read("retests") if study.has("retests") else None
    return judges_findings(about, scored, scale_of(scored), retests, seed=study.seed())
