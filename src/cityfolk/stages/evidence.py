"""Pages of evidence: of an imported study, and of several studies side by side."""

from __future__ import annotations

import json
from typing import Any

from cityfolk.places.pack import load_place
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS, Shown
from cityfolk.reports.evidence_page import EvidencePage, build_evidence_page
from cityfolk.study.folder import Study


def imported_page(study: Study, title: str = "") -> str:
    """Return the page of an imported study: its evidence, what became of each column, and every number."""
    profiles, people = study.read("profiles"), study.read("people")
    stage = study.manifest["stages"]["import"]
    facts, place = stage["facts"], stage["config"].get("place")
    sources = tuple(sorted(profiles["engine"].unique()))
    loaded = load_place(place) if place else None
    shown = Shown(
        findings=study.findings(),
        details=study.read("details") if study.has("details") else EMPTY_DETAILS,
        sources=sources,
        profiles=profiles,
        people=people,
        tables=loaded.tables if loaded else None,
    )
    counts: list[tuple[str, str]] = [(f"{profiles.height:,}", "profiles"), (f"{len(sources):,}", "sources")]
    counts += [
        (f"{facts[name]:,}", words)
        for name, words in (("mended", "damaged records mended"), ("lost", "pieces that could not be read"))
        if facts[name]
    ]
    against = f" They are held against the official tables of {loaded.title}." if loaded else ""
    files = ", ".join(file["name"] for file in stage["config"]["files"])
    return build_evidence_page(
        EvidencePage(
            heading=title or (sources[0] if len(sources) == 1 else f"{len(sources)} sources"),
            lead=f"Profiles written elsewhere, read from {files}.{against}",
            shown=shown,
            counts=counts,
            accounts=_accounts(study),
            failures=study.failures(),
            versions=stage.get("versions", {}),
        )
    )


def _accounts(study: Study) -> list[dict[str, Any]]:
    accounts: list[dict[str, Any]] = json.loads(study.read_metadata("profiles").get("cityfolk.mapping", "[]"))
    return accounts
