"""Checkpoints: folders that are whole or not there, each a PEFT adapter beside the optimizer's state, with checksums.

    checkpoints/step-000040/adapter_config.json, adapter_model.safetensors   the adapter as PEFT has it
                            optimizer.safetensors                            AdamW's moments
                            state.json                                       all else, and the SHA-256 of the others

What has a checksum that does not fit is named and passed over; nothing here is a pickle.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityfolk.errors import CityfolkError
from cityfolk.study.files import sha256, write_whole, writing

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER, CONFIG = "adapter_model.safetensors", "adapter_config.json"
OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read: its folder, its step, and what state.json holds."""

    folder: Path
    step: int
    state: dict[str, Any]


def save(
    folder: Path,
    step: int,
    *,
    adapter: Mapping[str, Tensor],
    config: Mapping[str, Any],
    optimizer: Mapping[str, Tensor],
    state: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of a step; StudyError where the disk refuses it, and then nothing of it is left."""
    from safetensors.torch import save as to_bytes

    final = folder / f"step-{step:06d}"
    staged = folder / f".{final.name}.tmp"
    try:
        with writing(final):
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(parents=True)
            # By way of memory: the library's own writer hides what the operating system said.
            _write(staged / ADAPTER, to_bytes({name: value.contiguous() for name, value in adapter.items()}, PT))
            _write(staged / CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())
            _write(staged / OPTIMIZER, to_bytes({name: value.contiguous() for name, value in optimizer.items()}))
            sums = {name: sha256(staged / name) for name in (ADAPTER, CONFIG, OPTIMIZER)}
            _write(staged / STATE, json.dumps({"step": step, "sha256": sums, **state}).encode())
            if final.exists():
                shutil.rmtree(final)
            staged.rename(final)
            _flush(folder)
    except CityfolkError:
        with suppress(OSError):
            shutil.rmtree(staged, ignore_errors=True)
        raise
    return final


PT = {"format": "pt"}
"""What Hugging Face's readers want to find in a file's header."""


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest sound checkpoint, None if there is none, and a sentence for each that is damaged."""
    notices: list[str] = []
    found = sorted((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), key=_step, reverse=True)
    for path in found:
        try:
            return read(path), notices
        except (OSError, ValueError, KeyError, TypeError) as damage:
            notices.append(f"the checkpoint {path.name} is damaged ({damage}) and passed over")
    return None, notices


def read(path: Path) -> Checkpoint:
    """Read the state of a checkpoint and check its files; OSError or ValueError where it is damaged."""
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    for name in (ADAPTER, CONFIG, OPTIMIZER):
        if sha256(path / name) != state["sha256"][name]:
            raise ValueError(f"{name} is not what was written")
    return Checkpoint(folder=path, step=int(state["step"]), state=state)


def tensors(path: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of one file of a checkpoint."""
    from safetensors.torch import load

    return load((path / name).read_bytes())


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all but the `keep` newest checkpoints and the best one, and what was left half written."""
    for path in folder.glob(".step-*.tmp"):
        shutil.rmtree(path, ignore_errors=True)
    found = sorted((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), key=_step)
    for path in found[: max(0, len(found) - keep)]:
        if _step(path) != best:
            shutil.rmtree(path, ignore_errors=True)


def publish(path: Path, folder: Path) -> None:
    """Copy the adapter of a checkpoint to where it is looked for."""
    for name in (CONFIG, ADAPTER):
        write_whole(folder / name, lambda temporary, name=name: temporary.write_bytes((path / name).read_bytes()))  # type: ignore[misc]


def _step(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else -1


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
