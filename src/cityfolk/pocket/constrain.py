"""What may come next: JSON schemas turned into token masks by llguidance."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.pocket.tokenizer import PocketTokenizer

_COMPACT: Any = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


class Matcher:
    """One reply on its way through a schema."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def mask_into(self, words: NDArray[np.int32]) -> None:
        """Write the tokens allowed now as bits, 32 to a word."""
        self._matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)

    def accept(self, token: int) -> bool:
        """Take a token; return True when the reply is complete. DataError when the schema can't go on."""
        if not self._matcher.consume_token(token):
            raise DataError(
                f"the schema cannot be followed: {self._matcher.get_error()}", hint="simplify the JSON schema"
            )
        return bool(self._matcher.is_stopped())

    def forced(self) -> list[int]:
        """Return the tokens that must come next, none where the model has a choice."""
        return list(self._matcher.compute_ff_tokens())


class Constrainer:
    """Compiles schemas for one tokenizer, each once."""

    def __init__(self, tokenizer: PocketTokenizer) -> None:
        self._tokenizer = LLTokenizer(tokenizer.text, eos_token=tokenizer.end)
        self.words = (tokenizer.size + 31) // 32
        self._compiled: dict[str, LLMatcher] = {}
        self._lock = Lock()

    def spell(self, token: int) -> bytes:
        """Return the bytes of a token."""
        return bytes(self._tokenizer.decode_bytes([token]))

    def matcher(self, schema: str) -> Matcher:
        """Return a fresh matcher for a JSON schema; DataError when llguidance can't compile it."""
        with self._lock:
            return Matcher(self._compile(schema).deep_copy())

    def _compile(self, schema: str) -> LLMatcher:
        if schema not in self._compiled:
            self._compiled[schema] = compile_schema(self._tokenizer, schema, _COMPACT)
        return self._compiled[schema]


def compile_schema(tokenizer: LLTokenizer, schema: str, layout: Any) -> LLMatcher:
    """Compile a JSON schema for a tokenizer; `layout` says where white space may stand. DataError when it can't be."""
    try:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=layout)
    except ValueError as problem:
        raise DataError(f"the schema is no JSON: {problem}", hint="pass a JSON schema as text") from problem
    compiled = LLMatcher(tokenizer, grammar)
    if compiled.is_error():
        raise DataError(
            f"the schema cannot be compiled: {compiled.get_error().splitlines()[0]}",
            hint="use objects, arrays, strings, integers and enums",
        )
    return compiled


def allowed(words: NDArray[np.int32], size: int) -> NDArray[np.bool_]:
    """Return bit masks (rows, words) as booleans (rows, size)."""
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits[:, :size].astype(bool)


def free_mask(size: int, forbidden: Sequence[int]) -> NDArray[np.int32]:
    """Return the bit mask of text without a schema: every token but the forbidden ones."""
    bits = np.ones((1, (size + 31) // 32 * 32), dtype=np.uint8)
    bits[0, list(forbidden)] = 0
    words: NDArray[np.int32] = np.packbits(bits, axis=1, bitorder="little").view(np.int32)[0]
    return words
