"""Files of personas -> rows: JSON of any health, JSON Lines, Parquet, Arrow, CSV, and folders of them.

A file is untrusted: its size, the number of its records, the depth of their nesting and the length of a text are
bounded; what had to be cut, mended or left out is counted, never silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cityfolk.errors import DataError, UsageError
from cityfolk.imports.mend import Tally, records

MOST_BYTES = 4 * 1024**3
MOST_ROWS = 2_000_000
MOST_DEPTH = 12
MOST_COLUMNS = 500
MOST_TEXT = 100_000  # characters of one value
TABLES = {".parquet", ".csv", ".tsv", ".arrow"}
TEXTS = {".json", ".jsonl", ".ndjson", ".txt"}
# What lies in a Hugging Face dataset's folder and holds no rows.
ABOUT = {"dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json"}

_UNTABLED = re.compile("[\0\ud800-\udfff]")

Row = dict[str, Any]
"""One record, flat: "General/Age" -> a number, a text, or a list of texts."""


@dataclass(slots=True)
class Raw:
    """What a file holds: rows, in its order, and what reading them cost."""

    rows: list[Row]
    columns: list[str]
    tally: Tally = field(default_factory=Tally)
    cut: int = 0
    cleaned: int = 0
    replaced_bytes: int = 0
    encoding: str = "utf-8"
    files: tuple[str, ...] = ()


def read_file(path: Path) -> Raw:
    """Read a file or a dataset folder.

    Raises UsageError where nothing is there, DataError where it is empty, too large, or nothing that is understood.
    """
    if not path.exists():
        raise UsageError(f"there is no file {path}", hint="check the path")
    raw = Raw(rows=[], columns=[])
    parts = _parts(path) if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in parts)
    if size > MOST_BYTES:
        raise DataError(
            f"{path} has {size / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} GB are read", hint="split it into parts"
        )
    if size == 0:
        raise DataError(f"{path} is empty", hint="check that it was written to the end")
    for part in parts:
        flat_rows(_records(part, raw), raw)
    if not raw.rows:
        why = f"; the first thing that is none: {raw.tally.lost[0].excerpt[:60]!r}" if raw.tally.lost else ""
        raise DataError(f"{path} holds no record that can be read{why}", hint=_HINT)
    raw.files = tuple(part.name for part in parts)
    return raw


def flat_rows(found: Iterable[Row], raw: Raw) -> list[Row]:
    """Flatten records into `raw.rows`, note their columns, and return them; DataError beyond the bounds."""
    seen = dict.fromkeys(raw.columns)
    for record in found:
        if len(raw.rows) >= MOST_ROWS:
            raise DataError(f"there are more than {MOST_ROWS:,} records", hint="split them into parts")
        raw.rows.append(_flat(record, raw))
        seen.update(dict.fromkeys(raw.rows[-1]))
        if len(seen) > MOST_COLUMNS:
            raise DataError(
                f"there are more than {MOST_COLUMNS} different keys",
                hint="check that each record is one person with the same keys",
            )
    raw.columns = list(seen)
    return raw.rows


_HINT = "give JSON (an array or a line each), Parquet, CSV, or a Hugging Face dataset folder"


def _parts(folder: Path) -> list[Path]:
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and not any(s.startswith(".") for s in p.parts[-3:])]
    for kinds in ({".parquet"}, {".arrow"}, {".jsonl", ".ndjson", ".json"}, {".csv", ".tsv"}):
        parts = [p for p in found if p.suffix.lower() in kinds and p.name not in ABOUT]
        if parts:
            return parts
    raise DataError(f"{folder} holds no Parquet, Arrow, JSON or CSV file", hint=_HINT)


def _records(path: Path, raw: Raw) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix in TABLES:
        yield from _table(path)
        return
    text = _text(path, raw)
    if suffix not in TEXTS and not text.lstrip().startswith(("{", "[", '"')):
        raise DataError(f"{path} is not JSON, and its name does not say what else it is", hint=_HINT)
    found = list(records(text, raw.tally))
    yield from _unwrapped(found)


def _unwrapped(found: list[Row]) -> Iterable[Row]:
    """Return the records inside a single wrapper: {"profiles": [...]} or {"1": {...}, "2": {...}}."""
    if len(found) != 1:
        return found
    (only,) = found
    lists = [value for value in only.values() if isinstance(value, dict | list)]
    for value in lists if len(lists) == 1 else []:
        if isinstance(value, list) and len(value) > 1 and all(isinstance(item, dict) for item in value):
            return value
    inside = list(only.values())
    if len(inside) > 1 and all(isinstance(item, dict) for item in inside):
        first = set(inside[0])
        if all(len(first & set(item)) * 2 > len(first) for item in inside):
            return [{"id": key, **item} for key, item in only.items()]
    return found


def _text(path: Path, raw: Raw) -> str:
    data = path.read_bytes()
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            raw.encoding = name
            break
    else:
        head = data[:8192]
        control = sum(head.count(bytes([code])) for code in range(9))
        if control > max(8, len(head) // 50):
            raise DataError(f"{path} is a binary file, not text", hint=_HINT)
        if data.startswith(b"version https://git-lfs"):
            raise DataError(f"{path} is a Git LFS pointer, not the file itself", hint="fetch it with `git lfs pull`")
    try:
        return data.decode(raw.encoding)
    except UnicodeDecodeError:
        text = data.decode(raw.encoding, errors="replace")
        raw.replaced_bytes += text.count("\ufffd")
        return text


def _table(path: Path) -> Iterator[Row]:
    import polars as pl

    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        elif path.suffix.lower() == ".arrow":
            frame = pl.read_ipc_stream(path)
        else:
            mark = "\t" if path.suffix.lower() == ".tsv" else ","
            frame = pl.read_csv(path, separator=mark, infer_schema=False, encoding="utf8-lossy")
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as {path.suffix[1:].upper()}: {first[:200]}", hint=_HINT) from error
    yield from frame.iter_rows(named=True)


def _flat(record: Row, raw: Raw) -> Row:
    """Return a record with nested objects opened: {"a": {"b": 1}} is {"a/b": 1}."""
    flat: Row = {}
    stack: list[tuple[str, Any, int]] = [(str(key), value, 1) for key, value in reversed(record.items())]
    while stack:
        key, value, depth = stack.pop()
        if isinstance(value, dict) and depth < MOST_DEPTH:
            stack += [(f"{key}/{inner}", item, depth + 1) for inner, item in reversed(value.items())]
        else:
            settled = _settled(value, raw)
            if settled is not None:
                flat[_clean(key, raw)[:200]] = settled
    return flat


def _settled(value: Any, raw: Raw) -> Any:
    """Return a value as a number, a flag, a text, or a list of texts; None where there is nothing."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _clean(value, raw) or None
    if isinstance(value, list):
        items = [_clean(item, raw) if isinstance(item, str) else _words(item) for item in value[:200]]
        return [item for item in items if item] or None
    return _clean(_words(value), raw) or None


def _words(value: Any, depth: int = 0) -> str:
    """Return what is nested in a list, or nested too deep, as one text."""
    if isinstance(value, str):
        return value
    if depth > MOST_DEPTH or value is None:
        return ""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(item, depth + 1)}" for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return "; ".join(_words(item, depth + 1) for item in value)
    return str(value)


def _clean(text: str, raw: Raw) -> str:
    """Strip a text; NUL and lone surrogates, which no table can hold, go; what is too long is cut."""
    if len(text) > MOST_TEXT:
        raw.cut += 1
        text = text[:MOST_TEXT]
    if _UNTABLED.search(text):
        raw.cleaned += 1
        text = _UNTABLED.sub("", text)
    return text.strip()
