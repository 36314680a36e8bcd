"""Work: who is employed, at what, in which industry, for whom, and whether all year and full time.

Households come first: which have earnings, and in which families all parents are in the labour force. Then people,
so that every household with earnings has a worker and the parents of a family are in the labour force as chosen.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cityfolk.people.allocate import Floats, Targets
from cityfolk.people.attributes_fit import TIGHTNESS, bins, choices, draw, household_choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World, cross
from cityfolk.people.schooling import COLLEGE, HIGH, NOT
from cityfolk.tables.query import condition_mask
from cityfolk.vocabulary import CLASSES_OF_WORKER, EMPLOYMENTS, ENROLLMENTS, INDUSTRIES, OCCUPATIONS

EMPLOYED, UNEMPLOYED, OUT, ARMED = range(4)
_AGES = [16.0, 18, 20, 22, 25, 30, 45, 55, 60, 65, 70, 75, 85]
# Priors: the usual course of work over life, by age class from 16-17 to 85 and over; totals come from the tables.
_WORKING = np.array([0.1, 0.2, 0.4, 0.5, 0.75, 0.85, 0.85, 0.8, 0.75, 0.6, 0.35, 0.2, 0.1, 0.02])
# Industries by occupation: 3 typical, 1 usual, .2 seldom, .03 rare. A judgement of what goes together, not a
# measurement; both margins are fitted. Rows are OCCUPATIONS, columns INDUSTRIES.
_TOGETHER = np.array(
    [
        [0.2, 0.2, 1, 0.5, 0.2, 0.2, 1, 1, 3, 3, 0.4, 0.4, 1],
        [0.03, 0.03, 0.05, 0.03, 0.2, 0.2, 0.05, 0.2, 1, 1, 3, 2, 1],
        [0.1, 0.1, 0.4, 1.5, 3, 1, 0.7, 1.5, 1, 0.6, 0.6, 0.5, 0.7],
        [3, 3, 0.6, 0.1, 0.2, 0.6, 0.2, 0.2, 0.3, 0.1, 0.1, 0.6, 0.2],
        [0.3, 0.3, 3, 1, 0.7, 3, 0.1, 0.05, 0.4, 0.1, 0.4, 0.5, 0.1],
    ]
)
# Occupations by degree (less than high school ... graduate), the same scale.
_BY_DEGREE = np.array(
    [
        [0.12, 2, 1, 1, 1.6],
        [0.25, 1.6, 1.2, 1, 1.3],
        [0.6, 1.2, 1.4, 0.8, 0.9],
        [2, 0.6, 1, 0.25, 0.3],
        [4, 0.2, 0.4, 0.06, 0.08],
    ]
)
_PUBLIC = INDUSTRIES.index("public administration")
_EDUCATION = INDUSTRIES.index("education, health care and social assistance")


def add_work(world: World) -> None:
    """Settle employment, occupation, industry, class_of_worker and full_time_year_round."""
    if not world.book.speaks_of("employment"):
        for column in ("employment", "occupation", "industry", "class_of_worker", "full_time_year_round"):
            world.missing[column] = "no table of this place speaks of employment"
        return
    status = _employment(world)
    world.add("employment", EMPLOYMENTS, status)
    world.persons.say("civilian", status != ARMED)
    world.persons.say("in_labor_force", status != OUT)
    _jobs(world, status)
    _full_time(world, status)


def chances(world: World) -> Floats:
    """Return each person's prior chance of being employed: by age and sex from the microdata, lower for students."""
    values = choices(employment=list(EMPLOYMENTS))
    chance = _WORKING[bins(world.age.astype(float), _AGES)]
    odds = chance / (1 - chance)
    for sex in ("female", "male"):
        kind, table = world.associations.lift(f"age x employment ({sex})", world.persons, values)
        here = (kind < len(table) - 1) & world.is_("sex", sex)
        odds[here] = (table[:, EMPLOYED] / np.maximum(table[:, OUT], 1e-3))[kind[here]] * 1.2
    level = _level(world)
    # The rates by age hold for students and others together; at college age students work less than others.
    young = (world.age >= 18) & (world.age < 25)
    odds *= np.select([level == COLLEGE, young], [0.6, 1.3], 1.0)
    odds[world.is_("institutional", "yes")] = 1e-4
    odds[world.age < 16] = 1e-9
    return np.asarray(odds / (1 + odds))


def _level(world: World) -> Ints:
    if not world.persons.has("enrollment"):
        return np.zeros(world.n, dtype=np.int64)
    level = np.full(world.n, NOT, dtype=np.int64)
    for k, name in enumerate(ENROLLMENTS):
        level[world.is_("enrollment", name)] = k
    return level


def _parents(world: World) -> tuple[Ints, Ints, Bools]:
    """Return each home's number of parents (0 without own children), each person's home as a parent (-1), and them."""
    children = world.per_home(world.is_("own_child", "yes"))
    parent = world.is_("role", "householder", "spouse") & (world.home >= 0) & (children[world.home] > 0)
    return world.per_home(parent).astype(np.int64), np.where(parent, world.home, -1), parent


def _earning_homes(world: World, chance: Floats) -> Bools:
    """Choose the households with earnings."""
    inside = (world.home >= 0) & (world.age >= 16)
    none = np.zeros(world.homes.rows)
    np.add.at(none, world.home[inside], np.log1p(-chance[inside]))
    share = 1 - np.exp(none)
    # Nobody works where nobody is of 16; the rest is banded by the prior chance.
    level = np.clip((share * 40).astype(np.int64), 0, 39)
    table = np.stack([1 - (np.arange(40) + 0.5) / 40, (np.arange(40) + 0.5) / 40], axis=1)
    values = household_choices(has_earnings=["no", "yes"])
    everyone = np.ones(world.homes.rows, dtype=bool)
    return np.asarray(world.choose_home(everyone, values, [(level, table)], "households with earnings") == 1)


def _all_parents(world: World, chance: Floats, earning: Bools, parents: Ints, home_as_parent: Ints) -> Bools:
    """Choose the families in which all parents are in the labour force."""
    rows = np.flatnonzero(home_as_parent >= 0)
    together = np.zeros(world.homes.rows)
    np.add.at(together, home_as_parent[rows], np.log(np.clip(chance[rows] + 0.03, 0.01, 0.99)))
    level = np.clip((np.exp(together) * 10).astype(np.int64), 0, 9)
    table = np.stack([1 - (np.arange(10) + 0.5) / 10, (np.arange(10) + 0.5) / 10], axis=1)
    others = world.per_home((world.age >= 16) & (home_as_parent < 0)) > 0
    # One parent alone with children: earnings and the labour force go together.
    case = np.where(~earning, 1, np.where((parents == 1) & ~others, 2, 0))
    allowed = np.array([[1.0, 1.0], [1.0, 0.06], [0.0, 1.0]])
    homes = np.flatnonzero(parents > 0)
    unit = np.full(world.homes.rows, -1)
    unit[homes] = np.arange(len(homes))
    targets = Targets()
    values = household_choices("persons", parents_in_labor_force=["not all", "all"])
    child_unit = np.where(world.home >= 0, unit[world.home], -1)
    child_unit[~world.is_("own_child", "yes")] = -1
    world.book.bind(targets, world.persons, values, child_unit, len(homes))
    seed_id, seed = cross((level[homes], table), (case[homes], allowed))
    result = np.zeros(world.homes.rows, dtype=bool)
    result[homes] = draw(seed, seed_id, targets, world.hu("all parents")[homes], world.start("all parents")) == 1
    return result


def _employment(world: World) -> Ints:
    who = world.age >= 16
    # Until the armed forces are chosen everybody counts as a civilian, for rows about civilians.
    world.persons.say("civilian", np.ones(world.n, dtype=bool))
    chance = chances(world)
    u = world.u("worker of the household")
    earning = _earning_homes(world, chance)
    parents, home_as_parent, parent = _parents(world)
    all_in = _all_parents(world, chance, earning, parents, home_as_parent)

    inside = world.home >= 0
    case = np.zeros(world.n, dtype=np.int64)  # 0 free, 1 no earnings, 2 in the labour force, 3 out of it, 4 the worker
    case[inside & ~earning[world.home]] = 1
    in_all = parent & all_in[world.home]
    case[in_all] = 2
    case[in_all & ~earning[world.home]] = 5  # in the labour force, in a household without earnings: unemployed
    not_all = parent & ~all_in[world.home]
    # Of two parents not both in the labour force one is out of it, the likelier by age and sex.
    rows = np.flatnonzero(not_all)
    score = np.log(u[rows]) / np.maximum(1 - chance[rows], 1e-3) ** 2
    case[_best(rows, world.home, score)] = 3

    free = who & inside & earning[world.home] & (case != 3)
    rows = np.flatnonzero(free)
    odds = chance[rows] / (1 - chance[rows])
    case[_best(rows, world.home, np.log(u[rows]) / np.maximum(odds, 1e-6))] = 4
    case[world.is_("institutional", "yes")] = 3
    allowed = np.array([[1.0, 1, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]])

    level = np.clip((chance * 25).astype(np.int64), 0, 24)
    p = (np.arange(25) + 0.5) / 25
    by_chance = np.stack([p, 0.04 * np.sqrt(p), 1 - p, np.full(25, 1e-3)], axis=1)
    service = np.where((world.age >= 18) & (world.age < 55) & ~world.is_("citizenship", "not a citizen"), 1, 0)
    factors: list[Factor] = [
        (level, by_chance),
        (case, allowed),
        (service, np.array([[1.0, 1, 1, 0.0], [1, 1, 1, 1]])),
    ]
    targets = Targets()
    _workers_per_home(world, targets, who)
    values = household_choices(
        "persons", employment=list(EMPLOYMENTS), in_labor_force=["no" if k == OUT else "yes" for k in range(4)]
    )
    return world.choose(who, values, factors, "employment", extra=targets).astype(np.int64)


def _best(rows: Ints, home: Ints, score: Floats) -> Ints:
    """Return, of each home's rows, the one with the highest score."""
    order = rows[np.lexsort((-score, home[rows]))]
    return order[np.append(True, home[order][1:] != home[order][:-1])] if len(order) else order


def _workers_per_home(world: World, targets: Targets, who: Bools) -> None:
    """Add the mean number of workers per household as a total of employed members."""
    place = np.flatnonzero(who)
    for query, estimate, moe, code in world.book.rows:
        if query.measure != "mean" or query.column != "n_workers" or query.entity != "households":
            continue
        homes = np.ones(world.homes.rows, dtype=bool)
        for condition in query.conditions:
            homes &= condition_mask(condition, world.homes)  # type: ignore[arg-type]  # the part of View it needs
        inside = (world.home >= 0) & homes[world.home]
        size = float(homes.sum())
        sigma = 2 * TIGHTNESS * (moe or 0.05 * estimate) * size
        targets.add(inside[place], np.array([1.0, 0, 0, 1]), estimate * size, sigma, code)
        world.book.used.add(code)


def _jobs(world: World, status: Ints) -> None:
    employed = status == EMPLOYED
    degree = np.zeros(world.n, dtype=np.int64)
    if world.persons.has("education"):
        for k, name in enumerate(("high school", "some college or associate's", "bachelor's"), start=1):
            degree[world.is_("education", name)] = k
        degree[world.is_("education", "graduate or professional")] = 4
    student = np.where(_level(world) == COLLEGE, 1, 0)
    values = household_choices("persons", occupation=list(OCCUPATIONS))
    factors: list[Factor] = [
        (degree, _BY_DEGREE),
        (student, np.array([[1.0, 1, 1, 1, 1], [0.8, 1.3, 1.3, 0.3, 0.4]])),
        world.associations.lift("sex x occupation", world.persons, values),
        world.associations.lift("age x occupation", world.persons, values),
    ]
    if not world.book.speaks_of("occupation"):
        for column in ("occupation", "industry", "class_of_worker"):
            world.missing[column] = f"no table of this place speaks of {column.replace('_', ' ')}"
        return
    pairs = ("sex x occupation", "age x occupation")
    occupation = world.choose(employed, values, factors, "occupation", pairs=pairs).astype(np.int64)
    world.add("occupation", OCCUPATIONS, occupation)

    student_industry = np.ones((2, len(INDUSTRIES)))
    student_industry[1, _EDUCATION] = 3.0
    values = household_choices("persons", industry=list(INDUSTRIES))
    factors = [(np.maximum(occupation, 0), _TOGETHER), (student, student_industry)]
    industry = world.choose(employed, values, factors, "industry").astype(np.int64)
    world.add("industry", INDUSTRIES, industry)

    # private, government, self-employed, unpaid family; public administration is government, by definition.
    by_industry = np.tile([1.0, 0.06, 0.06, 1e-4], (len(INDUSTRIES), 1))
    by_industry[_EDUCATION] = [1.0, 0.2, 0.03, 1e-5]
    by_industry[_PUBLIC] = [0.0, 1.0, 0.0, 0.0]
    by_industry[INDUSTRIES.index("other services"), 2] = 0.2
    by_industry[INDUSTRIES.index("construction"), 2] = 0.2
    values = household_choices("persons", class_of_worker=list(CLASSES_OF_WORKER))
    age = np.where(world.age >= 45, 1, 0)
    factors = [(np.maximum(industry, 0), by_industry), (age, np.array([[1.0, 1, 1, 1], [1, 1.3, 2.5, 1]]))]
    factors.append((student, np.array([[1.0, 1, 1, 1], [1, 0.7, 0.5, 1]])))
    world.add("class_of_worker", CLASSES_OF_WORKER, world.choose(employed, values, factors, "class of worker"))


def _full_time(world: World, status: Ints) -> None:
    if not world.book.speaks_of("year_round_worker", "full_time_year_round"):
        world.missing["full_time_year_round"] = "no table of this place speaks of full-time, year-round work"
        return
    at_work = (status == EMPLOYED) | (status == ARMED)
    age = bins(world.age.astype(float), [18.0, 20, 22, 25, 65, 75])
    by_age = np.array([[1, 0.02], [1, 0.1], [1, 0.3], [1, 1], [1, 4], [1, 1.2], [1, 0.5]])
    student = np.select([_level(world) == COLLEGE, _level(world) == HIGH], [1, 2], 0)
    dormitory = np.zeros(world.n, dtype=np.int64)
    if world.persons.has("hh_gq_type"):
        dormitory = world.is_("hh_gq_type", "student housing").astype(np.int64)
    female = world.is_("sex", "female").astype(np.int64)
    factors: list[Factor] = [
        (age, by_age),
        (student, np.array([[1, 1], [1, 0.15], [1, 0.02]])),
        (dormitory, np.array([[1, 1], [1, 0.1]])),
        (female, np.array([[1, 1.2], [1, 1]])),
    ]
    # Anybody may be asked for; only those at work can say yes. Others are counted as "no" by the rows.
    values = choices(full_time_year_round=[False, True])
    chosen = world.choose(at_work, values, factors, "full time, year round") == 1
    world.add_series(pl.Series("full_time_year_round", chosen))
    world.persons.say("year_round_worker", chosen)
