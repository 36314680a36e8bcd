"""LoRA adapters in PEFT's layout (adapter_config.json, adapter_model.safetensors), merged into the matrices they adapt.

W' = W + s B A with s = alpha / r, or alpha / sqrt(r) with rsLoRA (Hu et al. 2021; Kalajdzievski 2023). Rows and columns
are those of the safetensors file: (out, in).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from cityfolk.errors import DataError

_CONFIG, _TENSORS = "adapter_config.json", "adapter_model.safetensors"
_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_HINT = "train a plain LoRA adapter for this model: linear layers, no bias, no saved modules"
# What PEFT can do beside plain LoRA changes the arithmetic, so it is refused rather than left out.
_PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "use_dora": (False, None),
    "modules_to_save": (None, []),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
}


def adapter_revision(folder: Path) -> str:
    """Return the first 12 hex digits of the SHA-256 of an adapter's configuration and tensors."""
    return hashlib.sha256(_read(folder, _CONFIG) + _read(folder, _TENSORS)).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lora:
    """What an adapter adds to one matrix: `scale` times `up` (out, r) times `down` (r, in), float32."""

    down: NDArray[np.float32]
    up: NDArray[np.float32]
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Return (out, in) of the matrix that it fits."""
        return self.up.shape[0], self.down.shape[1]

    def delta(self) -> NDArray[np.float32]:
        """Return what is added, (out, in)."""
        return np.float32(self.scale) * (self.up @ self.down)


def read_lora(folder: Path) -> dict[str, Lora]:
    """Return what an adapter adds, by the name of the matrix in the model's files; DataError if it is no plain LoRA."""
    config, pairs = _load(folder)
    out = {}
    for module, sides in sorted(pairs.items()):
        if set(sides) != {"A", "B"}:
            raise DataError(f"the adapter in {folder} does not have both matrices of {module}", hint=_HINT)
        if sides["B"].shape[1] != sides["A"].shape[0]:
            wrong = f"{sides['B'].shape} times {sides['A'].shape}"
            raise DataError(f"the adapter in {folder} does not fit {module}: {wrong}", hint=_HINT)
        scale = _scale(config, module, len(sides["A"]))
        out[f"{module}.weight"] = Lora(down=sides["A"], up=sides["B"], scale=scale)
    return out


def fitting(folder: Path, name: str, lora: Lora, shape: tuple[int, ...] | None) -> None:
    """Raise DataError where a model has no matrix of that name (`shape` is None) or one of another shape."""
    module = name.removesuffix(".weight")
    if shape is None:
        raise DataError(f"the adapter in {folder} adapts {module}, which this model does not have", hint=_HINT)
    if lora.shape != shape:
        wrong = f"{lora.up.shape} times {lora.down.shape} for {shape}"
        raise DataError(f"the adapter in {folder} does not fit {module}: {wrong}", hint=_HINT)


def merge(raw: dict[str, NDArray[Any]], folder: Path) -> None:
    """Add an adapter to the matrices in `raw`, by name; DataError when it cannot be read or does not fit."""
    for name, lora in read_lora(folder).items():
        fitting(folder, name, lora, raw[name].shape if name in raw else None)
        raw[name] = raw[name] + lora.delta()


def _scale(config: dict[str, Any], module: str, rank: int) -> float:
    alpha = float(_pattern(config.get("alpha_pattern"), module) or config["lora_alpha"])
    return alpha / rank**0.5 if config.get("use_rslora") else alpha / rank


def _pattern(patterns: dict[str, float] | None, module: str) -> float | None:
    for pattern, value in (patterns or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return value
    return None


def _load(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]]]:
    try:
        config = json.loads(_read(folder, _CONFIG))
        tensors = load(_read(folder, _TENSORS))
    except (ValueError, SafetensorError) as damage:
        raise DataError(f"the adapter in {folder} cannot be read: {damage}", hint=_HINT) from damage
    for key, plain in _PLAIN.items():
        if config.get(key) not in plain:
            raise DataError(f"the adapter in {folder} has {key} = {config.get(key)!r}", hint=_HINT)
    pairs: dict[str, dict[str, NDArray[Any]]] = {}
    for name, tensor in tensors.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise DataError(f"the adapter in {folder} has a tensor {name!r} that is no LoRA matrix", hint=_HINT)
        pairs.setdefault(found["module"], {})[found["side"]] = tensor.astype(np.float32)
    if not pairs:
        raise DataError(f"the adapter in {folder} is empty", hint=_HINT)
    return config, pairs


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as missing:
        raise DataError(f"there is no adapter in {folder}: {name} is missing", hint=_HINT) from missing
