"""The endpoint: POST /v1/chat/completions, GET /v1/models, GET /health."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityfolk.engines.base import Engine
from cityfolk.errors import CityfolkError, DataError, EngineError
from cityfolk.serve.answer import completion, events
from cityfolk.serve.bridge import Bridge
from cityfolk.serve.wire import RefusedError, read_request

if TYPE_CHECKING:
    from aiohttp import web

MOST_WAITING = 4096
_MOST_BYTES = 8 << 20
_LOG = logging.getLogger(__name__)


def model_names(engine: Engine, adapters: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the names a caller may use: the model with and without its revision, and the adapters.

    The first is the one that is listed; each maps to (the engine's model, an adapter's folder or "").
    """
    names = {engine.model.partition("@")[0]: (engine.model, ""), engine.model: (engine.model, "")}
    return {**names, **{name: (engine.model, folder) for name, folder in adapters.items()}}


def check_adapters(adapters: Mapping[str, str]) -> None:
    """Raise DataError for the first folder that holds no adapter in PEFT's layout."""
    for name, folder in adapters.items():
        for needed in ("adapter_config.json", "adapter_model.safetensors"):
            if not (Path(folder) / needed).is_file():
                raise DataError(
                    f"there is no adapter {name!r} in {folder}: {needed} is missing",
                    hint="give the folder of a LoRA adapter in PEFT's layout: --adapter NAME=FOLDER",
                )


class Endpoint:
    """One engine behind HTTP; `adapters` maps further names of models to folders of adapters (DataError: no such)."""

    def __init__(self, engine: Engine, adapters: Mapping[str, str] | None = None) -> None:
        check_adapters(adapters or {})
        self.engine = engine
        self.models = model_names(engine, adapters or {})
        self._listed = [name for name, (model, _) in self.models.items() if name != model or "@" not in name]
        self._scores = bool(getattr(engine, "scores_tokens", False))
        self._bridge = Bridge(engine)
        self._numbers = count(1)
        self._since = int(time.time())

    def close(self) -> None:
        """Stop answering."""
        self._bridge.close()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer POST /v1/chat/completions."""
        from aiohttp import web

        try:
            try:
                body = await request.json()
            except (ValueError, LookupError, RecursionError):  # not JSON, an unknown charset, nested beyond reason
                raise RefusedError("the body is not valid JSON") from None
            if self._bridge.waiting >= MOST_WAITING:
                raise RefusedError(
                    f"{MOST_WAITING} calls are waiting; try again later",
                    status=429,
                    kind="requests",
                    code="rate_limit_exceeded",
                )
            asked = read_request(body, models=self.models, scores=self._scores)
            futures = [asyncio.wrap_future(self._bridge.ask(one)) for one in asked.requests]
            replies = await asyncio.gather(*futures)
            name = f"chatcmpl-{asked.requests[0].key[:20]}-{next(self._numbers)}"
            answer = completion(asked, replies, name=name, created=int(time.time()))
        except RefusedError as refused:
            headers = {"Retry-After": "1"} if refused.status == 429 else {}
            return web.json_response(refused.body, status=refused.status, headers=headers)
        except CityfolkError as problem:
            said = {"message": str(problem), "type": "server_error", "param": None, "code": "engine_failed"}
            return web.json_response({"error": said}, status=503)
        if not asked.stream:
            return web.json_response(answer)
        return await _stream(request, answer, with_usage=asked.usage_in_stream)

    async def list_models(self, request: web.Request) -> web.Response:
        """Answer GET /v1/models."""
        from aiohttp import web

        return web.json_response({"object": "list", "data": [self._card(name) for name in self._listed]})

    async def show_model(self, request: web.Request) -> web.Response:
        """Answer GET /v1/models/NAME."""
        from aiohttp import web

        name = request.match_info["name"]
        if name not in self.models:
            refused = RefusedError(
                f"there is no model {name!r} here", status=404, param="model", code="model_not_found"
            )
            return web.json_response(refused.body, status=404)
        return web.json_response(self._card(name))

    async def health(self, request: web.Request) -> web.Response:
        """Answer GET /health."""
        from aiohttp import web

        return web.json_response({"status": "ok", "model": self.engine.model, "waiting": self._bridge.waiting})

    def app(self) -> web.Application:
        """Return the routes."""
        from aiohttp import web

        app = web.Application(client_max_size=_MOST_BYTES, middlewares=[web.middleware(_speak)])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_get("/v1/models/{name:.+}", self.show_model)
        app.router.add_get("/health", self.health)
        return app

    def _card(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._since, "owned_by": "cityfolk"}


async def _stream(request: web.Request, answer: dict[str, Any], *, with_usage: bool) -> web.StreamResponse:
    from aiohttp import web

    lines = [f"data: {data}\n\n".encode() for data in events(answer, with_usage=with_usage)]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    for line in lines:
        await response.write(line)
    await response.write_eof()
    return response


async def _speak(request: web.Request, handler: Any) -> web.StreamResponse:
    """Say in OpenAI's format what aiohttp itself refuses (an unknown path, a body too large), and that we failed."""
    from aiohttp import web

    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as problem:
        if problem.status < 400:
            raise
        message = f"{problem.reason}: {request.method} {request.path}"
        refused = RefusedError(message, status=problem.status, code="not_found" if problem.status == 404 else None)
        return web.json_response(refused.body, status=problem.status)
    except ConnectionError:  # who asked has gone: nobody is there to be told
        raise
    except Exception as bug:  # noqa: BLE001 - one call's bug is told to who asked, in the form they read
        _LOG.exception("%s %s failed", request.method, request.path)
        message = f"the server failed: {type(bug).__name__}: {bug}"
        failed = RefusedError(message, status=500, kind="server_error", code="internal_error")
        return web.json_response(failed.body, status=500)
    return response


async def serve(endpoint: Endpoint, host: str, port: int, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; call `ready` with the address once it listens. EngineError: the port is taken."""
    from aiohttp import web

    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Where a loop takes no signals (Windows), Ctrl-C arrives as KeyboardInterrupt.
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    runner = web.AppRunner(endpoint.app(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as taken:
            hint = "give another with --port, or stop who uses it"
            raise EngineError(f"cannot listen on {host}:{port}: {taken.strerror or taken}", hint=hint) from taken
        if ready is not None:
            bound = runner.addresses[0][1]
            ready(f"http://{host}:{bound}/v1")
        await stopped.wait()
    finally:
        endpoint.close()
        await runner.cleanup()
