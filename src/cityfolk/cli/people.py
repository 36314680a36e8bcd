"""`cityfolk people PLACE --out DIR`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import Json, Out, Seed


def people(
    place: Annotated[str, typer.Argument(help="A place from `cityfolk places`, or a pack's folder.")],
    out: Out,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Build everyone who lives in a place, each with a personality."""
    from cityfolk.places.pack import load_place
    from cityfolk.stages import make_people
    from cityfolk.study.folder import Study

    load_place(place)  # a wrong place is known before a folder is made
    with Study.open(out, create=True) as study, stepping() as step:
        made = make_people(study, place, seed, step=step)
    text = f"{made['people']:,} people in {made['households']:,} households and units of {made['place']}: {out}"
    result(text, made | {"folder": str(out)}, as_json=as_json)
