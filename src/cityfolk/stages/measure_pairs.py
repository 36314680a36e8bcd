"""`evaluate DIR pairs`: preference data measured, from questions to pairs, and the judges who read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.errors import UsageError
from cityfolk.evaluation.judges import judges_findings
from cityfolk.evaluation.preferences import Preferences, preference_evidence
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.records import ANSWERS, PAIRS, QUESTIONS, READINGS
from cityfolk.stages.judge_findings import judge_findings
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import FINDING_SCHEMA, Study
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

DETAILS = "preference_details"
_ANSWER_COLUMNS = ("answer_id", "question_id", "condition", "target_name", *(f"target_{t}" for t in TRAITS))


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
    columns that they lack are null, and what is left out is not measured.
    """
    readings = _typed(readings, READINGS) if readings is not None else pl.DataFrame(schema=READINGS)
    named = pairs if isinstance(pairs, Mapping) else {} if pairs is None else {"pairs": pairs}
    data = Preferences(
        questions=_typed(questions, QUESTIONS),
        answers=_typed(answers, ANSWERS) if answers is not None else pl.DataFrame(schema=ANSWERS),
        readings=with_z(readings),
        scales=scale_of(readings),
        pairs={name: _typed(table, PAIRS) for name, table in named.items()},
        seed=seed,
    )
    found = list(preference_evidence(data).findings)
    if readings.height:
        words = pl.col("text").str.count_matches(r"\S+")
        about = data.answers.select("answer_id", "question_id", *(f"target_{t}" for t in TRAITS), words=words)
        found += judges_findings(about, data.readings, data.scales, seed=seed)
    return pl.DataFrame([asdict(finding) for finding in found], schema=FINDING_SCHEMA)


def preferences_of(study: Study) -> Preferences:
    """Read the preference data of a study, z-scores included."""
    if not has_preferences(study):
        raise UsageError(
            f"{study.folder} has no preference data",
            hint=f"make some, beginning with `cityfolk questions {study.folder}`",
        )
    questions = _typed(study.read("questions"), QUESTIONS)
    answers = pl.DataFrame(schema={c: ANSWERS[c] for c in (*_ANSWER_COLUMNS, "text", "model")})
    if study.has("answers"):
        answers = study.scan("answers").select(*_ANSWER_COLUMNS, "text", "model").collect()
    readings = study.read("readings") if study.has("readings") else pl.DataFrame(schema=READINGS)
    return Preferences(
        questions=questions,
        answers=answers,
        readings=with_z(readings),
        scales=scale_of(readings),
        pairs={table.removeprefix("pairs/"): _typed(study.read(table), PAIRS) for table in study.tables_in("pairs")},
        seed=study.seed(),
    )


def _typed(frame: pl.DataFrame, schema: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Return a table with all its columns, those that it lacks null."""
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(missing)
