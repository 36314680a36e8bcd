"""What the terminal sees: results on stdout, everything else on stderr; a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any

_LINE_EVERY = 5.0  # seconds between plain progress lines


def result(text: str, document: Any, *, as_json: bool) -> None:
    """Print a verb's result once: words for people, or one JSON document for programs."""
    print(json.dumps(document, ensure_ascii=False, default=str) if as_json else text)


def say(text: str) -> None:
    """Print one line for people on stderr."""
    print(text, file=sys.stderr, flush=True)


Update = Callable[[int, str], None]


@contextmanager
def progress(title: str, total: int) -> Iterator[Update]:
    """Show a long job; call the update with (how many done, a word on the rate)."""
    if not sys.stderr.isatty():
        yield _plain(title, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)


def _plain(title: str, total: int) -> Update:
    began = monotonic()
    last = began

    def update(done: int, note: str) -> None:
        nonlocal last
        now = monotonic()
        if done < total and now - last < _LINE_EVERY:
            return
        last = now
        rate = done / max(now - began, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if done and done < total else ""
        say(f"{title}: {done} of {total}, {now - began:.0f} s{left}{', ' + note if note else ''}")

    return update


@contextmanager
def stepping() -> Iterator[Callable[[str, int, int, str], None]]:
    """Show the progress of jobs that follow one another; call with (title, done, total, note)."""
    with ExitStack() as open_bars:
        updates: dict[str, Update] = {}

        def step(title: str, done: int, total: int, note: str) -> None:
            if title not in updates:
                open_bars.close()
                updates[title] = open_bars.enter_context(progress(title, total))
            updates[title](done, note)

        yield step
