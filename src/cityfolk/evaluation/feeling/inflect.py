"""Regular forms of English words, so that a word list holds each word once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_DOUBLED = re.compile(r"^[^aeiou]*[aeiou][bdgmnprt]$")
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")


def verb_forms(verb: str) -> tuple[str, ...]:
    """Return a regular verb with its -s, -ed and -ing forms: hug, hugs, hugged, hugging."""
    if verb.endswith("ie"):
        return verb, verb + "s", verb + "d", verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb, verb + "s", verb + "d", verb[:-1] + "ing"
    if _CONSONANT_Y.search(verb):
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    stem = verb + verb[-1] if _DOUBLED.search(verb) else verb
    return verb, verb + ("es" if _SIBILANT.search(verb) else "s"), stem + "ed", stem + "ing"


def noun_forms(noun: str) -> tuple[str, ...]:
    """Return a noun with its regular plural: worry, worries."""
    if _CONSONANT_Y.search(noun):
        return noun, noun[:-1] + "ies"
    return noun, noun + ("es" if _SIBILANT.search(noun) else "s")


def adjective_forms(adjective: str) -> tuple[str, ...]:
    """Return an adjective with its adverb: gentle, gently."""
    if adjective.endswith("y"):
        return adjective, adjective[:-1] + "ily"
    if adjective.endswith("le") and len(adjective) > 4:
        return adjective, adjective[:-1] + "y"
    return adjective, adjective + ("ally" if adjective.endswith("ic") else "ly")


def entries(text: str) -> tuple[str, ...]:
    """Return the comma-separated words and phrases of a list, spaces and line ends made single."""
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())


def forms(lists: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield every form of (kind, list): kinds are verbs, nouns, adjectives and words; a phrase bends its verb first."""
    for kind, text in lists:
        for entry in entries(text):
            first, *rest = entry.split()
            if kind == "verbs":
                yield from (" ".join((form, *rest)) for form in verb_forms(first))
            elif kind == "nouns":
                *before, last = entry.split()
                yield from (" ".join((*before, form)) for form in noun_forms(last))
            elif kind == "adjectives" and not rest:
                yield from adjective_forms(first)
            else:
                yield entry
