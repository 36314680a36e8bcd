"""training.jsonl: one line an event, in the order of steps. A training that goes on drops what a kill left undone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cityfolk.errors import DataError
from cityfolk.study.files import write_text, writing

_KEYS = ("event", "step")


class Events:
    """The events of one training, in a file that grows line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return every event; a last line that a kill cut short is left out, DataError where another is no event."""
        with writing(self.path):
            found = whole_lines(self.path)
        for number, event in enumerate(found, start=1):
            if not all(key in event for key in _KEYS):
                raise DataError(f"line {number} of {self.path} is no event of a training", hint=_mend(self.path))
        return found

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Keep the events up to a step, and return them."""
        kept = [event for event in self.read() if event["step"] <= step]
        write_text(self.path, "".join(_line(event) for event in kept))
        return kept

    def add(self, event: str, step: int, **values: Any) -> None:
        """Write one event at the end."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"event": event, "step": step, **values}))


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return a file of JSON Lines; the last line is left out if a kill cut it short, and [] is no file at all.

    DataError for any other line that is no object in JSON: no kill does that.
    """
    if not path.is_file():
        return []
    *lines, last = path.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate([*lines, *([last] if last else [])], start=1):
        try:
            row = json.loads(line)
        except ValueError as damage:
            if number > len(lines):  # it lacks its end
                continue
            raise DataError(f"line {number} of {path} is no JSON: {damage}", hint=_mend(path)) from damage
        if not isinstance(row, dict):
            raise DataError(f"line {number} of {path} is no object in JSON", hint=_mend(path))
        found.append(row)
    return found


def _mend(path: Path) -> str:
    return f"take that line out of {path.name}: only what it told of is lost"


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps({name: _finite(value) for name, value in event.items()}, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a value that JSON can hold: what overflowed is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
