"""Between handlers that wait on an event loop and the one thread in which an engine generates."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

from cityfolk.engines.base import Engine
from cityfolk.engines.feed import Feed
from cityfolk.errors import CityfolkError, EngineError
from cityfolk.types import Reply, Request, ScoredReply, ScoredRequest


@dataclass(frozen=True, slots=True)
class _Waiter:
    request: Request
    future: Future[Reply]


class Bridge:
    """Puts requests from any thread into one stream of an engine and hands each reply to whoever waits for it.

    Two that ask for the same key at once share one call: its reply is the same.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._feed = Feed()
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._lock = Lock()
        self._closing = False
        self._thread = Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many calls are being answered or wait to be."""
        return len(self._waiting)

    def ask(self, request: Request) -> Future[Reply]:
        """Return a future of the reply; it fails with EngineError when the engine can answer no call."""
        waiter = _Waiter(request, Future())
        with self._lock:
            self._enter(waiter)
        return waiter.future

    def close(self, timeout: float = 5.0) -> None:
        """End the stream, fail whoever still waits, and wait up to `timeout` seconds for the engine to end."""
        self._closing = True
        self._feed.close()
        self._fail(EngineError("the server is stopping"))
        self._thread.join(timeout)

    def _enter(self, waiter: _Waiter) -> None:
        queue = self._waiting.setdefault(waiter.request.key, deque())
        queue.append(waiter)
        if len(queue) == 1:
            self._feed.put(waiter.request)

    def _run(self) -> None:
        for stream in self._feed.streams():
            try:
                for key, reply in self._engine.generate(stream):
                    self._feed.answered()
                    self._settle(key, reply)
                    if self._closing:
                        return
            except CityfolkError as problem:
                self._fail(problem)
            except Exception as bug:  # noqa: BLE001 - one call's bug must not silence the server: it is told to all
                self._fail(EngineError(f"{type(bug).__name__}: {bug}"))

    def _settle(self, key: str, reply: Reply) -> None:
        """Hand a reply to all who wait for it; who needs scores that it does not hold is asked for once more."""
        with self._lock:
            waiters = self._waiting.pop(key, deque())
            answered = next(iter(waiters), None)
            for waiter in waiters:
                if answered is not None and not _serves(answered.request, waiter.request, reply):
                    self._enter(waiter)
                elif not waiter.future.done():
                    waiter.future.set_result(reply)

    def _fail(self, problem: CityfolkError) -> None:
        with self._lock:
            waiters = [waiter for queue in self._waiting.values() for waiter in queue]
            self._waiting.clear()
        for waiter in waiters:
            if not waiter.future.done():
                waiter.future.set_exception(problem)


def _serves(asked: Request, wanted: Request, reply: Reply) -> bool:
    if asked is wanted or not isinstance(wanted, ScoredRequest) or reply.finish == "error":
        return True
    return isinstance(reply, ScoredReply) and isinstance(asked, ScoredRequest) and asked.top == wanted.top
