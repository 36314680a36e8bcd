"""`cityfolk judge DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

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
    TokensPerMinute,
)

if TYPE_CHECKING:
    from cityfolk.stages.judge import JudgeOptions

_Judges = Annotated[
    list[str],
    typer.Option(
        "--judge",
        help="Who reads the answers: rater, lexicon, grammar, classifier:REPO_OR_FOLDER or an engine. May be given "
        "again; by default rater and lexicon.",
    ),
]
_Engines = Annotated[
    list[str], typer.Option("--engine", help="A language model that judges: the same as --judge with its name.")
]
_Orders = Annotated[
    int, typer.Option("--orders", min=1, max=4, help="In how many orders a language model sees the scale.")
]
_Samples = Annotated[int, typer.Option("--samples", min=1, help="How often it is asked in each order.")]
_Way = Annotated[
    str,
    typer.Option("--way", help="expected (over probabilities of digits), schema (five numbers) or auto: by engine."),
]
_Retest = Annotated[int, typer.Option("--retest", min=0, help="So many answers are judged twice by language models.")]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many answers, drawn from all.")]
_Seed = Annotated[int | None, typer.Option("--seed", min=0, help="By default the study's.")]
_People = Annotated[str, typer.Option("--people", help="Make a blind rating sheet for a person of this name.")]
_N = Annotated[int, typer.Option("--n", min=1, help="How many answers a sheet has; every tenth comes twice.")]
_Form = Annotated[str, typer.Option("--sheet", help="html: a page that works offline, or csv.")]
_Read = Annotated[Path | None, typer.Option("--read", help="Read the filled-in sheet of --people NAME back.")]
_Calibrate = Annotated[
    str, typer.Option("--calibrate", help="Turn this judge's raw scores into percentiles, against --on.")
]
_On = Annotated[str, typer.Option("--on", help="Who knows: grammar (the embedded model's own texts) or people:NAME.")]


def judge(
    folder: Folder,
    judges: _Judges = [],  # noqa: B006 - typer copies it
    engine: _Engines = [],  # noqa: B006
    orders: _Orders = 2,
    samples: _Samples = 1,
    way: _Way = "auto",
    retest: _Retest = 0,
    limit: _Limit = None,
    seed: _Seed = None,
    people: _People = "",
    n: _N = 60,
    sheet: _Form = "html",
    read: _Read = None,
    calibrate: _Calibrate = "",
    on: _On = "",
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: CacheFile = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Have answers read for the personality they express: by raters, language models, classifiers or people."""
    from cityfolk.stages.engines import Limits
    from cityfolk.stages.judge import DEFAULT_JUDGES, JudgeOptions

    _check(bool(people), read, bool(calibrate), bool(on), [*judges, *engine])
    if people:
        _people(folder, people, n, sheet, read, seed, as_json=as_json)
        return
    if calibrate:
        _calibrate(folder, calibrate, on, as_json=as_json)
        return
    options = JudgeOptions(
        judges=tuple(dict.fromkeys([*judges, *engine])) or DEFAULT_JUDGES,
        orders=orders,
        samples=samples,
        way=cast("Literal['auto', 'expected', 'schema']", way),
        retest=retest,
        limit=limit,
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
    _judge(folder, options, dry_run=dry_run, as_json=as_json)


def _judge(folder: Path, options: JudgeOptions, *, dry_run: bool, as_json: bool) -> None:
    from cityfolk.stages.judge import judge_answers
    from cityfolk.stages.judge_plan import plan_judge
    from cityfolk.study.folder import Study

    if dry_run:
        with Study.open(folder, read_only=True) as study:
            plan = plan_judge(study, options)
        result(_plan_words(plan), plan, as_json=as_json)
        return
    with Study.open(folder) as study, stepping() as step:
        done = judge_answers(study, options, step=step)
    for notice in done["notices"]:
        say(notice)
    lines = [f"{name}: {count:,} answers read" for name, count in done["readings"].items()]
    result("\n".join(lines), done | {"folder": str(folder)}, as_json=as_json)


def _plan_words(plan: dict[str, Any]) -> str:
    from cityfolk.cli.write import plan_text

    free = [f"{name} reads {plan['answers']:,} answers here, for nothing" for name in plan["free"]]
    return "\n".join(free) + ("\n\n" + plan_text(plan) if plan["engines"] else "")


def _people(folder: Path, who: str, n: int, form: str, read: Path | None, seed: int | None, *, as_json: bool) -> None:
    from cityfolk.stages.judge_people import make_sheet, read_sheet
    from cityfolk.study.folder import Study

    with Study.open(folder) as study:
        if read is not None:
            done = read_sheet(study, read, who)
            text = f"{done['judge']}: {done['readings']:,} answers read, {done['twice']} of them twice"
            if done["empty"]:
                text += f"; {done['empty']} lines are empty"
            if done["gone"]:
                text += f"; {done['gone']} answers are no longer in the study"
        else:
            done = make_sheet(study, who, n=n, form=cast("Literal['html', 'csv']", form), seed=seed)
            text = (
                f"{done['files'][0]}\n{done['answers']} answers on {done['lines']} lines. Give away this file, not "
                f"the folder; read it back with `cityfolk judge {folder} --people {who} --read FILE`"
            )
    result(text, done | {"folder": str(folder)}, as_json=as_json)


def _calibrate(folder: Path, judge: str, on: str, *, as_json: bool) -> None:
    from cityfolk.stages.judge_people import calibrate_judge
    from cityfolk.study.folder import Study

    with Study.open(folder) as study:
        done = calibrate_judge(study, judge, on)
    result("\n".join(done["lines"]), done | {"folder": str(folder)}, as_json=as_json)


def _check(people: bool, read: Path | None, calibrate: bool, on: bool, judges: list[str]) -> None:
    """Refuse options that belong to another kind of work."""
    from cityfolk.errors import UsageError

    if read is not None and not people:
        raise UsageError("nobody knows whose sheet that is", hint="say so with --people NAME")
    if calibrate != on:
        raise UsageError(
            "a calibration needs a judge and somebody who knows", hint="such as --calibrate lexicon --on grammar"
        )
    if people + calibrate + bool(judges) > 1:
        raise UsageError("--judge, --people and --calibrate are three kinds of work", hint="do one after the other")
