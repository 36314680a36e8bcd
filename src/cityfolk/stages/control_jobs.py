"""What parts of control share that ask for more than text: who speaks, asking through the journal, a table each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import polars as pl

from cityfolk.engines.ask import Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.errors import EngineError, IncompleteError
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.preferences.records import PROMPTED, TARGET_COLUMNS, UNTARGETED
from cityfolk.preferences.targets import Target
from cityfolk.stages.answers import adapter_of
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.asked import failures_left, notices_of, persona_of, stopped_error
from cityfolk.stages.engines import equipped, labels, load_engines, require_task
from cityfolk.stages.step import Step
from cityfolk.study.folder import Study
from cityfolk.types import BigFive, Failure, Reply, Request

T = TypeVar("T")
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One engine, what its adapter is called ("" for none), and the persona that the adapter was trained for."""

    engine: Engine
    label: str
    adapter: str = ""
    persona: Target | None = None

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.engine.name

    @property
    def model(self) -> str:
        """The engine's model."""
        return self.engine.model

    def respondents(self, targets: Iterable[Target]) -> tuple[Respondent, ...]:
        """Return who it answers as: everybody that is asked, or its persona, which is not told a vector."""
        if self.persona is not None:
            return (Respondent(respondent_id=self.persona.name, vector=self.persona.vector, told=False),)
        return tuple(Respondent(respondent_id=one.name or UNTARGETED, vector=one.vector) for one in targets)

    def columns(self, respondent: Respondent) -> dict[str, Any]:
        """Return the columns of a row that say who answered as whom."""
        return self.as_who(respondent.respondent_id, respondent.vector)

    def as_who(self, name: str, vector: BigFive | None) -> dict[str, Any]:
        """Return the same, of somebody named with the vector that they are meant to have."""
        return {
            "respondent_id": name,
            "condition": UNTARGETED if vector is None else self.adapter or PROMPTED,
            **dict(zip(TARGET_COLUMNS, target_values(vector), strict=True)),
            "engine": self.name,
            "model": self.model,
            "adapter": self.adapter,
        }


def target_values(vector: BigFive | None) -> tuple[float | None, ...]:
    """Return a vector's five percentiles, None for nobody's."""
    return (None,) * len(TARGET_COLUMNS) if vector is None else tuple(value for _, value in vector.items())


@dataclass(slots=True)
class Job:
    """The asking of one part: `ask` takes what one speaker is asked, `conclude` writes the table."""

    study: Study
    verb: str
    speakers: tuple[Speaker, ...]
    step: Step
    again: bool = False
    ready: Sequence[Engine] = ()
    asked: int = 0
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[int, EngineError | IncompleteError] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def ask(
        self,
        speaker: Speaker,
        requests: Iterable[Request],
        parse: Callable[[Request, Reply], T],
        total: int,
        title: str = "",
    ) -> dict[str, T]:
        """Return {key: parsed reply} of what one speaker is asked; where it stops, what there was until then.

        A speaker that stopped before is not asked again.
        """
        number = self.speakers.index(speaker)
        self.asked += total
        if number in self.stopped:
            return {}
        words = " ".join(part for part in (self.verb, title, speaker.label if len(self.speakers) > 1 else "") if part)
        began = perf_counter()

        def told(progress: Progress) -> None:
            rate = f"{progress.settled / max(perf_counter() - began, 1e-9):,.0f} answers/s"
            self.step(words, progress.settled, total, rate)

        said: dict[str, T] = {}
        try:
            for request, result in ask(
                self.study.journal,
                self.ready[number],
                requests,
                parse,
                stage=self.verb,
                attempts=ATTEMPTS,
                again=self.again,
                keep_cut=True,
                on_progress=told,
            ):
                if isinstance(result, Failure):
                    self.failures.append(result)
                else:
                    said[request.key] = result
        except (EngineError, IncompleteError) as error:
            self.stopped[number] = error
        return said

    def keep(self, table: str, rows: pl.DataFrame, identity: Sequence[str], sorted_by: Sequence[str]) -> pl.DataFrame:
        """Write rows among those that a table has already; of two with one identity the new one stays."""
        before = self.study.read(table) if self.study.has(table) else rows.clear()
        kept = before.select(rows.columns).join(rows, on=list(identity), how="anti", nulls_equal=True)
        whole = pl.concat([rows, kept]).sort(list(sorted_by), maintain_order=True)
        if whole.height or not self.stopped:
            self.study.write(table, whole)
        return whole

    def conclude(self, notices: Sequence[str] = (), **facts: Any) -> dict[str, Any]:
        """Record what was done and what failed; raise what there is to raise, else {"notices", ...}."""
        study, names = self.study, [speaker.label for speaker in self.speakers]
        left = failures_left(study, self.verb, self.failures)
        study.replace_failures(self.verb, left)
        done = self.asked - len(self.failures)
        if self.stopped:
            raise stopped_error(names, self.stopped, sum(1 for _ in study.journal.settled(self.verb)[0]), self.asked)
        told = [*notices_of(names, [speaker.engine for speaker in self.speakers]), *notices]
        seconds = round(perf_counter() - self.began, 1)
        study.finish(self.verb, asked=done, failed=len(left), seconds=seconds, notices=told, **facts)
        if self.failures:
            raise IncompleteError(
                f"{len(self.failures):,} of {self.asked:,} answers are missing; the others are kept",
                hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
            )
        return {"notices": told, "asked": done, **facts}


def speakers_of(options: AskOptions, task: str = "answers") -> tuple[Speaker, ...]:
    """Load the engines; UsageError where one wasn't trained for the task, or no adapter can be the persona."""
    engines = load_engines(options.engines, options.limits)
    require_task(engines, task)
    adapters = [adapter_of(engine) for engine in engines]
    persona = persona_of(options.persona, adapters)
    return tuple(
        Speaker(engine=engine, label=label, adapter=adapter, persona=persona if adapter else None)
        for engine, label, adapter in zip(engines, labels(engines), adapters, strict=True)
    )


@contextmanager
def asking(
    study: Study,
    options: AskOptions,
    speakers: Sequence[Speaker],
    *,
    verb: str,
    table: str,
    config: Mapping[str, Any],
    free: Mapping[str, Any],
    step: Step,
) -> Iterator[Job]:
    """Begin a part: the engines get their wrappers, the study its record of what is asked."""
    again = "ended" in study.manifest["stages"].get(verb, {})
    engines = [speaker.engine for speaker in speakers]
    about = {
        "engines": [engine.name for engine in engines],
        "models": [engine.model for engine in engines],
        "specs": list(dict.fromkeys(options.engines)),
        "persona": options.persona,
        **free,
        **options.limits.document(),
    }
    with equipped(study, engines, options.limits) as ready:
        study.begin(verb, config, free=about, fresh=not study.has(table))
        study.work(verb)
        yield Job(study, verb, tuple(speakers), step, again, ready)
