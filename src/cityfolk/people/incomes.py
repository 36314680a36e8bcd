"""Incomes of households and families: a bracket for each, fitted to every row about them, then an amount.

The seed is the spread of incomes around what the household's workers would be expected to earn by degree, sex and
occupation (lifts measured on microdata) and by whether they work full time all year; the poverty class of each unit
bounds its income from below and above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.allocate import Floats, Targets
from cityfolk.people.attributes_fit import Book, draw, household_choices
from cityfolk.people.attributes_world import Factor, Ints, World, cross
from cityfolk.people.poverty import Units, limits
from cityfolk.rng import uniform_at
from cityfolk.tables.query import interval, parse_condition
from cityfolk.tables.view import View

_SPREAD = 0.62  # standard deviation of log income around its expectation
_BANDS = 48
_INCOME_PAIRS = ("education x income_usd", "sex x income_usd", "occupation x income_usd", "age x income_usd")
PART_TIME = 0.22  # earnings of part-time or part-year workers as a share of full-time ones': a prior
DORMITORY_JOB = 0.15  # the same for people in group quarters, mostly students: a prior
_ELDER_INCOME, _OTHER_INCOME = 0.42, 0.08  # other adults, as shares of a full-time worker's earnings: a prior


@dataclass(frozen=True)
class Brackets:
    """Half-open income brackets: edges from the place's own rows, each cut in two, and a tail above the last."""

    low: Floats
    high: Floats

    @property
    def mean(self) -> Floats:
        """Return the mean of each bracket under a log-uniform density (uniform in the first)."""
        low = np.maximum(self.low, 1.0)
        return np.where(self.low <= 0, self.high / 2, (self.high - low) / np.log(self.high / low))

    def of(self, amount: Floats | Ints) -> Ints:
        """Return the bracket of each amount."""
        return np.clip(np.searchsorted(self.low, amount, side="right") - 1, 0, len(self.low) - 1).astype(np.int64)

    def view(self, entity: str, column: str) -> View:
        """Return the brackets as possible values of an income column."""
        return household_choices(
            entity,
            **{
                column: list(
                    np.where(self.low > 0, (self.low + np.minimum(self.high, self.low * 1.5)) / 2, self.high / 2)
                ),
                "low": list(self.low),
                "high": list(self.high),
                "mean": list(self.mean),
            },
        )


def brackets_of(book: Book, *columns: str) -> Brackets | None:
    """Collect the bounds that the place's own rows put on these columns; None where no row bounds them."""
    bounds: set[float] = set()
    for query, _, _, code in book.rows:
        for condition in query.conditions:
            if condition.column in columns and code not in book.shapes:
                for text in condition.values:
                    bounds.update(b for b in interval(text) if np.isfinite(b) and b > 1)
    if not bounds:
        return None
    own = sorted(bounds)
    edges = [0.0, own[0] / 2]
    for a, b in zip(own, [*own[1:], own[-1] * 1.25], strict=True):
        edges += [a, round((a * b) ** 0.5)]
    edges[-1] = own[-1] * 1.25
    edges += [own[-1] * f for f in (1.5, 2.0, 3.0, 5.0, 15.0)]
    return Brackets(low=np.array(edges[:-1]), high=np.array(edges[1:]))


def expected_earnings(world: World, typical: float) -> Floats:
    """Return what each worker would be expected to earn by degree, sex, age and occupation; 0 without work.

    One factor for each, raked so that mean earnings by each stand to one another as mean incomes do in the microdata,
    full-time and part-time work taken into account. typical: full-time earnings in the place, in dollars.
    """
    worker = world.is_("employment", "employed", "armed forces")
    full = world.is_("full_time_year_round", "yes") if world.persons.has("full_time_year_round") else worker
    part_time = np.where(world.home >= 0, PART_TIME, DORMITORY_JOB)
    earning = np.where(worker, np.where(full, 1.0, part_time), 0.0)
    sides = [side for pair in _INCOME_PAIRS if (side := _relative_means(world, pair)) is not None]
    rows = np.flatnonzero(worker & (world.home >= 0))
    for _ in range(8):
        for kind, means in sides:
            counts = np.bincount(kind[rows], minlength=len(means)).astype(float)
            now = np.bincount(kind[rows], earning[rows], len(means)) / np.maximum(counts, 1.0)
            known = np.isfinite(means) & (counts > 0)
            wanted = np.where(known, means, 0.0)
            level = (now * counts)[known].sum() / max((wanted * counts)[known].sum(), 1e-9)
            factor = np.where(known, wanted * level / np.maximum(now, 1e-9), 1.0)
            earning = earning * factor[kind]
    middle = float(np.median(earning[rows][full[rows]])) if full[rows].any() else 1.0
    return np.asarray(earning * typical / max(middle, 1e-9))


def _relative_means(world: World, pair: str) -> tuple[Ints, Floats] | None:
    """Return each person's kind by one side of a pair with income, and each kind's mean income (NaN: unknown)."""
    if pair not in world.associations.pairs:
        return None
    part = world.associations.pairs[pair]
    side, income = ("a", "b") if part["b_column"][0] == "income_usd" else ("b", "a")
    column = part[f"{side}_column"][0]
    if not world.persons.has(column):
        return None
    middles = part[f"{income}_value"].map_elements(_middle, return_dtype=pl.Float64)
    means = (
        part.with_columns(total=middles * pl.col("weight"))
        .group_by(f"{side}_value", maintain_order=True)
        .agg(pl.col("total").sum() / pl.col("weight").sum())
    )
    kind = np.full(world.n, means.height, dtype=np.int64)
    for i, text in enumerate(means[f"{side}_value"]):
        kind[world.persons.mask([parse_condition(f"{column}={text}")])] = i
    return kind, np.append(means["total"].to_numpy(), np.nan)


def _middle(text: str) -> float:
    """Return a middle income of a range; of the open one at the top, 1.4 times its start."""
    low, high = interval(text)
    return 1.4 * low if np.isinf(high) else (max(low, 0.0) + high) / 2


def _expected_unit(world: World, units: Units, earning: Floats, typical: float) -> Floats:
    adult = world.age >= 18
    dormitory = np.where(world.home < 0, 0.3, 1.0)
    extra = (
        np.where(earning > 0, 0.0, np.where(world.age >= 65, _ELDER_INCOME, _OTHER_INCOME * dormitory) * typical)
        * adult
    )
    inside = units.of >= 0
    return np.bincount(units.of[inside], (earning + extra)[inside], units.count).astype(np.float64)


def _around(expected: Floats, brackets: Brackets) -> Factor:
    """Return the lognormal spread over brackets around each expectation, in bands of the expectation."""
    centre = np.log(np.maximum(expected, 3000.0))
    band = np.clip(((centre - 8.0) * 8).astype(np.int64), 0, _BANDS - 1)
    middle = 8.0 + (np.arange(_BANDS) + 0.5) / 8
    log_mean = np.log(np.maximum(brackets.mean, 500.0))
    width = np.log(brackets.high / np.maximum(brackets.low, 600.0))
    z = (log_mean[None, :] - middle[:, None] + _SPREAD**2 / 2) / _SPREAD
    return band, np.exp(-0.5 * z**2) * width + 1e-5


def _full_time_floor(full_time: Ints, brackets: Brackets, typical: float) -> Factor:
    """Return the factor that makes incomes far below what full-time workers earn rare."""
    number = np.arange(4)[:, None]
    ratio = brackets.mean[None, :] / (0.4 * typical * np.maximum(number, 1))
    factor = np.where(number == 0, 1.0, 1.0 / (1.0 + np.exp(-6.0 * (np.minimum(ratio, 3.0) - 0.9))))
    return np.minimum(full_time, 3), np.maximum(factor, 1e-4)


def within(low: Floats, high: Floats, brackets: Brackets) -> Factor:
    """Return the share of each bracket that lies within the limits of each unit, one row per distinct limits."""
    key = low * 1e9 + np.where(np.isinf(high), 0.0, high)
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    a, b = low[first][:, None], high[first][:, None]
    overlap = np.minimum(b, brackets.high) - np.maximum(a, brackets.low)
    share = np.clip(overlap, 0, None) / (brackets.high - brackets.low)
    empty = share.sum(axis=1) <= 0
    share[empty, brackets.of(low[first])[empty]] = 1.0
    return np.asarray(kind, dtype=np.int64), np.asarray(share)


def amounts(code: Ints, low: Floats, high: Floats, brackets: Brackets, u: Floats) -> NDArray[np.int64]:
    """Draw whole dollars log-uniformly within bracket and limits."""
    a = np.maximum(brackets.low[code], low)
    b = np.maximum(np.minimum(brackets.high[code], high), a + 1.0)
    start = np.maximum(a, 1.0)
    value = np.where(a <= 0, a + (b - a) * u, start * (b / start) ** u)
    return np.asarray(np.floor(np.clip(value, a, b - 1.0)), dtype=np.int64)


def _home_limits(units: Units, low: Floats, high: Floats, homes: int, only_family: bool) -> tuple[Floats, Floats]:
    counted = (units.home >= 0) & (units.is_family if only_family else np.ones(units.count, dtype=bool))
    place = units.home[counted]
    low_sum = np.bincount(place, low[counted], homes).astype(np.float64)
    high_sum = np.bincount(place, np.where(np.isinf(high[counted]), 1e12, high[counted]), homes).astype(np.float64)
    return low_sum, np.where(high_sum >= 1e12, np.inf, high_sum)


def draw_unit_incomes(world: World, units: Units, brackets: Brackets, earning: Floats, typical: float) -> Ints:
    """Return the income of every unit in whole dollars.

    First families (bound by rows about families and about households), then people who live with them without being
    related, then nonfamily households, with all family households settled, and the shares of their members.
    """
    low, high = limits(units)
    # A worker earns something: leave room for it.
    low = np.maximum(low, np.minimum(1200.0 * units.workers, high * 0.6))
    expected = _expected_unit(world, units, earning, typical)
    homes = world.homes.rows
    family_home = np.zeros(homes, dtype=bool)
    family_home[world.family_home] = True
    whole_low, whole_high = _home_limits(units, low, high, homes, only_family=False)
    family_low, family_high = _home_limits(units, low, high, homes, only_family=True)
    home_low = np.where(family_home, family_low, whole_low)
    home_high = np.where(family_home, family_high, whole_high)
    inside = units.home >= 0
    counted = inside & (units.is_family | ~family_home[units.home])
    home_expected = np.bincount(units.home[counted], expected[counted], homes).astype(np.float64)
    around, limited = _around(home_expected, brackets), within(home_low, home_high, brackets)
    full_time = np.bincount(units.home[counted], units.full_time[counted], homes).astype(np.int64)
    floor = _full_time_floor(full_time, brackets, typical)
    seed_id, seed = cross(around, limited, floor)
    everyone = np.arange(homes)
    targets = Targets()
    world.book.bind(targets, world.homes, brackets.view("households", "income_usd"), everyone, homes)
    world.book.bind(targets, world.families, brackets.view("families", "family_income_usd"), world.family_home, homes)
    code = draw(seed, seed_id, targets, world.hu("family income"), world.start("family income")).astype(np.int64)
    income = np.zeros(units.count, dtype=np.int64)

    families = np.flatnonzero(units.is_family)
    place = units.home[families]
    income[families] = amounts(code[place], low[families], high[families], brackets, world.hu("family amount")[place])
    alone = np.flatnonzero(~units.is_family & ((units.home < 0) | family_home[units.home]))
    income[alone] = _alone(world, units, alone, expected, low, high)

    settled = np.bincount(units.home[inside], income[inside], homes).astype(np.int64)
    only = np.eye(len(brackets.low))
    kind = np.where(family_home, brackets.of(settled), len(only))
    only = np.vstack([only, np.ones((1, len(only)))])
    around = np.where(family_home, _BANDS, around[0]), np.vstack([around[1], np.ones((1, around[1].shape[1]))])
    limited = np.where(family_home, len(limited[1]), limited[0]), np.vstack([limited[1], np.ones((1, len(only) - 1))])
    floor = np.where(family_home, 0, floor[0]), floor[1]
    seed_id, seed = cross((kind, only), around, limited, floor)
    targets = Targets()
    world.book.bind(targets, world.homes, brackets.view("households", "income_usd"), everyone, homes)
    code = draw(seed, seed_id, targets, world.hu("household income"), world.start("household income")).astype(np.int64)
    total = amounts(code, whole_low, whole_high, brackets, world.hu("household amount"))
    members = np.flatnonzero(inside & ~family_home[units.home])
    income[members] = _split(world, units, members, total, expected, low, high)
    return income


def _ids(world: World, units: Units, rows: Ints) -> NDArray[np.int32]:
    ids: NDArray[np.int32] = world.people["person_id"].to_numpy()[units.head[rows]]
    return ids


def _alone(world: World, units: Units, rows: Ints, expected: Floats, low: Floats, high: Floats) -> Ints:
    """Draw incomes of people without relatives whose household's total no row states: lognormal within their limits."""
    ids = _ids(world, units, rows)
    u = np.clip(uniform_at(world.seed, world.place, "income alone", ids=ids), 1e-6, 1 - 1e-6)
    from scipy.special import ndtri

    value = np.maximum(expected[rows], 1500.0) * np.exp(_SPREAD * ndtri(u) - _SPREAD**2 / 2)
    a, b = low[rows], high[rows]
    inside = (value >= a) & (value < b)
    v = uniform_at(world.seed, world.place, "income in limits", ids=ids)
    edge = np.where(np.isinf(b), a * (1 + 0.5 * v) + 1, a + (np.where(np.isinf(b), a, b) - a) * v)
    result = np.floor(np.where(inside, value, np.clip(edge, a, np.maximum(b - 1, a)))).astype(np.int64)
    # In dormitories and institutions, most of those who do not work have no income unless they are old.
    idle = (units.home[rows] < 0) & ~units.determined[rows] & (units.workers[rows] == 0) & (v < 0.8)
    return np.where(idle & (world.age[units.head[rows]] < 65), 0, result)


def _split(
    world: World, units: Units, rows: Ints, total: Ints, expected: Floats, low: Floats, high: Floats
) -> NDArray[np.int64]:
    """Share each nonfamily household's total among its units within their limits, the total to the dollar."""
    homes = world.homes.rows
    place = units.home[rows]
    a, b = low[rows], high[rows]
    open_ended = np.isinf(b)
    spare = (total - np.bincount(place, a, homes)).clip(0)
    width = np.where(open_ended, 0.0, b - a - 1.0)
    widths = np.bincount(place, width, homes)
    has_open = np.bincount(place, open_ended, homes) > 0
    u = uniform_at(world.seed, world.place, "share of household", ids=_ids(world, units, rows))
    want = np.where(open_ended, 0.0, u * width)
    wanted = np.bincount(place, want, homes)
    # With somebody above all limits the others take what they want, at most 60% of what is to spare; else all.
    fill_open = np.minimum(1.0, 0.6 * spare / np.maximum(wanted, 1e-9))
    fill_closed = np.minimum(1.0, spare / np.maximum(widths, 1e-9))
    take = np.where(has_open[place], want * fill_open[place], width * fill_closed[place])
    take = np.where(open_ended, 0.0, take)
    left = spare - np.bincount(place, take, homes)
    weight = np.where(open_ended, np.maximum(expected[rows], 1000.0), 0.0)
    weights = np.bincount(place, weight, homes)
    share = np.where(open_ended, left[place] * weight / np.maximum(weights[place], 1e-9), take)
    return np.floor(a + share + 1e-6).astype(np.int64)
