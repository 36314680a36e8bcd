"""The chat-completions wire format: a request as the body that is sent, a body that came back as a reply. No I/O.

Three ways to ask for JSON, in the order in which they are tried (SCHEMA_MODES): the schema as
`response_format: json_schema`; JSON mode with the schema beside it and in the prompt; the schema in the prompt alone.
Which of them a server took does not enter a request's key: whatever came back is validated by whoever asked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import orjson

from cityfolk.types import Finish, Reply, Request

SchemaMode = Literal["json_schema", "json_object", "prompt"]
SCHEMA_MODES: tuple[SchemaMode, ...] = ("json_schema", "json_object", "prompt")
TOP_LOGPROBS = 20

_THOUGHT = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)
_SCHEMA_WORDS = (
    "Answer with one JSON object and nothing else: no Markdown, no comment. It must match this JSON schema:\n"
)
_CHOICE_WORDS = "Answer with exactly one of the following and nothing else: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one server wants to be spoken to; changed by what it refuses.

    `schema_mode` is how JSON is asked for, `logprobs` says whether choices are asked for with log-probabilities, but
    for the sets of choices in `unclear`, which their first token does not tell apart,
    `unsent` names parameters that the server refused, `renamed` those it knows by another name, `extra` is added to
    every body.
    """

    model: str
    schema_mode: SchemaMode = "json_schema"
    logprobs: bool = True
    unclear: frozenset[tuple[str, ...]] = frozenset()
    unsent: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, Any], ...] = ()

    def wants_logprobs(self, request: Request) -> bool:
        """Say whether a request is asked as one token with its alternatives."""
        return bool(request.choices) and self.logprobs and request.choices not in self.unclear

    def wants_json(self, request: Request) -> bool:
        """Say whether a request is asked for JSON; choices are, where there are no log-probabilities."""
        return request.schema is not None or (bool(request.choices) and not self.wants_logprobs(request))


def body(request: Request, dialect: Dialect) -> bytes:
    """Return the JSON body of a request in a server's dialect: the same bytes for the same arguments."""
    sampling = request.sampling
    sent: dict[str, Any] = {
        "model": request.adapter or dialect.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": request.seed,
    }
    schema = request.schema
    if request.choices:
        if dialect.wants_logprobs(request):
            sent.update(max_tokens=1, logprobs=True, top_logprobs=TOP_LOGPROBS)
        else:
            schema = _choice_schema(request.choices)
    if schema is not None:
        _ask_for_json(sent, schema, dialect.schema_mode)
    sent.update(dialect.extra)
    for old, new in dialect.renamed:
        if old in sent:
            sent[new] = sent.pop(old)
    for name in dialect.unsent:
        sent.pop(name, None)
    return orjson.dumps(sent)


def _ask_for_json(sent: dict[str, Any], schema: str, mode: SchemaMode) -> None:
    if mode == "json_schema":
        sent["response_format"] = orjson.Fragment(_schema_format(schema))
        return
    if mode == "json_object":
        sent["response_format"] = orjson.Fragment(_object_format(schema))
    sent["messages"] = _with_words(sent["messages"], _SCHEMA_WORDS + schema)


@lru_cache(maxsize=64)
def _schema_format(schema: str) -> bytes:
    named = {"name": "reply", "schema": json.loads(schema), "strict": True}
    return orjson.dumps({"type": "json_schema", "json_schema": named})


@lru_cache(maxsize=64)
def _object_format(schema: str) -> bytes:
    return orjson.dumps({"type": "json_object", "schema": json.loads(schema)})


@lru_cache(maxsize=64)
def _choice_schema(choices: tuple[str, ...]) -> str:
    choice = {"type": "string", "enum": list(choices)}
    schema = {"type": "object", "properties": {"choice": choice}, "required": ["choice"], "additionalProperties": False}
    return json.dumps(schema, ensure_ascii=False)


def _with_words(messages: Sequence[Mapping[str, str]], words: str) -> list[dict[str, str]]:
    """Put the output format where it changes least: at the end of the system message, or before all else."""
    first, *rest = (dict(message) for message in messages)
    if first["role"] == "system":
        first["content"] = f"{first['content']}\n\n{words}"
    else:
        first["content"] = f"{words}\n\n{first['content']}"
    return [first, *rest]


class NotAReplyError(ValueError):
    """A body that is no chat completion: the fault's short name, and what it said."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def reply(raw: bytes, request: Request, *, model: str, seconds: float, faults: tuple[str, ...]) -> Reply:
    """Read a chat completion; NotAReplyError for an error inside a 200 and for what is no completion at all.

    What a model thought aloud is taken out of the text: `reasoning_content`, `reasoning`, or a <think> block.
    """
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotAReplyError("not-json", f"the server's answer is not JSON: {error}") from None
    if not isinstance(answer, dict):
        raise NotAReplyError("not-json", "the server's answer is not an object")
    if answer.get("error"):
        raise NotAReplyError("error-in-200", error_text(raw))
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NotAReplyError("no-completion", "the server's answer holds no completion") from None
    if not isinstance(content, str) or not isinstance(reasoning, str):
        raise NotAReplyError("no-completion", "the server's answer is not text")
    usage = answer.get("usage") or {}
    finish, failure = _finish(choice.get("finish_reason"))
    logprobs = None
    if request.choices:
        logprobs = choice_logprobs(choice.get("logprobs"), request.choices)
        # One token was asked for, so that the answer is cut by intent.
        finish = "stop" if logprobs is not None else finish
    if logprobs is not None:
        text = request.choices[max(range(len(logprobs)), key=logprobs.__getitem__)]
    else:
        thought, text = split_thought(content)
        reasoning = reasoning or thought
    return Reply(
        text=text,
        model=model,
        finish=finish,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        seconds=seconds,
        logprobs=logprobs,
        error=failure,
        reasoning=reasoning,
        faults=faults,
    )


def _finish(reason: object) -> tuple[Finish, str]:
    if reason == "length":
        return "length", ""
    if reason == "content_filter":
        return "error", "the server's content filter withheld the answer"
    return "stop", ""


def split_thought(content: str) -> tuple[str, str]:
    """Return (what was thought, the answer). A template may have opened the <think> block before the reply began."""
    found = _THOUGHT.match(content)
    if found:
        return found[1].strip(), content[found.end() :]
    if "</think>" in content and "<think>" not in content:
        thought, _, answer = content.partition("</think>")
        return thought.strip(), answer.lstrip()
    if content.lstrip().startswith("<think>"):  # cut off while thinking
        return content.lstrip().removeprefix("<think>").strip(), ""
    return "", content


def choice_logprobs(reported: Any, choices: Sequence[str]) -> tuple[float, ...] | None:
    """Return natural-log probabilities of choices, normalised over them, from the first token's alternatives.

    A token counts for the one choice that it begins (or that begins with it); a choice that none of the reported
    tokens begins gets the least probability reported, which is an upper bound. None where the server reported
    nothing, or where tokens that could begin several choices outweigh those that decide.
    """
    try:
        tops = {str(top["token"]): float(top["logprob"]) for top in reported["content"][0]["top_logprobs"]}
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    mass, ambiguous = [0.0] * len(choices), 0.0
    for token, logprob in tops.items():
        begun = _begun(token, choices)
        if len(begun) == 1:
            mass[begun[0]] += math.exp(logprob)
        elif begun:
            ambiguous += math.exp(logprob)
    if sum(mass) <= ambiguous:
        return None
    floor = math.exp(max(min(tops.values()), -100.0))
    mass = [value or floor for value in mass]
    total = math.log(sum(mass))
    return tuple(math.log(value) - total for value in mass)


def _begun(token: str, choices: Sequence[str]) -> list[int]:
    word = token.lstrip(" \n\t\u2581\u0120").rstrip()  # the marks that two families of tokenizers write for a space
    if not word:
        return []
    for fold in (str, str.casefold):
        begun = [i for i, choice in enumerate(choices) if fold(choice).startswith(fold(word))]
        begun = begun or [
            i
            for i, choice in enumerate(choices)
            if fold(word).startswith(fold(choice)) and not word[len(choice) : len(choice) + 1].isalnum()
        ]
        exact = [i for i in begun if fold(choices[i]) == fold(word)]
        if begun:
            return exact or begun
    return []


def chosen(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a plain or JSON answer names, if it names one."""
    stripped = unfenced(text)
    try:
        parsed = orjson.loads(stripped)
        stripped = parsed["choice"] if isinstance(parsed, dict) else parsed
    except (orjson.JSONDecodeError, KeyError):
        pass
    word = str(stripped).strip().strip(".\"'").casefold()
    return next((choice for choice in choices if choice.casefold() == word), None)


def unfenced(text: str) -> str:
    """Return a text without the Markdown fence that some models put around JSON."""
    text = text.strip()
    if text.startswith("```"):
        text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    return text


def answers(text: str, schema: str) -> bool:
    """Say whether a reply looks like an answer to a schema: JSON, with its required keys, types and enums.

    This is how a server that ignores the schema is noticed; whether the reply is good is for who asked to say.
    """
    try:
        value = orjson.loads(unfenced(text))
    except orjson.JSONDecodeError:
        return False
    return _fits(value, _parsed_schema(schema))


@lru_cache(maxsize=64)
def _parsed_schema(schema: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(schema)
    return parsed


_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    if "enum" in schema and value not in schema["enum"]:
        return False
    kind = schema.get("type")
    if isinstance(kind, str) and not isinstance(value, _KINDS.get(kind, (object,))):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if not set(schema.get("required", ())) <= value.keys():
            return False
        return all(_fits(part, known[name]) for name, part in value.items() if name in known)
    if isinstance(value, list) and "items" in schema:
        return all(_fits(part, schema["items"]) for part in value)
    return True


def error_text(raw: bytes) -> str:
    """Return what a server said of an error, in one line of any length: it is cut once a key has been taken out."""
    try:
        said = orjson.loads(raw)
        for name in ("error", "message", "detail"):
            if isinstance(said, dict) and name in said:
                said = said[name]
    except orjson.JSONDecodeError:
        said = raw.decode(errors="replace")
    return " ".join(str(said).split()) or "no message"
