"""The forward pass in numpy: prompts one at a time, then one token for each of a fixed number of slots at once.

A reply must not depend on who else is being answered, to the last bit. So every matrix product has a shape that is
fixed (slots x width, or a prompt of its own padded to whole blocks), attention runs over blocks of fixed length whose
partial results are added in order (a block that is masked adds exact zeros), and rows never mix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cityfolk.pocket.arrays import Array, Layer, Weights

BLOCK = 128
_PAD = 32
_MASKED = np.float32(-np.inf)
Ints = NDArray[np.intp]


class Decoder:
    """Keys and values of `slots` conversations of up to `weights.positions` tokens, and the two passes over them."""

    def __init__(self, weights: Weights, slots: int) -> None:
        self.weights, self.slots = weights, slots
        self.blocks = -(-weights.positions // BLOCK)
        shape = (len(weights.layers), slots, weights.kv_heads, self.blocks, BLOCK, weights.head)
        self.keys: Array = np.zeros(shape, dtype=np.float32)
        self.values: Array = np.zeros(shape, dtype=np.float32)
        steps = np.arange(0, weights.head, 2, dtype=np.float32) / np.float32(weights.head)
        frequency = (1.0 / np.float32(weights.theta) ** steps).astype(np.float32)
        angles = np.outer(np.arange(weights.positions, dtype=np.float32), frequency)
        angles = np.concatenate((angles, angles), axis=1)
        self._cos, self._sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        self._scale = np.float32(weights.head**-0.5)

    def step(self, tokens: Ints, positions: Ints) -> Array:
        """Feed one token to every slot and return the logits of the next, (slots, vocabulary).

        A slot that has nothing to do is fed any token at position 0 and its row is ignored.
        """
        weights = self.weights
        x = weights.embedding[tokens]
        cos, sin = self._cos[positions][:, None, :], self._sin[positions][:, None, :]
        rows = np.arange(self.slots)
        block, offset = positions // BLOCK, positions % BLOCK
        used = int(block.max()) + 1
        hidden = np.arange(used * BLOCK)[None, :] > positions[:, None]
        hidden = hidden.reshape(self.slots, 1, used, 1, BLOCK)
        for number, layer in enumerate(weights.layers):
            q, k, v = self._qkv(x, layer)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            self.keys[number, rows, :, block, offset] = k
            self.values[number, rows, :, block, offset] = v
            x = x + self._attend(number, q, used, hidden) @ layer.out
            x = self._feed_forward(x, layer)
        return _norm(x, weights.norm, weights.epsilon) @ weights.unembedding

    def prefill(self, slot: int, tokens: Sequence[int], start: int = 0, wanted: int = 1) -> Array:
        """Feed tokens to one slot from position `start` on; return the logits after the last `wanted` of them."""
        weights, count = self.weights, len(tokens)
        padded = -(-count // _PAD) * _PAD
        ids = np.zeros(padded, dtype=np.intp)
        ids[:count] = tokens
        x = weights.embedding[ids]
        positions = np.minimum(np.arange(start, start + padded), weights.positions - 1)
        cos, sin = self._cos[positions][:, None, :], self._sin[positions][:, None, :]
        block, offset = positions[:count] // BLOCK, positions[:count] % BLOCK
        used = int(block[-1]) + 1
        hidden = np.arange(used * BLOCK)[None, :] > positions[:, None]
        for number, layer in enumerate(weights.layers):
            q, k, v = self._qkv(x, layer)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            self.keys[number, slot, :, block, offset] = k[:count]
            self.values[number, slot, :, block, offset] = v[:count]
            x = x + self._attend_prompt(number, slot, q, used, hidden) @ layer.out
            x = self._feed_forward(x, layer)
        return _norm(x[count - wanted : count], weights.norm, weights.epsilon) @ weights.unembedding

    def save(self, slot: int, count: int) -> tuple[Array, Array]:
        """Return copies of a slot's first `count` keys and values."""
        used = -(-count // BLOCK)
        return self.keys[:, slot, :, :used].copy(), self.values[:, slot, :, :used].copy()

    def restore(self, slot: int, saved: tuple[Array, Array]) -> None:
        """Put saved keys and values at the start of a slot."""
        used = saved[0].shape[2]
        self.keys[:, slot, :, :used], self.values[:, slot, :, :used] = saved

    def _qkv(self, x: Array, layer: Layer) -> tuple[Array, Array, Array]:
        weights = self.weights
        mixed = (_norm(x, layer.input_norm, weights.epsilon) @ layer.qkv).reshape(len(x), -1, weights.head)
        first, second = weights.heads, weights.heads + weights.kv_heads
        return mixed[:, :first], mixed[:, first:second], mixed[:, second:]

    def _feed_forward(self, x: Array, layer: Layer) -> Array:
        both = _norm(x, layer.post_norm, self.weights.epsilon) @ layer.gate_up
        gate, up = np.split(both, 2, axis=1)
        out: Array = x + (gate / (1 + np.exp(-gate)) * up) @ layer.down
        return out

    def _attend(self, number: int, q: Array, used: int, hidden: NDArray[np.bool_]) -> Array:
        grouped = q.reshape(self.slots, self.weights.kv_heads, 1, -1, self.weights.head) * self._scale
        keys, values = self.keys[number, :, :, :used], self.values[number, :, :, :used]
        scores: Array = grouped @ keys.swapaxes(-1, -2)
        np.putmask(scores, np.broadcast_to(hidden, scores.shape), _MASKED)
        scores -= scores.max(axis=(2, 4), keepdims=True)
        np.exp(scores, out=scores)
        mixed = _added(scores @ values) / _added(scores.sum(axis=4, dtype=np.float32))[..., None]
        out: Array = mixed.reshape(self.slots, -1)
        return out

    def _attend_prompt(self, number: int, slot: int, q: Array, used: int, hidden: NDArray[np.bool_]) -> Array:
        weights, rows = self.weights, len(q)
        groups = weights.heads // weights.kv_heads
        keys = self.keys[number, slot, :, :used].reshape(weights.kv_heads, 1, used * BLOCK, weights.head)
        values = self.values[number, slot, :, :used].reshape(weights.kv_heads, 1, used * BLOCK, weights.head)
        grouped = q.reshape(rows, weights.kv_heads, groups, weights.head).transpose(1, 2, 0, 3) * self._scale
        scores: Array = grouped @ keys.swapaxes(-1, -2)
        np.putmask(scores, np.broadcast_to(hidden, scores.shape), _MASKED)
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        mixed = (scores @ values) / scores.sum(axis=3, keepdims=True, dtype=np.float32)
        out: Array = np.ascontiguousarray(mixed.transpose(2, 0, 1, 3)).reshape(rows, -1)
        return out


def _added(parts: Array) -> Array:
    """Return the sum over the axis of blocks, added in order, so that zeros at the end change nothing."""
    total = parts[:, :, 0].copy()
    for number in range(1, parts.shape[2]):
        total += parts[:, :, number]
    return total


def _norm(x: Array, weight: Array, epsilon: float) -> Array:
    scale = np.sqrt(np.mean(x * x, axis=1, keepdims=True, dtype=np.float32) + np.float32(epsilon))
    out: Array = x / scale * weight
    return out


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    half = x.shape[-1] // 2
    turned = np.concatenate((-x[..., half:], x[..., :half]), axis=-1)
    out: Array = x * cos + turned * sin
    return out
