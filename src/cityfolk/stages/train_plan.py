"""What `train` would do, said before it is done: pairs, tokens, steps, memory, the first prompt."""

from __future__ import annotations

from typing import Any

from cityfolk.stages.train import TrainOptions, place_of, prepare_training, recipe_of
from cityfolk.study.folder import Study
from cityfolk.training.extras import require_extras
from cityfolk.training.recipe import recipe_text


def plan_training(study: Study, options: TrainOptions) -> dict[str, Any]:
    """Say what would be trained on what; the model's tokenizer is read, its weights are not.

    Errors as `train_adapter` raises them before its first write.
    """
    recipe = recipe_of(options)
    require_extras()
    from cityfolk.training.setup import Processes, device_of, dtype_of, memory_wanted
    from cityfolk.training.tokens import Renderer, tokenise

    place = place_of(recipe.model)
    ready = prepare_training(study, options, recipe, place)
    recipe = ready.recipe
    renderer = Renderer(_tokenizer(place), place.name)
    longest, positions = _longest(place), recipe.row_tokens
    found = tokenise(ready.train, renderer, longest=min(longest, positions), budget=positions)
    sizes = [triple.tokens for triple in found.triples]
    steps = recipe.total_steps(max(1, len(sizes)))
    first = ready.train[0]
    device = device_of(recipe, Processes(count=recipe.gpus)) if recipe.device != "cuda" else "cuda"
    dtype = dtype_of(recipe, device)
    return {
        "name": ready.name,
        "folder": str(ready.folder),
        "model": str(place),
        "table": ready.table,
        "pairs": {"train": len(found.triples), "held_out": min(len(ready.held_out), recipe.held_out)},
        "too_long": list(found.too_long),
        "steps": steps,
        "epochs": steps * recipe.batch / max(1, len(sizes)),
        "tokens_a_pair": sum(sizes) / max(1, len(sizes)),
        "tokens": round(steps * recipe.batch * sum(sizes) / max(1, len(sizes))),
        "dtype": dtype,
        "memory_bytes": memory_wanted(place, recipe, dtype),
        "first_prompt": [{"role": one.role, "content": one.content} for one in first.messages],
        "first_chosen": first.chosen,
        "first_rejected": first.rejected if recipe.pairs else None,
        "recipe": recipe_text(recipe),
    }


def _tokenizer(place: Any) -> Any:
    from transformers import AutoTokenizer

    from cityfolk.engines.transformers_load import fetch_model

    return AutoTokenizer.from_pretrained(fetch_model(place), trust_remote_code=False, local_files_only=True)


def _longest(place: Any) -> int:
    import json

    from cityfolk.engines.transformers_load import fetch_model

    config = json.loads((fetch_model(place) / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    sizes = [config.get(name) for name in ("max_position_embeddings", "sliding_window")]
    return min([2**31, *(int(size) for size in sizes if size)])
