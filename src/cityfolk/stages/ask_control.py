"""`evaluate DIR control --preset`: ask an engine what control is measured on, have it judged; the same for every model.

A preset asks for the four archetypes and for points that fill the cube of personalities, on held-out topics, and also
asks without a request. A study that has no questions gets one on each topic from the embedded model's grammar, so that
models are asked the same; in one that has some, those of its held-out topics are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.judging.registry import kind_of
from cityfolk.preferences.records import QUESTIONS
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages.answers import AnswerOptions, answer_questions, plan_answers
from cityfolk.stages.engines import Limits
from cityfolk.stages.judge import DEFAULT_JUDGES, JudgeOptions, judge_answers
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study

HELD_OUT = "held-out"
STYLE = "reflection"
VOICE_SAMPLES = 4
"""Answers to each question without a request: every move is counted from their mean."""
ARCHETYPES = 4
_LOOKS = 10  # calls of a language model that reads one answer: five traits in two orders, where it gives probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How much is asked: points in the cube, held-out topics (a question each), answers to each under each target."""

    vectors: int
    topics: int
    samples: int

    @property
    def answers(self) -> int:
        """How many answers one engine gives."""
        return self.topics * (self.samples * (self.vectors + ARCHETYPES) + VOICE_SAMPLES)


PRESETS = MappingProxyType(
    {
        "quick": Preset(vectors=16, topics=8, samples=1),
        "standard": Preset(vectors=64, topics=10, samples=1),
        "full": Preset(vectors=128, topics=40, samples=2),
    }
)


@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """What is asked of whom: a preset's name, engines, judges ("grammar" too where the engine is the embedded one)."""

    preset: str = "standard"
    engines: Sequence[str] = ("pocket",)
    judges: Sequence[str] = ()
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UsageError(f"there is no preset {self.preset!r}", hint=f"one of {', '.join(PRESETS)}")
        if not self.engines:
            raise UsageError("no engine is named", hint="such as --engine pocket")

    @property
    def size(self) -> Preset:
        """The preset's size."""
        return PRESETS[self.preset]

    @property
    def readers(self) -> tuple[str, ...]:
        """Who reads."""
        own = ("grammar",) if any(name.partition(":")[0] == "pocket" for name in self.engines) else ()
        return tuple(self.judges) or (*DEFAULT_JUDGES, *own)

    def answers(self, *, voice: bool) -> AnswerOptions:
        """Return what is asked of the engines: under requests, or without one."""
        size = self.size
        return AnswerOptions(
            engines=tuple(self.engines),
            targets=("none",) if voice else ("archetypes", f"sobol:{size.vectors}"),
            samples=VOICE_SAMPLES if voice else size.samples,
            split=HELD_OUT,
            questions_per_topic=1,
            limit=size.topics,
            seed=self.seed,
            limits=self.limits,
        )


def plan_control(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what a preset asks before anybody is asked: answers and calls; tokens and cost where questions are known."""
    size = options.size
    engines = [name for name in options.readers if kind_of(name) == "engine"]
    answers = size.answers * len(options.engines)
    plan: dict[str, Any] = {
        "preset": options.preset,
        "topics": size.topics,
        "vectors": size.vectors + ARCHETYPES,
        "samples": size.samples,
        "answers": answers,
        "judges": list(options.readers),
        "calls_to_answer": answers,
        "calls_to_judge": answers * _LOOKS * len(engines),
    }
    if study is not None and study.has("questions"):
        plan["asked"] = [plan_answers(study, options.answers(voice=voice)) for voice in (False, True)]
    return plan


def plan_words(plan: dict[str, Any]) -> str:
    """Return a plan in a sentence or two."""
    said = (
        f"{plan['preset']}: {plan['vectors']} personalities on {plan['topics']} topics, {plan['samples']} "
        f"answer{'s' if plan['samples'] > 1 else ''} to each, and {VOICE_SAMPLES} to each topic without a request: "
        f"{plan['answers']:,} answers in as many calls, read by {', '.join(plan['judges'])}"
    )
    if plan["calls_to_judge"]:
        return f"{said}, in up to {plan['calls_to_judge']:,} calls more."
    return f"{said}, who need no calls."


def ask_control(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Ask everything that a preset names and have it judged; what the study has already is not asked again."""
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


def control_questions(count: int) -> pl.DataFrame:
    """Return one question on each of `count` held-out topics, the same ones always; fewer are among more."""
    held = sum(one.split == HELD_OUT for one in topics())
    if not 1 <= count <= held:
        raise UsageError(f"{count} held-out topics cannot be asked about", hint=f"from 1 to {held}")
    everyone = [one for one in topics() if one.split == HELD_OUT]
    chosen = sorted(everyone, key=lambda one: child(0, "control", "questions", one.id).random())[:count]
    rows = [
        {
            "question_id": f"{one.id}-000",
            "topic": one.id,
            "domain": one.domain,
            "facets": list(one.facets),
            "style": STYLE,
            "text": write_question(one.phrase, STYLE, ", ".join(one.facets), child(0, "control", "question", one.id)),
            "split": one.split,
            "engine": "grammar",
            "model": "grammar",
            "seed": 0,
        }
        for one in chosen
    ]
    return pl.DataFrame(rows, schema=QUESTIONS).sort("question_id")
