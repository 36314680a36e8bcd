"""Questionnaire items put to a model: the statements of three IPIP instruments, and prompts that ask for one option."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cityfolk.errors import UsageError
from cityfolk.personality.words import describe
from cityfolk.types import BigFive, Message

INSTRUMENTS = {
    "IPIP-NEO-120": "ipip_neo_120.json",
    "IPIP-NEO-300": "ipip_neo_300.json",
    "IPIP-50": "ipip_50.json",
}
RATINGS = ("1", "2", "3", "4", "5")
PROMPTED_CHOICE = "Answer as a person with the personality described, with one of the options only."
UNTARGETED_CHOICE = "Answer with one of the options only."


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One statement of a questionnaire. `keyed` is 1 where agreeing means more of the trait, -1 where it means less.

    `facet` is "" in an instrument without facets.
    """

    number: int
    text: str
    trait: str
    facet: str
    keyed: int

    @property
    def statement(self) -> str:
        """Return the item as somebody says it of themselves: "I worry about things"."""
        first, _, rest = self.text.partition(" ")
        verb = f"am {first.lower()}" if first in ("Interested", "Willing") else first.lower()
        return f"I {verb} {rest}"


@cache
def inventory(instrument: str = "IPIP-NEO-120") -> tuple[Item, ...]:
    """Return the items of an instrument in its order."""
    if instrument not in INSTRUMENTS:
        raise UsageError(f"there are no items of {instrument!r}", hint=f"known are {', '.join(INSTRUMENTS)}")
    text = files("cityfolk.personality").joinpath("items", INSTRUMENTS[instrument]).read_text(encoding="utf-8")
    return tuple(Item(**item) for item in json.loads(text)["items"])


def rating_question(statement: str) -> str:
    """Return the question how well a statement fits, from 1 to 5."""
    return f"How well does this describe you, from 1 (not at all) to 5 (very well): {statement}. Answer with a number."


def agree_question(statement: str) -> str:
    """Return the question whether a statement fits, Yes or No."""
    return f"Is this true of you: {statement}? Answer Yes or No."


def either_question(options: Sequence[str]) -> str:
    """Return the question which of two statements fits better, A or B."""
    return f"Which fits you better? A: {options[0]}. B: {options[1]}. Answer A or B."


def choice_messages(question: str, target: BigFive | None) -> tuple[Message, ...]:
    """Return the conversation that asks for one option, under a personality or without one."""
    if target is None:
        return Message(role="system", content=UNTARGETED_CHOICE), Message(role="user", content=question)
    content = "\n".join(describe(target)) + f"\n\n{question}"
    return Message(role="system", content=PROMPTED_CHOICE), Message(role="user", content=content)
