"""Which row answers which key, for hundreds of thousands of keys: 24 bytes each instead of the 127 of a dict."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping

import numpy as np
from numpy.typing import NDArray

_RECENT = 4096  # keys that are kept in a dict until they are sorted among the others
_HALF = (1 << 64) - 1


class Rows(MutableMapping[int, int]):
    """A map from keys (128 bits) to rows of a journal; nothing is taken out of it.

    Sorted arrays hold what is old, a dict what is new; the dict is sorted in when it has grown by an eighth of the
    whole, so that adding n keys costs O(n log n).
    """

    def __init__(self) -> None:
        self._high: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._low: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._recent: dict[int, int] = {}

    @classmethod
    def first(cls, high: array[int], low: array[int], rows: array[int]) -> Rows:
        """Make the map of keys in two halves of 64 bits and their rows; the first row of a key counts."""
        made = cls()
        halves = np.array(high, dtype=np.uint64), np.array(low, dtype=np.uint64)
        order = np.lexsort((halves[1], halves[0]))  # stable: equal keys stay in the order of their rows
        made._high, made._low = halves[0][order], halves[1][order]
        made._rows = np.array(rows, dtype=np.int64)[order]
        if len(order):
            new = np.empty(len(order), dtype=bool)
            new[0] = True
            new[1:] = (made._high[1:] != made._high[:-1]) | (made._low[1:] != made._low[:-1])
            made._high, made._low, made._rows = made._high[new], made._low[new], made._rows[new]
        return made

    def _place(self, key: int) -> int:
        """Return where a key stands among the sorted ones, -1 if it does not."""
        if not len(self._rows):
            return -1
        high, low = np.uint64(key >> 64), key & _HALF
        place = int(self._high.searchsorted(high))
        while place < len(self._high) and self._high[place] == high:
            if int(self._low[place]) == low:
                return place
            place += 1
        return -1

    def __getitem__(self, key: int) -> int:
        """Return a key's row; KeyError if it has none."""
        row = self._recent.get(key)
        if row is not None:
            return row
        place = self._place(key)
        if place < 0:
            raise KeyError(key)
        return int(self._rows[place])

    def __setitem__(self, key: int, row: int) -> None:
        """Give a key its row, another one if it had one."""
        place = self._place(key)
        if place >= 0:
            self._rows[place] = row
            return
        self._recent[key] = row
        if len(self._recent) >= max(_RECENT, len(self._high) // 8):
            self._sort_in()

    def _sort_in(self) -> None:
        keys = self._recent
        high = np.concatenate([self._high, np.fromiter((key >> 64 for key in keys), np.uint64, len(keys))])
        low = np.concatenate([self._low, np.fromiter((key & _HALF for key in keys), np.uint64, len(keys))])
        rows = np.concatenate([self._rows, np.fromiter(keys.values(), np.int64, len(keys))])
        order = np.lexsort((low, high))
        self._high, self._low, self._rows = high[order], low[order], rows[order]
        self._recent = {}

    def __delitem__(self, key: int) -> None:
        """Refuse: a journal forgets nothing."""
        raise TypeError("a key stays in the journal")

    def __len__(self) -> int:
        """Return how many keys have a row."""
        return len(self._high) + len(self._recent)

    def __iter__(self) -> Iterator[int]:
        """Yield the keys: the sorted ones in order, then the new ones."""
        for high, low in zip(self._high, self._low, strict=True):
            yield int(high) << 64 | int(low)
        yield from self._recent
