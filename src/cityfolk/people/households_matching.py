"""Small tools of matching by age, without a loop over people."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.people.raking import IntArray


def random_ranks(values: ArrayLike, spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return values blurred by normal noise of a standard deviation, so that sorting by them is assortative only."""
    blurred: NDArray[np.float64] = np.asarray(values) + rng.normal(0.0, spread, np.shape(values))
    return blurred


def attach(wanted: ArrayLike, offered: ArrayLike, rng: np.random.Generator) -> IntArray:
    """Give each wanted number an offered one near it, none twice; needs at least as many offered as wanted.

    Returns the index into offered for each wanted number. Both are sorted and each wanted one takes the first free
    place at or after its own value; what overruns the end is pushed back.
    """
    wanted_, offered_ = np.asarray(wanted, dtype=float), np.asarray(offered, dtype=float)
    k, n = len(wanted_), len(offered_)
    if k > n:
        raise ValueError(f"{k} wanted but only {n} offered")
    offer_order = np.lexsort((rng.random(n), offered_))
    want_order = np.argsort(wanted_, kind="stable")
    sorted_offers, sorted_wants = offered_[offer_order], wanted_[want_order]
    low = np.searchsorted(sorted_offers, sorted_wants, side="left")
    high = np.searchsorted(sorted_offers, sorted_wants + 1, side="right")
    start = (low + rng.random(k) * (high - low)).astype(np.int64)  # anywhere among the offers of that year
    start.sort()
    steps = np.arange(k)
    places = steps + np.maximum.accumulate(start - steps)
    places = np.minimum(places, n - k + steps)
    result = np.empty(k, np.int64)
    result[want_order] = offer_order[places]
    return result
