"""The journal: one row a model call, in SQLite, committed before anything uses the reply.

Durability: write-ahead log with synchronous=FULL, so a committed call survives a kill and a power cut. Calls are
committed in groups (`engines.ask` decides when: every few tens of milliseconds). There is no index on the key: rows
are appended in order, and a resumed job reads them once from the start, which costs far fewer bytes than keeping a
random index. Guidance and schemas, the same for thousands of calls, are stored once in `shared`; the view `readable`
puts them back and spells out every call.

A log whose end is torn (a commit that never reached the disk) loses that end and nothing before it: SQLite checks
every page of the log. The main file has no such checks, so its size is compared with what its header says.
"""

from __future__ import annotations

import json
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from itertools import chain
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import orjson

from cityfolk.errors import StudyError
from cityfolk.study.rows import Rows
from cityfolk.types import Reply, Request, Sampling

P = ParamSpec("P")
R = TypeVar("R")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shared (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, attempt INTEGER NOT NULL, stage TEXT NOT NULL, label TEXT NOT NULL,
    engine TEXT NOT NULL, model TEXT NOT NULL, finish TEXT NOT NULL, problem TEXT, reply TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, logprobs TEXT,
    error TEXT NOT NULL, guidance INTEGER REFERENCES shared, prompt TEXT NOT NULL, schema INTEGER REFERENCES shared,
    sampling TEXT NOT NULL, at REAL NOT NULL, reasoning TEXT NOT NULL DEFAULT '', faults TEXT NOT NULL DEFAULT ''
);
CREATE VIEW IF NOT EXISTS summary AS
    SELECT stage, engine, model, count(*) AS calls, count(DISTINCT key) AS requests,
           sum(problem IS NOT NULL) AS rejected, sum(prompt_tokens) AS prompt_tokens,
           sum(completion_tokens) AS completion_tokens, round(sum(seconds), 1) AS seconds,
           datetime(min(at), 'unixepoch') AS first, datetime(max(at), 'unixepoch') AS last
    FROM calls GROUP BY stage, engine, model;
"""
# Made anew at every opening, so that an older journal gets it as it is now.
_READABLE = """
DROP VIEW IF EXISTS readable;
CREATE VIEW readable AS
    SELECT calls.id, datetime(at, 'unixepoch') AS at, stage, label, engine, model, attempt,
           CASE WHEN problem IS NULL THEN 'accepted' ELSE 'rejected' END AS outcome, problem, faults, round(seconds, 2)
           AS seconds, prompt_tokens, completion_tokens, reply, reasoning, prompt, g.text AS guidance, s.text AS schema
    FROM calls LEFT JOIN shared g ON g.id = guidance LEFT JOIN shared s ON s.id = calls.schema;
"""
# Columns that journals of version 0.1 do not have.
_LATER = {"reasoning": "TEXT NOT NULL DEFAULT ''", "faults": "TEXT NOT NULL DEFAULT ''"}
_REPLY_COLUMNS = "reply, model, finish, prompt_tokens, completion_tokens, seconds, logprobs, error"
_ROWS_A_STATEMENT = (32, 16, 8, 4, 2, 1)  # of 22 values each: SQLite before 3.32 takes 999 values
_SHARED_FROM = 200  # characters; shorter guidance is not worth a reference


@dataclass(frozen=True, slots=True)
class Call:
    """One answered call. `problem` is None for a reply that was accepted, else why it was not."""

    stage: str
    engine: str
    request: Request
    reply: Reply
    problem: str | None


def _spoken(function: Callable[P, R]) -> Callable[P, R]:
    """Turn SQLite's complaints into a sentence and a next step."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except sqlite3.DatabaseError as error:
            path = getattr(args[0], "path", "the journal")
            text = str(error)
            if "full" in text or "disk I/O" in text:
                hint = "free some space and run the same command again; every committed call is kept"
                raise StudyError(
                    f"the disk is full or failing: {path} could not be written ({text})", hint=hint
                ) from error
            if "readonly" in text or "unable to open" in text:
                hint = "choose a folder you may write with --out"
                raise StudyError(f"{path} cannot be written: {text}", hint=hint) from error
            hint = f"keep a copy, then recover it with `sqlite3 {path} .recover`"
            raise StudyError(f"{path} is damaged: {text}", hint=hint) from error

    return wrapped


class Journal:
    """Append-only record of every model call of a study; one process writes at a time (the study's lock sees to it)."""

    @_spoken
    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        _check_size(path)
        if read_only:
            # "immutable" lets SQLite read from a disk where it can make no lock; a log beside it forbids that.
            mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False
            )
            self._reply_columns = self._columns()
            return
        # One thread at a time uses it: the worker of `engines.ask` hands every reply over before it is kept.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._upgrade()
        self._reply_columns = self._columns()
        self._last = int(self._db.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()[0])
        self._shared: dict[str, int] = dict(self._db.execute("SELECT text, id FROM shared"))

    @_spoken
    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._db.close()

    @_spoken
    def append(self, calls: Iterable[Call]) -> list[int]:
        """Commit calls together and return their rows: when this returns they are on the disk."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            kept = [self._row(call, row) for row, call in enumerate(calls, self._last + 1)]
            self._insert(kept)
            self._db.execute("COMMIT")
        except BaseException:
            # A commit refused for want of space may already have been rolled back by SQLite.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._shared = dict(self._db.execute("SELECT text, id FROM shared"))
            raise
        self._last += len(kept)
        return [row[0] for row in kept]

    @_spoken
    def settled(self, stage: str) -> tuple[Rows, dict[int, int]]:
        """Return what `state` returns, with keys as numbers, in a fifth of the memory."""
        high, low, rows = array("Q"), array("Q"), array("q")
        attempts: dict[int, int] = {}
        for row, key, attempt, good in self._outcomes(stage):
            if good:
                high.append(int(key[:16], 16))
                low.append(int(key[16:], 16))
                rows.append(row)
            else:
                number = int(key, 16)
                attempts[number] = max(attempts.get(number, 0), attempt + 1)
        accepted = Rows.first(high, low, rows)
        return accepted, {number: n for number, n in attempts.items() if number not in accepted}

    @_spoken
    def state(self, stage: str) -> tuple[dict[str, int], dict[str, int]]:
        """Return what a stage has: {key: row of its accepted reply} and {key: attempts so far} for the others."""
        accepted: dict[str, int] = {}
        attempts: dict[str, int] = {}
        for row, key, attempt, good in self._outcomes(stage):
            if good:
                accepted.setdefault(key, row)
            else:
                attempts[key] = max(attempts.get(key, 0), attempt + 1)
        return accepted, {key: n for key, n in attempts.items() if key not in accepted}

    def _outcomes(self, stage: str) -> Iterator[tuple[int, str, int, int]]:
        return self._db.execute(
            "SELECT id, key, attempt, problem IS NULL FROM calls WHERE stage = ? ORDER BY id", (stage,)
        )

    @_spoken
    def reply(self, row: int) -> Reply:
        """Return the reply of one row, as it came."""
        found = self._db.execute(f"SELECT {self._reply_columns} FROM calls WHERE id = ?", (row,)).fetchone()
        text, model, finish, prompt, completion, seconds, logprobs, error, reasoning, faults = found
        return Reply(
            text=text,
            model=model,
            finish=finish,
            prompt_tokens=prompt,
            completion_tokens=completion,
            seconds=seconds,
            logprobs=tuple(json.loads(logprobs)) if logprobs else None,
            error=error,
            reasoning=reasoning,
            faults=tuple(faults.split(", ")) if faults else (),
        )

    @_spoken
    def summary(self) -> list[dict[str, Any]]:
        """Return one dict a stage, engine and model: calls, requests, rejected replies, tokens, seconds."""
        rows = self._db.execute("SELECT * FROM summary")
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    @_spoken
    def accepted(self, stage: str, label: str) -> list[tuple[str, str]]:
        """Return (label, reply) of a stage's accepted calls whose label begins with `label`, in order."""
        rows = self._db.execute(
            "SELECT label, reply FROM calls WHERE stage = ? AND substr(label, 1, ?) = ? AND problem IS NULL "
            "ORDER BY id",
            (stage, len(label), label),
        )
        return [(found, text) for found, text in rows]

    @_spoken
    def paid(self) -> list[tuple[str, str, int, int]]:
        """Return (engine, model, prompt tokens, completion tokens) of all calls that a shared cache did not answer."""
        rows = self._db.execute(
            "SELECT engine, model, sum(prompt_tokens), sum(completion_tokens) FROM calls"
            " WHERE faults NOT LIKE '%cached%' GROUP BY engine, model ORDER BY engine, model"
        )
        return [(engine, model, int(prompt), int(completion)) for engine, model, prompt, completion in rows]

    def _columns(self) -> str:
        """Return what to select for a reply; a journal opened for reading may lack the newer columns."""
        there = {row[1] for row in self._db.execute("PRAGMA table_info(calls)")}
        return ", ".join([_REPLY_COLUMNS, *(name if name in there else "''" for name in _LATER)])

    def _upgrade(self) -> None:
        there = {row[1] for row in self._db.execute("PRAGMA table_info(calls)")}
        for name, kind in _LATER.items():
            if name not in there:
                self._db.execute(f"ALTER TABLE calls ADD COLUMN {name} {kind}")
        views = self._db.execute("SELECT sql FROM sqlite_master WHERE name = 'readable'").fetchone()
        if views is None or views[0] not in _READABLE:
            self._db.executescript(_READABLE)

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        """Insert many rows a statement: at each one this thread gives up the interpreter and has to win it back."""
        done = 0
        for size in _ROWS_A_STATEMENT:
            while len(rows) - done >= size:
                self._db.execute(_insertion(size), tuple(chain.from_iterable(rows[done : done + size])))
                done += size

    def _row(self, call: Call, row: int) -> tuple[Any, ...]:
        request, reply = call.request, call.reply
        first = request.messages[0].content if request.messages else ""
        shared = len(request.messages) > 1 and len(first) >= _SHARED_FROM
        rest = request.messages[1:] if shared else request.messages
        return (
            row,
            request.key,
            request.attempt,
            call.stage,
            request.label,
            call.engine,
            reply.model,
            reply.finish,
            call.problem,
            reply.text,
            reply.prompt_tokens,
            reply.completion_tokens,
            reply.seconds,
            json.dumps(reply.logprobs) if reply.logprobs else None,
            reply.error,
            self._share(first) if shared else None,
            orjson.dumps([[m.role, m.content] for m in rest]).decode(),
            self._share(request.schema) if request.schema else None,
            _sampling(request.sampling),
            time.time(),
            reply.reasoning,
            ", ".join(reply.faults),
        )

    def _share(self, text: str) -> int:
        if text not in self._shared:
            row = self._db.execute("INSERT INTO shared (text) VALUES (?) RETURNING id", (text,)).fetchone()
            self._shared[text] = int(row[0])
        return self._shared[text]


@cache
def _insertion(rows: int) -> str:
    row = f"(?{', ?' * 21})"
    return f"INSERT INTO calls VALUES {', '.join([row] * rows)}"


@lru_cache(maxsize=64)
def _sampling(sampling: Sampling) -> str:
    return json.dumps([sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed, sampling.sample])


def _check_size(path: Path) -> None:
    """Raise StudyError for a file that ends before its header says; a log beside it may hold what is missing."""
    log = path.with_name(path.name + "-wal")
    try:
        with path.open("rb") as file:
            head, size = file.read(100), path.stat().st_size
        if log.exists() and log.stat().st_size > 0:
            return
    except OSError:
        return  # what is wrong with it, SQLite will say
    if not head:
        return
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    if len(head) < 100 or not head.startswith(b"SQLite format 3") or size < page * pages:
        raise StudyError(
            f"{path} is damaged: it ends before its last page",
            hint=f"put back a copy, or move it away and keep what `sqlite3 {path} .recover` finds in it",
        )
