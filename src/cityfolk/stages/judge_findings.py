"""The judges of a study measured: from its tables to findings, for `judge` and for whoever evaluates later."""

from __future__ import annotations

import polars as pl

from cityfolk import rng
from cityfolk.evaluation.judges.evidence import judges_findings
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.study.folder import Study
from cityfolk.types import Finding

MOST_ANSWERS = 50_000
"""Of a study with more answers so many are measured, drawn by their ids: every `n` says how many they were."""


def judge_findings(study: Study, *, most: int = MOST_ANSWERS) -> tuple[Finding, ...]:
    """Return the findings `judges.*` of a study that has readings."""
    answers, readings = study.scan("answers"), study.scan("readings")
    ids = answers.select("answer_id").collect()["answer_id"]
    if len(ids) > most:
        drawn = sorted(ids, key=lambda answer: rng.derive(study.seed(), "judges", answer))[:most]
        chosen = pl.LazyFrame({"answer_id": drawn})
        answers, readings = (table.join(chosen, on="answer_id", how="semi") for table in (answers, readings))
    scored = with_z(readings.collect())
    about = answers.select(
        "answer_id", "question_id", *TARGET_COLUMNS, words=pl.col("text").str.count_matches(r"\S+")
    ).collect()
    retests = study.read("retests") if study.has("retests") else None
    return judges_findings(about, scored, scale_of(scored), retests, seed=study.seed())
