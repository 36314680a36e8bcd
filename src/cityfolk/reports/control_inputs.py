"""What the sheets of control are drawn from: findings `control.*` by judge, model and condition, and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from cityfolk.personality.norms import INSTRUMENT
from cityfolk.reports.evidence_inputs import COLOURS, EMPTY_DETAILS
from cityfolk.study.folder import FINDING_SCHEMA

KNOWN_TRUTH = "grammar"
UNTARGETED = "untargeted"
COLUMNS = (
    ("mae", "points off", "points"),
    ("moved", "of the move made", "share"),
    ("spearman", "rank correlation", ""),
    ("slope", "slope", ""),
    ("bleed", "bleed", ""),
    ("similarity", "exp(−5 d²)", ""),
)
"""The measures of a condition as a whole: name, heading, unit."""
_PARTS = ("situations.", "stability.", "culture.", "bias.", "cost.")
_FLOORS = ("unasked.mae", "constant.mae", "unasked.similarity", "original.constant")
_ALIKE = 0.005
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One sheet of a questionnaire: its label in the ids of findings, its model, condition and instrument."""

    label: str
    model: str
    condition: str
    instrument: str
    respondents: int

    @property
    def title(self) -> str:
        """The condition, and the instrument where it isn't IPIP-NEO-120."""
        return self.condition if self.instrument == INSTRUMENT else f"{self.condition} ({self.instrument})"

    @property
    def spoken(self) -> str:
        """Who speaks: the label, which holds an adapter's name, without its condition."""
        return self.label.partition(":untargeted")[0]


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
        found = {model for model, _, _ in self.arms} | {one.model for one in self._sheets}
        for name in self.by_id:
            if name.startswith(_PARTS) and len(source := name.partition("@")[2].split("|", 2)) == 3:
                found.add(source[1])
        return tuple(sorted(found))

    def judges(self, model: str) -> tuple[str, ...]:
        """Return who read a model's answers: the known truth first, then judges with norms, then the others."""
        found = dict.fromkeys(judge for own, judge, _ in self.arms if own == model)
        return tuple(sorted(found, key=lambda j: (j != KNOWN_TRUTH, not self.calibrated(model, j), j)))

    def calibrated(self, model: str, judge: str) -> bool:
        """Say whether a judge has norms: only then are there percentiles."""
        return any(f"overall.mae@{judge}|{model}|{c}" in self.by_id for c in self.conditions(model, judge))

    def conditions(self, model: str, judge: str = "") -> tuple[str, ...]:
        """Return the conditions of a model, prompts first: those that one judge read, else of questionnaires too."""
        found = {c for own, by, c in self.arms if own == model and judge in ("", by)}
        found |= set() if judge else {one.condition for one in self.sheets(model)} - {UNTARGETED}
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

    def asked_alike(self, model: str, judge: str) -> tuple[tuple[str, ...], ...]:
        """Return the conditions in groups that were asked the same, the widest asked first.

        Doing nothing (no request at all, 50 to everything) comes to the same in a group, to half a percentile point.
        """
        floors: list[tuple[dict[str, float], list[str]]] = []
        for name in self.conditions(model, judge):
            own = {one: v for one in _FLOORS if (v := self.value(one, model, judge, name)) is not None}
            for known, names in floors:
                if own.keys() == known.keys() and all(abs(own[one] - known[one]) < _ALIKE for one in own):
                    names.append(name)
                    break
            else:
                floors.append((own, [name]))
        asked = {
            name: (self.finding("overall.mae", model, judge, name) or {"n": 0})["n"] for _, g in floors for name in g
        }
        return tuple(tuple(names) for _, names in sorted(floors, key=lambda one: -max(asked[name] for name in one[1])))

    def left_out(self, model: str) -> list[tuple[str, Row]]:
        """Return (condition, finding) of the adapters some of whose answers their training had a say in."""
        start = f"unseen@training|{model}|"
        return [(name.removeprefix(start), row) for name, row in self.by_id.items() if name.startswith(start)]

    def under(self, prefix: str, model: str, judge: str, condition: str) -> Iterator[tuple[str, Row]]:
        """Yield (rest of the name, finding) of the findings whose name begins with `prefix`."""
        end = f"@{judge}|{model}|{condition}"
        for name, row in self.by_id.items():
            if name.startswith(prefix) and name.endswith(end):
                yield name.removeprefix(prefix).removesuffix(end), row

    @cached_property
    def _sheets(self) -> tuple[Asked, ...]:
        marks = self.details.filter(pl.col("name") == "control.questionnaire.sheet").iter_rows(named=True)
        found = []
        for mark in marks:
            model, _, condition = mark["source"].partition("|")
            found.append(
                Asked(
                    label=mark["label"],
                    model=model,
                    condition=condition,
                    instrument=mark["text"],
                    respondents=int(mark["value"]),
                )
            )
        return tuple(sorted(found, key=lambda one: (one.condition != "prompted", one.condition, one.label)))

    def sheets(self, model: str) -> tuple[Asked, ...]:
        """Return the questionnaires of a model, the prompted ones first."""
        return tuple(one for one in self._sheets if one.model == model)

    def questioned(self, model: str) -> tuple[str, ...]:
        """Return the conditions under which a model filled in a questionnaire with norms."""
        found = dict.fromkeys(one.condition for one in self.sheets(model) if one.instrument == INSTRUMENT)
        return tuple(name for name in found if name != UNTARGETED)

    def scored(self, one: Asked, name: str) -> Row | None:
        """Return one finding of a questionnaire."""
        return self.by_id.get(f"questionnaire.{one.label}.{name}")

    def scores_under(self, one: Asked, prefix: str) -> list[tuple[str, Row]]:
        """Return (rest of the name, finding) of a questionnaire's findings whose name begins with `prefix`."""
        start = f"questionnaire.{one.label}.{prefix}"
        return [(name.removeprefix(start), row) for name, row in self.by_id.items() if name.startswith(start)]

    def marks(self, name: str, source: str) -> list[dict[str, Any]]:
        """Return the marks of a picture and source."""
        found = self.details.filter((pl.col("name") == f"control.{name}") & (pl.col("source") == source))
        return found.to_dicts()


def of_findings(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that the sheets are drawn from."""
    return findings.filter(pl.col("id").str.starts_with("control."))
