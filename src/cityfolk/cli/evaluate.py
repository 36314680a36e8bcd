"""`cityfolk evaluate DIR [people|text|pairs|control]`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from cityfolk.errors import CityfolkError, UsageError

if TYPE_CHECKING:
    from cityfolk.evaluation.feeling import Classifier
    from cityfolk.stages.ask_control import AskOptions

_What = Annotated[list[str] | None, typer.Argument(help="people, text, pairs, control, or all (what there is).")]
_Embedder = Annotated[
    str, typer.Option("--embedder", help="lexical, none, or a sentence-embedding model on this machine.")
]
_Classifier = Annotated[
    list[str] | None,
    typer.Option(
        "--classifier",
        help="A model of emotion, sentiment or toxicity on this machine; its labels say which, or NAME?label=LABEL "
        "says which one means toxic. May be given again.",
    ),
]
_Preset = Annotated[str, typer.Option("--preset", help="Ask engines for control first: quick, standard or full.")]
_Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="With --preset: these parts alone, with commas between: text, questionnaire, situations, stability, "
        "culture, bias, cost.",
    ),
]
_Engine = Annotated[
    list[str] | None,
    typer.Option("--engine", help="With --preset: who answers, such as MODEL and MODEL+ADAPTER. May be given again."),
]
_Persona = Annotated[
    str,
    typer.Option(
        "--persona",
        help="With --preset: the archetype that the engines' adapters are; those that `train` made say so themselves.",
    ),
]
_Judge = Annotated[
    list[str] | None, typer.Option("--judge", help="With --preset: who reads; rater and lexicon by default.")
]
_RefusalJudge = Annotated[
    str,
    typer.Option(
        "--refusal-judge",
        help="With --preset: an engine that says of each reply of the part cost whether it declines, beside the rules.",
    ),
]


def evaluate(
    folder: Folder,
    what: _What = None,
    embedder: _Embedder = "lexical",
    classifier: _Classifier = None,
    preset: _Preset = "",
    only: _Only = None,
    engine: _Engine = None,
    persona: _Persona = "",
    judge: _Judge = None,
    refusal_judge: _RefusalJudge = "",
    budget_usd: BudgetUsd = None,
    budget_tokens: BudgetTokens = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    cache: CacheFile = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure a study: people against their tables, written lives against the facts, preference data,
    and how far requested personalities reach."""
    failed: Mapping[str, CityfolkError] = {}
    readers: Sequence[Classifier | str] = classifier or ()
    if preset:
        from cityfolk.stages.ask_control import AskOptions
        from cityfolk.stages.engines import Limits

        if what != ["control"]:
            raise UsageError(
                "a preset asks for control alone", hint=f"cityfolk evaluate {folder} control --preset {preset}"
            )
        limits = Limits(
            budget_usd=budget_usd,
            budget_tokens=budget_tokens,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            cache=cache,
            concurrency=concurrency,
        )
        options = AskOptions(
            preset=preset,
            engines=tuple(engine or ("pocket",)),
            judges=tuple(judge or ()),
            only=tuple(name.strip() for text in only or () for name in text.split(",") if name.strip()),
            persona=persona,
            refusal_judge=refusal_judge,
            limits=limits,
        )
        if dry_run:
            _plan(folder, options, as_json=as_json)
            return
        readers = _loaded(readers)
        failed = _ask(folder, options)
    elif engine or judge or dry_run or only or persona or refusal_judge:
        raise UsageError("nothing is asked without a preset", hint="such as control --preset quick --engine pocket")
    _measure(folder, what, embedder, readers, failed, as_json=as_json)


def _loaded(names: Sequence[Classifier | str]) -> list[Classifier | str]:
    """Load classifiers, so that one that can't be had is told before anybody is asked."""
    from cityfolk.evaluation.feeling import load_classifier

    return [load_classifier(name) if isinstance(name, str) else name for name in names]


def _plan(folder: Path, options: AskOptions, *, as_json: bool) -> None:
    """Say what a preset would ask, part by part, and what that costs; ask nobody."""
    from cityfolk.stages.ask_control import control_questions
    from cityfolk.stages.control_parts import plan_control, plan_words
    from cityfolk.study.folder import MANIFEST, Study

    if (folder / MANIFEST).exists():
        with Study.open(folder, read_only=True) as study:
            plan = plan_control(options, study)
    else:
        # A folder that is made for the counting and goes again: nothing is left in the user's.
        with tempfile.TemporaryDirectory() as place, Study.open(Path(place) / "plan", create=True) as study:
            study.write("questions", control_questions(options.size.topics))
            plan = plan_control(options, study)
    result(plan_words(plan), plan, as_json=as_json)


def _ask(folder: Path, options: AskOptions) -> Mapping[str, CityfolkError]:
    """Ask what a preset names, after saying how much that is; return the errors of the parts that failed."""
    from cityfolk.stages.control_parts import ask_control, plan_control, plan_words
    from cityfolk.study.folder import Study

    with Study.open(folder, create=True) as study, stepping() as step:
        say(plan_words(plan_control(options)))
        done = ask_control(study, options, step=step)
    for notice in done["notices"]:
        say(notice)
    failed: Mapping[str, CityfolkError] = done["failed"]
    return failed


def _measure(
    folder: Path,
    what: list[str] | None,
    embedder: str,
    classifiers: Sequence[Classifier | str],
    failed: Mapping[str, CityfolkError],
    *,
    as_json: bool,
) -> None:
    """Measure what there is and print it; raise what failed before or now at the end."""
    from cityfolk.stages import measure
    from cityfolk.stages.control_lines import control_text, questionnaire_text
    from cityfolk.stages.control_parts import incomplete
    from cityfolk.study.folder import Study

    with Study.open(folder) as study, stepping() as step:
        summary = measure(study, what or None, embedder=embedder, classifiers=classifiers, step=step)
        failed = {**failed, **summary.pop("failed", {})}
        error = incomplete(study, failed) if failed else None
    for notice in summary.get("notices", ()):
        say(notice)
    lines = [f"{row['title']}: {row['text']}" for row in summary["headline"]]
    lines += [text for text in (control_text(summary.get("control", ())),) if text]
    lines += [text for text in (questionnaire_text(summary.get("questionnaire", ())),) if text]
    lines.append(f"{summary['findings']} findings: {folder / 'findings.parquet'}")
    summary["failed"] = {name: str(one) for name, one in failed.items()}
    result("\n".join(lines), summary, as_json=as_json)
    if error is not None:
        raise error
