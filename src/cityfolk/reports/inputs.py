"""What a report is made from: frames and dicts, so that making one is a function without files, clocks or networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.study.folder import FINDING_SCHEMA

EMPTY_FINDINGS = pl.DataFrame(schema=FINDING_SCHEMA)


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """One study, read. `tables`, `geometry`, `names`, `notes` are the place pack's; `calls` is the journal's summary,
    `details` the marks of the evidence's pictures, `preferences` what is shown of preference data.

    `sources` says where each column of people comes from, `borrowed` from where those that are not the place's own;
    `names` is the neighbourhood of each block group. Everything but people, households and place_title may be
    missing: a section without its data says so or is left out.
    """

    place_title: str
    people: pl.DataFrame
    households: pl.DataFrame
    findings: pl.DataFrame = field(default_factory=lambda: EMPTY_FINDINGS)
    cohort: pl.DataFrame | None = None
    profiles: pl.DataFrame | None = None
    details: pl.DataFrame | None = None
    preferences: PreferencesShown | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    calls: Sequence[Mapping[str, Any]] = ()
    failures: Sequence[Mapping[str, Any]] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    borrowed: Mapping[str, str] = field(default_factory=dict)
    tables: pl.DataFrame | None = None
    geometry: Mapping[str, Any] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def seed(self) -> int | None:
        """The seed that the people were made with."""
        config = self.stage("people").get("config", {})
        seed = config.get("seed")
        return seed if isinstance(seed, int) else None

    def stage(self, verb: str) -> Mapping[str, Any]:
        """Return what the manifest says of a verb, empty if it was not run."""
        found: Mapping[str, Any] = self.manifest.get("stages", {}).get(verb, {})
        return found
