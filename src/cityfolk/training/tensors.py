"""Weights in safetensors files, one matrix in memory at a time, with bfloat16, which numpy does not know.

A file is eight bytes (little-endian) that give the length of a JSON header, the header (name -> dtype, shape,
data_offsets), and the values: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import DataError

_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
_MOST_HEADER = 2**28
_CHUNK = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A tensor in a file: its type as the format spells it, its shape, where its bytes begin and how many there are."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int

    @property
    def floating(self) -> bool:
        """Say whether its values are floating-point numbers of a plain kind."""
        return self.dtype in _FLOATS

    def check(self) -> None:
        """Raise DataError where its values are no plain floating-point numbers."""
        if not self.floating:
            raise DataError(
                f"{self.file} holds values of the type {self.dtype}, which nothing can be added to",
                hint="merge into the model as it was before it was quantised",
            )

    def values(self) -> NDArray[np.float32]:
        """Return the values as float32; DataError where they are no plain floating-point numbers."""
        self.check()
        kind = np.dtype(_FLOATS[self.dtype])
        read = np.fromfile(self.file, dtype=kind, count=self.size // kind.itemsize, offset=self.start)
        if self.dtype == "BF16":
            read = (read.astype(np.uint32) << 16).view(np.float32)
        return read.astype(np.float32, copy=False).reshape(self.shape)


def stored(file: Path) -> dict[str, Stored]:
    """Return what a file holds, by name, in the order of its bytes; DataError if it is no safetensors file."""
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > _MOST_HEADER:
                raise ValueError("its header is too long")
            header: dict[str, Any] = json.loads(stream.read(size))
        found = {
            name: Stored(
                file=file,
                dtype=str(entry["dtype"]),
                shape=tuple(map(int, entry["shape"])),
                start=8 + size + int(entry["data_offsets"][0]),
                size=int(entry["data_offsets"][1]) - int(entry["data_offsets"][0]),
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError) as damage:
        raise DataError(f"{file} is no safetensors file: {damage}", hint="fetch or save it again") from damage
    if any(one.start + one.size > file.stat().st_size for one in found.values()):
        raise DataError(f"{file} ends before its last tensor does", hint="fetch or save it again")
    return dict(sorted(found.items(), key=lambda item: item[1].start))


def encoded(values: NDArray[np.float32], dtype: str) -> bytes:
    """Return float32 values in a floating-point type, rounded to the nearest, ties to even."""
    if dtype != "BF16":
        return values.astype(_FLOATS[dtype]).tobytes()
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return rounded.astype(np.uint16).tobytes()


def write_tensors(
    path: Path, tensors: Mapping[str, Stored], dtypes: Mapping[str, str], added: Mapping[str, Any]
) -> int:
    """Write tensors to a new file as `dtypes`, with `added[name]()` added where there is one; return bytes of values.

    What changes neither its type nor its value is copied byte for byte.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, one in tensors.items():
        size = one.size
        if dtypes[name] != one.dtype:
            size = int(np.prod(one.shape, dtype=np.int64)) * np.dtype(_FLOATS[dtypes[name]]).itemsize
        header[name] = {"dtype": dtypes[name], "shape": list(one.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, one in tensors.items():
            if name not in added and dtypes[name] == one.dtype:
                stream.writelines(_bytes(one))
            else:
                values = one.values()
                stream.write(encoded(values + added[name]() if name in added else values, dtypes[name]))
    return offset


def _bytes(one: Stored) -> Iterable[bytes]:
    with one.file.open("rb") as stream:
        stream.seek(one.start)
        left = one.size
        while left > 0 and (block := stream.read(min(_CHUNK, left))):
            left -= len(block)
            yield block
