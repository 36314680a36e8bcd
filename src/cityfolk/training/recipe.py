"""Recipes: how an adapter is trained, in a small TOML file. Unknown keys are errors that name what was probably meant.

A recipe that ships with the package is asked for by its name, another by its path.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from cityfolk.config import toml_value
from cityfolk.errors import UsageError
from cityfolk.personality.words import WORDINGS

Schedule = Literal["constant", "linear", "cosine"]
Number = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OBJECTIVES = ("dpo", "dpo-norm", "ipo", "ipo-norm", "sft")
FREE = ("save_every", "device", "gpus", "minutes")
"""Keys that change neither data nor order nor loss: they may differ when a training is continued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that determines a training but its pairs.

    model       "pocket", a folder, or a Hugging Face name
    device      "auto", "cpu" or "cuda" (a sentence instead of a training where there is none)
    gpus        processes that share a step, one a GPU; more than one is started by `accelerate launch`
    dtype       type of the frozen weights: "auto" is bfloat16 on a GPU and float32 on a CPU; the adapter is float32
    rank, alpha, dropout, targets       LoRA (Hu et al. 2021), scaled by alpha / rank, on layers of these names
    objective, beta, label_smoothing    the loss, as `training.loss` has it
    rate, schedule, warmup              AdamW's rate at its peak; how it falls; share of the steps in which it rises
    weight_decay, clip                  AdamW's decay; the norm that a step's gradient is cut down to (0: not cut)
    batch       pairs a step
    row_tokens  tokens that one packed row holds: the memory a step takes grows with it, its result does not depend on
                it; longer pairs are left out and counted
    epochs, steps, minutes   how long: passes over the pairs, or steps (where not 0), and at most so many minutes (0:
                             as long as it takes)
    eval_every, save_every   steps between looks at held-out pairs and control, and between checkpoints (0: at the end)
    patience    looks without a better score after which training stops (0: never)
    held_out    held-out pairs that are looked at, at most
    answers     answers that control is measured by (0: control is not measured)
    wordings    how a vector stands in the prompt, names of `personality.words.WORDINGS`: every pair gets one of them
    seed        of the adapter's first values, the order of pairs, dropout, and what is drawn to measure
    """

    model: str = "pocket"
    device: Device = "auto"
    gpus: int = 1
    dtype: Number = "auto"
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    targets: tuple[str, ...] = ALL_LINEAR
    objective: str = "dpo"
    beta: float = 0.1
    label_smoothing: float = 0.0
    rate: float = 1e-4
    schedule: Schedule = "linear"
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    batch: int = 16
    row_tokens: int = 4096
    epochs: float = 1.0
    steps: int = 0
    minutes: float = 0.0
    eval_every: int = 0
    save_every: int = 50
    patience: int = 0
    held_out: int = 256
    answers: int = 32
    wordings: tuple[str, ...] = ("levels",)
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_kind(field.name, getattr(self, field.name), field.default)
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                near = get_close_matches(str(getattr(self, name)), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
                raise UsageError(f"the recipe's {name} cannot be {getattr(self, name)!r}", hint=hint)
        for name, (fits, hint) in _BOUNDS.items():
            if not fits(getattr(self, name)):
                raise UsageError(f"the recipe's {name} cannot be {getattr(self, name)!r}", hint=hint)
        if self.label_smoothing and not self.objective.startswith("dpo"):
            raise UsageError(f"{self.objective} has no label smoothing", hint="leave label_smoothing out")

    @property
    def pairs(self) -> bool:
        """Say whether rejected answers are trained on."""
        return self.objective != "sft"

    def total_steps(self, pairs: int) -> int:
        """Return how many steps a training on so many pairs takes."""
        return self.steps or max(1, round(self.epochs * pairs / self.batch))

    def document(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return {**asdict(self), "targets": list(self.targets), "wordings": list(self.wordings)}

    def fixed(self) -> dict[str, Any]:
        """Return what may not change when a training is continued."""
        return {name: value for name, value in self.document().items() if name not in FREE}


_WORDS: dict[str, tuple[str, ...]] = {
    "device": get_args(Device),
    "dtype": get_args(Number),
    "schedule": get_args(Schedule),
    "objective": OBJECTIVES,
}
_MODULE = "names of layers, such as q_proj and v_proj"
_BOUNDS: dict[str, tuple[Any, str]] = {
    "model": (bool, "pocket, a folder, or OWNER/NAME"),
    "gpus": (lambda value: value >= 1, "1 or more"),
    "rank": (lambda value: value >= 1, "1 or more; 8 to 64 is usual"),
    "alpha": (lambda value: value >= 1, "1 or more; once or twice the rank is usual"),
    "dropout": (lambda value: 0 <= value < 1, "from 0 to below 1"),
    "targets": (lambda value: value and all(value), _MODULE),
    "beta": (lambda value: value > 0, "above 0; .1 is usual for dpo"),
    "label_smoothing": (lambda value: 0 <= value < 0.5, "from 0 to below .5"),
    "rate": (lambda value: 0 < value < 1, "above 0; 1e-5 to 1e-3 is usual for LoRA"),
    "warmup": (lambda value: 0 <= value < 1, "a share of the steps, from 0 to below 1"),
    "weight_decay": (lambda value: value >= 0, "0 or more"),
    "clip": (lambda value: value >= 0, "0 or more; 1 is usual"),
    "wordings": (lambda value: value and set(value) <= set(WORDINGS), f"a list of {', '.join(WORDINGS)}"),
    "batch": (lambda value: value >= 1, "1 or more pairs"),
    "row_tokens": (lambda value: value >= 16, "as many tokens as the longest pair has, or more"),
    "epochs": (lambda value: value > 0, "above 0"),
    **dict.fromkeys(
        ("steps", "minutes", "eval_every", "save_every", "patience", "held_out", "answers", "seed"),
        (lambda value: value >= 0, "0 or more"),
    ),
}


def _check_kind(name: str, value: Any, default: Any) -> None:
    kind = type(default)
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if kind is tuple:
        fits = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if not fits or (isinstance(value, bool) and kind is not bool):
        wanted = {float: "a number", int: "a whole number", str: "a text in quotes", tuple: "a list of texts"}[kind]
        raise UsageError(f"the recipe's {name} cannot be {value!r}", hint=f"it is {wanted}, such as {default!r}")


def shipped() -> tuple[str, ...]:
    """Return the names of the recipes in the package, in alphabetical order."""
    found = files("cityfolk.training").joinpath("recipes").iterdir()
    return tuple(sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml")))


def load_recipe(name: str) -> Recipe:
    """Return a recipe of the package by its name, or one of a file; UsageError where there is none or it is wrong."""
    known = shipped()
    if name in known:
        text = files("cityfolk.training").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
        return parse_recipe(text, name)
    if not name.lower().endswith(".toml"):
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}, or a TOML file"
        raise UsageError(f"there is no recipe {name!r}", hint=hint)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the recipe {name} cannot be read: {error}", hint="give a TOML file in UTF-8") from error
    return parse_recipe(text, name)


def parse_recipe(text: str, name: str) -> Recipe:
    """Read a recipe's text; UsageError names the key that is wrong."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {name} is not a readable TOML file: {error}", hint="mend that line") from error
    known = [field.name for field in fields(Recipe)]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are: {', '.join(known)}"
            raise UsageError(f"the recipe {name} has an unknown key {key!r}", hint=hint)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return Recipe(**values)
    except UsageError as error:
        raise UsageError(f"{name}: {error}", hint=error.hint) from error


def changed(recipe: Recipe, **values: Any) -> Recipe:
    """Return a recipe with some values replaced; those that are None stay as they were."""
    return replace(recipe, **{name: value for name, value in values.items() if value is not None})


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as TOML, every key."""
    return "".join(f"{name} = {toml_value(value)}\n" for name, value in recipe.document().items())
