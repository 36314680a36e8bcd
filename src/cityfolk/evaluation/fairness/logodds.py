"""Words that one group's texts use more than everybody else's: log-odds with an informative Dirichlet prior.

Monroe, Colaresi & Quinn (2008), "Fightin' words: lexical feature selection and evaluation for identifying the content
of political conflict", Political Analysis 16(4), eq. 22: the difference of the log-odds of a word in two groups, each
with pseudo-counts in proportion to the word's share in all texts, over its standard deviation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIOR = 1000.0
"""Pseudo-words of the prior, shared by all words of the texts as often as they occur."""
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each of n texts uses each word: `table` is a sparse (n, words) matrix."""

    words: tuple[str, ...]
    table: Any


def count_words(texts: Sequence[str], without: Collection[str] = ()) -> Counts:
    """Count words in lower case; those in `without` (people's names) are left out."""
    from scipy.sparse import csr_matrix

    number: dict[str, int] = {}
    columns: list[int] = []
    sizes = np.zeros(len(texts) + 1, dtype=np.int64)
    skipped = frozenset(without)
    for row, text in enumerate(texts, start=1):
        found = [w for w in _WORD.findall(text.lower().replace("\u2019", "'")) if w not in skipped]
        columns += [number.setdefault(w.removesuffix("'s"), len(number)) for w in found]
        sizes[row] = len(columns)
    table = csr_matrix(
        (np.ones(len(columns)), np.array(columns, dtype=np.int64), sizes), shape=(len(texts), len(number))
    )
    table.sum_duplicates()
    return Counts(tuple(number), table)


def log_odds(counts_a: Floats, counts_b: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Return the log-odds ratio of each word in a against b, and its z-score (eq. 22).

    `prior` holds each word's pseudo-count; all three are of one length, the counts not negative, the prior positive
    where a word occurs. Words without a pseudo-count are NaN.
    """
    used = prior > 0
    prior_sum, a_sum, b_sum = prior.sum(), counts_a.sum(), counts_b.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = counts_a + prior, counts_b + prior
        delta = np.log(a / (a_sum + prior_sum - a)) - np.log(b / (b_sum + prior_sum - b))
        z = delta / np.sqrt(1.0 / a + 1.0 / b)
    return np.where(used, delta, np.nan), np.where(used, z, np.nan)


def telling_words(
    counts: Counts, inside: NDArray[np.bool_], known: NDArray[np.bool_], most: int = 12, fewest: int = 5
) -> list[tuple[str, float, int]]:
    """Return (word, z, count in the group) of the words most typical of a group, the most telling first.

    Only words of `fewest` or more texts of the group count, so that one person's word is nobody else's.
    """
    table = counts.table
    mine, others = inside & known, known & ~inside
    a = np.asarray(table[mine].sum(axis=0)).ravel()
    b = np.asarray(table[others].sum(axis=0)).ravel()
    texts = np.asarray((table[mine] > 0).sum(axis=0)).ravel()
    total = a + b
    if not total.sum():
        return []
    _, z = log_odds(a, b, PRIOR * total / total.sum())
    z = np.where(texts >= fewest, z, -np.inf)
    order = np.argsort(-z, kind="stable")[:most]
    return [(counts.words[at], float(z[at]), int(a[at])) for at in order if z[at] > 0]
