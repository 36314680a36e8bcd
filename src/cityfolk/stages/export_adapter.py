"""`export --adapter`: an adapter merged into its base model, as a folder, as GGUF, for Ollama."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cityfolk.engines.trained_on import RECORD, trained_on
from cityfolk.engines.transformers_load import fetch_model, find_model, require
from cityfolk.errors import CityfolkError, DataError, UsageError
from cityfolk.pocket import gguf
from cityfolk.pocket.arrays import revision, weights_folder
from cityfolk.study.files import write_text, writing
from cityfolk.training.card import CARD, is_pocket, merged_card
from cityfolk.training.merging import merge_adapter
from cityfolk.training.modelfile import Turns, modelfile, turns_of
from cityfolk.training.record import read_training

ADAPTERS = "adapters"
_MOST_CONTEXT = 8192  # tokens; Ollama keeps memory for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The files that were written, and what remains to be done by hand, one command a line."""

    files: list[Path]
    next: list[str]


def export_adapter(
    folder: Path, adapter: str, to: Path, *, form: str = "merged", model: str = "", dtype: str = "auto"
) -> Exported:
    """Write an adapter of a study (or a folder of one) under `to`: form "merged", "gguf" or "ollama".

    `model` is its base model, the one that it was trained on by default. A model of pocket's kind becomes a GGUF file
    at once; of any other the merged folder is written, and the commands of llama.cpp that make one are returned.
    """
    place = find_adapter_folder(folder, adapter)
    base, revisions = base_folder(place, model)
    name = place.name
    if not model:
        _as_trained(place, base, revisions)
    if form != "merged" and _of_pockets_kind(base):
        return _pocket(base, place, to)
    merged = merge_adapter(base, place, to / name, dtype=dtype)
    if (place / RECORD).is_file():
        write_text(merged / CARD, merged_card(read_training(place), name))
    if form == "merged":
        return Exported(files=[merged], next=[])
    steps = [f"python llama.cpp/convert_hf_to_gguf.py {merged} --outfile {to / name}.gguf"]
    if form == "gguf":
        return Exported(files=[merged], next=steps)
    text = _for_ollama(merged, f"{name}.gguf")
    about = to / f"{name}.Modelfile"
    write_text(about, text)
    return Exported(files=[merged, about], next=[*steps, f"ollama create {name} -f {about}"])


def find_adapter_folder(folder: Path, adapter: str) -> Path:
    """Return where an adapter lies: one of the study's by its name, else a folder; UsageError if there is none."""
    here = folder / ADAPTERS / adapter
    for place in (here, Path(adapter).expanduser()):
        if (place / "adapter_config.json").is_file():
            return place.resolve()
    known = sorted(path.parent.name for path in (folder / ADAPTERS).glob("*/adapter_config.json"))
    hint = f"there are: {', '.join(known)}" if known else "train one: cityfolk train DIR --persona NAME"
    raise UsageError(f"there is no adapter {adapter} in {folder}", hint=hint)


def base_folder(adapter: Path, model: str = "") -> tuple[Path, set[str]]:
    """Return the folder of an adapter's base model, fetched if it is a repository's, and the revisions it goes by.

    Errors as `find_model`.
    """
    named = model or _trained_on(adapter)
    if is_pocket(named):
        inside = named.partition(":")[2].partition("+")[0]
        folder = Path(inside) if inside else weights_folder()
        return folder, {revision(folder), find_model(str(folder)).revision}
    place = find_model(named)
    return fetch_model(place), {place.revision}


def _trained_on(adapter: Path) -> str:
    for file, key in (("recipe.toml", "model"), ("adapter_config.json", "base_model_name_or_path")):
        try:
            text = (adapter / file).read_text(encoding="utf-8")
            read: dict[str, Any] = tomllib.loads(text) if file.endswith("toml") else json.loads(text)
            named = read.get(key)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, AttributeError) as damage:
            raise DataError(
                f"{adapter / file} cannot be read: {damage}", hint="name the model with --model"
            ) from damage
        if named:
            return str(named)
    raise UsageError(f"what the adapter {adapter.name} was trained on is not known", hint="name it with --model")


def _as_trained(adapter: Path, base: Path, revisions: set[str]) -> None:
    """Raise DataError where the weights in `base` are others than those that the adapter was trained on."""
    _, trained = trained_on(adapter)
    if trained and trained not in revisions:
        raise DataError(
            f"the adapter {adapter.name} was trained on weights of the revision {trained}, and {base} holds others",
            hint="name the right folder with --model; naming one merges into it whatever it is",
        )


def _of_pockets_kind(base: Path) -> bool:
    try:
        gguf.of_this_kind(base)
    except UsageError:
        return False
    return True


def _pocket(base: Path, adapter: Path, to: Path) -> Exported:
    name = f"pocket-1-{adapter.name}"
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
    written = gguf.write_gguf(base, to / f"{name}.gguf", adapter=adapter, name=name)
    context = json.loads((base / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
    about = to / f"{name}.Modelfile"
    write_text(about, gguf.modelfile(written.name, context=context))
    return Exported(files=[written, about], next=[f"ollama create {name} -f {about}"])


def _for_ollama(merged: Path, file: str) -> str:
    require(adapters=False)
    from transformers import AutoTokenizer

    from cityfolk.training.tokens import Renderer

    tokenizer: Any = AutoTokenizer.from_pretrained(merged, trust_remote_code=False, local_files_only=True)
    stop = str(tokenizer.decode([Renderer(tokenizer, merged.name).end], skip_special_tokens=False))
    config = json.loads((merged / "config.json").read_text(encoding="utf-8"))
    context = min(int(config.get("max_position_embeddings") or _MOST_CONTEXT), _MOST_CONTEXT)
    return modelfile(file, turns=spoken_turns(tokenizer), stop=stop, context=context)


def spoken_turns(tokenizer: Any) -> Turns | None:
    """Return the text around turns by a tokenizer's chat template, thinking switched off as in training."""

    def render(turns: Sequence[Any]) -> str:
        try:
            return str(
                tokenizer.apply_chat_template(
                    list(turns), tokenize=False, add_generation_prompt=True, enable_thinking=False, thinking=False
                )
            )
        except Exception as problem:  # templates raise whatever their authors chose
            raise _Refused(str(problem)) from problem

    return turns_of(render, bos=str(tokenizer.bos_token or ""))


class _Refused(CityfolkError):
    """A chat template that does not take a conversation."""
