"""Texts -> words as numbers, once for every measure.

A word is what `text_basic.words` calls one: letters in lower case, an apostrophe inside kept; digits and punctuation
are none. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Python's letters and numbers that are not decimal digits, in the words of Unicode.
_LETTER = r"[\p{L}\p{Nl}\p{No}]"
_MIX = 0x9E3779B97F4A7C15
WORD = rf"{_LETTER}+(?:['’]{_LETTER}+)?"


@dataclass(frozen=True, eq=False)
class Tokens:
    """The words of n profiles of F fields, in reading order: profile by profile, field by field.

    `ids` holds one number a word, an index into `vocabulary` (sorted). Field f of profile i is
    ids[bounds[i * F + f] : bounds[i * F + f + 1]]; `bounds` has n * F + 1 entries.
    """

    vocabulary: tuple[str, ...]
    fields: tuple[str, ...]
    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]

    @property
    def profiles(self) -> int:
        """Return how many profiles there are."""
        return (len(self.bounds) - 1) // len(self.fields)

    @property
    def ends(self) -> NDArray[np.int64]:
        """Return where each profile starts, and the end: n + 1 entries."""
        return self.bounds[:: len(self.fields)]

    def rows(self, chosen: NDArray[np.int64]) -> Tokens:
        """Return the tokens of some profiles, in the order given."""
        width = len(self.fields)
        texts = (chosen[:, None] * width + np.arange(width)).ravel()
        return self._texts(texts, self.fields)

    def field(self, name: str) -> Tokens:
        """Return the tokens of one field of every profile."""
        width = len(self.fields)
        return self._texts(np.arange(self.profiles) * width + self.fields.index(name), (name,))

    def _texts(self, texts: NDArray[np.int64], fields: tuple[str, ...]) -> Tokens:
        lengths = self.bounds[texts + 1] - self.bounds[texts]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        return Tokens(self.vocabulary, fields, self.ids[spans(self.bounds[texts], lengths)], bounds)


def spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions start, start + 1, ... of every span, one span after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def as_text(column: pl.Series) -> pl.Series:
    """Return a column of texts, or of lists of texts joined by "; ", as texts without nulls."""
    if column.dtype != pl.String:
        column = column.cast(pl.List(pl.String)).list.join("; ", ignore_nulls=True)
    return column.fill_null("")


def tokenize(profiles: pl.DataFrame, fields: Sequence[str]) -> Tokens:
    """Return the words of every field (texts or lists of texts) of every row."""
    words, parts = _numbered([as_text(profiles[field]) for field in fields])
    lengths = np.stack([length for _, length in parts], axis=1) if parts else np.zeros((profiles.height, 0), np.int64)
    bounds = np.concatenate([[0], np.cumsum(lengths.ravel())])
    starts = bounds[:-1].reshape(lengths.shape)
    ids = np.empty(int(bounds[-1]), dtype=np.int32)
    for place, (numbers, length) in enumerate(parts):
        ids[spans(starts[:, place], length)] = numbers
    return Tokens(words, tuple(fields), ids, bounds)


def tokenize_texts(texts: Sequence[str]) -> Tokens:
    """Return the words of plain texts, as one field named "text"."""
    return tokenize(pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}), ["text"])


def _numbered(columns: list[pl.Series]) -> tuple[tuple[str, ...], list[tuple[NDArray[np.int32], NDArray[np.int64]]]]:
    """Return the sorted vocabulary, and for each column its words' numbers and how many each text has."""
    local: list[tuple[pl.Series, NDArray[np.int32], NDArray[np.int64]]] = []
    for column in columns:
        found = column.str.to_lowercase().str.extract_all(WORD)
        length = found.list.len().to_numpy().astype(np.int64)
        flat = found.explode().drop_nulls()
        known = flat.unique().sort()
        numbers = flat.cast(pl.Enum(known)).to_physical().to_numpy().astype(np.int32)
        local.append((known, numbers, length))
    words = pl.concat([known for known, _, _ in local]).unique().sort() if local else pl.Series([], dtype=pl.String)
    shared = pl.Enum(words)
    parts = []
    for known, numbers, length in local:
        moved = known.cast(shared).to_physical().to_numpy().astype(np.int32)
        parts.append((moved[numbers], length))
    return tuple(words.to_list()), parts


def grams(tokens: Tokens, size: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the n-gram that starts at each word as one number, and whether it stays inside its text.

    The numbers are exact (a polynomial in the vocabulary's size) unless they would not fit 63 bits; then they are
    64-bit hashes. Arrays are as long as there are words, less size - 1.
    """
    base = len(tokens.vocabulary)
    factor = np.uint64(base if base**size < 2**63 else _MIX)
    count = max(0, len(tokens.ids) - size + 1)
    keys = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        keys *= factor
        keys += tokens.ids[place : place + count].astype(np.uint64)
    inside = np.ones(count, dtype=bool)
    inner = tokens.bounds[1:-1]
    for back in range(1, size):
        crossing = inner - back
        inside[crossing[(crossing >= 0) & (crossing < count)]] = False
    return keys, inside
