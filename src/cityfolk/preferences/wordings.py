"""The same request in other words: four ways of telling a model which personality to answer with.

"ranks" is the way of all other requests (`prompts.answer_messages`): a level, a rank among 100 adults, adjectives. The
others say the same in adjectives alone, in numbers alone, and in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cityfolk.personality.words import POLES, describe, level
from cityfolk.preferences.prompts import PROMPTED_GUIDANCE, answer_messages
from cityfolk.types import BigFive, Message, content_key

WORDINGS = ("ranks", "adjectives", "numbers", "sentences")
_NUMBERS_GUIDANCE = (
    "You are a person whose Big Five personality is given below, each trait from 0 (lower than anybody) to 100 (higher "
    "than anybody). Answer the question in the first person, in three to six sentences. Let each trait show at its "
    "level in what you do, feel and want. Never name the traits or their levels."
)
_SENTENCES_GUIDANCE = (
    "Play the person who is described to you. Answer in the first person, in three to six sentences, so that somebody "
    "who knows this person would recognize them, and don't repeat the description."
)
_DEGREES = {"extremely": "exceptionally ", "very": "very ", "": "rather "}


def adjectives(target: BigFive) -> str:
    """Return five lines, one a trait, with a level and adjectives: "Openness: very high (imaginative, ...)"."""
    lines = []
    for trait, value in target.items():
        name = level(value)
        poles = POLES[trait][value > 0.5]
        lines.append(f"{trait.capitalize()}: {name}" + ("" if name == "average" else f" ({', '.join(poles)})"))
    return "\n".join(lines)


def numbers(target: BigFive) -> str:
    """Return five lines, one a trait: "Openness: 88"."""
    return "\n".join(f"{trait.capitalize()}: {round(100 * value)}" for trait, value in target.items())


def sentences(target: BigFive) -> str:
    """Return a description in sentences, one a trait."""
    said = []
    for trait, value in target.items():
        name = level(value)
        low, high = POLES[trait]
        if name == "average":
            said.append(f"You are about as {high[0]} as most people, and no more {low[0]} than they are.")
            continue
        first, *_, last = high if value > 0.5 else low
        degree = _DEGREES[name.rpartition(" ")[0]]
        said.append(f"You are {degree}{first} and {last}.")
    return " ".join(said)


_WAYS: Mapping[str, tuple[str, Callable[[BigFive], str]]] = MappingProxyType(
    {
        "ranks": (PROMPTED_GUIDANCE, lambda target: "\n".join(describe(target))),
        "adjectives": (PROMPTED_GUIDANCE, adjectives),
        "numbers": (_NUMBERS_GUIDANCE, numbers),
        "sentences": (_SENTENCES_GUIDANCE, sentences),
    }
)


def worded_messages(question: str, target: BigFive, wording: str = WORDINGS[0]) -> tuple[Message, ...]:
    """Return the conversation that asks one question under a personality, told in one of WORDINGS."""
    if wording == WORDINGS[0]:
        return answer_messages(question, target)
    guidance, told = _WAYS[wording]
    return (
        Message(role="system", content=guidance),
        Message(role="user", content=f"{told(target)}\n\nQuestion: {question}"),
    )


def wordings_hash() -> str:
    """Name the wordings by their words."""
    vector = BigFive(openness=0.03, conscientiousness=0.1, extraversion=0.3, agreeableness=0.5, neuroticism=0.97)
    asked = [[m.content for m in worded_messages("A fixed question?", vector, wording)] for wording in WORDINGS]
    return content_key(asked)
