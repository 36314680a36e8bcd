"""Which model an adapter was put into: what both say is held side by side."""

from __future__ import annotations

import re

import polars as pl


def without_adapter(model: str, adapter: str) -> str:
    """Return the name of the model itself from that of a model with an adapter ("m@1+my-dpo@2?dtype=x", "my-dpo").

    Engines put the adapter's name and revision behind the model's; a name that doesn't hold it is returned as it is.
    """
    if not adapter:
        return model
    return re.sub(rf"\+(?:[^+?@]*/)?{re.escape(adapter)}(?:@[^+?@]*)?(?=\?|\+|$)", "", model, count=1)


def of_base(rows: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the model that `part` put its adapter into; of its own model where the other has none.

    Both tables have columns model and adapter; all of `part` is of one model.
    """
    model, adapter = part.select("model", "adapter").row(0)
    base = rows.filter(pl.col("model") == without_adapter(model, adapter or ""))
    return base if base.height else rows.filter(pl.col("model") == model)
