"""How likely a model finds a text that is given to it: the distribution of every next token, by teacher forcing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.types import Message


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The tokens of a text, and at each of them the natural-log probabilities of all tokens, (tokens, vocabulary)."""

    tokens: tuple[int, ...]
    logprobs: NDArray[np.floating[Any]]

    @property
    def loss(self) -> float:
        """Minus the log-probability of the text, in nats."""
        return float(-self.logprobs[np.arange(len(self.tokens)), list(self.tokens)].astype(np.float64).sum())


Giver = Callable[[Sequence[Message], str, bool], Given]


def giver(engine: object) -> Giver | None:
    """Return what gives an engine's probabilities of a text as the reply to messages; None for an engine without.

    Its third argument asks for the model without the adapter in the engine's name.
    """
    method = getattr(engine, "given", None)
    return method if callable(method) else None


def divergence(own: Given, base: Given) -> float:
    """Return the sum over a text's tokens of the Kullback-Leibler divergence of one model from another, in nats."""
    if own.tokens != base.tokens:
        raise ValueError("the two models cut the text into other tokens")
    p, q = own.logprobs.astype(np.float64), base.logprobs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        parts = np.where(np.isneginf(p), 0.0, np.exp(p) * (p - q))
    return float(parts.sum())
