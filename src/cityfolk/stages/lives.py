"""`write`: a cohort is chosen, and every engine writes every citizen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.engines.registry import load_engine
from cityfolk.errors import IncompleteError
from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.prompts import profile_messages, reflection_messages
from cityfolk.profiles.records import citizens
from cityfolk.profiles.write import MAX_TOKENS, REFLECT_STAGE, STAGE, profile_request, write_config, write_profiles
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Citizen, Sampling


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What `write` is asked for. `n`, and engines after the first, may change later; the rest determines rows."""

    n: int = 200
    engines: Sequence[str] = ("pocket",)
    depth: str = "brief"
    filter: str = "age=18.."
    targets: Mapping[str, str] = field(default_factory=dict)
    temperature: float = 0.8


def write_lives(study: Study, options: WriteOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Draw the cohort and have every engine write it: cohort.parquet and profiles.parquet.

    Raises IncompleteError at the end if any citizen could not be written; everybody else's profile is kept.
    """
    engines = [load_engine(spec) for spec in dict.fromkeys(options.engines)]
    cohort, chosen = _choose(study, options)
    sampling = _sampling(study, options)
    ended = "ended" in study.manifest["stages"].get("write", {})
    study.begin(
        "write",
        {
            "people": study.manifest["tables"]["people"]["sha256"],
            "filter": options.filter,
            "targets": dict(options.targets),
            **write_config(engines[0], options.depth, sampling),
        },
        free={"n": options.n, "engines": [engine.name for engine in engines]},
    )
    study.work("write")
    study.write("cohort", cohort)
    calls = len(chosen) * len(engines) * (2 if options.depth == "full" else 1)
    progress, began = Progress(), perf_counter()
    written = [
        write_profiles(
            study.journal,
            engine,
            chosen,
            depth=options.depth,
            sampling=sampling,
            again=ended,
            progress=progress,
            on_progress=lambda p: step("write", p.settled, calls, _rate(p, began)),
        )
        for engine in engines
    ]
    profiles = pl.concat([one.profiles for one in written]).sort("person_id", "engine", "model")
    study.write("profiles", profiles)
    failures = [failure for one in written for failure in one.failures]
    for stage in (STAGE, REFLECT_STAGE):
        study.replace_failures(stage, [failure for failure in failures if failure.stage == stage])
    failed = len(failures)
    seconds = round(perf_counter() - began, 1)
    by_engine = {engine.name: len(one.failures) for engine, one in zip(engines, written, strict=True)}
    study.finish("write", failed_by_engine=by_engine, seconds=seconds)
    if failed:
        raise IncompleteError(
            f"{failed} of {len(chosen) * len(engines)} profiles could not be written; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {"profiles": profiles.height, "engines": [engine.name for engine in engines], "seconds": seconds}


def plan_lives(study: Study, options: WriteOptions) -> dict[str, Any]:
    """Say what `write` would do without asking anybody: first prompt, calls, and characters of all prompts."""
    engines = [load_engine(spec) for spec in dict.fromkeys(options.engines)]
    _, chosen = _choose(study, options)
    sampling = _sampling(study, options)
    first = reflection_messages(chosen[0]) if options.depth == "full" else profile_messages(chosen[0])
    characters = sum(len(message.content) for citizen in chosen for message in _messages(citizen, engines[0], sampling))
    calls = len(chosen) * len(engines) * (2 if options.depth == "full" else 1)
    return {
        "prompt": "\n\n".join(f"[{message.role}]\n{message.content}" for message in first),
        "calls": calls,
        "prompt_characters": characters * len(engines),
        "most_completion_tokens": calls * sampling.max_tokens,
        "engines": [engine.name for engine in engines],
    }


def _messages(citizen: Citizen, engine: Engine, sampling: Sampling) -> Sequence[Any]:
    return profile_request(citizen, engine.model, sampling).messages


def _choose(study: Study, options: WriteOptions) -> tuple[pl.DataFrame, list[Citizen]]:
    people, households = study.read("people"), study.read("households")
    seed = study.config("people")["seed"]
    cohort = draw_cohort(people, options.n, seed, households=households, filter=options.filter, targets=options.targets)
    return cohort, list(citizens(people, households, cohort, place_of(study).title))


def _sampling(study: Study, options: WriteOptions) -> Sampling:
    seed = study.config("people")["seed"]
    return Sampling(temperature=options.temperature, max_tokens=MAX_TOKENS, seed=seed)


def _rate(progress: Progress, began: float) -> str:
    seconds = max(perf_counter() - began, 1e-9)
    rate = f"{progress.completion_tokens / seconds:,.0f} tokens/s"
    return f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
