"""`compare`: studies side by side; those that wrote the same people also person by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.errors import StudyError, UsageError
from cityfolk.evaluation.corpus import Corpus
from cityfolk.reports.evidence import SUMMARY
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS, Shown
from cityfolk.reports.evidence_page import EvidencePage, build_evidence_page
from cityfolk.reports.numbers import number
from cityfolk.stages.compare_control import compare_control, compare_text
from cityfolk.stages.measure import corpus_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.files import write_text
from cityfolk.study.folder import Study

CELL = "people.certificate.cell."


def compare_studies(folders: Sequence[Path | str], *, out: Path | None = None, step: Step = quiet) -> dict[str, Any]:
    """Join the findings of two or more studies by id; compare those that wrote the same people person by person.

    Control, where two of them measured it, is held side by side and against one another (`compare_control`).

    Returns "findings" (id, title, unit, expected, and by source value, low, high, n), "differences" (paired, with
    their intervals; none where the people are not the same), "sources", "paired" (why or why not), "control", "text".
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise UsageError("one study cannot be compared", hint="name two or more folders")
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a study is named twice", hint="name different folders")
    labels = _labels(paths)
    studies = [Study.open(path, read_only=True) for path in paths]
    for study in studies:
        if not study.has("findings"):
            raise StudyError(f"{study.folder} was not measured", hint=f"run `cityfolk evaluate {study.folder}` first")
    sources, rows = _joined(studies, labels)
    step("compare", 0, 1, "findings")
    corpus, why = joint_corpus(studies, labels)
    differences = _differences(corpus) if corpus is not None else []
    control = compare_control(studies, labels)
    step("compare", 1, 1, "")
    done: dict[str, Any] = {
        "sources": sources,
        "findings": rows,
        "differences": differences,
        "paired": why,
        "control": control,
    }
    done["text"] = _words(done)
    if out is not None:
        write_text(out, _page(studies, labels, done))
        done["page"] = str(out)
        done["text"] += f"\n{out}"
    return done


def _page(studies: Sequence[Study], labels: Sequence[str], done: dict[str, Any]) -> str:
    """Return the studies side by side as a page: their numbers joined, their pictures drawn together."""
    frames, details, profiles = [], [], []
    for study, label in zip(studies, labels, strict=True):
        findings = study.findings().filter(~pl.col("id").str.starts_with(CELL))
        engine = pl.col("id").str.splitn("@", 2).struct.field("field_1")
        named = pl.when(engine.is_null()).then(pl.lit(label)).otherwise(pl.lit(f"{label}: ") + engine)
        base = pl.col("id").str.splitn("@", 2).struct.field("field_0")
        frames.append(findings.with_columns(id=base + pl.lit("@") + named))
        if study.has("profiles"):
            written = study.read("profiles")
            several = written["engine"].n_unique() > 1
            source = pl.lit(f"{label}: ") + pl.col("engine") if several else pl.lit(label)
            profiles.append(written.select("person_id", engine=source))
            if study.has("details"):
                marked = pl.lit(f"{label}: ") + pl.col("source") if several else pl.lit(label)
                details.append(study.read("details").filter(pl.col("name") != "compare").with_columns(source=marked))
    sources = tuple(dict.fromkeys(s for frame in profiles for s in frame["engine"].unique().sort()))
    shown = Shown(
        findings=pl.concat(frames),
        details=pl.concat(details) if details else EMPTY_DETAILS,
        sources=sources or tuple(done["sources"]),
    )
    return build_evidence_page(
        EvidencePage(
            heading=" and ".join(labels) if len(labels) < 4 else f"{len(labels)} studies",
            lead=f"{len(labels)} studies side by side.",
            shown=shown,
            joined=done["findings"],
            differences=done["differences"],
            paired=done["paired"],
            control=done["control"] or None,
            versions=next((s["versions"] for s in studies[0].manifest["stages"].values() if "versions" in s), {}),
        )
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _joined(studies: Sequence[Study], labels: Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the sources (a study, or each of its engines) and one row an id, in order of first appearance."""
    sources: list[str] = []
    rows: dict[str, dict[str, Any]] = {}
    for study, label in zip(studies, labels, strict=True):
        # Sheets of control have lines of their own: each of their numbers is of a judge, a model and a condition.
        apart = pl.col("id").str.starts_with(CELL) | pl.col("id").str.starts_with("control.")
        for found in study.findings().filter(~apart).iter_rows(named=True):
            name, _, engine = found["id"].partition("@")
            source = f"{label}: {engine}" if engine else label
            if source not in sources:
                sources.append(source)
            about = {key: found[key] for key in ("title", "unit", "expected", "note")}
            title = about["title"].removesuffix(f" ({engine})") if engine else about["title"]
            row = rows.setdefault(name, {"id": name, **about, "title": title, "by": {}})
            row["by"][source] = {key: found[key] for key in ("value", "low", "high", "n", "verdict")}
    return sources, list(rows.values())


def joint_corpus(studies: Sequence[Study], labels: Sequence[str]) -> tuple[Corpus | None, str]:
    """Return one corpus of studies that wrote the same people, its sources named after them; None and why if not."""
    if not all(study.has("profiles") for study in studies):
        return None, "not every study has written lives"
    tables = {study.manifest["tables"]["people"]["sha256"] for study in studies}
    if len(tables) > 1:
        return None, "the studies are about different people, so nothing is compared person by person"
    corpora = [corpus_of(study) for study in studies]
    parts = []
    for corpus, label in zip(corpora, labels, strict=True):
        several = len(corpus.sources) > 1
        name = pl.lit(f"{label}: ") + pl.col("source") if several else pl.lit(label)
        parts.append(corpus.profiles.select("person_id", *corpus.fields, source=name))
    known = [corpus.people for corpus in corpora if corpus.people is not None]
    people = pl.concat(known).unique("person_id", keep="first", maintain_order=True) if known else None
    profiles = pl.concat(parts, how="diagonal_relaxed")
    fields = tuple(name for name in profiles.columns if name not in ("person_id", "source"))
    shared = profiles.group_by("person_id").agg(pl.col("source").n_unique().alias("n")).filter(pl.col("n") > 1).height
    if not shared:
        return None, "no person was written in more than one of the studies"
    return Corpus(profiles=profiles, fields=fields, people=people), f"{shared:,} people were written in each of them"


def _differences(corpus: Corpus) -> list[dict[str, Any]]:
    from cityfolk.evaluation.comparing import compare_evidence

    return [asdict(finding) for finding in compare_evidence(corpus).findings]


def _words(done: dict[str, Any]) -> str:
    """Return what a terminal shows: the findings that sum a text up, then the differences."""
    reached = compare_text(done["control"])
    if reached and not done["findings"]:
        return reached
    sources, told = done["sources"], [name for name, _ in SUMMARY]
    rows = {row["id"]: row for row in done["findings"] if len(row["by"]) > 1}
    shown = [rows[name] for name in told if name in rows]
    width = max([len(row["title"]) for row in shown], default=0)
    lines = [" " * width + "".join(f"  {source:>20}" for source in sources)] if shown else []
    for row in shown:
        cells = (number(row["by"][s]["value"], row["unit"] or "") if s in row["by"] else "–" for s in sources)
        lines.append(f"{row['title']:<{width}}" + "".join(f"  {cell:>20}" for cell in cells))
    lines.append(f"{len(rows):,} numbers that two of them have: see them all with --json or --out FILE.html")
    lines.append(done["paired"])
    for found in done["differences"]:
        unit = found["unit"] or ""
        spread = f" ({number(found['low'], unit)} to {number(found['high'], unit)})" if found["low"] is not None else ""
        sure = "differs" if found["verdict"] == "outside" else "no clear difference"
        lines.append(f"{found['title']}: {number(found['value'], unit)}{spread}, {sure}")
    return "\n".join([reached, *lines] if reached else lines)
