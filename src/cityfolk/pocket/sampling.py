"""Which token comes next: a draw that belongs to the request and the position, and to nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.pocket.arrays import Array

TAIL = 0.1
_LOG_TAIL = float(np.log(TAIL))


def uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """Return the numbers that decide a reply's tokens, one a position, from `Request.seed` (key and attempt) alone."""
    return rng.uniform_at(seed, "pocket", ids=np.arange(count))


def choose(logits: Array, allowed: NDArray[np.bool_], u: float, temperature: float, top_p: float) -> int:
    """Return the token drawn by `u` from the softmax of one row of logits over the tokens allowed.

    Temperature 0 takes the likeliest. `top_p` keeps the smallest set of tokens whose probability reaches it. Tokens
    less than a tenth as likely as the likeliest are never drawn: in a model this small they are slips of the pen.
    """
    values = np.where(allowed, logits, -np.inf)
    best = int(values.argmax())
    if temperature == 0:
        return best
    # Only what may pass TAIL is looked at; the margin is for the rounding of float32.
    options = np.flatnonzero(values >= float(values[best]) + temperature * _LOG_TAIL - 1e-3)
    weights = np.exp((values[options].astype(np.float64) - float(values[best])) / temperature)
    weights[weights < TAIL] = 0.0
    if top_p < 1:
        weights = _nucleus(weights, top_p)
    running = np.cumsum(weights)
    return int(options[min(int(np.searchsorted(running, u * running[-1], side="right")), len(options) - 1)])


def _nucleus(weights: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    order = np.argsort(-weights, kind="stable")
    running = np.cumsum(weights[order])
    last = int(np.searchsorted(running, top_p * running[-1]))
    kept = np.zeros_like(weights)
    kept[order[: last + 1]] = weights[order[: last + 1]]
    return kept


def log_softmax(logits: Array) -> NDArray[np.float64]:
    """Return natural-log probabilities along the last axis."""
    values = logits.astype(np.float64)
    values -= values.max(axis=-1, keepdims=True)
    out: NDArray[np.float64] = values - np.log(np.exp(values).sum(axis=-1, keepdims=True))
    return out
