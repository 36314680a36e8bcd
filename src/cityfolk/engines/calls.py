"""One job of an HTTP engine: calls in flight on an event loop of its own, run inside the caller's thread.

The loop runs only while the caller waits for a reply; `Job.now` stands still otherwise, so that a pause of the caller
is nobody's delay. Calls that failed on the way are sent again with the same body; replies come out as they arrive.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from cityfolk.engines import wire
from cityfolk.engines.limiter import Limiter
from cityfolk.engines.ollama import Context
from cityfolk.engines.servers import Server, Servers
from cityfolk.engines.stall import StallWatch
from cityfolk.engines.transport import completions, fatal, is_about_json, new_loop, retry_after, wants_proxy
from cityfolk.errors import EngineError
from cityfolk.rng import child
from cityfolk.types import Reply, Request

if TYPE_CHECKING:
    import aiohttp

TRIES = 10  # of one call, before its failure is its answer
HOPELESS_TRIES, HOPELESS_CALLS = 6, 40  # of one call, of all calls, where none has succeeded yet
PATIENCE_SECONDS = 30.0  # with a server that answered before and no longer does
_GATHER_SECONDS = 0.003  # replies that come this close to one another leave the loop together
_SWEEP_SECONDS = 0.25
_LAUNCHES = 32  # calls prepared before replies are looked at again
_SLOW_SOURCE, _SOURCE_PAUSE = 0.005, 0.02
_BACKOFF, _LONGEST_BACKOFF = 0.2, 10.0
_SAID = 300  # characters of what a server says that are kept


@dataclass(slots=True, eq=False)
class Call:
    """A request on its way, with what went wrong so far."""

    request: Request
    kind: tuple[bool, bool, int]
    tries: int = 0
    stalls: int = 0
    faults: list[str] = field(default_factory=list)
    stalled: bool = False
    began: float = 0.0
    trial: wire.Dialect | None = None  # how it is asked this once, to see whether the server takes it so


class Job:
    """Answers one stream of requests; `secret` is taken out of whatever a server says."""

    def __init__(
        self,
        requests: Iterator[Request],
        *,
        model: str,
        servers: Servers,
        limiter: Limiter,
        stall: StallWatch,
        headers: dict[str, str],
        secret: str,
        name: str,
        context: Context | None = None,
    ) -> None:
        self._requests, self._exhausted = requests, False
        # A source may say that its next request is still to come (`engines.feed`).
        self._ready_now: Callable[[], bool] | None = getattr(requests, "ready", None)
        self._model, self._name, self._headers, self._secret = model, name, headers, secret
        self._servers, self._limiter, self._stall = servers, limiter, stall
        self._context, self._context_read = context, {server.url: False for server in servers.all}
        self._in_flight: dict[Call, asyncio.Task[None]] = {}
        self._again: list[tuple[float, int, Call]] = []
        self._number = count()
        self._ready: list[tuple[str, Reply]] = []
        self._error: BaseException | None = None
        self._ended = self._waking = self._stopping = self._closing = False
        self._pumping = self._slow_source = False
        self._paused = self._last_good = 0.0
        self._known = any(server.answered for server in servers.all)  # somebody has answered well, now or earlier
        self._bad_in_row = 0
        self._longest_wait = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._session: aiohttp.ClientSession

    # -- the loop, seen from outside ----------------------------------------------------------------------------------

    def replies(self) -> Iterator[tuple[str, Reply]]:
        """Run until every request has its reply, which is yielded; raises EngineError where no more can succeed."""
        self._loop = new_loop()
        try:
            self._loop.run_until_complete(self._open())
            self._last_good = self.now()
            self._loop.call_soon(self._pump)
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)
            left = monotonic()
            while True:
                self._paused += monotonic() - left
                self._stopping = False
                self._loop.run_forever()
                ready, self._ready = self._ready, []
                left = monotonic()
                yield from ready
                if self._error is not None:
                    raise self._error
                if self._ended and not self._ready:
                    return
        finally:
            self._closing = self._stopping = True
            self._loop.run_until_complete(self._close())
            self._loop.close()

    def now(self) -> float:
        """Return seconds that pass only while the loop runs."""
        return monotonic() - self._paused

    async def _open(self) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=20.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", **self._headers},
            trust_env=wants_proxy(server.url for server in self._servers.all),
        )

    async def _close(self) -> None:
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if hasattr(self, "_session"):
            await self._session.close()

    def _wake(self) -> None:
        """Hand over what is ready, soon: together with what arrives in the next few milliseconds."""
        if not self._waking:
            self._waking = True
            if self._ended or self._error is not None or not self._in_flight:
                self._loop.call_soon(self._stop)
            else:
                self._loop.call_later(_GATHER_SECONDS, self._stop)

    def _stop(self) -> None:
        self._waking = False
        if not self._stopping:  # uvloop keeps a second stop for the next run, which it would end at once
            self._stopping = True
            self._loop.stop()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._loop.call_soon(self._stop)

    # -- sending ------------------------------------------------------------------------------------------------------

    def _pump_soon(self, seconds: float = 0.0) -> None:
        if seconds:
            self._loop.call_later(seconds, self._pump)
        elif not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send as many calls as may be in flight, those that failed before first."""
        self._pumping = False
        if self._error is not None or self._ended or self._closing:
            return
        if self._slow_source and self._ready:  # replies first, then whatever takes its time
            self._pump_soon()
            self._stop()
            return
        now = self.now()
        shut = self._limiter.opens_in(now)
        if shut:
            self._pump_soon(shut + 0.001)
            return
        self._slow_source = False
        for _ in range(_LAUNCHES):
            if len(self._in_flight) >= self._limiter.limit:
                return
            server = self._servers.pick(now)
            if server is None:
                self._pump_soon(self._servers.due_in(now))
                return
            call = self._next(now)
            if call is None:
                server.probing = False
                self._rest(now)
                return
            self._launch(call, server)
            if self._slow_source:
                self._pump_soon(_SOURCE_PAUSE)
                return
        self._pump_soon()

    def _next(self, now: float) -> Call | None:
        if self._again and self._again[0][0] <= now:
            return heapq.heappop(self._again)[2]
        if self._exhausted or len(self._again) >= self._limiter.limit:
            return None
        if self._in_flight and self._ready_now is not None and not self._ready_now():
            self._pump_soon(_SLOW_SOURCE)
            return None
        before = monotonic()
        try:
            request = next(self._requests)
        except StopIteration:
            self._exhausted = True
            return None
        except BaseException as error:  # noqa: BLE001 - the caller's own, raised again where the caller waits
            self._fail(error)
            return None
        taken = monotonic() - before
        if taken > _SLOW_SOURCE:  # a source that sleeps (a rate limit, say) is nobody's delay either
            self._paused += taken
            self._slow_source = True
        return Call(request, (bool(request.choices), request.schema is not None, request.sampling.max_tokens))

    def _rest(self, now: float) -> None:
        """Nothing may be sent now: come back when something may, or end."""
        if self._again:
            self._pump_soon(max(0.001, self._again[0][0] - now))
        elif self._exhausted and not self._in_flight:
            self._ended = True
            self._loop.call_soon(self._stop)

    def _launch(self, call: Call, server: Server) -> None:
        now = self.now()
        call.began, call.stalled = now, False
        server.in_flight += 1
        self._in_flight[call] = self._loop.create_task(self._send(call, server))
        self._limiter.started(now, len(self._in_flight))

    async def _send(self, call: Call, server: Server) -> None:
        import aiohttp

        dialect, call.trial = call.trial or server.dialect, None
        try:
            body = aiohttp.BytesPayload(wire.body(call.request, dialect))  # spares aiohttp from finding out what it is
            async with self._session.post(completions(server.url), data=body, allow_redirects=False) as response:
                raw = await response.read()
            if self._context is not None and not self._context_read[server.url] and response.status == 200:
                await self._context.ask(self._session, server.url)
                self._context_read[server.url] = True
            self._landed(call, server)
            self._servers.reached(server)
            self._answered(call, server, dialect, response.status, response.headers, raw)
        except asyncio.CancelledError:
            self._landed(call, server)
            if not call.stalled:
                raise
            call.stalls += 1
            server.probing = False
            self._fault(call, "stalled", f"no answer within {self._stall.limit(call.kind, call.stalls - 1):.0f} s")
        except aiohttp.ClientConnectorError as error:
            self._landed(call, server)
            self._unreachable(call, server, str(error.os_error or error))
        except (aiohttp.ClientError, OSError) as error:
            self._landed(call, server)
            server.probing = False
            self._fault(call, "dropped", str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bug of ours must end the job, not one task of it
            self._fail(error)
        self._pump_soon()

    def _landed(self, call: Call, server: Server) -> None:
        if self._in_flight.pop(call, None) is not None:
            server.in_flight -= 1

    # -- what came back -----------------------------------------------------------------------------------------------

    def _answered(
        self, call: Call, server: Server, dialect: wire.Dialect, status: int, headers: Any, raw: bytes
    ) -> None:
        now, request = self.now(), call.request
        if status == 200:
            try:
                reply = wire.reply(raw, request, model=self._model, seconds=now - call.began, faults=tuple(call.faults))
            except wire.NotAReplyError as error:
                self._fault(call, error.fault, str(error))
                return
            self._limiter.succeeded(now, reply.seconds)
            self._stall.finished(call.kind, reply.seconds)
            self._known, self._bad_in_row, self._last_good = True, 0, now
            server.answered += 1
            self._accept(call, server, dialect, reply, raw)
            return
        said = self._public(wire.error_text(raw))
        if status in (401, 402, 403, 404) or 300 <= status < 400 or (status == 429 and "insufficient_quota" in said):
            self._fail(fatal(status, server.url, self._model, said))
        elif status == 429 or (status == 503 and "Retry-After" in headers):
            wait = retry_after(headers)
            self._longest_wait = max(self._longest_wait, wait)
            self._limiter.refused(now, wait)
            self._fault(call, str(status), said, wait=wait)
        elif status >= 500 or status in (408, 409, 425):
            refused = status == 501
            if dialect.wants_json(request) and self._servers.json_failed(server, dialect, refused=refused) and refused:
                self._send_again(call, str(status))
            else:
                self._fault(call, str(status), said)
        else:
            self._refused(call, server, dialect, status, said)

    def _accept(self, call: Call, server: Server, dialect: wire.Dialect, reply: Reply, raw: bytes) -> None:
        """Hand a reply on, unless it shows that the server has to be asked in another way."""
        request = call.request
        self._servers.took(server, dialect)
        if self._context is not None:
            problem = self._context.problem(request, reply)
            if problem is not None:
                self._fail(problem)
                return
            self._servers.note(self._context.notice(request, reply))
        if dialect.wants_logprobs(request) and reply.logprobs is None and reply.finish != "error":
            if server.dialect.wants_logprobs(request):
                self._servers.without_logprobs(server, request.choices if b'"logprob"' in raw else None)
            self._send_again(call, "no-logprobs")
            return
        schema = request.schema
        if schema is not None and not (server.confirmed and server.dialect is dialect) and reply.finish == "stop":
            fits = wire.answers(reply.text, schema)
            if self._servers.judge_json(server, dialect, fits) and call.tries < TRIES:
                self._send_again(call, "schema-ignored")
                return
        if request.choices and reply.logprobs is None:
            choice = wire.chosen(reply.text, request.choices)
            reply = reply if choice is None else replace(reply, text=choice)
        self._deliver(call, reply)

    def _refused(self, call: Call, server: Server, dialect: wire.Dialect, status: int, said: str) -> None:
        """A request that this server does not take as it is: ask in another way, or give its refusal as the answer."""
        request, was_trial = call.request, server.is_trial(dialect)
        if dialect.wants_json(request) and call.tries < TRIES:
            call.trial = self._servers.otherwise(server, dialect, said)
        if call.trial is not None or (
            not was_trial and self._servers.adapt(server, dialect, said, choices=bool(request.choices))
        ):
            self._send_again(call, str(status))
            return
        of_json = (
            not was_trial and dialect.wants_json(request) and is_about_json(said)
        )  # not of this prompt alone: too long, filtered
        if of_json and self._servers.json_failed(server, dialect, refused=True):
            self._send_again(call, str(status))
            return
        if dialect.wants_logprobs(request) and server.answered == 0:
            self._servers.without_logprobs(server)
            self._send_again(call, str(status))
            return
        self._count_bad(call, f"{status}: {said}")
        self._deliver(call, self._failed(call, f"HTTP {status}: {said}"))

    def _send_again(self, call: Call, fault: str) -> None:
        call.faults.append(fault)
        call.tries += 1
        heapq.heappush(self._again, (self.now(), next(self._number), call))

    def _fault(self, call: Call, fault: str, said: str, *, wait: float | None = None) -> None:
        """The call failed on its way: send it again later, or give its failure as its answer."""
        said = self._public(said)
        call.faults.append(fault)
        call.tries += wait is None  # a refusal for overload is not held against a call
        self._count_bad(call, f"{fault}: {said}" if said else fault)
        if self._error is not None:
            return
        if call.tries >= TRIES:
            self._deliver(call, self._failed(call, f"{fault}: {said}"))
            return
        jitter = child(call.request.sampling.seed, "backoff", call.request.key, len(call.faults)).random()
        pause = min(_LONGEST_BACKOFF, _BACKOFF * 2.0 ** max(0, call.tries - 1)) * (0.5 + jitter)
        if wait is not None:
            pause = wait + 0.1 * jitter * min(wait, 10.0)
        elif fault == "stalled":
            pause = 0.0
        heapq.heappush(self._again, (self.now() + pause, next(self._number), call))

    def _unreachable(self, call: Call, server: Server, said: str) -> None:
        now, said = self.now(), self._public(said)
        self._servers.unreachable(server, now)
        dead_since = self._servers.dead_since
        if dead_since is not None and (not self._known or now - dead_since > PATIENCE_SECONDS):
            where = ", ".join(one.url for one in self._servers.all)
            self._fail(
                EngineError(
                    f"{self._name} cannot be reached at {where}: {said}",
                    hint="start the server, or give its address after an @, such as "
                    f"{self._name}:{self._model.partition('?')[0]}@http://localhost:8000/v1",
                )
            )
            return
        if not call.faults or call.faults[-1] != "unreachable":
            call.faults.append("unreachable")
        heapq.heappush(self._again, (now, next(self._number), call))

    def _count_bad(self, call: Call, said: str) -> None:
        self._bad_in_row += 1
        if not self._known:
            hopeless = call.tries >= HOPELESS_TRIES or self._bad_in_row >= HOPELESS_CALLS
        else:
            patience = PATIENCE_SECONDS + 2.0 * self._longest_wait
            hopeless = self._bad_in_row >= HOPELESS_CALLS and self.now() - self._last_good > patience
        if hopeless:
            times = f"{self._bad_in_row} calls in a row" if self._known else f"every one of {self._bad_in_row} calls"
            self._fail(
                EngineError(
                    f"{self._name} failed {times}; the last: {said}",
                    hint=f"look at the server's own log; `cityfolk doctor --engine {self._name}:MODEL` makes one call",
                )
            )

    def _failed(self, call: Call, error: str) -> Reply:
        return Reply(
            text="",
            model=self._model,
            finish="error",
            error=error,
            seconds=self.now() - call.began,
            faults=tuple(call.faults),
        )

    def _deliver(self, call: Call, reply: Reply) -> None:
        self._ready.append((call.request.key, reply))
        self._wake()

    def _sweep(self) -> None:
        """Cancel what has stalled; asked again, such a call may take twice as long."""
        now = self.now()
        for call, task in list(self._in_flight.items()):
            if not call.stalled and now - call.began > self._stall.limit(call.kind, call.stalls):
                call.stalled = True
                task.cancel()
        if not self._ended and self._error is None:
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _public(self, text: str) -> str:
        """Return what was said without the key, and only then cut: a piece of the key would not be found."""
        return (text.replace(self._secret, "[key]") if self._secret else text)[:_SAID]
