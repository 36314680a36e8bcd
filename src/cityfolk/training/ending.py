"""After training: the best checkpoint put where it is looked for, and what was done written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cityfolk.errors import StudyError
from cityfolk.study.files import write_text
from cityfolk.study.provenance import versions
from cityfolk.training import checkpoints
from cityfolk.training.job import Control, Job
from cityfolk.training.record import RECORD, SAMPLES

CHECKPOINTS = "checkpoints"
_LIBRARIES = ("torch", "transformers", "peft", "accelerate")


@dataclass(slots=True)
class State:
    """What a checkpoint remembers beside weights and optimizer."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_score: float | None = None
    worse: int = 0  # looks since the best one
    stopped_by: str = ""
    samples: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run knows at its end that no checkpoint remembers."""

    pairs: Mapping[str, int]
    too_long: int
    before: Control | None
    device: str
    processes: int


def publish(job: Job, made: Made, notices: list[str]) -> dict[str, Any]:
    """Write adapter, samples.jsonl and training.json, and keep two checkpoints; return training.json and `notices`."""
    folder = job.folder
    newest, damaged = checkpoints.newest(folder / CHECKPOINTS)
    if newest is None:
        raise StudyError(f"no checkpoint of {folder} can be read", hint="give the same command again")
    state = State(**newest.state["state"])
    best, notices = _best(job, state, newest, [*notices, *damaged])
    checkpoints.publish(best.folder, folder)
    samples = [{"when": "before", **one} for one in (made.before.samples if made.before else ())]
    samples += [{"when": "after", **one} for one in best.state["state"]["samples"]]
    write_text(folder / SAMPLES, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in samples))
    record = _record(job, made, state, best.step)
    write_text(folder / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    checkpoints.prune(folder / CHECKPOINTS, 1, best.step)
    return {**record, "notices": list(dict.fromkeys(notices))}


def _best(
    job: Job, state: State, newest: checkpoints.Checkpoint, notices: list[str]
) -> tuple[checkpoints.Checkpoint, list[str]]:
    if state.best_step in (None, newest.step):
        return newest, notices
    try:
        return checkpoints.read(job.folder / CHECKPOINTS / f"step-{state.best_step:06d}"), notices
    except (OSError, ValueError, KeyError) as damage:
        said = f"the best checkpoint, of step {state.best_step}, is damaged ({damage}): step {newest.step} is kept"
        return newest, [*notices, said]


def _record(job: Job, made: Made, state: State, best: int) -> dict[str, Any]:
    recipe, place = job.recipe, job.place
    return {
        **job.about,
        "model": place.name,
        "revision": place.revision,
        "objective": {
            "name": recipe.objective,
            "beta": recipe.beta,
            "label_smoothing": recipe.label_smoothing,
        },
        "pairs": dict(made.pairs),
        "too_long": made.too_long,
        "tokens": state.tokens,
        "seconds": state.seconds,
        "steps": state.step,
        "best_step": best,
        "best_score": state.best_score,
        "stopped_by": state.stopped_by,
        "versions": versions() | {name: _version(name) for name in _LIBRARIES},
        "device": made.device,
        "processes": made.processes,
        "seed": recipe.seed,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
