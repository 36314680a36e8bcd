"""Which columns of profiles.parquet a model wrote about a person."""

from __future__ import annotations

import polars as pl

_NOT_WRITTEN = frozenset(
    "person_id name engine model adapter depth schema prompt prompt_name prompt_hash seed problems".split()
)


def written_columns(profiles: pl.DataFrame) -> list[str]:
    """Return the columns of text, or of lists of texts, that a model wrote; those without any text are left out."""
    texts = (pl.String, pl.List(pl.String), pl.Array(pl.String, 3))
    return [
        name
        for name, kind in profiles.schema.items()
        if name not in _NOT_WRITTEN and kind in texts and profiles[name].count() > 0
    ]
