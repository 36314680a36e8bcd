"""`cityfolk serve-model`."""

from __future__ import annotations

from typing import Annotated

import typer

from cityfolk.cli.console import say


def serve_model(
    engine: Annotated[str, typer.Option("--engine", help="Who answers: a name from `cityfolk engines`.")] = "pocket",
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    adapter: Annotated[
        list[str], typer.Option("--adapter", help="NAME=FOLDER: an adapter that is asked for as the model NAME.")
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Offer an engine as an OpenAI-compatible endpoint, until Ctrl-C."""
    import asyncio
    from contextlib import suppress

    from cityfolk.engines.registry import load_engine
    from cityfolk.errors import UsageError
    from cityfolk.serve.app import Endpoint, serve

    adapters = {}
    for text in adapter:
        name, equals, folder = text.partition("=")
        if not name or not equals or not folder:
            raise UsageError(
                f"an adapter is NAME=FOLDER, not {text!r}", hint="for example --adapter analyst=my-adapter"
            )
        adapters[name] = folder
    endpoint = Endpoint(load_engine(engine), adapters)

    def ready(address: str) -> None:
        names = ", ".join(endpoint.models)
        say(f"{endpoint.engine.model} at {address} (models: {names}); Ctrl-C ends it")

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(endpoint, host, port, ready=ready))
    say("stopped")
