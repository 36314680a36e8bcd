"""The forward pass in numpy: prompts one at a time, then one token for each of many slots at once.

A reply must not depend on who else is being answered, to the last bit. So every product that several slots share has
one fixed shape (ROWS x width, with rows of zeros where there is nobody), attention runs over one slot at a time at that
slot's own length, and rows never mix. Keys are kept transposed, (head, position): products of one query with many keys
then read memory in order, which is what a pass waits for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cityfolk.pocket.arrays import Array, Layer, Weights

ROWS = 32
# Rows of keys a whole power of two apart would all fall into the same few lines of the cache.
_SHIFT = 16
Ints = NDArray[np.intp]


class Decoder:
    """Keys and values of `slots` conversations of up to `weights.positions` tokens, and the two passes over them.

    `weights` given to a pass may differ from those given here (a merged adapter), not in shape. A conversation is
    continued with the weights it was begun with.
    """

    def __init__(self, weights: Weights, slots: int) -> None:
        if not 1 <= slots <= ROWS:
            raise ValueError(f"a decoder has 1 to {ROWS} slots, not {slots}")
        self.weights, self.slots = weights, slots
        first = (len(weights.layers), slots, weights.kv_heads)
        self.keys: Array = np.zeros((*first, weights.head, weights.positions + _SHIFT), dtype=np.float32)
        self.values: Array = np.zeros((*first, weights.positions, weights.head), dtype=np.float32)
        steps = np.arange(0, weights.head, 2, dtype=np.float32) / np.float32(weights.head)
        frequency = (1.0 / np.float32(weights.theta) ** steps).astype(np.float32)
        angles = np.outer(np.arange(weights.positions, dtype=np.float32), frequency)
        angles = np.concatenate((angles, angles), axis=1)
        self._cos, self._sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        self._scale = np.float32(weights.head**-0.5)

    def step(self, tokens: Ints, positions: Ints, slots: Ints | None = None, weights: Weights | None = None) -> Array:
        """Feed one token to each of `slots` (by default all) and return the logits of the next, (slots, vocabulary)."""
        weights = weights or self.weights
        slots = np.arange(self.slots) if slots is None else slots
        count = len(slots)
        ids, places = np.zeros(ROWS, dtype=np.intp), np.zeros(ROWS, dtype=np.intp)
        ids[:count], places[:count] = tokens, positions
        x = weights.embedding[ids]
        x[count:] = 0
        cos, sin = self._cos[places][:, None, :], self._sin[places][:, None, :]
        spans = [(row, int(slot), int(positions[row]) + 1) for row, slot in enumerate(slots)]
        mixed = np.zeros((ROWS, weights.kv_heads, weights.heads // weights.kv_heads, weights.head), dtype=np.float32)
        for number, layer in enumerate(weights.layers):
            q, k, v = self._qkv(x, layer)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            self.keys[number, slots, :, :, positions] = k[:count]
            self.values[number, slots, :, positions] = v[:count]
            self._attend(number, q, spans, mixed)
            x = x + mixed.reshape(ROWS, -1) @ layer.out
            x = self._feed_forward(x, layer)
        logits: Array = (_norm(x, weights.norm, weights.epsilon) @ weights.unembedding)[:count]
        return logits

    def prefill(
        self, slot: int, tokens: Sequence[int], start: int = 0, wanted: int = 1, weights: Weights | None = None
    ) -> Array:
        """Feed tokens to one slot from position `start` on; return the logits after the last `wanted` of them."""
        weights, count = weights or self.weights, len(tokens)
        x = weights.embedding[np.array(tokens, dtype=np.intp)]
        positions = np.arange(start, start + count)
        cos, sin = self._cos[positions][:, None, :], self._sin[positions][:, None, :]
        end = start + count
        hidden = np.arange(end)[None, :] > positions[:, None]
        for number, layer in enumerate(weights.layers):
            q, k, v = self._qkv(x, layer)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            self.keys[number, slot, :, :, start:end] = k.transpose(1, 2, 0)
            self.values[number, slot, :, start:end] = v.transpose(1, 0, 2)
            x = x + self._attend_prompt(number, slot, q, hidden) @ layer.out
            x = self._feed_forward(x, layer)
        return _norm(x[count - wanted :], weights.norm, weights.epsilon) @ weights.unembedding

    def save(self, slot: int, count: int) -> tuple[Array, Array]:
        """Return copies of a slot's first `count` keys and values."""
        return self.keys[:, slot, :, :, :count].copy(), self.values[:, slot, :, :count].copy()

    def restore(self, slot: int, saved: tuple[Array, Array]) -> None:
        """Put saved keys and values at the start of a slot."""
        count = saved[1].shape[2]
        self.keys[:, slot, :, :, :count], self.values[:, slot, :, :count] = saved

    def _qkv(self, x: Array, layer: Layer) -> tuple[Array, Array, Array]:
        weights = self.weights
        mixed = (_norm(x, layer.input_norm, weights.epsilon) @ layer.qkv).reshape(len(x), -1, weights.head)
        first, second = weights.heads, weights.heads + weights.kv_heads
        return mixed[:, :first], mixed[:, first:second], mixed[:, second:]

    def _feed_forward(self, x: Array, layer: Layer) -> Array:
        both = _norm(x, layer.post_norm, self.weights.epsilon) @ layer.gate_up
        width = both.shape[1] // 2
        gate, up = both[:, :width], both[:, width:]
        scale = np.exp(-gate)
        scale += 1
        up *= gate
        up /= scale
        out: Array = up @ layer.down
        out += x
        return out

    def _attend(self, number: int, q: Array, spans: list[tuple[int, int, int]], mixed: Array) -> None:
        """Write what each slot's query takes from that slot's past into its row of `mixed`."""
        grouped = q.reshape(mixed.shape) * self._scale
        keys, values = self.keys[number], self.values[number]
        for row, slot, length in spans:
            scores: Array = grouped[row] @ keys[slot, :, :, :length]
            scores -= np.maximum.reduce(scores, axis=2, keepdims=True)
            np.exp(scores, out=scores)
            taken = scores @ values[slot, :, :length]
            np.divide(taken, np.add.reduce(scores, axis=2, keepdims=True), out=mixed[row])

    def _attend_prompt(self, number: int, slot: int, q: Array, hidden: NDArray[np.bool_]) -> Array:
        rows, end = hidden.shape
        kv, head = self.weights.kv_heads, self.weights.head
        groups = self.weights.heads // kv
        grouped = q.reshape(rows, kv, groups, head).transpose(1, 2, 0, 3).reshape(kv, -1, head) * self._scale
        scores: Array = grouped @ self.keys[number, slot, :, :, :end]
        np.putmask(scores, np.broadcast_to(hidden, (kv, groups, rows, end)).reshape(scores.shape), -np.inf)
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        mixed = (scores @ self.values[number, slot, :, :end]) / scores.sum(axis=2, keepdims=True)
        out: Array = mixed.reshape(kv, groups, rows, head).transpose(2, 0, 1, 3).reshape(rows, -1)
        return out


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    scale = np.sqrt(np.mean(x * x, axis=1, keepdims=True, dtype=np.float32) + np.float32(epsilon))
    out: Array = x / scale * weight
    return out


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    half = x.shape[-1] // 2
    turned = np.concatenate((-x[..., half:], x[..., :half]), axis=-1)
    out: Array = x * cos + turned * sin
    return out
