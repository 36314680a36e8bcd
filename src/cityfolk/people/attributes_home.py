"""The home: rooms and crowding, vehicles, telephone, food stamps, and what housing costs of the household's income."""

from __future__ import annotations

import numpy as np
import polars as pl

from cityfolk.people.allocate import Floats
from cityfolk.people.attributes_fit import bins, household_choices
from cityfolk.people.attributes_world import Factor, Ints, World

ROOMS = tuple(range(1, 10))


def add_rooms_and_vehicles(world: World) -> None:
    """Settle rooms, vehicles and telephone; they depend on size, tenure and who lives there."""
    size = np.asarray(world.homes.encoded("size").values, dtype=np.int64)
    everyone = np.ones(world.homes.rows, dtype=bool)
    owner = world.home_is("tenure", "owner").astype(np.int64) if world.homes.has("tenure") else np.zeros_like(size)
    if world.book.speaks_of("rooms"):
        world.add_home(pl.Series("rooms", _rooms(world, size, owner), dtype=pl.Int8))
    else:
        world.missing["rooms"] = "no table of this place speaks of rooms"
    adults = np.clip(world.per_home(world.age >= 18).astype(np.int64), 1, 4)
    if world.book.speaks_of("vehicles"):
        values = household_choices(vehicles=[0, 1, 2, 3, 4])
        # Priors: more cars with more adults, and with a home of one's own.
        by_adults = np.array(
            [[1, 1, 0.1, 0.01, 0.002], [1, 1.3, 0.6, 0.06, 0.01], [1, 1.2, 0.9, 0.4, 0.1], [1, 1.1, 1, 0.7, 0.4]]
        )
        by_owner = np.array([[1.3, 1, 0.8, 0.7, 0.6], [0.4, 1, 1.5, 1.5, 1.5]])
        band = _income_band(world)
        by_income = np.array(
            [[2.0, 1, 0.5, 0.3, 0.3], [1.5, 1, 0.6, 0.5, 0.5], [1, 1, 1, 1, 1], [0.7, 1, 1.3, 1.3, 1.3]]
        )
        factors: list[Factor] = [(adults - 1, by_adults), (owner, by_owner), (band, by_income)]
        vehicles = world.choose_home(everyone, values, factors, "vehicles")
        world.add_home(pl.Series("vehicles", vehicles, dtype=pl.Int8))
        at_home = world.home >= 0
        number = pl.Series("hh_vehicles", np.where(at_home, vehicles[world.home], 0), dtype=pl.Int8)
        world.persons.learn(number)
        world.borrowed["vehicles"] = (
            "what the tables do not tell apart (how many, where they count some) is a prior by adults and tenure"
        )
    else:
        world.missing["vehicles"] = "no table of this place speaks of vehicles"
    if world.book.speaks_of("telephone"):
        values = household_choices(telephone=[False, True])
        flat = [(np.zeros(world.homes.rows, dtype=np.int64), np.array([[0.01, 1.0]]))]
        world.add_home(pl.Series("telephone", world.choose_home(everyone, values, flat, "telephone") == 1))
    else:
        world.missing["telephone"] = "no table of this place speaks of telephones"


def _income_band(world: World) -> Ints:
    if not world.homes.has("income_usd"):
        return np.full(world.homes.rows, 2)
    return bins(np.asarray(world.homes.encoded("income_usd").values, dtype=float), [25000.0, 60000, 150000])


def _rooms(world: World, size: Ints, owner: Ints) -> Ints:
    """Draw rooms together with crowding (more people than rooms)."""
    rooms = [r for r in ROOMS for _ in range(2)]
    values = household_choices(rooms=rooms, crowded=["no", "yes"] * len(ROOMS))
    kinds = np.clip(size, 1, 10)
    possible = np.zeros((11, len(rooms)))
    for people in range(1, 11):
        usual = 1.6 + 1.0 * people
        for j, r in enumerate(rooms):
            if (people > r) == (j % 2 == 1):
                possible[people, j] = np.exp(-0.5 * ((r - usual) / 1.7) ** 2) * (0.2 if people > r else 1.0) + 1e-4
    possible[0, 0] = 1.0
    larger = np.array([[np.exp(-0.12 * r) for r in rooms], [np.exp(0.25 * r) for r in rooms]])
    everyone = np.ones(world.homes.rows, dtype=bool)
    factors: list[Factor] = [(kinds, possible), (owner, larger)]
    code = world.choose_home(everyone, values, factors, "rooms")
    return np.array(rooms)[code]


def add_housing_costs(world: World, level: Ints | None) -> None:
    """Settle snap and housing_cost_pct, which depend on income. level: poverty class of each home's first unit."""
    homes = world.homes.rows
    everyone = np.ones(homes, dtype=bool)
    income = np.asarray(world.homes.encoded("income_usd").values, dtype=float)
    band = bins(income, [10000.0, 20000, 35000, 50000, 75000, 100000, 150000, 200000])
    if world.book.speaks_of("snap"):
        need = np.zeros(homes, dtype=np.int64) if level is None else 2 - level
        children = np.where(world.per_home(world.age < 18) > 0, 1, 0)
        odds = np.array([0.5, 0.6, 0.5, 0.25, 0.12, 0.06, 0.02, 0.008, 0.002])
        student = np.zeros(homes, dtype=np.int64)
        if world.persons.has("enrollment"):
            student = (world.per_home(world.is_("enrollment", "college or graduate school")) > 0).astype(np.int64)
        factors: list[Factor] = [
            (band, np.stack([np.ones(9), odds], axis=1)),
            (need, np.array([[1, 1.0], [1, 2.0], [1, 3.0]])),
            (children, np.array([[1, 1.0], [1, 1.6]])),
            (student, np.array([[1, 1.0], [1, 0.3]])),
        ]
        code = world.choose_home(everyone, household_choices(snap=[False, True]), factors, "snap")
        world.add_home(pl.Series("snap", code == 1))
    else:
        world.missing["snap"] = "no table of this place speaks of food stamps"
    if not world.book.speaks_of("housing_cost_pct"):
        world.missing["housing_cost_pct"] = "no table of this place speaks of housing costs"
        return
    burden = np.array([0.97, 0.93, 0.85, 0.75, 0.6, 0.42, 0.2, 0.08, 0.02])
    values = household_choices(housing_cost_pct=[20.0, 35.0])
    paid = income > 0
    factors = [(band, np.stack([1 - burden, burden], axis=1))]
    code = world.choose_home(paid, values, factors, "housing costs")
    share = _cost_share(code.astype(np.int64), band, world.hu("cost share"))
    world.add_home(pl.Series("housing_cost_pct", share, dtype=pl.Float32, nan_to_null=True))
    world.borrowed["housing_cost_pct"] = (
        "below or above 30 percent as the tables count it; the figure within is a prior"
    )


def _cost_share(code: Ints, band: Ints, u: Floats) -> Floats:
    """Spread costs within their class: below 30 percent downwards with income, above it upwards with need."""
    low = 29.9 - (18.0 + 1.0 * band) * (1 - u**0.7)
    high = 30.0 + (8 - np.minimum(band, 7)) * 6.0 * u**2 + 8 * u
    share = np.where(code == 0, np.maximum(low, 1.0), np.minimum(high, 100.9))
    return np.round(np.where(code < 0, np.nan, share), 1).astype(np.float64)
