"""The one place where randomness comes from: every draw has an address.

`child(seed, "cambridge-ma", "names")` is a stream of its own for one piece of work.
`uniform_at(seed, ..., ids=...)` gives each id its own number, whatever other ids are asked for, so that a person
stays who they are when more people are drawn. Both depend on nothing but their arguments.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def derive(seed: int, *path: str | int) -> int:
    """Return the 64-bit unsigned integer that belongs to an address."""
    label = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big")


def child(seed: int, *path: str | int) -> np.random.Generator:
    """Return the random stream that belongs to an address."""
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))


def uniform_at(seed: int, *path: str | int, ids: ArrayLike) -> NDArray[np.float64]:
    """Return one uniform number in (0, 1) per id: a SplitMix64 hash (Steele, Lea, Flood 2014) of address and id."""
    x = np.asarray(ids).astype(np.uint64)
    with np.errstate(over="ignore"):
        x = (x + np.uint64(1)) * _GOLDEN + np.uint64(derive(seed, *path))
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x = x ^ (x >> np.uint64(31))
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
