"""Presets: the model families that most people have, by one short name each."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib.resources import files
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from cityfolk.errors import EngineError

OLLAMA = "http://localhost:11434"
PROBE_SECONDS = 0.6
_LARGEST_ANSWER = 2_000_000  # bytes of a list of models


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One model: what two hubs call it, and what is peculiar about it (presets.toml explains the fields)."""

    name: str
    title: str
    family: str
    ollama: str
    hugging_face: str
    aliases: tuple[str, ...]
    context: int
    system: bool
    thinking: bool
    template: str
    licence: str
    gated: bool
    note: str = ""


@cache
def presets() -> tuple[Preset, ...]:
    """Return the shipped presets, in the order of the table."""
    text = files("cityfolk.engines").joinpath("presets.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    return tuple(Preset(name=name, **{**row, "aliases": tuple(row["aliases"])}) for name, row in rows.items())


def find_preset(name: str) -> Preset | None:
    """Return the preset of a name or alias, whatever its case; None if there is none."""
    wanted = name.lower()
    return next((one for one in presets() if wanted in (one.name, *one.aliases)), None)


def resolve(name: str, rest: str = "", *, models: Callable[[], list[str] | None] | None = None) -> str | None:
    """Return the full name of the engine for a preset ("ollama:qwen3:8b?thinking=off"); None if `name` is no preset.

    `rest` is what followed the preset's name ("?concurrency=4", "@http://host:11434"). `models` lists what Ollama has
    (None: not reachable). EngineError says how to get a model that is not there.
    """
    preset = find_preset(name)
    if preset is None:
        return None
    where, mark, options = rest.partition("?")
    url = where.removeprefix("@") or OLLAMA
    present = models() if models is not None else ollama_models(url)
    here = f"in process with `--engine hf:{preset.hugging_face}`"
    if present is None:
        raise EngineError(
            f"{preset.title} is run by Ollama, and nothing answers at {url}",
            hint=f"start it with `ollama serve`, then `ollama pull {preset.ollama}`; or run it {here}",
        )
    if preset.ollama not in present:
        raise EngineError(
            f"Ollama at {url} does not have {preset.ollama}",
            hint=f"get it with `ollama pull {preset.ollama}`; or run it {here}",
        )
    if preset.thinking and "thinking=" not in options:
        options = "&".join(filter(None, ("thinking=off", options)))
    return f"ollama:{preset.ollama}{where}" + (f"?{options}" if options or mark else "")


def ollama_models(url: str = OLLAMA, *, seconds: float = PROBE_SECONDS) -> list[str] | None:
    """Return the models that an Ollama has, by its /api/tags; None if none answers there in time."""
    base = url.rstrip("/").removesuffix("/v1")
    found = ask_json(f"{base}/api/tags", seconds=seconds)
    return _names(found, "models", "name")


def served_models(url: str, *, seconds: float = PROBE_SECONDS) -> list[str] | None:
    """Return the models of an OpenAI-compatible server, by its /models; None if none answers there in time."""
    return _names(ask_json(f"{url.rstrip('/')}/models", seconds=seconds), "data", "id")


def ask_json(url: str, *, seconds: float) -> Any:
    """Return the JSON behind an address; None for anything that is not a timely answer with JSON."""
    try:
        with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=seconds) as answer:
            return json.loads(answer.read(_LARGEST_ANSWER))
    except (URLError, OSError, HTTPException, ValueError):
        return None


def _names(found: Any, plural: str, key: str) -> list[str] | None:
    rows = found.get(plural) if isinstance(found, dict) else None
    if not isinstance(rows, list):
        return None
    return [str(row[key]) for row in rows if isinstance(row, dict) and key in row]
