"""One thread's share of the work: each request takes a slot, every pass gives each slot a token, a finished reply
frees its slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from cityfolk.types import Finish, Reply, Request, ScoredReply, ScoredRequest, TokenScore

_HEADS_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What every batch of a server shares: the tokenizer, compiled schemas, and the weights for an adapter's name."""

    name: str
    tokenizer: PocketTokenizer
    constrainer: Constrainer
    weights: Callable[[str], Weights]


@dataclass(slots=True)
class _Job:
    request: Request
    slot: int
    prompt: int
    limit: int
    matcher: Matcher | None
    draws: NDArray[np.float64]
    begun: float
    weights: Weights
    written: list[int] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)


class Batch:
    """Up to `slots` conversations at once; the same request gets the same reply, whoever is answered beside it."""

    def __init__(self, model: Model, slots: int) -> None:
        self.model, self.slots = model, slots
        self.jobs: dict[int, _Job] = {}
        self._decoder = Decoder(model.weights(""), slots)
        self._positions = self._decoder.weights.positions
        tokenizer = model.tokenizer
        self._free = free_mask(tokenizer.size, [t for t in tokenizer.special if t != tokenizer.end])
        self._logits = np.zeros((slots, tokenizer.size), dtype=np.float32)
        self._heads: dict[tuple[str, tuple[int, ...]], tuple[Array, Array]] = {}

    @property
    def room(self) -> int:
        """How many more requests may be admitted now."""
        return self.slots - len(self.jobs)

    def admit(self, request: Request) -> Reply | None:
        """Compute a request's prompt in a free slot; return the reply if there is nothing left to write."""
        begun = monotonic()
        slot = next(n for n in range(self.slots) if n not in self.jobs)
        try:
            weights = self.model.weights(request.adapter)
            head, rest = self.model.tokenizer.chat(request.messages)
            count = len(head) + len(rest)
            if count >= self._positions:
                raise DataError(f"the prompt has {count} tokens and the model reads {self._positions}")
            matcher = self.model.constrainer.matcher(request.schema) if request.schema is not None else None
            self._place_head(slot, head, weights)
            last = self._decoder.prefill(slot, rest, len(head), weights=weights)[-1]
            if request.choices:
                return self._choose(request, slot, count, last, begun, weights)
        except CityfolkError as problem:
            return Reply(
                text="", model=self.model.name, finish="error", error=str(problem), seconds=monotonic() - begun
            )
        self._logits[slot] = last
        limit = min(request.sampling.max_tokens, self._positions - count)
        draws = uniforms(request.seed, limit)
        self.jobs[slot] = _Job(request, slot, count, limit, matcher, draws, begun, weights)
        return None

    def advance(self) -> Iterator[tuple[str, Reply]]:
        """Write one token in every busy slot, give back what is finished, and compute the next logits."""
        jobs = self.jobs
        masks = self._masks()
        for slot, job in list(jobs.items()):
            try:
                finish = self._write(job, self._logits[slot], masks[slot])
            except CityfolkError as problem:
                yield self._reply(jobs.pop(slot), "error", str(problem))
                continue
            if finish is not None:
                yield self._reply(jobs.pop(slot), finish)
        groups: dict[str, list[_Job]] = {}
        for job in jobs.values():
            groups.setdefault(job.weights.revision, []).append(job)
        for group in groups.values():
            slots = np.array([job.slot for job in group], dtype=np.intp)
            tokens = np.array([job.written[-1] for job in group], dtype=np.intp)
            places = np.array([job.prompt + len(job.written) - 1 for job in group], dtype=np.intp)
            self._logits[slots] = self._decoder.step(tokens, places, slots, group[0].weights)

    def _place_head(self, slot: int, head: list[int], weights: Weights) -> None:
        """Put the keys and values of the leading system message in a slot, computed once for each message."""
        name = (weights.revision, tuple(head))
        if name not in self._heads:
            self._decoder.prefill(slot, head, weights=weights)
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.pop(next(iter(self._heads)))
            self._heads[name] = self._decoder.save(slot, len(head))
        else:
            self._decoder.restore(slot, self._heads[name])

    def _choose(self, request: Request, slot: int, count: int, last: Array, begun: float, weights: Weights) -> Reply:
        """Return a reply that is one of the choices, with the log-probability of each, normalized over them."""
        scores, written = [], 0
        for choice in request.choices:
            tokens = [*self.model.tokenizer.encode(choice), self.model.tokenizer.end]
            if count + len(tokens) > self._positions:
                raise DataError(f"the prompt and the choice {choice[:40]!r} exceed {self._positions} tokens")
            after = self._decoder.prefill(slot, tokens[:-1], count, len(tokens) - 1, weights)
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
            model=self.model.name,
            prompt_tokens=count,
            completion_tokens=written,
            seconds=monotonic() - begun,
            logprobs=tuple(float(value) for value in logprobs),
        )

    def _masks(self) -> NDArray[np.bool_]:
        words = np.zeros((self.slots, self.model.constrainer.words), dtype=np.int32)
        for slot, job in self.jobs.items():
            if job.matcher is None:
                words[slot] = self._free
            else:
                job.matcher.mask_into(words[slot])
        return allowed(words, self.model.tokenizer.size)

    def _write(self, job: _Job, logits: Array, mask: NDArray[np.bool_]) -> Finish | None:
        """Choose a job's next token; return how the reply ended if it did."""
        sampling = job.request.sampling
        draw = float(job.draws[len(job.written)])
        token = choose(logits, mask, draw, sampling.temperature, sampling.top_p)
        ended = token == self.model.tokenizer.end
        if isinstance(job.request, ScoredRequest) and not ended:
            job.scores.append(self._score(logits, mask, token, job.request.top))
        job.written.append(token)
        if job.matcher is not None and not ended:
            ended = job.matcher.accept(token)
        if ended:
            return "stop"
        return "length" if len(job.written) >= job.limit else None

    def _score(self, logits: Array, mask: NDArray[np.bool_], token: int, top: int) -> TokenScore:
        """Return a token's probability among those allowed in its place, at temperature 1."""
        options = np.flatnonzero(mask)
        values = log_softmax(logits[options])
        likeliest = np.argsort(-values, kind="stable")[:top]
        spell = self.model.constrainer.spell
        return TokenScore(
            token=spell(token),
            logprob=float(values[int(np.searchsorted(options, token))]),
            top=tuple((spell(int(options[n])), float(values[n])) for n in likeliest),
        )

    def _reply(self, job: _Job, finish: Finish, error: str = "") -> tuple[str, Reply]:
        reply = Reply(
            text=self.model.tokenizer.decode(job.written),
            model=self.model.name,
            finish=finish,
            prompt_tokens=job.prompt,
            completion_tokens=len(job.written),
            seconds=monotonic() - job.begun,
            error=error,
        )
        if isinstance(job.request, ScoredRequest):
            reply = ScoredReply(**{f: getattr(reply, f) for f in Reply.__slots__}, scores=tuple(job.scores))
        return job.request.key, reply
