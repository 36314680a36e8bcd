"""A page of evidence alone: for personas that were imported, and for studies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cityfolk.reports import closing, control_compare, evidence
from cityfolk.reports.evidence_inputs import Shown
from cityfolk.reports.html import Html, Node, bidi, join, page, table, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import number
from cityfolk.reports.page import asset, navigation


@dataclass(frozen=True, kw_only=True)
class EvidencePage:
    """What the page is made from. `accounts` say what became of each column, `joined` are the rows of a comparison.

    `control` is how far requests reach in each of the studies that are compared.
    """

    heading: str
    lead: str
    shown: Shown
    counts: Sequence[tuple[str, str]] = ()
    accounts: Sequence[Mapping[str, Any]] = ()
    joined: Sequence[Mapping[str, Any]] = ()
    differences: Sequence[dict[str, Any]] = ()
    paired: str = ""
    control: Mapping[str, Any] | None = None
    failures: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def build_evidence_page(given: EvidencePage) -> str:
    """Return the whole page as HTML; nothing in it comes from the network, and no text of others becomes markup."""
    # Studies that were made for control alone have nobody's texts to tell of.
    texts = given.control is None or given.shown.details.height > 0
    parts: list[tuple[str, str, Node]] = []
    if given.control is not None:
        parts.append(("control", "Control", control_compare.section(given.control)))
    if given.paired and (texts or given.joined):
        side = join(tag("h2", "Side by side"), evidence.comparison(given.differences, given.paired), _joined(given))
        parts.append(("compare", "Side by side", side))
    if texts:
        parts.append(("evidence", "The evidence", evidence.section(given.shown)))
    if given.accounts:
        parts.append(("columns", "What was read", _columns(given)))
    if given.shown.findings.height and not given.joined:
        parts.append(("findings", "All numbers", closing.findings(_inputs(given))))
    first = parts[0][0]
    body = join(
        tag("a", "Skip to the content", href=f"#{first}", class_="skip"),
        _hero(given),
        navigation([(name, title) for name, title, _ in parts]),
        tag("main", (tag("section", tag("div", content, class_="wrap"), id=name) for name, _, content in parts)),
        tag("footer", tag("div", tag("p", _last(given)), class_="wrap")),
    )
    return page(f"{given.heading}: the evidence", body, style=asset("report.css"), script=asset("report.js"))


def _inputs(given: EvidencePage) -> ReportInputs:
    import polars as pl

    return ReportInputs(
        place_title=given.heading, people=pl.DataFrame(), households=pl.DataFrame(), findings=given.shown.findings
    )


def _hero(given: EvidencePage) -> Html:
    tiles = (tag("li", tag("b", value), tag("span", label), class_="tile") for value, label in given.counts)
    words = tag(
        "div",
        tag("p", "What was written, measured", class_="eyebrow"),
        tag("h1", bidi(given.heading)),
        tag("p", given.lead, class_="lead"),
        tag("ul", tiles, class_="tiles"),
    )
    return tag("header", tag("div", words, class_="wrap"), class_="hero")


def _columns(given: EvidencePage) -> Html:
    rows = []
    for account in given.accounts:
        missed = account["values"] - account["understood"]
        fact = str(account["became"]).startswith("fact")
        strange = f"{missed:,} not understood" if missed and fact else ""
        if strange and account["examples"]:
            strange += ": " + ", ".join(str(example) for example in account["examples"])
        rows.append(
            (
                bidi(str(account["column"])),
                str(account["became"]),
                "guessed from its name" if account["guessed"] else "named" if account["became"] != "left out" else "–",
                f"{account['values']:,}",
                bidi("; ".join(part for part in (strange, str(account["note"])) if part)),
            )
        )
    failed = [
        (bidi(str(f.get("key", ""))), str(f.get("reason", "")), bidi(str(f.get("raw", ""))[:200]))
        for f in given.failures
    ]
    return join(
        tag("h2", "What was read"),
        tag(
            "p",
            "What became of each column of the file. A value that is not understood counts as unknown.",
            class_="lead",
        ),
        tag(
            "div",
            table(
                ("column", "became", "how", "values", "remark"),
                rows,
                caption="Every column of the file",
                numeric=(3,),
                box="tall",
            ),
            class_="card",
        ),
        tag(
            "div",
            table(("where", "why", "begins"), failed[:200], caption="What could not be read", box="tall"),
            class_="card spaced",
        )
        if failed
        else None,
    )


def _joined(given: EvidencePage) -> Html | None:
    if not given.joined:
        return None
    sources = list(dict.fromkeys(source for row in given.joined for source in row["by"]))
    rows = []
    for row in given.joined:
        if len(row["by"]) < 2:
            continue
        cells = []
        for source in sources:
            one = row["by"].get(source)
            if one is None or one["value"] is None:
                cells.append(tag("span", "–"))
                continue
            value = tag("span", number(one["value"], row["unit"] or ""), data_v=one["value"])
            spread = (
                tag("small", f" {number(one['low'], '')} to {number(one['high'], '')}")
                if one["low"] is not None and one["high"] is not None and row["unit"] not in ("share", "percent")
                else tag("small", f" {100 * one['low']:.1f} to {100 * one['high']:.1f}%")
                if one["low"] is not None and one["high"] is not None and row["unit"] == "share"
                else None
            )
            cells.append(join(value, spread))
        rows.append((row["title"], *cells, number(row["expected"], row["unit"] or "")))
    tools = tag(
        "div",
        tag("label", "Search", tag("input", type="search")),
        tag("output", "", class_="soft"),
        class_="tools",
        data_filters="joined-table",
    )
    return tag(
        "div",
        tag("h3", "Every number that two of them have"),
        tools,
        table(
            ("finding", *(bidi(source) for source in sources), "should be"),
            rows,
            caption="In small print the 90% interval",
            numeric=range(1, len(sources) + 2),
            sortable=True,
            id_="joined-table",
            box="tall",
        ),
        class_="card spaced",
    )


def _last(given: EvidencePage) -> str:
    version = f" {given.versions['cityfolk']}" if "cityfolk" in given.versions else ""
    return f"Made with cityfolk{version}. This page is complete in itself: it loads nothing and sends nothing."
