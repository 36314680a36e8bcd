"""The shipped text rater: how much of each trait a text expresses, learned from a phrase bank, in numpy alone.

A text is cut into sentences. Each sentence gets five scores, u = features . weights (`rater_text` says what the
features are; the weights are ridge regressions of what a sentence was written to express, 0 for nothing, about 1 for a
plain statement of the high pole). Sentences that express a trait then speak for the text: r = u^2 / (u^2 + TAU^2) is
how far a sentence is about the trait, and

    raw = slope * sum(r (u - center)) / (sum(r) + k)

is the z-score expected of a writer in the reference, given this one text: cautious, 0 where nothing is said, and not
more extreme because a text is longer. Its spread is the standard deviation of what is still unknown; it falls with
sum(r), the amount of evidence. `percentiles` undoes the caution on average, so that many texts of people at the 80th
percentile average to about the 80th.

It reads style, not people: no irony, no context, English only. Weights, constants and how well they do on wordings and
topics never trained on are in rater.json, written by scripts/train_rater.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.personality.rater_text import features, sentences
from cityfolk.personality.reference import percentile_from_z
from cityfolk.vocabulary import TRAITS

INSTRUMENT = "cityfolk text rater 1 (expressed)"
FloatArray = NDArray[np.float64]
CEILING = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What the rater has learned: feature -> row of `matrix` (F, 5), and the constants of the module's formula."""

    rows: dict[str, int]
    matrix: FloatArray
    tau: float
    center: FloatArray
    k: FloatArray
    slope: FloatArray
    stretch: FloatArray
    sd_floor: FloatArray
    sd_half: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRating:
    """What a text expresses: by trait the expected z-score, its spread (SD in z), the percentile and the evidence."""

    raw: dict[str, float]
    spread: dict[str, float]
    percentile: dict[str, float]
    evidence: dict[str, float]
    words: int
    instrument: str = INSTRUMENT


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature that counted: its name, the sentence's number from 0, the trait, and value times weight."""

    feature: str
    sentence: int
    trait: str
    contribution: float


def rate(text: str) -> TextRating:
    """Rate one text."""
    raw, spread, evidence = read_many((text,))
    place = percentiles(raw)
    values = [dict(zip(TRAITS, map(float, row[0]), strict=True)) for row in (raw, spread, place, evidence)]
    words = sum(token[0].isalpha() for tokens in sentences(text) for token in tokens)
    return TextRating(raw=values[0], spread=values[1], percentile=values[2], evidence=values[3], words=words)


def rate_many(texts: Iterable[str]) -> FloatArray:
    """Return raw scores of n texts: expected z-scores, (n, 5), columns in the order of TRAITS."""
    return read_many(texts)[0]


def read_many(texts: Iterable[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return raw scores, spreads (both in z) and evidence (sum of r) of n texts, each (n, 5)."""
    weights = shipped()
    total, evidence = sums(texts, weights)
    return raw_from(total, evidence, weights), spread_at(evidence, weights), evidence


def percentiles(raw: ArrayLike) -> FloatArray:
    """Return percentiles among adults for raw scores (..., 5): the caution of one reading undone on average."""
    scores = np.asarray(raw, dtype=np.float64)
    if scores.ndim == 0 or scores.shape[-1] != len(TRAITS):
        raise DataError(f"raw scores of shape {scores.shape} are not of five traits", hint="give an array (..., 5)")
    return percentile_from_z(scores * shipped().stretch)


def explain(text: str, count: int = 12) -> tuple[Contribution, ...]:
    """Return the features that counted most, strongest first; each feature stands for its strongest trait."""
    weights = shipped()
    found = []
    for number, tokens in enumerate(sentences(text)):
        for name, value in features(tokens).items():
            row = weights.rows.get(name)
            if row is not None:
                by_trait = value * weights.matrix[row]
                best = int(np.argmax(np.abs(by_trait)))
                found.append(Contribution(name, number, TRAITS[best], float(by_trait[best])))
    return tuple(sorted(found, key=lambda one: -abs(one.contribution))[:count])


def sums(texts: Iterable[str], weights: Weights) -> tuple[FloatArray, FloatArray]:
    """Return sum(r u) and sum(r) of n texts, each (n, 5)."""
    totals, evidences = [], []
    for text in texts:
        total, evidence = pool(sentence_scores(text, weights), weights.tau)
        totals.append(total)
        evidences.append(evidence)
    shape = (-1, len(TRAITS))
    return np.array(totals, dtype=np.float64).reshape(shape), np.array(evidences, dtype=np.float64).reshape(shape)


def sentence_scores(text: str, weights: Weights) -> FloatArray:
    """Return u of each sentence of a text, (sentences, 5), cut off at +-2.5."""
    rows = []
    for tokens in sentences(text):
        known = [(weights.rows[name], value) for name, value in features(tokens).items() if name in weights.rows]
        if known:
            places, values = zip(*known, strict=True)
            rows.append(np.array(values) @ weights.matrix[list(places)])
    return np.clip(np.array(rows, dtype=np.float64).reshape(-1, len(TRAITS)), -CEILING, CEILING)


def pool(scores: FloatArray, tau: float) -> tuple[FloatArray, FloatArray]:
    """Return sum(r u) and sum(r) over the sentences of a text, each (5,)."""
    relevance = scores**2 / (scores**2 + tau**2)
    return (relevance * scores).sum(axis=0), relevance.sum(axis=0)


def raw_from(total: FloatArray, evidence: FloatArray, weights: Weights) -> FloatArray:
    """Return the expected z given sum(r u) and sum(r)."""
    return np.asarray(weights.slope * (total - weights.center * evidence) / (evidence + weights.k))


def spread_at(evidence: FloatArray, weights: Weights) -> FloatArray:
    """Return the SD of z given the evidence: 1 with none, falling towards a floor."""
    share = weights.sd_half / (weights.sd_half + evidence)
    return np.asarray(np.sqrt(weights.sd_floor**2 + (1.0 - weights.sd_floor**2) * share))


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """Return the weights in the package."""
    text = files("cityfolk.personality").joinpath("rater.json").read_text(encoding="utf-8")
    return weights_from(json.loads(text))


def weights_from(raw: dict[str, object]) -> Weights:
    """Read weights from the contents of rater.json: feature weights there are thousandths, five to a feature."""
    table, constants = raw.get("features"), raw.get("constants")
    if not isinstance(table, dict) or not isinstance(constants, dict):
        raise DataError("the rater's weights have no features or constants", hint="run scripts/train_rater.py")
    matrix = np.array(list(table.values()), dtype=np.float64).reshape(-1, len(TRAITS)) / 1000.0
    arrays = {
        name: np.array(constants[name], dtype=np.float64)
        for name in ("center", "k", "slope", "stretch", "sd_floor", "sd_half")
    }
    rows = {name: row for row, name in enumerate(table)}
    return Weights(rows=rows, matrix=matrix, tau=float(constants["tau"]), **arrays)
