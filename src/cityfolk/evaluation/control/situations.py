"""Situations of everyday life with four things to do: how they are put to a model, read and scored.

Each option has a key, 0 for what somebody very low in the trait would do to 3 for somebody very high. An answer is the
expected key over the options' probabilities where the engine gives them, else the key of the option that the text
names, both divided by 3. The options are shown in an order drawn for each item, in its reverse, and in those two with
the halves exchanged: over four orders every option stands once in every place, over two the first and the last take
turns. The items and their keys were written by reason, not from data; they are in situations.toml.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.engines.wire import chosen
from cityfolk.errors import DataError
from cityfolk.evaluation.control.refusals import declines
from cityfolk.evaluation.preferences.tables import TARGETS
from cityfolk.evaluation.psychometrics.administration import Respondent, Said
from cityfolk.personality.inventory import choice_messages
from cityfolk.types import Reply, Request, Sampling, content_key
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
LETTERS = ("A", "B", "C", "D")
HIGHEST = 3
PROMPTS = "situations/1"
MAX_TOKENS = 32
MOST_ORDERS = 4
_EXCHANGED = (2, 3, 0, 1)
_FIRST = re.compile(r"\W*([A-D])(?:[:.)\]]|\s*$|\s+[-\u2013])")
_NAMED = re.compile(
    r"\b(?:answer|option|choice|choose|choosing|pick|say)\W+(?:is\W+|would be\W+)?([A-D])\b(?! \w)", re.IGNORECASE
)
SITUATIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "respondent_id": pl.String,
    "condition": pl.String,
    **dict.fromkeys(TARGETS, pl.Float64),
    "engine": pl.String,
    "model": pl.String,
    "adapter": pl.String,
    "item_id": pl.String,
    "option_order": pl.Int8,
    "value": pl.Float64,
    **{f"p{key}": pl.Float64 for key in range(HIGHEST + 1)},
    "outcome": pl.String,
    "text": pl.String,
    "prompt_hash": pl.String,
    "seed": pl.Int64,
}
"""situations.parquet, one row an item, order and respondent, sorted by SORTED_BY.

`value` is the expected key over 3 (0 to 1), null for a refusal; `p0` to `p3` are the probabilities of the options by
key, null where the engine gives none; `outcome` is probabilities, text or refused.
"""
SORTED_BY = ("engine", "model", "adapter", "condition", "respondent_id", "item_id", "option_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One item: what happens, and what one might do, from the lowest to the highest in the trait."""

    id: str
    trait: str
    facet: str
    situation: str
    options: tuple[str, ...]

    def shown(self, order: int) -> tuple[int, ...]:
        """Return the keys of the options in the order in which they are shown."""
        drawn = rng.child(0, "situations", self.id).permutation(len(self.options)).tolist()
        if order % 2:
            drawn = drawn[::-1]
        return tuple(drawn[place] for place in _EXCHANGED) if order >= 2 else tuple(drawn)

    def question(self, order: int) -> str:
        """Return the question as it is put."""
        lines = [f"{letter}: {self.options[key]}" for letter, key in zip(LETTERS, self.shown(order), strict=True)]
        return "\n".join([f"{self.situation} What do you do?", *lines, "Answer A, B, C or D."])


@cache
def situations() -> tuple[Situation, ...]:
    """Return all items, trait by trait."""
    text = files("cityfolk.evaluation.control").joinpath("situations.toml").read_text(encoding="utf-8")
    return tuple(Situation(**item | {"options": tuple(item["options"])}) for item in tomllib.loads(text)["item"])


@cache
def prompt_hash() -> str:
    """Name the items by their words and their orders."""
    asked = [item.question(order) for item in situations() for order in range(MOST_ORDERS)]
    return content_key([PROMPTS, asked])


def requests(
    respondents: Sequence[Respondent], model: str, *, orders: int, seed: int
) -> Iterator[tuple[Respondent, Situation, int, Request]]:
    """Yield every request, respondent after respondent; labels are "RESPONDENT ITEM ORDER"."""
    sampling = Sampling(temperature=1.0, max_tokens=MAX_TOKENS, seed=seed)
    for respondent in respondents:
        vector = respondent.vector if respondent.told else None
        for item in situations():
            for order in range(orders):
                request = Request(
                    messages=choice_messages(item.question(order), vector),
                    model=model,
                    choices=LETTERS,
                    sampling=sampling,
                    label=f"{respondent.respondent_id} {item.id} {order}",
                )
                yield respondent, item, order, request


def read_reply(request: Request, reply: Reply) -> Said:
    """Return what a reply says: the expected key over 3, and the probabilities by key; ValueError where it is none."""
    _, name, order = request.label.rsplit(" ", 2)
    item = next(one for one in situations() if one.id == name)
    keys = item.shown(int(order))
    if reply.logprobs is not None:
        weights = [math.exp(value) for value in reply.logprobs]
        total = math.fsum(weights)
        if len(weights) != len(keys) or not (total > 0 and math.isfinite(total)):
            raise ValueError("the probabilities of the options cannot be read")
        by_key = [0.0] * len(keys)
        for key, weight in zip(keys, weights, strict=True):
            by_key[key] = weight / total
        value = math.fsum(key * share for key, share in enumerate(by_key)) / HIGHEST
        return Said(outcome="probabilities", value=min(max(value, 0.0), 1.0), probabilities=tuple(by_key))
    letter = letter_of(reply.text, item, int(order))
    if letter is None:
        if declines(reply.text):
            return Said(outcome="refused", value=None)
        raise ValueError(f"not one of the options: {reply.text.strip()[:60]!r}")
    return Said(outcome="text", value=keys[LETTERS.index(letter)] / HIGHEST)


def letter_of(text: str, item: Situation, order: int) -> str | None:
    """Return the letter of the option that a text names, by its letter or word for word; None if not just one."""
    plain = chosen(text, LETTERS)
    if plain is not None:
        return plain
    first = _FIRST.match(text)
    found = {first[1]} if first else {one.upper() for one in _NAMED.findall(text)}
    if not found:
        said = text.casefold()
        found = {
            letter
            for letter, key in zip(LETTERS, item.shown(order), strict=True)
            if item.options[key].rstrip(".").casefold() in said
        }
    return found.pop() if len(found) == 1 else None


# ------------------------------------------------------------------------------------------------------------- scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What one speaker chose under one condition: n respondents by 40 items.

    `target` (n, 5) are percentiles, NaN for nobody's vector; `value` (n, items) the mean over orders, 0 to 1, and
    `orders` (orders, n, items) the same by order; NaN where there is no answer. `refused` counts refusals.
    """

    model: str
    condition: str
    respondents: tuple[str, ...]
    target: Floats
    value: Floats
    orders: Floats
    refused: int
    asked: int

    def scores(self) -> Floats:
        """Return the mean over each trait's items, (n, 5); NaN where fewer than six in eight were answered."""
        return trait_scores(self.value)


@cache
def positions() -> tuple[NDArray[np.intp], ...]:
    """Return the positions of each trait's items, five arrays in the order of TRAITS."""
    return tuple(np.array([i for i, item in enumerate(situations()) if item.trait == trait]) for trait in TRAITS)


def trait_scores(value: Floats) -> Floats:
    """Return the means (..., 5) over each trait's items of values (..., 40)."""
    made = []
    for places in positions():
        part = value[..., places]
        given = np.isfinite(part).sum(axis=-1)
        mean = np.nansum(part, axis=-1) / np.maximum(given, 1)
        made.append(np.where(given >= 0.75 * len(places), mean, np.nan))
    return np.stack(made, axis=-1)


def deeds(table: pl.DataFrame) -> list[Deeds]:
    """Return what each model chose under each condition; DataError for items that there are none of."""
    numbers = {item.id: place for place, item in enumerate(situations())}
    strange = sorted(set(table["item_id"].unique()) - numbers.keys())
    if strange:
        raise DataError(f"there is no situation {strange[0]!r}", hint="ask the situations of this version")
    return [
        _deeds(str(model), str(condition), part, numbers)
        for (model, condition), part in table.sort(SORTED_BY)
        .partition_by("model", "condition", as_dict=True, maintain_order=True)
        .items()
    ]


def _deeds(model: str, condition: str, part: pl.DataFrame, numbers: dict[str, int]) -> Deeds:
    people = part.unique("respondent_id", maintain_order=True).select("respondent_id", *TARGETS)
    names = {name: place for place, name in enumerate(people["respondent_id"])}
    orders = {order: place for place, order in enumerate(part["option_order"].unique().sort())}
    value = np.full((len(orders), len(names), len(numbers)), np.nan)
    places = tuple(
        part[column].replace_strict(known, return_dtype=pl.Int64).to_numpy()
        for column, known in (("option_order", orders), ("respondent_id", names), ("item_id", numbers))
    )
    value[places] = part["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    given = np.isfinite(value).sum(axis=0)
    return Deeds(
        model=model,
        condition=condition,
        respondents=tuple(names),
        target=people.select(TARGETS).cast(pl.Float64).fill_null(np.nan).to_numpy(),
        value=np.where(given > 0, np.nansum(value, axis=0) / np.maximum(given, 1), np.nan),
        orders=value,
        refused=int((part["outcome"] == "refused").sum()),
        asked=part.height,
    )
