"""Personality in words, for prompts: one place where a percentile becomes a phrase.

Seven levels, cut at the 5th, 20th, 40th, 60th, 80th and 95th percentiles of adults. The adjectives at the poles are
markers from Goldberg (1992), "The development of markers for the Big-Five factor structure", Psychological
Assessment 4(1), and Saucier (1994), "Mini-markers", Journal of Personality Assessment 63(3).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cityfolk.errors import UsageError
from cityfolk.types import BigFive

_SUFFIX = {1: "st", 2: "nd", 3: "rd"}
LEVELS = ("extremely low", "very low", "low", "average", "high", "very high", "extremely high")
CUTS = (0.05, 0.20, 0.40, 0.60, 0.80, 0.95)

POLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "openness": (
        ("conventional", "unimaginative", "uninquisitive"),
        ("imaginative", "curious", "creative"),
    ),
    "conscientiousness": (
        ("disorganized", "careless", "impulsive"),
        ("organized", "thorough", "dependable"),
    ),
    "extraversion": (
        ("quiet", "reserved", "withdrawn"),
        ("talkative", "energetic", "outgoing"),
    ),
    "agreeableness": (
        ("critical", "blunt", "demanding"),
        ("kind", "trustful", "cooperative"),
    ),
    "neuroticism": (
        ("calm", "relaxed", "even-tempered"),
        ("anxious", "moody", "easily upset"),
    ),
}


def level(percentile: float) -> str:
    """Return the name of a percentile's level: "average" is the 40th to the 60th."""
    return LEVELS[bisect_right(CUTS, percentile)]


def trait_phrase(trait: str, percentile: float) -> str:
    """Return one trait in words, e.g. "very high, 88th of 100 adults (imaginative, curious, creative)"."""
    return f"{level(percentile)}, {_ordinal(_rank(percentile))} of 100 adults{_markers(trait, percentile)}"


def describe(personality: BigFive, wording: str = "levels") -> tuple[str, ...]:
    """Return five lines, one a trait, in the order of TRAITS: "Openness: high, 70th of 100 adults (...)".

    `wording` is one of WORDINGS; UsageError for another.
    """
    if wording not in WORDINGS:
        raise UsageError(f"there is no wording {wording!r}", hint=f"one of {', '.join(WORDINGS)}")
    return tuple(WORDINGS[wording](trait, value) for trait, value in personality.items())


def description(personality: BigFive, wording: str = "levels") -> str:
    """Return the same as one text: a line a trait, whole sentences one after the other."""
    return (" " if wording == "sentences" else "\n").join(describe(personality, wording))


def _levels(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: {trait_phrase(trait, percentile)}"


def _percentile(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: {_ordinal(_rank(percentile))} percentile{_markers(trait, percentile)}"


def _scale(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: {_rank(percentile)} on a scale from 1 to 99"


def _above(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: above {_rank(percentile)} of 100 adults{_markers(trait, percentile)}"


def _below_you(trait: str, percentile: float) -> str:
    return f"{_rank(percentile)} of 100 adults are below you in {trait}"


def _you_are(trait: str, percentile: float) -> str:
    return f"You are {level(percentile)} in {trait}: {_ordinal(_rank(percentile))} of 100 adults"


def _ahead(trait: str, percentile: float) -> str:
    return f"In {trait} you are ahead of {_rank(percentile)} percent of adults"


def _among(trait: str, percentile: float) -> str:
    return f"Among 100 adults, counted from the lowest, you are number {_rank(percentile)} in {trait}"


def _adjectives(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: {level(percentile)}{_markers(trait, percentile)}"


def _numbers(trait: str, percentile: float) -> str:
    return f"{trait.capitalize()}: {round(100 * percentile)}"


def _sentences(trait: str, percentile: float) -> str:
    name, (low, high) = level(percentile), POLES[trait]
    if name == "average":
        return f"You are about as {high[0]} as most people, and no more {low[0]} than they are."
    first, *_, last = high if percentile > 0.5 else low
    return f"You are {_DEGREES[name.rpartition(' ')[0]]}{first} and {last}."


_DEGREES = {"extremely": "exceptionally ", "very": "very ", "": "rather "}
WORDINGS: Mapping[str, Callable[[str, float], str]] = MappingProxyType(
    {
        "levels": _levels,
        "percentile": _percentile,
        "scale": _scale,
        "above": _above,
        "below-you": _below_you,
        "you-are": _you_are,
        "ahead": _ahead,
        "among": _among,
        "adjectives": _adjectives,
        "numbers": _numbers,
        "sentences": _sentences,
    }
)
"""Name -> one trait at a percentile: the same said differently. A bare number needs a prompt that says of what."""
TRAINED_WORDINGS = ("levels", "percentile", "scale", "above", "below-you", "you-are")
"""Those that the recipes of the package train on."""
UNSEEN_WORDINGS = tuple(name for name in WORDINGS if name not in TRAINED_WORDINGS)
"""No recipe of the package trains on these: they show whether an adapter has learned numbers or sentences."""


def _rank(percentile: float) -> int:
    return min(99, max(1, round(percentile * 100)))


def _markers(trait: str, percentile: float) -> str:
    """Return the adjectives of the pole in parentheses, "" about the average."""
    if level(percentile) == "average":
        return ""
    low, high = POLES[trait]
    return f" ({', '.join(high if percentile > 0.5 else low)})"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{_SUFFIX.get(number % 10, 'th')}"
