"""Training samples for the embedded model, each at its own address, and the tokenizer that is trained on them."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from numpy.random import Generator
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from cityfolk import rng as addressed
from cityfolk.personality.inventory import PROMPTED_CHOICE, UNTARGETED_CHOICE
from cityfolk.personality.words import POLES
from cityfolk.pocket.answering import parse, split
from cityfolk.pocket.grammar import write_profile
from cityfolk.pocket.reflecting import write_reflections
from cityfolk.pocket.talk import write_answer, write_choice
from cityfolk.preferences.prompts import PROMPTED_GUIDANCE, QUESTION_GUIDANCE, UNTARGETED_GUIDANCE
from cityfolk.profiles.prompts import GUIDANCE, REFLECTION_GUIDANCE, citizen_text, profile_messages, reflection_messages
from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.types import Citizen, Message
from cityfolk.vocabulary import TRAITS
from pocket_answers import answer_sample, choice_sample, question_sample
from pocket_citizens import NamePool, draw_citizen

VOCABULARY = 4096
SPECIAL = ("<|bos|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
CHAT_TEMPLATE = (
    "{{ '<|bos|>' }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# Shares of the training mix, from sample so and so on: first long texts that copy much, then mostly answers under a
# vector, then both.
MIXES = (
    (0, (
        ("profile", 0.375), ("full", 0.04), ("reflections", 0.05), ("repeat", 0.055), ("choice", 0.03),
        ("answer", 0.03), ("reply", 0.26), ("voice", 0.06), ("ask", 0.05), ("pick", 0.05),
    )),
    (14_000, (
        ("profile", 0.23), ("full", 0.025), ("reflections", 0.035), ("repeat", 0.02), ("choice", 0.02),
        ("answer", 0.02), ("reply", 0.49), ("voice", 0.07), ("ask", 0.045), ("pick", 0.045),
    )),
    (24_000, (
        ("profile", 0.355), ("full", 0.035), ("reflections", 0.045), ("repeat", 0.02), ("choice", 0.02),
        ("answer", 0.02), ("reply", 0.355), ("voice", 0.06), ("ask", 0.045), ("pick", 0.045),
    )),
)  # fmt: skip
# What a model trained on this mix can be asked for.
TASKS = ("lives", "questions", "answers")
_LABELS = {
    "name": "Name:",
    "age": "\nAge:",
    "home": "\nHome:",
    "origin": "\nOrigin:",
    "language": "\nLanguage at home:",
    "commute": "\nCommute:",
    "income": "\nIncome:",
    "household": "\nHousehold:",
    "education": "\nEducation:",
    "family": '"],"family":"',
    "topic": "Topic:",
    "style": "\nStyle:",
    "question": "Question:",
}
# Words that stand between a topic and what is said of it; a copied topic neither begins nor ends with one.
_AROUND = frozenset(
    "a about after ahead and approach around as at be before bring by comes day do does during end first for from "
    "go goes had hand handle has have how i if in is isn it like line me mean middle my of on over part s t that "
    "the this through time to took view was went were what when which while with would you your".split()
)
REPEAT_GUIDANCE = "Repeat the facts of the resident described below, in any order."
ANSWER_GUIDANCE = (
    "You are the resident described below. Answer in the first person, in one to three sentences.",
    "Answer as the person described. Stay in character.",
    "You are this person. Answer briefly and truthfully.",
)
CHOICE_GUIDANCE = (
    "You are the resident described below. Answer with one of the options and nothing else.",
    "Answer as the person described, with one of the options only.",
    "You are this person. Pick one option.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One conversation: the messages, the reply that is right, its part of the mix, and the citizen if it has one."""

    kind: str
    citizen: Citizen | None
    messages: tuple[Message, ...]
    reply: str


def make_sample(seed: int, split: str, number: int, names: NamePool, kind: str = "") -> Sample:
    """Return sample `number` of a split: the same one whatever else has been made."""
    rng = addressed.child(seed, "pocket", split, number)
    kind = kind or _kind(rng.random(), mix_at(number))
    if kind in ("reply", "voice"):
        messages, reply = answer_sample(rng, targeted=kind == "reply")
        return Sample(kind=kind, citizen=None, messages=messages, reply=reply)
    if kind == "ask":
        messages, asked = question_sample(rng)
        return Sample(kind=kind, citizen=None, messages=messages, reply=compact(asked))
    if kind == "pick":
        messages, reply = choice_sample(rng)
        return Sample(kind=kind, citizen=None, messages=messages, reply=reply)
    citizen = draw_citizen(rng, names)
    messages, reply = _conversation(kind, citizen, rng)
    return Sample(kind=kind, citizen=citizen, messages=messages, reply=reply)


def mix_at(number: int) -> tuple[tuple[str, float], ...]:
    """Return the shares of the mix at sample `number`."""
    return [mix for first, mix in MIXES if first <= number][-1]


def _kind(u: float, mix: Sequence[tuple[str, float]]) -> str:
    for kind, share in mix:
        u -= share
        if u < 0:
            return kind
    return "pick"


def _conversation(kind: str, citizen: Citizen, rng: Generator) -> tuple[tuple[Message, ...], str]:
    text = citizen_text(citizen)
    if kind == "reflections":
        return reflection_messages(citizen), compact(write_reflections(text, rng))
    if kind in ("profile", "full"):
        thoughts = ReflectionsText(**write_reflections(text, rng)) if kind == "full" else None
        messages = profile_messages(citizen, thoughts)
        return messages, compact(write_profile(messages[1].content, rng))
    if kind == "repeat":
        # Copying is what a small model learns last; here every word of the reply is a copy.
        lines = text.split("\n")[:17]
        kept = [lines[int(place)] for place in rng.permutation(len(lines))[:12]]
        return (Message(role="system", content=REPEAT_GUIDANCE), Message(role="user", content=text)), "\n".join(kept)
    if kind == "answer":
        question, reply = write_answer(text, rng)
        guidance = ANSWER_GUIDANCE
    else:
        question, _, reply = write_choice(text, rng)
        guidance = CHOICE_GUIDANCE
    system = guidance[int(rng.random() * len(guidance))]
    content = f"{text}\n\n{question}" if rng.random() < 0.7 else f"{text}\nQuestion: {question}"
    return (Message(role="system", content=system), Message(role="user", content=content)), reply


def compact(value: object) -> str:
    """Return JSON without spaces, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render(messages: tuple[Message, ...]) -> str:
    """Return the prompt as the chat template writes it, ready for the reply."""
    return "<|bos|>" + "".join(f"<|{m.role}|>{m.content}<|end|>" for m in messages) + "<|assistant|>"


def whole_pieces(tasks: Sequence[str] = TASKS) -> list[str]:
    """Return the strings that are one token each: keys of the schemas, labels of the prompts, pole markers."""
    asks = "questions" in tasks
    pieces = ['"}', '","', *(('{"questions":["', '"]}') if asks else ())]
    lists = ("strengths", "weaknesses")
    for model in (ProfileText, ReflectionsText):
        keys = list(model.model_fields)
        for before, key in zip(["", *keys], keys, strict=False):
            opening = "{" if not before else '"],' if before in lists else '",'
            pieces.append(f'{opening}"{key}":' + ('["' if key in lists else '"'))
    labels = (
        "Age", "Sex", "Home", "Origin", "Race and ethnicity", "Language at home", "Marital status", "Household",
        "Education", "Work", "Commute", "Income", "Religion", "Politics", "Disability", "Body",
    )  # fmt: skip
    pieces += [f"\n{label}:" for label in labels]
    pieces += ["Topic:", "\nStyle:", "\nBring out:", "\nQuestions:", "Question:"] if asks else []
    pieces += ["Name:", *(f"\n{trait.capitalize()}:" for trait in POLES)]
    pieces += [f" ({', '.join(words)})" for pair in POLES.values() for words in pair]
    return [*dict.fromkeys(pieces), " of 100 adults"]


def train_tokenizer(seed: int, names: NamePool, samples: int = 4000) -> Tokenizer:
    """Return a byte-level BPE tokenizer; digits stand alone, and text is mixed in that the grammar doesn't write."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    pieces = whole_pieces()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(pieces),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed, names, samples, pieces), trainer)
    tokenizer.add_tokens([AddedToken(piece, normalized=False, special=False) for piece in pieces])
    return tokenizer


def _texts(seed: int, names: NamePool, samples: int, pieces: list[str]) -> Iterator[str]:
    for number in range(samples):
        sample = make_sample(seed, "tokenizer", number, names)
        for text in (sample.messages[-1].content, sample.reply):
            for piece in pieces:
                text = text.replace(piece, "\x00")
            yield from text.split("\x00")
    yield from ("Yes", "No", "A", "B", "C", "D", "E") * 200
    yield from (GUIDANCE, REFLECTION_GUIDANCE, *ANSWER_GUIDANCE, *CHOICE_GUIDANCE) * 100
    yield from (PROMPTED_GUIDANCE, UNTARGETED_GUIDANCE, QUESTION_GUIDANCE, PROMPTED_CHOICE, UNTARGETED_CHOICE) * 100
    yield from (doc for doc in _plain_english() for _ in range(2))


def _plain_english() -> Iterator[str]:
    folder = Path(pkgutil.__file__).parent
    for name in ("argparse", "asyncio/queues", "difflib", "email/message", "statistics", "turtle", "doctest", "random"):
        path = folder / f"{name}.py"
        if path.exists():
            yield from path.read_text(encoding="utf-8").split("\n\n")


def token_ids(sample: Sample, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return (prompt ids, reply ids with the end token)."""
    prompt = tokenizer.encode(render(sample.messages), add_special_tokens=False).ids
    reply = tokenizer.encode(sample.reply + "<|end|>", add_special_tokens=False).ids
    return prompt, reply


class Copies:
    """Finds which tokens of a reply are copies of a value among the facts, and of which tokens of the prompt."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        texts = [tokenizer.decode([n], skip_special_tokens=False) for n in range(tokenizer.get_vocab_size())]
        self._texts = texts
        self._line_end = tokenizer.token_to_id(" of 100 adults")
        self._first_piece = tokenizer.token_to_id(whole_pieces()[0])
        self._opens = {n for n, text in enumerate(texts) if text.startswith((" ", "\n"))}
        self._digits = {n for n, text in enumerate(texts) if len(text) == 1 and text.isdigit()}
        self._label = {name: tokenizer.token_to_id(piece) for name, piece in _LABELS.items()}
        self._comma = tokenizer.token_to_id(",")
        self._end = tokenizer.token_to_id("<|end|>")
        self._around = {n for n, text in enumerate(texts) if _is_around(text)}
        self._goes_on = {n for n, text in enumerate(texts) if text[:1].isalpha()}

    def find(self, prompt: list[int], reply: list[int]) -> list[tuple[int, int]]:
        """Return (place in the reply, place in the prompt) for every token that is copied.

        What the prompt is about decides what is: a citizen's facts, a topic to ask about, the topic of a question.
        """
        if self._label["name"] in prompt:
            return self._facts(prompt, reply)
        if self._label["topic"] in prompt:
            start = prompt.index(self._label["topic"]) + 1
            return _copied(prompt, reply, start, prompt.index(self._label["style"]))
        if self._label["question"] in prompt:
            start = prompt.index(self._label["question"]) + 1
            return _copied(prompt, reply, *self._topic(prompt, reply, start, prompt.index(self._end, start)))
        return []

    def lines(self, prompt: list[int]) -> list[tuple[int, int]]:
        """Return (end, label) of each trait's line in a prompt: the level stands right behind the label."""
        found, label = [], 0
        for place, token in enumerate(prompt):
            if self._texts[token].endswith(":"):
                label = place
            elif token == self._line_end:
                found.append((place, label))
        return found

    def levels(self, prompt: list[int], reply: list[int]) -> list[tuple[int, int]]:
        """Return (place in the reply, place in the prompt) for every token of a statement that shows a trait.

        The place in the prompt is the end of that trait's line. Only answers to questions have such places.
        """
        lines = [end for end, _ in self.lines(prompt)]
        if self._label["question"] not in prompt or len(lines) != len(TRAITS):
            return []
        starts = list(accumulate((len(self._texts[token]) for token in reply[:-1]), initial=0))
        text = "".join(self._texts[token] for token in reply[:-1])
        found, at = [], 0
        for statement in split(text):
            at = text.index(statement[:-1], at)
            end, shown = at + len(statement), parse(statement)
            if shown is not None and shown.trait:
                line = lines[TRAITS.index(shown.trait)]
                found += [(n, line) for n in range(len(reply) - 1) if at - 1 <= starts[n] < end - 1]
            at = end - 1
        return found

    def _facts(self, prompt: list[int], reply: list[int]) -> list[tuple[int, int]]:
        found = []
        for start, stop, once in self._values(prompt):
            value, at = prompt[start:stop], 0
            while at <= len(reply) - len(value):
                if reply[at] != value[0]:
                    at += 1
                    continue
                whole = at + len(value) == len(reply) or reply[at + len(value)] != value[-1]
                if reply[at : at + len(value)] == value and whole:
                    found += [(at + step, start + step) for step in range(len(value))]
                    if once:
                        break
                at += 1
        return found + self._household(prompt, reply)

    def _topic(self, prompt: list[int], reply: list[int], start: int, stop: int) -> tuple[int, int]:
        """Return the longest run between two places of the prompt that the reply has too, less the words around it."""
        best = (start, start)
        places: dict[int, list[int]] = {}
        for place, token in enumerate(reply):
            places.setdefault(token, []).append(place)
        for first in range(start, stop):
            if self._between(prompt, first):
                continue
            for place in places.get(prompt[first], ()):
                size = 1
                while first + size < stop and place + size < len(reply) and prompt[first + size] == reply[place + size]:
                    size += 1
                if size > best[1] - best[0]:
                    best = (first, first + size)
        first, last = best
        while last > first and self._between(prompt, last - 1):
            last -= 1
        return first, last

    def _between(self, prompt: list[int], place: int) -> bool:
        """Tell whether a token is a whole word that stands around topics (" was", not that of " washing")."""
        return prompt[place] in self._around and prompt[place + 1] not in self._goes_on

    def _values(self, prompt: list[int]) -> list[tuple[int, int, bool]]:
        spans = []
        start = prompt.index(self._label["name"]) + 1
        stop = start + 1
        while prompt[stop] not in self._opens and prompt[stop] < self._first_piece:
            stop += 1
        spans.append((start, stop, False))
        for name, skip, once in (("age", 0, True), ("home", 0, False), ("origin", 2, False), ("language", 0, False)):
            start = prompt.index(self._label[name]) + 1 + skip
            stop = start
            while prompt[stop] < self._first_piece and prompt[stop] != self._comma:
                stop += 1
            spans.append((start, stop, once))
        start, stop = prompt.index(self._label["commute"]), prompt.index(self._label["income"])
        minutes = [n for n in range(start, stop) if prompt[n] in self._digits]
        return [*spans, (minutes[0] - 1, minutes[-1] + 1, True)] if minutes else spans

    def _household(self, prompt: list[int], reply: list[int]) -> list[tuple[int, int]]:
        start, stop = prompt.index(self._label["household"]), prompt.index(self._label["education"])
        if self._label["family"] not in reply:
            return []
        opened = reply.index(self._label["family"])
        closed = next((n for n in range(opened + 1, len(reply)) if reply[n] >= self._first_piece), len(reply))
        asked, told = self._people(prompt, start, stop), self._people(reply, opened, closed)
        same = len(asked) == len(told) and all(
            prompt[a] == reply[t] or (prompt[a - 1] in self._digits and reply[t - 1] in self._digits)
            for a, t in zip(asked, told, strict=True)
        )
        return list(zip(told, asked, strict=True)) if same else []

    def _people(self, tokens: list[int], start: int, stop: int) -> list[int]:
        """Return the places of the word before each age, which says who it is, of its digits and of what follows."""
        found = []
        for place in range(start, stop):
            if tokens[place] in self._digits:
                if tokens[place - 1] not in self._digits:
                    found.append(place - 2)
                found.append(place)
                if tokens[place + 1] not in self._digits:
                    # What follows an age says whether somebody else comes.
                    found.append(place + 1)
        return found


def _is_around(text: str) -> bool:
    word = text.strip().lower()
    return not any(letter.isalnum() for letter in word) or (text.startswith(" ") and word in _AROUND)


def _copied(prompt: list[int], reply: list[int], start: int, stop: int) -> list[tuple[int, int]]:
    """Return (place in the reply, place in the prompt) wherever the reply repeats the tokens from start to stop."""
    value, size, found, at = prompt[start:stop], stop - start, [], 0
    while size and at <= len(reply) - size:
        if reply[at] == value[0] and reply[at : at + size] == value:
            found += [(at + step, start + step) for step in range(size)]
            at += size
        else:
            at += 1
    return found
