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
    gguf: Annotated[bool, typer.Option("--gguf", help="The pocket model for llama.cpp and Ollama.")] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="With --gguf: which one, as pocket:FOLDER+ADAPTER.")
    ] = "pocket",
    to: Annotated[Path | None, typer.Option("--to", help="Where to; by default DIR/export.")] = None,
    as_json: Json = False,
) -> None:
    """Write a study's tables for other programs: CSV and JSON Lines, unless --geo, --hf or --gguf asks otherwise."""
    from cityfolk.stages import export_model, export_study
    from cityfolk.study.folder import Study

    with Study.open(folder, read_only=True) as study:
        target = to or folder / "export"
        files = export_model(engine, target) if gguf else export_study(study, target, geo=geo, hf=hf)
    result("\n".join(map(str, files)), {"files": [str(file) for file in files]}, as_json=as_json)
