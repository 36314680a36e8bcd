"""The part "text" of control: open questions, answered under requests and without one, and read by judges."""

from __future__ import annotations

from typing import Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.preferences.judging.registry import kind_of
from cityfolk.stages.answers import answer_questions, plan_answers
from cityfolk.stages.ask_control import ARCHETYPES, HELD_OUT, VOICE_SAMPLES, AskOptions, adapter_in, control_questions
from cityfolk.stages.control_estimates import judging
from cityfolk.stages.judge import JudgeOptions, judge_answers
from cityfolk.stages.measure_control import has_control, measure_control
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Finding

NAME = "text"
_LOOKS = 10  # calls of a language model that reads one answer: five traits in two orders, where it gives probabilities


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked: answers and calls; tokens and cost where there are questions."""
    size = options.size
    personas = [name for name in options.engines if options.persona and adapter_in(name)]
    judges = [name for name in options.readers if kind_of(name) == "engine"]
    given = options.answers(voice=False).engines
    spoken = [name for name in options.answers(voice=True).engines if name not in personas]
    answers = len(personas) * size.topics * max(size.samples, VOICE_SAMPLES)
    answers += (len(given) - len(personas)) * size.topics * size.samples * (size.vectors + ARCHETYPES)
    answers += len(spoken) * size.topics * VOICE_SAMPLES
    told: dict[str, Any] = {
        "topics": size.topics,
        "vectors": size.vectors + ARCHETYPES,
        "samples": size.samples,
        "answers": answers,
        "judges": list(options.readers),
        "calls_to_judge": answers * _LOOKS * len(judges),
    }
    told |= {"calls": answers + told["calls_to_judge"], "words": _words(told)}
    if study is not None and study.has("questions"):
        told["asked"] = [plan_answers(study, options.answers(voice=voice)) for voice in (False, True)]
        if judges and answers:
            told["asked"].append(judging(study, judges, answers, options.limits))
    return told


def _words(told: dict[str, Any]) -> str:
    said = (
        f"{told['answers']:,} answers: {told['vectors']} personalities on {told['topics']} topics, {told['samples']} "
        f"answer{'s' if told['samples'] > 1 else ''} to each, and {VOICE_SAMPLES} to each topic without a request; "
        f"read by {', '.join(told['judges'])}"
    )
    if told["calls_to_judge"]:
        return f"{said}, in up to {told['calls_to_judge']:,} calls more"
    return f"{said}, who need no calls"


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Ask what the preset names and have it judged; what the study has already is not asked again."""
    if not study.has("questions"):
        study.write("questions", control_questions(options.size.topics))
    held = study.read("questions").filter(pl.col("split") == HELD_OUT)
    if not held.height:
        raise UsageError(
            f"{study.folder} has no questions on held-out topics",
            hint="ask for some with `cityfolk questions`, or name a folder of its own",
        )
    done = [answer_questions(study, options.answers(voice=voice), step=step) for voice in (False, True)]
    judged = judge_answers(
        study, JudgeOptions(judges=options.readers, seed=options.seed, limits=options.limits), step=step
    )
    return {"answers": done[-1]["answers"], "notices": [*done[0]["notices"], *judged.get("notices", ())]}


def has(study: Study) -> bool:
    """Say whether there is something to measure."""
    return has_control(study)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings of free text; see `measure_control`."""
    return measure_control(study, step=step)
