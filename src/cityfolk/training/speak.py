"""What the model says while it is trained: answers by its present weights, or by the model without its adapter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from cityfolk.engines.transformers import stops_of
from cityfolk.engines.transformers_chat import Chat
from cityfolk.engines.transformers_loop import Loop
from cityfolk.engines.transformers_slots import Slots
from cityfolk.errors import EngineError
from cityfolk.training.logprobs import prepare
from cityfolk.types import Message, Request, Sampling

TOGETHER = 16
MAX_TOKENS = 220
TEMPERATURE = 0.8


class Voice:
    """Writes answers with a model that is in training, and leaves it as it was."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str, way: str, seed: int) -> None:
        self.model, self.tokenizer, self.name, self.way, self.seed = model, tokenizer, name, way, seed

    def answers(self, asked: Sequence[Sequence[Message]], *, plain: bool = False) -> list[str]:
        """Return an answer to each conversation; "" where there is none. `plain` is without the adapter.

        What is drawn follows from the seed, the conversation and its place, so that answers before and after differ by
        the weights alone.
        """
        base = self.model.get_base_model()
        # Every call starts with empty caches: they hold what other weights have computed.
        loop = Loop(
            Slots(base, min(TOGETHER, max(1, len(asked)))),
            Chat(self.tokenizer, self.name, thinking="off"),
            _no_schema,
            stops=stops_of(base, self.tokenizer),
            model=self.name,
            adapter=lambda _: "",
            alone=frozenset,
        )
        requests = [
            Request(
                messages=tuple(messages),
                model=self.name,
                sampling=Sampling(temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=self.seed, sample=place),
            )
            for place, messages in enumerate(asked)
        ]
        training = self.model.training
        self.model.eval()
        base.set_attn_implementation("sdpa")
        try:
            with self.model.disable_adapter() if plain else nullcontext():
                replies = dict(loop.generate(requests))
        finally:
            prepare(self.model, way=self.way)
            self.model.train(training)
        return [replies[request.key].text.strip() for request in requests]


def _no_schema() -> NoReturn:
    raise EngineError("answers in training have no schema", hint="leave it out")
