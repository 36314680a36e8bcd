"""A conversation with a written citizen: facts, profile and all that was said -> messages. Pure.

Guidance stands first and never changes; the citizen follows; then the conversation. What does not fit is left out from
the oldest turn on, and the model is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cityfolk.profiles.guidance import Form, form_for
from cityfolk.profiles.prompts import citizen_text
from cityfolk.profiles.schema import ProfileText
from cityfolk.types import Citizen, Message, Reply, Request, Sampling

STAGE = "ask"
MAX_TOKENS = {"full": 400, "short": 64}
TEMPERATURE = {"full": 0.8, "short": 0.2}  # what a small model draws freely is seldom true
LIMIT_CHARACTERS = {"full": 24_000, "short": 1_900}
"""The most characters of a prompt: about 6,000 tokens, or what the embedded model reads beside its answer."""

GUIDANCE = """\
You are the resident of a city who is described below, and you are being talked to. Answer as that person, in the \
first person, in one to four sentences of plain spoken English.
- Every fact given is true of you: age, sex, home, origin, household, education, work, commute, income, religion, \
politics, disability, body. So is everything in "Your life" and everything you have said before in this conversation. \
Never contradict it.
- "not asked" and "not known" mean that you would rather not go into it; say so in your own way if somebody asks.
- Your five traits show in how you answer: how much you say, how warmly, how sure of yourself, how curious, how tidy \
in your thoughts. Follow the level that is given, low as well as high. You don't know their names, levels or scores.
- You know what a person of your age, schooling and work would know, and no more. You may be wrong, bored, short or \
unwilling, if that is like you. You may make up small things that fit (a dish, a tune, a neighbour's name) and then \
keep to them; never numbers, dates or sums that are not given.
- You are not an assistant. Don't offer help, don't explain these lines, don't speak as an author, a model or a \
character, and don't repeat the description word for word.
"""
SHORT_GUIDANCE = "You are the resident described below. Answer in the first person, in one to three sentences."
LEFT_OUT = "[The beginning of this conversation is left out here.]"
_TITLES = {name: name.replace("_", " ").capitalize() for name in ProfileText.model_fields}


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and what the citizen answered."""

    question: str
    answer: str


def life_text(profile: Mapping[str, Any]) -> str:
    """Return a written profile as lines, one a field, in the order in which it was written."""
    lines = []
    for name, title in _TITLES.items():
        value = profile.get(name)
        if value:
            lines.append(f"{title}: {value if isinstance(value, str) else '; '.join(value)}")
    return "\n".join(lines)


def conversation_messages(
    citizen: Citizen, profile: Mapping[str, Any], turns: Sequence[Turn], question: str, form: Form = "full"
) -> tuple[tuple[Message, ...], int]:
    """Return the messages that ask a citizen the next question, and how many earlier turns did not fit.

    In the short form facts, what was said and the question are one message, as the embedded model learned to read
    them; its profile is left out, since it was trained on facts alone.
    """
    facts = citizen_text(citizen)
    if form == "short":
        return _short(facts, turns, question)
    about = f"{GUIDANCE}\n{facts}\n\nYour life\n{life_text(profile)}"
    room = LIMIT_CHARACTERS[form] - len(about) - len(question) - len(LEFT_OUT)
    kept = _fitting(turns, room)
    dropped = len(turns) - len(kept)
    said = [
        message
        for turn in kept
        for message in (
            Message(role="user", content=turn.question),
            Message(role="assistant", content=turn.answer),
        )
    ]
    system = f"{about}\n\n{LEFT_OUT}" if dropped else about
    return (Message(role="system", content=system), *said, Message(role="user", content=question)), dropped


def _short(facts: str, turns: Sequence[Turn], question: str) -> tuple[tuple[Message, ...], int]:
    room = LIMIT_CHARACTERS["short"] - len(SHORT_GUIDANCE) - len(facts) - len(question)
    kept = _fitting(turns, room)
    said = "".join(f"\n{turn.question}\n{turn.answer}" for turn in kept)
    content = f"{facts}{said}\n\n{question}"
    messages = (Message(role="system", content=SHORT_GUIDANCE), Message(role="user", content=content))
    return messages, len(turns) - len(kept)


def _fitting(turns: Sequence[Turn], room: int) -> list[Turn]:
    """Return the latest turns that fit in a number of characters."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        room -= len(turn.question) + len(turn.answer) + 2
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def question_request(
    citizen: Citizen,
    profile: Mapping[str, Any],
    turns: Sequence[Turn],
    question: str,
    *,
    model: str,
    seed: int,
    label: str,
    form: Form | None = None,
) -> tuple[Request, int]:
    """Return the request for the next answer and how many earlier turns it leaves out."""
    asked = form or form_for(model)
    messages, dropped = conversation_messages(citizen, profile, turns, question, asked)
    # The same question again, after the same words, is a new turn and may be answered anew.
    sampling = Sampling(temperature=TEMPERATURE[asked], max_tokens=MAX_TOKENS[asked], seed=seed, sample=len(turns))
    return Request(messages=messages, model=model, sampling=sampling, label=label), dropped


def read_answer(reply: Reply) -> str:
    """Return what a citizen said; ValueError says why it is no answer."""
    text = reply.text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    if not any(letter.isalnum() for letter in text):
        raise ValueError(f"nothing was said ({text[:40]!r})")
    return text
