"""The shipped rater: how much of each trait a text expresses, by a lexicon that anyone can read.

It counts words and phrases of both poles of each trait (`lexicon.toml`), turns a match round where the clause
negates it ("not", "rarely", "avoids", "rather than"), and scores a trait as (high - low) / (high + low + 1), from -1
to 1. It knows no more: no irony, no context, no topic. What it measures is expressed style, and it says so: not what a
person is, and not a percentile.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from cityfolk.vocabulary import TRAITS

INSTRUMENT = "cityfolk rater 1 (lexicon, expressed)"
POLES = ("high", "low")
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[.,;:!?()\n]")
_WINDOW = 4
_BREAKS = frozenset(".,;:!?()\n") | {"but", "although", "though", "while", "yet", "however", "and", "because", "so"}
_NEGATORS = frozenset(
    "not never rarely seldom hardly barely scarcely no without nor neither cannot less least lacks lack lacking "
    "avoids avoid avoiding dislikes dislike hates hate refuses unable unwilling reluctant fails little few "
    "struggles stops nothing nobody none isn't aren't wasn't doesn't don't didn't won't can't couldn't wouldn't".split()
)
# Negators that act only with the word after them, and pairs that look like a negation and are none.
_NEEDS_TO = frozenset({"refuses", "unable", "unwilling", "reluctant", "fails", "struggles", "stops"})
_PAIRS = {("rather", "than"), ("instead", "of"), ("far", "from"), ("anything", "but"), ("hard", "to"), ("slow", "to")}
_PAIRS |= {("difficult", "to"), ("free", "of"), ("free", "from"), ("trouble", "staying"), ("nothing", "like")}
_NO_NEGATION = {("not", "only"), ("not", "just"), ("no", "doubt"), ("no", "matter"), ("a", "little"), ("a", "few")}
_NOT_A_MARKER = {
    ("kind", "of"),
    ("kinds", "of"),
    ("this", "kind"),
    ("some", "kind"),
    ("what", "kind"),
    ("that", "kind"),
}

Entry = tuple[tuple[str, ...], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a text expresses: raw scores from -1 to 1 by trait, and how many markers of each pole were found."""

    scores: dict[str, float]
    high: dict[str, int]
    low: dict[str, int]
    words: int
    instrument: str = INSTRUMENT


@dataclass(frozen=True, slots=True)
class Match:
    """One marker found: the words as written, the trait, the pole after negation, and whether it was negated."""

    words: str
    trait: str
    pole: str
    negated: bool


def rate(text: str) -> Rating:
    """Rate one text."""
    tokens = _tokens(text)
    counts = {pole: dict.fromkeys(TRAITS, 0) for pole in POLES}
    for match in _matches(tokens):
        counts[match.pole][match.trait] += 1
    scores = {}
    for trait in TRAITS:
        high, low = counts["high"][trait], counts["low"][trait]
        scores[trait] = (high - low) / (high + low + 1)
    words = sum(token[0].isalpha() for token in tokens)
    return Rating(scores=scores, high=counts["high"], low=counts["low"], words=words)


def rate_many(texts: Iterable[str]) -> NDArray[np.float64]:
    """Return raw scores of n texts as (n, 5), columns in the order of TRAITS."""
    rows = [[rating.scores[trait] for trait in TRAITS] for rating in map(rate, texts)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(TRAITS))


def explain(text: str) -> tuple[Match, ...]:
    """Return every marker that counted, in the order of the text."""
    return tuple(_matches(_tokens(text)))


def matches(tokens: Sequence[str]) -> Iterable[Match]:
    """Return the markers among lower-case tokens: words, and commas and the like as tokens of their own."""
    return _matches(tokens)


def lexicon() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the lexicon: trait, pole, entries as written."""
    text = files("cityfolk.personality").joinpath("lexicon.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    return {
        trait: {
            pole: tuple(entry.strip() for entry in raw[trait][pole].replace("\n", " ").split(",") if entry.strip())
            for pole in POLES
        }
        for trait in TRAITS
    }


@cache
def _index() -> tuple[dict[str, list[Entry]], dict[str, list[Entry]], tuple[int, ...]]:
    """Return the entries by their first word, exact and stemmed, and the lengths of stems, longest phrases first."""
    exact: dict[str, list[Entry]] = {}
    stems: dict[str, list[Entry]] = {}
    for trait, poles in lexicon().items():
        for pole, entries in poles.items():
            for entry in entries:
                words = tuple(word.rstrip("'") for word in entry.split())
                place = stems if words[0].endswith("*") else exact
                place.setdefault(words[0].rstrip("*"), []).append((words, trait, pole))
    for table in (exact, stems):
        for candidates in table.values():
            candidates.sort(key=lambda entry: -len(entry[0]))
    return exact, stems, tuple(sorted({len(stem) for stem in stems}, reverse=True))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def _matches(tokens: Sequence[str]) -> Iterable[Match]:
    """Find the longest entry at each place; its words are used up, also for negating what follows."""
    position = 0
    used: set[int] = set()
    while position < len(tokens):
        found = _longest(tokens, position)
        if found is None:
            position += 1
            continue
        words, trait, pole = found
        end = position + len(words)
        negated = _negations(tokens, position, used) % 2 == 1
        if negated:
            pole = POLES[1 - POLES.index(pole)]
        yield Match(" ".join(tokens[position:end]), trait, pole, negated)
        used.update(range(position, end))
        position = end


def _longest(tokens: Sequence[str], position: int) -> Entry | None:
    """Return the entry with most words that begins here; the longer stem wins among equals."""
    exact, stems, lengths = _index()
    token = tokens[position]
    pair = (token, tokens[position + 1] if position + 1 < len(tokens) else "")
    before = (tokens[position - 1] if position else "", token)
    if pair in _NOT_A_MARKER or before in _NOT_A_MARKER:
        return None
    best: Entry | None = None
    candidates = list(exact.get(token, ()))
    for length in lengths:
        if length <= len(token):
            candidates += stems.get(token[:length], ())
    for entry in candidates:
        words = entry[0]
        if best is not None and len(words) <= len(best[0]):
            continue
        rest = tokens[position : position + len(words)]
        if len(rest) == len(words) and all(map(_fits, words, rest)):
            best = entry
    return best


def _fits(pattern: str, token: str) -> bool:
    if pattern == "*":
        return token[0].isalpha()
    return token.startswith(pattern[:-1]) if pattern.endswith("*") else token == pattern


def _negations(tokens: Sequence[str], position: int, used: set[int]) -> int:
    """Count the negators in the few words before a marker, within its clause."""
    count = 0
    for back in range(1, _WINDOW + 1):
        at = position - back
        if at < 0:
            break
        token = tokens[at]
        following = tokens[at + 1]
        before = tokens[at - 1] if at else ""
        if token in _BREAKS and (before, token) not in _PAIRS:
            break
        if at in used:
            continue
        if (token, following) in _PAIRS:
            count += 1
        elif token in _NEGATORS and (token, following) not in _NO_NEGATION and (before, token) not in _NO_NEGATION:
            count += token not in _NEEDS_TO or following == "to"
    return count
