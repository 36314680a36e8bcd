"""`evaluate DIR pairs`: preference data measured, from questions to pairs, and the judges who read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.errors import DataError, UsageError
from cityfolk.evaluation.judges import judges_findings
from cityfolk.evaluation.preferences import Preferences, preference_evidence
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.records import ANSWERS, PAIRS, PROMPTED, QUESTIONS, READINGS, UNTARGETED
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import FINDING_SCHEMA, Study
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

DETAILS = "preference_details"
_KEYS = {
    "questions": ("question_id", "topic", "text"),
    "answers": ("answer_id", "question_id", "text"),
    "readings": ("answer_id", "judge"),
    "pairs": ("question_id", "chosen_id", "rejected_id"),
}
"""Columns without which a table cannot be measured at all."""
_TARGETS = tuple(f"target_{trait}" for trait in TRAITS)
_SCHEMAS = {"questions": QUESTIONS, "answers": ANSWERS, "readings": READINGS, "pairs": PAIRS}
_ANSWER_COLUMNS = ("answer_id", "question_id", "condition", "target_name", *_TARGETS)


def has_preferences(study: Study) -> bool:
    """Say whether a study holds preference data: questions, at least."""
    return study.has("questions")


def measure_pairs(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Measure the preference data of a study; write the marks of its pictures, return the findings `pairs.*`.

    The findings of its judges, `judges.*`, are made anew too, so that both tell of the same readings. Raises
    UsageError where there are no questions.
    """
    data = preferences_of(study)
    # Many small matrices: threads that wait for one another cost more than they bring.
    with threadpool_limits(limits=1, user_api="blas"):
        step("evaluate pairs", 0, 2, "judges")
        if data.readings.height:
            study.replace_findings("judges.", judge_findings(study))
        step("evaluate pairs", 1, 2, "pairs")
        evidence = preference_evidence(data)
    study.write(DETAILS, details_frame(evidence.details))
    step("evaluate pairs", 2, 2, "")
    return list(evidence.findings)


def evaluate_pairs(
    questions: pl.DataFrame,
    answers: pl.DataFrame | None = None,
    readings: pl.DataFrame | None = None,
    pairs: pl.DataFrame | Mapping[str, pl.DataFrame] | None = None,
    *,
    seed: int = 0,
) -> pl.DataFrame:
    """Measure preference data in a notebook: return the findings, one a row (id, title, value, low, high, n, ...).

    The tables are those of a study (questions.parquet, answers.parquet, readings.parquet, pairs/NAME.parquet);
    columns that they lack are null, and what is left out is not measured; an answer that does not say its condition was
    prompted if it has a target. DataError names a column that a table cannot do without: ids, judge, topic and text,
    and the other four targets where there is one.
    """
    readings = _typed(readings, "readings") if readings is not None else pl.DataFrame(schema=READINGS)
    named = pairs if isinstance(pairs, Mapping) else {} if pairs is None else {"pairs": pairs}
    data = Preferences(
        questions=_typed(questions, "questions"),
        answers=_told(_typed(answers, "answers")) if answers is not None else pl.DataFrame(schema=ANSWERS),
        readings=with_z(readings),
        scales=scale_of(readings),
        pairs={name: _typed(table, "pairs") for name, table in named.items()},
        seed=seed,
    )
    found = list(preference_evidence(data).findings)
    if readings.height:
        words = pl.col("text").str.count_matches(r"\S+")
        about = data.answers.select("answer_id", "question_id", *_TARGETS, words=words)
        found += judges_findings(about, data.readings, data.scales, seed=seed)
    return pl.DataFrame([asdict(finding) for finding in found], schema=FINDING_SCHEMA)


def preferences_of(study: Study) -> Preferences:
    """Read the preference data of a study, z-scores included."""
    if not has_preferences(study):
        raise UsageError(
            f"{study.folder} has no preference data",
            hint=f"make some, beginning with `cityfolk questions {study.folder}`",
        )
    questions = _typed(study.read("questions"), "questions")
    answers = pl.DataFrame(schema={c: ANSWERS[c] for c in (*_ANSWER_COLUMNS, "text", "model")})
    if study.has("answers"):
        answers = study.scan("answers").select(*_ANSWER_COLUMNS, "text", "model").collect()
    readings = study.read("readings") if study.has("readings") else pl.DataFrame(schema=READINGS)
    return Preferences(
        questions=questions,
        answers=answers,
        readings=with_z(readings),
        scales=scale_of(readings),
        pairs={table.removeprefix("pairs/"): _typed(study.read(table), "pairs") for table in study.tables_in("pairs")},
        seed=study.seed(),
    )


def _typed(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return a table with all its columns, those that it lacks null; DataError where it lacks what it is known by."""
    schema = _SCHEMAS[table]
    targets = [name for name in _TARGETS if name in schema]
    needed = (*_KEYS[table], *(targets if any(name in frame.columns for name in targets) else ()))
    lacking = [name for name in needed if name not in frame.columns]
    if lacking:
        raise DataError(
            f"the table of {table} has no column {', '.join(lacking)}",
            hint=f"it has {', '.join(frame.columns[:12]) or 'no column at all'}; rename what stands for it",
        )
    nothing = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(nothing)


def _told(answers: pl.DataFrame) -> pl.DataFrame:
    """Return answers with a condition, a name of their target and a model where they had none."""
    targeted = pl.all_horizontal(pl.col(name).is_not_null() for name in _TARGETS)
    vector = pl.concat_str([pl.col(name).cast(pl.Float64).round(3).cast(pl.String) for name in _TARGETS], separator=" ")
    return answers.with_columns(
        pl.col("condition").fill_null(pl.when(targeted).then(pl.lit(PROMPTED)).otherwise(pl.lit(UNTARGETED))),
        pl.col("target_name").fill_null(pl.when(targeted).then(vector).otherwise(pl.lit(""))),
        pl.col("model").fill_null("unknown"),
    )
