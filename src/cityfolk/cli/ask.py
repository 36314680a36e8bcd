"""`cityfolk ask DIR PERSON_ID "QUESTION"`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cityfolk.cli.console import result, say
from cityfolk.cli.options import Folder, Json


def ask(
    folder: Folder,
    person_id: Annotated[int, typer.Argument(help="Somebody whose life was written.", min=0)],
    question: Annotated[str, typer.Argument(help="What you want to know, in quotes.")],
    engine: Annotated[
        str, typer.Option("--engine", help="Who answers for the citizen; by default the model that wrote the life.")
    ] = "",
    new: Annotated[bool, typer.Option("--new", help="Begin another conversation; this one is kept.")] = False,
    as_json: Json = False,
) -> None:
    """Talk to a citizen who was written; the conversation is remembered."""
    from cityfolk.stages.ask_citizen import Talk
    from cityfolk.study.folder import Study

    with Study.open(folder) as study:
        answer = Talk(study, person_id, engine=engine, new=new).ask(question)
    if answer.left_out:
        say(f"{answer.name} no longer remembers the first {answer.left_out} turns: they do not fit in the prompt")
    result(answer.text, asdict(answer), as_json=as_json)
