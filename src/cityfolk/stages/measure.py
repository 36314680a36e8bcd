"""`evaluate`: people against their place's tables, rules and norms; written lives against the facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.evaluation.people import evaluate_people
from cityfolk.evaluation.personality_check import personality_findings
from cityfolk.evaluation.rater import expressed_findings
from cityfolk.evaluation.text_basic import text_findings
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

HEADLINE = (
    "people.certificate.inside",
    "people.certificate.fitted.inside",
    "people.rules.broken",
    "text.clear.core",
)


def measure(study: Study, what: Sequence[str] | None = None, *, step: Step = quiet) -> dict[str, Any]:
    """Measure the parts of a study that are asked for (all there are, by default) and keep the findings."""
    available: dict[str, Callable[[Study], list[Finding]]] = {"people": _people}
    if study.has("profiles"):
        available["text"] = _text
    for name in what or available:
        if name not in ("people", "text"):
            raise UsageError(f"{name!r} cannot be evaluated", hint="people or text")
        if name not in available:
            raise UsageError(f"{study.folder} has no written lives", hint=f"run `cityfolk write {study.folder}` first")
    study.begin("evaluate", {}, free={"what": list(what or available)})
    study.work("evaluate")
    chosen = list(what or available)
    for done, name in enumerate(chosen):
        step("evaluate", done, len(chosen), name)
        study.replace_findings(f"{name}.", available[name](study))
    step("evaluate", len(chosen), len(chosen), "")
    study.finish("evaluate")
    return _summary(study)


def _people(study: Study) -> list[Finding]:
    place = place_of(study)
    about = study.read_metadata("people")
    people = study.read("people")
    findings = evaluate_people(
        people,
        study.read("households"),
        place.tables,
        associations=place.associations,
        fitted=json.loads(about.get("cityfolk.fitted", "[]")),
        state=place.state,
        geography=place.about.geography,
        vintage=place.about.vintage,
        seed=study.config("people")["seed"],
    )
    return findings + personality_findings(people)


def _text(study: Study) -> list[Finding]:
    profiles, people, cohort = study.read("profiles"), study.read("people"), study.read("cohort")
    facts = study.manifest["stages"].get("write", {}).get("facts", {})
    failures = facts.get("failed_by_engine", {})
    return text_findings(profiles, failures=failures) + expressed_findings(profiles, _as_asked(people, cohort))


def _as_asked(people: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return the cohort's people with the traits that the model was given: set by hand where the cohort says so."""
    by_hand = pl.col("overrides").str.json_decode(pl.Struct(dict.fromkeys(TRAITS, pl.Float32)))
    given = people.join(cohort.select("person_id", by_hand), on="person_id")
    return given.with_columns(
        pl.coalesce(pl.col("overrides").struct.field(trait), pl.col(trait)).alias(trait) for trait in TRAITS
    ).drop("overrides")


def _summary(study: Study) -> dict[str, Any]:
    rows = {row["id"]: row for row in study.findings().iter_rows(named=True)}
    headline = [
        {"id": row["id"], "title": row["title"], "value": row["value"], "text": _words(row)}
        for name in HEADLINE
        for row in rows.values()
        if row["id"].split("@")[0] == name
    ]
    return {"headline": headline, "findings": len(rows)}


def _words(row: dict[str, Any]) -> str:
    value = row["value"]
    if value is None:
        return "not known"
    text = f"{100 * value:.1f}%" if row["unit"] == "share" else f"{value:,.0f} {row['unit']}".strip()
    return text if row["n"] is None else f"{text} of {row['n']:,}"
