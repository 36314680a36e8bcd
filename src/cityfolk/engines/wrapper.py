"""Engines around engines: retry, and a pace. Each has an engine's shape, so they stack in any order.

A wrapper that must hold requests back ends the inner engine's stream and begins another; the inner engine always
finishes what it has taken.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.types import Reply, Request

CHARACTERS_PER_TOKEN = 4.0  # English on byte-pair vocabularies of 32,000 to 128,000: what OpenAI's guide states
_TEMPLATE_TOKENS = 8  # role markers around one message


class Wrapper:
    """An engine with another inside: same name, same model; what it lacks is asked of the other."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self.name, self.model = inner.name, inner.model

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not made yet: copying and unpickling ask before __init__
            raise AttributeError(name)
        return getattr(self.inner, name)

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Pass requests and replies through."""
        yield from self.inner.generate(requests)


def prompt_estimate(request: Request) -> int:
    """Return about how many tokens a request's prompt has, from its characters; the schema is not counted."""
    characters = sum(len(message.content) for message in request.messages)
    return round(characters / CHARACTERS_PER_TOKEN) + _TEMPLATE_TOKENS * len(request.messages)


class Retry(Wrapper):
    """Asks again what failed on the way (finish "error"): the same attempt, so the same seed; bad text is not its job.

    `tries` counts all calls of one request. What failed before is named in the reply's `faults`. Between rounds in
    which nothing succeeded it waits `wait` seconds, doubled each time up to 30.
    """

    def __init__(
        self, inner: Engine, *, tries: int = 4, wait: float = 0.5, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(inner)
        self.tries, self.wait, self._sleep = tries, wait, sleep

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer every request; a reply is an error only after `tries` errors."""
        source = iter(requests)
        again: deque[Request] = deque()
        open_requests: dict[str, Request] = {}
        faults: dict[str, tuple[str, ...]] = {}
        lock = threading.Lock()  # an engine may take requests in a thread of its own

        def feed() -> Iterator[Request]:
            while True:
                with lock:
                    request = again.popleft() if again else None
                if request is None:
                    request = next(source, None)
                if request is None:
                    return
                with lock:
                    open_requests[request.key] = request
                yield request

        wait = self.wait
        while True:
            good = False
            for key, reply in self.inner.generate(feed()):
                with lock:
                    request = open_requests.pop(key)
                    met = faults.pop(key, ())
                    if reply.finish == "error" and len(met) + 1 < self.tries:
                        faults[key] = (*met, reply.error or "error")
                        again.append(request)
                        continue
                good = good or reply.finish != "error"
                yield key, replace(reply, faults=(*met, *reply.faults)) if met else reply
            if not again:
                return
            wait = self.wait if good else min(2 * wait, 30.0)
            self._sleep(wait)


class RateLimit(Wrapper):
    """Keeps to a number of requests and of tokens a minute, evenly: a bucket that holds ten seconds' worth.

    The tokens of a request are estimated before it is sent (characters of its prompt; the running mean of answers) and
    corrected when the reply says how many they were. None: no limit.
    """

    BURST_SECONDS = 10.0

    def __init__(
        self,
        inner: Engine,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(inner)
        self._requests = _Bucket(requests_per_minute, self.BURST_SECONDS, clock)
        self._tokens = _Bucket(tokens_per_minute, self.BURST_SECONDS, clock)
        self._sleep = sleep

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer requests no faster than the limits."""
        expected: dict[str, float] = {}
        answers = _Mean()

        def feed() -> Iterator[Request]:
            for request in requests:
                tokens = prompt_estimate(request) + (answers.value or request.sampling.max_tokens / 2)
                while (wait := max(self._requests.wait(1), self._tokens.wait(tokens))) > 0:
                    self._sleep(min(max(wait, 0.001), 1.0))
                self._requests.take(1)
                self._tokens.take(tokens)
                expected[request.key] = tokens
                yield request

        for key, reply in self.inner.generate(feed()):
            used = reply.prompt_tokens + reply.completion_tokens
            if used:
                answers.add(reply.completion_tokens)
                self._tokens.take(used - expected.get(key, used))
            expected.pop(key, None)
            yield key, reply


class _Bucket:
    """Fills at a rate; what is taken may overdraw it once, so that a request larger than the bucket passes at last."""

    def __init__(self, per_minute: float | None, burst_seconds: float, clock: Callable[[], float]) -> None:
        self._rate = per_minute / 60 if per_minute else None
        self._full = max(self._rate * burst_seconds, 1.0) if self._rate else 0.0
        self._level, self._clock, self._at = self._full, clock, clock()

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` may be taken; 0 now."""
        if self._rate is None:
            return 0.0
        self._fill()
        lacking = min(amount, self._full) - self._level
        return max(lacking / self._rate, 0.0)

    def take(self, amount: float) -> None:
        """Take an amount out; a negative one puts back."""
        if self._rate is not None:
            self._fill()
            self._level = min(self._level - amount, self._full)

    def _fill(self) -> None:
        assert self._rate is not None
        now = self._clock()
        self._level = min(self._level + (now - self._at) * self._rate, self._full)
        self._at = now


class _Mean:
    def __init__(self) -> None:
        self._sum, self._n = 0.0, 0

    def add(self, value: float) -> None:
        self._sum, self._n = self._sum + value, self._n + 1

    @property
    def value(self) -> float:
        return self._sum / self._n if self._n else 0.0
