"""The cube of five percentiles: its 32 corners, each trait high or low."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from cityfolk.vocabulary import TRAITS

CORNERS = tuple(
    "".join(trait[0].upper() + sign for trait, sign in zip(TRAITS, signs, strict=True))
    for signs in product("-+", repeat=5)
)
"""Names of the corners: "O-C-E-A-N-" is the first."""


def corners(targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the corner, 0 to 31, of each target (n, 5); a percentile of exactly .5 counts as high."""
    return np.asarray((targets >= 0.5) @ (2 ** np.arange(4, -1, -1)), dtype=np.int64)
