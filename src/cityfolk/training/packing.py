"""Rows of tokens without padding, each prompt once: [prompt, chosen, rejected], [prompt, chosen, rejected], ...

Positions restart so that both answers continue from the prompt, and a token sees its own prompt and its own answer up
to itself, nothing else: every answer gets the log-probabilities that it would get alone (Wang and Hegde 2024,
"Accelerating Direct Preference Optimization with Prefix Sharing", arXiv:2410.20305). An answer's last token is never
an input, since nothing is predicted from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import UsageError
from cityfolk.training.tokens import Ids, Triple


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One row of a packed batch: n inputs of k pairs, m answer tokens to score.

    `places` says which of the packed triples are here, in order. `bounds` (k, 4) holds where each begins, where its
    prompt ends, where its chosen answer ends, where it ends. `kept` (m) are the inputs whose output predicts an answer
    token, `targets` (m) those tokens, pair by pair, chosen before rejected; `lengths` (k, 2) how many of them are
    whose (0 for an answer that is not there).
    """

    places: tuple[int, ...]
    input_ids: Ids
    positions: Ids
    bounds: Ids
    kept: Ids
    targets: Ids
    lengths: Ids

    @property
    def branches(self) -> tuple[Ids, Ids]:
        """Return which pair each input belongs to, -1 for padding, and which part: 0 prompt, 1 chosen, 2 rejected."""
        pair = np.full(len(self.input_ids), -1, dtype=np.int64)
        part = np.zeros(len(self.input_ids), dtype=np.int64)
        for number, (begin, prompt, chosen, end) in enumerate(self.bounds.tolist()):
            pair[begin:end], part[prompt:chosen], part[chosen:end] = number, 1, 2
        return pair, part


def inputs_of(triple: Triple) -> int:
    """Return how many inputs a triple needs: its tokens but the last of each answer."""
    return triple.tokens - len(triple.answers)


def pack(triples: Sequence[Triple], *, budget: int, multiple: int = 1, pad: int = 0) -> list[Row]:
    """Put triples into rows of at most `budget` inputs, first fit, the longest first; UsageError if one is longer.

    Rows end where their last pair ends; on devices that want it, they are filled up to a multiple with the token
    `pad`, which sees nothing but padding.
    """
    sizes = [inputs_of(triple) for triple in triples]
    bins: list[list[int]] = []
    room: list[int] = []
    for place in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        size = sizes[place]
        if size > budget:
            raise UsageError(
                f"{triples[place].name} has {size:,} tokens, and a row holds {budget:,}",
                hint="give rows more tokens, or leave the pair out",
            )
        fit = next((number for number, left in enumerate(room) if left >= size), len(bins))
        if fit == len(bins):
            bins.append([])
            room.append(budget)
        bins[fit].append(place)
        room[fit] -= size
    return [_row(triples, sorted(places), multiple, pad) for places in sorted(map(sorted, bins))]


def _row(triples: Sequence[Triple], places: list[int], multiple: int, pad: int) -> Row:
    ids: list[Ids] = []
    positions: list[Ids] = []
    kept: list[Ids] = []
    bounds, lengths, begin = [], [], 0
    for place in places:
        triple = triples[place]
        size = len(triple.prompt)
        edge = begin + size
        bound = [begin, edge]
        ids.append(triple.prompt)
        positions.append(np.arange(size))
        for answer in triple.answers:
            fed = len(answer) - 1
            ids.append(answer[:-1])
            positions.append(np.arange(size, size + fed))
            # The first token of either answer is predicted from the last token of the prompt.
            kept.append(np.concatenate([[begin + size - 1], np.arange(edge, edge + fed)]))
            edge += fed
            bound.append(edge)
        begin = edge
        bounds.append([*bound, edge][:4])
        lengths.append([len(triple.chosen), 0 if triple.rejected is None else len(triple.rejected)])
    fill = -begin % multiple
    ids.append(np.full(fill, pad, dtype=np.int64))
    positions.append(np.arange(fill))
    return Row(
        places=tuple(places),
        input_ids=np.concatenate(ids),
        positions=np.concatenate(positions),
        bounds=np.array(bounds, dtype=np.int64),
        kept=np.concatenate(kept),
        targets=np.concatenate([answer for place in places for answer in triples[place].answers]),
        lengths=np.array(lengths, dtype=np.int64),
    )


def sees(pair: Any, part: Any, asking: Any, asked: Any) -> Any:
    """Say whether the input at `asking` may see the one at `asked`: integer arrays of numpy or torch that broadcast.

    Of the same pair, not later, and of the prompt or of the same answer.
    """
    own = (part[asked] == 0) | (part[asked] == part[asking])
    return (pair[asking] == pair[asked]) & (asked <= asking) & own


def dense_mask(row: Row) -> NDArray[np.bool_]:
    """Return (n, n): whether the input of the row may see that of the column."""
    pair, part = row.branches
    places = np.arange(len(pair))
    mask: NDArray[np.bool_] = sees(pair, part, places[:, None], places[None, :])
    return mask


def block_mask(row: Row, device: str) -> Any:
    """Return the same mask as torch's BlockMask for FlexAttention, for one row and all heads."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask

    pair, part = (torch.as_tensor(ids, device=device) for ids in row.branches)
    size = len(row.input_ids)

    def rule(batch: Any, head: Any, asking: Any, asked: Any) -> Any:
        return sees(pair, part, asking, asked)

    return create_block_mask(rule, None, None, size, size, device=device)
