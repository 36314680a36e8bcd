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
    adapter: Annotated[
        str, typer.Option("--adapter", help="A trained adapter: with --merged (the default), --gguf or --ollama.")
    ] = "",
    merged: Annotated[bool, typer.Option("--merged", help="The adapter added to its base model, as a folder.")] = False,
    ollama: Annotated[bool, typer.Option("--ollama", help="The same, with NAME.Modelfile for Ollama.")] = False,
    model: Annotated[str, typer.Option("--model", help="With --adapter: its base model, if not as trained.")] = "",
    dtype: Annotated[
        str, typer.Option("--dtype", help="With --adapter: auto, checkpoint, float32, bfloat16, float16.")
    ] = "auto",
    to: Annotated[Path | None, typer.Option("--to", help="Where to; by default DIR/export.")] = None,
    as_json: Json = False,
) -> None:
    """Write a study's tables for other programs: CSV and JSON Lines, unless an option asks for something else."""
    from cityfolk.errors import UsageError
    from cityfolk.stages import export_model, export_study
    from cityfolk.stages.export_adapter import export_adapter
    from cityfolk.study.folder import Study

    if (merged or ollama or model) and not adapter:
        raise UsageError("there is no adapter named", hint="such as --adapter diplomat")
    if adapter and (geo or hf):
        raise UsageError(
            f"--{'geo' if geo else 'hf'} writes a study's tables, and --adapter names an adapter",
            hint="leave one of them out; an adapter goes out with --merged, --gguf or --ollama",
        )
    if geo + hf + gguf + merged + ollama > 1:
        raise UsageError("these are several exports", hint="ask for one at a time")
    steps: list[str] = []
    with Study.open(folder, read_only=True) as study:
        target = to or folder / "export"
        if adapter:
            form = "gguf" if gguf else "ollama" if ollama else "merged"
            made = export_adapter(folder, adapter, target, form=form, model=model, dtype=dtype)
            files, steps = made.files, made.next
        else:
            files = export_model(engine, target) if gguf else export_study(study, target, geo=geo, hf=hf)
    told = [*map(str, files), *(f"next: {step}" for step in steps)]
    document = {"files": [str(file) for file in files], **({"next": steps} if adapter else {})}
    result("\n".join(told), document, as_json=as_json)
