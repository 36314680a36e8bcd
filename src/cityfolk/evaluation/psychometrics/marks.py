"""What the pictures of a questionnaire are drawn from: whose sheet is whose, and what was scored at each request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from cityfolk.evaluation.adapted import without_adapter
from cityfolk.evaluation.control.trials import families
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.psychometrics.findings import label
from cityfolk.evaluation.psychometrics.population import PERSON
from cityfolk.evaluation.psychometrics.scoring import percentiles
from cityfolk.evaluation.psychometrics.sheets import UNTARGETED, Sheet, sheets
from cityfolk.evaluation.statistics import mean_interval
from cityfolk.personality.words import CUTS
from cityfolk.vocabulary import TRAITS

SHEET, DIAL = "control.questionnaire.sheet", "control.questionnaire.dial"
_LEVELS = np.asarray(ndtri(CUTS))


def questionnaire_marks(responses: pl.DataFrame) -> list[Detail]:
    """Return marks of responses.parquet.

    `control.questionnaire.sheet`: source "MODEL|CONDITION" of the model without its adapter, label as in the ids of
    findings, text the instrument, value the respondents. `control.questionnaire.dial.TRAIT`: the mean percentile scored
    at each level of request with its 90% interval over respondents; x is the mean percentile requested.
    """
    every = sheets(responses)
    named = _conditions(every)
    found: list[Detail] = []
    for sheet in every:
        source = f"{without_adapter(sheet.model, sheet.adapter)}|{named[_key(sheet)]}"
        count = float(len(sheet.respondents))
        found.append(Detail(name=SHEET, source=source, label=label(sheet), text=sheet.instrument, value=count))
    together: dict[str, list[Sheet]] = {}
    for sheet in every:
        if sheet.instrument.startswith("IPIP-NEO-120") and np.isfinite(sheet.target).all(axis=1).any():
            source = f"{without_adapter(sheet.model, sheet.adapter)}|{named[_key(sheet)]}"
            together.setdefault(source, []).append(sheet)
    for source, own in together.items():
        found += _dials(source, own)
    return found


def _key(sheet: Sheet) -> tuple[str, str]:
    return without_adapter(sheet.model, sheet.adapter), sheet.condition


def _conditions(every: Sequence[Sheet]) -> dict[tuple[str, str], str]:
    """Return what each (model, condition) is called: adapters for one archetype each are put together."""
    rows = [
        {"model": _key(sheet)[0], "condition": sheet.condition, "target_name": name}
        for sheet in every
        for name in sheet.respondents
    ]
    known = families(pl.DataFrame(rows, schema={"model": pl.String, "condition": pl.String, "target_name": pl.String}))
    plain = {_key(sheet): UNTARGETED for sheet in every if sheet.condition == UNTARGETED}
    return {**plain, **known}


def _dials(source: str, own: Sequence[Sheet]) -> Iterator[Detail]:
    asked = np.vstack([sheet.target for sheet in own])
    scored = np.vstack([percentiles(sheet.answers, sheet.instrument) for sheet in own])
    people = [name.startswith(PERSON) for sheet in own for name in sheet.respondents]
    whole = np.isfinite(asked).all(axis=1) & ~np.array(people, dtype=bool)
    for column, trait in enumerate(TRAITS):
        known = whole & np.isfinite(scored[:, column])
        levels = np.digitize(ndtri(np.clip(asked[known, column], 0.001, 0.999)), _LEVELS)
        for level in np.unique(levels):
            x, y = asked[known, column][levels == level], scored[known, column][levels == level]
            mean = mean_interval(np.asarray(ndtri(np.clip(y, 0.001, 0.999)))) if len(y) > 1 else None
            yield Detail(
                name=f"{DIAL}.{trait}",
                source=source,
                label=f"{len(y)}",
                x=float(x.mean()),
                value=float(y[0]) if mean is None else float(ndtr(mean.value)),
                low=None if mean is None else float(ndtr(mean.low)),
                high=None if mean is None else float(ndtr(mean.high)),
            )
