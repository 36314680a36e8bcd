"""A language model as a judge: scores only, put to it in several orders, every reply in the journal first.

Two ways. "expected": a request a trait, whose choices are the digits 1 to 9; the score is the expected value over their
probabilities, which tells 6.4 from 6.6 where a single digit does not. "schema": one request for five whole numbers from
0 to 100 as JSON, for engines that report no probabilities. "auto" puts the first request the first way and looks
whether probabilities came back. Raw scores are places on the judge's own scale, 0 to 1, whichever end was shown first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from cityfolk.engines.ask import ATTEMPTS, Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.engines.wire import chosen, unfenced
from cityfolk.errors import UsageError
from cityfolk.preferences.judging.base import Item
from cityfolk.preferences.judging.family import family
from cityfolk.preferences.judging.prompts import (
    CHOICES,
    HIGHEST,
    INSTRUMENTS,
    LOWEST,
    MOST_ORDERS,
    TOP,
    Order,
    Way,
    judge_messages,
    judge_prompt_hash,
    scores_schema,
)
from cityfolk.study.journal import Journal
from cityfolk.types import Failure, Reading, Reply, Request, Sampling
from cityfolk.vocabulary import TRAITS

STAGE = "judge"
WAYS = ("auto", "expected", "schema")
_CHOICE_TOKENS, _SCHEMA_TOKENS = 32, 512
_SAMPLED = 0.7  # temperature where several samples are taken of one order

Score = tuple[float, float]  # mean and variance of one look at one trait, raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How often a judge looks at an answer: in how many orders (at most four), and how often in each."""

    orders: int = 2
    samples: int = 1
    way: Literal["auto", "expected", "schema"] = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.orders <= MOST_ORDERS or self.samples < 1:
            raise UsageError(
                f"{self.orders} orders and {self.samples} samples cannot be asked for",
                hint=f"orders are 1 to {MOST_ORDERS}, samples 1 or more",
            )
        if self.way not in WAYS:
            raise UsageError(f"a way to judge cannot be {self.way!r}", hint=f"one of {', '.join(WAYS)}")

    @property
    def each(self) -> int:
        """How many times an answer is looked at."""
        return self.orders * self.samples


def judge_name(engine: Engine) -> str:
    """Return what an engine is called as a judge: its name and model, without addresses."""
    return engine.name if engine.name == "pocket" else f"{engine.name}:{engine.model}"


@dataclass(slots=True)
class LLMJudge:
    """An engine that judges. After `read`, `failures` holds what it could not judge.

    An answer has a reading only if every look at it succeeded: one direction of the scale alone would be biased.
    `first_sample` numbers the first sample, so that a second reading is not served from the first.
    """

    engine: Engine
    journal: Journal
    looks: Looks = field(default_factory=Looks)
    seed: int = 0
    again: bool = False
    first_sample: int = 0
    attempts: int = ATTEMPTS
    on_progress: Callable[[Progress], None] = lambda _: None
    failures: list[Failure] = field(default_factory=list)
    settled_way: Way | None = None

    @property
    def name(self) -> str:
        """The engine's name and model."""
        return judge_name(self.engine)

    @property
    def family(self) -> str:
        """The family of the model, "" where its name tells of none."""
        return family(self.name)

    @property
    def instrument(self) -> str:
        """The version of the prompts and the scale; settled by the first answer where the way is "auto"."""
        return INSTRUMENTS[self._way]

    @property
    def _way(self) -> Way:
        if self.settled_way is not None:
            return self.settled_way
        return "schema" if self.looks.way == "schema" else "expected"

    def settle(self, item: Item) -> Way:
        """Find out by one request, which is part of the work, whether the engine reports probabilities."""
        if self.settled_way is None:
            self.settled_way = self._way
            if self.looks.way == "auto":
                probe = next(self.requests([item]))
                replies = ask(self.journal, self.engine, [probe], _with_logprobs, stage=STAGE, again=True)
                result = next(result for _, result in replies)
                self.settled_way = "expected" if result is True else "schema"
        return self.settled_way

    def config(self) -> dict[str, Any]:
        """Return what determines this judge's readings besides the answers."""
        return {
            "model": self.engine.model,
            "instrument": self.instrument,
            "prompt_hash": judge_prompt_hash(self._way, self.looks.orders),
            "way": self._way,
            "orders": self.looks.orders,
            "samples": self.looks.samples,
            "seed": self.seed,
        }

    def requests(self, items: Iterable[Item]) -> Iterator[Request]:
        """Yield every request for these answers; those of one answer follow each other, their prompts begin alike."""
        way = self._way
        parts = TRAITS if way == "expected" else ("all",)
        knobs = [self._sampling(way, self.first_sample + number) for number in range(self.looks.samples)]
        orders = [(number, Order.of(number)) for number in range(self.looks.orders)]
        schemas = [scores_schema(order) if way == "schema" else None for _, order in orders]
        for item in items:
            for (number, order), schema in zip(orders, schemas, strict=True):
                for part in parts:
                    messages = judge_messages(item, order, way, part)
                    for sampling in knobs:
                        yield Request(
                            messages=messages,
                            model=self.engine.model,
                            schema=schema,
                            choices=CHOICES if way == "expected" else (),
                            sampling=sampling,
                            label=f"{item.answer_id} {number} {part}",
                        )

    def _sampling(self, way: Way, sample: int) -> Sampling:
        if way == "expected":  # probabilities as the model has them
            return Sampling(temperature=1.0, max_tokens=_CHOICE_TOKENS, seed=self.seed, sample=sample)
        temperature = _SAMPLED if self.looks.samples > 1 else 0.0
        return Sampling(temperature=temperature, max_tokens=_SCHEMA_TOKENS, seed=self.seed, sample=sample)

    def calls(self, answers: int) -> int:
        """Return how many requests so many answers need."""
        return answers * self.looks.each * (len(TRAITS) if self._way == "expected" else 1)

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers, all through the journal; see `engines.ask.ask` for what is raised."""
        stream = iter(items)
        first = next(stream, None)
        if first is None:
            return
        way = self.settle(first)
        replies = ask(
            self.journal,
            self.engine,
            self.requests(chain([first], stream)),
            _PARSERS[way],
            stage=STAGE,
            attempts=self.attempts,
            again=self.again,
            on_progress=self.on_progress,
        )
        open_answers: dict[str, _Answer] = {}
        for request, result in replies:
            answer_id = request.label.split()[0]
            answer = open_answers.setdefault(answer_id, _Answer(left=self.calls(1)))
            if isinstance(result, Failure):
                self.failures.append(result)
            answer.take(request, result)
            if not answer.left:
                del open_answers[answer_id]
                if not answer.failed:
                    yield answer.reading(answer_id, self.name, self.instrument)

    def kept(self, items: Iterable[Item], accepted: Mapping[int, int]) -> Iterator[Reading]:
        """Yield the readings that the journal holds, in the order of the items, asking nobody.

        `accepted` is `Journal.settled(STAGE)[0]`. The way must have been settled.
        """
        parse = _PARSERS[self._way]
        for item in items:
            answer = _Answer(left=self.calls(1))
            for request in self.requests([item]):
                row = accepted.get(int(request.key, 16))
                if row is None:
                    break
                answer.take(request, parse(request, self.journal.reply(row)))
            if not answer.left:
                yield answer.reading(item.answer_id, self.name, self.instrument)


@dataclass(slots=True)
class _Answer:
    """What has been said of one answer so far."""

    left: int
    failed: bool = False
    scores: dict[str, list[Score]] = field(default_factory=dict)

    def take(self, request: Request, result: dict[str, Score] | Score | Failure) -> None:
        """Keep a result, turned so that 1 is the high end."""
        self.left -= 1
        if isinstance(result, Failure):
            self.failed = True
            return
        _, number, part = request.label.split()
        order = Order.of(int(number))
        given = result if isinstance(result, dict) else {part: result}
        for trait, (mean, variance) in given.items():
            self.scores.setdefault(trait, []).append((order.raw(mean), variance))

    def reading(self, answer_id: str, judge: str, instrument: str) -> Reading:
        """Return the mean over looks, and the standard deviation of one look: between looks and within each."""
        raw, spread = [], []
        for trait in TRAITS:
            # Sorted, so that the sums do not depend on the order in which replies came.
            looks = sorted(self.scores[trait])
            mean = math.fsum(value for value, _ in looks) / len(looks)
            within = math.fsum(variance for _, variance in looks) / len(looks)
            between = math.fsum((value - mean) ** 2 for value, _ in looks) / max(len(looks) - 1, 1)
            raw.append(mean)
            spread.append(math.sqrt(within + between) if len(looks) > 1 or within > 0 else None)
        return Reading(answer_id=answer_id, judge=judge, instrument=instrument, raw=tuple(raw), spread=tuple(spread))


def _with_logprobs(request: Request, reply: Reply) -> bool:
    if reply.logprobs is None:
        _expected(request, reply)
    return reply.logprobs is not None


def _expected(_: Request, reply: Reply) -> Score:
    """Return mean and variance of a digit on the scale shown, 0 to 1; ValueError where no digit was given."""
    if reply.logprobs is None:
        digit = chosen(reply.text, CHOICES)
        if digit is None:
            raise ValueError(f"not a digit from {LOWEST} to {HIGHEST}: {reply.text.strip()[:40]!r}")
        return _share(int(digit), LOWEST, HIGHEST), 0.0
    weights = [math.exp(value) for value in reply.logprobs]
    total = math.fsum(weights)
    if len(weights) != len(CHOICES) or not total > 0:
        raise ValueError("the probabilities of the digits cannot be read")
    shares = [_share(int(digit), LOWEST, HIGHEST) for digit in CHOICES]
    mean = math.fsum(w * s for w, s in zip(weights, shares, strict=True)) / total
    variance = math.fsum(w * (s - mean) ** 2 for w, s in zip(weights, shares, strict=True)) / total
    return mean, variance


def _scores(_: Request, reply: Reply) -> dict[str, Score]:
    """Return five scores on the scale shown, 0 to 1; ValueError says in one line why they are none."""
    try:
        found = json.loads(unfenced(reply.text))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    scores = {}
    for trait in TRAITS:
        value = found.get(trait)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise ValueError(f"{trait} is not a whole number: {value!r}")
        if not 0 <= value <= TOP:
            raise ValueError(f"{trait} is not from 0 to {TOP}: {value}")
        scores[trait] = (_share(int(value), 0, TOP), 0.0)
    return scores


_PARSERS: dict[Way, Callable[[Request, Reply], Any]] = {"expected": _expected, "schema": _scores}


def _share(value: int, lowest: int, highest: int) -> float:
    return (value - lowest) / (highest - lowest)
