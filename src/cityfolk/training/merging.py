"""An adapter added to its base model for good: a folder that transformers loads, and that needs PEFT no more.

Files are read and written one matrix at a time, so that memory of the largest matrix is enough, without torch and
without a GPU. Arithmetic is float32; the sum is rounded once to the type in which it is kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cityfolk.engines.transformers_load import find_model
from cityfolk.errors import CityfolkError, DataError, StudyError, UsageError
from cityfolk.pocket.adapters import Lora, adapter_revision, fitting, read_lora
from cityfolk.study.files import writing
from cityfolk.training.tensors import stored, write_tensors

RECORD = "merged.json"
TYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
_SMALL = 2**30  # bytes of weights up to which "auto" keeps every digit
_BESIDE = ("*.json", "*.model", "*.jinja", "*.txt", "LICENSE*", "USE_POLICY*")
_NOT_BESIDE = {RECORD, "training.json", "adapter_config.json", "model.safetensors.index.json"}


def merge_adapter(base: Path, adapter: Path, to: Path, *, dtype: str = "auto") -> Path:
    """Write the model in `base` with the LoRA adapter in `adapter` added as the folder `to`; return it.

    `dtype` is float32, bfloat16, float16, "checkpoint" (each matrix as its file has it) or "auto": float32 for a model
    of up to 1 GiB, whose adapter may be lost in rounding otherwise, and "checkpoint" for larger ones. The same merge
    again is not done twice. StudyError where `to` holds something else, DataError where the adapter does not fit.
    """
    if dtype not in (*TYPES, "checkpoint", "auto"):
        raise UsageError(f"the type {dtype!r} is not known", hint=f"use auto, checkpoint, {', '.join(TYPES)}")
    files = _weight_files(base)
    tensors = {name: one for file in files for name, one in stored(file).items()}
    if dtype == "auto":
        dtype = "float32" if sum(one.size for one in tensors.values()) <= _SMALL else "checkpoint"
    lora = read_lora(adapter)
    for name, one in lora.items():
        fitting(adapter, name, one, tensors[name].shape if name in tensors else None)
        tensors[name].check()
    about = {
        "base": str(find_model(str(base))),
        "adapter": adapter.name,
        "adapter_revision": adapter_revision(adapter),
        "dtype": dtype,
    }
    if to.exists():
        _same(to, about)
        return to
    _write(base, files, lora, to, about)
    return to


def _same(to: Path, about: Mapping[str, Any]) -> None:
    """Raise StudyError unless `to` is the outcome of the same merge."""
    try:
        found = json.loads((to / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != about:
        raise StudyError(f"{to} holds something else already", hint="give another folder, or move that one away")


def _write(base: Path, files: list[Path], lora: Mapping[str, Lora], to: Path, about: Mapping[str, Any]) -> None:
    staged = to.with_name(f".{to.name}.part")
    try:
        with writing(to):
            if staged.exists():
                shutil.rmtree(staged)  # what a killed merge has left
            staged.mkdir(parents=True)
            _weights(files, lora, staged, TYPES.get(str(about["dtype"])))
            _beside(base, staged, str(about["dtype"]))
            (staged / RECORD).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            staged.rename(to)
    except CityfolkError:
        with suppress(OSError):
            shutil.rmtree(staged, ignore_errors=True)
        raise


def _weights(files: list[Path], lora: Mapping[str, Lora], staged: Path, kind: str | None) -> None:
    total, where = 0, dict[str, str]()
    for file in files:
        tensors = stored(file)
        dtypes = {name: kind if kind is not None and one.floating else one.dtype for name, one in tensors.items()}
        added = {name: lora[name].delta for name in tensors if name in lora}
        total += write_tensors(staged / file.name, tensors, dtypes, added)
        where |= dict.fromkeys(tensors, file.name)
    if len(files) > 1 or files[0].name != "model.safetensors":
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
        (staged / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _beside(base: Path, staged: Path, dtype: str) -> None:
    for pattern in _BESIDE:
        for file in sorted(base.glob(pattern)):
            if file.is_file() and file.name not in _NOT_BESIDE:
                shutil.copyfile(file, staged / file.name)
    if dtype in TYPES:
        config = json.loads((staged / "config.json").read_text(encoding="utf-8"))
        for key in {"dtype", "torch_dtype"} & config.keys() or {"dtype"}:
            config[key] = dtype
        (staged / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _weight_files(base: Path) -> list[Path]:
    index = base / "model.safetensors.index.json"
    if not (base / "config.json").is_file():
        raise DataError(f"{base} holds no model: there is no config.json", hint="name the base model's own folder")
    if index.is_file():
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [base / name for name in named]
    else:
        files = sorted(base.glob("*.safetensors"))
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        lacking = missing[0].name if missing else "*.safetensors"
        raise DataError(f"{base} lacks weights: {lacking}", hint="fetch the model again, as safetensors")
    return files
