"""What the evidence is drawn from: findings and marks of pictures, by source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from cityfolk.reports.charts import colour, key
from cityfolk.reports.html import Html
from cityfolk.reports.numbers import value_of
from cityfolk.types import Finding

EMPTY_DETAILS = pl.DataFrame(
    schema={
        "name": pl.String,
        "source": pl.String,
        "label": pl.String,
        "group": pl.String,
        "x": pl.Float64,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "text": pl.String,
    }
)
COLOURS = ("c1", "c3", "c2", "c6", "c4", "c5")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The findings and details of one study or of several joined; `people` are those written, `tables` the place's."""

    findings: pl.DataFrame
    details: pl.DataFrame
    sources: tuple[str, ...]
    profiles: pl.DataFrame | None = None
    people: pl.DataFrame | None = None
    weights: Mapping[int, float] | None = None
    tables: pl.DataFrame | None = None
    linked: bool = True

    def finding(self, name: str, source: str) -> dict[str, Any] | None:
        """Return a source's finding: `name`, or `name@source` where there are several sources."""
        return value_of(self.findings, f"{name}@{source}") or (
            value_of(self.findings, name) if len(self.sources) == 1 else None
        )

    def marks(self, name: str, **where: str) -> list[dict[str, Any]]:
        """Return the marks of a picture, those of a group or source alone if named."""
        found = self.details.filter(pl.col("name") == name)
        for column, value in where.items():
            found = found.filter(pl.col(column) == value)
        return found.to_dicts()

    def names(self, prefix: str) -> list[str]:
        """Return the pictures whose name begins with `prefix`, in order."""
        found = self.details.filter(pl.col("name").str.starts_with(prefix))["name"]
        return found.unique(maintain_order=True).to_list()

    def colour(self, source: str) -> str:
        """Return the name of a source's colour."""
        place = self.sources.index(source) if source in self.sources else 0
        return COLOURS[place % len(COLOURS)]

    @property
    def palette(self) -> dict[str, Any]:
        """Return an altair scale's domain and range: sources and their colours."""
        return {"domain": list(self.sources), "range": [colour(self.colour(s)) for s in self.sources]}


def swatches(shown: Shown, *extra: tuple[str, str, str]) -> Html:
    """Return the legend of sources, with further entries."""
    return key(*((shown.colour(source), "dot", source) for source in shown.sources), *extra)


def row_finding(row: Mapping[str, Any]) -> Finding:
    """Return a row of findings.parquet as a finding."""
    return Finding(**{name: row[name] for name in Finding.__dataclass_fields__})


def said(name: str) -> str:
    """Write a field's name in words."""
    return name.replace("_", " ").replace("emotion.", "")
