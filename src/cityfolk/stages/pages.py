"""`report`, `show`, `export`: a study read back for people and for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.engines.pocket import PocketEngine
from cityfolk.engines.registry import load_engine
from cityfolk.errors import UsageError
from cityfolk.places.pack import Place
from cityfolk.pocket.arrays import read_raw
from cityfolk.pocket.gguf import modelfile, write_gguf
from cityfolk.preferences.pairs import check_leakage, check_pairs
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS
from cityfolk.reports.export import export_geo, export_hf, export_tables
from cityfolk.reports.export_preferences import PreferenceInputs, export_preferences
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.page import build_report
from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.reports.preference_page import build_preference_page
from cityfolk.reports.preferences import of_findings
from cityfolk.reports.show import plain_text, show_document
from cityfolk.stages.control_parts import PARTS, has_parts
from cityfolk.stages.evidence import imported_page
from cityfolk.stages.measure import is_imported
from cityfolk.stages.measure_control import DETAILS as CONTROL
from cityfolk.stages.measure_pairs import DETAILS, has_preferences
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import write_text
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.study.provenance import versions

PAGE = "report.html"


def make_report(study: Study, *, title: str = "", step: Step = quiet) -> Path:
    """Make report.html; return its path."""
    study.begin("report", {}, free={"title": title})
    study.work("report")
    step("report", 0, 1, "")
    page = study.folder / PAGE
    write_text(page, _page(study, title))
    study.finish("report")
    step("report", 1, 1, "")
    return page.resolve()


def _page(study: Study, title: str) -> str:
    if not study.has("people") and (has_preferences(study) or has_parts(study)):
        return build_preference_page(preferences_shown(study), title=title, calls=_calls(study))
    return imported_page(study, title) if is_imported(study) else build_report(report_inputs(study), title=title)


def preferences_shown(study: Study) -> PreferencesShown:
    """Read everything that the pages of preference data are drawn from."""
    stages = study.manifest["stages"]
    last: dict[str, Any] = next(
        (stages[verb] for verb in ("evaluate", "judge", "answer", "questions") if verb in stages), {}
    )
    shown = PreferencesShown(
        findings=of_findings(study.findings()),
        notices=stages.get("judge", {}).get("facts", {}).get("notices", ()),
        failures=study.failures(),
        versions=last.get("versions", {}),
        seed=study.seed(),
    )
    control = control_shown(study)
    if control is not None:
        shown = replace(shown, control=control)
    return replace(shown, details=study.read(DETAILS)) if study.has(DETAILS) else shown


def control_shown(study: Study) -> ControlShown | None:
    """Read what the sheets of control are drawn from, None where nothing was measured."""
    findings = of_findings(study.findings())
    tables = [CONTROL, *(part.DETAILS for part in PARTS if hasattr(part, "DETAILS"))]
    marks = [study.read(table) for table in tables if study.has(table)]
    if not marks and not findings["id"].str.starts_with("control.").any():
        return None
    return ControlShown(findings=findings, details=pl.concat(marks) if marks else EMPTY_DETAILS)


def _calls(study: Study) -> Sequence[Mapping[str, Any]]:
    return study.journal.summary() if (study.folder / JOURNAL).exists() else ()


def report_inputs(study: Study) -> ReportInputs:
    """Read everything that a report is made from."""
    place = place_of(study)
    about = study.read_metadata("people")
    return ReportInputs(
        place_title=place.title,
        people=study.read("people"),
        households=study.read("households"),
        findings=study.findings(),
        cohort=study.read("cohort") if study.has("cohort") else None,
        profiles=study.read("profiles") if study.has("profiles") else None,
        details=study.read("details") if study.has("details") else None,
        manifest=study.manifest,
        preferences=preferences_shown(study) if has_preferences(study) else None,
        calls=_calls(study),
        failures=study.failures(),
        sources=json.loads(about.get("cityfolk.sources", "{}")),
        borrowed=json.loads(about.get("cityfolk.borrowed", "{}")),
        tables=place.tables,
        geometry=place.geometry,
        names=_neighbourhoods(place),
        notes=place.about.notes,
    )


def _neighbourhoods(place: Place) -> dict[str, str]:
    areas = place.block_groups
    if areas is None or "neighbourhood" not in areas.columns:
        return {}
    return {area: name for area, name in areas.select("block_group", "neighbourhood").iter_rows() if name}


def show_citizen(study: Study, person_id: int) -> tuple[str, dict[str, Any]]:
    """Return one citizen in words and as a document; UsageError if there is nobody of that number."""
    people = study.read("people")
    if person_id >= people.height:
        raise UsageError(
            f"there is no person {person_id} in {study.folder}", hint=f"person_id runs from 0 to {people.height - 1}"
        )
    inputs = report_inputs(study)
    return plain_text(inputs, person_id), show_document(inputs, person_id)


def export_study(study: Study, to: Path, *, geo: bool = False, hf: bool = False) -> list[Path]:
    """Write a study's tables under `to`; return the files. With `hf` its preference pairs as datasets of their own."""
    if hf and study.tables_in("pairs"):
        pairs = export_preferences(preference_inputs(study), to)
        return [*(export_hf(report_inputs(study), to) if study.has("households") else []), *pairs]
    inputs = report_inputs(study)
    if geo:
        return export_geo(inputs, to)
    if hf:
        return export_hf(inputs, to)
    return export_tables(inputs, to)


def preference_inputs(study: Study) -> PreferenceInputs:
    """Read everything that an export of pairs is made from, and check it: splits by topic, chosen nearer its target.

    Raises DataError where a topic is in both splits or a pair's answers are exchanged or gone.
    """
    questions, answers, readings = (study.read(name) for name in ("questions", "answers", "readings"))
    check_leakage(questions)
    tables = {table.removeprefix("pairs/"): study.read(table) for table in study.tables_in("pairs")}
    for pairs in tables.values():
        check_pairs(pairs, answers, readings)
    stages = study.manifest["stages"]
    return PreferenceInputs(
        questions=questions,
        answers=answers,
        readings=readings,
        pairs=tables,
        made={name: stages.get(f"pair pairs/{name}", {}) for name in tables},
        version=versions()["cityfolk"],
    )


def export_model(engine: str, to: Path) -> list[Path]:
    """Write the weights of the engine "pocket[:FOLDER][+ADAPTER]" under `to` as GGUF, with an Ollama Modelfile."""
    made = load_engine(engine)
    if not isinstance(made, PocketEngine):
        raise UsageError(f"{engine!r} cannot be written as GGUF", hint="only the pocket engine's model can")
    adapter = Path(made.adapter) if made.adapter else None
    exact = made.model  # refuses an adapter of other weights
    name = "pocket-1" + (f"+{adapter.name}" if adapter else "")
    to.mkdir(parents=True, exist_ok=True)
    model = write_gguf(made.folder, to / f"{name}.gguf", adapter=adapter, name=exact)
    about = to / (f"{name}.Modelfile" if adapter else "Modelfile")
    write_text(about, modelfile(model.name, context=read_raw(made.folder).config["max_position_embeddings"]))
    return [model, about]
