"""Continuous batching: rows join and leave between tokens; what prompts share is computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cityfolk.engines.given import Given
from cityfolk.engines.transformers_chat import Chat, Grammar
from cityfolk.engines.transformers_slots import Piece, Slots
from cityfolk.errors import CityfolkError, DataError
from cityfolk.pocket.constrain import Matcher
from cityfolk.rng import child
from cityfolk.types import Finish, Message, Reply, Request

CHUNK = 2048  # tokens of one prompt in a pass
BUDGET = 8192  # tokens of several prompts in a pass, padding included
WORTH_COPYING = 16  # tokens
FORCED = 8  # tokens that a schema leaves no choice in, fed in one pass


@dataclass(slots=True, kw_only=True)
class _Row:
    request: Request
    adapter: str
    prompt: NDArray[np.int64]
    limit: int
    begun: float
    inside: bool = False  # the prompt opened a thought
    bound: Matcher | None = None
    thinking: bool = False  # no mask until the thought is closed
    may_think: bool = False  # the first token may open a thought
    branches: tuple[tuple[int, ...], ...] = ()
    draws: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    slot: int = 0
    written: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)  # written and not computed yet
    drawn: int = 0


class Loop:
    """Answers requests with a model; a reply depends on its request, and on its company only by rounding."""

    def __init__(
        self,
        slots: Slots,
        chat: Chat,
        grammar: Callable[[], Grammar],
        *,
        stops: Sequence[int],
        model: str,
        adapter: Callable[[str], str],
        alone: Callable[[], frozenset[str]],
        forced: int = FORCED,
    ) -> None:
        self.slots, self.chat, self.grammar, self.model = slots, chat, grammar, model
        self.stops, self.adapter, self.alone, self.forced = frozenset(stops), adapter, alone, forced
        self._rows: list[_Row] = []  # row n has slot n
        self._held: list[tuple[str, NDArray[np.int64]]] = [("", np.zeros(0, dtype=np.int64))] * slots.count
        self._logits: Tensor | None = None

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Yield (key, reply) as each finishes; a request is taken only when a slot is free for it.

        A source with a method `ready` (see `engines.feed`) is not waited for while there is work in hand.
        """
        source, more = iter(requests), True
        ready = getattr(requests, "ready", None)
        self._rows.clear()
        while more or self._rows:
            taken: list[Request] = []
            while more and len(self._rows) + len(taken) < self.slots.count:
                if (self._rows or taken) and ready is not None and not ready():
                    break
                request = next(source, None)
                if request is None:
                    more = False
                else:
                    taken.append(request)
            fresh = []
            for request in taken:
                begun = monotonic()
                try:
                    fresh.append(self._prepare(request, begun))
                except CityfolkError as problem:
                    yield request.key, self._error(problem, begun)
            yield from self._admit(fresh)
            yield from self._advance()

    def given(self, messages: Sequence[Message], text: str, adapter: str) -> Given:
        """Return the probabilities of a text as the reply to messages, its end left out; for a loop that is idle."""
        prompt, _ = self.chat.prompt(messages, thinking=False)
        tokens = self.chat.encode(text)
        if not tokens or len(prompt) + len(tokens) >= self.slots.positions:
            raise DataError("the text does not fit into what the model reads", hint="give a text of another length")
        self._held[0] = ("", np.zeros(0, dtype=np.int64))
        logits = self.slots.feed([Piece(0, 0, prompt, (tokens,))], [self.adapter(adapter)])[0]
        steps = torch.log_softmax(logits[-1 - len(tokens) : -1], dim=-1)
        return Given(tuple(tokens), steps.cpu().numpy())

    def _error(self, problem: Exception, begun: float) -> Reply:
        hint = getattr(problem, "hint", "")
        text = f"{problem} ({hint})" if hint else str(problem)
        return Reply(text="", model=self.model, finish="error", error=text, seconds=monotonic() - begun)

    def _prepare(self, request: Request, begun: float) -> _Row:
        """Turn a request into a row; DataError where the model cannot answer it."""
        chat = self.chat
        split = chat.thinks and chat.open is not None and chat.close is not None
        think = not request.choices and (request.schema is None or split)
        tokens, inside = chat.prompt(request.messages, thinking=think)
        branches = tuple(tuple(chat.encode(choice)) for choice in request.choices)
        longest = len(tokens) + sum(map(len, branches))
        if longest >= self.slots.positions:
            raise DataError(f"the prompt has {longest} tokens and the model reads {self.slots.positions}")
        if not all(branches):
            raise DataError("a choice is empty", hint="every choice needs text")
        limit = min(request.sampling.max_tokens, self.slots.positions - len(tokens))
        bound = self.grammar().matcher(request.schema) if request.schema is not None else None
        return _Row(
            request=request,
            adapter=self.adapter(request.adapter),
            prompt=np.array(tokens, dtype=np.int64),
            limit=limit,
            begun=begun,
            inside=inside,
            bound=bound,
            thinking=inside and bound is not None,
            may_think=bound is not None and split and not inside,
            branches=branches,
            draws=child(request.seed, "tokens").random(1 if branches else limit),
        )

    def _admit(self, fresh: list[_Row]) -> Iterator[tuple[str, Reply]]:
        """Compute prompts in free slots: those of rows to write after the busy ones, those to score behind them."""
        fresh.sort(key=lambda row: (bool(row.branches), row.adapter))
        for slot, row in enumerate(fresh, len(self._rows)):
            row.slot = slot
        for _, same in groupby(fresh, key=lambda row: (bool(row.branches), row.adapter)):
            rows = list(same)
            if len(rows) > 1:
                # The first of rows that share a head goes first, so that the others copy it.
                shared = _shared(rows[0].prompt, rows[1].prompt)
                if shared >= self._best(rows[0])[1] + WORTH_COPYING:
                    yield from self._start(rows[:1])
                    rows = rows[1:]
            yield from self._start(rows)

    def _start(self, rows: list[_Row]) -> Iterator[tuple[str, Reply]]:
        ready: list[tuple[_Row, Piece]] = []
        for row in rows:
            start, count = self._reuse(row), len(row.prompt)
            while count - start > CHUNK:
                self.slots.feed([Piece(row.slot, start, row.prompt[start : start + CHUNK].tolist())], [row.adapter])
                start += CHUNK
            ready.append((row, Piece(row.slot, start, row.prompt[start:].tolist(), row.branches)))
        while ready:
            count = _fitting([feed for _, feed in ready])
            batch, ready = ready[:count], ready[count:]
            logits = self.slots.feed([feed for _, feed in batch], [row.adapter for row, _ in batch])
            for place, (row, _) in enumerate(batch):
                self._held[row.slot] = (row.adapter, row.prompt)
                if row.branches:
                    yield row.request.key, self._chosen(row, logits[place])
                else:
                    self._keep(row.slot, logits[place, -1])
                    self._rows.append(row)

    def _keep(self, slot: int, logits: Tensor) -> None:
        if self._logits is None:
            self._logits = logits.new_zeros((self.slots.count, logits.shape[-1]))
        self._logits[slot] = logits

    def _best(self, row: _Row) -> tuple[int, int]:
        """Return the slot whose prompt begins most like a row's, and how many tokens they share."""
        best = (row.slot, 0)
        for slot, (adapter, prompt) in enumerate(self._held):
            if adapter == row.adapter and len(prompt):
                shared = min(_shared(prompt, row.prompt), len(row.prompt) - 1)
                if shared > best[1] or (shared == best[1] and slot == row.slot):
                    best = (slot, shared)
        return best

    def _reuse(self, row: _Row) -> int:
        """Copy into a row's slot what another slot has of its prompt; return how many tokens that is."""
        donor, shared = self._best(row)
        if shared < WORTH_COPYING:
            shared = 0
        elif donor != row.slot:
            self.slots.copy(donor, row.slot, shared)
        self._held[row.slot] = (row.adapter, row.prompt[:shared])  # all that is there until the rest is fed
        return shared

    def _chosen(self, row: _Row, logits: Tensor) -> Reply:
        """Score every choice with its end and draw one."""
        steps = torch.log_softmax(logits.double(), dim=-1)[-1 - sum(map(len, row.branches)) :]
        stop = torch.tensor(sorted(self.stops), device=steps.device)
        scores, at = [], 1
        for branch in row.branches:
            path = torch.cat((steps[:1], steps[at : at + len(branch)]))
            ids = torch.tensor(branch, device=steps.device)
            ended = torch.logsumexp(path[-1, stop], dim=0)
            scores.append(path[:-1].gather(1, ids[:, None]).sum() + ended)
            at += len(branch)
        logprobs = torch.log_softmax(torch.stack(scores), dim=0)
        pick, _ = _draw(logprobs[None].float(), None, [row])
        return Reply(
            text=row.request.choices[pick[0]],
            model=self.model,
            prompt_tokens=len(row.prompt),
            completion_tokens=sum(map(len, row.branches)),
            seconds=monotonic() - row.begun,
            logprobs=tuple(logprobs.tolist()),
        )

    def _advance(self) -> Iterator[tuple[str, Reply]]:
        """Write one token in every row (and those its schema forces), give back what is finished, compute the next."""
        rows = self._rows
        if not rows or self._logits is None:
            return
        due = [row for row in rows if not row.pending]
        replies = self._write(due)
        for row, reply in replies:
            self._leave(row)
            yield row.request.key, reply
        if not rows:
            return
        alone = self.alone() & {row.adapter for row in rows}
        if alone and len({row.adapter for row in rows}) > 1:
            for name in sorted({row.adapter for row in rows}):
                self._feed([row for row in rows if row.adapter == name])
        else:
            self._feed(rows)

    def _feed(self, rows: list[_Row]) -> None:
        feeds = []
        for row in rows:
            count = len(row.prompt) + len(row.written) - len(row.pending)
            feeds.append(Piece(row.slot, count, row.pending[: max(1, self.forced)]))
            row.pending = row.pending[max(1, self.forced) :]
        logits = self.slots.feed(feeds, [row.adapter for row in rows])[:, -1]
        if self._logits is not None:
            self._logits[[row.slot for row in rows]] = logits

    def _write(self, due: list[_Row]) -> list[tuple[_Row, Reply]]:
        """Choose the next token of each row; return those that are finished with their replies."""
        if not due or self._logits is None:
            return []
        logits = self._logits[: len(self._rows)]
        if len(due) < len(self._rows):
            logits = logits[[row.slot for row in due]]
        tokens, sound = _draw(logits, self._masks(due), due)
        finished = []
        for row, token, finite in zip(due, tokens, sound, strict=True):
            row.drawn += 1
            if not finite:
                problem = DataError("the model's numbers overflow", hint="use dtype=bfloat16 or dtype=float32")
                finished.append((row, self._error(problem, row.begun)))
                continue
            try:
                finish = self._take(row, token)
            except CityfolkError as problem:
                finished.append((row, self._error(problem, row.begun)))
                continue
            if finish is not None:
                finished.append((row, self._reply(row, finish)))
        return finished

    def _masks(self, due: list[_Row]) -> Tensor | None:
        bound = [None if row.thinking else row.bound for row in due]
        if all(one is None for one in bound):
            return None
        masks = self.grammar().masks(bound)
        if masks is None:
            return None
        for mask, row in zip(masks, due, strict=True):
            if row.may_think and not row.written:
                mask[self.chat.open] = True
        return torch.from_numpy(masks).to(self.slots.device, non_blocking=True)

    def _take(self, row: _Row, token: int) -> Finish | None:
        """Add a token to a row; return how the reply ended if it did."""
        first = not row.written
        row.written.append(token)
        row.pending = [token]
        if token in self.stops:
            return "stop"
        if row.bound is not None:
            if row.thinking:
                row.thinking = token != self.chat.close
            elif first and row.may_think and token == self.chat.open:
                row.thinking = True
            elif row.bound.accept(token):
                return "stop"
            if self.forced and not row.thinking:
                for forced in row.bound.forced():
                    if len(row.written) >= row.limit:
                        return "length"
                    row.written.append(forced)
                    row.pending.append(forced)
                    if row.bound.accept(forced):
                        return "stop"
        return "length" if len(row.written) >= row.limit else None

    def _leave(self, row: _Row) -> None:
        """Free a row's slot; the last row moves there, so that the busy slots stay together."""
        last = self._rows.pop()
        if last is row:
            return
        count = len(last.prompt) + len(last.written)
        self.slots.copy(last.slot, row.slot, count)
        if self._logits is not None:
            self._logits[row.slot] = self._logits[last.slot]
        self._held[row.slot] = self._held[last.slot]
        self._rows[row.slot] = last
        last.slot = row.slot

    def _reply(self, row: _Row, finish: Finish) -> Reply:
        ids = row.written[:-1] if row.written[-1] in self.stops else row.written
        text, reasoning = self.chat.read(ids, inside=row.inside)
        return Reply(
            text=text,
            model=self.model,
            finish=finish,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.written),
            seconds=monotonic() - row.begun,
            reasoning=reasoning,
        )


def _shared(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    """Return how many tokens two prompts have in common from the start."""
    count = min(len(first), len(second))
    differ = first[:count] != second[:count]
    return int(differ.argmax()) if differ.any() else count


def _fitting(feeds: list[Piece]) -> int:
    """Return how many of the first feeds go into one pass."""
    longest = 0
    for count, feed in enumerate(feeds):
        longest = max(longest, len(feed.tokens) + sum(map(len, feed.branches)))
        if count and longest * (count + 1) > BUDGET:
            return count
    return len(feeds)


def _draw(logits: Tensor, mask: Tensor | None, rows: Sequence[_Row]) -> tuple[list[int], list[bool]]:
    """Return one token a row, by the row's own temperature, top_p and draw, and whether its logit is finite."""
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    tokens = logits.argmax(-1)
    knobs = [row.request.sampling for row in rows]
    if any(knob.temperature for knob in knobs):
        exact: Any = torch.float32 if logits.device.type == "mps" else torch.float64
        heat = torch.tensor([knob.temperature or 1.0 for knob in knobs], dtype=exact, device=logits.device)
        drawn = torch.tensor([row.draws[row.drawn] for row in rows], dtype=exact, device=logits.device)
        chances = torch.softmax(logits.to(exact) / heat[:, None], dim=-1)
        picked = _inverse(chances, [knob.top_p for knob in knobs], drawn)
        greedy = torch.tensor([knob.temperature == 0 for knob in knobs], device=logits.device)
        tokens = torch.where(greedy, tokens, picked)
    finite = logits.gather(1, tokens[:, None])[:, 0].isfinite()
    both = torch.stack((tokens, finite.long())).tolist()
    return both[0], [bool(one) for one in both[1]]


def _inverse(chances: Tensor, top_p: Sequence[float], drawn: Tensor) -> Tensor:
    """Return the token at which the cumulated probability passes each row's draw, of the likeliest top_p."""
    order = None
    if min(top_p) < 1:
        chances, order = chances.sort(dim=-1, descending=True, stable=True)
        keep = torch.tensor(top_p, dtype=chances.dtype, device=chances.device)[:, None]
        chances = chances * (chances.cumsum(-1) - chances < keep)
    total = chances.cumsum(-1)
    picked = torch.searchsorted(total, drawn[:, None] * total[:, -1:], right=True).clamp(max=chances.shape[-1] - 1)
    return (picked if order is None else order.gather(1, picked))[:, 0]
