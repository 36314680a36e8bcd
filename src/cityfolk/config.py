"""study.toml: what is asked of a study. Unknown keys are errors that name the key that was probably meant."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityfolk.errors import UsageError

Depth = Literal["brief", "full"]
Prompt = Literal["auto", "short", "full"]
Split = Literal["train", "held-out", "all"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PeopleSection(_Section):
    """Who lives there. `place` is a shipped pack, an added one, or a folder."""

    place: str = "cambridge-ma"


class LimitedSection(_Section):
    """A section whose stage asks a model: what it may spend and how fast. Nothing here determines a row."""

    budget_usd: float | None = Field(default=None, ge=0)
    budget_tokens: int | None = Field(default=None, ge=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    cache: str = ""
    concurrency: int | None = Field(default=None, ge=1)


class WriteSection(LimitedSection):
    """Whose lives are written, by whom. `filter` is a condition such as "age=65..|sex=female"."""

    n: int = Field(default=200, ge=1)
    engines: list[str] = Field(default=["pocket"], min_length=1)
    depth: Depth = "brief"
    filter: str = "age=18.."
    targets: dict[str, str] = Field(default_factory=dict)
    temperature: float = Field(default=0.8, ge=0)
    prompt: Prompt = "auto"


class QuestionsSection(LimitedSection):
    """How many questions a topic, by whom, and for which topics: a number, or their ids; none given: all of them.

    Here and in the sections that follow, None is the default of the section's verb.
    """

    n: int = Field(default=100, ge=1)
    topics: int | list[str] | None = None
    engine: str = Field(default="pocket", min_length=1)
    temperature: float | None = Field(default=None, ge=0)


class AnswersSection(LimitedSection):
    """Who answers the questions, under which targets, how often each.

    `targets` are words as on the command line ("archetypes", "sobol:32", "people:20", "none") or CSV files of
    vectors. `questions_per_topic` and `limit` (questions in all) leave out the later questions of each topic.
    `persona` is the archetype that the adapters among the engines were trained for.
    """

    engines: list[str] = Field(default=["pocket"], min_length=1)
    targets: list[str] = Field(default=["archetypes", "none"], min_length=1)
    samples: int = Field(default=2, ge=1)
    split: Split = "all"
    questions_per_topic: int | None = Field(default=None, ge=1)
    limit: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    persona: str = ""


class JudgeSection(LimitedSection):
    """Who rates the answers: "rater", "lexicon", "grammar", an engine, "classifier:REPO_OR_FOLDER".

    `orders`, `samples` and `way` are how a language model is asked; `retest` answers are rated again, `limit` at most.
    """

    judges: list[str] = Field(default=["rater", "lexicon"], min_length=1)
    orders: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=1)
    way: Literal["auto", "expected", "schema"] | None = None
    retest: int | None = Field(default=None, ge=0)
    limit: int | None = Field(default=None, ge=1)


class PairsSection(_Section):
    """Which answers become pairs, under which name ("": made of what is chosen).

    `targets` are names of targets ("Diplomat", "sobol-07"); none given: every target that was answered.
    """

    name: str = ""
    strategies: list[str] | None = Field(default=None, min_length=1)
    margin: float | None = Field(default=None, ge=0)
    ratio: float | None = Field(default=None, ge=1)
    reuse: int | None = Field(default=None, ge=1)
    tilt: float | None = Field(default=None, ge=1)
    balance: bool = True
    targets: list[str] = Field(default_factory=list)
    vectors: bool = False
    judges: list[str] = Field(default_factory=list)
    split: Split = "all"


class EvaluateSection(_Section):
    """What is measured, as far as the study has it."""

    what: list[Literal["people", "text", "pairs"]] = ["people", "text", "pairs"]


class ReportSection(_Section):
    """The page."""

    title: str = ""


class StudyConfig(_Section):
    """A whole study.toml; a stage runs if its section is there."""

    seed: int = Field(default=0, ge=0)
    people: PeopleSection | None = None
    write: WriteSection | None = None
    questions: QuestionsSection | None = None
    answers: AnswersSection | None = None
    judge: JudgeSection | None = None
    pairs: PairsSection | None = None
    evaluate: EvaluateSection | None = None
    report: ReportSection | None = None


# What `cityfolk run` does without a file.
DEFAULT = """\
seed = 0

[people]
place = "cambridge-ma"

[write]
n = 200
engines = ["pocket"]

[evaluate]

[report]
"""


def read_text(path: Path) -> str:
    """Return the text of a study.toml; UsageError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", hint="see docs/study.md for an example study.toml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="give a TOML file in UTF-8") from error


def parse_config(text: str, path: str) -> StudyConfig:
    """Read a study.toml's text; UsageError says which key is wrong and what it may have been."""
    try:
        config = StudyConfig.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not a readable TOML file: {error}", hint="mend that line") from error
    except ValidationError as error:
        raise _explain(path, error) from error
    if not any(getattr(config, name) is not None for name in _SECTIONS):
        raise UsageError(f"{path} asks for nothing", hint="add a section, such as [people] or [write]")
    return config


def changed_config(
    config: StudyConfig,
    *,
    seed: int | None = None,
    limit: int | None = None,
    engines: Sequence[str] = (),
) -> StudyConfig:
    """Return a config with what the command line asks for instead.

    A seed; at most `limit` lives, and at most `limit` questions that are answered; other engines to write, to ask
    questions (the first) and to answer them.
    """
    values = config.model_dump(exclude_unset=True)
    if seed is not None:
        values["seed"] = seed
    if (limit is not None or engines) and not (config.write or config.answers or (engines and config.questions)):
        raise UsageError(
            "this study writes nobody and answers nothing, so --limit and --engine have no meaning",
            hint="add a section [write] or [answers]",
        )
    if limit is not None and config.write is not None:
        values["write"]["n"] = min(limit, config.write.n)
    if limit is not None and config.answers is not None:
        values["answers"]["limit"] = min(limit, config.answers.limit or limit)
    if engines:
        for name in ("write", "answers"):
            if name in values:
                values[name]["engines"] = list(engines)
        if "questions" in values:
            values["questions"]["engine"] = engines[0]
    return StudyConfig.model_validate(values)


def config_text(config: StudyConfig) -> str:
    """Write a config as a study.toml: the keys that were given; comments are not kept."""
    values = {name: value for name, value in config.model_dump(exclude_unset=True).items() if value is not None}
    lines = [f"{key} = {toml_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {toml_value(value)}" for key, value in section.items() if value is not None),
            ]
    return "\n".join(lines).lstrip("\n") + "\n"


def toml_value(value: Any) -> str:
    """Write one value as TOML, whose strings, numbers and lists are JSON's but for DEL, which JSON leaves bare."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_value(key)} = {toml_value(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _explain(path: str, error: ValidationError) -> UsageError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] != "extra_forbidden":
        return UsageError(f"{path}: {'.'.join(place)}: {first['msg']}", hint="see docs/study.md for what it may be")
    known = _keys(place[:-1])
    near = get_close_matches(place[-1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the keys there are: {', '.join(known)}"
    return UsageError(f"{path} has an unknown key {'.'.join(place)!r}", hint=hint)


_SECTIONS: dict[str, type[BaseModel]] = {
    "people": PeopleSection,
    "write": WriteSection,
    "questions": QuestionsSection,
    "answers": AnswersSection,
    "judge": JudgeSection,
    "pairs": PairsSection,
    "evaluate": EvaluateSection,
    "report": ReportSection,
}


def _keys(section: list[str]) -> list[str]:
    model: Any = _SECTIONS.get(section[0]) if section else StudyConfig
    return list(model.model_fields) if model else []
