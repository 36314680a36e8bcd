"""A page of preference data alone: for studies that have questions, answers and pairs, and no people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from cityfolk.reports import closing, control, preferences
from cityfolk.reports.html import Html, Node, bidi, join, page, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.page import WITHOUT_SCRIPT, asset, navigation
from cityfolk.reports.preference_inputs import PreferencesShown


def build_preference_page(shown: PreferencesShown, *, title: str = "", calls: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the whole page as HTML; nothing in it comes from the network, and no text of a model becomes markup."""
    alone = shown.control is not None and not shown.details.height
    heading = title or ("How far requests reach" if alone else "Preference data")
    inputs = ReportInputs(
        place_title=heading,
        people=pl.DataFrame(),
        households=pl.DataFrame(),
        findings=shown.findings,
        calls=calls,
        failures=shown.failures,
    )
    parts: list[tuple[str, str, Node]] = []
    if shown.control is not None:
        parts.append(("control", "Control", control.section(shown.control)))
    # A study that was made for control alone has no pairs to tell of.
    if not alone:
        parts.append(("preferences", "Preference data", preferences.section(shown, "What the pairs hold")))
    if calls:
        parts.append(("costs", "Costs", closing.costs(inputs)))
    parts.append(("findings", "All numbers", closing.findings(inputs)))
    parts.append(("limits", "Limits", _limits()))
    body = join(
        tag("a", "Skip to the content", href=f"#{parts[0][0]}", class_="skip"),
        _hero(heading, alone=alone),
        navigation([(name, words) for name, words, _ in parts]),
        tag("main", (tag("section", tag("div", content, class_="wrap"), id=name) for name, _, content in parts)),
        tag("footer", tag("div", tag("p", _last(shown)), class_="wrap")),
    )
    return page(
        heading if alone else f"{heading}: questions, answers and pairs",
        body,
        style=asset("report.css"),
        script=asset("report.js"),
        without_script=WITHOUT_SCRIPT,
    )


def _hero(heading: str, *, alone: bool) -> Html:
    lead = "Pairs of answers, one nearer to a requested personality than the other, and what they can teach."
    if alone:
        lead = "Models were asked to answer as somebody: what their answers show of it, and what comes along."
    words = tag(
        "div",
        tag(
            "p",
            "Answers under a personality, measured" if alone else "Answers under a personality, compared",
            class_="eyebrow",
        ),
        tag("h1", bidi(heading)),
        tag("p", lead),
    )
    return tag("header", tag("div", words, class_="wrap"), class_="hero")


def _limits() -> Html:
    lines = (
        "Judges read expressed style. That an answer sounds agreeable does not make its writer so.",
        "Numbers of one judge are not those of another: compare judges where both have read the same answers.",
        "What a model learns from pairs is no better than the judges that chose; have people read some.",
        "Do not use a model trained on such pairs to pass as a person or to deceive.",
    )
    return join(tag("h2", "Limits and proper use"), tag("div", tag("ul", (tag("li", x) for x in lines)), class_="card"))


def _last(shown: PreferencesShown) -> str:
    version = f" {shown.versions['cityfolk']}" if "cityfolk" in shown.versions else ""
    seed = f" Seed {shown.seed}." if shown.seed is not None else ""
    return f"Made with cityfolk{version}.{seed} This page is complete in itself: it loads nothing and sends nothing."
