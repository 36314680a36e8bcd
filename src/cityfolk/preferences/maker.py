"""Exactly n distinct questions a topic, by any engine: asked in rounds until they are there, or nothing new comes.

A round asks every topic and style that is short of questions; when all its replies are in, they are read in a fixed
order (topic, style, request, place in the reply), and of copies the earlier one is kept, within and across topics. So
neither the order in which replies arrive nor a killed run that is continued changes a row. Questions made by an
earlier command come first: they stay what and where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from cityfolk.engines.ask import ATTEMPTS, Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.preferences.prompts import QUESTION, question_prompt_hash
from cityfolk.preferences.questions import (
    MAX_TOKENS,
    PER_REQUEST,
    REASONS,
    SCHEMA,
    STAGE,
    TEMPERATURE,
    Cleaned,
    parse_questions,
    question_request,
)
from cityfolk.preferences.records import QUESTIONS, STYLES
from cityfolk.preferences.topics import Topic
from cityfolk.study.journal import Journal
from cityfolk.texts.near import ACROSS, THRESHOLD, Distinct, normal_form
from cityfolk.types import Failure, Request, Sampling, content_key

PATIENCE = 3
"""A topic's style is given up when this many of its rounds, one after the other, brought nothing new."""


@dataclass(kw_only=True)
class Tally:
    """What became of the questions in the replies read for one topic; `requests` is how many were read, by style.

    `asked` = `kept` (those beyond n included) + exact + near + rejected.
    """

    asked: int = 0
    kept: int = 0
    exact_within_topics: int = 0
    exact_across_topics: int = 0
    near_within_topics: int = 0
    near_across_topics: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failed_requests: int = 0
    requests: list[int] = field(default_factory=lambda: [0] * len(STYLES))


def totals(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Return the sums over topics."""
    numbers = [name for name, value in asdict(Tally()).items() if isinstance(value, int)]
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in tallies.values()) for name in numbers}
    rejected = {reason: sum(one.rejected.get(reason, 0) for one in tallies.values()) for reason in REASONS}
    requests = sum(sum(one.requests) for one in tallies.values())
    return sums | {"rejected": {reason: count for reason, count in rejected.items() if count}, "requests": requests}


@dataclass(frozen=True, kw_only=True)
class Made:
    """The table of questions, one Failure for each topic that has too few, and a tally of each topic asked about."""

    questions: pl.DataFrame
    failures: tuple[Failure, ...]
    tallies: dict[str, Tally]
    rounds: int


def question_config(engine: Engine, sampling: Sampling) -> dict[str, Any]:
    """Return what determines a question's row besides its topic: prompt, schema, sampling, model."""
    return {
        "seed": sampling.seed,
        "model": engine.model,
        "prompt": QUESTION,
        "prompt_hash": question_prompt_hash(),
        "schema": content_key(SCHEMA),
        "sampling": asdict(sampling),
        "near": [THRESHOLD, ACROSS],
    }


def question_sampling(seed: int, temperature: float = TEMPERATURE) -> Sampling:
    """Return the sampling of every request."""
    return Sampling(temperature=temperature, max_tokens=MAX_TOKENS, seed=seed)


def first_requests(topics: Sequence[Topic], n: int, model: str, sampling: Sampling) -> Iterator[Request]:
    """Yield what is asked for n questions a topic if every question that comes is new."""
    for topic in topics:
        for place, style in enumerate(STYLES):
            for number in range(_requests_for(_quota(n, place))):
                yield question_request(topic, style, number, model, sampling)


def make_questions(
    journal: Journal,
    engine: Engine,
    topics: Sequence[Topic],
    n: int,
    *,
    sampling: Sampling,
    before: pl.DataFrame | None = None,
    tallies: Mapping[str, Tally] | None = None,
    attempts: int = ATTEMPTS,
    again: bool = False,
    on_progress: Callable[[int, int, Progress], None] = lambda _, __, ___: None,
) -> Made:
    """Have an engine make n questions for each topic, a fifth of them in each style as far as there are enough.

    `before` and `tallies` are what an earlier command made: its rows are kept, and the questions that it had beyond
    its n are used first; topics that have enough keep their tallies. `on_progress` is told the
    round, how many requests it has and how far they are.
    """
    maker = _Maker(engine, sampling, n, [_Topical(topic) for topic in topics])
    maker.take_over(before)
    wanted = maker.replay(tallies or {})
    while wanted := wanted or maker.wanted():
        maker.round += 1
        requests = [question_request(one.topic, s, i, engine.model, sampling) for one, s, i in wanted]
        replies = _replies(journal, engine, requests, maker, attempts, again, on_progress)
        maker.read(wanted, [replies.get(request.key) for request in requests])
        wanted = []
    return maker.result(before, tallies or {})


def _replies(
    journal: Journal,
    engine: Engine,
    requests: Sequence[Request],
    maker: _Maker,
    attempts: int,
    again: bool,
    on_progress: Callable[[int, int, Progress], None],
) -> dict[str, Cleaned]:
    """Return what every request of a round brought, by its key; requests that failed are noted and left out."""
    # One that was answered earlier goes along: an engine that refuses the few requests of a late round isn't dead.
    known = [maker.answered] if maker.answered is not None else []
    replies: dict[str, Cleaned] = {}
    for request, result in ask(
        journal,
        engine,
        [*known, *requests],
        lambda _, reply: parse_questions(reply),
        stage=STAGE,
        attempts=attempts,
        again=again,
        on_progress=lambda progress: on_progress(maker.round, len(requests) + len(known), progress),
    ):
        if isinstance(result, Failure):
            maker.failed[request.key] = result
        else:
            replies[request.key] = result
    if maker.answered is None:
        maker.answered = next((request for request in requests if request.key in replies), None)
    return replies


@dataclass(slots=True)
class _Stream:
    """The requests of one topic in one style, read so far one after the other, and the questions they brought."""

    asked: int = 0
    barren: int = 0
    kept: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Topical:
    topic: Topic
    tally: Tally = field(default_factory=Tally)
    had: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STYLES, 0))
    streams: dict[str, _Stream] = field(default_factory=lambda: {style: _Stream() for style in STYLES})

    def available(self, style: str) -> int:
        return self.had[style] + len(self.streams[style].kept)

    def total(self) -> int:
        return sum(map(self.available, STYLES))


_Wanted = tuple[_Topical, str, int]


@dataclass(slots=True)
class _Maker:
    engine: Engine
    sampling: Sampling
    n: int
    topics: list[_Topical]
    distinct: Distinct = field(default_factory=Distinct)
    unmet: set[tuple[str, str]] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)
    answered: Request | None = None
    round: int = 0

    def take_over(self, before: pl.DataFrame | None) -> None:
        """Enter the questions that are there already."""
        if before is None:
            return
        mine = {one.topic.id: one for one in self.topics}
        self.distinct = Distinct.over(before["text"])
        for topic, style, text in before.select("topic", "style", "text").iter_rows():
            self.distinct.keep(text, topic)
            self.unmet.add((topic, normal_form(text)))
            if topic in mine:
                mine[topic].had[style] += 1

    def replay(self, tallies: Mapping[str, Tally]) -> list[_Wanted]:
        """Return the requests that an earlier command read of topics that have too few questions for this one."""
        short = [one for one in self.topics if one.total() < self.n and one.topic.id in tallies]
        return [
            (one, style, number)
            for one in short
            for style, count in zip(STYLES, tallies[one.topic.id].requests, strict=True)
            for number in range(count)
        ]

    def wanted(self) -> list[_Wanted]:
        """Return the requests of the next round; none when every topic has enough or brings nothing new any more."""
        return [
            (one, style, one.streams[style].asked + extra)
            for one in self.topics
            if sum(one.had.values()) < self.n
            for style, count in self._missing(one).items()
            for extra in range(1 if one.streams[style].barren else _requests_for(count))
        ]

    def _missing(self, one: _Topical) -> dict[str, int]:
        """Return how many questions are to be asked for in each style: its own share, or that of styles given up."""
        live = [style for style in STYLES if one.streams[style].barren < PATIENCE]
        lacking = {s: _quota(self.n, STYLES.index(s)) - one.available(s) for s in live}
        lacking = {style: count for style, count in lacking.items() if count > 0}
        rest = self.n - one.total()
        if lacking or rest <= 0 or not live:
            return lacking
        return dict.fromkeys(live, -(-rest // len(live)))

    def read(self, wanted: Sequence[_Wanted], replies: Sequence[Cleaned | None]) -> None:
        """Read the replies of a round in the order of its requests."""
        if not self.distinct:
            self.distinct = Distinct.over(text for reply in replies if reply for text in reply.questions)
        gained: dict[tuple[str, str], bool] = {}
        for (one, style, number), reply in zip(wanted, replies, strict=True):
            stream = one.streams[style]
            stream.asked = number + 1
            one.tally.requests[STYLES.index(style)] = stream.asked
            new = 0
            if reply is None:
                one.tally.failed_requests += 1
            else:
                one.tally.asked += reply.asked
                one.tally.rejected = dict(Counter(one.tally.rejected) + Counter(reply.rejected))
                new = sum(self._settle(one, stream, text) for text in reply.questions)
            gained[one.topic.id, style] = gained.get((one.topic.id, style), False) or new > 0
        for one in self.topics:
            for style, stream in one.streams.items():
                if (one.topic.id, style) in gained:
                    stream.barren = 0 if gained[one.topic.id, style] else stream.barren + 1

    def _settle(self, one: _Topical, stream: _Stream, text: str) -> bool:
        """Keep a question, or count what it is a copy of; say whether it is one of the topic's distinct ones."""
        seen = self.distinct.add(text, one.topic.id)
        if seen.outcome == "new":
            stream.kept.append(text)
            one.tally.kept += 1
            return True
        known = (one.topic.id, normal_form(text))
        if known in self.unmet:
            self.unmet.remove(known)  # the very question that an earlier command kept, met again in its reply
            one.tally.kept += 1
            return True
        name = f"{seen.outcome}_{'within' if seen.group == one.topic.id else 'across'}_topics"
        setattr(one.tally, name, getattr(one.tally, name) + 1)
        return False

    def result(self, before: pl.DataFrame | None, tallies: Mapping[str, Tally]) -> Made:
        """Return the table, sorted, with the rows of before in it as they were."""
        made_by = (self.engine.name, self.engine.model, question_prompt_hash(), self.sampling.seed)
        rows = []
        for one in self.topics:
            topic = one.topic
            for number, (style, text) in enumerate(self._chosen(one), start=sum(one.had.values())):
                about = (topic.id, topic.domain, list(topic.facets), style, text, topic.split)
                rows.append((question_id(topic.id, number), *about, *made_by))
        new = pl.DataFrame(rows, schema=QUESTIONS, orient="row")
        made = new if before is None else pl.concat([before.select(*QUESTIONS), new])
        now = {one.topic.id: one.tally for one in self.topics if any(one.tally.requests)}
        return Made(
            questions=made.sort("question_id"),
            failures=tuple(self._shortfall(one) for one in self.topics if one.total() < self.n),
            tallies={**tallies, **now},
            rounds=self.round,
        )

    def _chosen(self, one: _Topical) -> list[tuple[str, str]]:
        """Return the new questions of a topic in the order of their numbers: the style with the fewest is next."""
        have, left = dict(one.had), {style: list(stream.kept) for style, stream in one.streams.items()}
        chosen: list[tuple[str, str]] = []
        while sum(have.values()) < self.n and any(left.values()):
            style = min((style for style in STYLES if left[style]), key=have.__getitem__)
            chosen.append((style, left[style].pop(0)))
            have[style] += 1
        return chosen

    def _shortfall(self, one: _Topical) -> Failure:
        had, asked = one.total(), sum(one.tally.requests)
        failed = [failure for failure in self.failed.values() if failure.label.split()[0] == one.topic.id]
        reason = f"{had} of {self.n} distinct questions could be had: {PATIENCE} rounds in a row brought nothing new"
        if failed:
            reason += f"; {len(failed)} of {asked} requests failed, the first: {failed[0].reason}"
        key = content_key([STAGE, one.topic.id, self.n])
        raw = failed[0].raw if failed else ""
        return Failure(key=key, stage=STAGE, label=one.topic.id, reason=reason, raw=raw, attempts=max(1, asked))


def question_id(topic: str, number: int) -> str:
    """Name a question by its topic and its number there: "moving-house-017"."""
    return f"{topic}-{number:03}"


def _quota(n: int, place: int) -> int:
    return n // len(STYLES) + (place < n % len(STYLES))


def _requests_for(count: int) -> int:
    return -(-count // PER_REQUEST)
