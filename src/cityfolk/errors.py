"""Every error raised on purpose: one sentence of what went wrong, one of what to do next."""

from __future__ import annotations


class CityfolkError(Exception):
    """Base of all deliberate errors; anything else that escapes is our bug (exit 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CityfolkError):
    """The request cannot be carried out as asked: a bad option, an unknown name (exit 2)."""

    exit_code = 2


class DataError(CityfolkError):
    """An input is not what it says it is: a table, a pack, a file (exit 3)."""

    exit_code = 3


class EngineError(CityfolkError):
    """A model could not be reached, or cannot answer at all (exit 4)."""

    exit_code = 4


class StudyError(CityfolkError):
    """The study folder is locked, unwritable, full, or was made with another config (exit 5)."""

    exit_code = 5


class IncompleteError(CityfolkError):
    """The work ended with failures that are listed in the study's failures.jsonl (exit 6)."""

    exit_code = 6
