"""Tables to people: `build_people(place, seed)` makes everyone who lives in a place and returns a `Population`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cityfolk.people.build import Population, build_people

__all__ = ["Population", "build_people"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: polars and scipy take longer to import than a command line may take to print its help.
    if name in __all__:
        from cityfolk.people import build

        return getattr(build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
