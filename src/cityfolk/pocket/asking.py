"""The grammar of open-ended questions: five styles of frames around a topic, some with a clause for a facet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from numpy.random import Generator

from cityfolk.pocket.phrasing import bank

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_ANY_COLOUR = "what matters to you"


def write_questions(topic: str, style: str, focus: str, count: int, rng: Generator) -> list[str]:
    """Return distinct questions of one style about a topic (a gerund phrase, kept word for word).

    `focus` is a facet ("self_consciousness" or "self-consciousness"), or several with commas between; another word
    asks what matters. Fewer than `count` come back when the frames are used up.
    """
    frames = bank("asking")["frames"][style]
    order = [frames[int(place)] for place in rng.permutation(len(frames))]
    # At least one question brings out the facet.
    coloured = next(place for place, frame in enumerate(order) if "{colour}" in frame.lower())
    place = int(rng.random() * min(count, len(order)))
    order.insert(place if coloured > place else coloured, order.pop(coloured))
    found: dict[str, None] = {}
    for frame in order * 2:
        if len(found) < count:
            found[_fill(frame, topic, _colour(focus, rng), rng)] = None
    return list(found)


def write_question(topic: str, style: str, focus: str, rng: Generator) -> str:
    """Return one question of a style."""
    frames = bank("asking")["frames"][style]
    return _fill(_pick(frames, rng), topic, _colour(focus, rng), rng)


def other_question(topic: str, rng: Generator) -> str:
    """Return a question about a topic as somebody else would word it."""
    return _fill(_pick(bank("asking")["foreign"]["lines"], rng), topic, _ANY_COLOUR, rng)


def _colour(focus: str, rng: Generator) -> str:
    colours = bank("asking")["colours"]
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in focus.split(",")]
    known = [clause for name in names for clause in colours.get(name, ())]
    return _pick(known, rng) if known else _ANY_COLOUR


def _fill(frame: str, topic: str, colour: str, rng: Generator) -> str:
    while match := _CHOICE.search(frame):
        frame = frame[: match.start()] + _pick(match[1].split("|"), rng) + frame[match.end() :]
    capital = colour[0].upper() + colour[1:]
    return frame.replace("{topic}", topic).replace("{colour}", colour).replace("{Colour}", capital)


def _pick(options: Sequence[str], rng: Generator) -> str:
    return options[int(rng.random() * len(options))]
