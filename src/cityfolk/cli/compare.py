"""`cityfolk compare DIR DIR ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import Json


def compare(
    folders: Annotated[list[Path], typer.Argument(help="The folders of two or more studies.", metavar="DIR DIR ...")],
    out: Annotated[Path | None, typer.Option("--out", help="Write a page (FILE.html) as well.")] = None,
    as_json: Json = False,
) -> None:
    """Put studies side by side; those that wrote the same people are compared person by person."""
    from cityfolk.stages import compare_studies

    with stepping() as step:
        done = compare_studies(folders, out=out, step=step)
    result(done.pop("text"), done, as_json=as_json)
