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
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="How freely the model draws its words.")]
BudgetUsd = Annotated[
    float | None, typer.Option("--budget-usd", min=0.0, help="Stop before the study has cost this many dollars.")
]
BudgetTokens = Annotated[
    int | None, typer.Option("--budget-tokens", min=0, help="Stop before the study has taken this many tokens.")
]
RequestsPerMinute = Annotated[
    float | None, typer.Option("--requests-per-minute", min=0.01, help="Send no more than this.")
]
TokensPerMinute = Annotated[float | None, typer.Option("--tokens-per-minute", min=1.0, help="Use no more than this.")]
CacheFile = Annotated[
    Path | None, typer.Option("--cache", help="A file of replies that studies share; made if it is not there.")
]
Concurrency = Annotated[int | None, typer.Option("--concurrency", min=1, help="The most calls at once.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompt and the size and price of the job; ask nobody.")
]
