"""`cityfolk answer DIR`."""

from __future__ import annotations

from typing import Annotated

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

_Targets = Annotated[
    list[str],
    typer.Option(
        "--targets",
        help="Whose personality is asked for: archetypes, one by its name, sobol:N (a space-filling set), people:N "
        "(of the city), a CSV file of vectors, none; with commas between. May be given again.",
    ),
]
_Samples = Annotated[int, typer.Option("--samples", min=1, help="Answers to each question under each target.")]
_Split = Annotated[str, typer.Option("--split", help="Questions of which topics: train, held-out or all.")]
_PerTopic = Annotated[
    int | None, typer.Option("--questions-per-topic", min=1, help="Only the first so many of each topic.")
]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many questions, spread over topics.")]
_Persona = Annotated[
    str, typer.Option("--persona", help="The archetype that the engine's adapter is; it is asked without a vector.")
]
_Adapter = Annotated[
    str,
    typer.Option(
        "--adapter", help="Have an adapter answer that `train` made here, with its model, in place of an --engine."
    ),
]
_Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="The same seed gives the same answers; by default the study's.")
]


def answer(
    folder: Folder,
    engine: EngineNames = ["pocket"],  # noqa: B006 - typer copies it
    targets: _Targets = ["archetypes", "none"],  # noqa: B006
    samples: _Samples = 2,
    split: _Split = "all",
    questions_per_topic: _PerTopic = None,
    limit: _Limit = None,
    temperature: Temperature = 0.8,
    persona: _Persona = "",
    adapter: _Adapter = "",
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
    """Have a model answer the questions under personalities, and without one."""
    from cityfolk.cli.write import plan_text
    from cityfolk.stages import AnswerOptions, Limits, adapter_engine, answer_questions, plan_answers
    from cityfolk.study.folder import Study

    if adapter:
        own, persona = adapter_engine(folder, adapter)
        engine = [own]
    limits = Limits(
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        cache=cache,
        concurrency=concurrency,
    )
    options = AnswerOptions(
        engines=tuple(engine),
        targets=tuple(targets),
        samples=samples,
        split=split,
        questions_per_topic=questions_per_topic,
        limit=limit,
        temperature=temperature,
        persona=persona,
        seed=seed,
        limits=limits,
    )
    if dry_run:
        with Study.open(folder, read_only=True) as study:
            plan = plan_answers(study, options)
        asked = f"{plan['questions']:,} questions, {plan['targets']:,} targets, {plan['samples']} samples of each"
        result(f"{asked}: {plan['answers']:,} answers\n\n{plan_text(plan)}", plan, as_json=as_json)
        return
    with Study.open(folder) as study, stepping() as step:
        done = answer_questions(study, options, step=step)
    for notice in done["notices"]:
        say(notice)
    result(f"{done['answers']:,} answers: {folder}", done | {"folder": str(folder)}, as_json=as_json)
