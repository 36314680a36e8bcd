"""One request for ten questions, and what is usable of the reply: pure functions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cityfolk.preferences.prompts import question_messages
from cityfolk.preferences.records import STYLES
from cityfolk.preferences.topics import Topic
from cityfolk.types import Reply, Request, Sampling

STAGE = "questions"
PER_REQUEST = 10
MAX_TOKENS = 1536  # ten questions of the longest kind, quotes and a verbose tokenizer included
TEMPERATURE = 1.0
FEWEST_WORDS, MOST_WORDS = 4, 60
NO_MARK, CLOSED, SHORT, LONG = "no question mark", "yes or no", "too short", "too long"
REASONS = (NO_MARK, CLOSED, SHORT, LONG)

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "questions": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 500},
                "minItems": PER_REQUEST,
                "maxItems": PER_REQUEST,
            }
        },
        "required": ["questions"],
        "additionalProperties": False,
    },
    separators=(",", ":"),
)

_NUMBERING = re.compile(
    r"^(?:[-*\u2022\u2013]\s+|\(?\d{1,3}[.):]\s*|(?:Q|Question)\s*\d{0,3}\s*[.:)]\s*)+", re.IGNORECASE
)
_PAIRED = (('"', '"'), ("'", "'"), ("\u201c", "\u201d"), ("\u2018", "\u2019"), ("**", "**"), ("*", "*"), ("`", "`"))
_SENTENCE = re.compile(r"[^.?!]*[.?!]+[\"'\u201d\u2019)]*\s*")
_QUOTES = "\"'()\u201c\u201d\u2018\u2019"
_AUXILIARY = re.compile(
    r"(?:and |or |but |so |then )?(?:do|does|did|is|are|am|was|were|has|have|had|will|would|can|could|should|shall|may|"
    r"might|must|isn't|aren't|don't|doesn't|didn't|won't|wouldn't|can't|couldn't|shouldn't|haven't|hasn't)\b",
    re.IGNORECASE,
)
_INVITATION = re.compile(
    r"(?:and |or |but |so |then )?(?:can|could|would|will) you (?:please |ever )?(?:tell|describe|explain|share|recall|"
    r"remember|think of|name|give|walk|talk|say|recount|imagine|picture)\b",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:,|\band|\bor|\bso) *(?:and |or |if so,? |if not,? )*(?:why|how|what|which|when)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """The usable questions of one reply in its order, and how many others were rejected, by reason."""

    questions: tuple[str, ...]
    rejected: dict[str, int]

    @property
    def asked(self) -> int:
        """Return how many questions the reply held."""
        return len(self.questions) + sum(self.rejected.values())


def question_request(topic: Topic, style: str, number: int, model: str, sampling: Sampling) -> Request:
    """Return the `number`th request (from 0) for ten questions on a topic in a style.

    The facets of the topic take turns from request to request; styles start at different ones. Where all have had a
    turn, the next sample of the same request is asked for.
    """
    turn = (number + STYLES.index(style)) % len(topic.facets)
    focus = topic.facets[turn].replace("_", " ")
    return Request(
        messages=question_messages(topic.phrase, style, focus, PER_REQUEST),
        model=model,
        schema=SCHEMA,
        sampling=replace(sampling, sample=number // len(topic.facets)),
        label=f"{topic.id} {style} {number}",
    )


def parse_questions(reply: Reply) -> Cleaned:
    """Return what is usable of a reply; ValueError says in one line why nothing is."""
    text = reply.text.strip()
    if text.startswith("```"):  # some servers wrap JSON in a Markdown fence whatever they are told
        text = text.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    found = document.get("questions") if isinstance(document, dict) else document
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise ValueError('not {"questions": [texts]}')
    cleaned = clean(found[:PER_REQUEST])
    if not cleaned.questions:
        reason, count = max(cleaned.rejected.items(), key=lambda item: item[1])
        raise ValueError(f"no question is usable ({reason}: {count}, such as {found[0][:80]!r})")
    return cleaned


def clean(texts: Sequence[str]) -> Cleaned:
    """Take off numbering, quotes and extra space, and reject what is no open question of 4 to 60 words."""
    kept, rejected = [], Counter[str]()
    for text in texts:
        bare = bared(text)
        reason = fault(bare)
        if reason is None:
            kept.append(bare)
        else:
            rejected[reason] += 1
    return Cleaned(questions=tuple(kept), rejected=dict(rejected))


def bared(text: str) -> str:
    """Return a question without numbering, bullets, enclosing quotes or stars, and needless space."""
    bare = " ".join(text.split())
    before = ""
    while bare != before:
        before = bare
        bare = _NUMBERING.sub("", bare)
        for left, right in _PAIRED:
            inner = bare[len(left) : -len(right)]
            if bare.startswith(left) and bare.endswith(right) and inner and left not in inner:
                bare = inner.strip()
    return bare


def fault(text: str) -> str | None:
    """Return why a text is no question for us, None if it is one.

    A text is closed if each of its questions begins with an auxiliary ("Do you ...?", "Would you ...?"), unless it
    invites to tell ("Can you recall ...?") or ends in an open word (", and why?").
    """
    words = len(text.split())
    if words < FEWEST_WORDS:
        return SHORT
    if words > MOST_WORDS:
        return LONG
    sentences = [found.group().strip().strip(_QUOTES) for found in _SENTENCE.finditer(text)]
    asked = [sentence for sentence in sentences if sentence.endswith("?")]
    if not asked:
        return NO_MARK
    if all(_AUXILIARY.match(part) and not _INVITATION.match(part) and not _OPEN_END.search(part) for part in asked):
        return CLOSED
    return None
