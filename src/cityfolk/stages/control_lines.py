"""Control in lines: the findings of a study as rows for a terminal, for programs, and for studies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from cityfolk.reports.control_inputs import UNTARGETED, ControlShown
from cityfolk.vocabulary import TRAITS

NO_REQUEST = "no request"
_LINES = ("mae", "moved", "spearman", "slope", "bleed", "similarity")
_UNITS = {"mae": 100.0, "moved": 100.0}
_SPANS = ("spearman", "slope", "mae", "alpha")


def control_rows(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of the conditions, one a judge, model and condition, from the findings of a study.

    Each measure is {"value", "low", "high"}; a line "no request" is what the model's own voice comes to.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    own = findings.filter(pl.col("id").str.starts_with("control."))
    for row in own.iter_rows(named=True):
        name, _, source = row["id"].removeprefix("control.").partition("@")
        kind, _, measure = name.partition(".")
        if kind not in ("overall", "unasked") or measure not in _LINES:
            continue
        judge, model, condition = source.split("|", 2)
        condition = condition if kind == "overall" else f"{NO_REQUEST} (for {condition})"
        line = found.setdefault((judge, model, condition), {"judge": judge, "model": model, "condition": condition})
        line[measure] = {"value": row["value"], "low": row["low"], "high": row["high"]}
    return _settled(list(found.values()))


def _settled(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines, those of one voice that come to the same under several conditions once, behind them."""
    asked = [line for line in lines if not line["condition"].startswith(NO_REQUEST)]
    rows: list[dict[str, Any]] = []
    for judge, model in dict.fromkeys((line["judge"], line["model"]) for line in asked):
        own = [line for line in lines if (line["judge"], line["model"]) == (judge, model)]
        plain = [line for line in own if line["condition"].startswith(NO_REQUEST)]
        values = [{name: found for name, found in line.items() if name != "condition"} for line in plain]
        if plain and all(one == values[0] for one in values):
            plain = [{**plain[0], "condition": NO_REQUEST}]
        rows += [line for line in own if not line["condition"].startswith(NO_REQUEST)] + plain
    return rows


def control_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the lines of the conditions as a table for a terminal."""
    if not rows:
        return ""
    titles = ("off, points", "moved, %", "rank r", "slope", "bleed", "exp(-5d²)")
    names = [f"{row['judge']}: {row['model']}, {row['condition']}" for row in rows]
    wide = max(len("judge: model, condition"), *(len(name) for name in names))
    lines = [f"{'judge: model, condition':<{wide}}" + "".join(f"{title:>20}" for title in titles)]
    for name, row in zip(names, rows, strict=True):
        lines.append(f"{name:<{wide}}" + "".join(f"{_cell(row.get(m), _UNITS.get(m, 1.0)):>20}" for m in _LINES))
    return "\n".join(lines)


def _cell(found: Mapping[str, float | None] | None, times: float) -> str:
    if found is None or found["value"] is None:
        return "–"
    digits = 0 if times > 1 else 2
    value = f"{times * found['value']:.{digits}f}"
    if found["low"] is None or found["high"] is None:
        return value
    return f"{value} [{times * found['low']:.{digits}f}, {times * found['high']:.{digits}f}]"


def questionnaire_rows(shown: ControlShown) -> list[dict[str, Any]]:
    """Return the lines of the questionnaires, one a model, condition and instrument.

    "spearman", "slope", "mae" and "alpha" are {"lowest", "highest"} of the five traits; "bleed.size", "acquiescence"
    and "refused" {"value", "low", "high"}.
    """
    rows: list[dict[str, Any]] = []
    for model in shown.models:
        for one in shown.sheets(model):
            row: dict[str, Any] = {"model": model, "condition": one.condition, "instrument": one.instrument}
            row["respondents"] = one.respondents
            for measure in _SPANS:
                found = [shown.scored(one, f"{trait}.{measure}") for trait in TRAITS]
                known = [each["value"] for each in found if each is not None and each["value"] is not None]
                if known:
                    row[measure] = {"lowest": min(known), "highest": max(known)}
            for measure in ("bleed.size", "acquiescence", "refused"):
                each = shown.scored(one, measure)
                if each is not None:
                    row[measure] = {name: each[name] for name in ("value", "low", "high")}
            if one.condition != UNTARGETED:
                rows.append(row)
    return rows


def questionnaire_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the lines of the questionnaires as a table for a terminal, those alone in which a request was measured."""
    shown = [row for row in rows if "spearman" in row]
    if not shown:
        return ""
    names = [f"{row['instrument']}: {row['model']}, {row['condition']}" for row in shown]
    wide = max(len("instrument: model, condition"), *(len(name) for name in names))
    titles = ("rank r", "slope", "off, points", "alpha", "noisy bleed", "refused, %")
    lines = [f"{'instrument: model, condition':<{wide}}" + "".join(f"{title:>20}" for title in titles)]
    for name, row in zip(names, shown, strict=True):
        cells = [_spanned(row.get(measure), 100.0 if measure == "mae" else 1.0) for measure in _SPANS]
        cells += [_cell(row.get("bleed.size"), 1.0), _cell(row.get("refused"), 100.0)]
        lines.append(f"{name:<{wide}}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def _spanned(found: Mapping[str, float] | None, times: float) -> str:
    if found is None:
        return "–"
    digits = 0 if times > 1 else 2
    return f"{times * found['lowest']:.{digits}f} to {times * found['highest']:.{digits}f}"
