"""`compare`: how far requests reach, in several studies side by side and held against one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.errors import CityfolkError
from cityfolk.evaluation.control.across import across, arm_name
from cityfolk.evaluation.control.trials import Trials, trials_of
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.stages.control_lines import NO_REQUEST, control_rows, control_text, questionnaire_rows, questionnaire_text
from cityfolk.stages.control_questionnaire import DETAILS as QUESTIONNAIRE
from cityfolk.stages.judge_tables import read_calibrations
from cityfolk.stages.measure_control import control_data, has_control
from cityfolk.study.folder import Study
from cityfolk.types import content_key


def compare_control(studies: Sequence[Study], labels: Sequence[str]) -> dict[str, Any]:
    """Return "lines" (of free text), "questionnaires", "differences" (findings) and "why" there are no more of them.

    Empty where fewer than two of the studies have measured control.
    """
    lines: list[dict[str, Any]] = []
    sheets: list[dict[str, Any]] = []
    for study, label in zip(studies, labels, strict=True):
        own = [row for row in control_rows(study.findings()) if not row["condition"].startswith(NO_REQUEST)]
        several = len({row["model"] for row in own}) > 1
        lines += [
            {**row, "study": label, "arm": arm_name(label, row["model"], row["condition"], several=several)}
            for row in own
        ]
        if study.has(QUESTIONNAIRE):
            shown = ControlShown(findings=study.findings(), details=study.read(QUESTIONNAIRE))
            rows = questionnaire_rows(shown)
            several = len({row["model"] for row in rows}) > 1
            sheets += [
                {**row, "study": label, "arm": arm_name(label, row["model"], row["condition"], several=several)}
                for row in rows
            ]
    if len({row["study"] for row in lines}) < 2 and len({row["study"] for row in sheets}) < 2:
        return {}
    differences, why = _differences(studies, labels)
    return {"lines": lines, "questionnaires": sheets, "differences": differences, "why": why}


def _differences(studies: Sequence[Study], labels: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Return findings of what was asked alike, and in a sentence what that is."""
    trials: dict[str, Trials] = {}
    for study, label in zip(studies, labels, strict=True):
        if not has_control(study):
            continue
        try:
            trials[label] = _trials(study)
        except CityfolkError as error:
            return [], f"answers can't be held against one another: {error}"
    if len(trials) < 2:
        return [], "fewer than two studies have answers in free text"
    with threadpool_limits(limits=1, user_api="blas"):
        found = across(trials)
    if not found:
        return [], "the studies were not asked the same questions for the same personalities"
    topics = min(one.rows["topic"].n_unique() for one in trials.values())
    return [asdict(one) for one in found], f"on the same questions and personalities, {topics} topics"


def _trials(study: Study) -> Trials:
    """Return a study's trials, each question named by its words; a judge with a scale of this study's own is left."""
    data, _ = control_data(study)
    words = {
        name: f"{topic} {content_key(text)}"
        for name, topic, text in data.questions.select("question_id", "topic", "text").iter_rows()
    }
    trials = trials_of(data)
    rows = trials.rows.filter(~pl.col("judge").is_in(list(read_calibrations(study))))
    return replace(trials, rows=rows.with_columns(pl.col("question_id").replace_strict(words)))


def compare_text(found: Mapping[str, Any]) -> str:
    """Return what a terminal shows: the lines of all studies, then the sure and unsure differences in points off."""
    if not found:
        return ""
    lines = control_text([{**row, "model": row["study"] + ": " + row["model"]} for row in found["lines"]]).splitlines()
    sheets = [{**row, "model": row["study"] + ": " + row["model"]} for row in found["questionnaires"]]
    lines += questionnaire_text(sheets).splitlines()
    for row in found["differences"]:
        name, _, source = row["id"].removeprefix("control.compare.").partition("@")
        if name == "mae" and row["value"] is not None and row["low"] is not None:
            judge, first, second = source.split("|", 2)
            sure = "" if row["low"] <= 0 <= row["high"] else ", surely"
            said = f"{100 * row['value']:+.1f} points off [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]{sure}"
            lines.append(f"{first} less {second}, by {judge}: {said}")
    lines.append(f"Differences: {found['why']}")
    return "\n".join(lines)
