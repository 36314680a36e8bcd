"""Requests in, results out, every reply in the journal first: the loop that all model work goes through.

What the journal already answers is served from it. The rest goes to the engine, as many at once as the engine takes;
replies are validated, committed in groups and only then handed on. A reply that does not validate is asked again a
bounded number of times and then given as a Failure with its raw text. Identical requests are asked once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, TypeVar

from cityfolk.engines.base import Engine
from cityfolk.errors import EngineError, IncompleteError, StudyError
from cityfolk.study.journal import Call, Journal
from cityfolk.types import Failure, Reply, Request

T = TypeVar("T")

GROUP_SECONDS, GROUP_CALLS = 0.02, 250
HALF_AFTER = 100  # calls after which fewer than half succeeding stops the job
_QUEUE = 1024


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
class _Job:
    journal: Journal
    engine: Engine
    parse: Callable[[Request, Reply], Any]
    stage: str
    attempts: int
    again: bool
    progress: Progress
    on_progress: Callable[[Progress], None]
    accepted: dict[str, int]  # key -> row of its reply in the journal
    attempted: dict[str, int]  # key -> attempts of earlier runs, none of them good
    waiting: dict[str, list[Request]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)  # guards `accepted` and `waiting`
    stopped: threading.Event = field(default_factory=threading.Event)
    first_error: str = ""
    calls: int = 0
    rejected: int = 0
    broken: int = 0  # calls that failed, rather than being answered badly

    def limit(self, key: str) -> int:
        """Return how many attempts a request may have made in the end."""
        return self.attempts + (self.attempted.get(key, 0) if self.again else 0)


def ask(
    journal: Journal,
    engine: Engine,
    requests: Iterable[Request],
    parse: Callable[[Request, Reply], T],
    *,
    stage: str,
    attempts: int = 3,
    again: bool = False,
    progress: Progress | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[tuple[Request, T | Failure]]:
    """Yield (request, parsed reply or Failure) for every request, in the order in which they settle.

    `parse` raises ValueError with a reason for a reply that is not what was asked for. `again` gives requests that
    failed in an earlier, finished run new attempts; otherwise their failures are given again. Raises EngineError
    where the engine fails every call, and IncompleteError where fewer than half of 100 or more calls succeed.
    """
    accepted, attempted = journal.state(stage)
    job = _Job(journal, engine, parse, stage, attempts, again, progress or Progress(), on_progress, accepted, attempted)
    try:
        retries = yield from _round(job, requests)
        while retries:
            retries = yield from _round(job, retries)
        _stop_if_dead(job)
    finally:
        job.stopped.set()


def _round(job: _Job, requests: Iterable[Request]) -> Generator[tuple[Request, Any], None, list[Request]]:
    """Ask each request once; yield what settled, return the requests to ask again."""
    out: queue.Queue[_Event] = queue.Queue(maxsize=_QUEUE)
    threading.Thread(
        target=_work, args=(job, _owed(job, requests, out), out), daemon=True, name=f"ask-{job.stage}"
    ).start()
    retries: list[Request] = []
    while True:
        events, last = _gather(out)
        for event in events:
            if isinstance(event, _Served):
                yield _serve(job, event)
        answered = [event for event in events if isinstance(event, _Answered)]
        if answered:
            yield from _settle(job, answered, retries)
        if isinstance(last, _Ended):
            if last.error is not None:
                raise last.error
            yield from _settle(job, _unanswered(job), retries)
            return retries


def _unanswered(job: _Job) -> list[_Answered]:
    """Return a failed call for each request that an engine took and never answered."""
    silent = Reply(text="", model=job.engine.model, finish="error", error="the engine ended without an answer")
    return [_Answered(key, silent) for key in job.waiting]


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


def _owed(job: _Job, requests: Iterable[Request], out: queue.Queue[_Event]) -> Iterator[Request]:
    """Pick out of a stream of requests those that the engine still has to answer; runs in the engine's thread."""
    for request in requests:
        if job.stopped.is_set():
            return
        tried = job.attempted.get(request.key, 0)
        with job.lock:
            row = job.accepted.get(request.key)
            twin = job.waiting.get(request.key)
            if row is None and twin is not None:
                twin.append(request)
                continue
            owed = row is None and tried < job.limit(request.key)
            if owed:
                request = replace(request, attempt=max(tried, request.attempt))
                job.waiting[request.key] = [request]
        if owed:
            yield request
        else:
            out.put(_Served(request, row, gave_up=tried))


def _work(job: _Job, source: Iterator[Request], out: queue.Queue[_Event]) -> None:
    try:
        for key, reply in job.engine.generate(source):
            out.put(_Answered(key, reply))
            if job.stopped.is_set():
                break
    except BaseException as error:  # noqa: BLE001 - handed to the thread that can report it
        out.put(_Ended(error))
    else:
        out.put(_Ended())


def _gather(out: queue.Queue[_Event]) -> tuple[list[_Event], _Event]:
    """Wait for one event, then take what comes within a few tens of milliseconds."""
    events = [out.get()]
    until = monotonic() + GROUP_SECONDS
    while len(events) < GROUP_CALLS and not isinstance(events[-1], _Ended):
        try:
            events.append(out.get(timeout=max(0.0, until - monotonic())))
        except queue.Empty:
            break
    return events, events[-1]


def _serve(job: _Job, event: _Served) -> tuple[Request, Any]:
    progress = job.progress
    progress.settled += 1
    progress.served += 1
    if event.row is None:
        progress.failed += 1
        job.on_progress(progress)
        return event.request, _failure(job, event.request, "failed in an earlier run", "", event.gave_up)
    result, problem = _judge(job, event.request, job.journal.reply(event.row))
    if problem is not None:
        raise StudyError(
            f"a reply that was accepted earlier no longer passes ({event.request.label}: {problem})",
            hint="use the version of cityfolk that manifest.json names, or start a new folder",
        )
    job.on_progress(progress)
    return event.request, result


def _settle(job: _Job, answered: list[_Answered], retries: list[Request]) -> list[tuple[Request, Any]]:
    """Validate replies, commit them together, then sort them into results, failures and retries."""
    judged, seen = [], set()
    for event in answered:
        if event.key not in job.waiting or event.key in seen:
            raise EngineError(
                f"{job.engine.name} answered a request that is not open ({event.key})",
                hint="an engine answers each request once; this is a bug of the engine",
            )
        seen.add(event.key)
        request = job.waiting[event.key][0]
        result, problem = _judge(job, request, event.reply)
        judged.append((Call(job.stage, job.engine.name, request, event.reply, problem), result))
    rows = job.journal.append(call for call, _ in judged)
    settled: list[tuple[Request, Any]] = []
    for (call, result), row in zip(judged, rows, strict=True):
        _count(job, call)
        with job.lock:
            asked = job.waiting.pop(call.request.key)
            if call.problem is None:
                job.accepted[call.request.key] = row
        next_attempt = call.request.attempt + 1
        if call.problem is None:
            settled += [(request, result) for request in asked]
        elif next_attempt < job.limit(call.request.key):
            retries += [replace(request, attempt=next_attempt) for request in asked]
        else:
            settled += [(r, _failure(job, r, call.problem, call.reply.text, next_attempt)) for r in asked]
    job.progress.settled += len(settled)
    job.progress.failed += sum(isinstance(result, Failure) for _, result in settled)
    job.on_progress(job.progress)
    _stop_if_hopeless(job)
    return settled


def _judge(job: _Job, request: Request, reply: Reply) -> tuple[Any, str | None]:
    if reply.finish == "error":
        return None, f"the call failed: {reply.error}"
    if reply.finish == "length":
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
            hint=f"check it with `cityfolk doctor --engine {job.engine.name}`",
        )


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
