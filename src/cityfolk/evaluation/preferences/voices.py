"""How answers sound, archetype by archetype: telling words, emotions, sentiment.

Where no archetype was asked for, the groups are the two directions of each trait (targets below the 20th and above the
80th percentile). `pairs.voice.sentiment.GROUP` is the mean sentiment, -1 to 1; emotions and words are marks alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.fairness.logodds import count_words, telling_words
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, INSTRUMENT, tally
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.preferences.tables import TARGETS, UNTARGETED, Preferences, finding, matrix
from cityfolk.evaluation.preferences.verdicts import Tested
from cityfolk.evaluation.statistics import Estimate
from cityfolk.evaluation.variety.values import function_words
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.vocabulary import TRAITS

LOW, HIGH = 0.2, 0.8
MOST_READ = 20_000
FEWEST = 20
_WORDS = 40
_NO_TARGET = "no target"


def voices(data: Preferences) -> Iterator[Tested | Detail]:
    """Yield sentiment, emotions and telling words of each group of answers."""
    answers = data.answers.filter(pl.col("text").fill_null("") != "").sort("answer_id")
    if answers.height > MOST_READ:
        drawn = rng.child(data.seed, "evaluation", "preferences", "voices").choice(
            answers.height, MOST_READ, replace=False
        )
        answers = answers[np.sort(drawn).tolist()]
    groups = {label: mask for label, mask in _groups(answers).items() if mask.sum() >= FEWEST}
    if not groups:
        return
    texts = answers["text"].to_list()
    whole = tally(texts)
    feeling, shares = whole.sentiment, whole.emotions
    counts = count_words(texts, function_words())
    known = np.ones(len(texts), dtype=bool)
    for label, mask in groups.items():
        n = int(mask.sum())
        found = _mean(feeling[mask])
        title = f"Sentiment of answers, {label}"
        yield Tested(finding(f"voice.sentiment.{label}", title, found, n, "-1 to 1", INSTRUMENT))
        yield Detail(
            name="pairs.sentiment", source="answers", label=label, value=found.value, low=found.low, high=found.high
        )
        for position, emotion in enumerate(EMOTIONS):
            one = _mean(shares[mask, position])
            yield Detail(name="pairs.emotion", source=label, label=emotion, value=one.value, low=one.low, high=one.high)
        for word, z, count in telling_words(counts, mask, known, most=_WORDS):
            if len(word) > 2:
                yield Detail(name="pairs.words", source=label, label=word, value=z, x=float(count))


def _groups(answers: pl.DataFrame) -> dict[str, NDArray[np.bool_]]:
    names = answers["target_name"].fill_null("").to_numpy().astype(str)
    groups = {name: names == name for name in ARCHETYPES if (names == name).any()}
    if not groups:
        targets = matrix(answers, TARGETS)
        for position, trait in enumerate(TRAITS):
            groups[f"low {trait}"] = targets[:, position] < LOW
            groups[f"high {trait}"] = targets[:, position] > HIGH
    groups[_NO_TARGET] = (answers["condition"] == UNTARGETED).fill_null(False).to_numpy()
    return groups


def _mean(values: NDArray[np.float64]) -> Estimate:
    mean = float(values.mean())
    half = Z90 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(mean, mean - half, mean + half)
