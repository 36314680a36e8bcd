"""The engine that ships with the package: no key, no network, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_limits

from cityfolk.engines.given import Given
from cityfolk.engines.spec import parse_spec
from cityfolk.engines.trained_on import RECORD, refuse_other_weights
from cityfolk.engines.transformers_load import find_model
from cityfolk.errors import DataError, EngineError
from cityfolk.pocket.adapters import adapter_revision
from cityfolk.pocket.arrays import Weights, load_weights, revision, weights_folder
from cityfolk.pocket.decoder import Decoder
from cityfolk.pocket.sampling import log_softmax
from cityfolk.pocket.serving import Server
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.types import Message, Reply, Request

_ADAPTERS_KEPT = 8
_REINSTALL = "reinstall cityfolk, or give the folder of a model that scripts/train_pocket.py made"


class PocketEngine:
    """Answers with the embedded model; `rest` is [FOLDER][+ADAPTER].

    FOLDER holds weights other than the package's own. ADAPTER is the folder of a LoRA adapter in PEFT's layout; it
    answers every request that names none itself. `Request.adapter` names another by its folder. `slots` is how many
    requests are worked on at once (32 a core by default) and `workers` how many threads do it: neither changes a reply.
    """

    name = "pocket"
    scores_tokens = True  # a ScoredRequest is answered with a ScoredReply

    def __init__(self, rest: str = "", *, slots: int | None = None, workers: int | None = None) -> None:
        spec = parse_spec(rest, known=(), remote=False)
        self.folder = Path(spec.model) if spec.model else weights_folder()
        self.adapter = spec.adapter
        self._slots, self._workers = slots, workers
        self._merged: dict[str, Weights] = {}
        self._base: Weights | None = None
        self._lock = Lock()

    @cached_property
    def model(self) -> str:
        """The model and its revision: the first 12 hex digits of the SHA-256 of its weights (and of the adapter's)."""
        name = f"pocket-1@{revision(self.folder)}"
        if not self.adapter:
            return name
        try:
            self._refuse_other_weights(self.adapter)
            return f"{name}+{Path(self.adapter).name}@{adapter_revision(Path(self.adapter))}"
        except DataError as missing:
            raise EngineError(str(missing), hint=missing.hint) from missing

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """What the weights were trained to do, and can do nothing else: "lives", "questions", "answers"."""
        try:
            config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
            return tuple(config.get("cityfolk_tasks", ("lives",)))
        except (OSError, ValueError, AttributeError, TypeError) as damage:
            raise EngineError(f"the weights in {self.folder} cannot be read: {damage}", hint=_REINSTALL) from damage

    @cached_property
    def _server(self) -> Server:
        tokenizer = PocketTokenizer.load(self.folder)
        return Server(self._weights, tokenizer, self.model, slots=self._slots, workers=self._workers)

    def _weights(self, adapter: str) -> Weights:
        """Return the weights with an adapter merged in; each is merged once while it is in use."""
        name = adapter or self.adapter
        with self._lock:
            if name not in self._merged:
                self._refuse_other_weights(name)
                merged = load_weights(self.folder, Path(name) if name else None)
                for old in list(self._merged)[: max(0, len(self._merged) - _ADAPTERS_KEPT + 1)]:
                    del self._merged[old]
                self._merged[name] = merged
            return self._merged[name]

    def _refuse_other_weights(self, adapter: str) -> None:
        if adapter and (Path(adapter) / RECORD).is_file():
            known = {revision(self.folder), find_model(str(self.folder)).revision}
            refuse_other_weights(Path(adapter), f"pocket-1@{revision(self.folder)}", known)

    def given(self, messages: Sequence[Message], text: str, base: bool = False) -> Given:
        """Return the probabilities of a text as the reply; `base` leaves the adapter in the engine's name out."""
        weights = self._weights("")
        if base and self.adapter:
            weights = self._base = self._base or load_weights(self.folder)
        tokenizer = PocketTokenizer.load(self.folder)
        head, rest = tokenizer.chat(messages)
        tokens = [*tokenizer.encode(text), tokenizer.end]
        prompt = [*head, *rest]
        if len(prompt) + len(tokens) > weights.positions:
            raise DataError("the text does not fit into what the model reads", hint="give a shorter text")
        with threadpool_limits(limits=1, user_api="blas"):
            logits = Decoder(weights, 1).prefill(0, [*prompt, *tokens[:-1]], wanted=len(tokens))
        return Given(tuple(tokens), log_softmax(logits).astype(np.float32))

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer requests as slots become free; a reply depends on its request alone."""
        try:
            self._weights("")
        except DataError as damage:
            raise EngineError(str(damage), hint=damage.hint) from damage
        # Each thread multiplies alone: products this small lose more to threads that wait for one another.
        with threadpool_limits(limits=1, user_api="blas"):
            yield from self._server.generate(requests)


def make(rest: str) -> PocketEngine:
    """Make the engine for the name "pocket", "pocket:FOLDER" or "pocket+ADAPTER"."""
    return PocketEngine(rest)
