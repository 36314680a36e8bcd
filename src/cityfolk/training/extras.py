"""What training needs beyond the base install, looked for before anything of it is imported."""

from __future__ import annotations

import os
from importlib.util import find_spec

from cityfolk.errors import EngineError

INSTALL = "pip install 'cityfolk[train]'"
NEEDED = ("torch", "transformers", "peft", "accelerate")


def require_extras() -> None:
    """Raise EngineError where a package that training needs is not installed."""
    missing = [name for name in NEEDED if not _installed(name)]
    if missing:
        raise EngineError(f"training needs {' and '.join(missing)}, not installed here", hint=INSTALL)


def loggers() -> list[str]:
    """Return the loggers that are installed and can write without asking anybody: "tensorboard", "wandb"."""
    found = ["tensorboard"] if _installed("tensorboard") or _installed("tensorboardX") else []
    told = any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_MODE"))
    return [*found, "wandb"] if _installed("wandb") and told else found


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ValueError, ModuleNotFoundError):
        return False
