"""Profiles that are near copies of another: MinHash over runs of three words, locality-sensitive hashing, then a check.

Two profiles are near copies if at least half of their different runs of three words are shared (Jaccard). Candidates
are found in near-linear time (Broder 1997; Indyk & Motwani 1998); each candidate pair is then checked exactly, so what
is counted is so, and what may be missed is measured by planting altered copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from cityfolk.rng import derive
from cityfolk.texts.tokens import Tokens, grams

THRESHOLD = 0.5
SHINGLE = 3
BANDS, ROWS = 80, 5
"""A pair of similarity s is a candidate with probability 1 - (1 - s^5)^80: .92 at .5, .998 at .6, .0008 at .1."""

_BINS = BANDS * ROWS
_EMPTY = np.uint32(0xFFFFFFFF)
_NEIGHBOURS = 20
_ATTEMPTS = 32
_SLACK = 0.15
_CHUNK = 4_000_000
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
Pairs = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NearCopies:
    """Who is a near copy of whom: pairs (m, 2), each pair's similarity, and each profile's cluster number."""

    pairs: Pairs
    similarity: NDArray[np.float64]
    cluster: NDArray[np.int64]

    @property
    def copies(self) -> int:
        """Return how many profiles are left when one of each cluster is kept as the original."""
        return len(self.cluster) - len(np.unique(self.cluster))


def near_copies(tokens: Tokens, seed: int, threshold: float = THRESHOLD) -> NearCopies:
    """Return the near copies among profiles; a profile without three words in a row is compared as a whole."""
    n = tokens.profiles
    marks = signatures(tokens, seed)
    found = _candidates(marks, threshold)
    likeness = _exact(tokens, found, seed)
    kept = likeness >= threshold
    pairs, likeness = found[kept], likeness[kept]
    graph = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    cluster = connected_components(graph, directed=False)[1].astype(np.int64)
    return NearCopies(pairs=pairs, similarity=likeness, cluster=cluster)


def measured_recall(tokens: Tokens, seed: int, rng: Generator, plants: int = 300) -> tuple[int, int]:
    """Plant altered copies that are near copies by definition; return how many were found, and of how many.

    Each copy has a share of its words replaced, drawn evenly from 0 to 13%, so that similarities run from 1 to the
    threshold; copies that fell below it aren't counted.
    """
    chosen = np.sort(rng.choice(tokens.profiles, min(plants, tokens.profiles), replace=False))
    originals = tokens.rows(chosen)
    rate = np.repeat(rng.uniform(0, 0.13, len(chosen)), np.diff(originals.ends))
    foreign = len(tokens.vocabulary)
    wider = replace(originals, vocabulary=(*tokens.vocabulary, ""))
    changed = np.where(rng.random(len(rate)) < rate, foreign, originals.ids).astype(np.int32)
    both = _joined(wider, replace(wider, ids=changed))
    n = len(chosen)
    pairs = np.stack([np.arange(n), np.arange(n) + n], axis=1)
    alike = _exact(both, pairs, seed) >= THRESHOLD
    marks = signatures(both, seed).reshape(2 * n, BANDS, ROWS)
    met = (marks[:n] == marks[n:]).all(axis=2).any(axis=1)
    return int((met & alike).sum()), int(alike.sum())


def _joined(first: Tokens, second: Tokens) -> Tokens:
    bounds = np.concatenate([first.bounds, second.bounds[1:] + first.bounds[-1]])
    return replace(first, ids=np.concatenate([first.ids, second.ids]), bounds=bounds)


def signatures(tokens: Tokens, seed: int) -> NDArray[np.uint32]:
    """Return each profile's signature, 400 numbers: one permutation hashing, densified (Shrivastava 2017).

    The share of equal numbers in two signatures estimates the Jaccard similarity of the two sets of shingles.
    """
    n = tokens.profiles
    marks = np.full((n, _BINS), _EMPTY, dtype=np.uint32)
    flat = marks.reshape(-1)
    for part in _parts(tokens):
        rows, hashes = _shingles(tokens.rows(part) if len(part) < n else tokens, seed)
        bins = ((hashes >> np.uint64(32)) * np.uint64(_BINS)) >> np.uint64(32)
        np.minimum.at(flat, (rows + part[0]) * _BINS + bins.astype(np.int64), hashes.astype(np.uint32))
    return _densified(marks, seed)


def _parts(tokens: Tokens) -> list[NDArray[np.int64]]:
    """Cut the profiles into runs of a few million words."""
    number = 1 + len(tokens.ids) // _CHUNK
    return [part for part in np.array_split(np.arange(tokens.profiles), number) if len(part)]


def _shingles(tokens: Tokens, seed: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return (profile, hash) of every run of three words inside a field; of the whole, for a profile without any."""
    keys, inside = grams(tokens, SHINGLE)
    owner = np.repeat(np.arange(tokens.profiles), np.diff(tokens.ends))[: len(keys)][inside]
    hashes = _mixed(keys[inside], seed, "shingle")
    bare = np.setdiff1d(np.arange(tokens.profiles), owner)
    if len(bare):
        ends = tokens.ends
        wholes = [derive(seed, *tokens.ids[ends[i] : ends[i + 1]].tolist()) for i in bare]
        owner = np.concatenate([owner, bare])
        hashes = np.concatenate([hashes, np.array(wholes, dtype=np.uint64)])
    return owner, hashes


def _mixed(keys: NDArray[np.uint64], seed: int, *path: str | int) -> NDArray[np.uint64]:
    """Return 64-bit hashes (SplitMix64's finisher, Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        x = keys + np.uint64(derive(seed, "variety", *path))
        x = (x ^ (x >> np.uint64(30))) * _M1
        x = (x ^ (x >> np.uint64(27))) * _M2
    return x ^ (x >> np.uint64(31))


def _densified(marks: NDArray[np.uint32], seed: int) -> NDArray[np.uint32]:
    """Fill every empty number from one that isn't, the same way for every profile.

    Where many attempts found none, because the profile is short, the next full number to the right is taken
    (Shrivastava & Li 2014).
    """
    full = marks.copy()
    rows, bins = np.nonzero(marks == _EMPTY)
    for attempt in range(1, _ATTEMPTS + 1):
        steps = _mixed(np.arange(_BINS, dtype=np.uint64), seed, "densify", attempt) % np.uint64(_BINS)
        source = marks[rows, steps.astype(np.int64)[bins]]
        full[rows, bins] = source
        empty = source == _EMPTY
        rows, bins = rows[empty], bins[empty]
    sparse, where = np.unique(rows, return_inverse=True)
    if len(sparse):
        twice = np.concatenate([marks[sparse], marks[sparse]], axis=1)
        place = np.where(twice == _EMPTY, 2 * _BINS - 1, np.arange(2 * _BINS))
        nearest = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
        full[rows, bins] = twice[where, nearest[where, bins]]
    return full


def _candidates(marks: NDArray[np.uint32], threshold: float) -> Pairs:
    """Return the pairs that meet in a band and whose signatures agree nearly as much as the threshold asks."""
    n = len(marks)
    whole = _mixed(np.zeros(n, dtype=np.uint64), 0, "whole")
    bands = []
    for band in range(BANDS):
        key = np.zeros(n, dtype=np.uint64)
        for column in range(band * ROWS, (band + 1) * ROWS):
            key = _mixed(key ^ marks[:, column].astype(np.uint64), 0, "band")
        whole = _mixed(whole ^ key, 0, "whole")
        bands.append(key)
    found: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for key in bands:
        # Equal signatures side by side, so that the limit on neighbours parts no exact copies.
        order = np.lexsort((whole, key))
        sorted_key = key[order]
        codes = []
        for distance in range(1, min(_NEIGHBOURS, n - 1) + 1):
            meet = np.flatnonzero(sorted_key[distance:] == sorted_key[:-distance])
            if not len(meet):
                break
            a, b = order[meet], order[meet + distance]
            codes.append(np.minimum(a, b) * n + np.maximum(a, b))
        if codes:
            new = np.setdiff1d(np.concatenate(codes), found)
            found = np.union1d(found, new[_agreement(marks, new) >= threshold - _SLACK])
    return np.stack([found // n, found % n], axis=1)


def _agreement(marks: NDArray[np.uint32], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    n = len(marks)
    shares = np.empty(len(codes))
    for start in range(0, len(codes), 20_000):
        part = codes[start : start + 20_000]
        shares[start : start + 20_000] = (marks[part // n] == marks[part % n]).mean(axis=1)
    return shares


def _exact(tokens: Tokens, pairs: Pairs, seed: int) -> NDArray[np.float64]:
    """Return the exact Jaccard similarity of the sets of shingles of each pair."""
    if not len(pairs):
        return np.empty(0)
    rows, where = np.unique(pairs, return_inverse=True)
    where = where.reshape(pairs.shape)
    owner, hashes = _shingles(tokens.rows(rows), seed)
    columns = np.unique(hashes, return_inverse=True)[1]
    sets = csr_matrix((np.ones(len(owner), dtype=np.float32), (owner, columns)))
    sets.sum_duplicates()
    sets.data[:] = 1.0
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    values = np.empty(len(pairs))
    for start in range(0, len(pairs), 20_000):
        a, b = where[start : start + 20_000].T
        shared = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
        values[start : start + 20_000] = shared / (sizes[a] + sizes[b] - shared)
    return values
