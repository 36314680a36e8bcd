"""`cityfolk write DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import (
    BudgetTokens,
    BudgetUsd,
    CacheFile,
    Concurrency,
    DryRun,
    EngineNames,
    Folder,
    Json,
    RequestsPerMinute,
    Temperature,
    TokensPerMinute,
)

if TYPE_CHECKING:
    from cityfolk.stages import WriteOptions

_N = Annotated[int, typer.Option("--n", min=1, help="How many people; asking for more later appends.")]
_Depth = Annotated[str, typer.Option("--depth", help="brief, or full: eight reflections first.")]
_Where = Annotated[str, typer.Option("--filter", help='Who may be chosen, such as "age=65..|sex=female".')]
_Targets = Annotated[
    list[str], typer.Option("--target", help="A trait to ask for, such as openness=low. May be given again.")
]
_Prompt = Annotated[
    str, typer.Option("--prompt", help="auto, short (what the embedded model knows), or full: field by field.")
]


def write(
    folder: Folder,
    n: _N = 200,
    engine: EngineNames = ["pocket"],  # noqa: B006 - typer copies it
    depth: _Depth = "brief",
    where: _Where = "age=18..",
    target: _Targets = [],  # noqa: B006
    temperature: Temperature = 0.8,
    prompt: _Prompt = "auto",
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: CacheFile = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Choose people and have a model write their lives."""
    from cityfolk.stages import Limits, WriteOptions, write_lives
    from cityfolk.study.folder import Study

    limits = Limits(
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        cache=cache,
        concurrency=concurrency,
    )
    options = WriteOptions(
        n=n,
        engines=tuple(engine),
        depth=_one_of("depth", depth, ("brief", "full")),
        filter=where,
        targets=dict(_pair(text) for text in target),
        temperature=temperature,
        prompt=_form(prompt),
        limits=limits,
    )
    if dry_run:
        show_plan(folder, options, as_json=as_json)
        return
    with Study.open(folder) as study, stepping() as step:
        done = write_lives(study, options, step=step)
    for notice in done["notices"]:
        say(notice)
    result(f"{done['profiles']:,} profiles: {folder}", done | {"folder": str(folder)}, as_json=as_json)


def show_plan(folder: Path, options: WriteOptions, *, as_json: bool) -> None:
    """Print what a job would ask and cost."""
    from cityfolk.stages import plan_lives
    from cityfolk.study.folder import Study

    with Study.open(folder, read_only=True) as study:
        plan = plan_lives(study, options)
    result(plan_text(plan), plan, as_json=as_json)


def plan_text(plan: dict[str, Any]) -> str:
    """Return a plan in words."""
    import json

    parts = [f"[{message['role']}]\n{message['content']}" for message in plan["messages"]]
    if plan["sent"] is not None:
        sent = plan["sent"]
        parts.append("[as sent]\n" + (sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False)))
    for one in plan["engines"]:
        money = "not known" if one["usd"] is None else _dollars(one["usd"])
        if one["usd_if_cached"] is not None:
            money += f", or {_dollars(one['usd_if_cached'])} if the provider keeps the shared prefix"
        already = f" ({one['answered']:,} more are in the journal)" if one["answered"] else ""
        parts.append(
            f"{one['engine']}, model {one['model']}, prompt {one['prompt']}\n"
            f"  calls       {one['calls']:,}{already}\n"
            f"  tokens in   {one['prompt_tokens']:,} ({one['how_prompt']}; a schema sent along is not counted)\n"
            f"  tokens out  {one['completion_tokens']:,} ({one['how_completion']})\n"
            f"  the same    {100 * one['shared']:.0f}% of a prompt's characters stand at its start in every prompt\n"
            f"  cost        {money}; price: {one['price']}"
        )
    if plan["usd"] is None:
        parts.append(f"Add the price that is not known to {plan['prices']}; docs/engines.md shows how.")
    return "\n\n".join(parts)


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def _form(text: str) -> Any:
    chosen = _one_of("prompt", text, ("auto", "short", "full"))
    return None if chosen == "auto" else chosen


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    from cityfolk.errors import UsageError

    if value not in allowed:
        raise UsageError(f"{name} cannot be {value!r}", hint=f"it is {', '.join(allowed[:-1])} or {allowed[-1]}")
    return value


def _pair(text: str) -> tuple[str, str]:
    from cityfolk.errors import UsageError

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"a target is TRAIT=LEVEL, not {text!r}", hint='for example --target "openness=low"')
    return name.strip(), value.strip()
