"""`cityfolk evaluate DIR [people|text|pairs|control]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import DryRun, Folder, Json
from cityfolk.errors import UsageError


def evaluate(
    folder: Folder,
    what: Annotated[
        list[str] | None, typer.Argument(help="people, text, pairs, control, or all (what there is).")
    ] = None,
    embedder: Annotated[
        str, typer.Option("--embedder", help="lexical, none, or a sentence-embedding model on this machine.")
    ] = "lexical",
    classifier: Annotated[
        list[str] | None,
        typer.Option("--classifier", help="A sentiment or emotion model on this machine. May be given again."),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", help="Ask the engine for control first: quick, standard or full.")
    ] = "",
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="With --preset: who answers. May be given again.")
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option("--judge", help="With --preset: who reads; rater and lexicon by default.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure a study: people against their tables, written lives against the facts, preference data,
    and how far requested personalities reach."""
    from cityfolk.stages import measure
    from cityfolk.stages.measure_control import control_text
    from cityfolk.study.folder import Study

    if preset:
        _ask(folder, what, preset, engine, judge, dry_run=dry_run, as_json=as_json)
        if dry_run:
            return
        what = ["control"]
    elif engine or judge or dry_run:
        raise UsageError("nothing is asked without a preset", hint="such as control --preset quick --engine pocket")
    with Study.open(folder) as study, stepping() as step:
        summary = measure(study, what or None, embedder=embedder, classifiers=classifier or (), step=step)
    lines = [f"{row['title']}: {row['text']}" for row in summary["headline"]]
    lines += [control_text(summary["control"])] if summary.get("control") else []
    lines.append(f"{summary['findings']} findings: {folder / 'findings.parquet'}")
    result("\n".join(lines), summary, as_json=as_json)


def _ask(
    folder: Path,
    what: list[str] | None,
    preset: str,
    engine: list[str] | None,
    judge: list[str] | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask what a preset names, after saying how much that is; with `dry_run` say it and no more."""
    from cityfolk.stages.ask_control import AskOptions, ask_control, plan_control, plan_words
    from cityfolk.study.folder import Study

    if what != ["control"]:
        raise UsageError(
            "a preset asks for control alone", hint=f"cityfolk evaluate {folder} control --preset {preset}"
        )
    options = AskOptions(preset=preset, engines=tuple(engine or ("pocket",)), judges=tuple(judge or ()))
    if dry_run:
        plan = plan_control(options)
        if (folder / "questions.parquet").exists():
            with Study.open(folder, read_only=True) as study:
                plan = plan_control(options, study)
        result(plan_words(plan), plan, as_json=as_json)
        return
    say(plan_words(plan_control(options)))
    with Study.open(folder, create=True) as study, stepping() as step:
        for notice in ask_control(study, options, step=step)["notices"]:
            say(notice)
