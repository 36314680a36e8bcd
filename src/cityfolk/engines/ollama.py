"""Ollama's context: its OpenAI endpoint has no parameter for it, and it cuts the oldest part of a longer prompt unsaid.

So the length with which the model runs is read from the server (GET /api/ps, once the model is loaded), and prompts
that were cut, or that cannot have fitted, are an error rather than an answer to half a question.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cityfolk.errors import EngineError
from cityfolk.types import Reply, Request

if TYPE_CHECKING:
    import aiohttp

# English prose has 4 to 5 characters a token; with more than this to each, a prompt has not been read whole.
_MOST_CHARACTERS = 8.0
_CLOSE = 8  # tokens; a prompt cut to the context fills it but for a few


class Context:
    """The context of one model on one server: `length` in tokens, None where the server does not say."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.length: int | None = None

    async def ask(self, session: aiohttp.ClientSession, base: str) -> None:
        """Ask an Ollama for the context of the model it has loaded; that a server does not tell is no fault."""
        import aiohttp

        with suppress(aiohttp.ClientError, OSError, ValueError):
            async with session.get(f"{base.removesuffix('/v1')}/api/ps") as response:
                self.read(await response.json(content_type=None))

    def read(self, running: Any) -> None:
        """Take the length from the answer to GET /api/ps; what cannot be understood there is left out."""
        models = running.get("models") if isinstance(running, dict) else None
        for one in models if isinstance(models, list) else []:
            names = {one.get("name"), one.get("model")} if isinstance(one, dict) else set()
            if names & {self.model, f"{self.model}:latest"} and isinstance(one.get("context_length"), int):
                self.length = one["context_length"] or None

    def problem(self, request: Request, reply: Reply) -> EngineError | None:
        """Return the error of a prompt that the server has cut."""
        characters = sum(len(message.content) for message in request.messages)
        tokens = reply.prompt_tokens
        full = self.length is not None and tokens >= self.length - _CLOSE
        if not full and (not tokens or characters <= _MOST_CHARACTERS * tokens + 200):
            return None
        return EngineError(
            f"Ollama has cut a prompt of {characters:,} characters to {tokens:,} tokens"
            + (f": its context is {self.length:,}" if self.length else ""),
            hint="start it with more, as in `OLLAMA_CONTEXT_LENGTH=8192 ollama serve`",
        )

    def notice(self, request: Request, reply: Reply) -> str:
        """Return what to say where prompt and answer together may be longer than the context; "" if they are not."""
        needed = reply.prompt_tokens + request.sampling.max_tokens
        if self.length is None or needed <= self.length:
            return ""
        return (
            f"Ollama's context is {self.length:,} tokens; a prompt of {reply.prompt_tokens:,} and an answer of up to "
            f"{request.sampling.max_tokens:,} need {needed:,}: OLLAMA_CONTEXT_LENGTH sets it"
        )
