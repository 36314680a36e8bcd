"""A cache of replies in one SQLite file, which studies (and processes) may share."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cityfolk.engines.base import Engine
from cityfolk.engines.wrapper import Wrapper
from cityfolk.errors import DataError
from cityfolk.types import Reply, Request

P = ParamSpec("P")
R = TypeVar("R")

CACHED = "cached"  # in a reply's `faults`: nothing was paid for it
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS replies (key TEXT, attempt INTEGER, reply TEXT NOT NULL, PRIMARY KEY (key, attempt))"
)
_HELD = 256  # replies from the cache that are held back while the inner engine works
_BUSY_SECONDS = 60.0


def _spoken(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"the cache {getattr(args[0], 'path', '')} cannot be used: {error}",
                hint="name another file with --cache, or delete this one: it holds nothing but copies",
            ) from error

    return wrapped


class Cache(Wrapper):
    """Answers what the file holds and asks the inner engine for the rest; replies that were cut or failed are not kept.

    Keyed by request and attempt, so that a bad reply is not given again when it is asked anew. A reply from the cache
    has "cached" among its `faults`, and its tokens count as nobody's expense. The file is written with
    synchronous=NORMAL: after a power cut it may lack the last replies, which each study's own journal has.
    """

    @_spoken
    def __init__(self, inner: Engine, path: Path) -> None:
        super().__init__(inner)
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()  # an engine may take requests in a thread of its own
        self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file; then the inner engine, if it can be closed."""
        with self._lock:
            self._db.close()
        closing = getattr(self.inner, "close", None)
        if callable(closing):
            closing()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer every request, from the file or by the inner engine, each as soon as it is known."""
        source = iter(requests)
        hits: deque[tuple[str, Reply]] = deque()
        flying: dict[str, Request] = {}

        def feed() -> Iterator[Request]:
            while len(hits) < _HELD and (request := next(source, None)) is not None:
                found = self._find(request)
                if found is None:
                    flying[request.key] = request
                    yield request
                else:
                    hits.append((request.key, found))

        while (request := next(source, None)) is not None:
            found = self._find(request)
            if found is not None:
                yield request.key, found
                continue
            flying[request.key] = request
            for key, reply in self.inner.generate(chain([request], feed())):
                self._keep(flying.pop(key), reply)
                yield key, reply
                while hits:
                    yield hits.popleft()
            yield from hits
            hits.clear()

    @_spoken
    def _find(self, request: Request) -> Reply | None:
        with self._lock:
            query = "SELECT reply FROM replies WHERE key = ? AND attempt = ?"
            row = self._db.execute(query, (request.key, request.attempt)).fetchone()
        if row is None:
            return None
        fields: dict[str, Any] = {}
        with suppress(ValueError):
            fields = json.loads(row[0])
        if "text" not in fields or "model" not in fields:
            raise DataError(f"the cache {self.path} holds something that is no reply", hint="delete it")
        logprobs = fields.pop("logprobs", None)
        known = {name: value for name, value in fields.items() if name in Reply.__dataclass_fields__}
        reply = Reply(**known | {"logprobs": tuple(logprobs) if logprobs else None, "faults": (CACHED,)})
        return replace(reply, seconds=0.0)

    @_spoken
    def _keep(self, request: Request, reply: Reply) -> None:
        if reply.finish != "stop" or not reply.text:
            return
        text = json.dumps(asdict(replace(reply, faults=())), ensure_ascii=False)
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", (request.key, request.attempt, text))
