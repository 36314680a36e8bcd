"""What a training has left in its folder, read back: what was asked, every event, samples, the adapter's own sizes.

training.json      name, kind, target, model, objective, pairs, cost, seed, versions
training.jsonl     one event a line: train, held-out, control
samples.jsonl      answers before and after
recipe.toml        everything that was used
adapter_config.json  rank and scale of the adapter
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cityfolk.errors import DataError
from cityfolk.training.events import Events, whole_lines

RECORD, EVENTS, SAMPLES, RECIPE, ADAPTER = (
    "training.json",
    "training.jsonl",
    "samples.jsonl",
    "recipe.toml",
    "adapter_config.json",
)
PERSONA, VECTORS = "persona", "vectors"
_HINT = "name the folder of an adapter that `cityfolk train` has finished, such as DIR/adapters/diplomat"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A finished training. `tokens` and `seconds` are what it took in all; `target` is five percentiles from 0 to 1.

    `watched_questions` are the ids of held-out questions that had a say in which step was kept, `watched_texts` the
    `content_key`s of their words. `events` are in the order of their steps, one of each kind a step; `best_step` is
    the one whose weights were kept.
    """

    name: str
    kind: str
    model: str
    revision: str = ""
    target_name: str = ""
    target: tuple[float, ...] | None = None
    objective: str = "dpo"
    beta: float | None = None
    label_smoothing: float | None = None
    train_pairs: int = 0
    held_out_pairs: int = 0
    too_long: int = 0
    tokens: int = 0
    seconds: float = 0.0
    steps: int = 0
    best_step: int = 0
    stopped_by: str = ""
    seed: int | None = None
    watched_questions: tuple[str, ...] = ()
    watched_texts: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    recipe: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    adapter: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    events: tuple[Mapping[str, Any], ...] = ()
    samples: tuple[Mapping[str, Any], ...] = ()

    @property
    def persona(self) -> bool:
        """Say whether the adapter is one personality, rather than one that reads a vector in the prompt."""
        return self.kind == PERSONA

    def series(self, event: str, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of one kind of event, those that are numbers; a dotted key looks inside."""
        found = ((int(one["step"]), _inside(one, key)) for one in self.events if one["event"] == event)
        return [(step, value) for step, value in found if value is not None]

    def last(self, event: str, key: str, *, until: int | None = None) -> float | None:
        """Return the latest value up to a step (the kept one if none is given), None where there is none."""
        limit = self.best_step if until is None else until
        values = [value for step, value in self.series(event, key) if step <= limit]
        return values[-1] if values else None

    def readers(self, key: str) -> list[tuple[str, str]]:
        """Return (who read, the key of what they read) of a measure of control; who is "" where nobody is named."""
        keys = {name for one in self.events if one["event"] == "control" for name in one}
        named = sorted(name for name in keys if name.startswith(f"{key}_"))
        return [(name.removeprefix(f"{key}_"), name) for name in named] or [("", key)] * (key in keys)

    @property
    def base(self) -> str:
        """Return the base model as others may know it: a repository's name, or a folder's last part."""
        text = self.model.rstrip("/")
        path = text.startswith((".", "/", "~", "\\")) or Path(text).is_absolute() or text.count("/") > 1
        return Path(text).name if path else text


def read_training(folder: Path) -> Training:
    """Read a training's folder; DataError where there is none, or where it cannot be read."""
    about = _json(folder / RECORD)
    objective, pairs = _table(about.get("objective")), _table(about.get("pairs"))
    target = about.get("target")
    try:
        return Training(
            name=str(about["name"]),
            kind=str(about["kind"]),
            model=str(about["model"]),
            revision=str(about.get("revision") or ""),
            target_name=str(about.get("target_name") or ""),
            target=tuple(float(value) for value in target) if target else None,
            objective=str(objective.get("name", "dpo")),
            beta=objective.get("beta"),
            label_smoothing=objective.get("label_smoothing"),
            train_pairs=int(pairs.get("train") or 0),
            held_out_pairs=int(pairs.get("held_out") or 0),
            too_long=_count(about.get("too_long")),
            tokens=int(about.get("tokens") or 0),
            seconds=float(about.get("seconds") or 0),
            steps=int(about.get("steps") or 0),
            best_step=int(about.get("best_step") or about.get("steps") or 0),
            stopped_by=str(about.get("stopped_by") or ""),
            seed=about.get("seed"),
            watched_questions=tuple(map(str, about.get("watched_questions") or ())),
            watched_texts=tuple(map(str, about.get("watched_texts") or ())),
            versions=_table(about.get("versions")),
            recipe=_toml(folder / RECIPE),
            adapter=_json(folder / ADAPTER) if (folder / ADAPTER).is_file() else {},
            events=_events(folder / EVENTS),
            samples=tuple(whole_lines(folder / SAMPLES)),
        )
    except (KeyError, TypeError, ValueError) as damage:
        raise DataError(f"{folder / RECORD} is not what a training writes: {damage}", hint=_HINT) from damage


def _events(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return events by step; a training that went on after a kill has written some twice, and the later ones count."""
    kept = {(int(one["step"]), str(one["event"])): one for one in Events(path).read()}
    return tuple(kept[place] for place in sorted(kept))


def _inside(row: Mapping[str, Any], key: str) -> float | None:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value or 0)


def _table(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except OSError as missing:
        raise DataError(f"there is no {path.name} in {path.parent}", hint=_HINT) from missing
    except ValueError as damage:
        raise DataError(f"{path} cannot be read: {damage}", hint=_HINT) from damage
    return _table(read)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as damage:
        raise DataError(f"{path} cannot be read: {damage}", hint=_HINT) from damage
