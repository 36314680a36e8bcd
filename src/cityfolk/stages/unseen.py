"""What the trainings of a study's adapters have looked at, so that none is measured on its own questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.evaluation.control.unseen import NAME, Watched, sentence, unseen
from cityfolk.evaluation.preferences.tables import Preferences
from cityfolk.stages.ask_control import adapter_in
from cityfolk.study.folder import Study
from cityfolk.training.record import RECORD, read_training
from cityfolk.types import Finding

FOLDER = "adapters"


def trainings_of(study: Study) -> dict[str, Watched]:
    """Return by name what the adapters of a study watched in training: those in it, and those its engines named.

    Ids of questions hold where the adapter was trained in this study; elsewhere only the words of a question tell.
    """
    found: dict[str, Watched] = {}
    for folder in _folders(study):
        training = read_training(folder)
        own = folder.resolve().parent == (study.folder / FOLDER).resolve()
        watched = Watched(
            ids=frozenset(training.watched_questions) if own else frozenset(), texts=frozenset(training.watched_texts)
        )
        found[folder.name] = found.get(folder.name, Watched()) | watched
    return found


def _folders(study: Study) -> Iterator[Path]:
    """Yield the folders of trained adapters, each once."""
    specs = [spec for stage in study.manifest["stages"].values() for spec in stage.get("free", {}).get("specs", ())]
    named = [Path(place) for spec in specs if "+" in spec and (place := adapter_in(spec))]
    seen = set()
    for folder in [*sorted((study.folder / FOLDER).glob("*")), *named]:
        if (folder / RECORD).is_file() and folder.resolve() not in seen:
            seen.add(folder.resolve())
            yield folder


def without_trained(study: Study, data: Preferences) -> tuple[Preferences, list[Finding]]:
    """Return preference data without answers that an adapter's own training had a say in, and what was left out.

    `data` holds an adapter's answers as a condition of the model that it adapts. UsageError where nothing remains.
    """
    kept, findings = unseen(data, trainings_of(study))
    targeted = pl.col("target_openness").is_not_null()
    if findings and not kept.answers.filter(targeted).height:
        names = ", ".join(finding.id.split("|", 2)[2] for finding in findings)
        raise UsageError(
            f"none of the answers of {names} is to a question that its training had no say in, so nothing is measured",
            hint=f"ask for more questions with `cityfolk questions {study.folder} --n N`, then have them answered with "
            "`cityfolk answer ... --split held-out` and judged",
        )
    return kept, findings


def lines(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what was left out, a sentence an adapter, from findings as rows of their table."""
    return [
        sentence(row["id"].split("|", 2)[2], row["value"], row["n"], row["note"])
        for row in findings
        if row["id"].startswith(f"control.{NAME}@")
    ]
