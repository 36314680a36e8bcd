"""The embedded model in torch: a small Llama, its training loss, and its export to files that need no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from pocket_data import CHAT_TEMPLATE, SPECIAL, TASKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the model; `head` is the width of one attention head."""

    vocabulary: int = 4096
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    feed_forward: int = 704
    positions: int = 2048
    theta: float = 10_000.0
    epsilon: float = 1e-5


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


class Guide:
    """Where one attention head should look: an extra loss that gives the model its copying circuit early.

    `rows` are the positions that ask and `targets` the positions they should attend to (batch, row, target).
    """

    def __init__(self, layer: int, head: int, places: tuple[Tensor, Tensor, Tensor]) -> None:
        self.layer, self.head, self.places = layer, head, places
        self.loss: Tensor | None = None

    def collect(self, q: Tensor, k: Tensor) -> None:
        """Keep the cross-entropy between the head's attention, before values are mixed, and its targets."""
        batch, rows, targets = self.places
        losses = []
        for number in batch.unique().tolist():
            own = batch == number
            scores = q[number, rows[own]] @ k[number].T / q.shape[-1] ** 0.5
            future = torch.arange(k.shape[1]) > rows[own][:, None]
            losses.append(F.cross_entropy(scores.masked_fill(future, -1e9), targets[own], reduction="sum"))
        self.loss = torch.stack(losses).sum() / len(batch)


class Block(nn.Module):
    """One layer: attention with shared key and value heads (Ainslie et al. 2023), then a gated feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head
        self.input_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.q = nn.Linear(shape.width, shape.heads * shape.head, bias=False)
        self.k = nn.Linear(shape.width, kv, bias=False)
        self.v = nn.Linear(shape.width, kv, bias=False)
        self.o = nn.Linear(shape.heads * shape.head, shape.width, bias=False)
        self.post_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, guided: list[Guide] | None = None) -> Tensor:
        """Return the residual stream after this layer; x is (batch, length, width). Guides collect their loss."""
        batch, length, _ = x.shape
        h = self.input_norm(x)
        q = self.q(h).view(batch, length, -1, self.shape.head).transpose(1, 2)
        k = self.k(h).view(batch, length, -1, self.shape.head).transpose(1, 2)
        v = self.v(h).view(batch, length, -1, self.shape.head).transpose(1, 2)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        groups = self.shape.heads // self.shape.kv_heads
        for guide in guided or ():
            guide.collect(q[:, guide.head], k[:, guide.head // groups])
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, length, -1))
        h = self.post_norm(x)
        out: Tensor = x + self.down(F.silu(self.gate(h)) * self.up(h))
        return out


class PocketModel(nn.Module):
    """The decoder; the output layer is the transposed embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        steps = torch.arange(0, shape.head, 2) / shape.head
        angles = torch.outer(torch.arange(shape.positions).float(), shape.theta**-steps)
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                scale = 0.02 / (2 * shape.layers) ** 0.5 if name.endswith(("o.weight", "down.weight")) else 0.02
                nn.init.normal_(weight, std=0.04 if name.startswith("embed") else scale)

    def loss(self, ids: Tensor, targets: Tensor, guides: tuple[Guide, ...] = ()) -> Tensor:
        """Return the mean cross-entropy in nats over the positions where `targets` isn't -1; guides keep theirs."""
        x = self.embed(ids)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]  # type: ignore[index]
        for number, block in enumerate(self.blocks):
            x = block(x, cos, sin, [guide for guide in guides if guide.layer == number])
        kept = targets >= 0
        logits = F.linear(self.norm(x[kept]), self.embed.weight)
        return F.cross_entropy(logits.float(), targets[kept])

    def export(self, folder: Path, tokenizer_json: str) -> None:
        """Write config.json, model.safetensors (float16) and the tokenizer in transformers' layout."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"model.embed_tokens.weight": self.embed.weight, "model.norm.weight": self.norm.weight}
        names = {
            "input_norm": "input_layernorm",
            "post_norm": "post_attention_layernorm",
            **{k: f"self_attn.{k}_proj" for k in "qkvo"},
            **{k: f"mlp.{k}_proj" for k in ("gate", "up", "down")},
        }
        for number, block in enumerate(self.blocks):
            for ours, theirs in names.items():
                tensors[f"model.layers.{number}.{theirs}.weight"] = getattr(block, ours).weight
        half = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in tensors.items()}
        staged = folder / "model.safetensors.part"
        save_file(half, staged, metadata={"format": "pt"})
        staged.replace(folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(self._config(), indent=1) + "\n")
        (folder / "tokenizer.json").write_text(tokenizer_json)
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|bos|>",
            "eos_token": "<|end|>",
            "pad_token": "<|end|>",
            "model_max_length": self.shape.positions,
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")

    def _config(self) -> dict[str, object]:
        shape = self.shape
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head,
            "intermediate_size": shape.feed_forward,
            "max_position_embeddings": shape.positions,
            "rope_theta": shape.theta,
            "rms_norm_eps": shape.epsilon,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "attention_bias": False,
            "mlp_bias": False,
            "bos_token_id": SPECIAL.index("<|bos|>"),
            "eos_token_id": SPECIAL.index("<|end|>"),
            "pad_token_id": SPECIAL.index("<|end|>"),
            "torch_dtype": "float16",
            "cityfolk_tasks": list(TASKS),
        }
