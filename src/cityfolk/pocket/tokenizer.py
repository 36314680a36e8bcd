"""Text to token numbers and back, and the chat format: nothing a user writes becomes a special token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from cityfolk.errors import EngineError
from cityfolk.types import Message

BOS, END = "<|bos|>", "<|end|>"
ROLES = ("system", "user", "assistant")


class PocketTokenizer:
    """The tokenizer that was trained with the model; `text` is its tokenizer.json."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokenizer = Tokenizer.from_str(text)
        self._tokenizer.encode_special_tokens = True
        self.size: int = self._tokenizer.get_vocab_size()
        self.end = self._special(END)
        self.bos = self._special(BOS)
        self._roles = {role: self._special(f"<|{role}|>") for role in ROLES}
        self.special = (self.bos, self.end, *self._roles.values())

    @classmethod
    def load(cls, folder: Path) -> PocketTokenizer:
        """Read tokenizer.json from a folder of weights."""
        return cls((folder / "tokenizer.json").read_text(encoding="utf-8"))

    def _special(self, name: str) -> int:
        number = self._tokenizer.token_to_id(name)
        if number is None:
            raise EngineError(f"the tokenizer has no token {name}", hint="export the model again")
        return int(number)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of plain text; special tokens in it are read as the characters they are made of."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special ones; bytes that are no UTF-8 become the replacement mark."""
        return str(self._tokenizer.decode([i for i in ids if i not in self.special], skip_special_tokens=False))

    def chat(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """Return (tokens of the leading system message, tokens of the rest up to where the reply begins).

        The first part is the same for all requests that share a system message, so it is computed once.
        """
        turns = [[self._roles[m.role], *self.encode(m.content), self.end] for m in messages]
        lead = 1 if messages and messages[0].role == "system" else 0
        head = [self.bos, *(token for turn in turns[:lead] for token in turn)]
        return head, [*(token for turn in turns[lead:] for token in turn), self._roles["assistant"]]
