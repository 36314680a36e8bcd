"""`evaluate`: people against their tables, rules and norms; written lives against the facts; preference data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from cityfolk.errors import CityfolkError, StudyError, UsageError
from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.expressed import expressed_findings
from cityfolk.evaluation.fairness.pairs import counterfactual_evidence
from cityfolk.evaluation.feeling.classifiers import Classifier, load_classifier
from cityfolk.evaluation.people import evaluate_people
from cityfolk.evaluation.personality_check import personality_findings
from cityfolk.evaluation.text_basic import text_findings, valid_finding
from cityfolk.places.pack import load_place
from cityfolk.profiles.cohort import ADULTS, filter_conditions
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.stages.control_lines import control_rows, questionnaire_rows
from cityfolk.stages.control_parts import has_parts, measure_parts, unread
from cityfolk.stages.control_questionnaire import DETAILS as QUESTIONNAIRE
from cityfolk.stages.measure_control import no_control
from cityfolk.stages.measure_pairs import has_preferences, measure_pairs
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import TextOptions, details_frame, measure_text, text_fields, youngest_of
from cityfolk.stages.unseen import lines as unseen_lines
from cityfolk.study.folder import Study
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

HEADLINE = (
    "people.certificate.inside",
    "people.certificate.fitted.inside",
    "people.rules.broken",
    "text.clear.core",
    "pairs.count",
    "pairs.coverage.corners",
    "pairs.order",
    "pairs.leak.topics",
)
DETAILS = "details"


def measure(
    study: Study,
    what: Sequence[str] | None = None,
    *,
    embedder: str = "lexical",
    classifiers: Sequence[Classifier | str] = (),
    step: Step = quiet,
) -> dict[str, Any]:
    """Measure the parts of a study that are asked for (all there are, by default) and keep the findings.

    `embedder` and `classifiers` name models on this machine for the text, and classifiers for control as well; without
    them what ships is used. Of control the summary has its "control" lines and the parts that "failed" with their
    errors; the others are measured; and "notices".
    """
    available: dict[str, Callable[[], list[Finding]]] = {}
    if study.has("people") and not is_imported(study):
        available["people"] = lambda: _people(study)
    if study.has("profiles"):
        available["text"] = lambda: _text(study, options, step)
    failed: dict[str, CityfolkError] = {}
    if has_parts(study):
        available["control"] = lambda: _control(study, options, step, failed)
    if has_preferences(study):
        available["pairs"] = lambda: measure_pairs(study, step=step)
    if not (what or available):
        raise StudyError(f"{study.folder} has nothing to evaluate", hint="make people, lives or questions first")
    for name in what or available:
        if name not in ("people", "text", "pairs", "control"):
            raise UsageError(f"{name!r} cannot be evaluated", hint="people, text, pairs or control")
        if name not in available:
            raise _absent(study, name)
    chosen = list(what or available)
    # What can't be loaded is told before anything is measured.
    loaded = tuple(load_classifier(one) if isinstance(one, str) else one for one in classifiers)
    options = TextOptions(embedder=embedder, classifiers=loaded)
    free = {"what": chosen, "embedder": embedder, "classifiers": [one.name for one in loaded]}
    study.begin("evaluate", {}, free=free)
    study.work("evaluate")
    for done, name in enumerate(chosen):
        step("evaluate", done, len(chosen), name)
        study.replace_findings(f"{name}.", available[name]())
    step("evaluate", len(chosen), len(chosen), "")
    study.finish("evaluate")
    if "control" not in chosen:
        return _summary(study)
    told = {"control": control_rows(study.findings()), "questionnaire": [], "failed": failed}
    told["notices"] = unread(study, loaded) + unseen_lines(study.findings().iter_rows(named=True))
    if study.has(QUESTIONNAIRE):
        shown = ControlShown(findings=study.findings(), details=study.read(QUESTIONNAIRE))
        told["questionnaire"] = questionnaire_rows(shown)
    return _summary(study) | told


def is_imported(study: Study) -> bool:
    """Say whether a study's profiles were written elsewhere, so that there are no tables behind its people."""
    return "import" in study.manifest["stages"]


def _absent(study: Study, name: str) -> UsageError:
    if name == "pairs":
        return UsageError(
            f"{study.folder} has no preference data", hint=f"begin with `cityfolk questions {study.folder}`"
        )
    if name == "control":
        return no_control(study)
    if name == "people" and not is_imported(study):
        return UsageError(f"{study.folder} has no people", hint="make some with `cityfolk people PLACE --out DIR`")
    if name == "people":
        return UsageError(
            f"the people of {study.folder} were imported: there are no tables to hold them against",
            hint=f"run `cityfolk evaluate {study.folder} text`",
        )
    return UsageError(f"{study.folder} has no written lives", hint=f"run `cityfolk write {study.folder}` first")


def corpus_of(study: Study) -> Corpus:
    """Return a study's written lives with what is known of the people they are about, traits set by hand applied."""
    profiles, people = study.read("profiles"), study.read("people")
    if study.has("cohort"):
        people = _as_asked(people, study.read("cohort"))
    seed = 0 if is_imported(study) else study.config("people")["seed"]
    profiles = profiles.with_columns(source=pl.col("engine").cast(pl.String))
    return Corpus(profiles=profiles, fields=text_fields(profiles), people=people, seed=seed)


def _control(study: Study, options: TextOptions, step: Step, failed: dict[str, CityfolkError]) -> list[Finding]:
    found, errors = measure_parts(study, classifiers=options.classifiers, step=step)
    failed |= errors
    return found


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


def _text(study: Study, options: TextOptions, step: Step) -> list[Finding]:
    profiles, corpus = study.read("profiles"), corpus_of(study)
    if is_imported(study):
        lost = study.manifest["stages"]["import"]["facts"]["lost_by_source"]
        findings = valid_finding(profiles, lost)
    else:
        failed = study.manifest["stages"].get("write", {}).get("facts", {}).get("failed_by_engine", {})
        findings = text_findings(profiles, failures=failed)
        findings += expressed_findings(profiles, corpus.people) if corpus.people is not None else []
    evidence = measure_text(corpus, replace(options, **_around(study, corpus)), step=step)
    if study.has("counterfactuals"):
        evidence += counterfactual_evidence(study.read("counterfactuals"), seed=corpus.seed)
    study.write(DETAILS, details_frame(evidence.details))
    return findings + list(evidence.findings)


def _around(study: Study, corpus: Corpus) -> dict[str, Any]:
    """Return what a study knows beside its texts: its place's tables, the cohort's weights, the least age."""
    weights = study.read("cohort").select("person_id", "weight") if study.has("cohort") else None
    if not is_imported(study):
        asked = study.config("write")
        # Official shares of all adults say nothing of those whom a filter or a trait chose.
        everybody = filter_conditions(asked.get("filter", ADULTS)) == [ADULTS] and not asked.get("targets")
        tables = place_of(study).tables if everybody else None
        return {"tables": tables, "weights": weights, "youngest": youngest_of(corpus)}
    place = study.config("import").get("place")
    tables = load_place(place).tables if place else None
    return {"tables": tables, "weights": weights, "youngest": youngest_of(corpus)}


def _as_asked(people: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return people with the traits that the model was given: set by hand where the cohort says so.

    Those who were not written stay: they are who the others live with.
    """
    by_hand = pl.col("overrides").str.json_decode(pl.Struct(dict.fromkeys(TRAITS, pl.Float32)))
    given = people.join(cohort.select("person_id", by_hand), on="person_id", how="left", maintain_order="left")
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
    if row["unit"] == "count":
        return f"{value:,.0f}" if row["expected"] is None else f"{value:,.0f} (should be {row['expected']:,.0f})"
    text = f"{100 * value:.1f}%" if row["unit"] == "share" else f"{value:,.0f} {row['unit']}".strip()
    return text if row["n"] is None else f"{text} of {row['n']:,}"
