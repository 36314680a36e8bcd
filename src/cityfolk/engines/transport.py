"""What an HTTP engine needs besides its calls: an event loop, proxies, Retry-After, and refusals as sentences."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cityfolk.errors import EngineError

if TYPE_CHECKING:
    from yarl import URL

_JSON_WORDS = (
    "response_format",
    "response format",
    "schema",
    "json_object",
    "json mode",
    "grammar",
    "guided",
    "structured",
)
_VAGUE_WORDS = frozenset(
    "400 422 a an and argument arguments bad be body client code contains could couldn't detail details entity error "
    "failed for format has http in input invalid is it malformed message no not null object of or parameter parameters "
    "payload processed provider request requests returned server status syntax the there this type unable understand "
    "unknown unprocessable unsupported upstream validation value values was with your".split()
)
_SHORTEST_WAIT, _USUAL_WAIT, _LONGEST_WAIT = 0.05, 1.0, 300.0  # seconds


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's where it is installed (not on Windows)."""
    with suppress(ImportError):
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop
    return asyncio.new_event_loop()


@lru_cache(maxsize=64)
def completions(base: str) -> URL:
    """Return where calls are sent, read once."""
    from yarl import URL

    return URL(f"{base}/chat/completions")


def wants_proxy(urls: Iterable[str]) -> bool:
    """Say whether a proxy of the environment may be meant for any address; looking it up costs time in every call."""
    from urllib.request import getproxies, proxy_bypass

    hosts = {urlsplit(url).hostname or "" for url in urls}
    near = {"localhost", "127.0.0.1", "::1"}
    return bool(getproxies()) and any(host not in near and not proxy_bypass(host) for host in hosts)


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to be spared; a date, or nothing, is a guess."""
    try:
        return min(_LONGEST_WAIT, max(_SHORTEST_WAIT, float(headers.get("Retry-After", _USUAL_WAIT))))
    except ValueError:
        return 5.0 * _USUAL_WAIT


def is_about_json(said: str) -> bool:
    """Say whether a refusal names the way in which JSON was asked for."""
    return any(word in said.casefold() for word in _JSON_WORDS)


def is_vague(said: str) -> bool:
    """Say whether a refusal says only that the request is bad: "Bad Request", "Invalid argument", nothing at all."""
    return set(re.findall(r"[a-z0-9']+", said.casefold().replace("_", " "))) <= _VAGUE_WORDS


def fatal(status: int, url: str, model: str, said: str) -> EngineError:
    """Return the error that ends a job for an HTTP status that no further call would escape."""
    bare = model.partition("?")[0]
    if status in (401, 403):
        return EngineError(
            f"{url} refuses the API key (HTTP {status}: {said})",
            hint="put a valid key in OPENAI_API_KEY, or name another variable: ?key_env=MY_KEY",
        )
    if status == 404:
        return EngineError(
            f"{url} knows no model {bare!r}, or is not the base address (HTTP 404: {said})",
            hint=f"see {url}/models for the models' names; the address ends where /chat/completions begins",
        )
    if status in (402, 429):
        return EngineError(f"the account at {url} has no credit left (HTTP {status}: {said})", hint="see its billing")
    return EngineError(f"{url} answers with a redirect (HTTP {status})", hint="give the address that it points to")
