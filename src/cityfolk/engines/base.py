"""What an engine is: a name, a model, and one method. Wrappers have the same shape, so they stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from cityfolk.types import Reply, Request


class Engine(Protocol):
    """Whoever answers. `model` names model and revision and is part of every request's key."""

    name: str
    model: str

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Answer a stream of requests with a stream of (request.key, reply), in any order, as many at once as it likes.

        `requests` is consumed lazily: an engine never takes more than it can work on. A call that failed is a reply
        with finish "error". EngineError is raised only when no further call can succeed.
        """
        ...
