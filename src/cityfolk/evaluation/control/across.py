"""Control of several studies held against one another: what models of two studies make of the same requests.

Two answers meet where the question's words and the vector asked for are the same and a judge with norms read both; the
difference of two conditions is taken over those alone, and its interval comes from drawing whole topics anew, as within
one study. Of measures that are counted from a model's own voice there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import polars as pl

from cityfolk.evaluation.control.draws import RESAMPLES
from cityfolk.evaluation.control.measures import voice_of
from cityfolk.evaluation.control.sides import side_by_side
from cityfolk.evaluation.control.trials import TRUE_TEXT, Trials, benches, families
from cityfolk.evaluation.preferences.tables import CALIBRATED, UNTARGETED
from cityfolk.types import Finding

TOGETHER = "studies"
PREFIX = "control.compare."


def arm_name(label: str, model: str, condition: str, *, several: bool) -> str:
    """Return what a study's condition is called beside those of others; `several`: the study has more models."""
    return f"{label}: {model}, {condition}" if several else f"{label}: {condition}"


def across(studies: Mapping[str, Trials], *, seed: int = 0, resamples: int = RESAMPLES) -> list[Finding]:
    """Return `control.compare.MEASURE@JUDGE|FIRST|SECOND`, first less second, of conditions of two studies.

    `studies` are trials by the study's name, their `question_id` the same where the questions' words are. A judge
    counts where it has norms in all of them.
    """
    parts: list[pl.DataFrame] = []
    home: dict[str, str] = {}
    for label, trials in studies.items():
        rows = trials.rows.filter(~pl.col("condition").is_in([UNTARGETED, TRUE_TEXT]))
        calibrated = [name for name in rows["judge"].unique() if trials.scales.get(name, CALIBRATED) == CALIBRATED]
        rows = rows.filter(pl.col("judge").is_in(calibrated))
        named, several = families(rows), rows["model"].n_unique() > 1
        keys = zip(rows["model"].to_list(), rows["condition"].to_list(), strict=True)
        arms = [arm_name(label, model, named[model, condition], several=several) for model, condition in keys]
        home |= dict.fromkeys(arms, label)
        parts.append(
            rows.with_columns(
                model=pl.lit(TOGETHER),
                condition=pl.Series(arms, dtype=pl.String),
                answer_id=pl.lit(f"{label} ") + pl.col("answer_id"),
            )
        )
    if any(not part.height for part in parts):
        return []
    joint = Trials(rows=pl.concat(parts, how="diagonal"), seed=seed)
    found: list[Finding] = []
    for bench in benches(joint, resamples):
        other = {(one, two) for one, two in combinations(bench.arms, 2) if home[one] != home[two]}
        for finding in side_by_side(bench, voice_of(None, bench.draws)):
            name, _, source = finding.id.removeprefix("control.difference.").partition("@")
            judge, _, first, second = source.split("|", 3)
            if (first, second) in other:
                found.append(replace(finding, id=f"{PREFIX}{name}@{judge}|{first}|{second}"))
    return found
