"""`write`: a cohort is chosen, and every engine writes every citizen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.errors import EngineError, IncompleteError
from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.guidance import Form
from cityfolk.profiles.records import citizens
from cityfolk.profiles.write import (
    MAX_TOKENS,
    REFLECT_STAGE,
    STAGE,
    Written,
    write_config,
    write_profiles,
    written_before,
)
from cityfolk.stages.engines import Limits, equipped, labels, load_engines
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Citizen, Failure, Sampling


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What `write` is asked for. `n`, limits and engines after the first may change later; the rest determines rows.

    `prompt` None gives each model the guidance that suits it (`profiles.guidance`).
    """

    n: int = 200
    engines: Sequence[str] = ("pocket",)
    depth: str = "brief"
    filter: str = "age=18.."
    targets: Mapping[str, str] = field(default_factory=dict)
    temperature: float = 0.8
    prompt: Form | None = None
    limits: Limits = field(default_factory=Limits)


def write_lives(study: Study, options: WriteOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Draw the cohort and have every engine write it, one after the other: cohort.parquet and profiles.parquet.

    An engine that cannot go on does not keep the others from writing; what it wrote before is kept. Raises
    IncompleteError at the end if any citizen could not be written, EngineError if no engine could write at all.
    """
    engines = load_engines(options.engines, options.limits)
    cohort, chosen = choose(study, options)
    sampling = sampling_of(study, options)
    ended = "ended" in study.manifest["stages"].get("write", {})
    with equipped(study, engines, options.limits) as ready:
        study.begin(
            "write",
            {
                "people": study.manifest["tables"]["people"]["sha256"],
                "filter": options.filter,
                "targets": dict(options.targets),
                **write_config(engines[0], options.depth, sampling, options.prompt),
            },
            free={
                "n": options.n,
                "engines": [engine.name for engine in engines],
                "models": [engine.model for engine in engines],
                "specs": list(dict.fromkeys(options.engines)),
                **options.limits.document(),
            },
            fresh=_nothing_yet(study),
        )
        study.work("write")
        study.write("cohort", cohort)
        job = _Job(study, options, chosen, sampling, ended, labels(engines), step)
        written = [job.write(number, engine) for number, engine in enumerate(ready)]
    return _conclude(job, engines, written)


def _nothing_yet(study: Study) -> bool:
    """Say whether no engine has answered in this study: its server was down, or its name mistyped."""
    if study.has("profiles"):
        return False
    if not (study.folder / JOURNAL).exists():
        return True
    return not any(known for stage in (STAGE, REFLECT_STAGE) for known in study.journal.settled(stage))


@dataclass(slots=True)
class _Job:
    study: Study
    options: WriteOptions
    chosen: list[Citizen]
    sampling: Sampling
    again: bool
    labels: list[str]
    step: Step
    stopped: dict[int, EngineError | IncompleteError] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def write(self, number: int, engine: Engine) -> Written:
        """Have one engine write everybody; where it stops, return what it wrote before and remember why."""
        calls = len(self.chosen) * (2 if self.options.depth == "full" else 1)
        title = f"write {self.labels[number]}" if len(self.labels) > 1 else "write"
        began = perf_counter()
        common: dict[str, Any] = {
            "depth": self.options.depth,
            "sampling": self.sampling,
            "form": self.options.prompt,
        }
        try:
            return write_profiles(
                self.study.journal,
                engine,
                self.chosen,
                again=self.again,
                on_progress=lambda p: self.step(title, p.settled, calls, _rate(p, began)),
                **common,
            )
        except (EngineError, IncompleteError) as error:
            self.stopped[number] = error
            return written_before(self.study.journal, engine, self.chosen, **common)


def _conclude(job: _Job, engines: Sequence[Engine], written: Sequence[Written]) -> dict[str, Any]:
    """Write the table and the failures; raise what there is to raise, else say what was done."""
    study, asked = job.study, len(job.chosen)
    # Everything after this tells engines apart by that one column: "ollama" if it is alone, else with its model.
    named = [one.profiles.with_columns(engine=pl.lit(label)) for label, one in zip(job.labels, written, strict=True)]
    profiles = pl.concat(named).sort("person_id", "engine", "model")
    failures = [failure for one in written for failure in one.failures]
    if profiles.height or not job.stopped:
        study.write("profiles", profiles)
    _keep_failures(job, failures)
    notices = [f"{label}: {text}" for label, e in zip(job.labels, engines, strict=True) for text in _notices(e)]
    if job.options.limits.concurrency is not None:
        deaf = [e.name for e in engines if not hasattr(e, "concurrency")]
        notices += [f"{name} decides itself how many it writes at once: --concurrency does nothing" for name in deaf]
    if job.stopped:
        raise _stopped(job, profiles.height, asked * len(engines))
    seconds = round(perf_counter() - job.began, 1)
    by_engine = {label: len(one.failures) for label, one in zip(job.labels, written, strict=True)}
    study.finish("write", failed_by_engine=by_engine, seconds=seconds, notices=notices)
    if failures:
        raise IncompleteError(
            f"{len(failures)} of {asked * len(engines)} profiles could not be written; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {"profiles": profiles.height, "engines": job.labels, "seconds": seconds, "notices": notices}


def _keep_failures(job: _Job, failures: Sequence[Failure]) -> None:
    """Write the failures; where an engine stopped, earlier ones stay unless they were answered or failed again."""
    study = job.study
    before = study.failures() if job.stopped else []
    for stage in (STAGE, REFLECT_STAGE):
        new = [failure for failure in failures if failure.stage == stage]
        old = [Failure(**row) for row in before if row["stage"] == stage]
        if old:
            over = {failure.key for failure in new} | study.journal.state(stage)[0].keys()
            new = [failure for failure in old if failure.key not in over] + new
        study.replace_failures(stage, new)


def _stopped(job: _Job, done: int, asked: int) -> EngineError | IncompleteError:
    """Return the error that says which engines stopped, and what is kept of their work and the others'."""
    errors = list(job.stopped.values())
    first = errors[0]
    kept = f"; {done:,} of {asked:,} profiles are kept" if done else ""
    if len(job.labels) == 1:
        said = f"{first}{kept}"
    else:
        said = "; ".join(f"{job.labels[number]} stopped: {error}" for number, error in job.stopped.items()) + kept
    hints = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    kind = EngineError if not done and any(isinstance(e, EngineError) for e in errors) else IncompleteError
    return kind(said, hint=hints)


def _notices(engine: Engine) -> list[str]:
    return [str(text) for text in getattr(engine, "notices", ())]


def choose(study: Study, options: WriteOptions) -> tuple[pl.DataFrame, list[Citizen]]:
    """Return the cohort's table and its citizens, in the order in which they were drawn."""
    study.refuse_imported("written")
    people, households = study.read("people"), study.read("households")
    seed = study.config("people")["seed"]
    cohort = draw_cohort(people, options.n, seed, households=households, filter=options.filter, targets=options.targets)
    return cohort, list(citizens(people, households, cohort, place_of(study).title))


def sampling_of(study: Study, options: WriteOptions) -> Sampling:
    """Return the sampling of every request: the study's seed is the people's."""
    seed = study.config("people")["seed"]
    return Sampling(temperature=options.temperature, max_tokens=MAX_TOKENS, seed=seed)


def _rate(progress: Progress, began: float) -> str:
    seconds = max(perf_counter() - began, 1e-9)
    rate = f"{progress.completion_tokens / seconds:,.0f} tokens/s"
    return f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
