"""What verbs that have several engines answer share: the persona of an adapter, and how a job ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cityfolk.engines.base import Engine
from cityfolk.errors import CityfolkError, EngineError, IncompleteError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences.targets import Target
from cityfolk.study.folder import Study
from cityfolk.types import Failure


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
