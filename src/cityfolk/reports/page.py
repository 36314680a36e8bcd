"""One study as one page: self-contained, offline, the same bytes for the same study."""

from __future__ import annotations

from importlib.resources import files

from cityfolk.reports import city, closing, fidelity, gallery, opening, traits, written
from cityfolk.reports.html import Html, Node, join, page, tag
from cityfolk.reports.inputs import ReportInputs

NAVIGATION = (
    ("glance", "At a glance"),
    ("city", "The city"),
    ("certificate", "Certificate"),
    ("personality", "Personality"),
    ("citizens", "Citizens"),
    ("text", "What was written"),
    ("costs", "Costs"),
    ("sources", "Sources"),
    ("findings", "All numbers"),
    ("limits", "Limits"),
)


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
        "costs": closing.costs(inputs),
        "sources": closing.sources(inputs),
        "findings": closing.findings(inputs),
        "limits": closing.limits(inputs),
    }
    body = join(
        tag("a", "Skip to the content", href="#glance", class_="skip"),
        opening.hero(inputs, heading),
        _navigation(),
        tag("main", (tag("section", tag("div", sections[name], class_="wrap"), id=name) for name, _ in NAVIGATION)),
        tag("footer", tag("div", closing.colophon(inputs), class_="wrap")),
    )
    return page(
        f"{heading}: synthetic people",
        body,
        style=_asset("report.css"),
        script=_asset("report.js"),
        without_script=".citizen:not(.shown){display:block}.roster,.pager,.tools{display:none}",
    )


def _navigation() -> Html:
    links = (tag("li", tag("a", text, href=f"#{name}")) for name, text in NAVIGATION)
    return tag("nav", tag("ul", links), class_="top", aria_label="Sections")


def _asset(name: str) -> str:
    return files("cityfolk.reports").joinpath("assets").joinpath(name).read_text(encoding="utf-8")
