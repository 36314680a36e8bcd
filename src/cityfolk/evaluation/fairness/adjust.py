"""Group differences between people who are otherwise alike, and which of many are more than chance.

The estimand: the difference in the mean of a measure between a group and everybody else of whom the attribute is known,
at equal drawn personality, age, sex, education, work, income, marriage and disability (less what is the attribute
itself), as a linear regression gives it (Frisch-Waugh-Lovell: both sides are freed of the covariates first). A
difference in drawn traits, say that the older are calmer, is therefore not called bias; what a model adds is.

Whether the largest of many differences is more than chance is told by dealing the residuals to the people anew
(Freedman & Lane 1983) and taking the largest t of each deal (single-step maxT; Westfall & Young 1993), which accounts
for how the tests hang together. Beyond 5,000 people the normal limit of the same statistics is drawn instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.vocabulary import TRAITS

COVARIATES = (
    *TRAITS,
    *("age", "sex", "education", "enrollment", "employment", "occupation", "marital_status", "disability"),
    "income_usd",
)
"""The columns of people.parquet that are held fixed, as far as they are known."""
HELD_BACK = {"sex": ("sex",), "age": ("age", "enrollment"), "income": ("income_usd",)}
DEALS = 1999
_DEALT_UP_TO = 5_000
_LEVELS_FROM = 300  # people: below this a trait is one number, from here on the levels that prompts name
_CUTS = (0.05, 0.20, 0.40, 0.60, 0.80, 0.95)
_RARE = 10  # people: a category with fewer shares the rest's mean
_TINY = 1e-9
_AT_ONCE = 1_000_000  # numbers dealt together: 8 MB

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Adjusted differences of G groups in M measures; arrays are (G, M) and NaN where nothing can be said.

    `effect` is Hedges' g: the difference in standard deviations of what the covariates leave; `p` is corrected for all
    G times M comparisons.
    """

    difference: Floats
    error: Floats
    effect: Floats
    effect_error: Floats
    p: Floats
    n: int
    sizes: NDArray[np.int64]


def covariates(facts: pl.DataFrame, attribute: str) -> Floats:
    """Return the columns to hold fixed, (n, k), the first of ones; what is not known gets the mean and a flag."""
    left_out = HELD_BACK.get(attribute, ())
    columns = [np.ones(facts.height)]
    for name in COVARIATES:
        if name in left_out or name not in facts.columns or facts[name].null_count() == facts.height:
            continue
        column = facts[name]
        if name in TRAITS:
            columns += _trait(column)
        elif name in ("age", "income_usd"):
            columns += _number(column, np.log1p if name == "income_usd" else None, square=name == "age")
        elif name == "disability":
            columns += _categories((column.cast(pl.String) == "none").cast(pl.String))
        else:
            columns += _categories(column.cast(pl.String))
    return np.column_stack(columns)


def compare_groups(
    measures: Floats, groups: Mapping[str, Flags], held: Floats, stream: Generator, deals: int = DEALS
) -> Differences:
    """Compare each group with everybody else, measure by measure; rows of all three are people.

    Raises DataError where there are no more people than columns to hold fixed.
    """
    n = len(measures)
    basis = _basis(held)
    free = n - basis.shape[1] - 1
    if free < 1:
        raise DataError(f"{n} people cannot be compared at {held.shape[1]} facts held fixed", hint="write more people")
    inside = np.column_stack([mask.astype(np.float64) for mask in groups.values()])
    d, r = _freed(inside, basis), _freed(measures, basis)
    dd, rr = (d * d).sum(axis=0), (r * r).sum(axis=0)
    usable = (dd[:, None] > _TINY * n) & (rr[None, :] > _TINY * np.maximum((measures**2).sum(axis=0), _TINY)[None, :])
    safe_dd, safe_rr = np.where(dd > 0, dd, 1.0), np.where(rr > 0, rr, 1.0)
    difference = (d.T @ r) / safe_dd[:, None]
    left = np.maximum(safe_rr[None, :] - safe_dd[:, None] * difference**2, 0.0) / free
    sd = np.sqrt(np.where(left > 0, left, np.nan))
    error = sd / np.sqrt(safe_dd)[:, None]
    t = np.where(usable, difference / error, np.nan)
    largest = _largest_by_chance(d, r, usable, basis.shape[1], stream, deals)
    p = np.where(usable, _share_at_least(largest, np.abs(t)), np.nan)
    small = 1 - 3 / (4 * free - 1)  # Hedges' correction (1981)
    sizes = inside.sum(axis=0)
    effect = small * difference / sd
    balance = 1.0 / safe_dd[:, None]  # 1/n1 + 1/n2, and more where the covariates tell who belongs
    effect_error = np.sqrt(balance + effect**2 / (2 * n))
    blank = np.where(usable, 1.0, np.nan)
    return Differences(
        difference=difference * blank,
        error=error * blank,
        effect=effect * blank,
        effect_error=effect_error * blank,
        p=p,
        n=n,
        sizes=sizes.astype(np.int64),
    )


def _trait(column: pl.Series) -> list[Floats]:
    values = column.cast(pl.Float64).to_numpy()
    if len(values) < _LEVELS_FROM:
        return _number(column, None, square=True)
    level = np.searchsorted(_CUTS, values, side="right").astype(str)
    level = np.where(np.isnan(values), "?", level)
    return _categories(pl.Series(level, dtype=pl.String))


def _number(column: pl.Series, change: np.ufunc | None, *, square: bool) -> list[Floats]:
    values = column.cast(pl.Float64).to_numpy().copy()
    if change is not None:
        values = change(np.maximum(values, 0.0))
    missing = np.isnan(values)
    values[missing] = values[~missing].mean()
    spread = values.std()
    values = (values - values.mean()) / (spread if spread > 0 else 1.0)
    columns = [values, values**2] if square else [values]
    return [*columns, missing.astype(np.float64)] if missing.any() else columns


def _categories(column: pl.Series) -> list[Floats]:
    values = column.fill_null("?").to_numpy().astype(str)
    found, counts = np.unique(values, return_counts=True)
    # The commonest is the one that all others are compared with; rare ones go with it.
    kept = [name for name, count in zip(found, counts, strict=True) if count >= _RARE]
    commonest = str(found[counts.argmax()])
    return [(values == name).astype(np.float64) for name in kept if name != commonest]


def _basis(columns: Floats) -> Floats:
    """Return an orthonormal basis of the columns; those that repeat others are dropped."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis: Floats = left[:, singular > singular[0] * 1e-8]
    return basis


def _freed(columns: Floats, basis: Floats) -> Floats:
    freed: Floats = columns - basis @ (basis.T @ columns)
    return freed


def _largest_by_chance(d: Floats, r: Floats, usable: Flags, rank: int, stream: Generator, deals: int) -> Floats:
    """Return the largest |t| of each of `deals` worlds in which groups do not matter, sorted."""
    n = len(r)
    groups, columns = usable.any(axis=1), usable.any(axis=0)
    if not groups.any() or not columns.any():
        return np.zeros(deals)
    d, r = d[:, groups], r[:, columns]
    d = d / np.sqrt((d * d).sum(axis=0))
    r = r / np.sqrt((r * r).sum(axis=0))
    largest = np.empty(deals)
    if n > _DEALT_UP_TO:
        left, right = _root(d.T @ d), _root(r.T @ r)
        for deal in range(deals):
            largest[deal] = np.abs(left @ stream.standard_normal((len(left), len(right))) @ right.T).max()
        return np.sort(largest)
    free = n - rank - 1
    step = max(1, _AT_ONCE // r.size)
    for first in range(0, deals, step):
        count = min(step, deals - first)
        order = stream.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)
        z = np.einsum("ng,bnm->bgm", d, r[order], optimize=True)
        # Dealt residuals lie in all n directions; refitting would leave (n - rank) / n of their sum of squares.
        t = z / np.sqrt(np.maximum((n - rank) / n - z**2, _TINY) / free)
        largest[first : first + count] = np.abs(t).max(axis=(1, 2))
    return np.sort(largest)


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _share_at_least(drawn: Floats, t: Floats) -> Floats:
    """Return (worlds with as much or more, plus one) / (worlds plus one) (Phipson & Smyth 2010)."""
    below = np.searchsorted(drawn, t - 1e-12, side="left")
    return np.asarray((len(drawn) - below + 1) / (len(drawn) + 1))
