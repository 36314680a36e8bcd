"""Engines by name. Built-ins and third parties take the same road: an entry point of the group "cityfolk.engines".

An engine is asked for as NAME or NAME:REST, where REST is the engine's own (a model, an address); its factory is
called with REST ("" if there is none) and returns an Engine. A preset's name stands for such a name. Nothing is
imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points

from cityfolk.engines.base import Engine
from cityfolk.engines.spec import split_name
from cityfolk.errors import UsageError

GROUP = "cityfolk.engines"
Factory = Callable[[str], Engine]


@dataclass(frozen=True, slots=True)
class Known:
    """An engine that could be loaded: its name and the module or package it comes from."""

    name: str
    target: str


def known_engines() -> list[Known]:
    """Return every engine that an installed package offers, by name."""
    return sorted((Known(ep.name, ep.value) for ep in entry_points(group=GROUP)), key=lambda known: known.name)


def load_engine(spec: str) -> Engine:
    """Make the engine that `spec` names; UsageError with the nearest name if there is none.

    EngineError where a preset's model is nowhere to be reached.
    """
    name, rest = split_name(spec)
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                factory: Factory = point.load()
            except (ImportError, AttributeError) as error:
                raise UsageError(
                    f"engine {name!r} cannot be loaded: {error}", hint=f"reinstall {point.value}"
                ) from error
            return factory(rest)
    return _preset(spec)


def _preset(spec: str) -> Engine:
    from cityfolk.engines.presets import find_preset, presets, resolve

    # A preset's name may itself hold a colon ("llama3.1:8b"); an address or options may follow it.
    end = min((place for mark in "?@" if (place := spec.find(mark)) >= 0), default=len(spec))
    if find_preset(spec[:end]) is not None:
        full = resolve(spec[:end], spec[end:])
        assert full is not None
        return load_engine(full)
    names = [known.name for known in known_engines()]
    short = [name for preset in presets() for name in (preset.name, *preset.aliases)]
    name = split_name(spec)[0]
    near = get_close_matches(name, [*names, *short], n=1) or get_close_matches(spec[:end], short, n=1)
    presets_hint = f"; presets: {', '.join(preset.name for preset in presets())}"
    hint = f"did you mean {near[0]!r}?" if near else f"known engines: {', '.join(names) or 'none'}{presets_hint}"
    raise UsageError(f"there is no engine named {name!r}", hint=hint)
