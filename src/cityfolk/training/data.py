"""Which pairs a step is made of, addressed by seed and step, and who of several processes computes which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityfolk.rng import child, uniform_at
from cityfolk.training.packing import Row, pack
from cityfolk.training.tokens import Triple


def pairs_of_step(step: int, pairs: int, batch: int, seed: int) -> list[int]:
    """Return the places of the `batch` pairs of a step (counted from 0).

    Every pass over the pairs has an order of its own, and steps run on from one pass into the next: a step's pairs
    depend on nothing but these four numbers.
    """
    first, found = step * batch, list[int]()
    while len(found) < batch:
        turn, place = divmod(first + len(found), pairs)
        order = child(seed, "training", "order", turn).permutation(pairs)
        found += order[place : place + batch - len(found)].tolist()
    return found


def chosen_alone(triples: Sequence[Triple]) -> list[Triple]:
    """Return triples without their rejected answers."""
    return [replace(triple, rejected=None) for triple in triples]


def some_of(triples: Sequence[Triple], most: int, seed: int) -> list[Triple]:
    """Return at most so many triples, the same ones whenever they are asked for, in their order."""
    if len(triples) <= most:
        return list(triples)
    keys = uniform_at(seed, "training", "held-out", ids=np.arange(len(triples)))
    return [triples[place] for place in sorted(np.argsort(keys, kind="stable")[:most].tolist())]


def shares(triples: Sequence[Triple], processes: int) -> list[list[int]]:
    """Share places of triples out, so that every process has at least one and nearly as many tokens as the others."""
    found: list[list[int]] = [[] for _ in range(processes)]
    load = [0] * processes
    for place in sorted(range(len(triples)), key=lambda number: -triples[number].tokens):
        least = min(range(processes), key=lambda number: (load[number], number))
        found[least].append(place)
        load[least] += triples[place].tokens
    return [sorted(places) for places in found]


def weight_of(triples: Sequence[Triple], objective: str) -> int:
    """Return what the losses of triples weigh together: their number, or for "sft" tokens of chosen answers."""
    return sum(len(triple.chosen) for triple in triples) if objective == "sft" else len(triples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One process's part of a step: its rows, the triples that `Row.places` counts, and what the whole step weighs."""

    rows: tuple[Row, ...]
    triples: tuple[Triple, ...]
    weight: int
    tokens: int


def batch_of(
    triples: Sequence[Triple],
    *,
    objective: str,
    budget: int,
    multiple: int = 1,
    pad: int = 0,
    process: int = 0,
    processes: int = 1,
) -> Batch:
    """Return one process's part of a step on these triples; `tokens` are those of the whole step."""
    own = [triples[place] for place in shares(triples, processes)[process]]
    return Batch(
        rows=tuple(pack(own, budget=budget, multiple=multiple, pad=pad)),
        triples=tuple(own),
        weight=weight_of(triples, objective),
        tokens=sum(triple.tokens for triple in triples),
    )
