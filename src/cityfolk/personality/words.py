"""Personality in words, for prompts: one place where a percentile becomes a phrase.

Seven levels, cut at the 5th, 20th, 40th, 60th, 80th and 95th percentiles of adults. The adjectives at the poles are
markers from Goldberg (1992), "The development of markers for the Big-Five factor structure", Psychological
Assessment 4(1), and Saucier (1994), "Mini-markers", Journal of Personality Assessment 63(3).
"""

from __future__ import annotations

from bisect import bisect_right

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
    name = level(percentile)
    rank = min(99, max(1, round(percentile * 100)))
    text = f"{name}, {_ordinal(rank)} of 100 adults"
    if name == "average":
        return text
    low, high = POLES[trait]
    return f"{text} ({', '.join(high if percentile > 0.5 else low)})"


def describe(personality: BigFive) -> tuple[str, ...]:
    """Return five lines, one a trait, in the order of TRAITS: "Openness: high, 70th of 100 adults (...)"."""
    return tuple(f"{trait.capitalize()}: {trait_phrase(trait, value)}" for trait, value in personality.items())


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{_SUFFIX.get(number % 10, 'th')}"
