"""Between a request and a Hugging Face tokenizer: chat templates and their quirks, thinking, schemas as token masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from cityfolk.errors import DataError, EngineError
from cityfolk.pocket.constrain import Matcher, allowed, compile_schema
from cityfolk.types import Message

OPEN, CLOSE = "<think>", "</think>"
# One space at most, where JSON allows white space: unbounded, a model can write blanks for ever.
_LAYOUT: Any = {"whitespace_flexible": True, "whitespace_pattern": " ?"}
_MARK = "cityfolk7"


class Chat:
    """Renders conversations with a model's own template, and reads what it wrote."""

    def __init__(self, tokenizer: Any, name: str, *, thinking: str = "") -> None:
        if not tokenizer.chat_template:
            raise EngineError(
                f"{name} has no chat template: it is a base model", hint="use the model's Instruct or Chat version"
            )
        self._tokenizer, self._thinking = tokenizer, thinking
        template = str(tokenizer.chat_template)
        known = tokenizer.get_vocab()
        self.open, self.close = known.get(OPEN), known.get(CLOSE)
        self.thinks = thinking != "off" and ("enable_thinking" in template or OPEN in template)
        self._folds = not self._takes_system()

    def prompt(self, messages: Sequence[Message], *, thinking: bool = True) -> tuple[list[int], bool]:
        """Return (tokens up to where the reply begins, whether it begins inside a thought)."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        if self._folds:
            turns = _folded(turns)
        text = self._render(turns, thinking=thinking)
        opened = text.rstrip().endswith(OPEN)
        if opened and not (thinking and self._thinking != "off"):
            text, opened = f"{text.rstrip()}\n\n{CLOSE}\n\n", False  # a template that always opens a thought
        ids = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return [int(token) for token in ids], opened

    def closed(self, messages: Sequence[Message], answer: str) -> str:
        """Return the text of a conversation that ends with an answer, thinking switched off, as the template has it."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        turns = _folded(turns) if self._folds else turns
        return self._render([*turns, {"role": "assistant", "content": answer}], thinking=False, begin=False)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of plain text."""
        return [int(token) for token in self._tokenizer.encode(text, add_special_tokens=False, verbose=False)]

    def read(self, ids: Sequence[int], *, inside: bool) -> tuple[str, str]:
        """Return (answer, thought) of a reply; `inside` says that the prompt had opened the thought already."""
        text = str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        if not self.thinks and not text.lstrip().startswith(OPEN):
            return text, ""
        if not inside and not text.lstrip().startswith(OPEN):
            return text, ""
        thought, closed, answer = text.lstrip().removeprefix(OPEN).partition(CLOSE)
        return (answer.lstrip() if closed else ""), thought.strip()

    def _render(self, turns: list[dict[str, str]], *, thinking: bool, begin: bool = True) -> str:
        off = self._thinking == "off" or not thinking
        # Templates that do not know these words ignore them: Qwen's is enable_thinking, DeepSeek's is thinking.
        how: dict[str, Any] = {"enable_thinking": False, "thinking": False} if off else {}
        if self._thinking == "on" and not off:
            how = {"enable_thinking": True, "thinking": True}
        try:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=begin, **how))
        except Exception as problem:  # templates raise whatever their authors chose
            raise DataError(
                f"the model's chat template refuses this conversation: {problem}",
                hint="user and assistant turns alternate, beginning with the user",
            ) from problem

    def _takes_system(self) -> bool:
        turns = [{"role": "system", "content": _MARK}, {"role": "user", "content": "x"}]
        try:
            return _MARK in self._render(turns, thinking=True)
        except DataError:
            return False


def _folded(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put system text in front of the first user turn, for templates without a system role."""
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [turn for turn in turns if turn["role"] != "system"]
    if not system:
        return rest
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system}, *rest]
    return [{"role": "user", "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]


class Grammar:
    """Compiles schemas to token masks for one tokenizer, each once."""

    def __init__(self, tokenizer: Any, size: int, stops: Sequence[int]) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EngineError(
                "the model has no fast tokenizer, so replies cannot be bound to a schema",
                hint="use a model folder with tokenizer.json",
            )
        self.size, self.words = size, (size + 31) // 32
        self._tokenizer = LLTokenizer(_plain(backend), n_vocab=size, eos_token=list(stops))
        self._compiled: dict[str, LLMatcher] = {}

    def matcher(self, schema: str) -> Matcher:
        """Return a fresh matcher for a JSON schema; DataError when llguidance can't compile it."""
        if schema not in self._compiled:
            self._compiled[schema] = compile_schema(self._tokenizer, schema, _LAYOUT)
        return Matcher(self._compiled[schema].deep_copy())

    def masks(self, bound: Sequence[Matcher | None]) -> NDArray[np.bool_] | None:
        """Return the tokens allowed for each row, (rows, vocabulary); None where no row is bound."""
        if all(row is None for row in bound):
            return None
        words = np.full((len(bound), self.words), -1, dtype=np.int32)
        for row, one in zip(words, bound, strict=True):
            if one is not None:
                one.mask_into(row)
        return allowed(words, self.size)


def _plain(backend: Any) -> str:
    """Return the text of a tokenizer without padding and truncation, which would cut what is compared."""
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(backend.to_str())
    copy.no_padding()
    copy.no_truncation()
    return str(copy.to_str())
