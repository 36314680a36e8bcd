"""`cityfolk counterfactual DIR --swap origin=Haiti`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import Folder, Json

_Swap = Annotated[
    list[str],
    typer.Option("--swap", help='What is swapped: origin=Haiti, sex, age=70, "religion=Muslim". May be given again.'),
]


def counterfactual(
    folder: Folder,
    swap: _Swap,
    n: Annotated[int, typer.Option("--n", min=1, help="How many citizens are written both ways.")] = 50,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How often each of the two is written.")] = 1,
    engine: Annotated[
        list[str], typer.Option("--engine", help="Who writes: by default whoever wrote the study. May be given again.")
    ] = [],  # noqa: B006 - typer copies it
    as_json: Json = False,
) -> None:
    """Write citizens again with one attribute swapped, to see what a model makes of it."""
    from cityfolk.stages.counterfactual import CounterfactualOptions, write_counterfactuals
    from cityfolk.study.folder import Study

    options = CounterfactualOptions(swaps=tuple(swap), n=n, samples=samples, engines=tuple(engine))
    with Study.open(folder) as study, stepping() as step:
        done = write_counterfactuals(study, options, step=step)
    lines = [
        f"{label}: {count:,} pairs"
        + (f", {done['skipped'][label]:,} citizens passed over" if done["skipped"][label] else "")
        for label, count in done["pairs"].items()
    ]
    result("\n".join(lines), done | {"folder": str(folder)}, as_json=as_json)
