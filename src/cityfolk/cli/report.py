"""`cityfolk report DIR`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import result
from cityfolk.cli.options import Folder, Json


def report(
    folder: Folder,
    title: Annotated[str, typer.Option("--title", help="A heading of your own.")] = "",
    as_json: Json = False,
) -> None:
    """Make one self-contained page of everything that was found."""
    from cityfolk.stages import make_report
    from cityfolk.study.folder import Study

    with Study.open(folder) as study:
        page = make_report(study, title=title)
    result(str(page), {"report": str(page)}, as_json=as_json)
