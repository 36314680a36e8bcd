"""Options that verbs share, spelt once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The study's folder.", metavar="DIR")]
Out = Annotated[Path, typer.Option("--out", help="The folder to make or continue.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same people.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
EngineNames = Annotated[
    list[str], typer.Option("--engine", help="Who writes: a name from `cityfolk engines`. May be given again.")
]
