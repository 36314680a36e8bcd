"""Health insurance, disability, religion and party."""

from __future__ import annotations

import numpy as np

from cityfolk.people.attributes_fit import bins, choices, household_choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World
from cityfolk.vocabulary import DISABILITIES, HEALTH_INSURANCES, PARTIES, RELIGIONS


def add_disability(world: World) -> None:
    """Settle disability: six difficulties, likelier together than apart."""
    names = [f"disability_{d.replace(' ', '_').replace('-', '_')}" for d in DISABILITIES]
    if not world.book.speaks_of(*names):
        world.missing["disability"] = "no table of this place speaks of disability"
        return
    # Asked of people of 5 and over; independent living of 18 and over (ACS). Those who have one difficulty are
    # likelier to have another: a prior of seven times the odds, institutions aside.
    already = np.zeros(world.n, dtype=np.int64)
    nursing = np.zeros(world.n, dtype=bool)
    if world.persons.has("hh_gq_type"):
        nursing = world.is_("hh_gq_type", "nursing facility")
    where = np.where(nursing, 1, 0)
    band = bins(world.age.astype(float), [5.0, 18, 35, 50, 65, 75, 85])
    has: list[Bools] = []
    for name, column in zip(DISABILITIES, names, strict=True):
        if not world.book.speaks_of(column):
            has.append(np.zeros(world.n, dtype=bool))
            continue
        values = household_choices("persons", **{column: ["no", "yes"]})
        rate = np.array([0.003, 0.01, 0.01, 0.015, 0.025, 0.06, 0.12, 0.25])
        if name in ("cognitive", "ambulatory", "self-care"):
            rate = rate * np.array([0, 1, 1, 1, 1, 1, 1, 1.0])
        if name == "independent living":
            rate = rate * np.array([0, 0, 1, 1, 1, 1, 1, 1.0])
        factors: list[Factor] = [
            (band, np.stack([1 - rate, rate], axis=1)),
            (np.minimum(already, 2), np.array([[1, 1.0], [1, 7.0], [1, 14.0]])),
            (where, np.array([[1, 1.0], [1, 20.0]])),
        ]
        everyone = np.ones(world.n, dtype=bool)
        yes = world.choose(everyone, values, factors, column) == 1
        already = already + yes
        has.append(yes)
    order = np.argsort(DISABILITIES)
    parts = np.stack(has, axis=1)[:, order]
    code = parts @ (1 << np.arange(len(order)))
    labels = [
        "; ".join(DISABILITIES[order[j]] for j in range(len(order)) if k >> j & 1) or "none"
        for k in range(1 << len(order))
    ]
    world.add("disability", labels, code)


def add_insurance(world: World, level: Ints | None) -> None:
    """Settle health_insurance. level: each person's poverty class (0 poor, 1 near, 2 above), None if unknown."""
    if not world.book.speaks_of("insured", "health_insurance", "private_insurance"):
        world.missing["health_insurance"] = "no table of this place speaks of health insurance"
        return
    who = np.ones(world.n, dtype=bool)
    age = bins(world.age.astype(float), [19.0, 26, 65])
    # private, public, both, none: Medicare from 65 on, Medicaid for those in need (priors; totals from the tables).
    by_age = np.array([[1, 0.3, 0.02, 0.03], [1, 0.1, 0.02, 0.02], [1, 0.1, 0.03, 0.02], [0.05, 0.6, 1.0, 0.005]])
    need = np.full(world.n, 2) if level is None else level
    student = np.zeros(world.n, dtype=np.int64)
    if world.persons.has("enrollment"):
        student = world.is_("enrollment", "college or graduate school").astype(np.int64)
    by_need = np.array([[0.3, 3, 1.5, 2.0], [0.5, 2.5, 1.5, 2.0], [1, 0.5, 1, 1.0]])
    factors: list[Factor] = [
        (age, by_age),
        (need, by_need),
        (student, np.array([[1.0, 1, 1, 1], [1.5, 0.3, 0.5, 0.5]])),
    ]
    values = choices(health_insurance=list(HEALTH_INSURANCES))
    world.add("health_insurance", HEALTH_INSURANCES, world.choose(who, values, factors, "health insurance"))


def add_beliefs(world: World) -> None:
    """Settle religion of adults and party of adult citizens; no source ties them to other columns here."""
    adult = world.age >= 18
    if world.book.speaks_of("religion"):
        values = household_choices("persons", religion=list(RELIGIONS))
        flat = [(np.zeros(world.n, dtype=np.int64), np.full((1, len(RELIGIONS)), 1.0))]
        world.add("religion", RELIGIONS, world.choose(adult, values, flat, "religion"))
        _say_independent(world, "religion")
    else:
        world.missing["religion"] = "no table of this place speaks of religion"
    if world.book.speaks_of("party"):
        citizen = adult & ~world.is_("citizenship", "not a citizen")
        values = household_choices("persons", party=list(PARTIES))
        flat = [(np.zeros(world.n, dtype=np.int64), np.array([[1.0, 1.0, 0.02]]))]
        world.add("party", PARTIES, world.choose(citizen, values, flat, "party"))
        _say_independent(world, "party")
    else:
        world.missing["party"] = "no table of this place speaks of votes"


def _say_independent(world: World, column: str) -> None:
    """Name the source of borrowed shares, and say where nothing ties them to other columns."""
    if not world.book.origin(column):
        return
    told = [world.book.published(column)]
    if not world.book.tied_to(column) - {"age", "citizenship"}:
        told.append("drawn independently of everything else, as the source has no such table")
    world.borrowed[column] = "; ".join(filter(None, told))


__all__ = ["add_beliefs", "add_disability", "add_insurance"]
