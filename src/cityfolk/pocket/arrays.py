"""The weights as arrays: float16 on disk, float32 in memory, read from safetensors (never from a pickle)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from cityfolk.errors import EngineError

# Every array of this room is float32; numpy's stubs lose that in arithmetic.
Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer's matrices, transposed for row vectors: q, k and v side by side, gate and up side by side."""

    input_norm: Array
    qkv: Array
    out: Array
    post_norm: Array
    gate_up: Array
    down: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A small Llama: its sizes, its layers, and the name of its content."""

    heads: int
    kv_heads: int
    head: int
    positions: int
    epsilon: float
    theta: float
    embedding: Array
    unembedding: Array
    norm: Array
    layers: tuple[Layer, ...]
    revision: str


def weights_folder() -> Path:
    """Return the folder of the weights that ship with the package."""
    return Path(str(files("cityfolk.pocket"))) / "weights"


def revision(folder: Path) -> str:
    """Return the first 12 hex digits of the SHA-256 of the weights file."""
    return hashlib.sha256(_read(folder)).hexdigest()[:12]


def load_weights(folder: Path) -> Weights:
    """Read config.json and model.safetensors from a folder; EngineError when they are missing or damaged."""
    data = _read(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        raw = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in load(data).items()}
        layers = tuple(_layer(raw, number) for number in range(config["num_hidden_layers"]))
        embedding = raw["model.embed_tokens.weight"]
        return Weights(
            heads=config["num_attention_heads"],
            kv_heads=config["num_key_value_heads"],
            head=config["head_dim"],
            positions=config["max_position_embeddings"],
            epsilon=config["rms_norm_eps"],
            theta=config["rope_theta"],
            embedding=embedding,
            unembedding=np.ascontiguousarray(embedding.T),
            norm=raw["model.norm.weight"],
            layers=layers,
            revision=hashlib.sha256(data).hexdigest()[:12],
        )
    except (KeyError, ValueError, OSError, SafetensorError) as damage:
        raise EngineError(f"the weights in {folder} cannot be read: {damage}", hint="reinstall cityfolk") from damage


def _read(folder: Path) -> bytes:
    try:
        return (folder / "model.safetensors").read_bytes()
    except OSError as missing:
        raise EngineError(f"there are no weights in {folder}", hint="reinstall cityfolk") from missing


def _layer(raw: dict[str, Array], number: int) -> Layer:
    def matrix(*names: str) -> Array:
        stacked = np.concatenate([raw[f"model.layers.{number}.{name}.weight"] for name in names])
        return np.ascontiguousarray(stacked.T)

    return Layer(
        input_norm=raw[f"model.layers.{number}.input_layernorm.weight"],
        qkv=matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=matrix("self_attn.o_proj"),
        post_norm=raw[f"model.layers.{number}.post_attention_layernorm.weight"],
        gate_up=matrix("mlp.gate_proj", "mlp.up_proj"),
        down=matrix("mlp.down_proj"),
    )
