"""Short texts that say the same: equal but for case, punctuation and spaces, or nearly so. Exact; nothing is missed.

Two texts are near copies if at least `threshold` of their different pairs of neighbouring words are shared (Jaccard).
Texts of different groups (questions on different topics) may share their frame: for them the bar is higher.
Candidates come from prefix filtering (Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007): two sets that are
that alike share one of their rarest members. For long texts by the ten thousand, `duplicates` is the faster way.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from typing import Literal, NamedTuple

THRESHOLD = 0.6
"""A word that differs in the midst of ten that do not leaves 8 of 12 pairs of words in common (.67), of six 4 of 8."""
ACROSS = 0.8
"""Two words that differ amid fifteen that do not leave 13 of 19 in common (.68): one frame around two topics."""

Outcome = Literal["new", "exact", "near"]
Shingles = frozenset[tuple[str, ...]]
_APART = re.compile(r"[\W_]+")
_APOSTROPHES = str.maketrans("", "", "'\u2019\u2018`\u00b4")


def normal_form(text: str) -> str:
    """Return a text in lower case without punctuation, its words parted by one space; accents and digits stay."""
    bare = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return _APART.sub(" ", bare).strip()


def shingles(normal: str) -> Shingles:
    """Return the different pairs of neighbouring words of a normal form; of one word alone, that word."""
    words = normal.split()
    if len(words) < 2:
        return frozenset([tuple(words)] if words else [])
    return frozenset(pairwise(words))


def likeness(first: str, second: str) -> float:
    """Return how alike two texts are: the Jaccard similarity of their pairs of words, 0 to 1."""
    a, b = shingles(normal_form(first)), shingles(normal_form(second))
    return len(a & b) / len(a | b) if a or b else 1.0


class Seen(NamedTuple):
    """What a text is: of which text that was kept it is a copy (its number), and which group the earlier one was of.

    An exact copy of a text that was itself a near copy names the text that was kept, and the group of its first like.
    """

    outcome: Outcome
    twin: int | None = None
    group: str = ""


@dataclass(slots=True)
class Distinct:
    """A growing set of texts, none of them a copy or near copy of another: the first that comes is kept.

    A text equal to an earlier one is "exact", of whatever group, also where that one was near another and not kept.
    `frequency` says how common pairs of words are, as far as is known beforehand; it changes how long a search takes
    and never what is found.
    """

    threshold: float = THRESHOLD
    across: float = ACROSS
    frequency: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _forms: dict[str, tuple[int, str]] = field(default_factory=dict)
    _sets: list[Shingles] = field(default_factory=list)
    _groups: list[str] = field(default_factory=list)
    _holders: dict[tuple[str, ...], list[int]] = field(default_factory=dict)

    @classmethod
    def over(cls, texts: Iterable[str], threshold: float = THRESHOLD, across: float = ACROSS) -> Distinct:
        """Return an empty set that knows how common the pairs of words of these texts are."""
        frequency: Counter[tuple[str, ...]] = Counter()
        for text in texts:
            frequency.update(shingles(normal_form(text)))
        return cls(threshold=threshold, across=across, frequency=frequency)

    def __len__(self) -> int:
        return len(self._sets)

    def look(self, text: str, group: str = "") -> Seen:
        """Say what a text would be, without keeping it; of several like it, the earliest is named."""
        form = normal_form(text)
        if form in self._forms:
            return Seen("exact", *self._forms[form])
        near = self._near(shingles(form), group)
        return Seen("new") if near is None else Seen("near", near, self._groups[near])

    def add(self, text: str, group: str = "") -> Seen:
        """Keep a text if it is new; say what it is."""
        seen = self.look(text, group)
        if seen.twin is None:
            self.keep(text, group)
        elif seen.outcome == "near":
            self._forms[normal_form(text)] = (seen.twin, group)
        return seen

    def keep(self, text: str, group: str = "") -> int:
        """Keep a text whatever it is like; return its number."""
        form = normal_form(text)
        pairs, number = shingles(form), len(self._sets)
        self._forms.setdefault(form, (number, group))
        self._sets.append(pairs)
        self._groups.append(group)
        for pair in self._rarest(pairs):
            self._holders.setdefault(pair, []).append(number)
        return number

    def _near(self, pairs: Shingles, group: str) -> int | None:
        found: set[int] = set()
        for pair in self._rarest(pairs):
            found.update(self._holders.get(pair, ()))
        for number in sorted(found):
            other = self._sets[number]
            shared = len(pairs & other)
            bar = self.threshold if self._groups[number] == group else self.across
            if shared >= bar * (len(pairs) + len(other) - shared) - 1e-9:
                return number
        return None

    def _rarest(self, pairs: Shingles) -> list[tuple[str, ...]]:
        """Return so many of the rarest pairs that any set alike enough must share one of them."""
        # Sets with similarity t share at least t * n members of each; the order is one and the same for all sets.
        least = min(self.threshold, self.across)
        enough = len(pairs) - ceil(least * len(pairs) - 1e-9) + 1
        frequency = self.frequency
        return sorted(pairs, key=lambda pair: (frequency[pair], pair))[:enough]
