"""Replies as chat completions: one body, or server-sent events. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from cityfolk.serve.wire import Asked, RefusedError
from cityfolk.types import Reply, ScoredReply, TokenScore


def completion(asked: Asked, replies: Sequence[Reply], *, name: str, created: int) -> dict[str, Any]:
    """Return the body of a chat completion; RefusedError where a call failed.

    `name` is the completion's id, `created` the time in Unix seconds.
    """
    for reply in replies:
        if reply.finish == "error":
            raise failure(reply)
    written = sum(reply.completion_tokens for reply in replies)
    prompt = replies[0].prompt_tokens
    return {
        "id": name,
        "object": "chat.completion",
        "created": created,
        "model": asked.model,
        "system_fingerprint": replies[0].model,
        "choices": [_choice(asked, number, reply) for number, reply in enumerate(replies)],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
    }


def failure(reply: Reply) -> RefusedError:
    """Return the error for a reply that failed: the request's fault where the engine says so of prompt or schema."""
    said = reply.error
    if said.startswith("the prompt"):
        return RefusedError(said, param="messages", code="context_length_exceeded")
    if said.startswith("the schema"):
        return RefusedError(said, param="response_format", code="invalid_schema")
    return RefusedError(said or "the engine failed", status=502, kind="server_error", code="engine_failed")


def events(body: dict[str, Any], *, with_usage: bool) -> Iterator[str]:
    """Yield a completion as the data of server-sent events: the role, the text, the end, and "[DONE]".

    The text of a choice comes in one piece: it is whole before it is sent.
    """
    common = {key: body[key] for key in ("id", "created", "model", "system_fingerprint")}

    def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
        usage = {"usage": None} if with_usage else {}
        return json.dumps({**common, "object": "chat.completion.chunk", "choices": choices, **usage, **more})

    for choice in body["choices"]:
        index, message = choice["index"], choice["message"]
        parts = [
            ({"role": "assistant", "content": ""}, None, None),
            ({k: v for k, v in message.items() if k in ("content", "reasoning_content")}, choice["logprobs"], None),
            ({}, None, choice["finish_reason"]),
        ]
        for delta, logprobs, finish in parts:
            yield chunk([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}])
    if with_usage:
        yield chunk([], usage=body["usage"])
    yield "[DONE]"


def _choice(asked: Asked, number: int, reply: Reply) -> dict[str, Any]:
    end = min((place for stop in asked.stop if (place := reply.text.find(stop)) >= 0), default=None)
    text = reply.text if end is None else reply.text[:end]
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    logprobs = None
    if asked.logprobs and isinstance(reply, ScoredReply):
        scores = reply.scores if end is None else _up_to(reply.scores, len(text.encode()))
        logprobs = {"content": [_score(score) for score in scores], "refusal": None}
    finish = "stop" if end is not None else reply.finish
    return {"index": number, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _up_to(scores: Sequence[TokenScore], size: int) -> list[TokenScore]:
    """Return the scores of the tokens that begin within the first `size` bytes."""
    kept, begun = [], 0
    for score in scores:
        if begun >= size:
            break
        kept.append(score)
        begun += len(score.token)
    return kept


def _score(score: TokenScore) -> dict[str, Any]:
    top = [_token(token, logprob) for token, logprob in score.top]
    return {**_token(score.token, score.logprob), "top_logprobs": top}


def _token(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": token.decode(errors="replace"), "logprob": logprob, "bytes": list(token)}
