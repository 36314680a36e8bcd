"""What parts of control share that ask for more than text: who speaks, asking through the journal, a table each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from cityfolk.engines.base import Engine
from cityfolk.evaluation.psychometrics.administration import Respondent
from cityfolk.preferences.records import PROMPTED, TARGET_COLUMNS, UNTARGETED
from cityfolk.preferences.targets import Target
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.asked import Asking, about_engines, adapter_of, persona_of, target_values
from cityfolk.stages.engines import equipped, labels, load_engines, require_task
from cityfolk.stages.step import Step
from cityfolk.study.folder import Study
from cityfolk.types import BigFive, Reply, Request

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


@dataclass(slots=True)
class Job:
    """The asking of one part: `ask` takes what one speaker is asked, `conclude` writes the table."""

    asking: Asking
    speakers: tuple[Speaker, ...]
    ready: Sequence[Engine]
    asked: int = 0

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
        replies = self.asking.ask(number, self.ready[number], requests, parse, total, attempts=ATTEMPTS, title=title)
        return {request.key: said for request, said in replies}

    def keep(self, table: str, rows: pl.DataFrame, identity: Sequence[str], sorted_by: Sequence[str]) -> pl.DataFrame:
        """Write rows among those that a table has already; of two with one identity the new one stays."""
        before = self.asking.study.read(table) if self.asking.study.has(table) else rows.clear()
        kept = before.select(rows.columns).join(rows, on=list(identity), how="anti", nulls_equal=True)
        whole = pl.concat([rows, kept]).sort(list(sorted_by), maintain_order=True)
        if whole.height or not self.asking.stopped:
            self.asking.study.write(table, whole)
        return whole

    def conclude(self, notices: Sequence[str] = (), **facts: Any) -> dict[str, Any]:
        """Record what was done and what failed; raise what there is to raise, else {"notices", ...}."""
        kept = sum(1 for _ in self.asking.study.journal.settled(self.asking.verb)[0]) if self.asking.stopped else 0
        done = self.asked - len(self.asking.failures)
        return self.asking.conclude(self.asked, kept, {"asked": done, **facts}, notices)


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
    engines = [speaker.engine for speaker in speakers]
    begun = Asking.of(study, verb, engines, step)
    about = {"persona": options.persona, **free, **about_engines(engines, options.engines, options.limits)}
    with equipped(study, engines, options.limits) as ready:
        study.begin(verb, config, free=about, fresh=not study.has(table))
        study.work(verb)
        yield Job(begun, tuple(speakers), ready)
