"""The engine that ships with the package: no key, no network, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from threadpoolctl import threadpool_limits

from cityfolk.pocket.arrays import load_weights, revision, weights_folder
from cityfolk.pocket.serving import Server
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.types import Reply, Request

SLOTS = 32


class PocketEngine:
    """Answers with the embedded model; `rest` names a folder of weights other than the package's own."""

    name = "pocket"

    def __init__(self, rest: str = "", *, slots: int = SLOTS) -> None:
        self.folder = Path(rest) if rest else weights_folder()
        self.slots = slots

    @cached_property
    def model(self) -> str:
        """The model and its revision: the first 12 hex digits of the SHA-256 of its weights."""
        return f"pocket-1@{revision(self.folder)}"

    @cached_property
    def _server(self) -> Server:
        weights, tokenizer = load_weights(self.folder), PocketTokenizer.load(self.folder)
        return Server(weights, tokenizer, f"pocket-1@{weights.revision}", slots=self.slots)

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer requests as slots become free; a reply depends on its request alone."""
        # Products this small lose more to threads that wait for one another than they gain by a second core.
        with threadpool_limits(limits=1, user_api="blas"):
            yield from self._server.generate(requests)


def make(rest: str) -> PocketEngine:
    """Make the engine for the name "pocket" or "pocket:FOLDER"."""
    return PocketEngine(rest)
