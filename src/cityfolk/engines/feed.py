"""Requests that arrive while others are being answered: a stream that a server's handlers put into.

An engine asks its source for the next request only when it has room for it, and a plain iterable answers at once. This
one may have to wait for somebody to ask. So it has one method more, `ready()`: whether `next` would return without
waiting. An engine that has work in hand and finds the source not ready goes on working. An engine that never asks is
served as well: while it has work in hand, `next` waits `PATIENCE` seconds and then ends the stream, and what comes
later goes into the next one (`streams`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition

from cityfolk.types import Request

PATIENCE = 0.02


class Feed:
    """A queue of requests between threads, read as one stream after another."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._changed = Condition()
        self._taken = 0
        self._closed = False

    def put(self, request: Request) -> None:
        """Add a request; from any thread."""
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()

    def answered(self) -> None:
        """Say that one request that was taken has its reply."""
        with self._changed:
            self._taken -= 1

    def close(self) -> None:
        """End the stream; requests that nobody took are left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def ready(self) -> bool:
        """Return whether `next` would return, or end the stream, without waiting."""
        with self._changed:
            return self._closed or bool(self._waiting)

    def streams(self) -> Iterator[Feed]:
        """Yield this feed whenever a request waits, until it is closed; each is for one call of `generate`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._waiting))
                if self._closed:
                    return
                self._taken = 0
            yield self

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Request:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting), PATIENCE if self._taken > 0 else None)
            if self._closed or not self._waiting:
                raise StopIteration
            self._taken += 1
            return self._waiting.popleft()
