"""Hugging Face models and adapters on disk: found, named by what they contain, and loaded without running their code.

Only safetensors are read; a pickle is never loaded, and a checkpoint that needs Python code of its own is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cityfolk.errors import CityfolkError, EngineError

INSTALL = 'pip install "cityfolk[local]"'
_WHOLE = 2 * 2**30  # bytes of weights up to which every byte is hashed
_SAMPLE = 65_536
_KEPT = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.model", "*.jinja", "*.txt", "LICENSE*"]
_NAMING = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2}
_WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model or adapter is: its name, its revision (12 hex digits), and a folder or a repository's commit."""

    name: str
    revision: str
    folder: Path | None
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


def require(adapters: bool) -> None:
    """Raise EngineError where a package that models in process need is not installed."""
    needed = ("torch", "transformers", "peft") if adapters else ("torch", "transformers")
    missing = [name for name in needed if not _installed(name)]
    if missing:
        raise EngineError(f"models in process need {' and '.join(missing)}, not installed here", hint=INSTALL)


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # a module without a spec: imported, but not by the usual way
        return True


def find_model(model: str) -> Place:
    """Find a folder, or the commit of a repository (only its config.json is fetched); EngineError if there is none."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise EngineError(f"{folder} holds no model: there is no config.json", hint="name the model's own folder")
        return Place(folder.resolve().name, _fingerprint(folder, _weight_files(folder), _NAMING), folder)
    return _in_hub(model, "config.json")


def find_adapter(adapter: str) -> Place:
    """Find a PEFT adapter: a folder, or a repository; EngineError if it is none or no safetensors."""
    folder = Path(adapter).expanduser()
    place: Place | None = None
    if not folder.is_dir():
        place = _in_hub(adapter, "adapter_config.json")
        folder = _fetch(place, ["adapter_config.json", "adapter_model.safetensors"])
    weights = folder / "adapter_model.safetensors"
    if not (folder / "adapter_config.json").is_file():
        raise EngineError(f"{adapter} is no adapter: there is no adapter_config.json", hint="name a PEFT LoRA folder")
    if not weights.is_file():
        raise EngineError(
            f"the adapter {adapter} has no adapter_model.safetensors, and pickle is never loaded",
            hint="save it with save_pretrained(..., safe_serialization=True)",
        )
    kind = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")).get("peft_type")
    if kind != "LORA":
        raise EngineError(f"the adapter {adapter} is of the type {kind}", hint="only LoRA adapters are used here")
    if place is not None:
        return Place(place.name, place.revision, folder, place.commit)
    return Place(folder.resolve().name, _fingerprint(folder, [weights], ("adapter_config.json",)), folder)


def fetch_model(place: Place) -> Path:
    """Return the folder with a model's weights, fetched into the Hugging Face cache where they are not there yet."""
    folder = place.folder or _fetch(place, _KEPT)
    _weight_files(folder)
    return folder


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in named if not (folder / name).is_file())
        if missing:
            raise EngineError(f"{folder} lacks {len(missing)} of its weight files: {missing[0]}", hint="fetch it again")
        files = sorted(folder / name for name in named)
    if not files:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickled:
            raise EngineError(
                f"{folder} holds its weights as pickle ({pickled[0].name}), which is never loaded",
                hint="convert them to safetensors: save_pretrained writes them so",
            )
        raise EngineError(f"{folder} holds no weights", hint="it must hold *.safetensors beside config.json")
    return files


def _in_hub(repo: str, file: str) -> Place:
    """Name the commit of a repository, from the cache when offline."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo):
        raise EngineError(f"there is no folder {repo}", hint="give a folder or a Hugging Face name, OWNER/NAME")
    from huggingface_hub import hf_hub_download

    with _sentences(repo):
        commit = Path(hf_hub_download(repo, file)).parent.name
    return Place(repo, commit[:12], None, commit)


def _fetch(place: Place, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    with _sentences(place.name):
        return Path(snapshot_download(place.name, revision=place.commit, allow_patterns=patterns))


class _sentences:
    """Turn what the Hugging Face client raises into one sentence and what to do."""

    def __init__(self, repo: str) -> None:
        self.repo = repo

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, CityfolkError):
            return
        from huggingface_hub import errors

        name, repo = type(error).__name__, self.repo
        if isinstance(error, errors.GatedRepoError):
            raise EngineError(
                f"{repo} is gated, and this account may not read it",
                hint=f"accept its licence at https://huggingface.co/{repo}, then run `hf auth login` or set HF_TOKEN",
            ) from None
        if isinstance(error, errors.RepositoryNotFoundError):
            raise EngineError(
                f"there is no folder and no Hugging Face model {repo} (or it is private)",
                hint="check the spelling; for a private model run `hf auth login` or set HF_TOKEN",
            ) from None
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise EngineError(
                f"{repo} is not in the Hugging Face cache, and the hub cannot be reached",
                hint=f"unset HF_HUB_OFFLINE or mend the connection, or fetch it elsewhere: hf download {repo}",
            ) from None
        if isinstance(error, errors.EntryNotFoundError):
            raise EngineError(f"{repo} holds no such file: {_first(error)}", hint="is it the right kind?") from None
        if isinstance(error, OSError | ValueError):
            raise EngineError(
                f"{repo} cannot be fetched: {name}: {_first(error)}", hint="try again; what was fetched is kept"
            ) from None


def _first(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


def _fingerprint(folder: Path, weights: list[Path], beside: tuple[str, ...]) -> str:
    """Return 12 hex digits of SHA-256 over the configuration, the tokenizer and the weights.

    Of more than 2 GiB of weights, the headers and the first 64 KiB of every tensor are hashed, not every byte.
    """
    digest = hashlib.sha256()
    for name in beside:
        if (folder / name).is_file():
            digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    whole = sum(file.stat().st_size for file in weights) <= _WHOLE
    for file in weights:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            if whole:
                while block := stream.read(2**24):
                    digest.update(block)
                continue
            for start, size in [(0, 0), *_tensors(file)]:
                stream.seek(start)
                digest.update(stream.read(min(size, _SAMPLE)))
            digest.update(json.dumps(_header(file)).encode())
    return digest.hexdigest()[:12]


def _header(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        try:
            if size > 2**28:
                raise ValueError("its header is too long")
            header: dict[str, Any] = json.loads(stream.read(size))
        except ValueError as damage:
            raise EngineError(f"{file} is no safetensors file: {damage}", hint="fetch or save it again") from None
    return header


def _tensors(file: Path) -> Iterator[tuple[int, int]]:
    with file.open("rb") as stream:
        begin = 8 + int.from_bytes(stream.read(8), "little")
    for name, entry in _header(file).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            yield begin + first, last - first


def memory_needed(folder: Path, dtype: str) -> int:
    """Return bytes that the weights take in memory as `dtype` ("float32"; "checkpoint": as they are saved)."""
    total = 0
    for file in _weight_files(folder):
        for name, entry in _header(file).items():
            if name != "__metadata__":
                size = entry["data_offsets"][1] - entry["data_offsets"][0]
                saved = _BYTES.get(entry["dtype"])
                floating = entry["dtype"] in ("F64", "F32", "F16", "BF16") and dtype in _WIDTH
                total += size // saved * _WIDTH[dtype] if saved and floating else size
    return total


def memory_free(device: str) -> int | None:
    """Return bytes free on a device, None where that cannot be told."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def choose_device(asked: str) -> str:
    """Return the device to use for "auto", "cpu", "cuda", "cuda:1" or "mps"; EngineError where it is not there."""
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda"):
        if not torch.cuda.is_available():
            raise EngineError(
                "this machine has no CUDA device that torch can use",
                hint="leave out device=cuda, or install a driver and a CUDA build of torch (https://pytorch.org)",
            )
        number = asked.partition(":")[2]
        if number and int(number) >= torch.cuda.device_count():
            raise EngineError(
                f"there is no device {asked}: torch sees {torch.cuda.device_count()}", hint="count from cuda:0"
            )
    if asked == "mps" and not torch.backends.mps.is_available():
        raise EngineError("this machine has no Metal device", hint="leave out device=mps")
    return asked


def load_model(place: Place, *, dtype: str, device: str) -> tuple[Any, Any]:
    """Return (model, tokenizer), ready on the device; EngineError in one sentence where that cannot be.

    dtype "auto" is the checkpoint's own on a GPU and float32 on a CPU.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    log: Any = logging
    folder = fetch_model(place)
    wanted = dtype if dtype != "auto" else "float32" if device == "cpu" else "checkpoint"
    need, free = memory_needed(folder, wanted), memory_free(device)
    if free is not None and need > free:
        raise EngineError(
            f"the weights of {place.name} take {need / 1e9:.1f} GB as {wanted}, and {free / 1e9:.1f} GB are free",
            hint="use dtype=bfloat16, a smaller model, or serve it elsewhere and use openai:MODEL@URL",
        )
    bars = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto" if wanted == "checkpoint" else getattr(torch, wanted),
            device_map={"": device} if device != "cpu" else None,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, AttributeError) as problem:
        raise _not_loaded(place, problem, device) from problem
    finally:
        if bars:
            log.enable_progress_bar()
    return model.eval(), tokenizer


def _not_loaded(place: Place, problem: Exception, device: str) -> EngineError:
    text = str(problem)
    if "trust_remote_code" in text:
        return EngineError(
            f"{place.name} needs Python code of its own, which cityfolk does not run",
            hint="use a model that transformers knows, or serve it and use openai:MODEL@URL",
        )
    if out_of_memory(problem):
        return EngineError(f"{place.name} does not fit in the memory of {device}", hint="use a smaller model or dtype")
    return EngineError(
        f"{place.name} cannot be loaded: {type(problem).__name__}: {_first(problem)}",
        hint="see whether transformers' AutoModelForCausalLM loads it",
    )


def out_of_memory(problem: BaseException) -> bool:
    """Say whether torch ran out of memory."""
    text = str(problem).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text


def load_adapter(model: Any, place: Place, name: str) -> Any:
    """Add an adapter to a model (or to the PEFT model that wraps it) and return the PEFT model.

    EngineError where it does not fit; the model is then as it was.
    """
    from peft import PeftConfig, PeftModel, PeftModelForCausalLM

    first = not isinstance(model, PeftModel)
    wrapped = model
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one library tells the other what it will rename
            if first:
                config = PeftConfig.from_pretrained(str(place.folder))
                config.inference_mode = True
                wrapped = PeftModelForCausalLM(model, config, adapter_name=name)
            wrapped.load_adapter(str(place.folder), adapter_name=name, is_trainable=False)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as problem:
        if wrapped is not model:
            wrapped.unload()
        elif not first and name in wrapped.peft_config:
            wrapped.delete_adapter(name)
        raise EngineError(
            f"the adapter {place.name} does not fit this model: {_first(problem)}",
            hint="use it with the model that it was trained on",
        ) from problem
    return wrapped.eval()


def mixes(place: Place) -> bool:
    """Say whether an adapter can share a batch with others: PEFT computes DoRA and adapted experts only alone."""
    config = json.loads((Path(place.folder or "") / "adapter_config.json").read_text(encoding="utf-8"))
    return not (config.get("use_dora") or config.get("target_parameters") or config.get("alora_invocation_tokens"))
