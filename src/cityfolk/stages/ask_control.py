"""What `evaluate DIR control --preset` asks: presets, options, and which engines are asked together.

A preset asks the same of every model: open questions on held-out topics under vectors that fill the cube of
personalities and under the four archetypes, a questionnaire under the same vectors, and in "full" all other parts. A
study that has no questions gets one on each topic from the embedded model's grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import polars as pl

from cityfolk.engines.spec import parse_spec, split_name
from cityfolk.errors import UsageError
from cityfolk.pocket.asking import write_question
from cityfolk.preferences.records import QUESTIONS
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages.answers import AnswerOptions
from cityfolk.stages.engines import Limits
from cityfolk.stages.judge import DEFAULT_JUDGES
from cityfolk.study.folder import Study
from cityfolk.training.record import PERSONA, RECORD, read_training

HELD_OUT = "held-out"
STYLE = "reflection"
VOICE_SAMPLES = 4
"""Answers to each question without a request: every move is counted from their mean."""
ARCHETYPES = 4
_REMOTE = ("openai", "ollama")  # a "+" in the name of a model that a server holds is no adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How much is asked: points in the cube, held-out topics (a question each), answers to each under each target.

    `parts` are the parts of control that are asked for; none named: all there are.
    """

    vectors: int
    topics: int
    samples: int
    parts: tuple[str, ...] = ("text", "questionnaire")

    @property
    def answers(self) -> int:
        """How many answers in free text one engine gives."""
        return self.topics * (self.samples * (self.vectors + ARCHETYPES) + VOICE_SAMPLES)


PRESETS = MappingProxyType(
    {
        "quick": Preset(vectors=16, topics=8, samples=1),
        "standard": Preset(vectors=64, topics=10, samples=1),
        "full": Preset(vectors=128, topics=40, samples=2, parts=()),
    }
)


@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """What is asked of whom: a preset's name, engines, judges ("grammar" too where the engine is the embedded one).

    `only` names the parts that are asked for in place of the preset's. `persona` is the archetype that the adapters
    among the engines were trained for: they are asked without a vector, for that alone. `refusal_judge` is an engine
    that says of each reply of the part "cost" whether it declines, "" for none: rules say so anyway.
    """

    preset: str = "standard"
    engines: Sequence[str] = ("pocket",)
    judges: Sequence[str] = ()
    only: Sequence[str] = ()
    persona: str = ""
    refusal_judge: str = ""
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
        own = ("grammar",) if any(name.partition(":")[0].startswith("pocket") for name in self.engines) else ()
        return tuple(self.judges) or (*DEFAULT_JUDGES, *own)

    def answers(self, *, voice: bool) -> AnswerOptions:
        """Return what is asked of the engines in free text: under requests, or without one.

        Without a request only models without an adapter are asked, where there are any; an adapter that is a persona is
        never told one, and gives as many samples as they do.
        """
        size = self.size
        plain = [name for name in self.engines if not adapter_in(name) or self.persona]
        return AnswerOptions(
            engines=tuple((plain or self.engines) if voice else self.engines),
            targets=("none",) if voice else ("archetypes", f"sobol:{size.vectors}"),
            samples=VOICE_SAMPLES if voice else size.samples,
            split=HELD_OUT,
            questions_per_topic=1,
            limit=size.topics,
            persona=self.persona,
            seed=self.seed,
            limits=self.limits,
        )


# ------------------------------------------------------------------------------------------------------------- engines


def adapter_in(engine: str) -> str:
    """Return the folder or repository of the adapter in an engine's name, "" if there is none."""
    name, rest = split_name(engine)
    return "" if name in _REMOTE else parse_spec(rest, remote=False).adapter


def persona_in(engine: str, otherwise: str = "") -> str:
    """Return the persona that an engine's adapter was trained for, "" for none.

    An adapter that `train` made says so itself; of others it is `otherwise`.
    """
    adapter = adapter_in(engine)
    if adapter and (Path(adapter) / RECORD).is_file():
        training = read_training(Path(adapter))
        return training.target_name if training.kind == PERSONA else ""
    return otherwise if adapter else ""


def rounds(options: AskOptions, study: Study | None = None) -> list[AskOptions]:
    """Return what is asked, one after the other: in each round the engines that are one persona, or none.

    Models without an adapter lead every round. The model that a study began with is asked along, so that all its
    answers are held against one voice.
    """
    engines = sorted(dict.fromkeys(options.engines), key=lambda name: bool(adapter_in(name)))
    first = _began(study)
    if first and first not in engines:
        engines.insert(0, first)
    personas = {name: persona_in(name, options.persona) for name in engines}
    if options.persona and options.persona not in personas.values():
        raise UsageError(
            f"no engine has an adapter that could be {options.persona}", hint="such as --engine hf:MODEL+adapters/NAME"
        )
    plain = [name for name in engines if not adapter_in(name)]
    found: list[AskOptions] = []
    for persona in dict.fromkeys(personas.values()):
        own = [name for name in engines if adapter_in(name) and personas[name] == persona]
        if plain or not found:
            found.append(replace(options, engines=tuple(dict.fromkeys([*plain, *own])), persona=persona))
        else:
            raise UsageError(
                "adapters for several personas are asked beside the model that they adapt",
                hint="name it as well, without an adapter: --engine MODEL --engine MODEL+ADAPTER",
            )
    return found


def _began(study: Study | None) -> str:
    """Return the name of the engine that a study's answers began with, "" where nothing was answered."""
    for verb, table in (("answer", "answers"), ("questionnaire", "responses")):
        if study is not None and study.has(table):
            specs = study.manifest["stages"].get(verb, {}).get("free", {}).get("specs", ())
            if specs:
                return str(specs[0])
    return ""


# ----------------------------------------------------------------------------------------------------------- questions


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
