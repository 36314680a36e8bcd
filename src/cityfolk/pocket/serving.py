"""Many requests at once: a thread for each core, each with its own batch of conversations.

numpy lets go of the interpreter while it multiplies, so two threads use two cores. Requests are taken from their
source in the thread that called, one for every slot that is free, and go to the batch that has least to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from cityfolk.pocket.arrays import Weights
from cityfolk.pocket.batch import Batch, Model
from cityfolk.pocket.constrain import Constrainer
from cityfolk.pocket.decoder import ROWS
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.types import Reply, Request

MOST_WORKERS = 4
_GLANCE = 0.005  # seconds between looks at a source that was not ready


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Server:
    """Answers requests with a model; the same request gets the same reply, whoever is answered beside it.

    `weights` returns the weights for the name of an adapter ("" for none). `slots` is how many requests are worked on
    at once, shared out among `workers` threads; neither changes a reply.
    """

    def __init__(
        self,
        weights: Callable[[str], Weights],
        tokenizer: PocketTokenizer,
        model: str,
        *,
        slots: int | None = None,
        workers: int | None = None,
    ) -> None:
        workers = workers or min(cores(), MOST_WORKERS)
        self.slots = slots or workers * ROWS
        self._shares = _shares(self.slots, workers)
        self._model = Model(name=model, tokenizer=tokenizer, constrainer=Constrainer(tokenizer), weights=weights)
        self._idle: list[Batch] = []
        self._lock = Lock()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Reply]]:
        """Yield (key, reply) as each finishes; a request is taken only when a slot is free for it.

        A source with a method `ready` (see `engines.feed`) is not waited for while there is work in hand.
        """
        source, ready = iter(requests), getattr(requests, "ready", None)
        results: SimpleQueue[_Result] = SimpleQueue()
        crew = [_Worker(self._batch(slots), results) for slots in self._shares]
        more = True
        try:
            while more or any(worker.load for worker in crew):
                while more and (worker := min(crew, key=_Worker.fullness)).fullness() < 1:
                    if ready is not None and any(w.load for w in crew) and not ready():
                        break
                    request = next(source, None)
                    if request is None:
                        more = False
                    else:
                        worker.give(request)
                if not any(worker.load for worker in crew):
                    continue
                try:
                    done = results.get(timeout=_GLANCE if more and ready is not None else None)
                except Empty:
                    continue
                yield _take(done)
        finally:
            for worker in crew:
                worker.stop()
            for worker in crew:
                worker.join()
                self._idle.append(worker.batch)

    def _batch(self, slots: int) -> Batch:
        """Return a batch that nobody uses; two streams at once have batches of their own."""
        with self._lock:
            for place, batch in enumerate(self._idle):
                if batch.slots == slots:
                    return self._idle.pop(place)
        return Batch(self._model, slots)


_Result = tuple["_Worker", str, Reply] | BaseException


def _shares(slots: int, workers: int) -> list[int]:
    """Share slots out, as evenly as it goes, among at least as many batches as they need."""
    count = max(min(workers, slots), -(-slots // ROWS))
    return [slots // count + (n < slots % count) for n in range(count)]


def _take(result: _Result) -> tuple[str, Reply]:
    if isinstance(result, BaseException):
        raise result
    worker, key, reply = result
    worker.load -= 1
    return key, reply


class _Worker:
    """A thread that works on one batch; `load` counts what it was given and has not been taken back."""

    def __init__(self, batch: Batch, results: SimpleQueue[_Result]) -> None:
        self.batch, self.load = batch, 0
        self._results = results
        self._inbox: SimpleQueue[Request | None] = SimpleQueue()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="pocket", daemon=True)
        self._thread.start()

    def fullness(self) -> float:
        """Return the share of slots that are taken."""
        return self.load / self.batch.slots

    def give(self, request: Request) -> None:
        """Hand over a request; there must be a free slot."""
        self.load += 1
        self._inbox.put(request)

    def stop(self) -> None:
        """Have the thread end after the pass that it is in; what is unfinished is dropped."""
        self._stopped.set()
        self._inbox.put(None)

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()
        self.batch.jobs.clear()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._admit()
                if self.batch.jobs:
                    for key, reply in self.batch.advance():
                        self._results.put((self, key, reply))
        except BaseException as problem:  # noqa: BLE001 - it is raised again where the replies are taken
            self._results.put(problem)

    def _admit(self) -> None:
        """Take what was handed over; wait for it when there is nothing else to do."""
        while not self._stopped.is_set():
            try:
                request = self._inbox.get(block=not self.batch.jobs)
            except Empty:
                return
            if request is None:
                return
            reply = self.batch.admit(request)
            if reply is not None:
                self._results.put((self, request.key, reply))
