"""The engine that runs Hugging Face models in process, with LoRA adapters: hf:REPO_OR_FOLDER[+ADAPTER][?OPTIONS].

It needs the extra `local`. torch and transformers are imported when the first request comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from cityfolk.engines.given import Given
from cityfolk.engines.spec import Spec, parse_spec
from cityfolk.engines.trained_on import refuse_other_weights
from cityfolk.engines.transformers_load import (
    Place,
    choose_device,
    find_adapter,
    find_model,
    load_adapter,
    load_model,
    mixes,
    out_of_memory,
    require,
)
from cityfolk.errors import EngineError, UsageError
from cityfolk.types import Message, Reply, Request

if TYPE_CHECKING:
    from cityfolk.engines.transformers_loop import Loop

OPTIONS = ("batch", "device", "dtype", "thinking")
DTYPES = ("auto", "bfloat16", "float16", "float32")
BASE = "base"
"""The adapter of a request that wants the model without the adapter in the engine's name."""
BATCH = 16


class TransformersEngine:
    """Answers with a Hugging Face model in this process, up to `batch` requests at once.

    `model` is NAME@REVISION[+ADAPTER@REVISION][?OPTIONS]; revisions are commits of the hub, or hashes of what a folder
    holds. A request's `adapter` is "" for the one in the engine's name (none: the base model), "base" for the base
    model, or what `adapter()` returned.
    """

    name = "hf"

    def __init__(self, spec: Spec) -> None:
        if not spec.model:
            raise UsageError("no model is named", hint="hf:FOLDER or hf:OWNER/NAME, such as hf:Qwen/Qwen3-8B")
        self.spec = spec
        self.dtype = spec.word("dtype", DTYPES, "auto")
        self.thinking = spec.word("thinking", ("on", "off"))
        self.device = spec.options.get("device", "auto")
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (number and not number.isdigit()):
            raise UsageError(f"the option device cannot be {self.device!r}", hint="auto, cpu, cuda, cuda:1 or mps")
        self.batch = spec.integer("batch", BATCH)
        self._adapters: dict[str, Place] = {}  # by NAME@REVISION
        self._alone: frozenset[str] = frozenset()
        self._ready: dict[str, str] = {}  # adapters in memory: NAME@REVISION -> PEFT's name
        require(adapters=bool(spec.adapter))

    @cached_property
    def place(self) -> Place:
        """Where the model is; EngineError if it is nowhere."""
        return find_model(self.spec.model)

    @cached_property
    def _default(self) -> str:
        return self.adapter(self.spec.adapter) if self.spec.adapter else BASE

    @cached_property
    def model(self) -> str:
        """Model, adapter in the engine's name, their revisions, and the options that determine a reply."""
        adapter = f"+{self._default}" if self._default != BASE else ""
        return Spec(model=f"{self.place}{adapter}", options=self.spec.options).identity("dtype", "thinking")

    def adapter(self, where: str) -> str:
        """Make an adapter (a folder or a repository) known; return its NAME@REVISION, to be a request's `adapter`.

        EngineError where there is none, or where it was trained on other weights.
        """
        require(adapters=True)
        place = find_adapter(where)
        if place.folder is not None:
            refuse_other_weights(place.folder, str(self.place), {self.place.revision}, commit=self.place.folder is None)
        self._adapters[str(place)] = place
        return str(place)

    @cached_property
    def _loop(self) -> Loop:
        from cityfolk.engines.transformers_chat import Chat, Grammar
        from cityfolk.engines.transformers_loop import Loop
        from cityfolk.engines.transformers_slots import Slots

        device = choose_device(self.device)
        model, tokenizer = load_model(self.place, dtype=self.dtype, device=device)
        slots = Slots(model, self.batch)
        slots.check()
        stops = stops_of(model, tokenizer)
        grammars: list[Grammar] = []

        def grammar() -> Grammar:
            if not grammars:
                grammars.append(Grammar(tokenizer, model.get_output_embeddings().weight.shape[0], stops))
            return grammars[0]

        return Loop(
            slots,
            Chat(tokenizer, self.place.name, thinking=self.thinking),
            grammar,
            stops=stops,
            model=self.model,
            adapter=self._use,
            alone=lambda: self._alone,
        )

    def _use(self, adapter: str) -> str:
        """Return PEFT's name of a request's adapter, loaded; "" for the base model."""
        wanted = adapter or self._default
        if wanted == BASE:
            return ""
        if wanted not in self._ready:
            place = self._adapters.get(wanted)
            if place is None:
                raise EngineError(
                    f"the adapter {wanted!r} was not made known to the engine",
                    hint="pass what engine.adapter(FOLDER) returns",
                )
            name = f"a{len(self._ready)}"
            slots = self._loop.slots
            slots.adapted(load_adapter(slots.model, place, name))
            self._ready[wanted] = name
            if not mixes(place):
                self._alone |= {name}
        return self._ready[wanted]

    def given(self, messages: Sequence[Message], text: str, base: bool = False) -> Given:
        """Return the probabilities of a text as the reply; `base` leaves the adapter in the engine's name out."""
        return self._loop.given(messages, text, BASE if base else "")

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer requests as slots become free; EngineError where the model cannot be loaded or memory runs out."""
        try:
            yield from self._loop.generate(requests)
        except RuntimeError as problem:
            if not out_of_memory(problem):
                raise
            raise EngineError(
                f"memory ran out with {self.batch} requests at once",
                hint=f"use batch={max(1, self.batch // 2)}, or dtype=bfloat16",
            ) from problem


def stops_of(model: object, tokenizer: object) -> list[int]:
    """Return every token that ends a reply: those of generation_config, config and tokenizer."""
    found: set[int] = set()
    for holder in (getattr(model, "generation_config", None), getattr(model, "config", None), tokenizer):
        ids = getattr(holder, "eos_token_id", None)
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    if not found:
        raise EngineError("the model names no token that ends a reply", hint="set eos_token_id in its config.json")
    return sorted(int(token) for token in found)


def make(rest: str) -> TransformersEngine:
    """Make the engine for "hf:REPO_OR_FOLDER[+ADAPTER][?OPTIONS]"."""
    return TransformersEngine(parse_spec(rest, known=OPTIONS, remote=False))
