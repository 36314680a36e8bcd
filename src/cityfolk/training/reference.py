"""What the reference says of every answer token, computed once and kept in a file between runs.

The file is SQLite: one row an answer, named by what determines it (model and revision, number type, the tokens of
prompt and answer), with a checksum. It holds nothing that can't be computed again, so a damaged row is computed again,
and a damaged file is begun anew; either is said.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import StudyError
from cityfolk.study.files import writing
from cityfolk.training.packing import Row, pack
from cityfolk.training.tokens import Ids, Triple

Numbers = NDArray[np.float32]
Score = Callable[[Row], Numbers]
_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, logprobs BLOB NOT NULL, sum INTEGER NOT NULL)"
_BUSY_SECONDS = 60.0


class References:
    """Log-probabilities by the reference, by content.

    `model` names model and revision ("pocket@0123456789ab"), `dtype` how its numbers are kept ("float32"). What
    happened to the file is said in `notices`.
    """

    def __init__(self, path: Path, *, model: str, dtype: str) -> None:
        self.path, self.notices = path, list[str]()
        self._label = f"{model}\0{dtype}\0".encode()
        self._found: dict[bytes, Numbers] = {}
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            self._anew(error)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def fill(
        self,
        triples: Sequence[Triple],
        score: Score,
        *,
        budget: int,
        multiple: int = 1,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> int:
        """Compute and keep what isn't kept yet, row by row, so that a kill loses a row; return how many pairs it was.

        `score` gives the reference's log-probabilities of a row's answer tokens; `progress` hears (pairs done, of).
        """
        missing: dict[bytes, Triple] = {}
        for triple in triples:
            for key, answer in self._keys(triple):
                if key not in self._found and (kept := self._read(key, len(answer))) is not None:
                    self._found[key] = kept
            if any(key not in self._found for key, _ in self._keys(triple)):
                missing[b"".join(key for key, _ in self._keys(triple))] = triple
        wanted = list(missing.values())
        done = 0
        for row in pack(wanted, budget=budget, multiple=multiple) if wanted else []:
            numbers = np.asarray(score(row), dtype=np.float32)
            pieces = iter(np.split(numbers, np.cumsum(row.lengths[row.lengths > 0])[:-1]))
            self._write([(key, next(pieces)) for place in row.places for key, _ in self._keys(wanted[place])])
            done += len(row.places)
            progress(done, len(wanted))
        return len(wanted)

    def of(self, triple: Triple) -> tuple[Numbers, ...]:
        """Return the log-probabilities of a triple's answers, after `fill`: chosen, then rejected if there is one."""
        return tuple(self._found[key] for key, _ in self._keys(triple))

    def of_row(self, row: Row, triples: Sequence[Triple]) -> Numbers:
        """Return the log-probabilities of all answer tokens of a row that was packed of `triples`."""
        return np.concatenate([piece for place in row.places for piece in self.of(triples[place])])

    def _keys(self, triple: Triple) -> list[tuple[bytes, Ids]]:
        prompt = np.ascontiguousarray(triple.prompt, dtype="<i8").tobytes()
        head = hashlib.sha256(self._label + len(prompt).to_bytes(8, "little") + prompt)
        keys = []
        for answer in triple.answers:
            whole = head.copy()
            whole.update(np.ascontiguousarray(answer, dtype="<i8").tobytes())
            keys.append((whole.digest()[:16], answer))
        return keys

    def _open(self) -> sqlite3.Connection:
        with self._spoken():
            db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            with self._spoken():
                db.execute("PRAGMA journal_mode=WAL")
                db.execute(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Turn what the system refuses into a sentence; damage goes on as sqlite3.DatabaseError."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StudyError(
                f"{self.path} could not be written or read: {error}",
                hint="free some space, choose a folder you may write, or wait for the other process",
            ) from error

    def _anew(self, error: Exception) -> None:
        with writing(self.path):
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.notices.append(f"{self.path.name} was damaged ({error}): the reference is computed again")
        self._db = self._open()

    def _repaired(self, work: Callable[[], Any]) -> Any:
        """Do something with the file; if it turns out to be damaged, begin it anew and do it again."""
        try:
            with self._spoken():
                return work()
        except sqlite3.DatabaseError as error:
            self._db.close()
            self._anew(error)
            with self._spoken():
                return work()

    def _read(self, key: bytes, size: int) -> Numbers | None:
        query = "SELECT logprobs, sum FROM answers WHERE key = ?"
        found = self._repaired(lambda: self._db.execute(query, (key,)).fetchone())
        if found is None:
            return None
        blob, total = found
        if not isinstance(blob, bytes) or len(blob) != 4 * size or zlib.crc32(blob) != total:
            text = f"{self.path.name} holds answers that are damaged: the reference is computed again for them"
            self.notices += [text] * (text not in self.notices)
            return None
        return np.frombuffer(blob, dtype="<f4")

    def _write(self, rows: list[tuple[bytes, Numbers]]) -> None:
        blobs = [(key, np.ascontiguousarray(numbers, dtype="<f4").tobytes()) for key, numbers in rows]

        def work() -> None:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                    [(key, blob, zlib.crc32(blob)) for key, blob in blobs],
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

        self._repaired(work)
        self._found.update({key: np.frombuffer(blob, dtype="<f4") for key, blob in blobs})
