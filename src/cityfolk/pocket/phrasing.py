"""From a phrase to a sentence: `[a|b]` is a choice, `{he}` a slot, a leading mark a condition."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from numpy.random import Generator

from cityfolk.pocket.facts import Facts

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=(?!uni|use|usu|uti|one|eu)[aeiou])")
_ADVERBS = (("",), ("fairly", "rather", "quite"), ("very", "truly"), ("extremely", "exceptionally"))
_OFTEN = (("sometimes",), ("often", "usually"), ("very often", "almost always"), ("always", "invariably"))
OLD_AGE = 80
_CHILD_BANK = 5


@cache
def bank(name: str) -> dict[str, Any]:
    """Return one of the phrase files as a dictionary."""
    data = files("cityfolk.pocket").joinpath("phrases", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(data)


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks of whom: the facts, the random stream, and the words that fill the slots."""

    facts: Facts
    rng: Generator
    slots: Mapping[str, str]

    @classmethod
    def of(cls, facts: Facts, rng: Generator, extra: Mapping[str, str] | None = None) -> Voice:
        """Make the voice of a person, with further slots if given."""
        male = facts.sex == "male"
        he, his, him = ("he", "his", "him") if male else ("she", "her", "her")
        slots = {
            "he": he,
            "He": he.capitalize(),
            "his": his,
            "His": his.capitalize(),
            "him": him,
            "himself": f"{him}self",
            "man": "man" if male else "woman",
            "spouse": "wife" if male else "husband",
            "N": facts.first,
            "age": str(facts.age),
            "home": facts.home,
            "bp": facts.birthplace,
        }
        if facts.age < 18:
            slots["man"] = ("boy" if male else "girl") if facts.age > 0 else ("baby boy" if male else "baby girl")
        return cls(facts, rng, {**slots, **(extra or {})})

    def pick(self, options: Sequence[str]) -> str:
        """Return one of the options that this person's body and freedom allow."""
        allowed = [option for option in options if self._allows(option)]
        return allowed[int(self.rng.random() * len(allowed))].lstrip("*^~+")

    def chance(self, probability: float) -> bool:
        """Return True with the probability given."""
        return bool(self.rng.random() < probability)

    def say(self, options: Sequence[str], *, level: int = 0, name: bool = False, prefix: str = "") -> str:
        """Return one sentence, with capital and full stop; `name` lets it use the first name as its subject."""
        text = self.fill(self.pick(options), level=level, name=name, prefix=prefix)
        return f"{text[0].upper()}{text[1:]}."

    def fill(self, text: str, *, level: int = 0, name: bool = False, prefix: str = "") -> str:
        """Return a phrase with its choices made and its slots filled."""
        while match := _CHOICE.search(text):
            text = text[: match.start()] + self._choose(match[1].split("|")) + text[match.end() :]
        size = abs(level)
        subject = self.slots["N"] if name else self.slots["he" if prefix else "He"]
        if prefix and not text.startswith("{"):
            text = text[0].lower() + text[1:]
        slots = {**self.slots, "S": subject, "adv": self._choose(_ADVERBS[size]), "often": self._choose(_OFTEN[size])}
        return _ARTICLE.sub(r"\1n ", (prefix + text).format(**slots).replace("  ", " "))

    def _choose(self, options: Sequence[str]) -> str:
        return options[int(self.rng.random() * len(options))]

    def _allows(self, option: str) -> bool:
        facts, marks = self.facts, option[: len(option) - len(option.lstrip("*^~+"))]
        unfit = {"ambulatory", "self-care"} & set(facts.disabilities) or facts.age >= OLD_AGE or facts.restricted
        barred = (
            ("*" in marks and unfit)
            or ("^" in marks and "vision" in facts.disabilities)
            or ("~" in marks and facts.restricted)
            or ("+" in marks and facts.age < 18)
        )
        return not barred


def pole(level: int) -> str:
    """Name the side of a trait: "high", "low", or "" for average."""
    return "high" if level > 0 else "low" if level < 0 else ""


def trait_bank(facts: Facts, trait: str, field: str) -> Sequence[str]:
    """Return the phrases in which a trait shows in a field; empty when it is average or has none there."""
    side = pole(facts.levels[trait])
    if not side:
        return ()
    small = facts.age < _CHILD_BANK
    words = bank("children" if small else "traits")[trait][side]
    if small and field not in ("adjectives", "strengths", "weaknesses"):
        field = "lines"
    found: Sequence[str] = words.get(field, ())
    return found


def neutral_bank(facts: Facts, field: str) -> Sequence[str]:
    """Return the phrases of a field that show no trait."""
    small = facts.age < _CHILD_BANK
    words = bank("children" if small else "traits")["neutral"]
    if small and field not in ("strengths", "weaknesses"):
        field = "lines"
    found: Sequence[str] = words[field]
    return found


def by_salience(facts: Facts) -> list[str]:
    """Return the traits that are not average, the most extreme first (ties in the order of the prompt)."""
    return sorted((t for t, v in facts.levels.items() if v), key=lambda t: -abs(facts.levels[t]))


def join(parts: Sequence[str]) -> str:
    """Join words as English does: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
