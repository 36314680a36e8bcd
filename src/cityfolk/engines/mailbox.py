"""Events from the engine's thread to the one that keeps the journal, handed over in groups.

A group is taken when enough has come or some time has passed, whichever is first: one wake-up and one commit for many
replies, and never more than a few of them outside the journal. A full box makes the engine wait.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import Generic, TypeVar

E = TypeVar("E")


class Mailbox(Generic[E]):
    """A bounded queue from one thread to one other. `seconds` is the longest that an event waits for company."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._events: deque[E] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._idle = self._hurried = self._full = self._closed = False

    def put(self, event: E, *, weight: int = 1, enough: int = 1) -> bool:
        """Add an event; wait while the box is full. The group is due when its weights come to `enough`.

        Returns False where nobody takes events any more.
        """
        with self._changed:
            while len(self._events) >= self._most and not self._closed:
                self._full = True
                self._changed.wait()
            self._events.append(event)
            self._weight += weight
            self._hurried = self._hurried or self._weight >= enough
            if self._idle or self._hurried:
                self._changed.notify_all()
            return not self._closed

    def take(self) -> list[E]:
        """Wait for an event, then for company, and return them all in order."""
        with self._changed:
            while not self._events:
                self._idle = True
                self._changed.wait()
            self._idle = False
            until = monotonic() + self._seconds
            while not self._hurried and (left := until - monotonic()) > 0:
                self._changed.wait(left)
            events = list(self._events)
            self._events.clear()
            self._weight, self._hurried = 0, False
            if self._full:
                self._full = False
                self._changed.notify_all()
            return events

    def close(self) -> None:
        """Say that no more events will be taken; whoever waits to add one goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
