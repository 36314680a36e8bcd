"""People as judges: a blind rating sheet, and its ratings read back.

A sheet holds questions and answers alone, under numbers of its own: nothing on it tells which answer it is, what was
asked for or who wrote it. Everybody who rates a study gets the same answers, each in their own order; every tenth is
shown twice, far apart, so that the sheet tells how steady a person is. Each trait has seven levels against most
adults, cut as the levels of the prompts are (`personality.words.CUTS`), so that a level stands for a percentile: the
middle of its band.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cityfolk import rng
from cityfolk.errors import DataError, UsageError
from cityfolk.personality.words import CUTS
from cityfolk.preferences.judging.base import Item
from cityfolk.preferences.judging.prompts import DEFINITIONS
from cityfolk.preferences.judging.registry import PEOPLE
from cityfolk.types import Reading, content_key
from cityfolk.vocabulary import TRAITS

INSTRUMENT = "people, seven levels against most adults"
FORMAT = "cityfolk sheet 1"
LEVELS = (
    "far lower than most adults",
    "lower",
    "a little lower",
    "about average",
    "a little higher",
    "higher",
    "far higher than most adults",
)
_EDGES = (0.0, *CUTS, 1.0)
PERCENTILES = tuple((low + high) / 2 for low, high in pairwise(_EDGES))
"""What each level stands for: the middle of its band of percentiles."""
REPEATED = 0.1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so
_CSV = ("item", "question", "answer", *TRAITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sheet's key: which answer stands under which of its numbers. It is kept in the study, not given away."""

    sheet: str
    who: str
    answers: tuple[str, ...]

    @property
    def judge(self) -> str:
        """The name under which its readings are kept."""
        return f"{PEOPLE}{self.who}"

    @property
    def numbers(self) -> tuple[str, ...]:
        """The sheet's own name of every line, in order."""
        return tuple(f"{self.sheet}-{place:03d}" for place in range(1, len(self.answers) + 1))

    def document(self) -> dict[str, Any]:
        """Return the key as JSON."""
        return {"format": FORMAT, "sheet": self.sheet, "who": self.who, "answers": list(self.answers)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Sheet:
        """Make a key from its JSON."""
        return cls(sheet=document["sheet"], who=document["who"], answers=tuple(document["answers"]))


def draw_sheet(answer_ids: Sequence[str], who: str, n: int, seed: int) -> Sheet:
    """Choose n of the answers and lay them out for one person; asking for more later keeps those chosen before."""
    if not who or not all(letter.isalnum() or letter in "-_" for letter in who):
        raise UsageError(f"a rater cannot be called {who!r}", hint="use letters, digits, - and _")
    if not answer_ids:
        raise DataError("there are no answers to rate", hint="run `cityfolk answer` first")
    chosen = sorted(answer_ids, key=lambda answer: rng.derive(seed, "sheet", answer))[:n]
    stream = rng.child(seed, "sheet", "order", who)
    order = [chosen[at] for at in stream.permutation(len(chosen))]
    first = len(order) // 2
    repeats = stream.choice(first, min(first, math.ceil(REPEATED * len(order))), replace=False) if first else ()
    for number in repeats:
        # A quarter of the sheet lies between the two at the least.
        place = int(stream.integers(first + len(order) // 4, len(order) + 1))
        order.insert(place, order[int(number)])
    return Sheet(sheet=content_key([who, seed, order])[:8], who=who, answers=tuple(order))


def lines(sheet: Sheet, items: Mapping[str, Item]) -> Iterator[tuple[str, Item]]:
    """Yield (the sheet's number, item) in the order of the sheet."""
    for number, answer in zip(sheet.numbers, sheet.answers, strict=True):
        yield number, items[answer]


def sheet_csv(sheet: Sheet, items: Mapping[str, Item]) -> str:
    """Return a sheet as CSV: item, question, answer and five empty columns."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV)
    for number, item in lines(sheet, items):
        writer.writerow([number, _plain(item.question), _plain(item.text), *[""] * len(TRAITS)])
    return out.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def instructions() -> str:
    """Return what somebody who fills in the CSV has to know."""
    levels = "\n".join(f"  {place}  {words}" for place, words in enumerate(LEVELS, 1))
    traits = "\n".join(
        f"{one.trait.capitalize()}: {one.about}.\n  low:  {one.low}\n  high: {one.high}" for one in DEFINITIONS.values()
    )
    return (
        "How to fill in the sheet\n\n"
        "Each line holds a question and the answer that a person gave. Read the answer and ask yourself what kind of "
        "person wrote it, compared with most adults. In each of the five columns write a number from 1 to 7:\n\n"
        f"{levels}\n\n"
        "Go by what the answer shows, not by whether you like it or agree with it. Write 4 where it shows nothing "
        "either way, and leave a cell empty only if you cannot tell at all. Some answers come twice; rate them afresh. "
        "Change nothing else in the file.\n\n"
        f"{traits}\n"
    )


Ratings = dict[str, dict[str, int | None]]


def read_ratings(path: Path) -> tuple[str, Ratings]:
    """Return a filled-in sheet's id and its ratings: {number: {trait: 1 to 7, or None}}; lines left empty are left out.

    Takes the CSV, and the JSON or CSV that the web page saves. Raises DataError naming the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", hint="give the sheet that was filled in") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint="save it as CSV in UTF-8") from error
    ratings = _from_json(text, path) if text.lstrip().startswith("{") else _from_csv(text, path)
    ids = {number.rpartition("-")[0] for number in ratings}
    if len(ids) != 1:
        said = f"lines of {len(ids)} sheets" if ids else "no ratings"
        raise DataError(f"{path} holds {said}", hint="read one filled-in sheet at a time")
    return ids.pop(), ratings


def _from_json(text: str, path: Path) -> Ratings:
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}")
        rows = [(str(number), dict(given)) for number, given in found["ratings"].items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a filled-in sheet: {error}", hint="save it again from the page") from error
    return _ratings(rows, path)


def _from_csv(text: str, path: Path) -> Ratings:
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)  # spreadsheets of some countries write semicolons
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    missing = {"item", *TRAITS} - set(reader.fieldnames or ())
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(sorted(missing))}", hint="keep the first line of the sheet as it was"
        )
    return _ratings([(str(row["item"] or "").strip(), row) for row in reader], path)


def _ratings(rows: Sequence[tuple[str, Mapping[str, Any]]], path: Path) -> Ratings:
    ratings: Ratings = {}
    for number, row in rows:
        if not number:
            continue
        if number in ratings:
            raise DataError(f"{path} rates {number} twice", hint="keep one line an item")
        given = {trait: _level(row.get(trait), f"{path}, {number}, {trait}") for trait in TRAITS}
        if any(level is not None for level in given.values()):
            ratings[number] = given
    return ratings


def _level(value: Any, where: str) -> int | None:
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    try:
        level = float(text.replace(",", "."))
    except ValueError:
        level = math.nan
    if level not in range(1, len(LEVELS) + 1):
        raise DataError(f"{where}: {text!r} is no rating", hint=f"ratings are whole numbers from 1 to {len(LEVELS)}")
    return int(level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A sheet read back: a reading an answer, those who were rated twice once more, and how many lines are empty."""

    readings: tuple[tuple[Reading, int], ...]
    again: tuple[Reading, ...]
    empty: int


def rated(sheet: Sheet, ratings: Ratings, path: Path) -> Rated:
    """Turn ratings into readings with their number of looks; DataError for lines that the sheet does not have."""
    unknown = ratings.keys() - set(sheet.numbers)
    if unknown:
        raise DataError(f"{path} rates {sorted(unknown)[0]}, which is not on the sheet", hint="change no item numbers")
    given: dict[str, list[dict[str, int | None]]] = {}
    for number, answer in zip(sheet.numbers, sheet.answers, strict=True):
        if number in ratings:
            given.setdefault(answer, []).append(ratings[number])
    readings = tuple((_reading(sheet, answer, looks), len(looks)) for answer, looks in given.items())
    again = [_reading(sheet, answer, looks[:1]) for answer, looks in given.items() if len(looks) > 1]
    again += [_reading(sheet, answer, looks[1:]) for answer, looks in given.items() if len(looks) > 1]
    return Rated(readings=readings, again=tuple(again), empty=len(sheet.numbers) - len(ratings))


def _reading(sheet: Sheet, answer: str, looks: Sequence[Mapping[str, int | None]]) -> Reading:
    raw, percentile, spread = [], [], []
    for trait in TRAITS:
        levels = [level for look in looks if (level := look[trait]) is not None]
        shares = [(level - 1) / (len(LEVELS) - 1) for level in levels]
        raw.append(float(np.mean(shares)) if shares else None)
        percentile.append(float(np.mean([PERCENTILES[level - 1] for level in levels])) if levels else None)
        spread.append(float(np.std(shares, ddof=1)) if len(shares) > 1 else None)
    return Reading(
        answer_id=answer,
        judge=sheet.judge,
        instrument=INSTRUMENT,
        raw=tuple(raw),
        percentile=tuple(percentile),
        spread=tuple(spread),
    )
