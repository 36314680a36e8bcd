"""What the pages of preference data are drawn from: findings `pairs.*` and `judges.*`, and marks of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS
from cityfolk.reports.html import Node, tag
from cityfolk.reports.numbers import number, value_of
from cityfolk.study.folder import FINDING_SCHEMA

KNOWN_TRUTH = "grammar (the known truth)"
COLOURS = {"chosen": "c1", "rejected": "c3", "constant": "soft"}


@dataclass(frozen=True, kw_only=True)
class PreferencesShown:
    """The preference data of one study, measured. `notices` are what its stages had to say, judges foremost.

    `control` is how far requests reach, if that was measured.
    """

    findings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FINDING_SCHEMA))
    details: pl.DataFrame = field(default_factory=lambda: EMPTY_DETAILS)
    notices: Sequence[str] = ()
    failures: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    control: ControlShown | None = None

    def finding(self, name: str) -> dict[str, Any] | None:
        """Return the finding `pairs.NAME`, None if there is none."""
        return value_of(self.findings, f"pairs.{name}")

    def value(self, name: str) -> float | None:
        """Return its value."""
        found = self.finding(name)
        return None if found is None else found["value"]

    def marks(self, name: str, **where: str) -> list[dict[str, Any]]:
        """Return the marks of a picture, those of a source, group or label alone if named."""
        found = self.details.filter(pl.col("name") == f"pairs.{name}")
        for column, value in where.items():
            found = found.filter(pl.col(column) == value)
        return found.to_dicts()

    def sources(self, prefix: str) -> list[str]:
        """Return the sources of the pictures whose name begins with `prefix`, in order."""
        found = self.details.filter(pl.col("name").str.starts_with(f"pairs.{prefix}"))["source"]
        return [source for source in found.unique(maintain_order=True).to_list() if source]

    def about(self, prefix: str) -> list[dict[str, Any]]:
        """Return the findings whose id begins with `prefix`, in order."""
        return self.findings.filter(pl.col("id").str.starts_with(prefix)).to_dicts()


def spread(row: Mapping[str, Any] | None, unit: str = "", digits: int = 2) -> Node:
    """Write a finding's value and, in small print, its interval; the unit "points" is a percentile out of 100."""
    if row is None or row["value"] is None:
        return "–"
    value, low, high = (_said(row[name], unit, digits) for name in ("value", "low", "high"))
    if row["low"] is None or row["high"] is None:
        return value
    return [value, " ", tag("small", f"{low} to {high}")]


def _said(value: float | None, unit: str, digits: int) -> str:
    if value is None:
        return "–"
    if unit == "points":
        return f"{100 * value:.1f}"
    return number(value, unit) if unit else f"{value:.{digits}f}"


def told(source: str) -> str:
    """Write a source ("rater|model|condition") in words."""
    judge, *rest = source.split("|")
    return ", ".join([KNOWN_TRUTH if judge == "grammar" else judge, *rest])
