"""Who is rated: the expressed scores of profiles beside the drawn traits, on scales that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.evaluation.corpus import Corpus
from cityfolk.personality.lexicon import INSTRUMENT, rate_many
from cityfolk.vocabulary import NORMS, TRAITS

Floats = NDArray[np.float64]
Rate = Callable[[Sequence[str]], Floats]
# Fields that restate facts: a job's words are not the person's traits.
_NOT_RATED = frozenset({"job_title"})


@dataclass(frozen=True, slots=True)
class Rater:
    """Who rates: a function from n texts to (n, 5) raw scores in the order of TRAITS, and the name in the notes."""

    rate: Rate = rate_many
    name: str = INSTRUMENT


@dataclass(frozen=True, slots=True)
class Scores:
    """Profiles of one source whose drawn traits are known: expressed raw scores and drawn percentiles, both (n, 5)."""

    source: str
    person_id: NDArray[np.int64]
    expressed: Floats
    drawn: Floats
    words: Floats

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Scores:
        """Return some of the profiles."""
        return Scores(self.source, self.person_id[rows], self.expressed[rows], self.drawn[rows], self.words[rows])


def score(corpus: Corpus, rater: Rater = Rater()) -> Scores:
    """Rate the profiles of one source; people whose traits are unknown or extrapolated are left out."""
    facts = corpus.facts(*TRAITS, "norms")
    known = facts.select(pl.all_horizontal(pl.col(TRAITS).is_not_null())).to_series()
    known &= facts["norms"].cast(pl.String).fill_null(NORMS[0]) == NORMS[0]
    part = corpus.profiles.filter(known)
    rated = Corpus(profiles=part, fields=corpus.fields, people=corpus.people, seed=corpus.seed)
    fields = [name for name in corpus.fields if name not in _NOT_RATED] or list(corpus.fields)
    texts = rated.whole(fields)
    drawn = facts.filter(known).select(pl.col(TRAITS).cast(pl.Float64)).to_numpy()
    expressed = rater.rate(texts) if texts else np.zeros((0, len(TRAITS)))
    words = np.array([len(text.split()) for text in texts], dtype=np.float64)
    source = part["source"][0] if part.height else ""
    return Scores(source, part["person_id"].cast(pl.Int64).to_numpy(), np.asarray(expressed), drawn, words)


def ranks(values: Floats) -> Floats:
    """Return each value's share of values below it, ties shared, 0 to 1 (mid-ranks)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(middle[inverse] / max(len(values), 1), dtype=np.float64)
