"""Judges in process that need no model server: the text rater, the word list, the embedded model's grammar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cityfolk.preferences.judging.base import Floats, Item, batches, readings_of
from cityfolk.types import Reading
from cityfolk.vocabulary import TRAITS


class RaterJudge:
    """The text rater that ships with the package; its percentiles are by its own stated norms."""

    name = "rater"
    family = ""

    @property
    def instrument(self) -> str:
        """The rater's name and version."""
        from cityfolk.personality.rater import INSTRUMENT

        return INSTRUMENT

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers: raw z, its standard deviation, and percentiles."""
        from cityfolk.personality.rater import percentiles, read_many

        for batch in batches(items):
            raw, spread, _ = read_many([item.text for item in batch])
            yield from readings_of(self, batch, raw, percentile=percentiles(raw), spread=spread)


class LexiconJudge:
    """The word list that anyone can read: from -1 to 1, 0 where it finds no marker; no percentiles of its own."""

    name = "lexicon"
    family = ""

    @property
    def instrument(self) -> str:
        """The word list's name and version."""
        from cityfolk.personality.lexicon import INSTRUMENT

        return INSTRUMENT

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers: raw scores alone."""
        from cityfolk.personality.lexicon import rate_many

        for batch in batches(items):
            yield from readings_of(self, batch, rate_many(item.text for item in batch))


class GrammarJudge:
    """The grammar that the embedded model was taught: the posterior of the vector behind a text it could have written.

    It can read the embedded model's answers alone, and stands for known truth there. A trait for which a text holds
    no sentence of the grammar is not read.
    """

    name = "grammar"
    family = "pocket"
    instrument = "pocket grammar, posterior mean z"

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers: posterior mean z, its standard deviation, and the percentile of the mean."""
        from cityfolk.personality.reference import percentile_from_z

        for batch in batches(items):
            raw, spread = self._posteriors([item.text for item in batch])
            percentile = np.full_like(raw, np.nan)
            known = np.isfinite(raw)
            percentile[known] = percentile_from_z(raw[known])
            yield from readings_of(self, batch, raw, percentile=percentile, spread=spread)

    def _posteriors(self, texts: list[str]) -> tuple[Floats, Floats]:
        from cityfolk.pocket.answering import read_answer

        raw, spread = (np.full((len(texts), len(TRAITS)), np.nan) for _ in range(2))
        for row, text in enumerate(texts):
            found = read_answer(text)
            seen = np.asarray(found.evidence) > 0
            raw[row, seen] = np.asarray(found.z)[seen]
            spread[row, seen] = np.asarray(found.spread)[seen]
        return raw, spread
