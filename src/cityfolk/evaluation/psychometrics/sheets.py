"""The table of answers, and what one model answered on one instrument as an array."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.administration import Form
from cityfolk.personality.inventory import INSTRUMENTS, inventory
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
TARGETS = tuple(f"target_{trait}" for trait in TRAITS)
PROBABILITIES = tuple(f"p{number}" for number in range(1, 6))
UNTARGETED, PROMPTED = "untargeted", "prompted"

RESPONSES: dict[str, pl.DataType | type[pl.DataType]] = {
    "respondent_id": pl.String,
    "condition": pl.String,
    **dict.fromkeys(TARGETS, pl.Float64),
    "engine": pl.String,
    "model": pl.String,
    "adapter": pl.String,
    "instrument": pl.String,
    "item_id": pl.Int16,
    "option_order": pl.Int8,
    "item_order": pl.Int16,
    "wording": pl.String,
    "sample": pl.Int16,
    "value": pl.Float64,
    **dict.fromkeys(PROBABILITIES, pl.Float64),
    "outcome": pl.String,
    "text": pl.String,
    "prompt_hash": pl.String,
    "seed": pl.Int64,
}
"""responses.parquet, one row an item, form and respondent, sorted by SORTED_BY.

`item_id` is the item's number in its instrument; `value` agreement from 1 to 5 before keying, null for a refusal;
`p1` to `p5` the probabilities of the options from low to high, null where the engine gives none; `option_order` 0 shows
the low end first; `item_order` 0 asks an item alone, 1 and up on pages; `outcome` is probabilities, text or refused.
"""
FORM = ("option_order", "item_order", "wording", "sample")
SORTED_BY = ("engine", "model", "adapter", "condition", "instrument", "respondent_id", "item_id", *FORM)
_SPEAKER = ("engine", "model", "adapter", "condition", "instrument")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What one speaker answered under one condition on one instrument.

    `target` (n, 5) are percentiles, NaN for a respondent without a vector; `value` (n, items, forms) agreement before
    keying, NaN where there is no answer; `refused` counts refusals.
    """

    engine: str
    model: str
    adapter: str
    condition: str
    instrument: str
    respondents: tuple[str, ...]
    forms: tuple[Form, ...]
    target: Floats
    value: Floats
    refused: int

    @property
    def answers(self) -> Floats:
        """Return the mean over forms, (n, items); NaN where no form was answered."""
        return _mean(self.value)

    def split(self, kind: str) -> dict[Hashable, Floats]:
        """Return {option order, item order, wording or sample: mean answers (n, items)} over the other kinds."""
        kinds: list[Hashable] = [getattr(form, kind) for form in self.forms]
        return {one: _mean(self.value[:, :, [other == one for other in kinds]]) for one in dict.fromkeys(kinds)}

    @property
    def missing(self) -> int:
        """How many answers there should be and are not, refusals left out."""
        return int(np.isnan(self.value).sum()) - self.refused

    def only(self, respondents: tuple[str, ...]) -> Sheet:
        """Return the sheet of some of its respondents, in the order given; its refusals are not told apart."""
        places = [self.respondents.index(name) for name in respondents]
        return Sheet(
            engine=self.engine,
            model=self.model,
            adapter=self.adapter,
            condition=self.condition,
            instrument=self.instrument,
            respondents=respondents,
            forms=self.forms,
            target=self.target[places],
            value=self.value[places],
            refused=0,
        )


def _mean(value: Floats) -> Floats:
    given = np.isfinite(value).sum(axis=2)
    return np.asarray(np.where(given > 0, np.nansum(value, axis=2) / np.maximum(given, 1), np.nan))


def sheets(responses: pl.DataFrame) -> list[Sheet]:
    """Return the sheets of a table of answers, sorted by speaker, condition and instrument.

    Every respondent is counted as asked every item in every form that the speaker was asked in. DataError where
    columns are missing, an instrument is not known, or one answer is there twice.
    """
    lacking = [name for name in RESPONSES if name not in responses.columns and name not in ("text", "prompt_hash")]
    if lacking:
        raise DataError(f"responses has no {', '.join(lacking)}", hint="give it responses.parquet as it was written")
    foreign = [name for name in responses["instrument"].unique().sort() if name not in INSTRUMENTS]
    if foreign:
        raise DataError(f"there are no items of {foreign[0]!r}", hint=f"known are {', '.join(INSTRUMENTS)}")
    parts = responses.sort(SORTED_BY).partition_by(*_SPEAKER, as_dict=True, maintain_order=True)
    return [_sheet(dict(zip(_SPEAKER, map(str, names), strict=True)), part) for names, part in parts.items()]


def _sheet(names: dict[str, str], part: pl.DataFrame) -> Sheet:
    numbers = {item.number: place for place, item in enumerate(inventory(names["instrument"]))}
    people = part.unique("respondent_id", maintain_order=True).select("respondent_id", *TARGETS)
    respondents = tuple(people["respondent_id"].to_list())
    rows = {name: place for place, name in enumerate(respondents)}
    keyed = part.select(FORM).unique(maintain_order=True).sort(*reversed(FORM)).rows()
    layers = {key: place for place, key in enumerate(keyed)}
    strange = set(part["item_id"].unique()) - numbers.keys()
    if strange:
        raise DataError(f"{names['instrument']} has no item {min(strange)}", hint="item_id is an item's number")
    places = (
        part["respondent_id"].replace_strict(rows, return_dtype=pl.Int64).to_numpy(),
        part["item_id"].replace_strict(numbers, return_dtype=pl.Int64).to_numpy(),
        np.array([layers[key] for key in part.select(FORM).iter_rows()], dtype=np.int64),
    )
    shape = (len(rows), len(numbers), len(layers))
    flat = np.ravel_multi_index(places, shape)
    if len(np.unique(flat)) < len(flat):
        raise DataError(
            f"{names['model']} answered an item twice in one form", hint="leave one of the two rows out of the table"
        )
    value = np.full(shape, np.nan)
    value.ravel()[flat] = part["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return Sheet(
        **names,
        respondents=respondents,
        forms=tuple(Form(**dict(zip(FORM, key, strict=True))) for key in keyed),
        target=people.select(TARGETS).cast(pl.Float64).fill_null(np.nan).to_numpy(),
        value=value,
        refused=int((part["outcome"] == "refused").sum()),
    )
