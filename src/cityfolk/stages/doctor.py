"""`doctor`: does this machine, and does this engine, do what cityfolk needs? Tried, not looked up."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from cityfolk.engines.base import Engine
from cityfolk.engines.presets import ask_json
from cityfolk.engines.registry import load_engine
from cityfolk.engines.wrapper import prompt_estimate
from cityfolk.errors import CityfolkError
from cityfolk.places.pack import list_places, load_place
from cityfolk.profiles.guidance import PROFILE, form_for
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
_AT_ONCE, _SERVER_AT_ONCE = 8, 64
_PROBE_SECONDS = 3.0
_READ_SHARE = 0.5  # of the estimate; tokenizers differ by less, servers that cut leave out more
_MODES = {
    "json_schema": "the server holds the model to the schema",
    "json_object": "the server holds the model to JSON, cityfolk to the schema",
    "prompt": "the schema stands in the prompt; cityfolk holds the model to it",
}


def examine(spec: str) -> list[dict[str, Any]]:
    """Return one dict a check: what was tried, whether writing needs it, whether it is ok, what was found.

    UsageError for an unknown engine. A check that writing does not need (log-probabilities, repeatable seeds) may be
    not ok on an engine that is good enough.
    """
    engine = load_engine(spec)
    served = bool(getattr(engine, "urls", ()))
    at_once = _SERVER_AT_ONCE if served else _AT_ONCE
    checks: list[tuple[str, bool, Callable[[], str]]] = [
        ("disk", True, _disk),
        ("places", True, _places),
        ("engine", True, lambda: f"{engine.name}, model {engine.model}"),
        *((f"the server {url}", False, partial(_server, engine, url)) for url in getattr(engine, "urls", ())),
        ("a plain answer", True, lambda: _plain(engine)),
        ("a whole prompt", True, lambda: _whole_prompt(engine)),
        ("a schema", True, lambda: _schema(engine)),
        ("choices with log-probabilities", False, lambda: _choices(engine)),
        ("the same seed, the same answer", False, lambda: _seed(engine)),
        (f"{at_once} at once", True, lambda: _at_once(engine, at_once)),
        ("notices", True, lambda: _notices(engine)),
    ]
    found = [_try(what, needed, check) for what, needed, check in checks]
    return [check for check in found if check["found"]]


class _Trouble(CityfolkError):
    """A check that did not hold."""


def _try(what: str, needed: bool, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"what": what, "needed": needed, "ok": True, "found": check()}
    except (CityfolkError, OSError, ValueError, KeyError) as error:
        return {"what": what, "needed": needed, "ok": False, "found": str(error)}


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
    (reply,) = _answers(engine, [_request(engine, "Who are you?", sampling=Sampling(max_tokens=64))])
    text = f"{reply.completion_tokens} tokens in {perf_counter() - began:.1f} s"
    if reply.reasoning:
        text += (
            f", {len(reply.reasoning)} characters of them thinking: add ?thinking=off to the engine's name to save them"
        )
    return text


def _server(engine: Engine, url: str) -> str:
    found = ask_json(f"{url}/models", seconds=_PROBE_SECONDS)
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise _Trouble(
            f"{url}/models gives no list of models: a key that is missing, or a server that has no such list"
        )
    name = engine.model.partition("?")[0]
    mine: dict[str, Any] = next((row for row in rows if isinstance(row, dict) and row.get("id") == name), {})
    names = ", ".join(str(row.get("id")) for row in rows[:6] if isinstance(row, dict))
    if not mine:
        raise _Trouble(f"it lists no model {name!r}, but {names}")
    length = mine.get("max_model_len") or (mine.get("meta") or {}).get("n_ctx_train")
    return f"it has {name}" + (f", {length:,} tokens of context" if isinstance(length, int) else "")


def _whole_prompt(engine: Engine) -> str:
    """Send the longest guidance there is and compare how many tokens were read: Ollama cuts in silence."""
    guidance = PROFILE[form_for(engine.model)]
    messages = (Message(role="system", content=guidance), Message(role="user", content="Say yes if you read all that."))
    request = Request(messages=messages, model=engine.model, label="doctor", sampling=Sampling(max_tokens=16))
    expected = prompt_estimate(request)
    (reply,) = _answers(engine, [request])
    if not reply.prompt_tokens:
        return f"about {expected:,} tokens sent; the engine does not say how many it read"
    if reply.prompt_tokens < _READ_SHARE * expected:
        raise _Trouble(
            f"only {reply.prompt_tokens:,} of about {expected:,} tokens were read: the server cuts prompts; give it a "
            "longer context (Ollama: OLLAMA_CONTEXT_LENGTH=8192 ollama serve)"
        )
    return f"{reply.prompt_tokens:,} tokens read"


def _schema(engine: Engine) -> str:
    sampling = Sampling(max_tokens=512)
    (reply,) = _answers(engine, [_request(engine, "A colour and a number.", schema=_SCHEMA, sampling=sampling)])
    value = json.loads(reply.text)
    if set(value) != {"colour", "number"} or value["colour"] not in ("red", "green", "blue"):
        raise _Trouble(f"the reply does not follow its schema: {reply.text[:80]!r}")
    mode = getattr(engine, "schema_mode", "")
    return reply.text + (f" ({_MODES.get(mode, mode)})" if mode else "")


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


def _at_once(engine: Engine, number: int) -> str:
    began = perf_counter()
    sampling = [Sampling(max_tokens=32, sample=sample) for sample in range(number)]
    replies = _answers(engine, [_request(engine, "Say anything.", sampling=one) for one in sampling])
    tokens = sum(reply.completion_tokens for reply in replies)
    text = f"{tokens / max(perf_counter() - began, 1e-9):,.0f} tokens/s"
    reached = getattr(engine, "concurrency", None)
    return text + (f", {reached} calls at once by now" if isinstance(reached, int) else "")


def _notices(engine: Engine) -> str:
    return "; ".join(str(text) for text in getattr(engine, "notices", ()))
