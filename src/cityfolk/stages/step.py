"""How a stage tells of its progress: a title, how many of how many are done, and a word on the rate."""

from __future__ import annotations

from collections.abc import Callable

Step = Callable[[str, int, int, str], None]


def quiet(title: str, done: int, total: int, note: str) -> None:
    """Show nothing."""
