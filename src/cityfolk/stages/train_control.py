"""How far an adapter in training does what is asked: a few held-out questions answered, and the answers read.

The shipped text rater reads every answer. Where the model writes in the grammar of `pocket.answering`, the grammar
reads them too, and it knows exactly what was meant; the rater is then measured by what it reads in the grammar's own
text at the same vector, since no reader of single texts reads extremes in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cityfolk.personality.rater import percentiles, rate_many
from cityfolk.pocket.answering import read_answers, write_answer
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.targets import Target
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.training.job import Control
from cityfolk.vocabulary import TRAITS

if TYPE_CHECKING:
    from cityfolk.training.speak import Voice

Floats = NDArray[np.float64]
FAR = 0.15
"""Percentiles between target and untuned answers from which a trait has a distance to close."""
NEAR = 0.1
"""Percentiles from the target within which a trait without such a distance should stay."""
PARSED = 0.75  # share of statements that the grammar must know before it is asked
YARDSTICK = 64  # texts of the grammar by which the rater is measured
SHOWN = 6  # answers that are kept as samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, its own id and its topic's, and the target it is answered under."""

    id: str
    question: str
    topic: str
    target: Target


def closed(tuned: ArrayLike, untuned: ArrayLike, target: ArrayLike) -> dict[str, float | None]:
    """Return by trait 1 - |tuned - target| / |untuned - target|, of five percentiles each.

    1 is the target reached, 0 nothing moved, below 0 moved away or past; None where the untuned answers are nearer to
    the target than `FAR`.
    """
    left, gap = np.abs(np.subtract(tuned, target)), np.abs(np.subtract(untuned, target))
    return {
        trait: float(1 - rest / whole) if whole >= FAR else None
        for trait, rest, whole in zip(TRAITS, left, gap, strict=True)
    }


def persona_score(tuned: ArrayLike, untuned: ArrayLike, target: ArrayLike) -> float:
    """Return the mean over traits, from -1 to 1.

    A trait with a distance to close counts by the closed share; one without counts 1 within `NEAR` of the target,
    falling to 0 at twice and to -1 at three times that.
    """
    shares = closed(tuned, untuned, target)
    left = np.abs(np.subtract(tuned, target))
    kept = {trait: 2 - away / NEAR for trait, away in zip(TRAITS, left, strict=True)}
    each = [kept[trait] if share is None else share for trait, share in shares.items()]
    return float(np.mean(np.clip(each, -1, 1)))


def dial(read: Floats, asked: Floats) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Return slope and Spearman's rho by trait of z-scores read on z-scores asked, (n, 5) each.

    None where all that was read is alike (rho) or all that was asked (both).
    """
    from scipy.stats import rankdata  # half a second to import

    slopes: dict[str, float | None] = {}
    rhos: dict[str, float | None] = {}
    for trait, y, x in zip(TRAITS, read.T, asked.T, strict=True):
        spread = float(np.var(x))
        slopes[trait] = float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread else None
        alike = not spread or not float(np.var(y))
        rhos[trait] = None if alike else float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    return slopes, rhos


def vectors_score(slopes: Mapping[str, float | None], rhos: Mapping[str, float | None]) -> float:
    """Return the mean over traits of (rho + 1 - |1 - slope|) / 2, the second part from -1 up; not known is 0."""
    each = [((rhos[t] or 0.0) + max(-1.0, 1 - abs(1 - (slopes[t] or 0.0)))) / 2 for t in TRAITS]
    return float(np.mean(each))


class PersonaGauge:
    """Measures an adapter that is one personality: no word of it in the prompt."""

    def __init__(self, asked: Sequence[Asked], seed: int) -> None:
        self.asked, self.seed = asked, seed
        self.messages = [answer_messages(one.question, None) for one in asked]
        self.target = np.array([value for _, value in _vector(asked[0].target).items()])
        self.untuned: dict[str, Floats] = {}

    def start(self, voice: Voice) -> Control:
        """Have the untuned model answer."""
        texts = voice.answers(self.messages, plain=True)
        self.untuned = _readings(texts)
        return self._control(texts, self.untuned)

    def read(self, voice: Voice) -> Control:
        """Have the adapter answer, and say how much of the distance is closed."""
        texts = voice.answers(self.messages)
        return self._control(texts, _readings(texts, grammar="grammar" in self.untuned))

    def _control(self, texts: list[str], found: dict[str, Floats]) -> Control:
        aims = {"rater": self.target, "grammar": self.target}
        if "grammar" in found:
            aims["rater"] = as_rated(self.asked, self.target, self.seed)
        told: dict[str, Any] = {}
        for reader, value in found.items():
            shares = closed(value, self.untuned[reader], aims[reader])
            told[f"closed_{reader}"] = shares
            told[f"read_{reader}"] = dict(zip(TRAITS, value.tolist(), strict=True))
        first = "grammar" if "grammar" in found else "rater"
        told = {"closed": told[f"closed_{first}"], "reader": first, **told}
        scores = [persona_score(value, self.untuned[reader], aims[reader]) for reader, value in found.items()]
        return Control(score=float(np.mean(scores)), told=told, samples=_samples(self.asked, texts))


class VectorGauge:
    """Measures an adapter that takes a vector in the prompt: slope and rank correlation over vectors it never saw."""

    def __init__(self, asked: Sequence[Asked], wordings: Sequence[str] = ("levels",)) -> None:
        self.asked = asked
        worded = zip(asked, cycle(wordings))
        self.messages = [answer_messages(one.question, _vector(one.target), wording) for one, wording in worded]
        self.names = list(dict.fromkeys(one.target.name for one in asked))
        vectors = {one.target.name: _vector(one.target) for one in asked}
        self.wanted = ndtri(np.array([[value for _, value in vectors[name].items()] for name in self.names]))
        self.grammar = False

    def start(self, voice: Voice) -> Control:
        """Have the model answer by its prompt alone."""
        texts = voice.answers(self.messages, plain=True)
        self.grammar = _is_grammar(texts)
        return self._control(texts)

    def read(self, voice: Voice) -> Control:
        """Have the adapter answer."""
        return self._control(voice.answers(self.messages))

    def _control(self, texts: list[str]) -> Control:
        readers: dict[str, Callable[[list[str]], Floats]] = {"grammar": read_by_grammar} if self.grammar else {}
        readers["rater"] = read_by_rater
        told: dict[str, Any] = {}
        scores = []
        for reader, read in readers.items():
            found = np.array([ndtri(read(self._of(name, texts))) for name in self.names])
            slopes, rhos = dial(found, self.wanted)
            scores.append(vectors_score(slopes, rhos))
            told |= {f"slope_{reader}": slopes, f"spearman_{reader}": rhos}
        first = next(iter(readers))
        told = {"slope": told[f"slope_{first}"], "spearman": told[f"spearman_{first}"], "reader": first, **told}
        return Control(score=float(np.mean(scores)), told=told, samples=_samples(self.asked, texts))

    def _of(self, name: str, texts: list[str]) -> list[str]:
        return [text for one, text in zip(self.asked, texts, strict=True) if one.target.name == name]


def as_rated(asked: Sequence[Asked], target: Floats, seed: int) -> Floats:
    """Return what the rater reads in the grammar's own text at five percentiles, about the topics of the questions."""
    known = {topic.id: topic for topic in topics()}
    about = [known[one.topic] for one in asked if one.topic in known] or list(topics())
    texts = []
    for place in range(YARDSTICK):
        topic = about[place % len(about)]
        draw = child(seed, "training", "yardstick", place)
        texts.append(write_answer(topic.phrase, topic.facets, ndtri(target), draw))
    return read_by_rater(texts)


def _readings(texts: list[str], *, grammar: bool | None = None) -> dict[str, Floats]:
    """Return five percentiles by reader; the grammar reads where most statements are its own."""
    found = {"rater": read_by_rater(texts)}
    if grammar if grammar is not None else _is_grammar(texts):
        found["grammar"] = read_by_grammar(texts)
    return found


def _is_grammar(texts: list[str]) -> bool:
    found = read_answers(texts)
    return found.sentences > 0 and found.parsed >= PARSED * found.sentences


def read_by_rater(texts: list[str]) -> Floats:
    """Return the percentile of the mean of raw readings, which undoes the rater's caution on average."""
    return np.clip(percentiles(rate_many(texts).mean(axis=0)), 0.001, 0.999)


def read_by_grammar(texts: list[str]) -> Floats:
    return np.asarray(np.clip(ndtr(np.array(read_answers(texts).z)), 0.001, 0.999))


def _vector(target: Target) -> Any:
    assert target.vector is not None
    return target.vector


def _samples(asked: Sequence[Asked], texts: list[str]) -> list[dict[str, Any]]:
    """Return the first answers, of different targets where there are several."""
    step = max(1, len(asked) // SHOWN)
    return [
        {
            "target_name": one.target.name,
            "target": [value for _, value in _vector(one.target).items()],
            "question": one.question,
            "text": text,
        }
        for one, text in list(zip(asked, texts, strict=True))[::step][:SHOWN]
    ]
