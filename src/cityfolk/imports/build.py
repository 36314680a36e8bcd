"""Rows and a mapping -> the two tables of a study: profiles.parquet and people.parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from cityfolk.errors import DataError
from cityfolk.imports.mapping import FACTS, Settled
from cityfolk.imports.read import Row
from cityfolk.imports.values import nativity_of, read_value
from cityfolk.types import PERCENTILE_CEILING, PERCENTILE_FLOOR
from cityfolk.vocabulary import TRAITS

KINDS: dict[str, Any] = {
    "age": pl.Int16,
    "earnings_usd": pl.Int32,
    "income_usd": pl.Int32,
    "height_cm": pl.Float32,
    "weight_kg": pl.Float32,
    **dict.fromkeys(TRAITS, pl.Float32),
}
SCALES = {
    "rank": "ranked among the people of the file: comparable within it, not with another file's",
    "percentile": "taken as percentiles from 0 to 1",
    "percent": "divided by 100",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one column: how many values it had, how many were understood, some that were not."""

    column: str
    became: str
    values: int
    understood: int
    guessed: bool = False
    examples: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """The tables of an import, and the account of its columns."""

    people: pl.DataFrame
    profiles: pl.DataFrame
    accounts: tuple[Account, ...]


def build(rows: Sequence[Row], settled: Settled, source: str, *, first_id: int = 0) -> Imported:
    """Make people and profiles from the rows of one file; person_id counts on from `first_id`.

    A fact that is not understood is null. Raises DataError where no row has any text.
    """
    accounts: list[Account] = []
    text = _texts(rows, settled, accounts)
    has_text = [any(column[i] for column in text.values()) for i in range(len(rows))]
    if not any(has_text):
        raise DataError("no record has any text", hint="name the columns of text in a mapping file")
    kept = [i for i, full in enumerate(has_text) if full]
    ids = list(range(first_id, first_id + len(kept)))
    people = _facts([rows[i] for i in kept], settled, accounts)
    accounts += [
        Account(column=c, became="left out", values=sum(c in row for row in rows), understood=0, note=why)
        for c, why in settled.left.items()
    ]
    original = [str(rows[i].get(settled.id_column, i)) if settled.id_column else str(i) for i in kept]
    sources = [str(rows[i].get(settled.source_column) or source) if settled.source_column else source for i in kept]
    profiles = {
        "person_id": pl.Series(ids, dtype=pl.Int32),
        "engine": pl.Series(sources, dtype=pl.String),
        "model": pl.Series(sources, dtype=pl.String),
        **{name: _text_series(name, [column[i] for i in kept]) for name, column in text.items()},
    }
    known = {
        "person_id": pl.Series(ids, dtype=pl.Int32),
        "original_id": pl.Series(original, dtype=pl.String),
        **people,
    }
    return Imported(pl.DataFrame(known), pl.DataFrame(profiles), tuple(accounts))


def _texts(rows: Sequence[Row], settled: Settled, accounts: list[Account]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, column in settled.text.items():
        values = [row.get(column) for row in rows]
        has_lists = sum(isinstance(v, list) for v in values) * 2 > sum(v is not None for v in values)
        if has_lists:
            found[name] = [v if isinstance(v, list) else None if v is None else [str(v)] for v in values]
        else:
            found[name] = ["; ".join(v) if isinstance(v, list) else None if v is None else str(v) for v in values]
        n = sum(v is not None for v in values)
        accounts.append(
            Account(column=column, became=f"text {name}", values=n, understood=n, guessed=column in settled.guessed)
        )
    return found


def _text_series(name: str, values: list[Any]) -> pl.Series:
    lists = any(isinstance(value, list) for value in values)
    return pl.Series(name, values, dtype=pl.List(pl.String) if lists else pl.String)


def _facts(rows: Sequence[Row], settled: Settled, accounts: list[Account]) -> dict[str, pl.Series]:
    people: dict[str, pl.Series] = {}
    for name in (*FACTS, *TRAITS):
        column = settled.facts.get(name)
        if column is None:
            continue
        words = {key.lower(): meant for key, meant in settled.values.get(name, {}).items()}
        values = [row.get(column) for row in rows]
        read = [_one(name, value, words) for value in values]
        note = ""
        if name in TRAITS:
            read, note = _percentiles(read, settled.scale), f"{settled.scale}: {SCALES[settled.scale]}"
        people[name] = pl.Series(name, read, dtype=KINDS.get(name, pl.String))
        strange = [str(v)[:60] for v, r in zip(values, read, strict=True) if v is not None and r is None]
        accounts.append(
            Account(
                column=column,
                became=f"fact {name}",
                values=sum(v is not None for v in values),
                understood=sum(r is not None for r in read),
                guessed=column in settled.guessed,
                examples=tuple(dict.fromkeys(strange))[:4],
                note=note,
            )
        )
    return people | _derived(people, rows, settled)


def _one(name: str, value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    return read_value(name, value)


def _derived(people: dict[str, pl.Series], rows: Sequence[Row], settled: Settled) -> dict[str, pl.Series]:
    """Return what follows from what is known: nativity from a birthplace, employment from what stands for a salary."""
    found: dict[str, pl.Series] = {}
    if "birthplace" in people and "nativity" not in people:
        found["nativity"] = pl.Series([nativity_of(place) for place in people["birthplace"]], dtype=pl.String)
    column = settled.facts.get("earnings_usd")
    if column is not None and "employment" not in people:
        said = [read_value("employment", row.get(column)) for row in rows]
        status = ["employed" if paid else word for paid, word in zip(people["earnings_usd"], said, strict=True)]
        found["employment"] = pl.Series(status, dtype=pl.String)
    return found


def _percentiles(values: list[float | None], scale: str) -> list[float | None]:
    """Return trait scores as percentiles: as they are, divided by 100, or by their mid-rank within the file."""
    known = [value for value in values if value is not None]
    if scale == "rank":
        ordered = np.sort(np.array(known, dtype=float))

        def place(value: float) -> float:
            below, up_to = np.searchsorted(ordered, value, "left"), np.searchsorted(ordered, value, "right")
            return float(below + up_to) / (2 * len(ordered))

    else:
        highest = 1.0 if scale == "percentile" else 100.0
        outside = sum(not 0 <= value <= highest for value in known)
        if outside:
            raise DataError(
                f"{outside} trait scores lie outside 0 to {highest:g}",
                hint='say what they are in the mapping file: [traits] scale = "rank", "percentile" or "percent"',
            )

        def place(value: float) -> float:
            return value / highest

    return [None if value is None else min(max(place(value), PERCENTILE_FLOOR), PERCENTILE_CEILING) for value in values]


def merge(parts: Sequence[Imported]) -> Imported:
    """Put the imports of several files together; a column that one lacks is null there."""
    people = pl.concat([part.people for part in parts], how="diagonal_relaxed")
    frames = [part.profiles for part in parts]
    lists = {n for f in frames for n, kind in f.schema.items() if kind == pl.List(pl.String)}
    frames = [
        f.with_columns(
            pl.col(n).map_elements(lambda v: [v], return_dtype=pl.List(pl.String))
            for n in lists
            if n in f.columns and f.schema[n] == pl.String
        )
        for f in frames
    ]
    profiles = pl.concat(frames, how="diagonal")
    first = [c for c in ("person_id", "original_id") if c in people.columns]
    rest = [c for c in (*FACTS, *TRAITS) if c in people.columns]
    return Imported(people.select(*first, *rest), profiles, tuple(a for part in parts for a in part.accounts))
