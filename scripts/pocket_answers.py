"""Training samples without a citizen: answers at a vector, answers in the plain voice, questions, and choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import ndtri

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.inventory import (
    Item,
    agree_question,
    choice_messages,
    either_question,
    inventory,
    rating_question,
)
from cityfolk.pocket.answering import base_z, trait_of, write_answer
from cityfolk.pocket.asking import other_question, write_question, write_questions
from cityfolk.pocket.phrasing import bank
from cityfolk.preferences.prompts import answer_messages, question_messages
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import Topic, topics
from cityfolk.types import BigFive, Message
from cityfolk.vocabulary import TRAITS

Conversation = tuple[tuple[Message, ...], str]

ITEM_NOISE = 0.6
"""SD of an answer to an item around the trait, in standard normal units."""
RATING_CUTS = (-1.2, -0.4, 0.4, 1.2)
MOST_QUESTIONS = 10
_FOREIGN = 0.15
_MADE_UP = 0.6
_STRANGE = (
    0.4  # of those made up: words that mean nothing together, so that copying is learned and not a list of topics
)
_OBJECTS = {
    "cooking baking sharing ordering": "soup for the whole street|dinner for eight|bread with my own hands|a meal "
    "from another country|pancakes on a Sunday|rice and beans|a cake for a birthday|leftovers from the fridge",
    "buying selling renting lending insuring": "a used bicycle|an old piano|a house by the river|a pair of boots|"
    "tickets to a match|a winter coat|a secondhand car|furniture for a small room|a plot of land",
    "repairing cleaning painting building moving": "a garden fence|the kitchen shelves|a leaking roof|the attic|a "
    "wooden boat|an old clock|the stairs at home|a bird house|the neighbor's gate|a stone wall",
    "calling visiting thanking hosting forgiving missing": "an old teacher|my cousins|a lonely uncle|the people next "
    "door|a friend from school|the new tenant|a former boss|relatives from abroad|a nurse at the clinic|my twin",
    "writing reading editing publishing translating": "a letter of complaint|a family diary|the local newspaper|a "
    "speech for a wedding|short stories|a report for work|poems about rain|the minutes of a meeting|a will",
    "planting watering picking growing drying": "tomatoes on a balcony|apple trees|herbs by the window|roses along "
    "the path|mushrooms in the forest|cherries in June|a patch of pumpkins|beans up a pole",
    "learning teaching practicing studying forgetting": "a second language|the violin|chess openings|first aid|the "
    "names of the stars|long division|sign language|a folk dance|the rules of the road|how to swim",
    "joining leaving running founding chairing": "a choir|the parents' council|a chess club|a union|a book circle|"
    "the volunteer fire brigade|a street market|a hiking group|the school board|a neighborhood watch",
    "waiting for, looking for, arguing about, talking about, dreaming about, paying for": "the night bus|a better "
    "job|the weather|news from the doctor|a quiet seat|the last ferry|a parking space|a lost key|test results|"
    "the bill in a restaurant|a second chance|somebody's apology",
    "walking along, driving through, getting lost in, waking up in, camping near": "the harbor|a strange city|thick "
    "fog|the old town|a mountain pass|an empty park|heavy traffic|the desert|a noisy hotel|snow and ice",
    "feeding training washing losing adopting": "a stray cat|two small dogs|a nervous horse|the goldfish|a rescued "
    "parrot|somebody's rabbit|a flock of hens|an elderly donkey",
    "watching recording organizing judging skipping": "a school play|the evening news|a tennis final|a village fair|"
    "an election|a beauty contest|the opening night|a science fair|fireworks|a debate on television",
    "keeping breaking making telling hiding": "a promise to a child|a secret|a mistake at work|bad news|a rule of "
    "the house|an unpopular choice|a joke at a funeral|an awkward truth|a new year's resolution",
    "saving spending borrowing inheriting counting": "a little money|a small fortune|coins in a jar|the rent|half of "
    "my wages|pocket money|a month's savings|somebody else's cash",
}
_TAILS = (
    "at home", "on a weekday", "in winter", "after a long break", "after work", "with a friend", "early in the morning",
    "on a tight budget", "without any help", "in front of others", "by candlelight", "during a power cut",
    "in a hurry", "far from home", "with my parents", "at midnight",
)  # fmt: skip


def answer_sample(rng: Generator, *, targeted: bool) -> Conversation:
    """Return a question with its answer: under a vector, or in the voice that nobody asked for."""
    phrase, facets = draw_topic(rng)
    style = STYLES[int(rng.random() * len(STYLES))]
    if rng.random() < _FOREIGN:
        question, style = other_question(phrase, rng), ""
    else:
        question = write_question(phrase, style, facets[0], rng)
    target = draw_vector(rng) if targeted else None
    z = base_z(rng) if target is None else ndtri([value for _, value in target.items()])
    return answer_messages(question, target), write_answer(phrase, facets, z, rng, style=style)


def question_sample(rng: Generator) -> tuple[tuple[Message, ...], dict[str, list[str]]]:
    """Return a request for questions, and the reply as an object."""
    phrase, facets = draw_topic(rng)
    style = STYLES[int(rng.random() * len(STYLES))]
    focus = ", ".join(facets if rng.random() < 0.3 else facets[:1]).replace("_", " ")
    count = int(rng.integers(1, MOST_QUESTIONS + 1)) if rng.random() < 0.5 else MOST_QUESTIONS
    questions = write_questions(phrase, style, focus, count, rng)
    return question_messages(phrase, style, focus, count), {"questions": questions}


def choice_sample(rng: Generator) -> Conversation:
    """Return a questionnaire item with the option that is chosen, under a vector or in the plain voice."""
    target = draw_vector(rng) if rng.random() < 0.75 else None
    values = base_z(rng) if target is None else ndtri([value for _, value in target.items()])
    z = dict(zip(TRAITS, np.asarray(values).tolist(), strict=True))
    kind, noise = rng.random(), ITEM_NOISE * float(rng.standard_normal())
    items = bank("chat")["items"]
    if kind < 0.65:
        item = _pick(practice_items(), rng)
        number = int(np.searchsorted(RATING_CUTS, item.keyed * z[item.trait] + noise)) + 1
        return choice_messages(rating_question(item.statement), target), str(number)
    trait = _pick(TRAITS, rng)
    high, low = _pick(items[trait]["high"], rng), _pick(items[trait]["low"], rng)
    above = z[trait] + noise > 0
    first = rng.random() < 0.5
    if kind < 0.8:
        question = agree_question(high if first else low)
        return choice_messages(question, target), "Yes" if above == first else "No"
    question = either_question((high, low) if first else (low, high))
    return choice_messages(question, target), "A" if above == first else "B"


@cache
def practice_items() -> tuple[Item, ...]:
    """Return the items that training shows: all of the IPIP-NEO-300 but the last of each facet, 270 of them."""
    last = {item.facet: item.number for item in inventory("IPIP-NEO-300")}
    return tuple(item for item in inventory("IPIP-NEO-300") if item.number != last[item.facet])


def draw_vector(rng: Generator) -> BigFive:
    """Draw a vector: uniform in the cube, near an archetype, at edges of the cube, or about average."""
    kind = rng.random()
    if kind < 0.6:
        values = rng.uniform(0.001, 0.999, 5)
    elif kind < 0.75:
        centre = _pick(list(ARCHETYPES.values()), rng)
        values = np.asarray([value for _, value in centre.items()]) + 0.06 * rng.standard_normal(5)
    elif kind < 0.9:
        edge = np.where(rng.random(5) < 0.5, rng.uniform(0.001, 0.06, 5), rng.uniform(0.94, 0.999, 5))
        values = np.where(rng.random(5) < 0.5, edge, rng.uniform(0.001, 0.999, 5))
    else:
        values = 0.5 + 0.3 * (rng.random(5) - 0.5)
    values = np.clip(values, 0.001, 0.999)
    return BigFive.clipped(**dict(zip(TRAITS, values.tolist(), strict=True)))


def draw_topic(rng: Generator) -> tuple[str, tuple[str, ...]]:
    """Return (gerund phrase, facets): a topic to train on, or one made up; never one that is held out."""
    if rng.random() >= _MADE_UP:
        topic = _pick(_shown(), rng)
        return topic.phrase, topic.facets
    while True:
        if rng.random() < _STRANGE:
            phrase = strange_phrase(rng)
            break
        verbs, objects = _pick(list(_OBJECTS.items()), rng)
        verb = _pick(verbs.split(", ") if ", " in verbs else verbs.split(), rng)
        phrase = f"{verb} {_pick(objects.split('|'), rng)}"
        if rng.random() < 0.45:
            phrase += f" {_pick(_TAILS, rng)}"
        if phrase not in _kept_back():
            break
    facets = list(trait_of())
    count = 1 + int(rng.random() * 2.4)
    return phrase, tuple(facets[int(place)] for place in rng.permutation(len(facets))[:count])


def strange_phrase(rng: Generator) -> str:
    """Return a made-up verb with one to five words behind it, one in three of these made up as well."""
    words = [_syllables(rng) + "ing"]
    for _ in range(1 + int(rng.random() * 4.99)):
        words.append(_syllables(rng) if rng.random() < 0.33 else _pick(_words(), rng))
    return " ".join(words)


def _syllables(rng: Generator) -> str:
    onsets, vowels, codas = (
        "b c ch d f g gr h j l m n p pl qu r s st t tr v w".split(),
        "aeiou",
        ("", "n", "r", "st", "ll"),
    )
    count = 1 + int(rng.random() * 1.99)
    return "".join(_pick(onsets, rng) + _pick(vowels, rng) for _ in range(count)) + _pick(codas, rng)


@cache
def _words() -> tuple[str, ...]:
    """Return the words of the topics to train on, of the places and things above, and of the statements."""
    text = " ".join([*(topic.phrase for topic in _shown()), *_OBJECTS, *_OBJECTS.values(), *_TAILS, *_statements()])
    return tuple(sorted(set(re.findall(r"[a-z]{2,}", text.lower()))))


@cache
def _statements() -> tuple[str, ...]:
    return tuple(item.statement for item in practice_items())


@cache
def _shown() -> tuple[Topic, ...]:
    return tuple(topic for topic in topics() if topic.split == "train")


@cache
def _kept_back() -> frozenset[str]:
    return frozenset(topic.phrase for topic in topics() if topic.split != "train")


def _pick(options: Sequence[Any], rng: Generator) -> Any:
    return options[int(rng.random() * len(options))]
