"""`cityfolk show DIR PERSON_ID`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cityfolk.cli.console import result
from cityfolk.cli.options import Folder, Json


def show(
    folder: Folder,
    person_id: Annotated[int, typer.Argument(help="A person_id of people.parquet.", min=0)],
    as_json: Json = False,
) -> None:
    """Show one citizen: facts, personality, household, and the written life if there is one."""
    from cityfolk.reports.show import rich_view
    from cityfolk.stages import show_citizen
    from cityfolk.stages.pages import report_inputs
    from cityfolk.study.folder import Study

    with Study.open(folder, read_only=True) as study:
        text, document = show_citizen(study, person_id)
        if sys.stdout.isatty() and not as_json:
            from rich.console import Console

            Console().print(rich_view(report_inputs(study), person_id))
            return
    result(text, document, as_json=as_json)
