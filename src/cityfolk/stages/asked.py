"""What verbs share that have several engines answer: whom adapters stand for, a plan, the asking, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import polars as pl

from cityfolk.engines.ask import ATTEMPTS, Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.engines.prices import load_prices
from cityfolk.engines.spec import Spec
from cityfolk.errors import CityfolkError, EngineError, IncompleteError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences.targets import Target
from cityfolk.stages.engines import Limits, engine_price, labels
from cityfolk.stages.plan import Sample, counter, estimate_calls, mean_completion, plan_document
from cityfolk.stages.step import Step
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import BigFive, Failure, Reply, Request
from cityfolk.vocabulary import TRAITS

T = TypeVar("T")
SENTENCES = " ".join(
    ["I usually take a day to think it over and then talk to somebody who has been through the same thing."] * 4
)
"""An answer of usual length."""


def adapter_of(engine: Engine) -> str:
    """Return the name of the adapter in an engine's name, "" if there is none: its folder's or repository's."""
    spec = getattr(engine, "spec", None)
    place = spec.adapter if isinstance(spec, Spec) else getattr(engine, "adapter", "")
    return Path(place).name if isinstance(place, str) else ""


def persona_of(name: str, adapters: Sequence[str]) -> Target | None:
    """Return the archetype that adapters were trained for, None where none is named; UsageError where it cannot be."""
    if not name:
        return None
    if name not in ARCHETYPES:
        raise UsageError(f"there is no persona {name!r}", hint=f"one of {', '.join(ARCHETYPES)}")
    if not any(adapters):
        raise UsageError(
            f"no engine has an adapter that could be {name}", hint="such as --engine hf:MODEL+adapters/NAME"
        )
    return Target(name=name, vector=ARCHETYPES[name])


def refuse_renamed(study: Study, known: pl.DataFrame, asked: Iterable[tuple[str, BigFive | None]]) -> None:
    """Raise UsageError for a name under which a study has answers to another vector.

    `known` holds name and five percentiles, null where none was asked for, of what was answered before.
    """
    before: dict[str, set[tuple[float | None, ...]]] = {}
    for name, *values in known.iter_rows():
        before.setdefault(name, set()).add(tuple(values))
    for name, vector in asked:
        if before.get(name, set()) - {target_values(vector)}:
            raise UsageError(
                f"{study.folder} has answers under another vector called {name!r}",
                hint="give this target another name",
            )


def target_values(vector: BigFive | None) -> tuple[float | None, ...]:
    """Return a vector's five percentiles, None for nobody's."""
    return (None,) * len(TRAITS) if vector is None else tuple(value for _, value in vector.items())


# ------------------------------------------------------------------------------------------------------------ planning


def plan_asked(
    study: Study,
    asked: Iterable[tuple[Engine, str, Iterable[Request]]],
    *,
    stage: str,
    wrote: tuple[float, str] | None = None,
) -> dict[str, Any]:
    """Return a plan of what engines are asked, (engine, name of the prompts, requests) each.

    It holds the first prompt, and for each engine calls, tokens and dollars. Identical requests count once, and those
    that the journal answers under `stage` do not. `wrote` is how many tokens a reply has and where that comes from; by
    default the mean of earlier replies, else an answer of usual length. Raises UsageError where nothing is asked.
    """
    done = study.journal.settled(stage)[0] if (study.folder / JOURNAL).exists() else {}
    all_asked = list(asked)
    prices, estimates = load_prices(), []
    first: Request | None = None
    for (engine, prompt, requests), label in zip(all_asked, labels([one for one, *_ in all_asked]), strict=True):
        kept: dict[int, bool] = {}
        sample = Sample()
        for request in requests:
            first = first or request
            key = int(request.key, 16)
            if key not in kept:
                kept[key] = key in done
                sample.add(request, counts=not kept[key])
        known = wrote or mean_completion(study, engine, (stage,))
        length, how = known or (counter(engine)[0](SENTENCES), f"an answer of {len(SENTENCES)} characters")
        estimates.append(
            estimate_calls(
                engine,
                label,
                prompt,
                sample.requests,
                calls=sum(not there for there in kept.values()),
                answered=sum(kept.values()),
                wrote=length,
                how=how,
                price=engine_price(engine, prices),
                more=sample.more(counter(engine)[0]),
            )
        )
    if first is None:
        raise UsageError("nobody is asked anything", hint="give an engine, a target and something to answer")
    return plan_document(all_asked[0][0], first, estimates)


# -------------------------------------------------------------------------------------------------------------- asking


def about_engines(engines: Sequence[Engine], specs: Iterable[str], limits: Limits) -> dict[str, Any]:
    """Return what a study's record says of who was asked."""
    return {
        "engines": [engine.name for engine in engines],
        "models": [engine.model for engine in engines],
        "specs": list(dict.fromkeys(specs)),
        **limits.document(),
    }


def nothing_answered(study: Study, table: str, stage: str) -> bool:
    """Say whether a study has neither a table of answers nor a good reply of a stage."""
    if study.has(table):
        return False
    return not (study.folder / JOURNAL).exists() or not study.journal.settled(stage)[0]


def answers_a_second(progress: Progress, seconds: float) -> str:
    """Return how fast a job goes, in words."""
    return f"{progress.settled / max(seconds, 1e-9):,.0f} answers/s"


@dataclass(slots=True)
class Asking:
    """Engines that are asked one after the other under one verb: whose replies fail, who stops, and how it ends.

    `again` gives requests that failed in an earlier run, which ended, new attempts.
    """

    study: Study
    verb: str
    engines: Sequence[Engine]
    step: Step
    again: bool
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[int, EngineError | IncompleteError] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    @classmethod
    def of(cls, study: Study, verb: str, engines: Sequence[Engine], step: Step) -> Asking:
        """Begin; the study's record says whether an earlier run ended. To be called before it is begun anew."""
        return cls(study, verb, engines, step, "ended" in study.manifest["stages"].get(verb, {}))

    @property
    def labels(self) -> list[str]:
        """What the engines are called."""
        return labels(self.engines)

    def ask(
        self,
        number: int,
        ready: Engine,
        requests: Iterable[Request],
        parse: Callable[[Request, Reply], T],
        total: int,
        *,
        attempts: int = ATTEMPTS,
        title: str = "",
        rate: Callable[[Progress, float], str] = answers_a_second,
    ) -> Iterator[tuple[Request, T]]:
        """Yield (request, parsed reply) of what engine `number` is asked; where it stops, remember why.

        `ready` is the engine with its wrappers. An engine that stopped before is not asked again. Replies that were cut
        off at their limit of tokens are `parse`'s to judge.
        """
        if number in self.stopped:
            return
        label = self.labels[number] if len(self.engines) > 1 else ""
        words = " ".join(part for part in (self.verb, title, label) if part)
        began = perf_counter()

        def told(progress: Progress) -> None:
            self.step(words, progress.settled, total, rate(progress, perf_counter() - began))

        replies = ask(
            self.study.journal,
            ready,
            requests,
            parse,
            stage=self.verb,
            attempts=attempts,
            again=self.again,
            keep_cut=True,
            on_progress=told,
        )
        try:
            for request, result in replies:
                if isinstance(result, Failure):
                    self.failures.append(result)
                else:
                    yield request, result
        except (EngineError, IncompleteError) as error:
            self.stopped[number] = error

    def conclude(self, asked: int, kept: int, facts: Mapping[str, Any], notices: Sequence[str] = ()) -> dict[str, Any]:
        """Record what was done and what failed; raise what there is to raise, else say what was done.

        `asked` answers were asked for, of which `kept` are there where an engine stopped.
        """
        study, names = self.study, self.labels
        left = failures_left(study, self.verb, sorted(self.failures, key=lambda failure: failure.label))
        study.replace_failures(self.verb, left)
        if self.stopped:
            raise stopped_error(names, self.stopped, kept, asked)
        told = [*notices_of(names, self.engines), *notices]
        seconds = round(perf_counter() - self.began, 1)
        study.finish(self.verb, **facts, failed=len(left), seconds=seconds, notices=told)
        if self.failures:
            raise IncompleteError(
                f"{len(self.failures):,} of {asked:,} answers are missing; the others are kept",
                hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
            )
        return {**facts, "engines": names, "seconds": seconds, "notices": told}


def notices_of(labels: Sequence[str], engines: Sequence[Engine]) -> list[str]:
    """Return what engines have to say, each under its label."""
    return [
        f"{label}: {text}"
        for label, engine in zip(labels, engines, strict=True)
        for text in getattr(engine, "notices", ())
    ]


def failures_left(study: Study, stage: str, new: list[Failure]) -> list[Failure]:
    """Return the failures there are now: earlier ones stay unless they were answered, or asked again and failed."""
    keys = {failure.key for failure in new}
    earlier = [Failure(**row) for row in study.failures() if row["stage"] == stage]
    if not earlier:
        return new
    answered = study.journal.settled(stage)[0]
    return [f for f in earlier if f.key not in keys and int(f.key, 16) not in answered] + new


def stopped_error(
    labels: Sequence[str], stopped: Mapping[int, EngineError | IncompleteError], done: int, asked: int
) -> CityfolkError:
    """Return the error that says which engines stopped, by their place, and what is kept of theirs and the others'."""
    errors = list(stopped.values())
    kept = f"; {done:,} of {asked:,} answers are kept" if done else ""
    if len(labels) == 1:
        said = f"{errors[0]}{kept}"
    else:
        said = "; ".join(f"{labels[number]} stopped: {error}" for number, error in stopped.items()) + kept
    hints = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    kind = EngineError if not done and any(isinstance(e, EngineError) for e in errors) else IncompleteError
    return kind(said, hint=hints)
