"""School: who is enrolled at which level, in which grade, and the highest degree held.

Grades follow age. Degrees of people of 25 and over are fitted to the place's tables; those of younger people follow
from their enrollment, as the tables ask about 25 and over only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cityfolk.people.attributes_fit import bins, choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World
from cityfolk.vocabulary import EDUCATIONS, ENROLLMENTS, GRADES

NOT, NURSERY, ELEMENTARY, HIGH, COLLEGE = range(5)
LESS, HIGH_SCHOOL, SOME, BACHELOR, GRADUATE = range(5)
# Priors where no table of the place speaks: chances of the level by age, one line per age class. They only say what
# is usual (a six-year-old is in elementary school); the totals come from the tables.
_AGES = [3, 5, 6, 14, 15, 17, 18, 19, 20, 23, 25, 30, 35, 45, 65]
_LEVELS = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],  # under 3
        [0.3, 0.7, 0.0, 0.0, 0.0],  # 3, 4
        [0.04, 0.1, 0.86, 0.0, 0.0],  # 5
        [0.02, 0.0, 0.98, 0.0, 0.0],  # 6 to 13
        [0.02, 0.0, 0.5, 0.48, 0.0],  # 14
        [0.02, 0.0, 0.0, 0.98, 0.0],  # 15, 16
        [0.03, 0.0, 0.0, 0.93, 0.04],  # 17
        [0.1, 0.0, 0.0, 0.2, 0.7],  # 18
        [0.15, 0.0, 0.0, 0.02, 0.83],  # 19
        [0.35, 0.0, 0.0, 0.0, 0.65],  # 20 to 22
        [0.6, 0.0, 0.0, 0.0, 0.4],  # 23, 24
        [0.75, 0.0, 0.0, 0.0, 0.25],  # 25 to 29
        [0.87, 0.0, 0.0, 0.0, 0.13],  # 30 to 34
        [0.95, 0.0, 0.0, 0.0, 0.05],  # 35 to 44
        [0.985, 0.0, 0.0, 0.0, 0.015],  # 45 to 64
        [0.998, 0.0, 0.0, 0.0, 0.002],  # 65 and over
    ]
)


def add_schooling(world: World) -> None:
    """Settle enrollment, education and grade."""
    if not world.book.speaks_of("enrollment"):
        world.missing["enrollment"] = "no table of this place speaks of school enrollment"
        world.missing["grade"] = "no table of this place speaks of school enrollment"
    if not world.book.speaks_of("education"):
        world.missing["education"] = "no table of this place speaks of educational attainment"
    level = _enrollment(world)
    degree = _education(world, level)
    if "enrollment" in world.missing:
        return
    world.add("grade", GRADES, _grades(world, level, degree))
    world.borrowed["grade"] = "follows from age, enrollment and degree; no table states it"


def _dormitory(world: World) -> Bools:
    if not world.persons.has("hh_gq_type"):
        return np.zeros(world.n, dtype=bool)
    return world.is_("hh_gq_type", "student housing")


def _enrollment(world: World) -> Ints:
    everyone = np.ones(world.n, dtype=bool)
    values = choices(enrollment=list(ENROLLMENTS))
    by_age: Factor = bins(world.age.astype(float), [*_AGES]), _LEVELS
    where = np.zeros(world.n, dtype=np.int64)
    where[world.is_("institutional", "yes")] = 1
    where[_dormitory(world) & (world.age >= 17)] = 2
    housing = np.ones((3, 5))
    housing[1] = [1, 0, 0.3, 0.3, 0]
    housing[2] = [0.0, 0, 0, 0, 1]
    housing[1, 0] = 1.0
    # The place's own rows and the rate by age are met by raking; the microdata say how enrollment falls with age.
    factors = [by_age, (where, housing)]
    institutional_child = (where == 1) & (world.age < 18)
    where[institutional_child] = 0
    level = world.choose(everyone, values, factors, "enrollment").astype(np.int64)
    if "enrollment" not in world.missing:
        world.add("enrollment", ENROLLMENTS, level)
    return level


def _degree_prior(world: World, level: Ints) -> list[Factor]:
    """25 and over: nobody in college has less than a high-school degree, and most have a bachelor's."""
    student = np.where(level == COLLEGE, 1, 0)
    study = np.array([[1.0, 1, 1, 1, 1], [0.0, 0.15, 0.5, 2.0, 1.0]])
    values = choices(education=list(EDUCATIONS))
    return [
        (student, study),
        world.associations.lift("age x education", world.persons, values),
        (np.where(world.age >= 65, 1, 0), np.array([[1.0, 1, 1, 1, 1], [1.6, 1.6, 1.0, 0.9, 0.8]])),
    ]


def _education(world: World, level: Ints) -> Ints:
    values = choices(education=list(EDUCATIONS))
    adult = world.age >= 25
    degree = world.choose(adult, values, _degree_prior(world, level), "education").astype(np.int64)
    young = world.age < 25
    degree[young] = LESS
    college = young & (level == COLLEGE)
    degree[college] = np.where(world.age[college] <= 18, HIGH_SCHOOL, SOME)
    out = young & (level == NOT) & (world.age >= 18)
    u = world.u("degree of the young")
    # 18 to 21 and out of school: mostly high school; 22 to 24: as those of 25 and over, without graduate degrees.
    degree[out & (world.age < 22)] = np.where(u[out & (world.age < 22)] < 0.08, LESS, HIGH_SCHOOL)
    some = out & (world.age >= 19) & (world.age < 22) & (u > 0.7)
    degree[some] = SOME
    share = np.bincount(degree[adult], minlength=5).astype(float)
    share[BACHELOR] += share[GRADUATE]
    share[GRADUATE] = 0
    step = np.cumsum(share / max(share.sum(), 1.0))
    older = out & (world.age >= 22)
    degree[older] = np.searchsorted(step, u[older] * 0.999999)
    # A first degree at the usual age: students of 22 to 24 are more and more in graduate school.
    done = college & (u < np.select([world.age == 22, world.age == 23, world.age == 24], [0.3, 0.6, 0.75], 0.0))
    degree[done] = BACHELOR
    if "education" not in world.missing:
        world.add("education", EDUCATIONS, degree)
    return degree


def _grades(world: World, level: Ints, degree: Ints) -> NDArray[np.int16]:
    """Return the number of each person's grade in GRADES, -1 for who is not enrolled."""
    first, kindergarten = GRADES.index("grade 1"), GRADES.index("kindergarten")
    grade = np.full(world.n, -1, dtype=np.int16)
    grade[level == NURSERY] = GRADES.index("preschool")
    # Children turn a year older during the school year: half of an age are in the lower of two grades.
    number = world.age - 5 - (world.u("grade") < 0.5)
    elementary = level == ELEMENTARY
    in_school = np.clip(number[elementary], 1, 8) + first - 1
    grade[elementary] = np.where(number[elementary] <= 0, kindergarten, in_school)
    high = level == HIGH
    grade[high] = np.clip(number[high], 9, 12) + first - 1
    college = level == COLLEGE
    grade[college] = np.where(degree[college] >= BACHELOR, GRADES.index("graduate"), GRADES.index("undergraduate"))
    return grade
