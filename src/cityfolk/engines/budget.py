"""A budget: no request is sent that could spend more than is left, and what was sent is finished and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cityfolk.engines.base import Engine
from cityfolk.engines.prices import Price
from cityfolk.engines.wrapper import Wrapper
from cityfolk.errors import IncompleteError
from cityfolk.types import Reply, Request

_MARGIN = 1.05  # over the most tokens a character that a reply has reported


@dataclass(slots=True)
class Purse:
    """What may be spent, in US dollars and in tokens (None: no limit), and what has been; several engines may share it.

    `spent_usd` and `spent_tokens` begin at what earlier runs of a study paid.
    """

    usd: float | None = None
    tokens: int | None = None
    spent_usd: float = 0.0
    spent_tokens: int = 0
    reserved_usd: float = 0.0
    reserved_tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, usd: float, tokens: int) -> bool:
        """Set an amount aside if that much is left."""
        with self.lock:
            over_usd = self.usd is not None and self.spent_usd + self.reserved_usd + usd > self.usd + 1e-12
            over = self.tokens is not None and self.spent_tokens + self.reserved_tokens + tokens > self.tokens
            if over_usd or over:
                return False
            self.reserved_usd += usd
            self.reserved_tokens += tokens
            return True

    def settle(self, reserved: tuple[float, int], usd: float, tokens: int) -> None:
        """Give a reserve back and write down what was spent."""
        with self.lock:
            self.reserved_usd = max(self.reserved_usd - reserved[0], 0.0)
            self.reserved_tokens -= reserved[1]
            self.spent_usd += usd
            self.spent_tokens += tokens


class Budget(Wrapper):
    """Stops with IncompleteError (exit 6) before a purse is empty.

    Each request in flight holds a reserve: all its `max_tokens`, and a prompt of at most as many tokens a character as
    the worst reply so far plus 5% (one a byte while there is none). When the next one does not fit, what is in flight
    is awaited; if it then fits in what came back, it goes on with less at once.
    """

    def __init__(self, inner: Engine, purse: Purse, price: Price | None = None) -> None:
        super().__init__(inner)
        self.purse = purse
        self.price = price or Price()
        self._ratio: float | None = None

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer requests while the purse allows; raise IncompleteError where one is left that it does not allow."""
        source = iter(requests)
        held: list[Request] = []  # at most one: the request that did not fit
        flying: dict[str, tuple[Request, tuple[float, int]]] = {}

        def feed() -> Iterator[Request]:
            while True:
                request = held.pop() if held else next(source, None)
                if request is None:
                    return
                reserve = self._worst(request)
                if not self.purse.reserve(*reserve):
                    held.append(request)
                    return
                flying[request.key] = (request, reserve)
                yield request

        try:
            while True:
                answered = 0
                for key, reply in self.inner.generate(feed()):
                    answered += 1
                    request, reserve = flying.pop(key)
                    self._settle(request, reserve, reply)
                    yield key, reply
                if not held:
                    return
                if not answered:
                    raise self._empty()
        finally:
            for _, reserve in flying.values():
                self.purse.settle(reserve, 0.0, 0)

    def _worst(self, request: Request) -> tuple[float, int]:
        text = "".join(message.content for message in request.messages) + (request.schema or "")
        prompt = len(text.encode()) + 64 if self._ratio is None else round(len(text) * self._ratio) + 1
        answer = request.sampling.max_tokens if not request.choices else sum(len(c) for c in request.choices)
        return self.price.of(prompt, answer), prompt + answer

    def _settle(self, request: Request, reserve: tuple[float, int], reply: Reply) -> None:
        characters = sum(len(message.content) for message in request.messages) + len(request.schema or "")
        prompt, answer = reply.prompt_tokens, reply.completion_tokens
        if prompt:
            self._ratio = max(self._ratio or 0.0, _MARGIN * prompt / max(characters, 1))
        elif reply.finish != "error":  # a server that does not count: the reserve is what we must believe
            prompt, answer = reserve[1] - request.sampling.max_tokens, len(reply.text.encode())
        calls = 1 + reply.faults.count("stalled")  # a call that hung may have been paid for
        self.purse.settle(reserve, calls * self.price.of(prompt, answer), calls * (prompt + answer))

    def _empty(self) -> IncompleteError:
        purse = self.purse
        parts = []
        if purse.usd is not None:
            parts.append(f"${purse.spent_usd:,.4f} of ${purse.usd:,.4f}")
        if purse.tokens is not None:
            parts.append(f"{purse.spent_tokens:,} of {purse.tokens:,} tokens")
        return IncompleteError(
            f"stopped before the budget runs out: {' and '.join(parts)} spent, and the next call might need more",
            hint="what was answered is kept; the same command with a larger budget goes on",
        )
