"""What a field says across profiles: how many different values, how evenly, and which most often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.evaluation.variety.pairs import word_sets
from cityfolk.texts.tokens import Tokens

# Words that only hold a sentence together: closed classes, with what an apostrophe makes of them.
_FUNCTION_WORDS = """
a an the this that these those some any each every either neither both all most more many much few several no not none
i me my mine myself you your yours yourself he him his himself she her hers herself it its itself we us our ours
ourselves they them their theirs themselves one who whom whose which what
and or but nor so yet if unless because while when whenever where wherever as than though although until since whether
at by for from in into of off on onto out over to toward towards under up upon with within without about above across
after against along among around before behind below beneath beside besides between beyond despite down during except
inside like near outside past per through throughout via
am is are was were be been being isn't aren't wasn't weren't do does did done doing don't doesn't didn't has have had
having hasn't haven't hadn't can can't cannot could couldn't may might must shall should shouldn't will won't would
wouldn't there here then also too just only very
"""


@dataclass(frozen=True, kw_only=True)
class Values:
    """The different values of a field, upper and lower case alike, and how often each occurs, most frequent first.

    A list's items are values of their own; empty ones are left out.
    """

    values: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Return how many values there are, equal ones included."""
        return int(self.counts.sum())


def field_values(column: pl.Series) -> Values:
    """Return the values of a column of texts or of lists of texts; equal counts in alphabetical order."""
    if column.dtype != pl.String:
        column = column.cast(pl.List(pl.String)).explode()
    cleaned = column.drop_nulls().str.strip_chars().str.to_lowercase().alias("value")
    counted = cleaned.filter(cleaned != "").value_counts(name="count")
    ordered = counted.sort(["count", "value"], descending=[True, False])
    return Values(values=tuple(ordered["value"].to_list()), counts=ordered["count"].to_numpy().astype(np.int64))


def entropy(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return the Shannon entropy of counts in bits, as they stand, and its standard error (Basharin 1959).

    It falls short of the truth by about (different values - 1) / (2 n ln 2) bits, and can't exceed log2 n.
    """
    shares = counts / counts.sum()
    surprise = -np.log2(shares)
    mean = float(shares @ surprise)
    variance = max(0.0, float(shares @ np.square(surprise)) - mean**2)
    return mean, sqrt(variance / counts.sum())


@cache
def function_words() -> frozenset[str]:
    """Return the English words that say nothing of a person by themselves."""
    return frozenset(_FUNCTION_WORDS.split())


def telling_words(tokens: Tokens, leave_out: frozenset[str], count: int) -> list[tuple[str, float]]:
    """Return the words that occur in most profiles, and in what share of them; short and function words left out."""
    found: Counter[int] = Counter()
    times = np.bincount(word_sets(tokens).indices, minlength=len(tokens.vocabulary))
    unwanted = function_words() | leave_out
    for word in np.argsort(-times, kind="stable"):
        text = tokens.vocabulary[word]
        if len(text) < 3 or text in unwanted or text.removesuffix("'s").removesuffix("’s") in unwanted:
            continue
        found[int(word)] = int(times[word])
        if len(found) == count or not times[word]:
            break
    return [(tokens.vocabulary[word], n / tokens.profiles) for word, n in found.items() if n]
