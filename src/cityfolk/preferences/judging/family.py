"""Which family a language model is of, by its name: a judge of the generator's own family is partial to its style.

The family is that of the weights a model was tuned from, so a tuning of LLaMA 3 is a LLaMA. A model distilled from
another counts to both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from cityfolk.engines.presets import find_preset

# What names hold, as makers write them on the hubs and in their APIs. The engine "ollama" is no llama.
_MARKS: dict[str, str] = {
    "llama": r"(?<!o)llama|vicuna|alpaca(?![a-z])",
    "qwen": r"qwen|qwq",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral|zephyr",
    "gemma": r"gemma",
    "gemini": r"gemini",
    "phi": r"(?<![a-z])phi(?=[-_.:0-9]|$)",
    "gpt": r"(?<![a-z])(chat)?gpt(?!-?(2|j|neo)(?![0-9.]))|(?<![a-z0-9])o[134](?=-|$|@|\?)|davinci",
    "claude": r"claude",
    "deepseek": r"deepseek",
    "command": r"(?<![a-z])(command-?[ar]|aya)(?![a-z])",
    "granite": r"granite",
    "olmo": r"olmo|tulu",
    "glm": r"glm",
    "kimi": r"kimi|moonshot",
    "grok": r"grok",
    "falcon": r"falcon",
    "smollm": r"smollm",
    "nemotron": r"nemotron",
    "yi": r"(?<![a-z])yi(?=[-_.:0-9])",
    "pocket": r"(?<![a-z])pocket",
    "bert": r"bert(?![a-z])|deberta|distilbert",
}
_COMPILED = {family: re.compile(pattern) for family, pattern in _MARKS.items()}
_ENGINES = ("openai:", "ollama:", "hf:", "ray:")


def families(name: str) -> frozenset[str]:
    """Return the families that a model's or engine's name tells of; empty where it tells of none.

    For a folder of the Hugging Face format its config.json is asked as well.
    """
    text = name
    for engine in _ENGINES:
        text = text.removeprefix(engine)
    body = re.split(r"[@?]", text, maxsplit=1)[0]
    preset = find_preset(body)
    if preset is not None:
        return frozenset({preset.family})
    body = body.partition("+")[0]
    said = body.lower()
    if body.startswith((".", "/", "~")):  # names of folders above the model's own tell nothing of it
        said = Path(body).name.lower()
    said += f" {_model_type(Path(body).expanduser())}"
    return frozenset(family for family, pattern in _COMPILED.items() if pattern.search(said))


def family(name: str) -> str:
    """Return a model's family, several joined by "+", "" where its name tells of none."""
    return "+".join(sorted(families(name)))


def same_family(judge: str, generator: str) -> bool | None:
    """Say whether two models are of one family; None where a name does not tell.

    Each is a model's name, or a family as `family` returns it.
    """
    if judge and judge == generator:
        return True
    first, second = families(judge.replace("+", "-")), families(generator)
    if not first or not second:
        return None
    return bool(first & second)


def shared_features(judges: Collection[str]) -> str:
    """Say what it means that two of these judges look at the same features; "" where no two do.

    The text rater counts the markers of the word list among its features.
    """
    if not {"rater", "lexicon"} <= set(judges):
        return ""
    if len(judges) > 2:
        return (
            "rater counts the markers of lexicon among its features, so the two are hardly more than one judge, and "
            "together they can outvote another one"
        )
    return (
        "rater counts the markers of lexicon among its features, so that the two agree proves little; a language "
        "model of another family or people (--people NAME) would prove more"
    )


def _model_type(folder: Path) -> str:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("model_type", "")).lower() if isinstance(found, dict) else ""
