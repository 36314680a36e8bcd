"""Log-probabilities of answer tokens by one pass over a packed row, through any Llama-like Hugging Face model.

Three ways to compute the same attention:
    documents       pair by pair with torch's SDPA, so that nothing is computed that the mask would hide: CPUs
    flex_attention  FlexAttention with a block mask: CUDA
    sdpa            one dense mask: anywhere, slow for long rows, what the others are compared with

The head is applied to inputs that predict an answer token, a chunk at a time. While it runs inside the model's own
forward pass (so that wrappers for many devices see an ordinary call), it gives log-probabilities instead of logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from cityfolk.errors import UsageError
from cityfolk.training.loss import Scores
from cityfolk.training.packing import Row, block_mask, dense_mask, pack
from cityfolk.training.tokens import Triple

WAYS = ("documents", "flex_attention", "sdpa")
_DOCUMENTS = "cityfolk_documents"
# Elements of one chunk of logits: in a cache on CPUs, half a gigabyte of float32 on GPUs.
_CHUNK = {"cpu": 2**21}
_CHUNK_ELSEWHERE = 2**27
# Models that do something to logits after the head, which a head that gives log-probabilities cannot show them.
_AFTER_HEAD = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "lm_head_multiplier",
    "output_multiplier",
)
Document = tuple[int, int, int, int, Tensor | None]


def prepare(model: Any, *, way: str = "auto") -> str:
    """Set how a model attends, for this and all later passes, and return the way's name.

    "auto" is flex_attention on CUDA and documents elsewhere. UsageError for a model that this module cannot score.
    """
    inner = _inner(model)
    device = next(inner.parameters()).device.type
    way = way if way != "auto" else "flex_attention" if device == "cuda" else "documents"
    if way not in WAYS:
        raise UsageError(f"there is no attention {way}", hint=f"choose one of {', '.join(WAYS)}")
    config = inner.config.get_text_config()
    if not hasattr(config, "num_attention_heads"):
        raise UsageError(f"{config.model_type} has no attention to pack for", hint="use a Llama-like model")
    if any(getattr(config, name, None) not in (None, 1, 1.0) for name in _AFTER_HEAD):
        raise UsageError(f"{config.model_type} changes its logits after the head", hint="use a Llama-like model")
    if way == "documents":
        from transformers import AttentionInterface

        AttentionInterface.register(_DOCUMENTS, _attend)
    inner.set_attn_implementation(_DOCUMENTS if way == "documents" else way)
    return way


def longest_row(model: Any, longest: int) -> int:
    """Return how many tokens a conversation may have: `longest`, the model's positions, or its attention window."""
    config = _inner(model).config.get_text_config()
    windows = [getattr(config, "max_position_embeddings", None), getattr(config, "sliding_window", None)]
    return min([longest, *(int(size) for size in windows if size)])


def answer_logprobs(model: Any, row: Row, *, way: str) -> Tensor:
    """Return the log-probability of every answer token of a row, (m) float32, with gradients where there are any."""
    inner = _inner(model)
    device = inner.get_input_embeddings().weight.device
    ids, positions, kept, targets = (
        torch.as_tensor(part, device=device) for part in (row.input_ids, row.positions, row.kept, row.targets)
    )
    asked: dict[str, Any] = {"logits_to_keep": kept, "use_cache": False}
    if way == "documents":
        asked["documents"] = _documents(row, device)
    elif way == "flex_attention":
        asked["attention_mask"] = block_mask(row, str(device))
    else:
        asked["attention_mask"] = torch.as_tensor(dense_mask(row), device=device)[None, None]
    with _scoring(inner.get_output_embeddings(), targets):
        out = model(input_ids=ids[None], position_ids=positions[None], **asked)
    return cast(Tensor, out.logits).reshape(-1)


@contextmanager
def reference(model: Any) -> Iterator[None]:
    """Make a model its own reference for a while: adapter off, no dropout, no gradients."""
    inner, training = _inner(model), model.training
    model.eval()
    try:
        with torch.no_grad():
            if hasattr(inner, "disable_adapter"):
                with inner.disable_adapter():
                    yield
            else:
                yield
    finally:
        model.train(training)


def split(tokens: Tensor, row: Row) -> list[tuple[Tensor, ...]]:
    """Cut the answer tokens of a row into answers: a tuple a pair, chosen before rejected."""
    pieces = list(torch.split(tokens, row.lengths.reshape(-1).tolist()))
    return [
        tuple(piece for piece, size in zip(pieces[2 * at : 2 * at + 2], sizes, strict=True) if size)
        for at, sizes in enumerate(row.lengths.tolist())
    ]


def scores(policy: Tensor, against: Tensor, row: Row) -> Scores:
    """Add up the log-probabilities of a row's answer tokens, by the policy and by the reference, (m) each."""
    sizes = torch.as_tensor(row.lengths.reshape(-1), device=policy.device)
    own = torch.segment_reduce(policy, "sum", lengths=sizes).view(-1, 2)
    base = torch.segment_reduce(against.to(policy), "sum", lengths=sizes).view(-1, 2)
    counts = sizes.view(-1, 2).to(policy.dtype)
    return Scores(
        chosen=own[:, 0],
        rejected=own[:, 1],
        chosen_reference=base[:, 0],
        rejected_reference=base[:, 1],
        chosen_tokens=counts[:, 0],
        rejected_tokens=counts[:, 1],
    )


def separate_logprobs(model: Any, triple: Triple) -> list[Tensor]:
    """Return the answers' log-probabilities the plain way: a pass of its own for each, nothing shared, no mask.

    Slow; it is what packing must reproduce. The model must attend by `sdpa` (see `prepare`).
    """
    found = []
    device = _inner(model).get_input_embeddings().weight.device
    for answer in triple.answers:
        ids = torch.as_tensor(np.concatenate([triple.prompt, answer]), device=device)
        logits = model(input_ids=ids[None], use_cache=False).logits[0, len(triple.prompt) - 1 : -1]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        found.append(torch.log_softmax(logits, -1).gather(1, ids[len(triple.prompt) :, None])[:, 0])
    return found


def parity(model: Any, triples: Sequence[Triple], *, way: str) -> float:
    """Return the largest difference (nats) of a token between the packed pass and separate ones, without gradients.

    Worth a look before training a model that was never trained here; the model is left prepared for `way`.
    """
    training = model.training
    model.eval()
    with torch.no_grad():
        prepare(model, way="sdpa")
        alone = [torch.cat(separate_logprobs(model, triple)) for triple in triples]
        prepare(model, way=way)
        [row] = pack(triples, budget=sum(triple.tokens for triple in triples))
        together = answer_logprobs(model, row, way=way)
    model.train(training)
    return float((together - torch.cat(alone)).abs().max())


def _inner(model: Any) -> Any:
    """Return the model inside the wrappers that training puts around it (they call it `module`)."""
    while isinstance(getattr(model, "module", None), torch.nn.Module):
        model = model.module
    return model


def _documents(row: Row, device: torch.device) -> list[Document]:
    """Return (begin, end of prompt, end of chosen, end, mask) a pair; what rejected inputs see of prompt and selves."""
    bounds = row.bounds.tolist()
    if bounds[-1][3] < len(row.input_ids):
        bounds.append([bounds[-1][3], *[len(row.input_ids)] * 3])
    made: list[Document] = []
    for begin, prompt, chosen, end in bounds:
        mask = None
        if end > chosen:
            mask = torch.ones(end - chosen, prompt - begin + end - chosen, dtype=torch.bool, device=device)
            mask = mask.tril(prompt - begin)
        made.append((begin, prompt, chosen, end, mask))
    return made


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    documents: list[Document],
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend within each pair: prompt and chosen answer causally, the rejected answer to the prompt and itself.

    query (1, heads, n, d), key and value (1, heads of keys, n, d); returns (1, n, heads, d).
    """
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if others.get(name) is not None]
    if unknown:
        raise UsageError(f"this model's attention needs {unknown[0]}", hint="use a Llama-like model")
    parts = []
    options: Any = {"scale": scaling, "dropout_p": dropout, "enable_gqa": query.shape[1] != key.shape[1]}
    for begin, prompt, chosen, end, mask in documents:
        q, k, v = (states[:, :, begin:chosen] for states in (query, key, value))
        parts.append(scaled_dot_product_attention(q, k, v, is_causal=True, **options))
        if mask is not None:
            k, v = (torch.cat([states[:, :, begin:prompt], states[:, :, chosen:end]], dim=2) for states in (key, value))
            parts.append(scaled_dot_product_attention(query[:, :, chosen:end], k, v, attn_mask=mask, **options))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


@contextmanager
def _scoring(head: Any, targets: Tensor) -> Iterator[None]:
    """Let a model's head return the log-probabilities of `targets` (m) for hidden states (1, m, d), as (1, m, 1)."""
    own, hooked = head.forward, "forward" in vars(head)
    frozen = type(head) is torch.nn.Linear and not head.weight.requires_grad
    plain = frozen and not hooked and getattr(head, "bias", None) is None

    def forward(hidden: Tensor) -> Tensor:
        states = hidden.reshape(-1, hidden.shape[-1])
        vocabulary = head.weight.shape[0] if hasattr(head, "weight") else 2**17
        chunk = max(64, _CHUNK.get(states.device.type, _CHUNK_ELSEWHERE) // vocabulary)
        if plain:
            found: Tensor = _frozen(states, head.weight, targets, chunk)
        else:
            pieces = []
            for begin in range(0, len(states), chunk):
                part = slice(begin, begin + chunk)
                pieces.append(checkpoint(_chunk, own, states[part], targets[part], use_reentrant=False))
            found = torch.cat(pieces)
        return found[None, :, None]

    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if hooked:
            head.forward = own


def _chunk(head: Any, states: Tensor, targets: Tensor) -> Tensor:
    logits = _wide(head(states))
    return logits.gather(1, targets[:, None])[:, 0] - torch.logsumexp(logits, 1)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


class _Frozen(torch.autograd.Function):
    """Log-probabilities by a head that is not trained: their gradients are made while the logits are there.

    d log p(t) / d h = w_t - sum_v p(v) w_v, so that nothing of the size of the vocabulary outlives a chunk.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        """Return (m) for states (m, d), weight (v, d), targets (m)."""
        wanted = ctx.needs_input_grad[0]
        slope = torch.empty_like(states) if wanted else None
        found = []
        for begin in range(0, len(states), chunk):
            part = slice(begin, begin + chunk)
            logits = linear(states[part], weight)
            narrow, logits = logits.dtype, _wide(logits)
            size = torch.logsumexp(logits, 1, keepdim=True)
            found.append((logits.gather(1, targets[part, None]) - size)[:, 0])
            if slope is not None:
                share = logits.sub_(size).exp_()
                share.scatter_add_(1, targets[part, None], -torch.ones_like(share[:, :1]))
                slope[part] = -linear(share.to(narrow), weight.to(narrow).t())
        ctx.save_for_backward(slope)
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None, None]:
        """Return the gradient of the states alone."""
        [slope] = ctx.saved_tensors
        return (None if slope is None else slope * grads[0][:, None].to(slope.dtype)), None, None, None


_frozen: Any = _Frozen.apply
