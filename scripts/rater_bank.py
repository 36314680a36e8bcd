"""The phrase bank of the text rater and the texts composed from it: sentences, answers and people of known personality.

Nothing here is shared with the embedded model's grammar. A phrase is one line of `rater_phrases/*.toml`; its frame,
person, tense, strength and negation are drawn. A fifth of all phrases and a third of all topics are held out.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk import rng as addressed
from cityfolk.personality.rater_text import IRREGULAR
from cityfolk.vocabulary import TRAITS

HERE = Path(__file__).parent / "rater_phrases"
SEED = 0
FOLDS = 5
HELD_OUT = 0
LOADING = 0.9
NOISE = 0.35
PLAIN, WEAK_LEVEL, STRONG_LEVEL, EXTREME_LEVEL, TURNED_LEVEL = 0.9, 0.5, 1.4, 2.0, -0.8

_CHOICE = re.compile(r"\[([^\]]*)\]")
_PAST = {
    verb: form
    for form, verb in IRREGULAR.items()
    if form
    not in "eaten begun broken chosen driven fallen forgotten given grown hidden known lain lying seen shaken "
    "spoken stolen taken thrown written worse worst better best feet lives children dying tying sunk bit".split()
} | {
    "do": "did",
    "go": "went",
    "have": "had",
    "come": "came",
    "make": "made",
    "say": "said",
    "get": "got",
    "put": "put",
}
_PAST |= {"let": "let", "hit": "hit", "set": "set", "read": "read", "cut": "cut", "lay": "laid", "break": "broke"}
_PAST |= {"see": "saw", "lie": "lay", "begin": "began", "eat": "ate", "give": "gave", "know": "knew", "write": "wrote"}
_PAST |= {"choose": "chose", "bring": "brought", "count": "counted", "hurt": "hurt", "bet": "bet", "burst": "burst"}
_PAST |= {"shake": "shook", "speak": "spoke", "drive": "drove", "fly": "flew", "sink": "sank", "take": "took"}
_NO_S = frozenset("said did was had could would can will might should must felt went came got knew thought".split())
_NEGATIVE = frozenset("never not rarely seldom be am have no don't can't can".split())
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One wording: its facet, its trait's place in TRAITS, its pole (1, -1), kind (act, line, word) and fold."""

    text: str
    facet: str
    trait: int
    pole: int
    kind: str
    fold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What an answer is about; `facets` are meant to show."""

    name: str
    nouns: tuple[str, ...]
    facets: tuple[str, ...]
    held_out: bool


def _fold(text: str) -> int:
    return hashlib.sha256(text.encode()).digest()[0] % FOLDS


@cache
def phrases() -> tuple[Phrase, ...]:
    """Return the bank: our own phrases and the items of IPIP-NEO-300 (public domain, ipip.ori.org)."""
    found = []
    more = tomllib.loads((HERE / "more.toml").read_text(encoding="utf-8"))
    for number, trait in enumerate(TRAITS):
        raw = tomllib.loads((HERE / f"{trait}.toml").read_text(encoding="utf-8"))
        for facet, poles in raw.items():
            for pole, sign in (("high", 1), ("low", -1)):
                for text, kind in _entries(poles[pole] + more[facet][pole]):
                    found.append(Phrase(text=text, facet=facet, trait=number, pole=sign, kind=kind, fold=_fold(text)))
    return (*found, *_items())


def _entries(block: str) -> list[tuple[str, str]]:
    entries: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, block.splitlines())):
        if line.startswith("+ "):
            entries += [(word.strip(), "word") for word in line[2:].split(",")]
        elif line.startswith("= "):
            entries.append((line[2:], "line"))
        else:
            entries.append((line, "act"))
    return entries


def _items() -> list[Phrase]:
    text = files("cityfolk.personality").joinpath("items/ipip_neo_300.json").read_text(encoding="utf-8")
    found = []
    for item in json.loads(text)["items"]:
        words = item["text"].strip().rstrip(".")
        facet = next(name for name in facets() if name.lower() == item["facet"].lower())
        words = words[0].lower() + words[1:]
        found.append(
            Phrase(
                text=words,
                facet=facet,
                trait=TRAITS.index(item["trait"]),
                pole=item["keyed"],
                kind="act",
                fold=_fold(words),
            )
        )
    return found


@cache
def facets() -> dict[str, int]:
    """Return the thirty facets and the place of the trait of each."""
    return {
        facet: number
        for number, trait in enumerate(TRAITS)
        for facet in tomllib.loads((HERE / f"{trait}.toml").read_text(encoding="utf-8"))
    }


@cache
def _talk() -> dict[str, Any]:
    return tomllib.loads((HERE / "talk.toml").read_text(encoding="utf-8"))


@cache
def topics() -> tuple[Topic, ...]:
    """Return the topics; every third is held out."""
    return tuple(
        Topic(name=name, nouns=tuple(raw["nouns"]), facets=tuple(raw["facets"]), held_out=number % 3 == 2)
        for number, (name, raw) in enumerate(_talk()["topics"].items())
    )


@cache
def _lines(name: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, _talk()[name].splitlines())))


def pick(options: Sequence[Any], rng: Generator) -> Any:
    """Return one of the options."""
    return options[int(rng.random() * len(options))]


def fill(text: str, rng: Generator) -> str:
    """Resolve every [a|b]."""
    return _CHOICE.sub(lambda match: pick(match[1].split("|"), rng), text)


def _third(verb: str) -> str:
    if verb in ("be", "have", "do", "go"):
        return {"be": "is", "have": "has", "do": "does", "go": "goes"}[verb]
    if verb.endswith(("s", "x", "ch", "sh", "z")):
        return verb + "es"
    return verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in _VOWELS else verb + "s"


def _doubles(verb: str) -> bool:
    short = re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb) is not None
    return short and not verb.endswith(("w", "x", "y"))


def _past(verb: str) -> str:
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if _doubles(verb) else "") + "ed"


def _gerund(verb: str) -> str:
    if verb in ("be", "see"):
        return verb + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if _doubles(verb) else "") + "ing"


def inflect(act: str, form: str) -> str:
    """Return a verb phrase in a form: "base", "I" (present), "third", "past", "gerund"."""
    adverb = ""
    if act.startswith(("am ", "don't ", "can't ", "can ")):
        act = {"am": "be", "don't": "not", "can't": "not", "can": "be able to"}[act.split(" ", 1)[0]] + act[
            act.index(" ") :
        ]
    verb, _, rest = act.partition(" ")
    while verb in ("never", "rarely", "seldom", "not", "barely", "readily", "quickly"):
        adverb += verb + " "
        verb, _, rest = rest.partition(" ")
    if adverb == "not " and form in ("I", "third", "past"):
        helper = {"I": "don't", "third": "doesn't", "past": "didn't"}[form]
        return f"{helper} {verb} {rest}".strip()
    verb = verb.rstrip(",") if form != "base" else verb
    if form == "I":
        verb = "am" if verb == "be" else verb
    elif form == "third":
        verb = _third(verb)
    elif form == "past":
        verb = "was" if verb == "be" else _past(verb)
    elif form == "gerund":
        verb = _gerund(verb)
    return f"{adverb}{verb} {rest}".strip()


def _of_third(text: str, he: str) -> str:
    """Turn "my", "me", "I" of a phrase into the third person."""
    his, him = ("his", "him") if he == "he" else ("her", "her")
    text = re.sub(r"\bI'm\b", f"{he}'s", text)
    text = re.sub(r"\bI've\b", f"{he}'s", text)
    text = re.sub(r"\bI am\b", f"{he} is", text)
    text = re.sub(
        r"\bI (\w+)", lambda m: f"{he} {m[1] if m[1] in _NO_S or m[1].endswith('ed') else _third(m[1])}", text
    )
    for one, other in (("myself", f"{him}self" if he == "he" else "herself"), ("my", his), ("me", him), ("mine", his)):
        text = re.sub(rf"\b{one}\b", other, text)
    return text


_FRAMES: tuple[tuple[str, str, float], ...] = (
    ("I {0}.", "I", PLAIN),
    ("I {0}.", "I", PLAIN),
    ("I often {0}.", "base", PLAIN),
    ("I usually {0}.", "base", PLAIN),
    ("I tend to {0}.", "base", PLAIN),
    ("I'd {0}.", "base", PLAIN),
    ("I would probably {0}.", "base", PLAIN),
    ("My first instinct would be to {0}.", "base", PLAIN),
    ("I'm someone who likes to {0}.", "base", PLAIN),
    ("You will find me {0}.", "gerund", PLAIN),
    ("I catch myself {0}.", "gerund", PLAIN),
    ("Looking back, I {0}.", "past", PLAIN),
    ("That day I {0}.", "past", PLAIN),
    ("I {0} when I was younger, and I still do.", "past", PLAIN),
    ("I {0}, as my friends could tell you.", "I", PLAIN),
    ("People say that I {0}.", "I", PLAIN),
    ("I know that I {0}.", "I", PLAIN),
    ("More often than not, I {0}.", "I", PLAIN),
    ("I always {0}.", "base", EXTREME_LEVEL),
    ("I really do {0}.", "base", STRONG_LEVEL),
    ("Every single time, I {0}.", "I", EXTREME_LEVEL),
    ("I constantly {0}.", "base", EXTREME_LEVEL),
    ("I absolutely {0}.", "I", EXTREME_LEVEL),
    ("It is very much like me to {0}.", "base", STRONG_LEVEL),
    ("I sometimes {0}.", "base", WEAK_LEVEL),
    ("Occasionally I {0}.", "I", WEAK_LEVEL),
    ("I {0} a little.", "I", WEAK_LEVEL),
    ("I can {0} now and then, somewhat.", "base", WEAK_LEVEL),
)
_TURNING: tuple[tuple[str, str, float], ...] = (
    ("I don't {0}.", "base", TURNED_LEVEL),
    ("I rarely {0}.", "base", TURNED_LEVEL),
    ("I never {0}.", "base", TURNED_LEVEL),
    ("I'm not one to {0}.", "base", TURNED_LEVEL),
    ("I wouldn't {0}.", "base", TURNED_LEVEL),
    ("I hardly ever {0}.", "base", TURNED_LEVEL),
    ("It isn't like me to {0}.", "base", TURNED_LEVEL),
)
_WORDS: tuple[tuple[str, float], ...] = (
    ("I'm {0}.", PLAIN),
    ("I am {0}, I think.", PLAIN),
    ("I've been {0} all my life.", PLAIN),
    ("People describe me as {0}.", PLAIN),
    ("I felt {0} that day.", PLAIN),
    ("It left me {0}.", PLAIN),
    ("I'm very {0}.", STRONG_LEVEL),
    ("I'm extremely {0}.", EXTREME_LEVEL),
    ("I was always {0}.", EXTREME_LEVEL),
    ("I'm truly {0}.", STRONG_LEVEL),
    ("I'm utterly {0}.", EXTREME_LEVEL),
    ("I'm fairly {0}.", WEAK_LEVEL),
    ("I'm a bit {0}.", WEAK_LEVEL),
    ("I'm somewhat {0}.", WEAK_LEVEL),
    ("I'm not {0}.", TURNED_LEVEL),
    ("I wouldn't call myself {0}.", TURNED_LEVEL),
    ("I was never {0}.", TURNED_LEVEL),
)
_THIRD = ("{N} {0}.", "{N} often {0}.", "As a rule {N} {0}.", "{N} {0} more than most.")
_ASIDES = ("Honestly, ", "To be frank, ", "If I think about it, ", "Well, ", "In my case, ", "Looking at it now, ")


def sentence(phrase: Phrase, level: float, rng: Generator, *, third: float = 0.08) -> tuple[str, float]:
    """Return a sentence made of a phrase, in a frame near the level wished for (0 to 2.2), and what it expresses.

    What it expresses is signed: the phrase's pole times the frame's level.
    """
    text = fill(phrase.text, rng)
    if phrase.kind == "line":
        return (pick(_ASIDES, rng) + _lowered(text) if rng.random() < 0.15 else text), phrase.pole * PLAIN
    if phrase.kind == "word":
        frame, strength = _near([(frame, strength) for frame, strength in _WORDS], level, rng)
        return frame.replace("{0}", text), phrase.pole * strength
    first = text.split(" ", 1)[0]
    if rng.random() < third:
        he = pick(("he", "she"), rng)
        name = pick(("He", "She", "Maria", "Tom"), rng) if he == "she" else "He"
        act = _of_third(inflect(text, "third"), he)
        return pick(_THIRD, rng).replace("{N}", name).replace("{0}", act), phrase.pole * PLAIN
    frames = [((frame, form), strength) for frame, form, strength in _FRAMES]
    if first not in _NEGATIVE:
        frames += [((frame, form), strength) for frame, form, strength in _TURNING]
    (frame, form), strength = _near(frames, level, rng)
    if first in _NEGATIVE and form == "base":
        frame, form = "I {0}.", "I"
    return frame.replace("{0}", inflect(text, form)), phrase.pole * strength


def turns(phrase: Phrase) -> bool:
    """Say whether a phrase may stand in a frame that negates it."""
    return phrase.kind == "word" or (phrase.kind == "act" and phrase.text.split(" ", 1)[0] not in _NEGATIVE)


def _lowered(text: str) -> str:
    return text if text.startswith(("I ", "I'", "I,")) else text[0].lower() + text[1:]


def _near(frames: list[tuple[Any, float]], level: float, rng: Generator) -> tuple[Any, float]:
    """Draw a frame: likelier, the nearer its strength lies to the level; those that turn, for level < 0 alone."""
    strengths = np.array([strength for _, strength in frames])
    weights = np.exp(-2.0 * (strengths - level) ** 2) * ((strengths < 0) == (level < 0))
    frame = int(np.searchsorted(np.cumsum(weights / weights.sum()), rng.random()))
    return frames[min(frame, len(frames) - 1)]


def neutral(topic: Topic | None, rng: Generator) -> str:
    """Return a sentence that shows nothing of its speaker."""
    if topic is None or rng.random() < 0.6:
        return fill(pick(_lines("lines"), rng), rng)
    noun = pick(topic.nouns, rng)
    return fill(pick(_lines("about"), rng).replace("{n}", noun).replace("{N}", noun[0].upper() + noun[1:]), rng)


@cache
def _by_facet(folds: frozenset[int]) -> dict[tuple[str, int], tuple[Phrase, ...]]:
    table: dict[tuple[str, int], list[Phrase]] = {}
    for phrase in phrases():
        if phrase.fold in folds:
            table.setdefault((phrase.facet, phrase.pole), []).append(phrase)
    return {key: tuple(found) for key, found in table.items()}


def focus_of(topic: Topic, rng: Generator, trait: int | None = None) -> tuple[str, ...]:
    """Return the two facets of a topic that a question brings out; the first is of the trait, if one is given."""
    order = [topic.facets[int(place)] for place in rng.permutation(len(topic.facets))]
    if trait is not None:
        order.sort(key=lambda facet: facets()[facet] != trait)
    return tuple(order[:2])


def answer(
    person: dict[str, float],
    topic: Topic,
    focus: Sequence[str],
    folds: frozenset[int],
    rng: Generator,
    used: set[str],
) -> str:
    """Return an answer of six to nine sentences by a person, given as facet z-scores, to a question on a topic.

    Of its sentences 70% show a facet in focus, 10% any facet, 20% nothing. Wordings in `used` are avoided.
    """
    parts = []
    for _ in range(int(rng.integers(6, 10))):
        draw = rng.random()
        if draw < 0.2:
            parts.append(neutral(topic, rng))
            continue
        facet = pick(focus, rng) if draw < 0.9 else pick(tuple(facets()), rng)
        parts.append(express(facet, person[facet], folds, rng, used))
        if rng.random() < 0.12:
            noun = pick(topic.nouns, rng)
            opener = pick(_lines("openers"), rng).replace("{n}", noun)
            parts[-1] = f"{opener[0].upper()}{opener[1:]} {_lowered(parts[-1])}"
    return " ".join(parts)


def express(facet: str, z: float, folds: frozenset[int], rng: Generator, used: set[str]) -> str:
    """Return a sentence in which a facet shows at a z-score, with some noise; near the middle it hardly shows."""
    signal = z + NOISE * float(rng.standard_normal())
    pole = 1 if signal > 0 else -1
    table = _by_facet(folds)
    if abs(signal) < 0.35 and rng.random() < 0.5:
        return pick(_lines("middle"), rng)
    options = [phrase for phrase in table[facet, -pole] if turns(phrase)] if rng.random() < 0.15 else []
    turned = bool(options)
    options = options or list(table[facet, pole])
    fresh = [phrase for phrase in options if phrase.text not in used] or options
    phrase = pick(fresh, rng)
    used.add(phrase.text)
    return sentence(phrase, -0.8 if turned else min(2.2, abs(signal)), rng)[0]


def people(count: int, *address: str | int) -> tuple[NDArray[np.float64], list[dict[str, float]]]:
    """Return n people: z-scores (n, 5), independent, and for each the facets, which load .9 on their trait."""
    rng = addressed.child(SEED, "people", *address)
    z = rng.standard_normal((count, len(TRAITS)))
    names = facets()
    noise = rng.standard_normal((count, len(names))) * np.sqrt(1.0 - LOADING**2)
    rows = [
        {name: float(LOADING * z[row, trait] + noise[row, place]) for place, (name, trait) in enumerate(names.items())}
        for row in range(count)
    ]
    return z, rows
