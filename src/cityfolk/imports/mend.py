"""Damaged JSON: find the records in a text that is not quite an array, mend what is mendable, count what is not.

Handles what programs that append to a file leave behind: trailing commas, `][` where one run ended and the next began,
a missing bracket, lines of JSON after one another, control characters inside strings, a record cut off in the middle.
Nothing is ever evaluated; a text is read by the JSON decoder or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cityfolk.errors import DataError

MOST_RECORD = 200_000  # characters of one damaged record that are searched for its end
MOST_LOST = 200  # damaged records after which a file that gave fewer good ones is refused
EXCERPT = 300  # characters kept of what could not be read

_BETWEEN = re.compile(r"[\s,\[\]\ufeff]*")
_EMPTY = re.compile(r"\[\s*\]")
_EMPTIES = re.compile(r"(?:\[\s*\][\s,]*)+")
_START = re.compile(r"(?:\n|\]|,|\[)[ \t]*(\{)")
_JUNK_END = re.compile(r"[{\"\n]")
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lost:
    """A piece of a file that could not be read: where it begins (characters), why, and how it begins."""

    at: int
    reason: str
    excerpt: str


@dataclass(slots=True)
class Tally:
    """What reading cost: records mended, pieces lost, keys given twice in one object, numbers that are none (NaN)."""

    mended: int = 0
    repeated_keys: int = 0
    not_numbers: int = 0
    lost: list[Lost] = field(default_factory=list)


def records(text: str, tally: Tally) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON array, of JSON Lines or of anything in between; a bare string is {"text": string}.

    What is damaged is counted in `tally`. Raises DataError where most of the text is not JSON.
    """
    decoder = _decoder(tally)
    at, kept = 0, 0
    while True:
        at = _skip(text, at, tally)
        if at >= len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if text[at] == "{":
                value, end = _mended(text, at, decoder, tally, error)
            else:
                value, end = None, _after_junk(text, at, tally)
        if isinstance(value, str):
            value = {"text": value}
        if isinstance(value, dict):
            kept += 1
            yield value
        elif value is not None or text.startswith("null", at):
            kind = "null" if value is None else type(value).__name__
            tally.lost.append(_lost(text, at, f"a bare {kind}, not a record", end))
        if len(tally.lost) > MOST_LOST and len(tally.lost) > kept:
            raise DataError(
                f"most of the file is not JSON: {kept} records could be read and {len(tally.lost)} could not",
                hint="check that it is the right file",
            )
        at = max(end, at + 1)


def _lost(text: str, at: int, reason: str, end: int) -> Lost:
    """Return a lost piece whose excerpt holds nothing of what was read after it, from `end` on."""
    return Lost(at, reason, text[at : min(at + EXCERPT, end)])


def _skip(text: str, at: int, tally: Tally) -> int:
    """Step over punctuation; `[]` beside a record is one with nothing in it, beside a bracket the list of a run."""
    match = _BETWEEN.match(text, at)
    end = match.end() if match else at
    for empty in _EMPTIES.finditer(text, at, end):
        before = text[max(at - 1, 0) : empty.start()].rstrip()[-1:]
        if before in {"}", '"', ","} or text[empty.end() : empty.end() + 1] in {"{", '"'}:
            tally.lost += [
                _lost(text, one.start(), "an empty list, not a record", one.end())
                for one in _EMPTY.finditer(text, empty.start(), empty.end())
            ]
    return end


def _decoder(tally: Tally) -> json.JSONDecoder:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        tally.repeated_keys += len(items) - len(found)
        return found

    def constant(_: str) -> None:
        tally.not_numbers += 1

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant, strict=False)


def _mended(text: str, at: int, decoder: json.JSONDecoder, tally: Tally, error: Exception) -> tuple[Any, int]:
    """Return a damaged record and where it ends; None, and where the next may begin, where it cannot be mended."""
    deep = isinstance(error, RecursionError)
    end = _end_of(text, at, len(text) if deep else at + MOST_RECORD)
    if end is not None and not deep:
        try:
            value = decoder.decode(_COMMA.sub(lambda match: match[1] or "", text[at:end]))
            tally.mended += 1
            return value, end
        except (ValueError, RecursionError):
            pass
    reason = "nested too deep" if deep else f"not JSON: {_brief(error)}"
    if deep:  # every start inside it would be as deep
        resumed = end if end is not None else len(text)
    else:
        following = _START.search(text, at + 1)
        resumed = following.start(1) if following else len(text)
    tally.lost.append(_lost(text, at, reason, resumed))
    return None, resumed


def _brief(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _end_of(text: str, at: int, last: int) -> int | None:
    """Return where the object that begins at `at` ends, by counting braces outside strings; None if it does not."""
    depth = 0
    for piece in _PIECE.finditer(text, at, min(len(text), last)):
        if piece[0] == "{":
            depth += 1
        elif piece[0] == "}":
            depth -= 1
            if depth == 0:
                return piece.end()
    return None


def _after_junk(text: str, at: int, tally: Tally) -> int:
    """Step over what is neither a record nor punctuation; neighbouring junk counts once a line."""
    match = _JUNK_END.search(text, at + 1)
    end = match.start() if match else len(text)
    tally.lost.append(_lost(text, at, "not JSON", end))
    return end
