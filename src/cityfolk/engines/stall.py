"""When a call has stalled: it takes ten times as long as nearly all the others did.

A fixed time limit is a guess: too short for a large model, too long for a small one. Calls of one kind (a choice of
one token, a profile of seven hundred) are compared with their own kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

TIMES, QUANTILE = 10.0, 0.95
FLOOR_SECONDS, START_SECONDS = 5.0, 600.0
_ENOUGH, _REMEMBERED, _EVERY = 20, 400, 20


class StallWatch:
    """Running 95th percentiles of seconds by kind of call, and the time limits that follow from them."""

    def __init__(self, *, floor: float = FLOOR_SECONDS, start: float = START_SECONDS) -> None:
        self.floor, self.start = floor, start
        self._seconds: dict[Hashable, deque[float]] = {}
        self._limit: dict[Hashable, float] = {}
        self._new: dict[Hashable, int] = {}

    def finished(self, kind: Hashable, seconds: float) -> None:
        """Say how long a call of a kind took."""
        seen = self._seconds.get(kind)
        if seen is None:
            seen = self._seconds[kind] = deque(maxlen=_REMEMBERED)
        seen.append(seconds)
        self._new[kind] = self._new.get(kind, 0) + 1
        if len(seen) >= _ENOUGH and self._new[kind] >= _EVERY:
            self._new[kind] = 0
            ranked = sorted(seen)
            self._limit[kind] = max(self.floor, TIMES * ranked[int(QUANTILE * (len(ranked) - 1))])

    def limit(self, kind: Hashable, stalls: int = 0) -> float:
        """Return the seconds after which a call has stalled; twice as many for each time it did before."""
        return self._limit.get(kind, self.start) * 2.0 ** min(stalls, 6)
