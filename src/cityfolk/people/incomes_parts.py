"""What incomes are made of: benefits of households, earnings of workers, and the rest, to the dollar.

Every unit's income is settled before. Benefits take a part of it, the earnings of its workers another, and what is
left (interest, dividends, rent, help from outside) goes to the unit's head. Earnings of full-time, year-round workers
are fitted to their brackets and medians.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cityfolk.people.allocate import Floats
from cityfolk.people.attributes_fit import bins, household_choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World
from cityfolk.people.incomes import Brackets
from cityfolk.people.poverty import Units
from cityfolk.tables.query import condition_mask, interval

BENEFITS = ("social_security", "retirement", "ssi", "public_assistance")
_SPREADS = {"social_security": 0.45, "retirement": 0.85, "ssi": 0.4, "public_assistance": 0.6}
_LEAST = 1000  # dollars that each worker of a unit at least earns
_FULL_LEAST = 0.4  # of typical full-time earnings: kept free of benefits and other income for each full-time worker


def _normal(u: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(u, 1e-6, 1 - 1e-6)))


def _benefit_priors(world: World, units: Units, income: Ints) -> dict[str, list[Factor]]:
    """Priors: old age for pensions, need for assistance; the shares themselves come from the tables."""
    homes = world.homes.rows
    oldest = np.zeros(homes, dtype=np.int64)
    inside = world.home >= 0
    np.maximum.at(oldest, world.home[inside], world.age[inside])
    by_age = bins(oldest.astype(float), [50.0, 62, 66, 70])
    children = np.where(world.per_home(world.age < 18) > 0, 1, 0).astype(np.int64)
    total = np.bincount(units.home[units.home >= 0], income[units.home >= 0], homes)
    band = bins(total, [4000.0, 15000, 30000, 60000, 120000])
    worse = np.full(homes, 2, dtype=np.int64)
    if units.level is not None:
        np.minimum.at(worse, units.home[units.home >= 0], units.level[units.home >= 0])

    def odds(values: list[float]) -> Floats:
        return np.stack([np.ones(len(values)), np.array(values)], axis=1)

    return {
        "social_security": [(by_age, odds([0.01, 0.05, 0.9, 4.0, 12.0])), (band, odds([0.1, 1, 1, 1, 0.8, 0.7]))],
        "retirement": [(by_age, odds([0.01, 0.1, 0.5, 1.2, 2.0])), (band, odds([0.02, 0.3, 0.8, 1, 1.2, 1.3]))],
        "ssi": [
            (by_age, odds([0.01, 0.03, 0.06, 0.1, 0.1])),
            (band, odds([0.3, 4, 2, 0.6, 0.2, 0.05])),
            (worse, odds([3, 2, 0.7])),
        ],
        "public_assistance": [
            (children, odds([0.02, 0.06])),
            (band, odds([0.5, 3, 2, 1, 0.4, 0.15])),
            (worse, odds([3, 2, 0.5])),
        ],
    }


def least_earned(units: Units, income: Ints, typical: float) -> Ints:
    """Return the part of each unit's income that is kept for the earnings of its workers, in dollars."""
    wanted = _LEAST * units.workers + int(_FULL_LEAST * typical) * units.full_time
    most = np.where(units.full_time > 0, (0.97 * income).astype(np.int64), wanted)
    return np.asarray(np.minimum(wanted, most), dtype=np.int64)


def add_benefits(world: World, units: Units, income: Ints, typical: float) -> tuple[dict[str, Ints], Ints, Ints]:
    """Choose who has each benefit and how much: (amount per home, amount per unit in all, per person in all)."""
    homes = world.homes.rows
    room = income - least_earned(units, income, typical)
    by_unit, by_person = np.zeros(units.count, dtype=np.int64), np.zeros(world.n, dtype=np.int64)
    priors = _benefit_priors(world, units, income)
    recipient = _oldest(world)
    result: dict[str, Ints] = {}
    for name in BENEFITS:
        column = f"{name}_usd"
        if not world.book.speaks_of(f"has_{name}"):
            world.missing[column] = f"no table of this place speaks of {name.replace('_', ' ')} income"
            continue
        unit = units.of[recipient]
        # At most four fifths of what is not earned yet; somebody with less to spare than $600 has no such income.
        cap = np.floor(0.8 * (room[unit] - by_unit[unit])).astype(np.int64)
        cap[units.workers[unit] == 0] = (room[unit] - by_unit[unit])[units.workers[unit] == 0]
        able = np.where(cap >= 600, 1, 0)
        values = household_choices(**{f"has_{name}": ["no", "yes"]})
        factors = [*priors[name], (able, np.array([[1.0, 1e-7], [1.0, 1.0]]))]
        everyone = np.ones(homes, dtype=bool)
        has = (world.choose_home(everyone, values, factors, name) == 1) & (cap > 1)
        raw = np.exp(_SPREADS[name] * _normal(world.hu(f"{name} amount")))
        amount = _scaled(world, has, raw, cap, f"has_{name}", column)
        result[name] = amount
        np.add.at(by_unit, unit, amount)
        np.add.at(by_person, recipient, amount)
        world.add_home(pl.Series(column, amount, dtype=pl.Int32))
    return result, by_unit, by_person


def _oldest(world: World) -> Ints:
    """Return the person row of each home's oldest member."""
    rows = np.flatnonzero(world.home >= 0)
    order = rows[np.lexsort((rows, -world.age[rows], world.home[rows]))]
    first = np.append(True, world.home[order][1:] != world.home[order][:-1])
    result = np.zeros(world.homes.rows, dtype=np.int64)
    result[world.home[order[first]]] = order[first]
    return result


def _scaled(world: World, has: Bools, raw: Floats, cap: Ints, flag: str, column: str) -> Ints:
    """Scale raw amounts, group by group, until each mean that the tables state is met under the caps."""
    amount = np.zeros(len(raw), dtype=np.int64)
    means = [
        (estimate, query, code)
        for query, estimate, _, code in world.book.rows
        if query.measure == "mean" and query.column == column
    ]
    # The finest groups last: they overrule the coarser ones.
    scale = np.full(len(raw), 8000.0)
    for estimate, query, code in sorted(means, key=lambda m: len(m[1].conditions)):
        inside = has.copy()
        for condition in query.conditions:
            if condition.column != flag:
                inside &= condition_mask(condition, world.homes)  # type: ignore[arg-type]  # the part of View it needs
        if not inside.any():
            continue
        low, high = 1.0, 40.0 * estimate
        for _ in range(40):
            middle = (low + high) / 2
            mean = np.minimum(raw[inside] * middle, cap[inside]).mean()
            low, high = (middle, high) if mean < estimate else (low, middle)
        scale[inside] = (low + high) / 2
        world.book.used.add(code)
    amount[has] = np.maximum(1, np.minimum(np.floor(raw[has] * scale[has]), cap[has])).astype(np.int64)
    return amount


def _other_share(world: World, units: Units, rest: Ints, least: Ints) -> Ints:
    """Return what of each working unit's income is neither benefit nor earnings, so that mean earnings hold."""
    from cityfolk.rng import uniform_at

    ids = world.people["person_id"].to_numpy()[units.head]
    u = uniform_at(world.seed, world.place, "other income", ids=ids)
    share = np.where(u < 0.5, 0.0, (u - 0.5) * 0.7) * np.where(units.full_time > 0, 1.0, 2.0)
    # Property comes with age and wealth (a prior).
    age = world.age[units.head]
    share *= np.select([age < 35, age < 50, age < 65], [0.25, 0.6, 1.2], 2.0) * np.where(rest > 200_000, 1.5, 1.0)
    working = units.workers > 0
    result = np.where(working, 0, rest)
    free = np.maximum(rest - least, 0)
    done = np.zeros(units.count, dtype=bool)
    for estimate, homes in _mean_rows(world):
        here = working & (units.home >= 0) & homes[units.home] & ~done
        if not here.any():
            continue
        earning_homes = len(np.unique(units.home[here]))
        wanted = estimate * earning_homes
        low, high = 0.0, 20.0
        for _ in range(40):
            middle = (low + high) / 2
            other = np.minimum(share[here] * middle, 0.85) * free[here]
            low, high = (middle, high) if rest[here].sum() - other.sum() > wanted else (low, middle)
        result[here] = np.floor(np.minimum(share[here] * low, 0.85) * free[here]).astype(np.int64)
        done |= here
    return np.asarray(result, dtype=np.int64)


def add_earnings(
    world: World,
    units: Units,
    income: Ints,
    benefits: Ints,
    by_person: Ints,
    expected: Floats,
    brackets: Brackets,
    typical: float,
) -> tuple[Ints, Ints, Ints]:
    """Settle earnings and personal income of everyone: (earnings, personal income, income of each unit)."""
    rest = income - benefits
    earned = rest - _other_share(world, units, rest, least_earned(units, income, typical))
    worker = np.flatnonzero((expected > 0) & (units.of >= 0))
    unit = units.of[worker]
    noise = np.exp(0.35 * _normal(world.u("earnings"))[worker])
    weight = expected[worker] * noise
    total_weight = np.bincount(unit, weight, units.count)
    pay = np.maximum(earned[unit] - _LEAST * units.workers[unit], 0)
    draft = np.floor(_LEAST + pay * weight / total_weight[unit]).astype(np.int64)
    full = world.is_("full_time_year_round", "yes")[worker] if world.persons.has("full_time_year_round") else None
    if full is not None and full.any():
        draft = _fit_full_time(world, units, worker, draft, full, earned, brackets)
    earnings = np.zeros(world.n, dtype=np.int64)
    earnings[worker] = np.maximum(draft, 1)
    _top_up(world, units, worker, earnings, rest)
    # A unit outside households has no income but its own.
    spent = np.bincount(unit, earnings[worker], units.count).astype(np.int64)
    income = np.where(units.home < 0, np.maximum(income, spent + benefits), income)
    left = income - benefits - spent
    person = earnings + by_person
    np.add.at(person, units.head, left)
    return earnings, person, income


def _mean_rows(world: World) -> list[tuple[float, Bools]]:
    """Return (mean household earnings, homes it is about), the smallest groups first."""
    rows = []
    for query, estimate, _, _ in world.book.rows:
        if query.measure == "mean" and query.column == "earnings_usd" and query.entity == "households":
            homes = np.ones(world.homes.rows, dtype=bool)
            for condition in query.conditions:
                if condition.column != "has_earnings":
                    homes &= condition_mask(condition, world.homes)  # type: ignore[arg-type]  # the part it needs
            rows.append((estimate, homes))
    return sorted(rows, key=lambda row: int(row[1].sum()))


def _top_up(world: World, units: Units, worker: Ints, earnings: Ints, rest: Ints) -> None:
    """Raise the earnings of those above every bound of a row to the means, out of their unit's other income, in place.

    What brackets took from earnings so comes back where no count or median notices.
    """
    bounds = [1.0]
    for query, estimate, _, _ in world.book.rows:
        if query.measure == "median" and query.column == "earnings_usd":
            bounds.append(estimate)
        for condition in query.conditions:
            if condition.column == "earnings_usd":
                bounds += [b for text in condition.values for b in interval(text) if np.isfinite(b)]
    unit = units.of[worker]
    left = rest - np.bincount(unit, earnings[worker], units.count).astype(np.int64)
    order = np.lexsort((-earnings[worker], unit))
    best = worker[order[np.append(True, unit[order][1:] != unit[order][:-1])]]
    best = best[(earnings[best] > max(bounds)) & (world.home[best] >= 0)]
    done = np.zeros(world.homes.rows, dtype=bool)
    for estimate, homes in _mean_rows(world):
        here = homes & ~done
        inside = worker[(world.home[worker] >= 0) & here[world.home[worker]]]
        short = estimate * len(np.unique(world.home[inside])) - float(earnings[inside].sum())
        able = best[here[world.home[best]]]
        spare = np.maximum(left[units.of[able]], 0)
        if short > 0 and spare.sum() > 0:
            earnings[able] += np.floor(spare * min(1.0, short / float(spare.sum()))).astype(np.int64)
        done |= here


def _fit_full_time(
    world: World, units: Units, worker: Ints, draft: Ints, full: Bools, earned: Ints, brackets: Brackets
) -> Ints:
    """Move full-time workers' earnings into brackets that meet the rows about them.

    In each unit the best-paid full-time worker comes last and takes what the others leave; the brackets of the others
    stay near their draft. Outside households everyone is free.
    """
    unit = units.of[worker]
    rows = np.flatnonzero(full)
    order = rows[np.lexsort((-draft[rows], unit[rows]))]
    last = np.zeros(len(worker), dtype=bool)
    last[order[np.append(True, unit[order][1:] != unit[order][:-1])]] = True
    free = full & (units.home[unit] < 0)
    second = full & ~last & ~free
    members = np.bincount(unit, minlength=units.count)[unit]
    cap = np.minimum(1.5, 0.9 * members / np.maximum(members - 1, 1)) * draft

    result = draft.copy()
    mode = np.where(~full, 2, np.where(second | free, 0, 1))
    code = _draw_brackets(world, worker, draft, cap, mode, brackets, "first")
    near = np.flatnonzero(second | free)
    result[near] = _inside(
        brackets, code[near], draft[near], np.where(free[near], 1e12, cap[near]), world, worker[near]
    )
    taken = np.bincount(unit, np.where(last & ~free, 0, result), units.count)
    rest = np.maximum(earned[unit] - taken[unit], _LEAST // 2).astype(np.int64)
    result[last & ~free] = rest[last & ~free]
    code = _draw_brackets(world, worker, result, result, np.where(last & ~free, 1, 2), brackets, "last")
    moved = np.flatnonzero(last & ~free & (code != brackets.of(result)))
    result[moved] = _inside(brackets, code[moved], result[moved], result[moved], world, worker[moved])
    return result


def _draw_brackets(
    world: World, worker: Ints, draft: Ints, cap: Floats | Ints, mode: Ints, brackets: Brackets, step: str
) -> Ints:
    """Draw a bracket per worker. mode 0: near the draft, up to the cap; 1: the draft's or lower; 2: fixed."""
    k = len(brackets.low)
    here, top = brackets.of(draft), brackets.of(np.maximum(cap, 1))
    distance = np.arange(k)[None, :] - np.arange(k)[:, None]
    near = np.exp(-0.8 * np.abs(distance))
    lower = np.where(distance <= 0, np.where(distance == 0, 1.0, 0.02 * np.exp(0.5 * np.minimum(distance, 0))), 0.0)
    tables = np.vstack([near, lower, np.eye(k)])
    kind_all = np.zeros(world.n, dtype=np.int64)
    kind_all[worker] = mode * k + here
    under = np.tril(np.ones((k, k)))
    cap_all = np.full(world.n, k - 1, dtype=np.int64)
    cap_all[worker] = np.where(mode == 0, np.maximum(top, 0), k - 1)
    who = np.zeros(world.n, dtype=bool)
    who[worker] = True
    values = brackets.view("persons", "earnings_usd")
    factors: list[Factor] = [(kind_all, tables), (cap_all, under)]
    codes = world.choose(who, values, factors, f"full-time earnings, {step}", own_only=True)
    return np.asarray(codes[worker], dtype=np.int64)


def _inside(brackets: Brackets, code: Ints, draft: Ints, cap: Floats | Ints, world: World, persons: Ints) -> Ints:
    """Return amounts in the bracket: the draft where it lies there, else a draw within it, never above the cap."""
    low, high = np.maximum(brackets.low[code], 500.0), brackets.high[code]
    stays = (draft >= low) & (draft < high)
    u = world.u("earnings in bracket")[persons]
    drawn = low * (high / low) ** u
    top = np.maximum(np.minimum(cap, high - 1), low)
    return np.floor(np.where(stays, draft, np.minimum(drawn, top))).astype(np.int64)
