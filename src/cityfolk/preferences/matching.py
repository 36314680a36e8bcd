"""Give as many as possible a partner of their own: bipartite matching where a partner may be taken several times."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def match(unit: Ints, partner: Ints, rank: Ints, turn: Ints, *, reuse: int) -> Ints:
    """Return the positions of the edges (unit, partner) that are taken: one a unit, at most `reuse` a partner.

    As many units as can be have one (augmenting paths: Kuhn 1955, Berge 1957), so that fewer edges never give more.
    Where there is room a unit gets the partner of its lowest rank. Units choose in the order of `turn` (one number an
    edge, the same for all edges of a unit): where there is not room for all it decides who goes without.
    """
    wants: dict[int, list[int]] = {}
    for edge in np.lexsort((partner, rank, unit, turn)).tolist():
        wants.setdefault(int(unit[edge]), []).append(edge)
    taken: dict[int, int] = {}
    users: dict[int, list[int]] = {}
    for one in wants:
        path = _path(one, wants, partner, taken, users, reuse)
        for edge in path:
            owner = int(unit[edge])
            if owner in taken:
                users[int(partner[taken[owner]])].remove(owner)
            taken[owner] = edge
            users.setdefault(int(partner[edge]), []).append(owner)
    return np.array(sorted(taken.values()), dtype=np.int64)


def _path(
    start: int,
    wants: dict[int, list[int]],
    partner: Ints,
    taken: dict[int, int],
    users: dict[int, list[int]],
    reuse: int,
) -> list[int]:
    """Return the edges to take so that `start` gets a partner and nobody loses theirs; none if there is no way."""
    came: dict[int, tuple[int, int]] = {}  # partner -> (the edge by which it was reached, whose edge that is)
    queue = deque([start])
    while queue:
        one = queue.popleft()
        for edge in wants[one]:
            to = int(partner[edge])
            if to in came:
                continue
            came[to] = (edge, one)
            if len(users.get(to, ())) < reuse:
                return _back(to, start, came, partner, taken)
            queue.extend(users[to])
    return []


def _back(end: int, start: int, came: dict[int, tuple[int, int]], partner: Ints, taken: dict[int, int]) -> list[int]:
    path: list[int] = []
    while True:
        edge, owner = came[end]
        path.append(edge)
        if owner == start:
            return path
        end = int(partner[taken[owner]])
