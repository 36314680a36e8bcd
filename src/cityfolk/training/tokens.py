"""Preference pairs as tokens: the model's own chat template, the answer's end learned, nothing cut without a word.

An answer is learned with the token that ends it, and without what a template writes after that token (a newline,
mostly), which no model is ever asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.engines.transformers_chat import Chat
from cityfolk.errors import DataError, EngineError
from cityfolk.types import Message

Ids = NDArray[np.int64]
_MARK = "cityfolk7"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairText:
    """A conversation with the answer to move towards and the one to move away from.

    `rejected` is None where there is only an answer to imitate (SFT).
    """

    name: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triple:
    """The tokens of a pair: prompt up to where the answer begins, and answers with their end token; none is empty."""

    name: str
    prompt: Ids
    chosen: Ids
    rejected: Ids | None = None

    def __post_init__(self) -> None:
        parts = {"prompt": self.prompt, "chosen answer": self.chosen, "rejected answer": self.rejected}
        for part, ids in parts.items():
            if ids is not None and not len(ids):
                raise DataError(f"the {part} of {self.name} is empty", hint="leave the pair out")

    @property
    def answers(self) -> tuple[Ids, ...]:
        """Return the answers: chosen, then rejected if there is one."""
        return (self.chosen,) if self.rejected is None else (self.chosen, self.rejected)

    @property
    def tokens(self) -> int:
        """Return prompt + chosen + rejected, in tokens."""
        return len(self.prompt) + sum(len(answer) for answer in self.answers)

    @property
    def longest(self) -> int:
        """Return the tokens of the longer of the two conversations."""
        return len(self.prompt) + max(len(answer) for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenised:
    """What can be trained on, and the names of the pairs that are too long for it."""

    triples: tuple[Triple, ...]
    too_long: tuple[str, ...]

    @property
    def notice(self) -> str:
        """Return a sentence about what was left out, "" if nothing was."""
        if not self.too_long:
            return ""
        named = ", ".join(self.too_long[:3]) + (" and others" if len(self.too_long) > 3 else "")
        count, total = len(self.too_long), len(self.too_long) + len(self.triples)
        verb = "is" if count == 1 else "are"
        return f"{count:,} of {total:,} pairs {verb} too long and left out: {named}"


class Renderer:
    """Turns conversations and answers into tokens with one model's tokenizer and chat template."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._chat = Chat(tokenizer, name, thinking="off")
        self._tokenizer = tokenizer
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self._special = {*tokenizer.all_special_ids, *(number for number, token in added.items() if token.special)}
        probe = self._chat.closed([Message(role="user", content="x")], _MARK)
        before, found, after = probe.rpartition(_MARK)
        self._after = self._chat.encode(after) if found else []
        ends = [place for place, token in enumerate(self._after) if token in self._special]
        if not ends:
            raise EngineError(
                f"the chat template of {name} writes no token that ends an answer",
                hint="use the model's Instruct or Chat version, with the template it was trained with",
            )
        self._end = ends[0] + 1
        prompt, _ = self._chat.prompt([Message(role="user", content="x")])
        opening = self._tokenizer.decode(prompt, skip_special_tokens=False)
        self._lead = before[len(opening) :] if before.startswith(opening) else ""

    @property
    def end(self) -> int:
        """Return the token that ends an answer."""
        return self._after[self._end - 1]

    def prompt(self, messages: Sequence[Message]) -> Ids:
        """Return the tokens up to where the answer begins: those that the engine sends when it asks."""
        return np.array(self._chat.prompt(messages)[0], dtype=np.int64)

    def answer(self, messages: Sequence[Message], prompt: Ids, text: str) -> Ids:
        """Return an answer's tokens, the end token last; white space around the text is dropped.

        They are the template's own where it renders the prompt the same way with an answer behind it. Where it does
        not, or where the text spells a special token, the text is encoded by itself, as the characters it is made of.
        """
        text, size = text.strip(), len(prompt)
        whole = self._chat.encode(self._chat.closed(messages, text))
        body = whole[size : len(whole) - len(self._after)]
        fits = whole[:size] == prompt.tolist() and whole[size + len(body) :] == self._after
        if not fits or self._special.intersection(body):
            body = self._tokenizer.encode(
                self._lead + text, add_special_tokens=False, split_special_tokens=True, verbose=False
            )
        return np.array([*body, *self._after[: self._end]], dtype=np.int64)


def tokenise(pairs: Iterable[PairText], renderer: Renderer, *, longest: int, budget: int) -> Tokenised:
    """Turn pairs into tokens.

    A pair is too long, and named, if a conversation has more than `longest` tokens (the model's positions) or all its
    tokens are more than `budget` (a row's). DataError naming the pair whose answer is empty.
    """
    kept, too_long = [], []
    prompts: dict[tuple[Message, ...], Ids] = {}
    for pair in pairs:
        for part, text in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            if text is not None and not text.strip():
                raise DataError(
                    f"the {part} answer of {pair.name} is empty", hint="leave the pair out, or ask for the answer again"
                )
        if pair.messages not in prompts:
            prompts[pair.messages] = renderer.prompt(pair.messages)
        prompt = prompts[pair.messages]
        triple = Triple(
            name=pair.name,
            prompt=prompt,
            chosen=renderer.answer(pair.messages, prompt, pair.chosen),
            rejected=None if pair.rejected is None else renderer.answer(pair.messages, prompt, pair.rejected),
        )
        if triple.longest > longest or triple.tokens > budget:
            too_long.append(pair.name)
        else:
            kept.append(triple)
    return Tokenised(triples=tuple(kept), too_long=tuple(too_long))
