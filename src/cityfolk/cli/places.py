"""`cityfolk places` and `cityfolk places add NAME --from FOLDER --geo GEOID`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityfolk.cli.console import result
from cityfolk.cli.options import Json


def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List the places there are, or add one."""
    if context.invoked_subcommand is not None:
        return
    from cityfolk.places.pack import list_places, load_place

    rows = []
    for name in list_places():
        place = load_place(name)
        rows.append({"name": name, "title": place.title, "cells": place.tables.height, "vintage": place.vintage})
    text = "\n".join(f"{r['name']:<20} {r['title']} ({r['cells']:,} official figures, {r['vintage']})" for r in rows)
    result(text, rows, as_json=as_json)


def add(
    name: Annotated[str, typer.Argument(help="What the place will be called, such as boston-ma.")],
    source: Annotated[Path, typer.Option("--from", help="The folder with files downloaded from data.census.gov.")],
    geo: Annotated[str, typer.Option("--geo", help="The geography's GEO_ID, such as 1600000US2507000.")],
    as_json: Json = False,
) -> None:
    """Make a place pack from files as one downloads them from the Census Bureau's site; no key needed."""
    from cityfolk.places.add import add_place

    folder = add_place(name, source, geo)
    text = f"{name} is ready: cityfolk people {name} --out {name}\n({folder})"
    result(text, {"name": name, "folder": str(folder)}, as_json=as_json)
