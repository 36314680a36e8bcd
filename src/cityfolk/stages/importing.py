"""`import`: others' personas as a study that can be measured, reported and compared like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.imports.build import Imported, build, merge
from cityfolk.imports.mapping import read_mapping, settle
from cityfolk.imports.read import Raw, read_file
from cityfolk.places.pack import load_place
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import sha256
from cityfolk.study.folder import Study
from cityfolk.types import Failure

KINDS = ("profiles",)  # what `import_personas` reads
ALL_KINDS = (*KINDS, "questions")
STAGE = "import"


def import_personas(
    study: Study,
    files: Sequence[Path | str],
    *,
    mapping: Path | None = None,
    kind: str = "profiles",
    place: str | None = None,
    step: Step = quiet,
) -> dict[str, Any]:
    """Read files of personas into a study: people.parquet (what is known), profiles.parquet (what was written).

    Each file is one source, named after the file unless the mapping names it; each record is a person of its own.
    `place` names the pack whose tables they are held against. Returns counts and the account of every column. Records
    that could not be read are listed in failures.jsonl (`raise_if_lost`); everything else is kept.
    """
    if kind not in KINDS:
        check_kind(kind)
        raise UsageError(f"{kind} are no personas", hint=f"`cityfolk import FILE --kind {kind}` reads them")
    if not files:
        raise UsageError("no file was named", hint="name a file or a dataset folder")
    others = sorted(set(study.manifest["stages"]) & {"people", "write"})
    if others:
        raise StudyError(
            f"{study.folder} holds people made from tables", hint="import into a folder of its own with --out"
        )
    if place is not None:
        load_place(place)
        place = str(Path(place).resolve()) if Path(place).is_dir() else place
    paths = [Path(file) for file in files]
    asked = read_mapping(mapping)
    names = _names(paths, asked.source)
    raws: list[Raw] = []
    for done, path in enumerate(paths):
        step(STAGE, done, len(paths), path.name)
        raws.append(read_file(path))
    parts: list[Imported] = []
    for raw, name in zip(raws, names, strict=True):
        settled = settle(asked, raw.rows, raw.columns)
        parts.append(build(raw.rows, settled, name, first_id=sum(part.people.height for part in parts)))
    whole = merge(parts)
    study.begin(
        STAGE, {"files": [_identity(p) for p in paths], "mapping": asked.model_dump(), "kind": kind, "place": place}
    )
    study.work(STAGE)
    about = {
        "cityfolk.imported": json.dumps([p.name for p in paths], ensure_ascii=False),
        "cityfolk.mapping": json.dumps([asdict(a) for a in whole.accounts], ensure_ascii=False),
    }
    study.write("people", whole.people, metadata=about)
    study.write("profiles", whole.profiles, metadata=about)
    failures = [
        Failure(key=f"{path.name}:{lost.at}", stage=STAGE, label=path.name, reason=lost.reason, raw=lost.excerpt)
        for path, raw in zip(paths, raws, strict=True)
        for lost in raw.tally.lost
    ]
    study.replace_failures(STAGE, failures)
    facts = _counts(raws, names, whole)
    study.finish(STAGE, **facts)
    step(STAGE, len(paths), len(paths), "")
    return {**facts, "columns": [asdict(account) for account in whole.accounts], "folder": str(study.folder)}


def check_kind(kind: str) -> None:
    """Raise UsageError for a kind of file that there is not."""
    if kind not in (*ALL_KINDS, "auto"):
        raise UsageError(
            f"there is no kind of import called {kind!r}",
            hint=f"one of {', '.join(ALL_KINDS)}, auto; for a tuned model's judged answers name their --persona",
        )


def raise_if_lost(study: Study) -> None:
    """Raise IncompleteError if the import left records unread."""
    lost = study.manifest["stages"][STAGE]["facts"]["lost"]
    if lost:
        raise IncompleteError(
            f"{lost:,} {'piece' if lost == 1 else 'pieces'} of the file could not be read; the rest is kept",
            hint=f"see {study.folder / 'failures.jsonl'}",
        )


def _names(paths: Sequence[Path], source: str | None) -> list[str]:
    if source and len(paths) == 1:
        return [source]
    names: list[str] = []
    for path in paths:
        stem, number = path.name if path.is_dir() else path.stem, 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def _identity(path: Path) -> dict[str, str]:
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.is_file())
        return {"name": path.name, **{str(p.relative_to(path)): sha256(p) for p in parts}}
    return {"name": path.name, "sha256": sha256(path)}


def _counts(raws: Sequence[Raw], names: Sequence[str], whole: Imported) -> dict[str, Any]:
    return {
        "profiles": whole.profiles.height,
        "records": sum(len(raw.rows) for raw in raws),
        "without_text": sum(len(raw.rows) for raw in raws) - whole.profiles.height,
        "mended": sum(raw.tally.mended for raw in raws),
        "lost": sum(len(raw.tally.lost) for raw in raws),
        "lost_by_source": {name: len(raw.tally.lost) for name, raw in zip(names, raws, strict=True)},
        "repeated_keys": sum(raw.tally.repeated_keys for raw in raws),
        "not_numbers": sum(raw.tally.not_numbers for raw in raws),
        "cleaned_texts": sum(raw.cleaned for raw in raws),
        "cut_texts": sum(raw.cut for raw in raws),
        "replaced_bytes": sum(raw.replaced_bytes for raw in raws),
    }
