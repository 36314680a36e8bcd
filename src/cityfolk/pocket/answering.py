"""The grammar of answers to open questions: it writes them at a vector, and reads the vector behind them.

A sentence shows one trait at one of seven levels, those of `personality.words`. Its level is an ordered probit: the
trait's standard normal value plus noise of SD .35, cut where the words are cut. So for a text of this grammar the
posterior of the vector is known exactly; what another hand wrote doesn't parse and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cityfolk.personality.words import CUTS
from cityfolk.pocket.phrasing import bank
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
T = TypeVar("T")

NOISE = 0.35
"""SD of a sentence around the trait, in standard normal units."""
ADVERBS = (("fairly", "rather", "quite"), ("very", "truly"), ("extremely", "exceptionally"))
OFTEN = (("often", "usually"), ("very often", "almost always"), ("always", "invariably"))
BASE_VOICE: Mapping[str, float] = {
    "openness": 0.55,
    "conscientiousness": 0.62,
    "extraversion": 0.62,
    "agreeableness": 0.85,
    "neuroticism": 0.18,
}
"""Percentiles of the voice that nobody asked for: agreeable and upbeat, as models are without a personality."""
BASE_SPREAD = 0.25
SENTENCES = 6
_JOIN = 0.25
_SECOND_MENTION = 0.5
_SHORT = 4  # words of a topic; a longer one leaves less room for the rest
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_STOPS = re.compile(r"(?<=[.!?])\s+")
_JOINT = re.compile(r", and (?=I )")
_TOPIC = re.compile(r"[^\W\d_][^.!?:;\n]{0,118}[^\s,.!?:;]")
_GRID = np.linspace(-4.0, 4.0, 201)
_EXPANDED = {"{adv}": ADVERBS, "{often}": OFTEN}


@dataclass(frozen=True, slots=True)
class Shown:
    """What one sentence shows: a trait at a signed level from -3 to 3, by a facet ("" where it is average)."""

    trait: str
    facet: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What is known of the vector behind texts: five values each in the order of TRAITS.

    `z` and `spread` are posterior mean and SD in standard normal units, `low` and `high` the 90% interval, `percentile`
    the mean percentile, `evidence` the number of sentences that show the trait. The prior is a standard normal.
    """

    z: tuple[float, ...]
    spread: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    percentile: tuple[float, ...]
    evidence: tuple[int, ...]
    sentences: int
    parsed: int
    unparsed: tuple[str, ...]


@cache
def trait_of() -> dict[str, str]:
    """Return the trait of each of the thirty facets."""
    words = bank("answers")
    return {facet: trait for trait in TRAITS for facet in words[trait] if facet != "average"}


def base_z(rng: Generator) -> FloatArray:
    """Draw the five standard normal values behind one answer in the voice that nobody asked for."""
    return np.asarray(ndtri([BASE_VOICE[trait] for trait in TRAITS]) + BASE_SPREAD * rng.standard_normal(5))


def level_of(z: float) -> int:
    """Return the level of a standard normal value: -3 (extremely low) to 3 (extremely high), 0 average."""
    return int(np.searchsorted(_cuts(), z, side="right")) - 3


def write_answer(topic: str, facets: Sequence[str], z: ArrayLike, rng: Generator, *, style: str = "") -> str:
    """Return an answer about a topic (a gerund phrase) by somebody whose traits are `z` (five standard normal values).

    The trait of the topic's first facet comes first and is shown twice; the others follow in the order of TRAITS, from
    there round. `style` chooses the kind of opening.
    """
    values = np.asarray(z, dtype=float)
    own = [facet for facet in facets if facet in trait_of()]
    start = TRAITS.index(trait_of()[own[0]]) if own else int(rng.random() * len(TRAITS))
    shown: list[Shown] = []
    for trait in (*TRAITS[start:], *TRAITS[:start]):
        shown += _show(trait, own, values, rng, twice=not shown)
    short = len(topic.split()) <= _SHORT
    openers = bank("answers")["openers"]
    openers = openers[style] if style in openers else openers[_pick(list(openers), rng)]
    again = int(1 + rng.random() * (len(shown) - 1)) if short and rng.random() < _SECOND_MENTION else 0
    parts: list[str] = []
    for place, one in enumerate(shown):
        lines = [line for line in _lines(one) if ("{topic}" in line) == (place in (0, again))]
        parts.append(_unused(lines, one.level, parts, rng))
    sentences = [_fill(_pick(openers, rng), 0, rng), *_joined(parts, rng)]
    return " ".join(f"{sentence}." for sentence in sentences).replace("{topic}", topic)


def read_answer(text: str) -> Posterior:
    """Return what one text says of the vector behind it."""
    return read_answers((text,))


def read_answers(texts: Sequence[str]) -> Posterior:
    """Return what several texts by one person say together of the vector behind them."""
    total = np.zeros((len(TRAITS), len(_GRID)))
    evidence = np.zeros(len(TRAITS), dtype=int)
    sentences, unparsed = 0, []
    table, agreeing = _likelihood()
    for text in texts:
        seen = np.zeros(len(TRAITS), dtype=int)
        for part in split(text):
            found = parse(part)
            sentences += 1
            if found is None:
                unparsed.append(part)
            elif found.trait:
                trait = TRAITS.index(found.trait)
                total[trait] += table[found.level + 3]
                seen[trait] += 1
        total[seen == 2] -= agreeing
        evidence += seen
    return _posterior(total, evidence, sentences, tuple(unparsed))


def split(text: str) -> list[str]:
    """Return the statements of a text, each with its full stop: sentences, and the halves that ", and" joins."""
    parts = []
    for sentence in _STOPS.split(text.strip()):
        halves = _JOINT.split(sentence)
        parts += [f"{half}." for half in halves[:-1]] + halves[-1:]
    return [part for part in parts if part]


def parse(statement: str) -> Shown | None:
    """Return what a statement of the grammar shows (trait "" for an opening), None where it isn't one or is unclear."""
    if not statement.endswith("."):
        return None
    text = statement[:-1]
    plain, framed = _table()
    found = set(plain.get(text, ()))
    ends = [0, *(n for n, letter in enumerate(text) if letter == " ")]
    for end in ends:
        start = end + 1 if end else 0
        if suffixes := framed.get(text[:start]):
            for suffix, shown in suffixes.items():
                if text.endswith(suffix) and _TOPIC.fullmatch(text[start : len(text) - len(suffix)]):
                    found |= shown
    return found.pop() if len(found) == 1 else None


def renderings(phrase: str) -> list[tuple[str, int]]:
    """Return every (sentence, size of its level) that a phrase can become, with {topic} left in place."""
    texts = [phrase]
    while any(_CHOICE.search(text) for text in texts):
        texts = [
            text[: match.start()] + option + text[match.end() :]
            for text in texts
            if (match := _CHOICE.search(text))
            for option in match[1].split("|")
        ] + [text for text in texts if not _CHOICE.search(text)]
    for slot, words in _EXPANDED.items():
        if slot in phrase:
            return [
                (text.replace(slot, word), size)
                for text in texts
                for size, options in enumerate(words, 1)
                for word in options
            ]
    return [(text, 0) for text in texts]


@cache
def _cuts() -> FloatArray:
    return np.asarray(ndtri(CUTS))


def _show(trait: str, own: Sequence[str], values: FloatArray, rng: Generator, *, twice: bool) -> list[Shown]:
    """Draw what is shown of a trait; two sentences of one answer never lie on opposite sides."""
    z = float(values[TRAITS.index(trait)])
    facets = [facet for facet in own if trait_of()[facet] == trait]
    facets = facets or [_pick([facet for facet, of in trait_of().items() if of == trait], rng)]
    while True:
        levels = [level_of(z + NOISE * rng.standard_normal()) for _ in range(2 if twice else 1)]
        if levels[0] * levels[-1] >= 0:
            break
    return [Shown(trait, facets[n % len(facets)] if level else "", level) for n, level in enumerate(levels)]


def _lines(shown: Shown) -> Sequence[str]:
    words = bank("answers")[shown.trait]
    found: Sequence[str]
    if shown.level == 0:
        found = words["average"]["lines"]
    else:
        found = words[shown.facet]["high" if shown.level > 0 else "low"]
    return found


def _unused(lines: Sequence[str], level: int, parts: Sequence[str], rng: Generator) -> str:
    """Return a line in words that aren't there yet, where there are any."""
    for _ in range(8):
        text = _fill(_pick(lines, rng), level, rng)
        if all(text.split()[-3:] != part.split()[-3:] for part in parts):
            break
    return text


def _fill(phrase: str, level: int, rng: Generator) -> str:
    while match := _CHOICE.search(phrase):
        phrase = phrase[: match.start()] + _pick(match[1].split("|"), rng) + phrase[match.end() :]
    for slot, words in _EXPANDED.items():
        if slot in phrase:
            phrase = phrase.replace(slot, _pick(words[abs(level) - 1], rng))
    return phrase


def _joined(parts: list[str], rng: Generator) -> list[str]:
    """Join neighbors by ", and" until no more than `SENTENCES` are left with the opening, and some beyond that."""
    wanted = max(len(parts) + 1 - SENTENCES, int(rng.random() < _JOIN))
    fit = [n for n in range(len(parts) - 1) if parts[n + 1].startswith("I ")]
    taken: set[int] = set()
    for n in _shuffled(fit, rng):
        if len(taken) < wanted and not {n - 1, n + 1} & taken:
            taken.add(n)
    sentences: list[str] = []
    for n, part in enumerate(parts):
        if n - 1 in taken:
            sentences[-1] += f", and {part}"
        else:
            sentences.append(part)
    return sentences


@cache
def _table() -> tuple[dict[str, set[Shown]], dict[str, dict[str, set[Shown]]]]:
    """Return {sentence: what it shows}, and {words before the topic: {words after it: what they show}}."""
    plain: dict[str, set[Shown]] = {}
    framed: dict[str, dict[str, set[Shown]]] = {}
    for phrase, trait, facet, sign in _phrases():
        for text, size in renderings(phrase):
            shown = Shown(trait, facet, sign * size)
            if "{topic}" in text:
                before, _, after = text.partition("{topic}")
                framed.setdefault(before, {}).setdefault(after, set()).add(shown)
            else:
                plain.setdefault(text, set()).add(shown)
    return plain, framed


def _phrases() -> list[tuple[str, str, str, int]]:
    """Return (phrase, trait, facet, sign) for all phrases; openings have no trait, average ones no facet."""
    words = bank("answers")
    found = [(phrase, "", "", 0) for phrases in words["openers"].values() for phrase in phrases]
    for trait in TRAITS:
        for facet, sides in words[trait].items():
            for side, phrases in sides.items():
                sign = {"high": 1, "low": -1}.get(side, 0)
                found += [(phrase, trait, facet if sign else "", sign) for phrase in phrases]
    return found


@cache
def _likelihood() -> tuple[FloatArray, FloatArray]:
    """Return log P(level | z) for the seven levels on the grid, and log P(two levels aren't on opposite sides | z)."""
    edges = np.concatenate([[-np.inf], _cuts(), [np.inf]])
    below = ndtr((edges[:, None] - _GRID) / NOISE)
    chance = np.maximum(np.diff(below, axis=0), 1e-300)
    agreeing = 1.0 - 2.0 * chance[:3].sum(axis=0) * chance[4:].sum(axis=0)
    return np.log(chance), np.log(agreeing)


def _posterior(total: FloatArray, evidence: NDArray[np.int_], sentences: int, unparsed: tuple[str, ...]) -> Posterior:
    log = total - 0.5 * _GRID**2
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ _GRID
    spread = np.sqrt(np.maximum(weight @ _GRID**2 - mean**2, 0.0))
    passed = np.cumsum(weight, axis=1) - 0.5 * weight
    low, high = ([float(np.interp(p, row, _GRID)) for row in passed] for p in (0.05, 0.95))
    return Posterior(
        z=tuple(mean.tolist()),
        spread=tuple(spread.tolist()),
        low=tuple(low),
        high=tuple(high),
        percentile=tuple((weight @ ndtr(_GRID)).tolist()),
        evidence=tuple(evidence.tolist()),
        sentences=sentences,
        parsed=sentences - len(unparsed),
        unparsed=unparsed,
    )


def _shuffled(values: Sequence[T], rng: Generator) -> list[T]:
    return [values[int(place)] for place in rng.permutation(len(values))]


def _pick(options: Sequence[T], rng: Generator) -> T:
    return options[int(rng.random() * len(options))]
