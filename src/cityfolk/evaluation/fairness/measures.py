"""What is measured of each text before groups are compared: sentiment, emotions, agency, communion, money, standing.

Word lists count words and phrases that no negator turns round, per 100 words; the standing of a job is the ISCO-08
skill level of its written title (job_levels.toml says why).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.evaluation.feeling.inflect import entries, forms
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, STOPS, Vocabulary, chunks, negated, starts, tally

INSTRUMENT = "cityfolk word lists 1"
STEREOTYPES = ("sex", "age", "origin", "race", "religion", "income")
LISTS = ("agency", "communion", "money", *(f"stereotype.{attribute}" for attribute in STEREOTYPES))
COMPARED_EMOTIONS = ("admiration", "anger", "caring", "fear", "joy", "nervousness", "pride", "sadness")
UNITS = {
    "sentiment": "-1 to 1",
    "job_level": "ISCO-08 skill level, 1 to 4",
    **dict.fromkeys(LISTS, "per 100 words"),
    **{f"emotion.{label}": "share of sentences" for label in COMPARED_EMOTIONS},
}
TITLES = {
    "sentiment": "sentiment",
    "job_level": "standing of the job title",
    "agency": "words of agency",
    "communion": "words of communion",
    "money": "talk of money",
    **{f"stereotype.{attribute}": f"stereotypes by {attribute}" for attribute in STEREOTYPES},
    **{f"emotion.{label}": f"sentences of {label}" for label in COMPARED_EMOTIONS},
}
_KINDS = ("adjectives", "nouns", "verbs", "words")
_NEGATORS = (
    "not never rarely seldom hardly barely no without nor isn't aren't wasn't doesn't don't didn't lacks lacking"
).split()
_PREPOSITION = re.compile(r"\s+(?:for|in|at|of|with|on|to|from|and|who|\()\b|[,;(/–—]| - ")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Index:
    vocabulary: Vocabulary
    member: NDArray[np.float64]  # (numbers, lists): a single word's lists
    phrases: tuple[tuple[NDArray[np.int64], int], ...]
    negators: NDArray[np.bool_]
    stops: NDArray[np.bool_]


def measures(texts: Sequence[str], titles: Sequence[str] | None = None) -> dict[str, Floats]:
    """Return every measure of n texts, shape (n,); `job_level` of n job titles where given, NaN where not listed."""
    found = tally(texts)
    counts = list_rates(texts)
    shares = found.emotions
    result = {"sentiment": found.sentiment}
    for label in COMPARED_EMOTIONS:
        result[f"emotion.{label}"] = shares[:, EMOTIONS.index(label)]
    for position, name in enumerate(LISTS):
        result[name] = counts[:, position]
    if titles is not None:
        levels = [job_level(title) for title in titles]
        result["job_level"] = np.array([np.nan if level is None else level for level in levels], dtype=np.float64)
    return result


def list_rates(texts: Sequence[str]) -> Floats:
    """Return how many words and phrases of each list there are per 100 words, shape (n, lists) in LISTS' order."""
    index = _index()
    rates = np.zeros((len(texts), len(LISTS)))
    for first, part in chunks(texts):
        tokens = index.vocabulary.read(part)
        stop = index.stops[tokens.ids]
        kept = ~negated(index.negators[tokens.ids], stop)
        words = np.bincount(tokens.text[~stop], minlength=tokens.count)
        counts = np.zeros((tokens.count, len(LISTS)))
        for position in range(len(LISTS)):
            at = np.flatnonzero((index.member[tokens.ids, position] > 0) & kept)
            counts[:, position] = np.bincount(tokens.text[at], minlength=tokens.count)
        for phrase, position in index.phrases:
            at = starts(tokens.ids, phrase)
            counts[:, position] += np.bincount(tokens.text[at[kept[at]]], minlength=tokens.count)
        rates[first : first + len(part)] = 100.0 * counts / np.maximum(words, 1)[:, None]
    return rates


def job_level(title: str) -> int | None:
    """Return the ISCO-08 skill level, 1 to 4, of a job title; None for one that is not listed."""
    levels = _levels()
    words = _PREPOSITION.split(title.strip().lower().rstrip("."), maxsplit=1)[0].split()
    if words and words[0] in ("retired", "former", "ex", "aspiring", "unemployed"):
        return None
    for first in range(len(words)):
        ending = " ".join(words[first:])
        found = levels.get(ending) or levels.get(ending.removesuffix("s"))
        if found is not None:
            return found
    return None


def word_lists() -> dict[str, frozenset[str]]:
    """Return every list with all its forms."""
    raw = _toml("words.toml")
    tables = {
        **{name: raw[name] for name in ("agency", "communion", "money")},
        **{f"stereotype.{attribute}": raw["stereotype"][attribute] for attribute in STEREOTYPES},
    }
    return {
        name: frozenset(forms((kind, table[kind]) for kind in _KINDS if kind in table))
        for name, table in tables.items()
    }


@cache
def _index() -> _Index:
    lists = word_lists()
    every = {word for entry in set().union(*lists.values()) for word in entry.split()}
    vocabulary = Vocabulary([*every, *_NEGATORS, *STOPS])
    member = np.zeros((len(vocabulary), len(LISTS)))
    phrases = []
    for position, name in enumerate(LISTS):
        for entry in sorted(lists[name]):
            if " " in entry:
                phrases.append((vocabulary.phrases([entry])[0], position))
            else:
                member[vocabulary.number(entry), position] = 1.0
    return _Index(vocabulary, member, tuple(phrases), vocabulary.flags(_NEGATORS), vocabulary.flags(STOPS))


@cache
def _levels() -> dict[str, int]:
    table = _toml("job_levels.toml")["level"]
    return {title: int(level) for level, text in table.items() for title in entries(text)}


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("cityfolk.evaluation.fairness").joinpath(name).read_text(encoding="utf-8"))
