"""Record and replay: what was answered once is answered again from the journal, offline, word for word."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from cityfolk.engines.base import Engine
from cityfolk.engines.spec import parse_spec
from cityfolk.engines.wrapper import Wrapper
from cityfolk.errors import EngineError, StudyError, UsageError
from cityfolk.study.files import write_text
from cityfolk.study.journal import Call, Journal
from cityfolk.types import Reply, Request

JOURNAL, MANIFEST, RECORDING = "calls.sqlite", "manifest.json", "recording.json"
_GROUP = 64


class Record(Wrapper):
    """Keeps every reply of an engine in FOLDER/calls.sqlite, for `replay:FOLDER`, where there is no study to do so."""

    def __init__(self, inner: Engine, folder: Path) -> None:
        super().__init__(inner)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        about = {"engines": [{"name": inner.name, "model": inner.model}]}
        write_text(folder / RECORDING, json.dumps(about, ensure_ascii=False) + "\n")
        self._journal = Journal(folder / JOURNAL)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer by the inner engine; a reply is on the disk before it is handed on."""
        asked: dict[str, Request] = {}

        def feed() -> Iterator[Request]:
            for request in requests:
                asked[request.key] = request
                yield request

        for key, reply in self.inner.generate(feed()):
            self._journal.append([Call("record", self.inner.name, asked.pop(key), reply, None)])
            yield key, reply


class Replay:
    """Answers with the replies of a recorded study: same name, same model, so the same keys and the same table.

    `number` counts the engines of a study that was written by several, from 0. A request that was not recorded is an
    EngineError.
    """

    def __init__(self, folder: Path, *, number: int = 0) -> None:
        self.folder = folder
        engines = _engines(folder)
        if not 0 <= number < len(engines):
            raise UsageError(
                f"{folder} was written by {len(engines)} engines, and number {number} is none of them",
                hint="they are counted from 0: replay:FOLDER?engine=0",
            )
        self.name, self.model = engines[number]
        self._rows = _index(folder / JOURNAL)
        self._journal = Journal(folder / JOURNAL, read_only=True)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer each request with its recorded reply, in order."""
        for request in requests:
            row = self._rows.get((request.key, request.attempt))
            if row is None:
                raise EngineError(
                    f"the study in {self.folder} did not record this request ({request.label or request.key}, attempt "
                    f"{request.attempt + 1})",
                    hint="a replay answers only what was asked there: the same people, seed, options and version",
                )
            yield request.key, self._journal.reply(row)


def make(rest: str) -> Replay:
    """Make the engine for "replay:FOLDER" or, for the second of several engines, "replay:FOLDER?engine=1"."""
    spec = parse_spec(rest, known=("engine",), remote=False, adapters=False)
    if not spec.model:
        raise UsageError("replay needs the folder of a recorded study", hint="such as --engine replay:demo")
    return Replay(Path(spec.model), number=spec.integer("engine", 0, at_least=0))


def _engines(folder: Path) -> list[tuple[str, str]]:
    """Return (name, model) of every engine that wrote in a folder."""
    if not (folder / JOURNAL).exists():
        raise UsageError(f"there is no recorded study in {folder}", hint=f"a folder with a {JOURNAL}, such as demo")
    try:
        if (folder / RECORDING).exists():
            engines = json.loads((folder / RECORDING).read_text(encoding="utf-8"))["engines"]
        else:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            free = manifest["stages"]["write"]["free"]
            first = manifest["stages"]["write"]["config"]["model"]
            models = free.get("models", [first])
            engines = [{"name": n, "model": m} for n, m in zip(free["engines"], models, strict=False)]
        return [(str(engine["name"]), str(engine["model"])) for engine in engines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{folder} does not say which engine was recorded ({type(error).__name__}: {error})",
            hint="replay a folder in which `cityfolk write` has run",
        ) from error


def _index(path: Path) -> dict[tuple[str, int], int]:
    """Return the row of each (key, attempt); where one was asked twice, the first that was accepted, else the first."""
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
        try:
            rows = db.execute("SELECT key, attempt, id FROM calls ORDER BY problem IS NULL, id DESC").fetchall()
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        raise StudyError(f"{path} cannot be read: {error}", hint="replay an undamaged study") from error
    return {(key, attempt): row for key, attempt, row in rows}
