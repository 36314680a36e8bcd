"""One study as one page: self-contained, offline, the same bytes for the same study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files

from cityfolk.reports import city, closing, control, evidence, fidelity, gallery, opening, preferences, traits, written
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS, Shown
from cityfolk.reports.html import Html, Node, join, page, tag
from cityfolk.reports.inputs import ReportInputs

NAVIGATION = (
    ("glance", "At a glance"),
    ("city", "The city"),
    ("certificate", "Certificate"),
    ("personality", "Personality"),
    ("citizens", "Citizens"),
    ("text", "What was written"),
    ("evidence", "The evidence"),
    ("costs", "Costs"),
    ("sources", "Sources"),
    ("findings", "All numbers"),
    ("limits", "Limits"),
)
WITHOUT_SCRIPT = ".citizen:not(.shown),.leaf:not(.shown){display:block}.roster,.pager,.tools{display:none}"
"""Style for readers who run no script: everything that a script would page through is shown."""


def build_report(inputs: ReportInputs, *, title: str = "") -> str:
    """Return the whole page as HTML; `title` stands in place of the place's. Nothing in it comes from the network.

    No text of a study, whoever wrote it, can become markup.
    """
    heading = title or inputs.place_title
    sections: dict[str, Node] = {
        "glance": opening.glance(inputs),
        "city": city.section(inputs),
        "certificate": fidelity.section(inputs),
        "personality": traits.section(inputs),
        "citizens": gallery.section(inputs),
        "text": written.section(inputs),
        "evidence": evidence.section(shown_of(inputs)),
        **({"preferences": preferences.section(inputs.preferences)} if inputs.preferences is not None else {}),
        **_control(inputs),
        "costs": closing.costs(inputs),
        "sources": closing.sources(inputs),
        "findings": closing.findings(inputs),
        "limits": closing.limits(inputs),
    }
    body = join(
        tag("a", "Skip to the content", href="#glance", class_="skip"),
        opening.hero(inputs, heading),
        navigation(_links(sections)),
        tag("main", (tag("section", tag("div", part, class_="wrap"), id=name) for name, part in sections.items())),
        tag("footer", tag("div", closing.colophon(inputs), class_="wrap")),
    )
    return page(
        f"{heading}: synthetic people",
        body,
        style=asset("report.css"),
        script=asset("report.js"),
        without_script=WITHOUT_SCRIPT,
    )


def _links(sections: Mapping[str, Node]) -> list[tuple[str, str]]:
    titles = {**dict(NAVIGATION), "preferences": "Preference data", "control": "Control"}
    return [(name, titles[name]) for name in sections]


def _control(inputs: ReportInputs) -> dict[str, Node]:
    measured = inputs.preferences.control if inputs.preferences is not None else None
    return {} if measured is None else {"control": control.section(measured)}


def shown_of(inputs: ReportInputs) -> Shown:
    """Return what the evidence of a study is drawn from."""
    profiles = inputs.profiles
    sources = tuple(sorted(profiles["engine"].unique())) if profiles is not None else ()
    weights = dict(inputs.cohort.select("person_id", "weight").iter_rows()) if inputs.cohort is not None else None
    details = inputs.details
    return Shown(
        findings=inputs.findings,
        details=details if details is not None else EMPTY_DETAILS,
        sources=sources,
        profiles=profiles,
        people=inputs.people,
        weights=weights,
        tables=inputs.tables,
    )


def navigation(links: Iterable[tuple[str, str]]) -> Html:
    """Return the links to the sections of a page."""
    items = (tag("li", tag("a", text, href=f"#{name}")) for name, text in links)
    return tag("nav", tag("ul", items), class_="top", aria_label="Sections")


def asset(name: str) -> str:
    """Return a file of the page: its style or its script."""
    return files("cityfolk.reports").joinpath("assets").joinpath(name).read_text(encoding="utf-8")
