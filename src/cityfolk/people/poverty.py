"""Poverty: the thresholds, the units whose incomes are compared with them, and each unit's class.

A unit is a family (the householder and everyone related) or one person who lives with no relative. Status is not
determined in institutions, dormitories and for unrelated people under 15 (American Community Survey, 2024 subject
definitions, "Poverty Status in the Past 12 Months").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityfolk.people.allocate import Floats, Targets
from cityfolk.people.attributes_fit import draw, household_choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World, cross
from cityfolk.rng import uniform_at

# U.S. Census Bureau, Poverty Thresholds for 2024 by Size of Family and Number of Related Children Under 18 Years,
# in US dollars a year: by size (rows, 1 to 9 and more) and related children (0 to 8 and more).
THRESHOLDS = (
    (16320,),
    (21006, 21621),
    (24537, 25249, 25273),
    (32355, 32884, 31812, 31922),
    (39019, 39586, 38374, 37436, 36863),
    (44879, 45057, 44128, 43238, 41915, 41131),
    (51638, 51961, 50849, 50075, 48631, 46948, 45100),
    (57753, 58263, 57215, 56296, 54992, 53337, 51614, 51177),
    (69473, 69810, 68882, 68102, 66822, 65062, 63469, 63075, 60645),
)
ELDERLY = ((15045,), (18961, 21540))  # householder of 65 and over, one and two people
THRESHOLD_YEAR = "2024"  # of the dollars above; a place whose tables end in another year has no poverty ratios
POOR, NEAR, ABOVE = range(3)


def thresholds(size: Ints, children: Ints, head_age: Ints) -> Floats:
    """Return the poverty threshold of each unit in 2024 dollars a year."""
    table = np.zeros((2, 9, 9))
    for n, row in enumerate(THRESHOLDS):
        table[:, n, : len(row)] = row
        table[:, n, len(row) :] = row[-1]
    for n, row in enumerate(ELDERLY):
        table[1, n, : len(row)] = row
        table[1, n, len(row) :] = row[-1]
    return np.asarray(table[(head_age >= 65).astype(int), np.clip(size, 1, 9) - 1, np.clip(children, 0, 8)])


@dataclass
class Units:
    """Income units. Arrays of shape (units,); `of` gives each person's unit, -1 where there is none."""

    of: Ints
    head: Ints
    home: Ints
    size: Ints
    children: Ints
    is_family: Bools
    determined: Bools
    threshold: Floats
    workers: Ints
    full_time: Ints
    level: Ints | None = None  # poverty class: 0 below the threshold, 1 below twice, 2 above

    @property
    def count(self) -> int:
        """Return the number of units."""
        return len(self.head)


def units_of(world: World) -> Units:
    """Form income units; everyone of 15 and over in a dormitory or institution is a unit too, without a status."""
    n = world.n
    head_of = np.arange(n)
    related = world.related
    head_of[related] = world.head[world.home[related]]
    alone_child = ~related & (world.age < 15)
    head_of[alone_child] = -1
    heads, of = np.unique(head_of, return_inverse=True)
    if heads[0] < 0:
        heads, of = heads[1:], of - 1
    members = of >= 0
    count = len(heads)

    def tally(flags: Bools) -> Ints:
        return np.bincount(of[members & flags], minlength=count).astype(np.int64)

    everyone = np.ones(n, dtype=bool)
    size, children = tally(everyone), tally((world.age < 18) & world.is_("related_child", "yes"))
    home = world.home[heads]
    other_gq = world.is_("hh_gq_type", "other") if world.persons.has("hh_gq_type") else np.zeros(n, dtype=bool)
    worker = np.zeros(n, dtype=bool)
    full = np.zeros(n, dtype=bool)
    if world.persons.has("employment"):
        worker = world.is_("employment", "employed", "armed forces")
    if world.persons.has("full_time_year_round"):
        full = world.is_("full_time_year_round", "yes")
    return Units(
        of=of,
        head=heads,
        home=home,
        size=size,
        children=children,
        is_family=related[heads],
        determined=(home >= 0) | other_gq[heads],
        threshold=thresholds(size, children, world.age[heads]),
        workers=tally(worker),
        full_time=tally(full & worker),
    )


def _prior(world: World, units: Units) -> list[Factor]:
    """Priors by work, age and study: who is poor is those without full-time work, students first."""
    student = np.zeros(world.n, dtype=bool)
    if world.persons.has("enrollment"):
        student = world.is_("enrollment", "college or graduate school")
    elder = world.age[units.head] >= 65
    work = np.select(
        [units.full_time >= 2, units.full_time == 1, units.workers >= 1, elder],
        [0, 1, 2, 3],
        4,
    )
    by_work = np.array([[0.0001, 0.001, 1], [0.0008, 0.006, 1], [0.35, 0.25, 1], [0.2, 0.25, 1], [1.0, 0.4, 0.5]])
    study = np.where(student[units.head] & ~units.is_family, 1, 0)
    extra = np.clip(units.size - units.workers - 1, 0, 4)
    by_extra = np.array([[1, 1, 1.0], [1.2, 1.2, 1], [1.5, 1.5, 1], [2, 2, 1], [3, 3, 1.0]])
    return [(work, by_work), (study, np.array([[1, 1, 1.0], [2.0, 1.3, 1]])), (extra, by_extra)]


def add_poverty_class(world: World, units: Units) -> None:
    """Choose every unit's poverty class so that the rates of people, families and children hold."""
    determined = np.zeros(world.n, dtype=bool)
    determined[units.of >= 0] = units.determined[units.of[units.of >= 0]]
    world.persons.say("poverty_determined", determined)
    rows = np.flatnonzero(units.determined)
    number = np.full(units.count + 1, -1)
    number[rows] = np.arange(len(rows))
    unit = number[np.where(determined, units.of, units.count)]
    targets = Targets()
    ratios = [0.5, 1.5, 3.0]
    world.book.bind(targets, world.persons, household_choices("persons", poverty_ratio=ratios), unit, len(rows))
    of_family = unit[world.head[world.family_home]]
    families = household_choices("families", family_poverty_ratio=ratios)
    world.book.bind(targets, world.families, families, of_family, len(rows))
    seed_id, seed = cross(*_prior(world, units), rows=rows)
    ids = world.people["person_id"].to_numpy()[units.head[rows]]
    level = np.full(units.count, ABOVE, dtype=np.int64)
    level[rows] = draw(
        seed, seed_id, targets, uniform_at(world.seed, world.place, "poverty", ids=ids), world.start("poverty")
    )
    units.level = level


def limits(units: Units) -> tuple[Floats, Floats]:
    """Return the lowest and the highest (exclusive) income of each unit that agree with its class, in US dollars."""
    if units.level is None:
        return np.zeros(units.count), np.full(units.count, np.inf)
    low = np.choose(units.level, [np.zeros(units.count), units.threshold, 2 * units.threshold])
    high = np.choose(units.level, [units.threshold, 2 * units.threshold, np.full(units.count, np.inf)])
    low, high = np.ceil(low), np.ceil(high)
    low[~units.determined], high[~units.determined] = 0.0, np.inf
    return low, high
