"""Who is written: a stratified sample whose weights sum to the people it stands for, and that only ever grows.

Each person has a permanent random number, addressed by seed and person id. Within a stratum people are taken in the
order of that number; across strata the next place goes by Sainte-Laguë's divisors (Webster 1832), proportional to
size like largest remainders but monotone: with largest remainders a stratum can lose a place when the sample grows
(the Alabama paradox, Balinski and Young 1982), and a citizen already written would drop out. Every populated stratum
gets its first place before any gets a second, largest stratum first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.words import CUTS, LEVELS
from cityfolk.rng import uniform_at
from cityfolk.tables.query import mask, parse_condition
from cityfolk.tables.view import person_view
from cityfolk.types import PERCENTILE_CEILING, PERCENTILE_FLOOR
from cityfolk.vocabulary import TRAITS

ADULTS = "age=18.."
STRATA = ("age_group", "sex", "nativity")
AGE_CUTS = (18, 25, 35, 45, 55, 65, 75)
Target = str | float
How = Literal["any", "select", "override"]


def draw_cohort(
    people: pl.DataFrame,
    n: int,
    seed: int,
    *,
    households: pl.DataFrame | None = None,
    filter: str = ADULTS,
    targets: Mapping[str, Target] | None = None,
    how: How = "any",
    strata: Sequence[str] = STRATA,
) -> pl.DataFrame:
    """Draw n people: person_id, weight, overrides; in draw order, so the first m rows are the cohort of m people.

    `filter` is a list of conditions in the words of tables.csv ("age=65..|sex=female"), on hh_ columns too where
    `households` is given; adults (18 and over) unless it says something about age.
    `targets` asks for traits: a level ("low") or a percentile (0.12). With `how` "select" only people who are at that
    level are taken; with "override" anybody is, and the trait is set by hand where it differs, which `overrides` says
    as JSON; "any" takes those who are at that level first and sets the trait for the rest.

    Weights (float64) sum to the number of eligible people within 1e-6: in a stratum with N people of whom k were
    taken each stands for N/k; people of strata that got no place are shared among the others in proportion.
    Raises UsageError where n is not possible.
    """
    eligible = _eligible(people, households, filter)
    wanted = {trait: _band(trait, target) for trait, target in (targets or {}).items()}
    fits = _fits(eligible, wanted)
    if how == "select" or (wanted and how == "any" and fits.sum() >= n):
        eligible, fits = eligible.filter(pl.Series(fits)), fits[fits]
    _check_number(n, eligible.height, filter, wanted)
    label, names = _strata(eligible, strata)
    ids = eligible["person_id"].to_numpy()
    natural = fits if wanted and how == "any" else np.zeros(eligible.height, dtype=bool)
    order = _draw_order(ids, label, natural, seed)[:n]
    weight = _weights(label + natural * names, order)
    return pl.DataFrame(
        {
            "person_id": eligible["person_id"].gather(order).cast(pl.Int32),
            "weight": weight,
            "overrides": pl.Series(_overrides(ids[order], fits[order], wanted, eligible[order], seed), dtype=pl.String),
        }
    )


def check_choice(conditions: str, targets: Mapping[str, Target]) -> None:
    """Check a filter and targets before there are any people; UsageError says what is wrong with them."""
    for trait, target in targets.items():
        _band(trait, target)
    for part in filter_conditions(conditions):
        try:
            parse_condition(part, "persons")
        except DataError as error:
            raise UsageError(f"the filter {conditions!r} cannot be used: {error}", hint=error.hint) from error


def filter_conditions(text: str) -> list[str]:
    """Return a filter's conditions; "age=18.." is one of them unless it says something about age."""
    conditions = [part.strip() for part in text.split("|") if part.strip()]
    return conditions if any(re.match(r"age\s*!?=", part) for part in conditions) else [*conditions, ADULTS]


def _eligible(people: pl.DataFrame, households: pl.DataFrame | None, text: str) -> pl.DataFrame:
    conditions = filter_conditions(text)
    try:
        chosen = people.filter(pl.Series(mask(conditions, person_view(people, households))))
    except DataError as error:
        raise UsageError(f"the filter {text!r} cannot be used: {error}", hint=error.hint) from error
    if chosen.height == 0:
        asked = " and ".join(conditions)
        raise UsageError(
            f"nobody of {people.height:,} people meets {asked}", hint="loosen the filter, or look at its values"
        )
    return chosen.sort("person_id")


def _check_number(n: int, available: int, conditions: str, wanted: Mapping[str, tuple[float, float]]) -> None:
    if n < 1:
        raise UsageError(f"a cohort has at least one person, not {n}", hint="give --n a positive number")
    if n > available:
        traits = ", ".join(f"{trait} from {low:.2f} to {high:.2f}" for trait, (low, high) in wanted.items())
        who = f"meet {conditions!r}" + (f" with {traits}" if wanted else "")
        hint = f"ask for {available} at most, or loosen the filter"
        raise UsageError(f"{n:,} people were asked for and {available:,} {who}", hint=hint)


def _band(trait: str, target: Target) -> tuple[float, float]:
    """Return the percentiles [low, high) that a target means; a number means itself."""
    if trait not in TRAITS:
        raise UsageError(f"{trait!r} is not a trait", hint=f"one of {', '.join(TRAITS)}")
    if isinstance(target, str) and target in LEVELS:
        edges = (PERCENTILE_FLOOR, *CUTS, PERCENTILE_CEILING)
        at = LEVELS.index(target)
        return edges[at], edges[at + 1]
    try:
        value = float(target)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        hint = f"a percentile from 0 to 1, or one of: {', '.join(LEVELS)}"
        raise UsageError(f"{trait} cannot be {target!r}", hint=hint)
    value = min(max(value, PERCENTILE_FLOOR), PERCENTILE_CEILING)
    return value, value


def _fits(people: pl.DataFrame, wanted: Mapping[str, tuple[float, float]]) -> NDArray[np.bool_]:
    fits = np.ones(people.height, dtype=bool)
    for trait, (low, high) in wanted.items():
        value = people[trait].to_numpy()
        fits &= (value >= low) & (value < high)
    return fits


def _strata(people: pl.DataFrame, columns: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """Return each person's stratum as a number that does not depend on who else is eligible, and how many there are."""
    group = np.searchsorted(AGE_CUTS, people["age"].to_numpy(), side="right")
    unknown = [c for c in columns if c != "age_group" and c not in people.columns]
    if unknown:
        raise UsageError(f"cannot stratify by {unknown[0]!r}", hint="age_group, or a column of people.parquet")
    keys = people.with_columns(age_group=pl.Series(group)).select(pl.col(c).cast(pl.String) for c in columns)
    if not columns:
        return np.zeros(people.height, dtype=np.int64), 1
    joined = keys.select(pl.concat_str(pl.all().fill_null(""), separator="|").rank("dense")).to_series().to_numpy()
    return joined.astype(np.int64) - 1, int(joined.max())


def _draw_order(
    ids: NDArray[np.int32], label: NDArray[np.int64], natural: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """Return positions in the order in which people are taken: those who fit naturally first, then by priority."""
    number = uniform_at(seed, "cohort", ids=ids)
    cell = label * 2 + natural
    by_cell = np.lexsort((number, cell))
    sizes = np.bincount(cell)
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(ids), dtype=np.int64)
    rank[by_cell] = np.arange(len(ids)) - starts[cell[by_cell]]
    size = sizes[cell]
    priority = np.where(rank == 0, 0.0, (rank + 0.5) / size)
    return np.lexsort((number, -size, priority, ~natural))


def _weights(cell: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    people = np.bincount(cell)
    taken = np.bincount(cell[order], minlength=len(people))
    covered = people[taken > 0].sum()
    share = np.divide(people, taken, out=np.zeros(len(people)), where=taken > 0) * (people.sum() / covered)
    return np.asarray(share[cell[order]], dtype=np.float64)


def _overrides(
    ids: NDArray[np.int32],
    fits: NDArray[np.bool_],
    wanted: Mapping[str, tuple[float, float]],
    people: pl.DataFrame,
    seed: int,
) -> list[str | None]:
    """Return, for each person, the traits to set as JSON: only those that are not at the level already."""
    set_by_hand: list[dict[str, float]] = [{} for _ in ids]
    for trait, (low, high) in wanted.items():
        drawn = low + (high - low) * uniform_at(seed, "cohort", "override", trait, ids=ids)
        own = people[trait].to_numpy()
        for i in np.flatnonzero(~fits & ~((own >= low) & (own < high))):
            set_by_hand[i][trait] = round(float(drawn[i]), 4)
    return [json.dumps(traits) if traits else None for traits in set_by_hand]
