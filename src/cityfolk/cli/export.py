"""`cityfolk export DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result
from cityfolk.cli.options import Folder, Json


def export(
    folder: Folder,
    geo: Annotated[bool, typer.Option("--geo", help="Homes and commutes, for GeoPandas and Mesa.")] = False,
    hf: Annotated[bool, typer.Option("--hf", help="A Hugging Face dataset folder with a card.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Where to; by default DIR/export.")] = None,
    as_json: Json = False,
) -> None:
    """Write a study's tables for other programs: CSV and JSON Lines, unless --geo or --hf asks otherwise."""
    from cityfolk.stages import export_study
    from cityfolk.study.folder import Study

    with Study.open(folder, read_only=True) as study:
        files = export_study(study, to or folder / "export", geo=geo, hf=hf)
    result("\n".join(map(str, files)), {"files": [str(file) for file in files]}, as_json=as_json)
