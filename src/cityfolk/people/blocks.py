"""Work in blocks of whole households, so that wide or wordy steps hold a part of the city at a time."""

from __future__ import annotations

import numpy as np
import polars as pl

Blocks = list[tuple[slice, slice]]
BLOCK = 100_000  # people: some hundred megabytes of text columns, and few enough blocks to cost no time


def blocks_of(people: pl.DataFrame, households: pl.DataFrame) -> Blocks:
    """Cut a population between households: the rows of people and of households of each block of about BLOCK people.

    One block holds everything where either table is not in the order of household ids.
    """
    whole = [(slice(0, people.height), slice(0, households.height))]
    if people.height <= BLOCK or "household_id" not in people.columns or "household_id" not in households.columns:
        return whole
    home, ids = people["household_id"], households["household_id"]
    if home.null_count() or ids.null_count() or not (home.is_sorted() and ids.is_sorted()):
        return whole
    numbers = home.to_numpy()
    wanted = np.linspace(0, people.height, -(-people.height // BLOCK) + 1).astype(np.int64)[1:-1]
    cuts = np.unique(np.searchsorted(numbers, numbers[wanted]))
    cuts = cuts[cuts > 0]
    at = np.searchsorted(ids.to_numpy(), numbers[cuts])
    rows = [0, *cuts.tolist(), people.height]
    homes = [0, *at.tolist(), households.height]
    return [(slice(rows[i], rows[i + 1]), slice(homes[i], homes[i + 1])) for i in range(len(rows) - 1)]
