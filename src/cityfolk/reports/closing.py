"""The end of the report: costs, sources, every number, and what these people may be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from cityfolk.reports.charts import fold
from cityfolk.reports.fidelity import CELL
from cityfolk.reports.html import Html, Node, bidi, join, table, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import number, verdict


def costs(inputs: ReportInputs) -> Html:
    """Return calls, tokens and seconds by stage and model, and what failed."""
    head = tag("h2", "Costs")
    if not inputs.calls:
        return join(head, tag("p", "No model was called in this study."))
    rows = []
    for call in inputs.calls:
        tokens = _number(call, "prompt_tokens") + _number(call, "completion_tokens")
        rows.append(
            (
                call.get("stage", ""),
                call.get("engine", ""),
                call.get("model", ""),
                f"{_number(call, 'calls'):,.0f}",
                f"{_number(call, 'rejected'):,.0f}",
                f"{_number(call, 'prompt_tokens'):,.0f}",
                f"{_number(call, 'completion_tokens'):,.0f}",
                f"{tokens / max(1, _number(call, 'requests')):,.0f}",
                f"{_number(call, 'seconds'):,.1f}",
            )
        )
    headings = (
        "stage",
        "engine",
        "model",
        "calls",
        "replies rejected",
        "tokens read",
        "tokens written",
        "tokens per request",
        "seconds of the model",
    )
    failed = (
        tag("p", f"{len(inputs.failures):,} pieces of work failed; failures.jsonl lists them.")
        if inputs.failures
        else tag("p", "Nothing failed.")
    )
    return join(
        head,
        tag(
            "p",
            "A token is a piece of a word, about four letters. Seconds are added up over calls that ran side by side.",
            class_="lead",
        ),
        tag(
            "div",
            table(headings, rows, caption="Every call to a model, from the journal", numeric=range(3, 9)),
            failed,
            _failures(inputs),
            class_="card",
        ),
        _stages(inputs),
    )


def _number(call: Mapping[str, Any], name: str) -> float:
    value = call.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _failures(inputs: ReportInputs) -> Html | None:
    if not inputs.failures:
        return None
    rows = (
        (f.get("stage", ""), bidi(str(f.get("label", ""))), bidi(str(f.get("reason", ""))))
        for f in inputs.failures[:200]
    )
    return fold("List them", table(("stage", "what", "why"), rows, caption="Failures, at most 200", box="tall"))


def _stages(inputs: ReportInputs) -> Html | None:
    rows = []
    for verb, stage in inputs.manifest.get("stages", {}).items():
        for name, value in (stage.get("facts") or {}).items():
            if isinstance(value, int | float | str):
                rows.append(
                    (
                        verb,
                        str(name).replace("_", " "),
                        f"{value:,.6g}"
                        if isinstance(value, float)
                        else f"{value:,}"
                        if isinstance(value, int)
                        else value,
                    )
                )
    if not rows:
        return None
    return tag(
        "div",
        table(("verb", "what", "value"), rows, caption="What each verb noted about itself", numeric=(2,)),
        class_="card spaced",
    )


def sources(inputs: ReportInputs) -> Html:
    """Return where each attribute comes from, borrowed ones first, and which tables were used."""
    head = tag("h2", "Where it comes from")
    named = {
        name.strip() for text in inputs.people["borrowed"].unique().to_list() for name in str(text or "").split(";")
    }
    borrowed = sorted((named | set(inputs.borrowed)) - {""})
    lead = (
        f"{len(borrowed)} attributes do not come from the place's own tables alone: they follow an older vintage, a "
        "wider area, published norms or a rule. Read them as typical of such a place, not as measured here."
        if borrowed
        else "Every attribute comes from the place's own tables."
    )

    def source(name: str) -> str:
        return inputs.borrowed.get(name) or inputs.sources.get(name) or "no source was recorded"

    rows = [(name.replace("_", " "), source(name)) for name in borrowed]
    own = [(name.replace("_", " "), text) for name, text in inputs.sources.items() if name not in borrowed]
    notes = tag("ul", (tag("li", note) for note in inputs.notes)) if inputs.notes else None
    return join(
        head,
        tag("p", lead, class_="lead"),
        tag("div", table(("attribute", "source"), rows, caption="Borrowed attributes"), class_="card")
        if rows
        else None,
        fold(
            "The other attributes and their sources",
            table(("attribute", "source"), own, caption="From the place's own tables"),
            class_="big",
        )
        if own
        else None,
        fold("Notes of the place pack", notes, class_="big") if notes else None,
        _tables(inputs.tables),
    )


def _tables(tables: pl.DataFrame | None) -> Html | None:
    if tables is None or not {"table", "vintage", "geography", "source"} <= set(tables.columns):
        return None
    used = tables.group_by("table", "vintage", "geography", "source", maintain_order=True).len()
    rows = (
        (r["table"], f"{r['len']:,}", r["vintage"], r["geography"], r["source"]) for r in used.iter_rows(named=True)
    )
    return fold(
        f"The {used.height} tables of the place pack",
        table(
            ("table", "figures", "vintage", "geography", "source"),
            rows,
            caption="Official tables in this pack",
            numeric=(1,),
        ),
        class_="big",
    )


def findings(inputs: ReportInputs) -> Html:
    """Return every finding of the study as one searchable table."""
    rest = inputs.findings.filter(~pl.col("id").str.starts_with(CELL))
    cells = inputs.findings.height - rest.height
    apart = f"; {cells:,} of them are the quantities of the certificate above. The other {rest.height:,}"
    apart = apart if cells else ". All"
    head = join(
        tag("h2", "All numbers"),
        tag(
            "p",
            f"The study holds {inputs.findings.height:,} findings{apart} stand here. An interval is 90% unless the "
            "note says otherwise.",
            class_="lead",
        ),
    )
    if rest.height == 0:
        return head
    tools = tag(
        "div",
        tag("label", "Search", tag("input", type="search")),
        tag(
            "label",
            "Show",
            tag(
                "select",
                (
                    tag("option", t, value=v)
                    for v, t in (("", "all"), ("outside", "outside"), ("inside", "inside"), ("none", "not judged"))
                ),
            ),
        ),
        tag("output", "", class_="soft"),
        class_="tools",
        data_filters="findings-table",
    )
    body = (_finding(r) for r in rest.iter_rows(named=True))
    whole = table(
        ("finding", "id", "value", "90% interval", "n", "should be", "verdict", "note"),
        body,
        caption="Findings, as in findings.parquet",
        numeric=(2, 3, 4, 5),
        row_classes=rest["verdict"].to_list(),
        sortable=True,
        id_="findings-table",
        box="tall",
    )
    return join(head, fold("Show all findings", join(tools, whole), class_="big"))


def _finding(r: Mapping[str, Any]) -> tuple[Node, ...]:
    unit = r["unit"] or ""
    interval = (
        f"{number(r['low'], unit)} to {number(r['high'], unit)}"
        if r["low"] is not None and r["high"] is not None
        else "–"
    )
    return (
        r["title"],
        tag("code", r["id"]),
        tag("span", number(r["value"], unit), data_v=r["value"] if r["value"] is not None else ""),
        interval,
        f"{r['n']:,}" if r["n"] is not None else "–",
        number(r["expected"], unit),
        verdict(r["verdict"]),
        r["note"] or "",
    )


GOOD = (
    "rehearse a survey, an experiment or a consultation before asking real people",
    "teach and study population structure, sampling, fitting and fairness",
    "test software, models and agents on a city with realistic variety",
)
BAD = (
    "Do not say what the people of this place think, want or would vote: nobody was asked.",
    "Do not decide about a real person, street or group from anybody here.",
    "Do not read cause from a pattern: only the tables shown were met; whatever no table ties together is close to "
    "independent.",
    "Do not pass off a citizen as a real person, or use one to deceive.",
)


def limits(inputs: ReportInputs) -> Html:
    """Return what the people are good for and what they are not."""
    return join(
        tag("h2", "Limits and proper use"),
        tag(
            "div",
            tag("div", tag("h3", "Use it to"), tag("ul", (tag("li", text) for text in GOOD)), class_="card"),
            tag("div", tag("h3", "Do not"), tag("ul", (tag("li", text) for text in BAD)), class_="card"),
            class_="grid two",
        ),
        tag(
            "p",
            "Small groups are the weakest point: a group of fewer than about a hundred people is known only within a "
            "wide margin, and its members here are guesses. Names are drawn to fit sex, age and origin and mean "
            "nothing. Personality norms describe people who chose to answer a questionnaire on the internet.",
            class_="spaced",
        ),
    )


def colophon(inputs: ReportInputs) -> Html:
    """Return the last lines: what made the page and that it is whole."""
    versions = inputs.stage("people").get("versions", {})
    version = f" {versions['cityfolk']}" if "cityfolk" in versions else ""
    seed = f" Seed {inputs.seed}." if inputs.seed is not None else ""
    return tag(
        "p",
        f"Made with cityfolk{version}.{seed} This page is complete in itself: it loads nothing from the network and "
        "sends nothing.",
    )
