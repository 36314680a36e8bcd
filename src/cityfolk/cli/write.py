"""`cityfolk write DIR`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import result, stepping
from cityfolk.cli.options import EngineNames, Folder, Json


def write(
    folder: Folder,
    n: Annotated[int, typer.Option("--n", min=1, help="How many people; asking for more later appends.")] = 200,
    engine: EngineNames = ["pocket"],  # noqa: B006 - typer copies it
    depth: Annotated[str, typer.Option("--depth", help="brief, or full: eight reflections first.")] = "brief",
    where: Annotated[
        str, typer.Option("--filter", help='Who may be chosen, such as "age=65..|sex=female".')
    ] = "age=18..",
    target: Annotated[
        list[str], typer.Option("--target", help="A trait to ask for, such as openness=low. May be given again.")
    ] = [],  # noqa: B006
    temperature: Annotated[float, typer.Option("--temperature", min=0.0)] = 0.8,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompt and the size of the job; ask nobody.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Choose people and have a model write their lives."""
    from cityfolk.errors import UsageError
    from cityfolk.stages import WriteOptions, plan_lives, write_lives
    from cityfolk.study.folder import Study

    if depth not in ("brief", "full"):
        raise UsageError(f"depth cannot be {depth!r}", hint="it is brief or full")
    targets = dict(_pair(text) for text in target)
    options = WriteOptions(
        n=n, engines=tuple(engine), depth=depth, filter=where, targets=targets, temperature=temperature
    )
    if dry_run:
        with Study.open(folder, read_only=True) as study:
            plan = plan_lives(study, options)
        calls = f"{plan['calls']:,} calls to {', '.join(plan['engines'])}"
        size = f"{plan['prompt_characters']:,} characters of prompts, at most {plan['most_completion_tokens']:,} tokens"
        text = f"{plan['prompt']}\n\n{calls}: {size} of replies"
        result(text, plan, as_json=as_json)
        return
    with Study.open(folder) as study, stepping() as step:
        done = write_lives(study, options, step=step)
    result(f"{done['profiles']:,} profiles: {folder}", done | {"folder": str(folder)}, as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    from cityfolk.errors import UsageError

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"a target is TRAIT=LEVEL, not {text!r}", hint='for example --target "openness=low"')
    return name.strip(), value.strip()
