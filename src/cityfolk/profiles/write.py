"""Citizens in, profiles out: one request a citizen (two at full depth), one row a citizen and engine.

The request and the reading of the reply are pure functions; `write_profiles` only strings them to an engine and a
journal. The table is rebuilt from the journal, so a killed job run again gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError

from cityfolk.engines.ask import ATTEMPTS, Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.profiles.checks import check_profile
from cityfolk.profiles.guidance import Form, form_for
from cityfolk.profiles.prompts import profile_messages, prompt_hash, prompt_name, reflection_messages
from cityfolk.profiles.schema import ProfileText, ReflectionsText, json_schema
from cityfolk.study.journal import Journal
from cityfolk.types import Citizen, Failure, Problem, Reply, Request, Sampling

M = TypeVar("M", bound=BaseModel)

STAGE, REFLECT_STAGE = "write", "reflect"
MAX_TOKENS = (
    2048  # fifteen texts of two sentences and seven short ones are about 700 tokens; long-winded models need more
)
_CHUNK = 2000  # rows that are kept as dicts before they become columns
_PROBLEM = pl.Struct(
    {
        "rule": pl.String,
        "field": pl.String,
        "known": pl.String,
        "written": pl.String,
        "start": pl.Int32,
        "end": pl.Int32,
    }
)


def _text_type(name: str) -> pl.DataType:
    return pl.List(pl.String) if name in ("strengths", "weaknesses") else pl.String()


PROFILE_SCHEMA: dict[str, pl.DataType] = {
    "person_id": pl.Int32(),
    "engine": pl.String(),
    "model": pl.String(),
    "depth": pl.String(),
    **{name: _text_type(name) for name in ProfileText.model_fields},
    **{f"reflection_{name}": pl.String() for name in ReflectionsText.model_fields},
    "problems": pl.List(_PROBLEM),
    "problem_count": pl.Int16(),
    "prompt": pl.String(),
    "prompt_hash": pl.String(),
    "temperature": pl.Float64(),
    "seed": pl.Int64(),
    "prompt_tokens": pl.Int32(),
    "completion_tokens": pl.Int32(),
}
"""profiles.parquet; reflection_* is null at brief depth; offsets of problems count characters in their field's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one engine wrote of a cohort: the table, and what could not be written."""

    profiles: pl.DataFrame
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A reply that is what was asked for, with the tokens it took."""

    value: Any
    prompt_tokens: int
    completion_tokens: int


def reflections_request(citizen: Citizen, model: str, sampling: Sampling, form: Form | None = None) -> Request:
    """Return the request for the eight reflections on a citizen; `form` None: the one that suits the model."""
    return Request(
        messages=reflection_messages(citizen, form or form_for(model)),
        model=model,
        schema=json_schema(ReflectionsText),
        sampling=sampling,
        label=f"person {citizen.person.person_id} reflections",
    )


def profile_request(
    citizen: Citizen,
    model: str,
    sampling: Sampling,
    reflections: ReflectionsText | None = None,
    form: Form | None = None,
) -> Request:
    """Return the request for a citizen's profile; with reflections, they follow the facts."""
    return Request(
        messages=profile_messages(citizen, reflections, form or form_for(model)),
        model=model,
        schema=json_schema(ProfileText),
        sampling=sampling,
        label=f"person {citizen.person.person_id}",
    )


def parse_profile(reply: Reply) -> ProfileText:
    """Return the profile in a reply; ValueError says in one line why it is not one."""
    return _parse(reply, ProfileText)


def parse_reflections(reply: Reply) -> ReflectionsText:
    """Return the reflections in a reply; ValueError says in one line why they are not."""
    return _parse(reply, ReflectionsText)


def _parse(reply: Reply, model: type[M]) -> M:
    text = reply.text.strip()
    if text.startswith("```"):  # some servers wrap JSON in a Markdown fence whatever they are told
        text = text.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        parsed = model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise ValueError(f"not JSON: {first['ctx']['error']}") from None
        where = ".".join(str(part) for part in first["loc"]) or "reply"
        raise ValueError(f"{where}: {first['msg']} ({error.error_count()} in all)") from None
    for name, value in vars(parsed).items():
        for part in value if isinstance(value, list) else [value]:
            if not part[:1].isalpha() and not any(letter.isalpha() for letter in part):
                raise ValueError(f"{name}: nothing is written ({part!r})")
    return parsed


def profile_row(
    citizen: Citizen,
    engine: Engine,
    sampling: Sampling,
    profile: ProfileText,
    reflections: ReflectionsText | None = None,
    tokens: tuple[int, int] = (0, 0),
    form: Form | None = None,
) -> dict[str, Any]:
    """Return one row of profiles.parquet, contradictions with what was known included."""
    depth = "brief" if reflections is None else "full"
    asked = form or form_for(engine.model)
    problems = check_profile(citizen, profile)
    thoughts = dict.fromkeys(ReflectionsText.model_fields) if reflections is None else reflections.model_dump()
    return {
        "person_id": citizen.person.person_id,
        "engine": engine.name,
        "model": engine.model,
        "depth": depth,
        **profile.model_dump(),
        **{f"reflection_{name}": value for name, value in thoughts.items()},
        "problems": [_problem_row(problem) for problem in problems],
        "problem_count": len(problems),
        "prompt": prompt_name(depth, asked),
        "prompt_hash": prompt_hash(depth, asked),
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
    }


def _problem_row(problem: Problem) -> dict[str, Any]:
    return {name: value for name, value in asdict(problem).items() if name != "person_id"}


def profiles_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as profiles.parquet: fixed columns and types, sorted by person and engine."""
    return pl.DataFrame(list(rows), schema=PROFILE_SCHEMA).sort("person_id", "engine", "model")


def write_config(engine: Engine, depth: str, sampling: Sampling, form: Form | None = None) -> dict[str, Any]:
    """Return what determines a profile's row besides the citizen: prompts, schema, sampling, model."""
    asked = form or form_for(engine.model)
    config = {
        "depth": depth,
        "model": engine.model,
        "prompt": prompt_name(depth, asked),
        "prompt_hash": prompt_hash(depth, asked),
        "schema": Request(messages=(), model="", schema=json_schema(ProfileText)).key,
        "sampling": asdict(sampling),
    }
    if depth == "full":
        config["reflections_hash"] = prompt_hash("reflections", asked)
    return config


def write_profiles(
    journal: Journal,
    engine: Engine,
    citizens: Iterable[Citizen],
    *,
    depth: str = "brief",
    sampling: Sampling | None = None,
    form: Form | None = None,
    stages: tuple[str, str] = (STAGE, REFLECT_STAGE),
    attempts: int = ATTEMPTS,
    again: bool = False,
    progress: Progress | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Written:
    """Have an engine write every citizen; replies are journaled, read, checked and made into rows.

    At full depth all reflections are asked for first, then the profiles of those who have them; a citizen whose
    reflections failed has no profile and one Failure. A reply that is not a profile is asked again up to `attempts`
    times; contradictions never are: they are Problems in the row. `stages` names profiles and reflections in the
    journal.
    """
    knobs = sampling or Sampling(max_tokens=MAX_TOKENS)
    job = _Job(journal, engine, knobs, attempts, again, progress or Progress(), on_progress)
    cohort = {citizen.person.person_id: citizen for citizen in citizens}
    thoughts: dict[int, _Parsed] = {}
    if depth == "full":
        wanted = ((i, reflections_request(c, engine.model, knobs, form)) for i, c in cohort.items())
        job.run(wanted, parse_reflections, stages[1], thoughts.__setitem__)
    requests = (
        (i, profile_request(c, engine.model, knobs, thoughts[i].value if i in thoughts else None, form))
        for i, c in cohort.items()
        if depth != "full" or i in thoughts
    )
    table = _Rows()

    def keep(person_id: int, profile: _Parsed) -> None:
        before = thoughts.get(person_id, _Parsed(None, 0, 0))
        tokens = (
            before.prompt_tokens + profile.prompt_tokens,
            before.completion_tokens + profile.completion_tokens,
        )
        table.add(profile_row(cohort[person_id], engine, knobs, profile.value, before.value, tokens, form))

    job.run(requests, parse_profile, stages[0], keep)
    failures = sorted(job.failures, key=lambda failure: (failure.stage, failure.label))
    return Written(profiles=table.frame(), failures=tuple(failures))


def written_before(
    journal: Journal,
    engine: Engine,
    citizens: Iterable[Citizen],
    *,
    depth: str = "brief",
    sampling: Sampling | None = None,
    form: Form | None = None,
) -> Written:
    """Return what the journal already holds of a cohort, asking nobody: what is kept where an engine stopped."""
    knobs = sampling or Sampling(max_tokens=MAX_TOKENS)
    profiles, reflections = journal.state(STAGE)[0], journal.state(REFLECT_STAGE)[0] if depth == "full" else {}
    rows = []
    for citizen in citizens:
        thoughts, before = None, (0, 0)
        if depth == "full":
            found = reflections.get(reflections_request(citizen, engine.model, knobs, form).key)
            if found is None:
                continue
            reply = journal.reply(found)
            thoughts, before = parse_reflections(reply), (reply.prompt_tokens, reply.completion_tokens)
        found = profiles.get(profile_request(citizen, engine.model, knobs, thoughts, form).key)
        if found is not None:
            reply = journal.reply(found)
            tokens = (before[0] + reply.prompt_tokens, before[1] + reply.completion_tokens)
            rows.append(profile_row(citizen, engine, knobs, parse_profile(reply), thoughts, tokens, form))
    return Written(profiles=profiles_frame(rows))


@dataclass(slots=True)
class _Job:
    journal: Journal
    engine: Engine
    sampling: Sampling
    attempts: int
    again: bool
    progress: Progress
    on_progress: Callable[[Progress], None]
    failures: list[Failure] = field(default_factory=list)

    def run(
        self,
        wanted: Iterable[tuple[int, Request]],
        parse: Callable[[Reply], BaseModel],
        stage: str,
        keep: Callable[[int, _Parsed], None],
    ) -> None:
        """Ask one request a person and hand on what was understood as it comes; keep the failures.

        Two people with the same facts have the same request: `ask` asks it once and answers it for both.
        """
        replies = ask(
            self.journal,
            self.engine,
            (request for _, request in wanted),
            lambda _, reply: _Parsed(parse(reply), reply.prompt_tokens, reply.completion_tokens),
            stage=stage,
            attempts=self.attempts,
            again=self.again,
            progress=self.progress,
            on_progress=self.on_progress,
        )
        for request, result in replies:
            person_id = int(request.label.split()[1])  # "person 412 ...", as the requests above are labelled
            if isinstance(result, Failure):
                self.failures.append(replace(result, label=f"person {person_id}"))
            else:
                keep(person_id, result)


@dataclass(slots=True)
class _Rows:
    """Rows of profiles.parquet as they come, kept as columns: a fifth of what as many dicts would take."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        if len(self.rows) >= _CHUNK:
            self.frames.append(profiles_frame(self.rows))
            self.rows.clear()

    def frame(self) -> pl.DataFrame:
        return pl.concat([*self.frames, profiles_frame(self.rows)]).sort("person_id", "engine", "model")
