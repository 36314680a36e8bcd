"""`cityfolk evaluate DIR [people|text|pairs]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import Folder, Json


def evaluate(
    folder: Folder,
    what: Annotated[list[str] | None, typer.Argument(help="people, text, pairs, or all (what there is).")] = None,
    embedder: Annotated[
        str, typer.Option("--embedder", help="lexical, none, or a sentence-embedding model on this machine.")
    ] = "lexical",
    classifier: Annotated[
        list[str] | None,
        typer.Option("--classifier", help="A sentiment or emotion model on this machine. May be given again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a study: people against their tables, written lives against the facts, preference data."""
    from cityfolk.stages import measure
    from cityfolk.study.folder import Study

    with Study.open(folder) as study, stepping() as step:
        summary = measure(study, what or None, embedder=embedder, classifiers=classifier or (), step=step)
    lines = [f"{row['title']}: {row['text']}" for row in summary["headline"]]
    lines.append(f"{summary['findings']} findings: {folder / 'findings.parquet'}")
    result("\n".join(lines), summary, as_json=as_json)
