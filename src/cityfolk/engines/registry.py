"""Engines by name. Built-ins and third parties take the same road: an entry point of the group "cityfolk.engines".

An engine is asked for as NAME or NAME:REST, where REST is the engine's own (a model, an address); its factory is
called with REST ("" if there is none) and returns an Engine. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points

from cityfolk.engines.base import Engine
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
    """Make the engine that `spec` names; UsageError with the nearest name if there is none."""
    name, _, rest = spec.partition(":")
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                factory: Factory = point.load()
            except (ImportError, AttributeError) as error:
                raise UsageError(
                    f"engine {name!r} cannot be loaded: {error}", hint=f"reinstall {point.value}"
                ) from error
            return factory(rest)
    names = [known.name for known in known_engines()]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known engines: {', '.join(names) or 'none'}"
    raise UsageError(f"there is no engine named {name!r}", hint=hint)
