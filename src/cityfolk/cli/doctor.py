"""`cityfolk doctor [--engine E]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cityfolk.cli.console import result
from cityfolk.cli.options import Json


def doctor(
    engine: Annotated[str, typer.Option("--engine", help="The engine to try with real calls.")] = "pocket",
    as_json: Json = False,
) -> None:
    """Check this machine, the places and one engine: plain and structured answers, choices, many calls at once."""
    from cityfolk.errors import EngineError
    from cityfolk.stages import examine

    checks = examine(engine)
    text = "\n".join(f"{_mark(check)} {check['what']}: {check['found']}" for check in checks)
    result(text, checks, as_json=as_json)
    failed = [check["what"] for check in checks if check["needed"] and not check["ok"]]
    if failed:
        raise EngineError(f"{len(failed)} checks failed: {', '.join(failed)}", hint="see docs/engines.md")


def _mark(check: dict[str, Any]) -> str:
    if check["ok"]:
        return "ok  "
    return "FAIL" if check["needed"] else "no  "
