"""`doctor`: does this machine, and does this engine, do what cityfolk needs? Tried, not looked up."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.engines.registry import load_engine
from cityfolk.errors import CityfolkError
from cityfolk.places.pack import list_places, load_place
from cityfolk.types import Message, Reply, Request, Sampling

_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "green", "blue"]},
            "number": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["colour", "number"],
        "additionalProperties": False,
    }
)
_FREE_BYTES = 1_000_000_000
_AT_ONCE = 8


def examine(spec: str) -> list[dict[str, Any]]:
    """Return one dict a check: what was tried, whether it is ok, what was found. UsageError for an unknown engine."""
    engine = load_engine(spec)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("disk", _disk),
        ("places", _places),
        ("engine", lambda: f"{engine.name}, model {engine.model}"),
        ("a plain answer", lambda: _plain(engine)),
        ("a schema", lambda: _schema(engine)),
        ("choices with log-probabilities", lambda: _choices(engine)),
        ("the same seed, the same answer", lambda: _seed(engine)),
        (f"{_AT_ONCE} at once", lambda: _at_once(engine)),
    ]
    return [_try(what, check) for what, check in checks]


class _Trouble(CityfolkError):
    """A check that did not hold."""


def _try(what: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"what": what, "ok": True, "found": check()}
    except (CityfolkError, OSError, ValueError, KeyError) as error:
        return {"what": what, "ok": False, "found": str(error)}


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < _FREE_BYTES:
        raise _Trouble(f"only {free / 1e6:.0f} MB free here; a study of a city takes a few hundred")
    return f"{free / 1e9:.0f} GB free here"


def _places() -> str:
    names = list_places()
    for name in names:
        load_place(name)
    return f"{len(names)} packs read without a complaint: {', '.join(names)}"


def _request(engine: Engine, text: str, **rest: Any) -> Request:
    messages = (Message(role="system", content="You answer briefly."), Message(role="user", content=text))
    return Request(messages=messages, model=engine.model, label="doctor", **rest)


def _answers(engine: Engine, requests: Sequence[Request]) -> list[Reply]:
    replies = dict(engine.generate(requests))
    found = [replies[request.key] for request in requests]
    for reply in found:
        if reply.finish == "error":
            raise _Trouble(reply.error)
    return found


def _plain(engine: Engine) -> str:
    began = perf_counter()
    (reply,) = _answers(engine, [_request(engine, "Who are you?", sampling=Sampling(max_tokens=24))])
    return f"{reply.completion_tokens} tokens in {perf_counter() - began:.1f} s"


def _schema(engine: Engine) -> str:
    sampling = Sampling(max_tokens=64)
    (reply,) = _answers(engine, [_request(engine, "A colour and a number.", schema=_SCHEMA, sampling=sampling)])
    value = json.loads(reply.text)
    if set(value) != {"colour", "number"} or value["colour"] not in ("red", "green", "blue"):
        raise _Trouble(f"the reply does not follow its schema: {reply.text[:80]!r}")
    return reply.text


def _choices(engine: Engine) -> str:
    (reply,) = _answers(engine, [_request(engine, "Do you like to read?", choices=("Yes", "No"))])
    if reply.logprobs is None:
        raise _Trouble("no log-probabilities came back")
    total = sum(math.exp(value) for value in reply.logprobs)
    if not math.isclose(total, 1.0, abs_tol=1e-3):
        raise _Trouble(f"the probabilities of the choices sum to {total:.4f}, not 1")
    return ", ".join(f"{c} {math.exp(v):.2f}" for c, v in zip(("Yes", "No"), reply.logprobs, strict=True))


def _seed(engine: Engine) -> str:
    request = _request(engine, "Say anything.", sampling=Sampling(max_tokens=24, temperature=1.0, seed=5))
    first, second = _answers(engine, [request])[0], _answers(engine, [request])[0]
    if first.text != second.text:
        raise _Trouble("two answers to one seeded request differ")
    return "yes"


def _at_once(engine: Engine) -> str:
    began = perf_counter()
    sampling = [Sampling(max_tokens=32, sample=number) for number in range(_AT_ONCE)]
    replies = _answers(engine, [_request(engine, "Say anything.", sampling=one) for one in sampling])
    tokens = sum(reply.completion_tokens for reply in replies)
    return f"{tokens / max(perf_counter() - began, 1e-9):,.0f} tokens/s"
