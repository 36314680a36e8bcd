"""The grammar of the eight reflections that come before a profile at full depth."""

from __future__ import annotations

from numpy.random import Generator

from cityfolk.pocket.facts import Facts, parse_facts
from cityfolk.pocket.grammar import make_voice, motivations, personality, trait_words
from cityfolk.pocket.occupations import status
from cityfolk.pocket.phrasing import Voice, bank, by_salience, join

# Pairs of poles that pull against each other.
_TENSIONS = (
    (("openness", 1), ("neuroticism", 1)),
    (("openness", 1), ("conscientiousness", 1)),
    (("extraversion", 1), ("neuroticism", 1)),
    (("extraversion", 1), ("agreeableness", -1)),
    (("agreeableness", 1), ("extraversion", -1)),
    (("conscientiousness", 1), ("neuroticism", 1)),
    (("conscientiousness", -1), ("neuroticism", 1)),
    (("openness", 1), ("extraversion", -1)),
    (("openness", -1), ("conscientiousness", -1)),
    (("agreeableness", -1), ("neuroticism", 1)),
)
_TIGHT_USD, _GOOD_USD = 35_000, 120_000


def write_reflections(prompt: str, rng: Generator) -> dict[str, str]:
    """Return the reflections for the text of a citizen: the keys of `profiles.schema.ReflectionsText`, in order."""
    facts = parse_facts(prompt)
    voice, _, _ = make_voice(facts, rng)
    traits = by_salience(facts)
    core = join([trait_words(voice, trait, 1) for trait in traits[:2]]) if traits else "close to the average"
    slots = {
        **voice.slots,
        "traits": core,
        "now": "lives today",
        "origin_tail": f", and {voice.slots['he']} {_status(facts)}," if facts.status else "",
    }
    voice = Voice(facts, rng, slots)
    words = bank("reflections")
    return {
        "personality": personality(voice),
        "core_traits": voice.say(words["core_traits" if traits else "no_core"], name=False),
        "inner_world": motivations(voice),
        "life_circumstances": f"{voice.say(words['circumstances'])} {voice.say(words[_money(facts)])}",
        "life_story": _story(voice),
        "contradictions": _contradictions(voice),
        "summary": voice.say(words["summary"]),
        "consistency_check": f"{voice.say(words['check'])} {voice.say(words['check_end'])}",
    }


def _status(facts: Facts) -> str:
    return "is a naturalized citizen" if facts.status.startswith("nat") else "isn't a US citizen"


def _money(facts: Facts) -> str:
    if not facts.household_income:
        return "money_none"
    if facts.household_income < _TIGHT_USD:
        return "money_tight"
    return "money_good" if facts.household_income >= _GOOD_USD else "money_plain"


def _story(voice: Voice) -> str:
    words = bank("reflections")
    young = voice.facts.age < 16 or status(voice.facts) in ("school", "high_school")
    first = voice.say(words["child_story" if young else "story"])
    return first if young else f"{first} {voice.say(words['story_end'])}"


def _contradictions(voice: Voice) -> str:
    words, levels = bank("reflections"), voice.facts.levels
    found = [
        (first, second) for (first, a), (second, b) in _TENSIONS if levels[first] * a > 0 and levels[second] * b > 0
    ]
    if not found:
        return voice.say(words["no_contradiction"])
    first, second = max(found, key=lambda pair: abs(levels[pair[0]]) + abs(levels[pair[1]]))
    slots = {**voice.slots, "one": trait_words(voice, first, 1), "other": trait_words(voice, second, 1)}
    text = Voice(voice.facts, voice.rng, slots).say(words["contradiction"])
    return f"{text} {voice.say(words['contradiction_end'])}"
