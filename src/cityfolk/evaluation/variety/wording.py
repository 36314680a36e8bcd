"""How varied the wording is: distinct-n, moving-window type-token ratio, MTLD, self-BLEU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cityfolk.texts.tokens import Tokens, grams, spans

WINDOW = 50
MTLD_THRESHOLD = 0.72
_ORDERS = 4


def distinct(tokens: Tokens, size: int) -> tuple[float, int]:
    """Return distinct-n (Li et al. 2016), different n-grams over all n-grams, and how many there are in all.

    No n-gram reaches across two texts; nan without any.
    """
    keys, inside = grams(tokens, size)
    keys = keys[inside]
    if not len(keys):
        return float("nan"), 0
    keys.sort()
    return (1 + int(np.count_nonzero(keys[1:] != keys[:-1]))) / len(keys), len(keys)


def mattr(tokens: Tokens, window: int = WINDOW) -> NDArray[np.float64]:
    """Return each profile's moving-average type-token ratio (Covington & McFall 2010); nan below `window` words.

    A word is a new type in a window if its last occurrence before lies outside: so each word counts in as many windows
    as start after that occurrence, and the mean over windows needs one pass.
    """
    ends = tokens.ends
    lengths = np.diff(ends)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    position = spans(np.zeros(len(lengths), dtype=np.int64), lengths)
    before = _previous(owner * max(1, len(tokens.vocabulary)) + tokens.ids, position)
    last = lengths[owner] - window
    first = np.maximum(np.maximum(before + 1, position - window + 1), 0)
    windows = np.clip(np.minimum(position, last) - first + 1, 0, None)
    totals = np.bincount(owner, weights=windows, minlength=len(lengths))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = totals / (window * (lengths - window + 1))
    return np.where(lengths >= window, ratios, np.nan)


def _previous(keys: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of the last equal key before each one; -1 where there is none."""
    order = np.argsort(keys, kind="stable")
    before = np.full(len(keys), -1, dtype=np.int64)
    same = keys[order[1:]] == keys[order[:-1]]
    before[order[1:][same]] = position[order[:-1][same]]
    return before


def mtld(words: Sequence[int], threshold: float = MTLD_THRESHOLD) -> float:
    """Return the measure of textual lexical diversity (McCarthy & Jarvis 2010): mean of both directions, in words.

    A factor ends where the type-token ratio has fallen to `threshold`; what is left at the end counts as the part of
    a factor that its ratio has covered. nan where no word repeats: then there is no factor.
    """
    factors = [_factors(words, threshold), _factors(reversed(words), threshold)]
    return sum(len(words) / f for f in factors) / 2 if all(factors) else float("nan")


def _factors(words: Iterable[int], threshold: float) -> float:
    factors, count = 0.0, 0
    seen: set[int] = set()
    for word in words:
        count += 1
        seen.add(word)
        if len(seen) / count <= threshold:
            factors += 1
            count = 0
            seen = set()
    return factors + ((1 - len(seen) / count) / (1 - threshold) if count else 0.0)


def self_bleu(tokens: Tokens) -> NDArray[np.float64]:
    """Return each profile's BLEU-4 (Papineni et al. 2002) against all others as references (Zhu et al. 2018).

    Exact, yet not by pairs: an n-gram's count is clipped at its greatest count in any one other profile, which is the
    greatest of all, or the second greatest for the profile that alone holds the greatest. Equal weights, no smoothing
    (0 where no 4-gram is shared), the closest length among the others for the brevity penalty. A profile is one
    sequence of words. The value rises with the number of references: compare at equal n.
    """
    ends = tokens.ends
    lengths = np.diff(ends)
    count = len(lengths)
    owner = np.repeat(np.arange(count), lengths)
    ranks = np.zeros(len(tokens.ids), dtype=np.int64)
    logs = np.zeros(count)
    for size in range(1, _ORDERS + 1):
        keep = max(0, len(tokens.ids) - size + 1)
        keys = ranks[:keep] * (len(tokens.vocabulary) + 1) + tokens.ids[size - 1 :]
        ranks = np.unique(keys, return_inverse=True)[1]
        whole = owner[:keep] == owner[size - 1 :]
        matched = _clipped(ranks[whole], owner[:keep][whole], count)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs += np.log(matched / np.maximum(lengths - size + 1, 1)) / _ORDERS
    return np.exp(logs) * _brevity(lengths)


def _clipped(ranks: NDArray[np.int64], owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return how many n-grams of each profile are matched by the others, each clipped at its reference count."""
    pairs, times = np.unique(ranks * count + owner, return_counts=True)
    if not len(pairs):
        return np.zeros(count, dtype=np.float64)
    gram, profile = pairs // count, pairs % count
    starts = np.flatnonzero(np.concatenate([[True], gram[1:] != gram[:-1]]))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(gram))))
    most = np.maximum.reduceat(times, starts)
    holds = times == most[group]
    holders = np.add.reduceat(holds.astype(np.int64), starts)
    second = np.maximum.reduceat(np.where(holds, 0, times), starts)
    reference = np.where(holds & (holders[group] == 1), second[group], most[group])
    matched = np.minimum(times, reference)
    return np.bincount(profile, weights=matched, minlength=count).astype(np.float64)


def _brevity(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the brevity penalty of each length against the closest of the others (the shorter of two as close)."""
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order].astype(np.float64)
    below = np.concatenate([[-np.inf], ordered[:-1]])
    above = np.concatenate([ordered[1:], [np.inf]])
    closest = np.where(ordered - below <= above - ordered, below, above)
    penalty = np.empty(len(lengths))
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty[order] = np.where(ordered > 0, np.exp(np.minimum(0.0, 1 - closest / ordered)), 0.0)
    return penalty
