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
from cityfolk.pocket.adapters import adapter_revision, merge

# Every array of this room is float32; numpy's stubs lose that in arithmetic.
Array = NDArray[Any]
_FILE = "model.safetensors"


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
    return _digest(_read(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The files of a model as they are: config.json, and the tensors by name in the type they are kept in."""

    config: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    revision: str


def read_raw(folder: Path, adapter: Path | None = None) -> Raw:
    """Read config.json and model.safetensors from a folder, with a LoRA adapter merged in if one is given.

    What an adapter is merged into is float32. EngineError when the weights are missing or damaged, DataError when the
    adapter does not fit them.
    """
    data = _read(folder)
    name = _digest(data)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load(data)
    except (ValueError, OSError, SafetensorError) as damage:
        raise _damaged(folder, damage) from damage
    if adapter is not None:
        tensors = {key: value.astype(np.float32) for key, value in tensors.items()}
        merge(tensors, adapter)
        name += f"+{adapter_revision(adapter)}"
    return Raw(config=config, tensors=tensors, revision=name)


def load_weights(folder: Path, adapter: Path | None = None) -> Weights:
    """Return the weights in a folder, with an adapter merged in if one is given; errors as `read_raw`."""
    raw = read_raw(folder, adapter)
    config = raw.config
    tensors = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in raw.tensors.items()}
    try:
        embedding = tensors["model.embed_tokens.weight"]
        return Weights(
            heads=config["num_attention_heads"],
            kv_heads=config["num_key_value_heads"],
            head=config["head_dim"],
            positions=config["max_position_embeddings"],
            epsilon=config["rms_norm_eps"],
            theta=config["rope_theta"],
            embedding=embedding,
            unembedding=np.ascontiguousarray(embedding.T),
            norm=tensors["model.norm.weight"],
            layers=tuple(_layer(tensors, number) for number in range(config["num_hidden_layers"])),
            revision=raw.revision,
        )
    except KeyError as damage:
        raise _damaged(folder, damage) from damage


def _damaged(folder: Path, damage: Exception) -> EngineError:
    return EngineError(f"the weights in {folder} cannot be read: {damage}", hint="reinstall cityfolk")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _read(folder: Path) -> bytes:
    try:
        return (folder / _FILE).read_bytes()
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
