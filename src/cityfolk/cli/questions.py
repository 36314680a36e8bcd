"""`cityfolk questions DIR`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cityfolk.cli.console import result, say, stepping
from cityfolk.cli.options import (
    BudgetTokens,
    BudgetUsd,
    CacheFile,
    Concurrency,
    DryRun,
    Folder,
    Json,
    RequestsPerMinute,
    Temperature,
    TokensPerMinute,
)

_N = Annotated[int, typer.Option("--n", min=1, help="How many questions a topic; asking for more later appends.")]
_Topics = Annotated[
    int | None, typer.Option("--topics", min=1, help="How many topics, spread over domains and facets; else all.")
]
_Topic = Annotated[list[str], typer.Option("--topic", help="A topic by its id. May be given again.")]
_Engine = Annotated[str, typer.Option("--engine", help="Who writes: a name from `cityfolk engines`.")]
_Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="The same seed gives the same questions; by default the study's.")
]


def questions(
    folder: Folder,
    n: _N = 100,
    topics: _Topics = None,
    topic: _Topic = [],  # noqa: B006 - typer copies it
    engine: _Engine = "pocket",
    temperature: Temperature = 1.0,
    seed: _Seed = None,
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: CacheFile = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have a model make open-ended questions on topics that show personality."""
    from cityfolk.errors import UsageError
    from cityfolk.stages import Limits, QuestionOptions, ask_for_questions, plan_questions
    from cityfolk.study.folder import MANIFEST, Study

    if topics is not None and topic:
        raise UsageError("--topics and --topic cannot be given together", hint="name topics, or say how many")
    options = QuestionOptions(
        n=n,
        topics=tuple(topic) or topics,
        engine=engine,
        temperature=temperature,
        seed=seed,
        limits=Limits(
            budget_usd=budget_usd,
            budget_tokens=budget_tokens,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            cache=cache,
            concurrency=concurrency,
        ),
    )
    if dry_run:
        if (folder / MANIFEST).exists():
            with Study.open(folder, read_only=True) as study:
                plan = plan_questions(study, options)
        else:
            plan = plan_questions(None, options)
        _show_plan(plan, as_json=as_json)
        return
    options.chosen()  # before a folder is made for a topic that there is not
    with Study.open(folder, create=True) as study, stepping() as step:
        done = ask_for_questions(study, options, step=step)
    for notice in done["notices"]:
        say(notice)
    result(f"{_account(done)}: {folder}", done | {"folder": str(folder)}, as_json=as_json)


def _show_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    from cityfolk.cli.write import plan_text

    asked = f"{plan['topics']:,} topics, {plan['n']:,} questions each: {plan['topics'] * plan['n']:,} questions"
    least = "This is the least: questions that come twice or cannot be used are asked for anew."
    result(f"{asked}\n\n{plan_text(plan)}\n\n{least}", plan, as_json=as_json)


def _account(done: dict[str, Any]) -> str:
    """Return in words how many questions there are, and what became of the others."""
    exact = done["exact_within_topics"] + done["exact_across_topics"]
    near = done["near_within_topics"] + done["near_across_topics"]
    rejected = sum(done["rejected"].values())
    read = f"of {done['asked']:,} read {exact:,} were copies, {near:,} near copies and {rejected:,} unusable"
    return f"{done['questions']:,} distinct questions ({read})"
