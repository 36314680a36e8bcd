"""What the sheets of control are drawn from: findings `control.*` by judge, model and condition, and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from cityfolk.reports.evidence_inputs import COLOURS, EMPTY_DETAILS
from cityfolk.study.folder import FINDING_SCHEMA

KNOWN_TRUTH = "grammar"
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ControlShown:
    """The control of a study's models, measured."""

    findings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FINDING_SCHEMA))
    details: pl.DataFrame = field(default_factory=lambda: EMPTY_DETAILS)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """The findings by their id, less "control."."""
        own = self.findings.filter(pl.col("id").str.starts_with("control."))
        return {row["id"].removeprefix("control."): row for row in own.iter_rows(named=True)}

    @cached_property
    def arms(self) -> tuple[tuple[str, str, str], ...]:
        """(model, judge, condition) of everything that has a dial, models and judges in order."""
        found = {
            tuple(name.partition("@")[2].split("|", 2))
            for name in self.by_id
            if name.startswith(("slope.", "overall.")) and name.count("|") >= 2
        }
        return tuple(sorted((model, judge, condition) for judge, model, condition in found))

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in order."""
        return tuple(dict.fromkeys(model for model, _, _ in self.arms))

    def judges(self, model: str) -> tuple[str, ...]:
        """Return who read a model's answers: the known truth first, then judges with norms, then the others."""
        found = dict.fromkeys(judge for own, judge, _ in self.arms if own == model)
        return tuple(sorted(found, key=lambda j: (j != KNOWN_TRUTH, not self.calibrated(model, j), j)))

    def calibrated(self, model: str, judge: str) -> bool:
        """Say whether a judge has norms: only then are there percentiles."""
        return any(f"overall.mae@{judge}|{model}|{c}" in self.by_id for c in self.conditions(model, judge))

    def conditions(self, model: str, judge: str = "") -> tuple[str, ...]:
        """Return the conditions of a model, prompts first, of one judge alone if named."""
        found = {c for own, by, c in self.arms if own == model and judge in ("", by)}
        return tuple(sorted(found, key=lambda c: (c != "prompted", c)))

    def colour(self, model: str, condition: str) -> str:
        """Return the name of a condition's colour, the same in every picture of a model."""
        return COLOURS[self.conditions(model).index(condition) % len(COLOURS)]

    def finding(self, name: str, model: str, judge: str, condition: str) -> Row | None:
        """Return one finding, None if there is none."""
        return self.by_id.get(f"{name}@{judge}|{model}|{condition}")

    def value(self, name: str, model: str, judge: str, condition: str) -> float | None:
        """Return its value."""
        found = self.finding(name, model, judge, condition)
        return None if found is None else found["value"]

    def difference(
        self, measure: str, model: str, judge: str, first: str, second: str
    ) -> tuple[float, float, float] | None:
        """Return (value, low, high) of first less second, None where it wasn't or can't be told."""
        for one, other, sign in ((first, second, 1), (second, first, -1)):
            row = self.by_id.get(f"difference.{measure}@{judge}|{model}|{one}|{other}")
            if row is not None and row["value"] is not None and row["low"] is not None:
                ends = sorted((sign * row["low"], sign * row["high"]))
                return sign * row["value"], ends[0], ends[1]
        return None

    def under(self, prefix: str, model: str, judge: str, condition: str) -> Iterator[tuple[str, Row]]:
        """Yield (rest of the name, finding) of the findings whose name begins with `prefix`."""
        end = f"@{judge}|{model}|{condition}"
        for name, row in self.by_id.items():
            if name.startswith(prefix) and name.endswith(end):
                yield name.removeprefix(prefix).removesuffix(end), row

    def marks(self, name: str, source: str) -> list[dict[str, Any]]:
        """Return the marks of a picture and source."""
        found = self.details.filter((pl.col("name") == f"control.{name}") & (pl.col("source") == source))
        return found.to_dicts()


def of_findings(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that the sheets are drawn from."""
    return findings.filter(pl.col("id").str.starts_with("control."))
