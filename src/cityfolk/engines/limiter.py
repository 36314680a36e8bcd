"""How many calls at once: found by trying, without I/O and without a clock of its own.

The limit doubles while the throughput grows with it: at once where calls take no longer although twice as many are in
flight (Little's law: throughput has then doubled), else when it has been measured. Where it does not grow in three
epochs, the lower limit is kept, and a higher one is tried again now and then. Refusals for overload (429, 503) shrink
it in proportion to how many they are, and from then on it grows by tenths; when most answers are refusals, everything
waits as long as the server asked.
"""

from __future__ import annotations

from collections import deque

START, CAP = 32, 256
_EPOCH_SECONDS = 0.05  # the shortest time over which a throughput is taken
_LOOKS = 3  # epochs in which a higher limit may show what it brings
_PROBE_AFTER = 10  # epochs until a higher limit is tried again
_RECENT = 24  # outcomes of which the share of refusals is taken
_AS_FAST = 1.25  # times the seconds of a call at half the limit that still count as no longer
_FLOOD = 0.5  # share of refusals from which all calls wait
_SOME = 0.1  # share of refusals in an epoch from which the limit shrinks


class Limiter:
    """A limit for calls in flight. Tell it every outcome with the time it came, in seconds; read `limit`."""

    def __init__(self, cap: int = CAP, *, start: int = START) -> None:
        self.cap = max(1, cap)
        self.limit = max(1, min(start, self.cap))
        self.closed_until = 0.0
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._growing = True
        self._careful = False  # there have been more than a few refusals
        self._lower: tuple[int, float] | None = None  # the limit before the last step up, and its throughput
        self._looks = 0  # epochs at this limit
        self._best = 0.0  # the best throughput at this limit
        self._skip = 0  # outcomes to leave out after a step up
        self._began: float | None = None
        self._good = self._refused = 0
        self._full = False  # whether as many calls as allowed have been in flight
        self._since = 0.0  # when this limit began
        self._fresh, self._fresh_seconds = 0, 0.0  # calls sent and answered since then, and their seconds
        self._pace: float | None = None  # mean seconds of the first of them at the limit before

    def renew(self) -> None:
        """Begin another job with the limit that the last one found."""
        self.closed_until = 0.0
        self._recent.clear()
        self._pace, self._fresh, self._fresh_seconds = None, 0, 0.0
        self._new_epoch(None)

    def started(self, now: float, in_flight: int) -> None:
        """Say that a call has been sent, being the `in_flight`-th at once."""
        if self._began is None:
            self._began = now
            self._since = self._since or now
        self._full = self._full or in_flight >= self.limit

    def succeeded(self, now: float, seconds: float | None = None) -> None:
        """Say that a call was answered, and after how many seconds where that is known."""
        self._good += 1
        self._recent.append(True)
        if seconds is None or not self._growing or self._careful or not self._is_as_fast(now, seconds):
            self._end_epoch(now)

    def refused(self, now: float, wait: float) -> None:
        """Say that the server asked to be spared for `wait` seconds."""
        self._refused += 1
        self._recent.append(False)
        refusals = self._recent.count(False)
        if now < self.closed_until:
            return  # it was under way when all calls began to wait
        if len(self._recent) >= 4 and refusals > _FLOOD * len(self._recent):
            self.closed_until = now + wait
            self._set(max(1, self.limit // 2), growing=False)
            self._careful = True
            self._recent.clear()
            self._new_epoch(None)
        else:
            self._end_epoch(now)

    def opens_in(self, now: float) -> float:
        """Return the seconds until calls may be sent again; 0 if they may be now."""
        return max(0.0, self.closed_until - now)

    def _is_as_fast(self, now: float, seconds: float) -> bool:
        """Take in a call; step up, and return True, where half a limit of them took no longer than at the limit before.

        Short calls are answered first, so that the first half of them are compared with the first half.
        """
        half = max(1, self.limit // 2)
        if self._fresh >= half or now - seconds < self._since:
            return False
        self._fresh += 1
        self._fresh_seconds += seconds
        if self._fresh < half:
            return False
        before, self._pace = self._pace, self._fresh_seconds / half
        if before is None or self._lower is None or not self._full or self._pace > _AS_FAST * before:
            return False
        if self.limit == self.cap:
            return False
        limit, rate = self._lower
        self._new_epoch(now)
        self._step_up(now, rate * self.limit / limit * min(1.0, before / self._pace))
        return True

    def _end_epoch(self, now: float) -> None:
        """After as many outcomes as may be in flight: compare throughput with what it was, choose the next limit."""
        outcomes = self._good + self._refused
        if self._skip and outcomes >= self._skip:  # what was sent under a lower limit says nothing of this one
            self._skip = 0
            self._new_epoch(now)
            return
        if self._began is None or self._skip or outcomes < self.limit or now - self._began < _EPOCH_SECONDS:
            return
        rate, refused, full = self._good / (now - self._began), self._refused / outcomes, self._full
        self._new_epoch(now)
        if refused > _SOME:
            self._set(max(1, int(self.limit * (1.0 - refused / 2))), growing=False)
            self._careful = True
            return
        if not full:
            return  # the limit was not reached: nothing was learned about it
        if self._careful:  # the server has said where its limit is: feel for it in small steps
            self.limit = min(self.cap, self.limit + max(1, self.limit // 10))
            return
        self._looks += 1
        self._best = max(self._best, rate)
        if not self._growing:
            self._growing = self._looks >= _PROBE_AFTER
        if self._growing:
            self._grow(now)

    def _grow(self, now: float) -> None:
        if self._lower is not None:
            limit, before = self._lower
            if self._best < before * (1.0 + 0.2 * (self.limit / limit - 1.0)):
                if self._looks >= _LOOKS:
                    self._set(limit, growing=False)
                return
        if self.limit < self.cap:
            self._step_up(now, self._best)
        else:
            self._set(self.limit, growing=False)

    def _step_up(self, now: float, rate: float) -> None:
        """Double the limit, which had that throughput."""
        lower, pace = (self.limit, rate), self._pace
        self._set(min(self.cap, self.limit * 2), growing=True)
        self._lower, self._skip, self._pace, self._since = lower, lower[0], pace, now

    def _set(self, limit: int, *, growing: bool) -> None:
        self.limit, self._growing = limit, growing
        self._lower, self._looks, self._best, self._skip = None, 0, 0.0, 0
        self._pace, self._fresh, self._fresh_seconds = None, 0, 0.0

    def _new_epoch(self, now: float | None) -> None:
        self._began, self._good, self._refused, self._full = now, 0, 0, False
