"""Many conversations in one transformers model: keys and values in slots, and the pass that feeds them.

Each slot holds one conversation from its first token on, so a row can leave and another join between any two tokens,
and a prompt that begins like one already computed copies that part. The model is the library's own: it gets a cache
that writes every row at its own place, explicit positions and an explicit mask. `Slots.check` compares the result
with the model's plain forward pass, so that an architecture which needs more than this is refused when it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from cityfolk.errors import EngineError

BASE = ""  # the adapter name of the model without adapter
_GROWTH = 256
_MIXED_BASE = "__base__"  # PEFT's name for rows without adapter in a batch that has some


@dataclass(slots=True)
class _Plan:
    """Where the next pass writes: a row's slot, the cells of its tokens, how many cells are read."""

    rows: Tensor
    first: int | None  # rows are slots first, first + 1, ... (None: they are not)
    cells: Tensor
    used: int


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, each (slots, heads, cells, head size); grows when a conversation does."""

    is_sliding = False

    def __init__(self, slots: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slots = slots
        self.plan: _Plan | None = None
        self._both: list[Tensor] = []  # keys, values

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Note the shapes that the model uses."""
        self._both = [self._room(key_states, 0), self._room(value_states, 0)]
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the new cells where the plan says; return the cells that may be read."""
        plan = self.plan
        if plan is None:
            raise RuntimeError("a pass without a plan")
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if plan.used > self._both[0].shape[2]:
            for number in (0, 1):
                self._both[number] = self._grown(self._both[number], plan.used)
        keys, values = self._both
        keys[plan.rows, :, plan.cells] = key_states.transpose(1, 2)
        values[plan.rows, :, plan.cells] = value_states.transpose(1, 2)
        if plan.first is not None:
            last = plan.first + len(plan.rows)
            return keys[plan.first : last, :, : plan.used], values[plan.first : last, :, : plan.used]
        rows = plan.rows[:, 0]
        return keys[rows, :, : plan.used], values[rows, :, : plan.used]

    def copy(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` cells of a slot to another."""
        for cells in self._both:
            cells[target, :, :count] = cells[source, :, :count]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Answer the library: the mask is given, so it never builds one."""
        return (self.plan.used if self.plan else 0), 0

    def get_seq_length(self) -> int:
        """Answer the library: positions are given, so nothing is derived from this."""
        return 0

    def get_max_length(self) -> int:
        """Answer the library: no limit of its own."""
        return -1

    get_max_cache_shape = get_max_length  # what earlier 5.x call it

    def _room(self, like: Tensor, cells: int) -> Tensor:
        return like.new_zeros((self.slots, like.shape[1], cells, like.shape[3]))

    def _grown(self, old: Tensor, cells: int) -> Tensor:
        new = self._room(old, -(-cells // _GROWTH) * _GROWTH)
        new[:, :, : old.shape[2]] = old
        return new


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens for one slot from cell `start` on.

    With `branches`, several continuations follow the last of `tokens`, none of which sees another; their cells are
    overwritten by whatever comes next.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    branches: Sequence[Sequence[int]] = ()


class Slots:
    """A loaded model and the cells of `count` conversations."""

    def __init__(self, model: Any, count: int) -> None:
        text = model.config.get_text_config()
        self.base = self.model = model
        self.count, self.device = count, model.device
        self.positions = int(getattr(text, "max_position_embeddings", None) or 2**31)
        self._additive = model.config._attn_implementation == "eager"
        self._dtype = model.dtype
        self._window = getattr(text, "sliding_window", None)
        kinds = getattr(text, "layer_types", None)
        self._kinds = sorted(set(kinds)) if kinds else ["sliding_attention" if self._window else "full_attention"]
        odd = set(self._kinds) - {"full_attention", "sliding_attention"}
        if odd:
            raise EngineError(
                f"models with layers of the kind {sorted(odd)[0]!r} cannot be run in process",
                hint="serve the model (vLLM, llama.cpp) and use openai:MODEL@URL",
            )
        self.layers = [SlotLayer(count) for _ in range(int(text.num_hidden_layers))]
        self._cache = Cache(layers=list(self.layers))
        self._active: str | None = None

    @torch.inference_mode()
    def feed(self, feeds: Sequence[Piece], adapters: Sequence[str]) -> Tensor:
        """Compute a batch; return logits in float32, (rows, kept, vocabulary).

        Kept are the last token of each row, or with branches the last token before them and all of theirs. Rows of
        unlike length are padded in front, with tokens whose cells lie behind the row's last and are never read.
        """
        longest = max(len(f.tokens) + sum(map(len, f.branches)) for f in feeds)
        ids, cells, places, owner = _layout(feeds, longest)
        used = int(max(f.start for f in feeds)) + longest
        kept = max((1 + sum(map(len, f.branches)) for f in feeds), default=1)
        slots = [f.slot for f in feeds]
        rows = torch.tensor(slots, device=self.device)[:, None]
        first = slots[0] if slots == list(range(slots[0], slots[0] + len(slots))) else None
        plan = _Plan(rows, first, torch.tensor(cells, device=self.device), used)
        for layer in self.layers:
            layer.plan = plan
        positions = torch.tensor(places, device=self.device)
        branching = torch.tensor(owner, device=self.device) if any(f.branches for f in feeds) else None
        out = self._forward(
            adapters,
            input_ids=torch.tensor(ids, device=self.device),
            attention_mask=self._masks(plan, positions, branching, feeds),
            position_ids=positions.clamp(max=self.positions - 1),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
        )
        return out.logits.float()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def copy(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` cells of one slot to another."""
        for layer in self.layers:
            layer.copy(source, target, count)

    def _masks(self, plan: _Plan, positions: Tensor, owner: Tensor | None, feeds: Sequence[Piece]) -> Any:
        """Return what each token may read, (rows, 1, tokens, cells): one mask, or one a kind of layer."""
        place = torch.arange(plan.used, device=self.device).expand(len(feeds), -1)
        if owner is not None:
            # Cells of a branch stand at the position of the text they continue, and belong to that branch alone.
            place = place.clone().scatter_(1, plan.cells, positions)
            whose = torch.zeros_like(place).scatter_(1, plan.cells, owner)
            seen = (whose[:, None, :] == 0) | (whose[:, None, :] == owner[:, :, None])
        sees = place[:, None, :] <= positions[:, :, None]
        if owner is not None:
            sees &= seen
        masks = {}
        for kind in self._kinds:
            mask = sees
            if kind == "sliding_attention" and self._window:
                mask = sees & (place[:, None, :] > positions[:, :, None] - self._window)
            masks[kind] = self._shaped(mask[:, None])
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _shaped(self, mask: Tensor) -> Tensor:
        if not self._additive:
            return mask
        lowest = torch.finfo(self._dtype).min
        return torch.zeros(mask.shape, dtype=self._dtype, device=self.device).masked_fill_(~mask, lowest)

    def _forward(self, adapters: Sequence[str], **inputs: Any) -> Any:
        names = set(adapters)
        if self.model is self.base:  # no adapter was ever loaded
            return self.base(**inputs)
        if len(names) > 1:
            self._activate(next(name for name in adapters if name != BASE))
            return self.model(**inputs, adapter_names=[name or _MIXED_BASE for name in adapters])
        self._activate(next(iter(names)))
        return self.base(**inputs)

    def _activate(self, adapter: str) -> None:
        if adapter == self._active:
            return
        if adapter == BASE:
            self.model.base_model.disable_adapter_layers()
        else:
            self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(adapter)
        self._active = adapter

    def adapted(self, model: Any) -> None:
        """Use a PEFT model that wraps the base (again after an adapter was added to it)."""
        self.model, self._active = model, None
        model.requires_grad_(False)

    @torch.inference_mode()
    def check(self) -> None:
        """Compare two rows of unlike length, fed in two parts, with the model's own forward pass."""
        size = self.base.get_input_embeddings().weight.shape[0]
        texts = [[(7 * n + 3 * row + 1) % size for n in range(9 + 4 * row)] for row in range(2)]
        adapters = [BASE, BASE]
        count = min(2, self.count)
        texts = texts[:count]
        self.feed([Piece(row, 0, text[:4]) for row, text in enumerate(texts)], adapters[:count])
        ours = self.feed([Piece(row, 4, text[4:]) for row, text in enumerate(texts)], adapters[:count])[:, -1]
        for row, text in enumerate(texts):
            theirs = self.base(input_ids=torch.tensor([text], device=self.device), use_cache=False).logits[0, -1]
            theirs = theirs.float()
            allowed = 1e-3 if self._dtype == torch.float32 else 0.1
            if not float((ours[row] - theirs).norm()) <= allowed * float(theirs.norm()):
                raise EngineError(
                    f"{type(self.base).__name__} does not give the same result in a batch as alone",
                    hint="serve the model (vLLM, llama.cpp) and use openai:MODEL@URL",
                )


def _layout(feeds: Sequence[Piece], longest: int) -> tuple[list[list[int]], ...]:
    """Return (token, cell, position, branch) of every row, padded in front; branch 0 is the text itself."""
    ids, cells, places, owner = [], [], [], []
    for f in feeds:
        flat, place, whose = list(f.tokens), list(range(f.start, f.start + len(f.tokens))), [0] * len(f.tokens)
        for number, branch in enumerate(f.branches, 1):
            begin = f.start + len(f.tokens)
            flat += branch
            place += range(begin, begin + len(branch))
            whose += [number] * len(branch)
        behind, pad = f.start + len(flat), longest - len(flat)
        ids.append([0] * pad + flat)
        cells.append([*range(behind, behind + pad), *range(f.start, behind)])
        # A pad reads everything before it, so that its row of the softmax is never empty; nothing reads a pad.
        places.append([*range(behind, behind + pad), *place])
        owner.append([-1] * pad + whose)
    return ids, cells, places, owner
