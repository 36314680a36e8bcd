"""`evaluate DIR control`: how far requested personalities reach in a study's answers, by condition, model and judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.errors import UsageError
from cityfolk.evaluation.adapted import without_adapter
from cityfolk.evaluation.control import TRUE_TEXT, Trials, control_evidence, trials_of
from cityfolk.evaluation.control.examples import pole_examples
from cityfolk.evaluation.control.trials import RAW
from cityfolk.evaluation.preferences.tables import CALIBRATED, UNTARGETED, Preferences
from cityfolk.personality.reference import z_from_percentile
from cityfolk.preferences.judging.base import Item
from cityfolk.preferences.judging.local import GrammarJudge, RaterJudge
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.preferences.topics import Topic, topics
from cityfolk.rng import child
from cityfolk.stages.judge_tables import read_calibrations
from cityfolk.stages.measure_pairs import preferences_of
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import details_frame
from cityfolk.stages.unseen import without_trained
from cityfolk.study.folder import Study
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

DETAILS = "control_details"
MOST_VECTORS, MOST_TOPICS = 48, 16
"""Texts of known writers: so many vectors, spread over those asked for, on so many topics."""


def has_control(study: Study) -> bool:
    """Say whether a study holds answers to questions under requested personalities, read by a judge."""
    if not all(study.has(table) for table in ("questions", "answers", "readings")):
        return False
    targeted = study.scan("answers").filter(pl.col(TARGET_COLUMNS[0]).is_not_null())
    return bool(targeted.select(pl.len()).collect().item()) and bool(
        study.scan("readings").select(pl.len()).collect().item()
    )


def no_control(study: Study) -> UsageError:
    """Return the error of a study in which control can't be measured."""
    return UsageError(
        f"{study.folder} has no judged answers under a requested personality",
        hint=f"ask with `cityfolk answer {study.folder}`, then `cityfolk judge {study.folder}`",
    )


def measure_control(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Measure control in a study's answers; write the marks of its pictures, return the findings `control.*`.

    Judges in process also read texts that the embedded model's grammar writes for exactly the vectors that were asked
    for: how much of a request they can hear at best. UsageError where nothing was asked for, or nothing read.
    """
    if not has_control(study):
        raise no_control(study)
    data, left_out = control_data(study)
    trials = trials_of(data)
    with threadpool_limits(limits=1, user_api="blas"):
        step("evaluate control", 0, 2, TRUE_TEXT)
        # A judge with a calibration of this study's own reads on another scale than its norms'.
        again = read_calibrations(study)
        known = true_texts(trials, [judge for judge in data.judges if judge not in again])
        if known.height:
            trials = Trials(
                rows=pl.concat([trials.rows, known], how="diagonal"), scales=trials.scales, seed=trials.seed
            )
        step("evaluate control", 1, 2, "dials")
        evidence = control_evidence(trials)
        marks = [*evidence.details, *pole_examples(trials_of(data), data.answers, data.questions)]
    study.write(DETAILS, details_frame(marks))
    step("evaluate control", 2, 2, "")
    return [*evidence.findings, *left_out]


def control_data(study: Study) -> tuple[Preferences, list[Finding]]:
    """Return what control is measured on, and the findings `control.unseen` of the adapters that were trained on some.

    An adapter's answers are a condition of the model that it adapts; none are to questions that a training had a say
    in. UsageError where nothing remains.
    """
    return without_trained(study, side_by_side(study, preferences_of(study)))


def side_by_side(study: Study, data: Preferences) -> Preferences:
    """Return preference data in which an adapter's answers are a condition of the model that it adapts.

    What an adapter says without a request is left out where the model itself was asked: every move is counted from the
    model's own voice.
    """
    answers = study.scan("answers")
    if "adapter" not in answers.collect_schema().names():
        return data
    made = answers.select("answer_id", pl.col("adapter").fill_null("")).collect()
    joined = data.answers.join(made, on="answer_id", how="left", maintain_order="left")
    names = joined.select("model", "adapter").unique()
    bare = {(model, adapter): without_adapter(model, adapter) for model, adapter in names.iter_rows()}
    keys = zip(joined["model"].to_list(), joined["adapter"].to_list(), strict=True)
    joined = joined.with_columns(model=pl.Series([bare[key] for key in keys], dtype=pl.String))
    plain = pl.col("condition") == UNTARGETED
    spoken = joined.filter(plain & (pl.col("adapter") == ""))["model"].unique().to_list()
    echo = plain & (pl.col("adapter") != "") & pl.col("model").is_in(spoken)
    return replace(data, answers=joined.filter(~echo).drop("adapter"))


def true_texts(trials: Trials, judges: Sequence[str]) -> pl.DataFrame:
    """Return readings, by those of the judges that read in process, of texts whose writers have what was asked for.

    The grammar writes an answer for each of up to 48 of the vectors on each of up to 16 of the topics, by the seed.
    Empty where none of the judges can read them or none of the topics is known.
    """
    from cityfolk.pocket.answering import write_answer

    readers = [judge for judge in (RaterJudge(), GrammarJudge()) if judge.name in judges]
    readers = [judge for judge in readers if trials.scales.get(judge.name) == CALIBRATED]
    known: dict[str, Topic] = {one.id: one for one in topics()}
    asked = trials.rows.filter(pl.col(TARGET_COLUMNS[0]).is_not_null())
    about = [known[name] for name in asked["topic"].unique().sort().to_list() if name in known]
    vectors = _spread(asked.unique(TARGET_COLUMNS, maintain_order=True).sort("target_name"), MOST_VECTORS)
    about = [about[place] for place in _places(len(about), MOST_TOPICS)]
    if not readers or not about or vectors.height < 3:
        return pl.DataFrame()
    items, rows = [], []
    for topic in about:
        for number, row in enumerate(vectors.select("target_name", *TARGET_COLUMNS).iter_rows(named=True)):
            vector = [row[name] for name in TARGET_COLUMNS]
            z = z_from_percentile(np.array(vector))
            stream = child(trials.seed, "control", TRUE_TEXT, topic.id, *(f"{value:.4f}" for value in vector))
            name = f"true-{topic.id}-{number:03d}"
            items.append(Item(answer_id=name, question="", text=write_answer(topic.phrase, topic.facets, z, stream)))
            rows.append({"answer_id": name, "topic": topic.id, "question_id": f"{topic.id} {TRUE_TEXT}", **row})
    frames = []
    for judge in readers:
        own = [
            {"answer_id": one.answer_id, **dict(zip(RAW, one.raw, strict=True)), **_z(one.percentile)}
            for one in judge.read(items)
        ]
        schema = {"answer_id": pl.String, **dict.fromkeys([*RAW, *(f"z_{t}" for t in TRAITS)], pl.Float64)}
        read = pl.DataFrame(own, schema=schema).with_columns(judge=pl.lit(judge.name))
        frames.append(pl.DataFrame(rows).join(read, on="answer_id"))
    return pl.concat(frames).with_columns(condition=pl.lit(TRUE_TEXT), model=pl.lit("grammar"))


def _z(percentile: Sequence[float | None]) -> dict[str, float | None]:
    return {
        f"z_{trait}": None if value is None else float(z_from_percentile(value))
        for trait, value in zip(TRAITS, percentile, strict=True)
    }


def _places(count: int, most: int) -> list[int]:
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, most)).round())] if count else []


def _spread(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    return frame[_places(frame.height, most)]
