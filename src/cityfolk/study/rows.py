"""Which row answers which key, for hundreds of thousands of keys: 28 bytes each instead of the 127 of a dict.

While keys are sorted in, one of the three columns is there twice: nine bytes a key more, for a moment.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
_RECENT = 4096  # keys that are kept in a dict until they are sorted among the others
_SHARE = 32  # the dict holds at most this fraction of all keys
_HALF = (1 << 64) - 1


class Rows(MutableMapping[int, int]):
    """A map from keys (128 bits) to rows of a journal; nothing is taken out of it.

    Arrays hold what is old, sorted by the upper half of the key, a dict what is new; the dict is sorted in when it has
    grown to a fixed share of the whole, so that adding n keys moves a few dozen times n of them.
    """

    def __init__(self) -> None:
        self._high: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._low: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._recent: dict[int, int] = {}

    @classmethod
    def first(cls, high: array[int], low: array[int], rows: array[int]) -> Rows:
        """Make the map of keys in two halves of 64 bits and their rows; the first row of a key counts.

        The arrays are emptied, each when it has been read: on the way a key takes up to 48 bytes.
        """
        made = cls()
        order = np.lexsort((_seen(low, np.uint64), _seen(high, np.uint64)))  # stable: equal keys stay in their order
        made._high = _moved(high, np.uint64, order)
        made._low = _moved(low, np.uint64, order)
        made._rows = _moved(rows, np.int64, order)
        if len(order):
            new = np.empty(len(order), dtype=bool)
            new[0] = True
            new[1:] = (made._high[1:] != made._high[:-1]) | (made._low[1:] != made._low[:-1])
            if not new.all():
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
        if len(self._recent) >= max(_RECENT, len(self._high) // _SHARE):
            self._sort_in()

    def _sort_in(self) -> None:
        keys = sorted(self._recent)
        high = np.fromiter((key >> 64 for key in keys), np.uint64, len(keys))
        places = self._high.searchsorted(high)
        self._high = np.insert(self._high, places, high)
        self._low = np.insert(self._low, places, np.fromiter((key & _HALF for key in keys), np.uint64, len(keys)))
        rows = np.fromiter((self._recent[key] for key in keys), np.int64, len(keys))
        self._rows = np.insert(self._rows, places, rows)
        self._recent = {}

    def __delitem__(self, key: int) -> None:
        """Refuse: a journal forgets nothing."""
        raise TypeError("a key stays in the journal")

    def __len__(self) -> int:
        """Return how many keys have a row."""
        return len(self._high) + len(self._recent)

    def __iter__(self) -> Iterator[int]:
        """Yield the keys: the old ones by their upper half, then the new ones."""
        for high, low in zip(self._high, self._low, strict=True):
            yield int(high) << 64 | int(low)
        yield from self._recent


def _seen(values: array[int], kind: type[T]) -> NDArray[T]:
    """Return an array's numbers where they lie."""
    return np.frombuffer(values, dtype=kind) if values else np.empty(0, dtype=kind)


def _moved(values: array[int], kind: type[T], order: NDArray[np.intp]) -> NDArray[T]:
    """Return an array's numbers in another order, and empty it."""
    moved = _seen(values, kind)[order]
    del values[:]
    return moved
