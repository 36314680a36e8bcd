"""Profiles to be measured, wherever they come from: written by a study, or imported from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import polars as pl

from cityfolk.errors import DataError
from cityfolk.types import Finding


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Profiles of one or several sources (models), and what is known of the people they are about.

    `profiles` has person_id, source, and the columns named in `fields`: text (String) or lists of texts. `people` has
    one row a person_id, its columns named as in people.parquet, any subset of them; null where nothing is known.
    """

    profiles: pl.DataFrame
    fields: tuple[str, ...]
    people: pl.DataFrame | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        missing = {"person_id", "source", *self.fields} - set(self.profiles.columns)
        if missing:
            raise DataError(f"profiles lack the columns {', '.join(sorted(missing))}", hint="name the fields they have")
        if not self.fields:
            raise DataError("profiles have no text to measure", hint="name at least one column of text")

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the sources, sorted."""
        return tuple(sorted(self.profiles["source"].unique()))

    def of(self, source: str) -> Self:
        """Return the profiles of one source, sorted by person."""
        return replace(self, profiles=self.profiles.filter(pl.col("source") == source).sort("person_id"))

    def texts(self, field: str) -> list[str]:
        """Return a field's texts, one a profile, in the order of the rows; the items of a list joined by "; "."""
        column = self.profiles[field]
        if column.dtype != pl.String:
            column = column.list.join("; ")
        return column.fill_null("").to_list()

    def whole(self, fields: Sequence[str] = ()) -> list[str]:
        """Return each profile as one text: its fields (all by default) in order, a line each, empty ones left out."""
        columns = [self.texts(field) for field in fields or self.fields]
        return ["\n".join(text for text in row if text) for row in zip(*columns, strict=True)]

    def facts(self, *columns: str) -> pl.DataFrame:
        """Return what is known, a row a profile in the order of the rows; a column that nobody has is null."""
        known = self.people if self.people is not None else pl.DataFrame(schema={"person_id": pl.Int64})
        missing = [pl.lit(None).alias(name) for name in columns if name not in known.columns]
        right = known.with_columns(missing).select(pl.col("person_id").cast(pl.Int64), *columns)
        left = self.profiles.select(pl.col("person_id").cast(pl.Int64))
        return left.join(right, on="person_id", how="left", maintain_order="left").select(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One mark of a picture: a bar, a point, a word, an example. `name` says which picture, `source` whose profiles.

    `x` is a position where the picture has a number on both axes; `value` is the height, size or share.
    """

    name: str
    source: str
    label: str = ""
    group: str = ""
    x: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a measurement gives: findings, and the marks of its pictures."""

    findings: tuple[Finding, ...] = ()
    details: tuple[Detail, ...] = ()

    def __add__(self, other: Evidence) -> Evidence:
        """Put two together, in order."""
        return Evidence(self.findings + other.findings, self.details + other.details)

    def named(self, source: str) -> Evidence:
        """Return it with `@source` behind every finding's id and its name behind every title."""
        findings = (replace(f, id=f"{f.id}@{source}", title=f"{f.title} ({source})") for f in self.findings)
        return Evidence(tuple(findings), self.details)
