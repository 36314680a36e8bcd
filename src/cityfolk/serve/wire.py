"""The wire format of chat completions, read and written as OpenAI's API does. No I/O.

What is known is checked; what is known and not offered here (tools, audio) is refused unless it asks for nothing;
what is not known is refused, as OpenAI does: a misspelt parameter must not be a silent default.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cityfolk.errors import CityfolkError
from cityfolk.types import Message, Request, Sampling, ScoredRequest

MOST_CHOICES, MOST_TOP = 16, 20
DEFAULT_TOKENS = 2048
ANY_OBJECT = '{"type":"object"}'
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
# Labels for the one who asks, and hints on how to serve: they change no answer.
_IGNORED = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls"}
# Known to the API, not offered here; these values ask for nothing.
_NOTHING: dict[str, tuple[object, ...]] = {
    "audio": (None,),
    "frequency_penalty": (None, 0),
    "function_call": (None, "none"),
    "functions": (None, []),
    "logit_bias": (None, {}),
    "modalities": (None, ["text"]),
    "prediction": (None,),
    "presence_penalty": (None, 0),
    "reasoning_effort": (None, "none"),
    "tool_choice": (None, "none"),
    "tools": (None, []),
    "verbosity": (None,),
    "web_search_options": (None,),
}


class RefusedError(Exception):
    """A request that cannot be served: HTTP status, message, type, parameter and code of OpenAI's error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A chat completion that was asked for: one request for each of `n` choices, and how to answer."""

    requests: tuple[Request, ...]
    model: str
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    stream: bool = False
    usage_in_stream: bool = False


def read_request(body: object, *, models: Mapping[str, tuple[str, str]], scores: bool) -> Asked:
    """Read the JSON body of POST /v1/chat/completions; RefusedError says what is wrong with it.

    `models` maps the names that may be asked for to (the engine's model, an adapter or ""); `scores` says whether the
    engine gives log-probabilities of tokens.
    """
    if not isinstance(body, dict):
        raise RefusedError("the body must be a JSON object")
    _check_text(body)
    fields = _Fields(body)
    name = fields.take("model", _string)
    if name is None:
        _wrong("model", "you must name a model")
    if name not in models:
        raise RefusedError(
            f"there is no model {name!r} here; there is: {', '.join(models)}",
            status=404,
            param="model",
            code="model_not_found",
        )
    messages = _messages(fields.take("messages", _list))
    schema = _schema(fields.take("response_format", _mapping))
    count = fields.take("n", _whole(1, MOST_CHOICES)) or 1
    stop = _stop(body.get("stop"))
    logprobs, top = _logprobs(fields, offered=scores)
    sampling = _sampling(fields)
    stream = bool(fields.take("stream", _boolean))
    options = fields.take("stream_options", _mapping) or {}
    fields.refuse_rest()
    model, adapter = models[name]
    requests = []
    for sample in range(count):
        common: dict[str, Any] = {
            "messages": messages,
            "model": model,
            "schema": schema,
            "adapter": adapter,
            "sampling": Sampling(**sampling, sample=sample),
        }
        requests.append(ScoredRequest(**common, top=top) if logprobs else Request(**common))
    return Asked(
        requests=tuple(requests),
        model=name,
        stop=stop,
        logprobs=logprobs,
        stream=stream,
        usage_in_stream=bool(options.get("include_usage")),
    )


def _check_text(body: dict[str, Any]) -> None:
    """Refuse what JSON's escapes can say and UTF-8 cannot: half of a surrogate pair."""
    for name, value in body.items():
        try:
            json.dumps({name: value}, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            shown = name.encode("ascii", "backslashreplace").decode()
            raise RefusedError(
                f"{shown} holds a lone surrogate, which is no text", param=shown, code="invalid_value"
            ) from None


class _Fields:
    """A body whose members are taken one by one; those that nobody took are named at the end."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._taken = {"stop"}

    def take(self, name: str, check: Callable[[str, Any], Any]) -> Any:
        self._taken.add(name)
        value = self._body.get(name)
        return None if value is None else check(name, value)

    def refuse_rest(self) -> None:
        for name, value in self._body.items():
            if name in self._taken or name in _IGNORED:
                continue
            if name not in _NOTHING:
                raise RefusedError(f"unrecognized request argument supplied: {name}", param=name)
            if value not in _NOTHING[name]:
                raise RefusedError(f"{name} is not offered by this server", param=name, code="unsupported_parameter")


def _wrong(param: str, message: str) -> NoReturn:
    raise RefusedError(message, param=param, code="invalid_value")


def _string(name: str, value: Any) -> str:
    return value if isinstance(value, str) else _wrong(name, f"{name} must be a string")


def _list(name: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else _wrong(name, f"{name} must be an array")


def _mapping(name: str, value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else _wrong(name, f"{name} must be an object")


def _boolean(name: str, value: Any) -> bool:
    return value if isinstance(value, bool) else _wrong(name, f"{name} must be true or false")


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _wrong(name, f"{name} must be a whole number from {low} to {high}, not {value!r}")
        return value

    return check


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            _wrong(name, f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    return check


def _messages(value: list[Any] | None) -> tuple[Message, ...]:
    if not value:
        _wrong("messages", "messages must be a non-empty array")
    return tuple(_message(number, message) for number, message in enumerate(value))


def _message(number: int, message: Any) -> Message:
    where = f"messages[{number}]"
    if not isinstance(message, dict):
        _wrong(where, f"{where} must be an object")
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        _wrong(f"{where}.role", f"{where}.role must be one of {', '.join(_ROLES)}, not {message.get('role')!r}")
    content = message.get("content")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            _wrong(f"{where}.content", f"{where}.content may hold parts of type text only")
        content = "".join(str(part) for part in parts)
    if not isinstance(content, str):
        _wrong(f"{where}.content", f"{where}.content must be a string or an array of parts of type text")
    return Message(role=role, content=content)  # type: ignore[arg-type]  # one of _ROLES' values


def _schema(wanted: dict[str, Any] | None) -> str | None:
    if wanted is None or wanted.get("type") == "text":
        return None
    schema: object
    if wanted.get("type") == "json_object":
        schema = wanted.get("schema")  # llama.cpp's way of naming one here
        if schema is None:
            return ANY_OBJECT
    elif wanted.get("type") == "json_schema":
        named = wanted.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
    else:
        _wrong("response_format.type", "response_format.type must be text, json_object or json_schema")
    if not isinstance(schema, dict):
        _wrong("response_format.json_schema.schema", "response_format.json_schema.schema must be an object")
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(s, str) and s for s in stops):
        _wrong("stop", "stop must be a string or an array of up to 4 strings")
    return tuple(stops)


def _logprobs(fields: _Fields, *, offered: bool) -> tuple[bool, int]:
    wanted = bool(fields.take("logprobs", _boolean))
    top = fields.take("top_logprobs", _whole(0, MOST_TOP))
    if top is not None and not wanted:
        _wrong("top_logprobs", "top_logprobs needs logprobs to be true")
    if wanted and not offered:
        raise RefusedError(
            "logprobs are not offered by this server's engine", param="logprobs", code="unsupported_parameter"
        )
    return wanted, top or 0


def _sampling(fields: _Fields) -> dict[str, Any]:
    limit = _whole(1, 1 << 20)
    old, new = fields.take("max_tokens", limit), fields.take("max_completion_tokens", limit)
    if old is not None and new is not None and old != new:
        _wrong("max_tokens", "max_tokens and max_completion_tokens differ; give one of them")
    seed = fields.take("seed", _whole(-(1 << 63), (1 << 63) - 1))
    temperature = fields.take("temperature", _number(0.0, 2.0))
    top_p = fields.take("top_p", _number(0.0, 1.0))
    try:
        return {
            "temperature": 1.0 if temperature is None else temperature,
            "top_p": 1.0 if top_p is None else max(top_p, 1e-9),
            "max_tokens": new or old or DEFAULT_TOKENS,
            # Without a seed two calls are two draws, as with OpenAI.
            "seed": seed if seed is not None else secrets.randbits(63),
        }
    except CityfolkError as problem:
        raise RefusedError(str(problem)) from problem
