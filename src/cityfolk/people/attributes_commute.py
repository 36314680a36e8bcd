"""The way to work: mode and minutes, tied to income, age and tenure as in the microdata."""

from __future__ import annotations

import numpy as np
import polars as pl

from cityfolk.people.attributes_fit import household_choices
from cityfolk.people.attributes_world import Factor, World
from cityfolk.vocabulary import COMMUTE_MODES

HOME, ABSENT = COMMUTE_MODES.index("worked from home"), COMMUTE_MODES.index("not at work last week")
_MINUTES = [(1, 10), (10, 20), (20, 30), (30, 40), (40, 45), (45, 60), (60, 90), (90, 121)]
_OFFICE = "management, business, science and arts"


def add_commute(world: World) -> None:
    """Settle commute_mode and commute_minutes of everyone employed or in the armed forces."""
    if not world.book.speaks_of("commute_mode") or "employment" in world.missing:
        for column in ("commute_mode", "commute_minutes"):
            world.missing[column] = "no table of this place speaks of the way to work"
        return
    working = world.is_("employment", "employed", "armed forces")
    modes = list(COMMUTE_MODES)
    values = household_choices(
        "persons", commute_mode=modes, worker=["no" if m == modes[ABSENT] else "yes" for m in modes]
    )
    car = np.zeros(world.n, dtype=np.int64)
    if world.persons.has("hh_vehicles"):
        number = world.persons.encoded("hh_vehicles").values
        car = np.where(number >= 1, 1, 0).astype(np.int64)
    office = np.zeros(world.n, dtype=np.int64)
    if world.persons.has("occupation"):
        office = np.where(
            world.is_("occupation", _OFFICE), 2, np.where(world.is_("occupation", "sales and office"), 1, 0)
        )
    # Priors: nobody without a car drives alone often; work from home is office work.
    by_car = np.array([[0.1, 0.7, 1.3, 1.3, 1.2, 1, 1], [1.6, 1.2, 0.8, 0.8, 0.9, 1, 1]])
    by_office = np.ones((3, len(modes)))
    by_office[:, HOME] = [0.12, 0.6, 1.0]
    factors: list[Factor] = [(car, by_car), (office, by_office)]
    pairs = ("income_usd x commute_mode", "age x commute_mode", "hh_tenure x commute_mode")
    factors += [world.associations.lift(pair, world.persons, values) for pair in pairs]
    code = world.choose(working, values, factors, "commute mode", pairs=pairs).astype(np.int64)
    world.add("commute_mode", COMMUTE_MODES, code)
    world.persons.say("worker", (code >= 0) & (code != ABSENT))
    _minutes(world)


def _minutes(world: World) -> None:
    travels = world.is_("commute_mode", *(m for i, m in enumerate(COMMUTE_MODES) if i not in (HOME, ABSENT)))
    values = household_choices(
        "persons",
        commute_minutes=[float(a) for a, _ in _MINUTES],
        low=[float(a) for a, _ in _MINUTES],
        high=[float(b) for _, b in _MINUTES],
        mean=[(a + b - 1) / 2 for a, b in _MINUTES],
    )
    factors = [world.associations.lift("commute_mode x commute_minutes", world.persons, values)]
    code = world.choose(travels, values, factors, "commute minutes").astype(np.int64)
    low, high = np.array(_MINUTES).T
    minutes = np.floor(low[code] + (high[code] - low[code]) * world.u("minutes in bracket")).astype(np.int64)
    series = pl.Series("commute_minutes", minutes, dtype=pl.Int16)
    world.add_series(series.zip_with(pl.Series(travels), pl.repeat(None, world.n, dtype=pl.Int16, eager=True)))
    _say_spread(world)


def _say_spread(world: World) -> None:
    """Say where the spread of travel times is from, if not from this place's own tables."""
    book = world.book
    spread = "the spread of travel times"
    means = [code for query, _, _, code in book.rows if query.column == "commute_minutes" and code in book.used]
    mean = "; their mean is this place's" if set(means) - book.shapes.keys() else ""
    if book.origin("commute_minutes"):  # which is named after these words
        world.borrowed["commute_minutes"] = f"{spread} is from elsewhere{mean}"
    elif lent := book.lent("commute_minutes"):
        world.borrowed["commute_minutes"] = f"{spread} is in part from elsewhere: {lent}"
    elif not book.published("commute_minutes"):
        world.borrowed["commute_minutes"] = f"{spread} is a prior, as no table divides them{mean}"
