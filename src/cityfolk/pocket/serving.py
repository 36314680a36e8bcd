"""Many requests at once: each takes a slot, every pass gives each slot a token, a finished reply frees its slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import CityfolkError, DataError
from cityfolk.pocket.arrays import Array, Weights
from cityfolk.pocket.constrain import Constrainer, Matcher, allowed, free_mask
from cityfolk.pocket.decoder import Decoder
from cityfolk.pocket.sampling import choose, log_softmax, uniforms
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.types import Finish, Reply, Request

_HEADS_KEPT = 8


@dataclass(slots=True)
class _Job:
    request: Request
    slot: int
    prompt: int
    limit: int
    matcher: Matcher | None
    draws: NDArray[np.float64]
    begun: float
    written: list[int] = field(default_factory=list)


class Server:
    """Answers requests with a model; the same request gets the same reply, whoever is answered beside it."""

    def __init__(self, weights: Weights, tokenizer: PocketTokenizer, model: str, *, slots: int = 32) -> None:
        self.tokenizer, self.model, self.slots = tokenizer, model, slots
        self._decoder = Decoder(weights, slots)
        self._positions = weights.positions
        self._constrainer = Constrainer(tokenizer)
        self._free = free_mask(tokenizer.size, [t for t in tokenizer.special if t != tokenizer.end])
        self._heads: dict[tuple[int, ...], tuple[Array, Array]] = {}

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Yield (key, reply) as each finishes; a request is taken only when a slot is free for it."""
        source, jobs = iter(requests), dict[int, _Job]()
        logits = np.zeros((self.slots, self.tokenizer.size), dtype=np.float32)
        more = True
        while more or jobs:
            while more and len(jobs) < self.slots:
                request = next(source, None)
                if request is None:
                    more = False
                    break
                slot = next(n for n in range(self.slots) if n not in jobs)
                done = self._admit(request, slot, jobs, logits)
                if done is not None:
                    yield request.key, done
            yield from self._advance(jobs, logits)

    def _admit(self, request: Request, slot: int, jobs: dict[int, _Job], logits: Array) -> Reply | None:
        """Compute a request's prompt in a slot; return the reply if there is nothing left to write."""
        begun = monotonic()
        try:
            head, rest = self.tokenizer.chat(request.messages)
            count = len(head) + len(rest)
            if count >= self._positions:
                raise DataError(f"the prompt has {count} tokens and the model reads {self._positions}")
            matcher = self._constrainer.matcher(request.schema) if request.schema is not None else None
            self._place_head(slot, head)
            last = self._decoder.prefill(slot, rest, len(head))[-1]
            if request.choices:
                return self._choose(request, slot, count, last, begun)
        except CityfolkError as problem:
            return Reply(text="", model=self.model, finish="error", error=str(problem), seconds=monotonic() - begun)
        logits[slot] = last
        limit = min(request.sampling.max_tokens, self._positions - count)
        jobs[slot] = _Job(request, slot, count, limit, matcher, uniforms(request.seed, limit), begun)
        return None

    def _place_head(self, slot: int, head: list[int]) -> None:
        """Put the keys and values of the leading system message in a slot, computed once for each message."""
        name = tuple(head)
        if name not in self._heads:
            self._decoder.prefill(slot, head)
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.pop(next(iter(self._heads)))
            self._heads[name] = self._decoder.save(slot, len(head))
        else:
            self._decoder.restore(slot, self._heads[name])

    def _choose(self, request: Request, slot: int, count: int, last: Array, begun: float) -> Reply:
        """Return a reply that is one of the choices, with the log-probability of each, normalized over them."""
        scores, written = [], 0
        for choice in request.choices:
            tokens = [*self.tokenizer.encode(choice), self.tokenizer.end]
            if count + len(tokens) > self._positions:
                raise DataError(f"the prompt and the choice {choice[:40]!r} exceed {self._positions} tokens")
            after = self._decoder.prefill(slot, tokens[:-1], count, wanted=len(tokens) - 1)
            steps = log_softmax(np.concatenate((last[None], after)))
            scores.append(float(steps[np.arange(len(tokens)), tokens].sum()))
            written += len(tokens)
        logprobs = log_softmax(np.array(scores, dtype=np.float64).astype(np.float32))
        sampling = request.sampling
        pick = choose(
            logprobs.astype(np.float32),
            np.ones(len(scores), dtype=bool),
            float(uniforms(request.seed, 1)[0]),
            sampling.temperature,
            sampling.top_p,
        )
        return Reply(
            text=request.choices[pick],
            model=self.model,
            prompt_tokens=count,
            completion_tokens=written,
            seconds=monotonic() - begun,
            logprobs=tuple(float(value) for value in logprobs),
        )

    def _advance(self, jobs: dict[int, _Job], logits: Array) -> Iterator[tuple[str, Reply]]:
        """Write one token in every busy slot, give back what is finished, and compute the next logits."""
        if not jobs:
            return
        masks = self._masks(jobs)
        for slot, job in list(jobs.items()):
            try:
                finish = self._write(job, logits[slot], masks[slot])
            except CityfolkError as problem:
                yield self._reply(jobs.pop(slot), "error", str(problem))
                continue
            if finish is not None:
                yield self._reply(jobs.pop(slot), finish)
        tokens = np.zeros(self.slots, dtype=np.intp)
        positions = np.zeros(self.slots, dtype=np.intp)
        for slot, job in jobs.items():
            tokens[slot], positions[slot] = job.written[-1], job.prompt + len(job.written) - 1
        if jobs:
            logits[:] = self._decoder.step(tokens, positions)

    def _masks(self, jobs: dict[int, _Job]) -> NDArray[np.bool_]:
        words = np.zeros((self.slots, self._constrainer.words), dtype=np.int32)
        for slot, job in jobs.items():
            if job.matcher is None:
                words[slot] = self._free
            else:
                job.matcher.mask_into(words[slot])
        return allowed(words, self.tokenizer.size)

    def _write(self, job: _Job, logits: Array, mask: NDArray[np.bool_]) -> Finish | None:
        """Choose a job's next token; return how the reply ended if it did."""
        sampling = job.request.sampling
        draw = float(job.draws[len(job.written)])
        token = choose(logits, mask, draw, sampling.temperature, sampling.top_p)
        job.written.append(token)
        ended = token == self.tokenizer.end
        if job.matcher is not None and not ended:
            ended = job.matcher.accept(token)
        if ended:
            return "stop"
        return "length" if len(job.written) >= job.limit else None

    def _reply(self, job: _Job, finish: Finish, error: str = "") -> tuple[str, Reply]:
        reply = Reply(
            text=self.tokenizer.decode(job.written),
            model=self.model,
            finish=finish,
            prompt_tokens=job.prompt,
            completion_tokens=len(job.written),
            seconds=monotonic() - job.begun,
            error=error,
        )
        return job.request.key, reply
