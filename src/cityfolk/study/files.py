"""Files that are either whole or not there: write beside, flush, rename. Every OS refusal becomes a sentence."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cityfolk.errors import CityfolkError, StudyError


def refused(path: Path, error: OSError) -> StudyError:
    """Turn an operating-system error into what happened and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StudyError(
            f"the disk is full: {path} could not be written",
            hint="free some space and run the same command again; everything finished so far is kept",
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return StudyError(
            f"{path} cannot be written: {error.strerror}", hint="choose a folder you may write with --out"
        )
    return StudyError(f"{path} could not be written: {error.strerror or error}", hint="check the path and the disk")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Give every OSError raised inside as a StudyError about `path`."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from error


def write_whole(path: Path, fill: Callable[[Path], None]) -> str:
    """Let `fill` write a neighbour of `path`, flush it to disk, rename it into place; return its SHA-256.

    A kill at any instant leaves the old file or the new one, never a torn one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            digest = sha256(temporary)
            temporary.replace(path)
        return digest
    except CityfolkError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> str:
    """Write a text file whole; return its SHA-256."""

    def fill(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    return write_whole(path, fill)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
