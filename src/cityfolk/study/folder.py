"""A study is a folder: what was asked, what was done, every table, every model call.

One process at a time holds it. Each verb records its config before it works; the same config continues, another is
refused with the names of the keys that differ.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import polars as pl
from polars.io.plugins import register_io_source

from cityfolk.errors import CityfolkError, StudyError, UsageError
from cityfolk.study.files import sha256, write_text, write_whole, writing
from cityfolk.study.journal import Journal
from cityfolk.study.provenance import git_state, versions
from cityfolk.types import Failure, Finding, content_key

FORMAT = 1
_ROW_GROUP = 20_000  # rows that are held while a table is written frame by frame
MANIFEST, FAILURES, JOURNAL, LOCK = "manifest.json", "failures.jsonl", "calls.sqlite", ".lock"
FINDING_SCHEMA = {
    "id": pl.String,
    "title": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "unit": pl.String,
    "expected": pl.Float64,
    "verdict": pl.String,
    "note": pl.String,
}


class Study:
    """The folder of one study, open for one process; use as a context manager."""

    def __init__(self, folder: Path, lock: IO[str] | None, new: tuple[Path, ...] = ()) -> None:
        self.folder = folder
        self._lock = lock
        self._new = new
        self._journal: Journal | None = None
        self.manifest = self._read_manifest()

    @classmethod
    def open(cls, folder: Path | str, *, create: bool = False, read_only: bool = False) -> Self:
        """Open a study; `create` makes the folder, `read_only` takes no lock and writes nothing.

        A folder that was made here and in which nothing was written is taken away when it is closed. Raises StudyError
        where there is no study, another process holds it, or it cannot be written.
        """
        folder = Path(folder)
        if not create and not (folder / MANIFEST).exists():
            raise StudyError(
                f"there is no study in {folder}",
                hint="make one with `cityfolk people PLACE --out DIR`, or with `cityfolk questions DIR`",
            )
        if read_only:
            return cls(folder, None)
        new = tuple(path for path in (folder, *folder.parents) if not path.exists())
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                raise FileNotFoundError  # whoever held it until now has taken it away
        except OSError as error:
            lock.close()
            raise StudyError(
                f"another cityfolk process is working in {folder}", hint="wait for it to end, or use another folder"
            ) from error
        return cls(folder, lock, new)

    def close(self) -> None:
        """Close the journal and let the folder go."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            if not (self.folder / MANIFEST).exists():
                self._take_away()
            self._lock.close()
            self._lock = None

    def _take_away(self) -> None:
        """Leave no trace of a study in which nothing was done: no lock, and no folder that holds nothing else."""
        with suppress(OSError):
            (self.folder / LOCK).unlink()
            for path in self._new:
                path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what was done ------------------------------------------------------------------------------------------------

    def begin(
        self, verb: str, config: Mapping[str, Any], *, free: Mapping[str, Any] | None = None, fresh: bool = False
    ) -> None:
        """Record a verb's config before its work, or check that it is the one recorded earlier.

        `config` determines rows and must not change; `free` (how many, URLs, concurrency) may. `fresh` says that the
        verb has made nothing yet: an earlier config is replaced.
        """
        stages = self.manifest["stages"]
        before = stages.get(verb, {}).get("config")
        now = json.loads(json.dumps(config))
        if before is not None and before != now and not fresh:
            changed = sorted(key for key in before | now if before.get(key) != now.get(key))
            was = ", ".join(f"{key} was {before.get(key)!r} and is now {now.get(key)!r}" for key in changed)
            raise StudyError(
                f"{self.folder} was made with another config for `{verb}`: {was}",
                hint="repeat the earlier options, or start a new folder",
            )
        stages[verb] = {
            **stages.get(verb, {}),
            "config": now,
            "config_hash": content_key(now),
            "free": json.loads(json.dumps(free or {})),
        }
        self._save_manifest()

    def work(self, verb: str) -> None:
        """Record that a begun verb's tables are made now, and by what: package versions, git commit, time."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.manifest["stages"][verb].update({"versions": versions(), "git": git_state(), "began": now})
        self._save_manifest()

    def finish(self, verb: str, **facts: Any) -> None:
        """Mark a verb as done, with what it wants remembered (counts, seconds)."""
        stage = self.manifest["stages"][verb]
        stage.update({"facts": facts, "ended": datetime.now(UTC).isoformat(timespec="seconds")})
        self._save_manifest()

    def config(self, verb: str) -> dict[str, Any]:
        """Return the recorded config of a verb; StudyError if it has not been run."""
        stage = self.manifest["stages"].get(verb)
        if stage is None:
            raise StudyError(f"`{verb}` has not been run in {self.folder}", hint=f"run `cityfolk {verb}` first")
        recorded: dict[str, Any] = stage["config"]
        return recorded

    def seed(self, asked: int | None = None) -> int:
        """Return the study's seed: that of its people, questions or answers, else `asked`, else 0.

        Raises StudyError where the study has one and another is asked for.
        """
        for verb in ("people", "questions", "answer"):
            made = self.manifest["stages"].get(verb, {}).get("config", {}).get("seed")
            if made is None:
                continue
            if asked not in (None, made):
                raise StudyError(
                    f"the study in {self.folder} was made with seed {made}, not {asked}",
                    hint="leave the seed out, or start a new folder with it",
                )
            return int(made)
        return asked or 0

    def refuse_imported(self, what: str) -> None:
        """Raise UsageError if the people were imported: nobody knows of them what a model has to be told."""
        if "import" in self.manifest["stages"]:
            raise UsageError(
                f"the study in {self.folder} was imported: its people cannot be {what}",
                hint="make a study of a place with `cityfolk people PLACE --out DIR`",
            )

    def is_done(self, verb: str, *tables: str) -> bool:
        """Say whether a verb ended and its tables are still, byte for byte, the ones it wrote."""
        stage = self.manifest["stages"].get(verb, {})
        return "ended" in stage and all(self.is_intact(table) for table in tables)

    # -- tables -------------------------------------------------------------------------------------------------------

    def path(self, table: str) -> Path:
        """Return where a table lies, e.g. path("people") or path("pairs/diplomat")."""
        return self.folder / f"{table}.parquet"

    def has(self, table: str) -> bool:
        """Say whether a table is there."""
        return self.path(table).exists()

    def is_intact(self, table: str) -> bool:
        """Say whether a table is there and has the SHA-256 that the manifest remembers."""
        known = self.manifest["tables"].get(table, {}).get("sha256")
        return known is not None and self.has(table) and sha256(self.path(table)) == known

    def read(self, table: str) -> pl.DataFrame:
        """Return a whole table; StudyError names the verb that makes it if it is missing."""
        path = self._existing(table)
        try:
            return pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StudyError(f"{path} cannot be read: {error}", hint="delete it and run again") from error

    def scan(self, table: str) -> pl.LazyFrame:
        """Return a table that is read in parts, for one that may be large; StudyError as `read` raises it."""
        path = self._existing(table)
        try:
            pl.read_parquet_schema(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StudyError(f"{path} cannot be read: {error}", hint="delete it and run again") from error
        return pl.scan_parquet(path)

    def read_metadata(self, table: str) -> dict[str, str]:
        """Return a table's own key-value metadata (where each column comes from, for instance)."""
        path = self._existing(table)
        try:
            return {k: v for k, v in pl.read_parquet_metadata(path).items() if k.startswith("cityfolk.")}
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StudyError(f"{path} cannot be read: {error}", hint="delete it and run again") from error

    def _existing(self, table: str) -> Path:
        if not self.has(table):
            verb = _MADE_BY.get(table.partition("/")[0], "run")
            raise StudyError(f"{self.folder} has no {table}.parquet", hint=f"run `cityfolk {verb}` on it first")
        return self.path(table)

    def tables_in(self, group: str) -> list[str]:
        """Return the tables of a folder inside the study in alphabetical order, e.g. "pairs/diplomat" of "pairs"."""
        return sorted(f"{group}/{path.stem}" for path in (self.folder / group).glob("[!.]*.parquet"))

    def write(self, table: str, frame: pl.DataFrame, *, metadata: Mapping[str, str] | None = None) -> None:
        """Write a table whole and remember its SHA-256 and number of rows."""

        # By way of memory, so that a refusal comes from the operating system, which says what was refused.
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", metadata=dict(metadata or {}))

        def fill(temporary: Path) -> None:
            temporary.write_bytes(buffer.getbuffer())

        self._remember(table, frame.height, write_whole(self.path(table), fill))

    def write_frames(self, table: str, frames: Iterator[pl.DataFrame], schema: Mapping[str, Any]) -> int:
        """Write a table whole from frames that follow one another, holding a few at a time; return its rows."""
        rows = 0

        def counted(*_: object) -> Iterator[pl.DataFrame]:
            nonlocal rows
            for frame in frames:
                rows += frame.height
                yield frame

        def fill(temporary: Path) -> None:
            source = register_io_source(counted, schema=dict(schema))
            try:
                source.sink_parquet(
                    temporary, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True, engine="streaming"
                )
            except pl.exceptions.ComputeError as error:
                # What the operating system refused, polars tells in words alone.
                number = re.search(r"os error (\d+)", str(error))
                if number is None:
                    raise
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error

        digest = write_whole(self.path(table), fill)
        self._remember(table, rows, digest)
        return rows

    def _remember(self, table: str, rows: int, digest: str) -> None:
        self.manifest["tables"][table] = {"rows": rows, "sha256": digest}
        self._save_manifest()

    # -- findings and failures ----------------------------------------------------------------------------------------

    def findings(self) -> pl.DataFrame:
        """Return every finding so far, in order of id's first writing."""
        return self.read("findings") if self.has("findings") else pl.DataFrame(schema=FINDING_SCHEMA)

    def replace_findings(self, prefix: str, findings: Iterable[Finding]) -> None:
        """Put findings in place of all earlier ones whose id begins with `prefix`."""
        new = pl.DataFrame([asdict(f) for f in findings], schema=FINDING_SCHEMA)
        wrong = [i for i in new["id"] if not i.startswith(prefix)]
        if wrong:
            raise CityfolkError(f"finding {wrong[0]!r} does not begin with {prefix!r}")
        kept = self.findings().filter(~pl.col("id").str.starts_with(prefix))
        self.write("findings", pl.concat([kept, new]))

    def failures(self) -> list[dict[str, Any]]:
        """Return what could not be done, one dict a failure; none if nothing failed."""
        path = self.folder / FAILURES
        if not path.exists():
            return []
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
            if not all(isinstance(row, dict) and "stage" in row for row in rows):
                raise ValueError("a line is not a failure")
        except (OSError, ValueError) as error:
            raise StudyError(f"{path} cannot be read: {error}", hint="delete it and run the same command") from error
        return rows

    def replace_failures(self, stage: str, failures: Iterable[Failure]) -> int:
        """Put a stage's failures in place of its earlier ones; return how many there are now."""
        path = self.folder / FAILURES
        kept = [json.dumps(row, ensure_ascii=False) for row in self.failures() if row["stage"] != stage]
        new = [json.dumps(asdict(f), ensure_ascii=False) for f in failures]
        write_text(path, "".join(line + "\n" for line in kept + new))
        return len(new)

    @property
    def journal(self) -> Journal:
        """The journal of model calls, opened when first used; for reading only if the study is."""
        if self._journal is None:
            self._journal = Journal(self.folder / JOURNAL, read_only=self._lock is None)
        return self._journal

    # -- inside -------------------------------------------------------------------------------------------------------

    def _read_manifest(self) -> dict[str, Any]:
        path = self.folder / MANIFEST
        if not path.exists():
            return {"format": FORMAT, "stages": {}, "tables": {}}
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudyError(f"{path} cannot be read: {error}", hint="restore it, or start a new folder") from error
        if not {"stages", "tables"} <= set(manifest) or manifest.get("format") != FORMAT:
            raise StudyError(f"{path} is not a cityfolk manifest of format {FORMAT}", hint="start a new folder")
        return manifest

    def _save_manifest(self) -> None:
        write_text(self.folder / MANIFEST, json.dumps(self.manifest, indent=2, ensure_ascii=False) + os.linesep)


_MADE_BY = {
    "people": "people",
    "households": "people",
    "cohort": "write",
    "profiles": "write",
    "counterfactuals": "counterfactual",
    "questions": "questions",
    "answers": "answer",
    "readings": "judge",
    "responses": "evaluate",
    "pairs": "pair",
    "findings": "evaluate",
    "details": "evaluate",
    "preference_details": "evaluate",
    "control_details": "evaluate",
}
