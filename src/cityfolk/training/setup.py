"""Before training: the model on its device with a fresh adapter, what that takes of memory, who shares the work."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import torch

from cityfolk.engines.transformers_load import (
    Place,
    choose_device,
    fetch_model,
    load_model,
    memory_free,
    memory_needed,
    out_of_memory,
)
from cityfolk.errors import EngineError, UsageError
from cityfolk.rng import derive
from cityfolk.training.recipe import Recipe

_WIDTH = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Which of how many processes this is; a launcher says so in the environment."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def of_environment(cls) -> Processes:
        """Read what torchrun and accelerate set."""
        read = {name: os.environ.get(key, "") for name, key in _KEYS.items()}
        return cls(**{name: int(value) for name, value in read.items() if value.isdigit()})

    @property
    def first(self) -> bool:
        """Say whether this is the process that writes."""
        return self.rank == 0


_KEYS = {"rank": "RANK", "count": "WORLD_SIZE", "local": "LOCAL_RANK"}


def device_of(recipe: Recipe, processes: Processes) -> str:
    """Return the device of this process; EngineError where it is not there, UsageError where processes are missing."""
    if processes.count not in (1, recipe.gpus) or (recipe.gpus > 1 and processes.count == 1):
        raise UsageError(
            f"the recipe shares a step among {recipe.gpus} processes, and there are {processes.count}",
            hint=f"run `accelerate launch --num_processes {recipe.gpus} -m cityfolk train ...`, or set another number "
            "of gpus in a recipe of your own",
        )
    if recipe.batch < processes.count:
        raise UsageError(
            f"{recipe.batch} pairs a step cannot be shared among {processes.count} processes",
            hint="give the recipe a larger batch",
        )
    device = choose_device(recipe.device)
    return f"cuda:{processes.local}" if device == "cuda" and processes.count > 1 else device


def dtype_of(recipe: Recipe, device: str) -> str:
    """Return the type of the frozen weights."""
    return recipe.dtype if recipe.dtype != "auto" else "float32" if device == "cpu" else "bfloat16"


def memory_wanted(place: Place, recipe: Recipe, dtype: str) -> dict[str, int]:
    """Estimate the bytes that training takes, from config.json and the headers of the weights alone.

    "weights" as `dtype`; "adapter": rank times (inputs + outputs) of the adapted matrices, each number 16 bytes
    (itself, its slope and AdamW's two moments in float32); "activations": what a layer keeps for the backward pass, a
    token of a row: six vectors of the model's width, two of keys and values, four of the inner layer's width.
    """
    folder = fetch_model(place)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    width, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    inner = int(config.get("intermediate_size") or 4 * width)
    heads = int(config.get("num_attention_heads") or 1)
    size = int(config.get("head_dim") or width // heads)
    narrow = size * int(config.get("num_key_value_heads") or heads)
    shapes = {
        "q_proj": width + size * heads, "k_proj": width + narrow, "v_proj": width + narrow,
        "o_proj": width + size * heads, "gate_proj": width + inner, "up_proj": width + inner,
        "down_proj": width + inner,
    }  # fmt: skip
    adapter = layers * recipe.rank * sum(shapes.get(name, 2 * width) for name in recipe.targets)
    kept = layers * (6 * width + 2 * narrow + 4 * inner) * _WIDTH[dtype]
    return {
        "weights": memory_needed(folder, dtype),
        "adapter": 16 * adapter,
        "activations": kept * recipe.row_tokens,
    }


def check_memory(place: Place, recipe: Recipe, *, dtype: str, device: str) -> dict[str, int]:
    """Return the estimate; EngineError where the device has less than that free."""
    wanted, free = memory_wanted(place, recipe, dtype), memory_free(device)
    need = sum(wanted.values())
    if free is not None and need > free:
        parts = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in wanted.items())
        raise EngineError(
            f"training {place.name} takes about {need / 1e9:.1f} GB ({parts}), and {free / 1e9:.1f} GB are free",
            hint="set a smaller row_tokens or rank in a recipe of your own, or choose a smaller model",
        )
    return wanted


def load_adapted(place: Place, recipe: Recipe, *, dtype: str, device: str) -> tuple[Any, Any]:
    """Return (PEFT model with a fresh adapter, tokenizer); EngineError or UsageError where that cannot be."""
    from peft import LoraConfig, get_peft_model

    model, tokenizer = load_model(place, dtype=dtype, device=device)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.targets),
        task_type="CAUSAL_LM",
    )
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(derive(recipe.seed, "training", "adapter") >> 1)
            adapted = get_peft_model(model, config)
    except ValueError as problem:
        raise UsageError(
            f"{place.name} has no layers called {', '.join(recipe.targets)}",
            hint="name its linear layers in the recipe's targets",
        ) from problem
    except RuntimeError as problem:
        if not out_of_memory(problem):
            raise
        raise EngineError(f"memory ran out while {place.name} was adapted", hint="choose a smaller rank") from problem
    adapted.peft_config["default"].base_model_name_or_path = place.name
    return adapted, tokenizer


def adapter_tensors(model: Any) -> dict[str, torch.Tensor]:
    """Return the adapter's tensors by PEFT's names, on the CPU."""
    from peft import get_peft_model_state_dict

    return {name: value.detach().cpu() for name, value in get_peft_model_state_dict(model).items()}


def restore_adapter(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Give an adapter its tensors back."""
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model, tensors)


def adapter_config(model: Any) -> dict[str, Any]:
    """Return what adapter_config.json holds."""
    config = model.peft_config["default"].to_dict()
    config["inference_mode"] = True
    return {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
