"""training.jsonl: one line an event, in the order of steps. A training that goes on drops what a kill left undone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cityfolk.study.files import write_text, writing


class Events:
    """The events of one training, in a file that grows line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return every whole line; one that a kill cut short is left out."""
        if not self.path.exists():
            return []
        with writing(self.path):
            lines = self.path.read_text(encoding="utf-8").splitlines()
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
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


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps({name: _finite(value) for name, value in event.items()}, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a value that JSON can hold: what overflowed is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
