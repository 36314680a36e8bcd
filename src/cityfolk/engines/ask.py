"""Requests in, results out, every reply in the journal first: the loop that all model work goes through.

What the journal already answers is served from it. The rest goes to the engine, as many at once as the engine takes;
replies are validated, committed in groups and only then handed on. A reply that does not validate is asked again a
bounded number of times, before requests that are new, and then given as a Failure with its raw text. Identical
requests are asked once. What is kept in memory is what is open, and a few dozen bytes for each request settled.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cityfolk.engines.base import Engine
from cityfolk.engines.mailbox import Mailbox
from cityfolk.engines.spec import Spec
from cityfolk.errors import EngineError, IncompleteError, StudyError
from cityfolk.study.journal import Call, Journal
from cityfolk.study.rows import Rows
from cityfolk.types import Failure, Reply, Request

T = TypeVar("T")

ATTEMPTS = 5
GROUP_SECONDS, GROUP_CALLS = 0.02, 250
GROUP_SHARE = 32  # a group is committed when it holds this fraction of the calls that are open
HALF_AFTER = 100  # calls after which fewer than half succeeding stops the job
_WAITING = 1024  # events between the two threads
_NEEDS_MODEL = ("openai", "ollama")  # engines that cannot be loaded by their name alone
_GRACE_SECONDS = 1.0  # for an engine to put things away when its caller has had enough


@dataclass(slots=True, kw_only=True)
class Progress:
    """Running counts of a job: requests settled, of which served from the journal and failed; calls and tokens paid."""

    settled: int = 0
    served: int = 0
    failed: int = 0
    calls: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class _Open:
    """A request that has no answer yet, with the identical ones that came after it."""

    requests: list[Request]
    asked: bool = False  # the engine has it; else it waits to be asked again


@dataclass(slots=True)
class _Job:
    journal: Journal
    engine: Engine
    parse: Callable[[Request, Reply], Any]
    stage: str
    attempts: int
    again: bool
    keep_cut: bool
    progress: Progress
    on_progress: Callable[[Progress], None]
    fresh: Iterator[Request]
    accepted: Rows  # key -> row of its reply in the journal
    attempted: dict[int, int]  # key -> attempts of earlier runs, none of them good
    gave_up: dict[int, int] = field(default_factory=dict)  # key -> attempts, all made by the end of this run
    box: Mailbox[_Event] = field(default_factory=lambda: Mailbox(seconds=GROUP_SECONDS, most=_WAITING))
    open: dict[str, _Open] = field(default_factory=dict)
    retries: deque[Request] = field(default_factory=deque)
    exhausted: bool = False  # no request is new any more
    taken: int = 0  # requests that the engine took in this round
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards `accepted` and `open`
    stopped: threading.Event = field(default_factory=threading.Event)
    first_error: str = ""
    calls: int = 0
    rejected: int = 0
    broken: int = 0  # calls that failed, rather than being answered badly
    known: int = 0  # requests that an earlier run's reply answers: the engine was not dead then

    def limit(self, key: str) -> int:
        """Return how many attempts a request may have made in the end."""
        return self.attempts + (self.attempted.get(int(key, 16), 0) if self.again else 0)


def ask(
    journal: Journal,
    engine: Engine,
    requests: Iterable[Request],
    parse: Callable[[Request, Reply], T],
    *,
    stage: str,
    attempts: int = ATTEMPTS,
    again: bool = False,
    keep_cut: bool = False,
    progress: Progress | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[tuple[Request, T | Failure]]:
    """Yield (request, parsed reply or Failure) for every request, in the order in which they settle.

    `parse` raises ValueError with a reason for a reply that is not what was asked for. `again` gives requests that
    failed in an earlier, finished run new attempts; otherwise their failures are given again. `keep_cut` has `parse`
    judge a reply that was cut off at its limit of tokens, which is bad otherwise. Raises EngineError
    where the engine fails every call (of 100 or more, if it has answered some of the requests in an earlier run), and
    IncompleteError where fewer than half of 100 or more calls succeed.
    """
    accepted, attempted = journal.settled(stage)
    told = progress or Progress()
    job = _Job(
        journal,
        engine,
        parse,
        stage,
        attempts,
        again,
        keep_cut,
        told,
        on_progress,
        iter(requests),
        accepted,
        attempted,
    )
    try:
        while not job.exhausted or job.retries:
            yield from _round(job)
        if not job.known:
            _stop_if_dead(job)
    finally:
        job.stopped.set()
        job.box.close()


def _round(job: _Job) -> Generator[tuple[Request, Any], None, None]:
    """Have the engine answer what there is to ask; yield what settles. What is to be asked again may be left over."""
    job.taken = 0
    thread = threading.Thread(target=_work, args=(job,), daemon=True, name=f"ask-{job.stage}")
    thread.start()
    try:
        while True:
            events = job.box.take()
            served = [event for event in events if isinstance(event, _Served)]
            if served:
                yield from _serve(job, served)
            answered = [event for event in events if isinstance(event, _Answered)]
            if answered:
                yield from _settle(job, answered)
            last = events[-1]
            if isinstance(last, _Ended):
                if last.error is not None:
                    raise last.error
                break
    except BaseException:
        job.stopped.set()
        job.box.close()
        thread.join(_GRACE_SECONDS)
        raise
    yield from _settle(job, _unanswered(job))
    if not job.taken and not job.exhausted:
        raise EngineError(
            f"{job.engine.name} ended before it had taken a request",
            hint="this is a bug of the engine: tell its makers",
        )


def _unanswered(job: _Job) -> list[_Answered]:
    """Return a failed call for each request that an engine took and never answered."""
    silent = Reply(text="", model=job.engine.model, finish="error", error="the engine ended without an answer")
    return [_Answered(key, silent) for key, entry in job.open.items() if entry.asked]


@dataclass(slots=True)
class _Served:
    request: Request
    row: int | None  # None: every attempt failed in an earlier run
    gave_up: int


@dataclass(slots=True)
class _Answered:
    key: str
    reply: Reply


@dataclass(slots=True)
class _Ended:
    error: BaseException | None = None


_Event = _Served | _Answered | _Ended


# -- in the engine's thread -------------------------------------------------------------------------------------------


def _owed(job: _Job) -> Iterator[Request]:
    """Give the engine what is to be asked again, then what is new and not answered yet."""
    while not job.stopped.is_set():
        if job.retries:
            request = job.retries.popleft()
            job.open[request.key].asked = True
            job.taken += 1
            yield request
            continue
        fresh = next(job.fresh, None)
        if fresh is None:
            job.exhausted = True
            if job.retries:
                continue
            return
        job.taken += 1
        owed = _open(job, fresh)
        if owed is not None:
            yield owed


def _open(job: _Job, request: Request) -> Request | None:
    """Enter a new request among the open ones and return it, or see to it that it is answered otherwise."""
    number = int(request.key, 16)
    tried = job.attempted.get(number, 0)
    with job.lock:
        row = job.accepted.get(number)
        twin = job.open.get(request.key)
        if row is None and twin is not None:
            twin.requests.append(request)
            return None
        if row is None and number not in job.gave_up and tried < job.limit(request.key):
            request = _at_attempt(request, max(tried, request.attempt))
            job.open[request.key] = _Open([request], asked=True)
            return request
    job.box.put(
        _Served(request, row, gave_up=job.gave_up.get(number, tried)), weight=1, enough=GROUP_CALLS * GROUP_SHARE
    )
    return None


def _at_attempt(request: Request, attempt: int) -> Request:
    """Return a request at another attempt; its key, which does not change, is not computed again."""
    if attempt == request.attempt:
        return request
    changed = replace(request, attempt=attempt)
    changed.__dict__["key"] = request.key
    return changed


def _work(job: _Job) -> None:
    try:
        replies = job.engine.generate(_owed(job))
        try:
            _pass_on(job, replies)
        finally:
            if isinstance(replies, Generator):  # what it holds open is put away when it is left early
                replies.close()
    except BaseException as error:  # noqa: BLE001 - handed to the thread that can report it
        job.box.put(_Ended(error))
    else:
        job.box.put(_Ended())


def _pass_on(job: _Job, replies: Iterator[tuple[str, Reply]]) -> None:
    for key, reply in replies:
        enough = min(GROUP_CALLS, len(job.open) // GROUP_SHARE)
        if not job.box.put(_Answered(key, reply), weight=GROUP_SHARE, enough=enough * GROUP_SHARE):
            break


# -- in the caller's thread -------------------------------------------------------------------------------------------


def _serve(job: _Job, served: list[_Served]) -> Iterator[tuple[Request, Any]]:
    progress = job.progress
    for event in served:
        progress.settled += 1
        progress.served += 1
        if event.row is None:
            progress.failed += 1
            yield event.request, _failure(job, event.request, "failed when it was asked before", "", event.gave_up)
            continue
        job.known += 1
        result, problem = _judge(job, event.request, job.journal.reply(event.row))
        if problem is not None:
            raise StudyError(
                f"a reply that was accepted earlier no longer passes ({event.request.label}: {problem})",
                hint="use the version of cityfolk that manifest.json names, or start a new folder",
            )
        yield event.request, result
    job.on_progress(progress)


def _settle(job: _Job, answered: list[_Answered]) -> list[tuple[Request, Any]]:
    """Validate replies, commit them together, then sort them into results, failures and what to ask again."""
    judged, seen = [], set()
    for event in answered:
        entry = job.open.get(event.key)
        if entry is None or not entry.asked or event.key in seen:
            raise EngineError(
                f"{job.engine.name} answered a request that is not open ({event.key})",
                hint="an engine answers each request once; this is a bug of the engine",
            )
        seen.add(event.key)
        request = entry.requests[0]
        result, problem = _judge(job, request, event.reply)
        judged.append((Call(job.stage, job.engine.name, request, event.reply, problem), result))
    rows = job.journal.append(call for call, _ in judged)
    settled: list[tuple[Request, Any]] = []
    for (call, result), row in zip(judged, rows, strict=True):
        _count(job, call)
        settled += _close(job, call, result, row)
    job.progress.settled += len(settled)
    job.progress.failed += sum(isinstance(result, Failure) for _, result in settled)
    if judged:
        job.on_progress(job.progress)
    _stop_if_hopeless(job)
    return settled


def _close(job: _Job, call: Call, result: Any, row: int) -> list[tuple[Request, Any]]:
    """Take an answered request from the open ones, or put it among those to ask again."""
    key, next_attempt = call.request.key, call.request.attempt + 1
    with job.lock:
        entry = job.open[key]
        if call.problem is not None and next_attempt < job.limit(key):
            entry.asked = False
            entry.requests[0] = _at_attempt(call.request, next_attempt)
            job.retries.append(entry.requests[0])
            return []
        del job.open[key]
        if call.problem is None:
            job.accepted[int(key, 16)] = row
        else:
            job.gave_up[int(key, 16)] = next_attempt
    if call.problem is None:
        return [(request, result) for request in entry.requests]
    return [(r, _failure(job, r, call.problem, call.reply.text, next_attempt)) for r in entry.requests]


def _judge(job: _Job, request: Request, reply: Reply) -> tuple[Any, str | None]:
    if reply.finish == "error":
        return None, f"the call failed: {reply.error}"
    if reply.finish == "length" and not job.keep_cut:
        return None, f"the reply was cut off after {reply.completion_tokens} tokens"
    try:
        return job.parse(request, reply), None
    except ValueError as error:
        return None, str(error)


def _count(job: _Job, call: Call) -> None:
    progress = job.progress
    progress.calls += 1
    progress.prompt_tokens += call.reply.prompt_tokens
    progress.completion_tokens += call.reply.completion_tokens
    job.calls += 1
    job.broken += call.reply.finish == "error"
    if call.problem is not None:
        progress.rejected += 1
        job.rejected += 1
        job.first_error = job.first_error or call.problem


def _stop_if_dead(job: _Job) -> None:
    if job.calls and job.broken == job.calls:
        raise EngineError(
            f"{job.engine.name} failed every one of {job.calls} calls; the first: {job.first_error}",
            hint=f"check it with `cityfolk doctor --engine '{_spec(job.engine)}'`",
        )


def _spec(engine: Engine) -> str:
    """Return a name under which an engine is found again: with its model and addresses, where the name needs them."""
    spec = getattr(engine, "spec", None)
    if isinstance(spec, Spec):
        return f"{engine.name}:{spec}"
    if engine.name not in _NEEDS_MODEL:
        return engine.name
    model, mark, options = engine.model.partition("?")
    urls = ",".join(getattr(engine, "urls", ()))
    return f"{engine.name}:{model}{'@' if urls else ''}{urls}{mark}{options}"


def _stop_if_hopeless(job: _Job) -> None:
    if job.calls < HALF_AFTER:
        return
    _stop_if_dead(job)
    if 2 * job.rejected > job.calls:
        raise IncompleteError(
            f"stopped: {job.rejected} of {job.calls} replies were unusable; the first: {job.first_error}",
            hint="see the problem column of calls.sqlite, mend the prompt or the model, and run the same command again",
        )


def _failure(job: _Job, request: Request, reason: str, raw: str, attempts: int) -> Failure:
    return Failure(
        key=request.key, stage=job.stage, label=request.label, reason=reason, raw=raw[:2000], attempts=attempts
    )
