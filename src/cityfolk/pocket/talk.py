"""The grammar of short talk: a question after the facts, an answer in character or one of the options given."""

from __future__ import annotations

from numpy.random import Generator

from cityfolk.pocket.facts import Facts, parse_facts
from cityfolk.pocket.grammar import make_voice
from cityfolk.pocket.phrasing import Voice, bank, pole
from cityfolk.vocabulary import TRAITS

_TOPIC = {
    "free": "openness",
    "people": "extraversion",
    "work": "conscientiousness",
    "stress": "neuroticism",
    "conflict": "agreeableness",
}
_VERBS = {
    "works": "work",
    "is": "am",
    "isn't": "am not",
    "has": "have",
    "goes": "go",
    "serves": "serve",
    "no": "no",
    "lives": "live",
}
_SCALE = {-3: 1, -2: 1, -1: 2, 0: 3, 1: 4, 2: 5, 3: 5}


def write_answer(prompt: str, rng: Generator) -> tuple[str, str]:
    """Return (question, answer) about a citizen, the answer in the first person."""
    facts = parse_facts(prompt)
    voice, _, _ = make_voice(facts, rng)
    words = bank("chat")
    if rng.random() < 0.4:
        topic = _pick(list(words["facts"]), rng)
        return _pick(words["facts"][topic], rng), _fact(voice, topic)
    topic = _pick(list(words["open"]), rng)
    trait = _TOPIC.get(topic) or max(TRAITS, key=lambda name: abs(facts.levels[name]))
    side = pole(facts.levels[trait])
    answer = _pick(words["answers"][trait][side] if side else words["answers"]["plain"]["lines"], rng)
    if topic == "self":
        answer = f"I am {facts.first}, I am {facts.age} and I {_first_person(voice.slots['job'])}. {answer}"
    elif topic == "city":
        answer = f"{facts.home} is where I live, so I care how it goes. {answer}"
    return _pick(words["open"][topic], rng), answer


def _fact(voice: Voice, topic: str) -> str:
    facts = voice.facts
    if topic == "age":
        return f"I am {facts.age} years old."
    if topic == "job":
        return f"I {_first_person(voice.slots['job'])}."
    if topic == "origin":
        return f"I was born in {facts.birthplace}." if facts.birthplace else "I was born here."
    if topic == "commute":
        timed = f", {facts.minutes} minutes" if facts.minutes else ""
        return f"{facts.commute.capitalize()}{timed}." if facts.commute != "none" else "I don't go to work."
    who = voice.slots["who"]
    for mine in ("his ", "her "):
        who = who.replace(mine, "my ")
    return f"I {_first_person(who)}."


def _first_person(phrase: str) -> str:
    verb, _, rest = phrase.partition(" ")
    return f"{_VERBS.get(verb, verb)} {rest}".replace("no longer works", "no longer work")


def write_choice(prompt: str, rng: Generator) -> tuple[str, tuple[str, ...], str]:
    """Return (question, options, answer) about one trait; the answer agrees with the trait's level."""
    facts = parse_facts(prompt)
    trait, side = _pick(TRAITS, rng), _pick(("high", "low"), rng)
    level = facts.levels[trait] * (1 if side == "high" else -1)
    words = bank("chat")["items"][trait]
    item = _pick(words[side], rng)
    kind = rng.random()
    if kind < 0.35:
        answer = "Yes" if level > 0 or (level == 0 and rng.random() < 0.5) else "No"
        ask = _pick(("Is this true of you", "Does this describe you", "Would you say this"), rng)
        return f"{ask}: {item}? Answer Yes or No.", ("Yes", "No"), answer
    if kind < 0.6:
        return _either(facts, trait, item, side, rng)
    number = min(5, max(1, _SCALE[level]))
    ask = _pick(("How well does this describe you", "How accurate is this for you"), rng)
    scale = "from 1 (not at all) to 5 (very well)"
    return f"{ask}, {scale}: {item}. Answer with a number.", ("1", "2", "3", "4", "5"), str(number)


def _either(facts: Facts, trait: str, item: str, side: str, rng: Generator) -> tuple[str, tuple[str, ...], str]:
    other = _pick(bank("chat")["items"][trait]["low" if side == "high" else "high"], rng)
    level = facts.levels[trait] * (1 if side == "high" else -1)
    first = level > 0 or (level == 0 and rng.random() < 0.5)
    options = (item, other)
    if rng.random() < 0.5:
        options, first = (other, item), not first
    text = f"Which fits you better? A: {options[0]}. B: {options[1]}. Answer A or B."
    return text, ("A", "B"), "A" if first else "B"


def _pick(options: tuple[str, ...] | list[str], rng: Generator) -> str:
    return options[int(rng.random() * len(options))]
