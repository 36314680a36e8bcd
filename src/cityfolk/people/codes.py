"""Text columns that are made from numbers, each text kept once."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray


def named(name: str, values: tuple[str, ...], codes: NDArray[np.integer]) -> pl.Series:
    """Return a column of categories (Enum of the values) from their numbers; -1 is null."""
    table = pl.Series(name, [*values, None], dtype=pl.Enum(values))
    return table.gather(np.where(codes < 0, len(values), codes).astype(np.uint32))
