"""What one training is given: its job, how control is measured, what makes a checkpoint the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cityfolk.engines.transformers_load import Place
from cityfolk.training.recipe import Recipe
from cityfolk.training.tokens import PairText

if TYPE_CHECKING:
    from cityfolk.training.speak import Voice

Told = Callable[[str, int, int, str], None]
"""Hears of progress: what is done, how many, of how many, a word on the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What measured control says: one number from -1 to 1, what is told of it by trait, and the answers themselves."""

    score: float
    told: Mapping[str, Any]
    samples: Sequence[Mapping[str, Any]] = ()


class Gauge(Protocol):
    """Measures control: once by the model as it was, then by the weights as they are."""

    def start(self, voice: Voice) -> Control:
        """Have the model without its adapter answer, and remember what it said."""
        ...

    def read(self, voice: Voice) -> Control:
        """Have the weights as they are answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is trained: the adapter's folder, the model, the recipe, pairs; `about` goes into training.json."""

    folder: Path
    place: Place
    recipe: Recipe
    train: Sequence[PairText]
    held_out: Sequence[PairText] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def score(accuracy: float | None, control: float | None) -> float | None:
    """Return what picks the best checkpoint: ((2 accuracy - 1) + control) / 2, each from -1 to 1.

    `accuracy` is the share of held-out pairs whose chosen answer gained more than the rejected one (.5 is chance),
    `control` what is measured of the answers themselves. Where one is not known the other counts alone; None where
    neither is, and then the newest checkpoint is the best.
    """
    parts = [*([2 * accuracy - 1] if accuracy is not None else []), *([control] if control is not None else [])]
    return sum(parts) / len(parts) if parts else None
