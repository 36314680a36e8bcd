"""Archetypes and poles side by side, for the parts of control that ask under them: who is asked, and in which arm."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cityfolk.evaluation.adapted import without_adapter
from cityfolk.evaluation.control.cost import poles as pole_vectors
from cityfolk.evaluation.control.trials import families
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.preferences.records import TARGET_COLUMNS, UNTARGETED
from cityfolk.preferences.targets import Target, archetypes
from cityfolk.stages.ask_control import AskOptions, adapter_in
from cityfolk.stages.control_jobs import Speaker

SPEAKER: dict[str, pl.DataType | type[pl.DataType]] = {
    "respondent_id": pl.String,
    "condition": pl.String,
    **dict.fromkeys(TARGET_COLUMNS, pl.Float64),
    "engine": pl.String,
    "model": pl.String,
    "adapter": pl.String,
}
"""The columns of a table that say who answered as whom: those of `control_jobs.Speaker.columns`."""


def poles() -> tuple[Target, ...]:
    """Return ten targets: each trait extremely low and extremely high, the four others average ("openness-high")."""
    return tuple(Target(name=name, vector=vector) for name, vector in pole_vectors().items())


def corners() -> tuple[Target, ...]:
    """Return the four archetypes and the ten poles."""
    return (*archetypes(), *poles())


def respondents_of(speaker: Speaker, targets: Sequence[Target], *, voice: bool) -> tuple[Respondent, ...]:
    """Return whom an engine answers as; with `voice` a model without an adapter also as itself, before all others."""
    own = speaker.respondents((Target(),)) if voice and not speaker.adapter and speaker.persona is None else ()
    return (*own, *speaker.respondents(targets))


def respondents_planned(options: AskOptions, count: int, *, voice: bool) -> int:
    """Return how many respondents all engines are together, from their names alone, with `count` targets."""
    total = 0
    for name in options.engines:
        adapter = bool(adapter_in(name))
        total += 1 if adapter and options.persona else count + int(voice and not adapter)
    return total


def with_arms(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with `model` the one that an adapter was put into, and the columns arm and group.

    `group` is a condition, "" for a model's own voice; adapters made for one archetype each are one group, as in the
    sheets of free text. `arm` is one vector or one adapter of it ("prompted as Diplomat", "Diplomat-dpo"), the group
    itself where it has just one.
    """
    by = ["model", "adapter", "condition", "respondent_id"]
    seen = rows.select(by).unique().sort(by)
    base = [without_adapter(model, adapter) for model, adapter in seen.select("model", "adapter").iter_rows()]
    plain = seen.with_columns(base=pl.Series(base, dtype=pl.String))
    named = families(plain.select("condition", model="base", target_name="respondent_id"))
    alone = plain.group_by("base", "condition").agg(pl.col("respondent_id").n_unique() == 1)
    single = {(model, condition) for model, condition, only in alone.iter_rows() if only}
    arms, groups = [], []
    for condition, target, model in plain.select("condition", "respondent_id", "base").iter_rows():
        family = named.get((model, condition), condition)
        arms.append(condition if family != condition or (model, condition) in single else f"{condition} as {target}")
        groups.append("" if condition == UNTARGETED else family)
    told = plain.with_columns(arm=pl.Series(arms, dtype=pl.String), group=pl.Series(groups, dtype=pl.String))
    return rows.join(told, on=by, how="left", maintain_order="left").drop("model").rename({"base": "model"})
