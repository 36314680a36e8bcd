"""On which weights an adapter was trained, by the training.json that `cityfolk train` leaves beside it."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cityfolk.errors import DataError, EngineError

RECORD = "training.json"


def trained_on(adapter: Path) -> tuple[str, str]:
    """Return the model's name and its revision, ("", "") where nothing says; DataError where it can't be read.

    The revision is a hash of what a folder holds or, of a repository (OWNER/NAME), its commit.
    """
    file = adapter / RECORD
    if not file.is_file():
        return "", ""
    try:
        about: Any = json.loads(file.read_text(encoding="utf-8"))
        return str(about.get("model") or ""), str(about.get("revision") or "")
    except (OSError, ValueError, AttributeError) as damage:
        raise DataError(
            f"{file} cannot be read: {damage}", hint="train the adapter again, or delete that file to use it unchecked"
        ) from damage


def refuse_other_weights(adapter: Path, name: str, revisions: Collection[str], *, commit: bool = False) -> None:
    """Raise EngineError where an adapter was trained on weights other than those of the model `name`.

    `revisions` are those that the model goes by; `commit` says that they are commits of a repository. A commit and a
    hash of a folder can't be compared, so nothing is said then.
    """
    model, revision = trained_on(adapter)
    if revision and ("/" in model) == commit and revision not in revisions:
        raise EngineError(
            f"the adapter {adapter.name} was trained on weights of the revision {revision}, and {name} holds others",
            hint="train it again on these weights, or name the model that it was trained on, as MODEL+ADAPTER",
        )
