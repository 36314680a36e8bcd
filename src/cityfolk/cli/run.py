"""`cityfolk run [STUDY.toml] [--out DIR]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import Json


def run(
    file: Annotated[Path | None, typer.Argument(help="A study.toml; without one: Cambridge, 200 lives.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder to make or continue.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Run the stages that a study has sections for, in order, continuing where it stopped."""
    from cityfolk.config import default_config, read_config
    from cityfolk.stages import check_study, run_study
    from cityfolk.study.folder import Study

    config = read_config(file) if file else default_config()
    check_study(config)
    with Study.open(out, create=True) as study, stepping() as step:
        done = run_study(study, config, step=step)
    for line in done["lines"]:
        say(line)
    result(done["result"], done, as_json=as_json)
