"""Any server that speaks the chat-completions wire format: vLLM, llama.cpp, LM Studio, Ollama, a hosted API.

    openai:MODEL[@URL,URL ...][?thinking=off&schema=...&key_env=NAME&concurrency=N]
    ollama:MODEL[@URL][?...]

The key comes from the environment (OPENAI_API_KEY) and is written nowhere.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from cityfolk.engines.calls import Job
from cityfolk.engines.limiter import CAP, Limiter
from cityfolk.engines.ollama import Context
from cityfolk.engines.servers import Servers
from cityfolk.engines.spec import Spec, parse_spec
from cityfolk.engines.stall import FLOOR_SECONDS, START_SECONDS, StallWatch
from cityfolk.engines.wire import SCHEMA_MODES, Dialect, SchemaMode
from cityfolk.errors import EngineError, UsageError
from cityfolk.types import Reply, Request

HOSTED, OLLAMA = "https://api.openai.com/v1", "http://localhost:11434/v1"
KEY_ENV = "OPENAI_API_KEY"
DETERMINING = ("schema", "thinking")
OPTIONS = (*DETERMINING, "key_env", "concurrency", "stall")


class OpenAIEngine:
    """Answers over HTTP, as many calls at once as the servers take.

    `model` is the name sent, with the options that determine a reply ("qwen3:8b?thinking=off"); `urls` are base
    addresses that serve the same model. `concurrency` is the most calls at once, `stall` the shortest time in seconds
    after which a call may count as stalled. `notices` says, one sentence each, what a server did not take as asked.
    """

    def __init__(
        self,
        model: str,
        urls: Iterable[str] = (HOSTED,),
        *,
        name: str = "openai",
        key: str = "",
        thinking: str = "",
        schema: SchemaMode | None = None,
        concurrency: int = CAP,
        stall: float = FLOOR_SECONDS,
        patience: float = START_SECONDS,
    ) -> None:
        self.name = name
        self.model = model
        self.urls = tuple(_base(url) for url in urls)
        self.notices: list[str] = []
        self._key = key
        dialect = Dialect(
            model=model.partition("?")[0],
            schema_mode=schema or "json_schema",
            extra=tuple(_thinking(name, thinking).items()),
        )
        self._servers = Servers(self.urls, dialect, self._note)
        self._concurrency = concurrency
        self._stall = StallWatch(floor=stall, start=max(stall, patience))
        self._limiter = Limiter(concurrency)

    def __repr__(self) -> str:
        return f"OpenAIEngine({self.model!r}, {list(self.urls)!r})"

    @property
    def schema_mode(self) -> SchemaMode:
        """How JSON is asked for now: json_schema, json_object or prompt."""
        return self._servers.schema_mode

    @property
    def concurrency(self) -> int:
        """How many calls may be in flight now."""
        return self._limiter.limit

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer a stream of requests in the order in which answers come; see `engines.base.Engine`.

        Faults on the way (429, 5xx, dropped connections, stalled calls, errors inside a 200) are tried again with the
        same body and named in Reply.faults. EngineError: the servers cannot be reached, refuse the key or the model,
        or fail every call.
        """
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        job = Job(
            iter(requests),
            model=self.model,
            servers=self._servers,
            limiter=self._limiter,
            stall=self._stall,
            headers=headers,
            secret=self._key,
            name=self.name,
            context=Context(self.model.partition("?")[0]) if self.name == "ollama" else None,
        )
        self._limiter.renew()
        if _in_a_loop():  # a notebook: its thread has a loop already
            yield from _elsewhere(job.replies())
        else:
            yield from job.replies()

    def _note(self, notice: str) -> None:
        if notice and notice not in self.notices:
            self.notices.append(notice)


def make(rest: str) -> OpenAIEngine:
    """Make the engine for "openai:MODEL@URL"; without an address it is OpenAI's own."""
    spec = _spec("openai", rest)
    urls = spec.urls or (HOSTED,)
    key_env = spec.options.get("key_env", KEY_ENV)
    key = _key(key_env, needed=urls == (HOSTED,) or "key_env" in spec.options)
    return _engine("openai", spec, urls, key)


def make_ollama(rest: str) -> OpenAIEngine:
    """Make the engine for "ollama:MODEL"; without an address it is the Ollama of this machine."""
    spec = _spec("ollama", rest)
    key_env = spec.options.get("key_env", "")
    return _engine("ollama", spec, spec.urls or (OLLAMA,), _key(key_env, needed=True) if key_env else "")


def _key(variable: str, *, needed: bool) -> str:
    """Return the key of an environment variable, which must be fit for a header; errors name the variable alone."""
    key = os.environ.get(variable, "").strip()
    if not key and needed:
        raise EngineError(f"there is no API key in the environment variable {variable}", hint=f"export {variable}=...")
    if not all(" " <= letter <= "~" or "\xa0" <= letter <= "\xff" for letter in key):
        raise UsageError(
            f"the API key in the environment variable {variable} holds a character that no HTTP header may carry",
            hint=f"look for a line break or a letter that is not Latin in it, then export {variable}=... again",
        )
    return key


def _spec(name: str, rest: str) -> Spec:
    spec = parse_spec(rest, known=OPTIONS, adapters=False)
    if not spec.model:
        raise UsageError(f"{name} needs the name of a model", hint=f"such as {name}:qwen3:8b@http://localhost:8000/v1")
    return spec


def _engine(name: str, spec: Spec, urls: tuple[str, ...], key: str) -> OpenAIEngine:
    schema = spec.word("schema", SCHEMA_MODES)
    return OpenAIEngine(
        spec.identity(*DETERMINING),
        urls,
        name=name,
        key=key,
        thinking=spec.word("thinking", ("on", "off")),
        schema=next((mode for mode in SCHEMA_MODES if mode == schema), None),
        concurrency=spec.integer("concurrency", CAP),
        stall=spec.number("stall", FLOOR_SECONDS),
    )


def _thinking(name: str, thinking: str) -> dict[str, Any]:
    """Return what switches thinking off or on: Ollama's endpoint takes an effort, the others a template's argument."""
    if not thinking:
        return {}
    if name == "ollama":
        return {"reasoning_effort": "none" if thinking == "off" else "medium"}
    return {"chat_template_kwargs": {"enable_thinking": thinking == "on"}}


def _base(url: str) -> str:
    """Return a base address: without /chat/completions, and with /v1 where no path is given."""
    url = url.rstrip("/").removesuffix("/chat/completions")
    return url if urlsplit(url).path else f"{url}/v1"


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _elsewhere(replies: Iterator[tuple[str, Reply]]) -> Iterator[tuple[str, Reply]]:
    """Run an iterator in a thread of its own."""
    out: queue.Queue[tuple[str, Reply] | BaseException | None] = queue.Queue(maxsize=64)

    def work() -> None:
        try:
            for pair in replies:
                out.put(pair)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that can report it
            out.put(error)
        else:
            out.put(None)

    threading.Thread(target=work, daemon=True, name="openai").start()
    while (item := out.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
