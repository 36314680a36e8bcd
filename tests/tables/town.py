"""A town of seventeen people, written by hand, in which nobody breaks a rule; and random people, for laws and speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from cityfolk.tables.birth import birthplaces
from cityfolk.vocabulary import (
    CITIZENSHIPS,
    CLASSES_OF_WORKER,
    COMMUTE_MODES,
    EDUCATIONS,
    EMPLOYMENTS,
    ENGLISH_LEVELS,
    ENROLLMENTS,
    GQ_TYPES,
    HEALTH_INSURANCES,
    INDUSTRIES,
    MARITAL_STATUSES,
    NATIVITIES,
    OCCUPATIONS,
    PARTIES,
    RACE_ETHNICITIES,
    RELIGIONS,
    SEXES,
    TENURES,
    TRAITS,
    US_BIRTHPLACES,
)

STATE = "Massachusetts"
INTEGERS = {"person_id", "household_id", "age", "earnings_usd", "income_usd", "commute_minutes"}
FLOATS = {"poverty_ratio", "height_cm", "weight_kg", *TRAITS}

# household_id, role, name, age, sex, and what is not the default of somebody of that age
MEMBERS: list[tuple[int, str, str, int, str, dict[str, Any]]] = [
    (
        0,
        "householder",
        "Ana Ruiz",
        40,
        "female",
        {
            "marital_status": "married",
            "race_ethnicity": "White, Hispanic or Latino",
            "nativity": "foreign-born",
            "birthplace": "Spain",
            "citizenship": "naturalized",
            "language_home": "Spanish",
            "english": "very well",
            "earnings_usd": 60_000,
            "income_usd": 60_000,
        },
    ),
    (0, "spouse", "Ben Ruiz", 42, "male", {"marital_status": "married", "earnings_usd": 50_000, "income_usd": 55_000}),
    (0, "child", "Cleo Ruiz", 8, "female", {"enrollment": "elementary (K-8)", "grade": "grade 3"}),
    (0, "child", "Dan Ruiz", 2, "male", {}),
    (
        0,
        "parent",
        "Eva Sol",
        70,
        "female",
        {
            "employment": "not in labor force",
            "income_usd": 20_000,
            "marital_status": "widowed",
            "nativity": "foreign-born",
            "birthplace": "Spain",
            "citizenship": "not a citizen",
            "party": None,
            "language_home": "Spanish",
            "english": "less than very well",
            "disability": "ambulatory; hearing",
        },
    ),
    (
        1,
        "householder",
        "Flo King",
        66,
        "female",
        {
            "employment": "not in labor force",
            "income_usd": 30_000,
            "marital_status": "widowed",
            "race_ethnicity": "Black or African American",
        },
    ),
    (1, "grandchild", "Gus King", 10, "male", {"enrollment": "elementary (K-8)", "grade": "grade 5"}),
    (1, "sibling", "Hal Mays", 60, "male", {"employment": "unemployed", "income_usd": 0, "marital_status": "divorced"}),
    (
        1,
        "child",
        "Iris King",
        38,
        "female",
        {"earnings_usd": 40_000, "income_usd": 40_000, "commute_mode": "worked from home", "commute_minutes": None},
    ),
    (
        2,
        "householder",
        "Jon Wu",
        24,
        "male",
        {
            "education": "bachelor's",
            "enrollment": "college or graduate school",
            "grade": "graduate",
            "nativity": "foreign-born",
            "birthplace": "China",
            "citizenship": "not a citizen",
            "party": None,
            "language_home": "Chinese",
            "english": "less than very well",
            "race_ethnicity": "Asian",
            "earnings_usd": 20_000,
            "income_usd": 20_000,
            "commute_mode": "walked",
            "commute_minutes": 15,
        },
    ),
    (
        3,
        "householder",
        "Lea Roy",
        30,
        "female",
        {"employment": "armed forces", "occupation": None, "industry": None, "class_of_worker": None},
    ),
    (3, "unmarried partner", "Max Orr", 31, "male", {"birthplace": "Puerto Rico"}),
    (
        3,
        "housemate",
        "Kim Dee",
        17,
        "female",
        {"employment": "not in labor force", "enrollment": "high school (9-12)", "grade": "grade 11", "income_usd": 0},
    ),
    (
        4,
        "resident",
        "Ned Fox",
        19,
        "male",
        {
            "employment": "not in labor force",
            "enrollment": "college or graduate school",
            "grade": "undergraduate",
            "income_usd": 0,
            "poverty_ratio": None,
        },
    ),
    (
        5,
        "resident",
        "Oda Lee",
        81,
        "female",
        {
            "employment": "not in labor force",
            "income_usd": 12_000,
            "poverty_ratio": None,
            "health_insurance": None,
            "marital_status": "widowed",
        },
    ),
    (
        6,
        "resident",
        "Pat Ito",
        16,
        "male",
        {"employment": "not in labor force", "income_usd": 0, "poverty_ratio": None, "health_insurance": None},
    ),
    (
        7,
        "resident",
        "Quin Abt",
        35,
        "male",
        {"employment": "not in labor force", "income_usd": 0, "poverty_ratio": None, "health_insurance": None},
    ),
]
HOMES: list[tuple[int, str, str | None, dict[str, Any]]] = [
    (0, "family", None, {"tenure": "owner", "rooms": 4, "vehicles": 1, "social_security_usd": 20_000}),
    (1, "family", None, {"tenure": "renter", "rooms": 5, "vehicles": 0, "social_security_usd": 18_000, "snap": True}),
    (2, "nonfamily", None, {"tenure": "renter", "rooms": 1, "vehicles": 0, "limited_english": True}),
    (3, "nonfamily", None, {"tenure": "renter", "rooms": 6, "vehicles": 2}),
    (4, "group_quarters", "student housing", {}),
    (5, "group_quarters", "nursing facility", {}),
    (6, "group_quarters", "juvenile", {}),
    (7, "group_quarters", "correctional", {}),
]


def _person(number: int, home: int, role: str, name: str, age: int, sex: str, facts: dict[str, Any]) -> dict[str, Any]:
    employment = facts.get("employment", "employed" if age >= 18 else None)
    works = employment in ("employed", "armed forces")
    earned = facts.get("earnings_usd", 30_000 if works else 0)
    person = {
        "person_id": number,
        "household_id": home,
        "role": role,
        "age": age,
        "sex": sex,
        "race_ethnicity": "White",
        "birthplace": STATE,
        "nativity": "native",
        "citizenship": "born",
        "language_home": "English",
        "english": "only English" if age >= 5 else None,
        "education": "high school" if age >= 18 else "less than high school",
        "enrollment": "not enrolled",
        "grade": None,
        "marital_status": "never married",
        "employment": employment,
        "occupation": "service" if employment == "employed" else None,
        "industry": "retail trade" if employment == "employed" else None,
        "class_of_worker": "private" if employment == "employed" else None,
        "full_time_year_round": works,
        "earnings_usd": earned if age >= 16 else None,
        "income_usd": earned if age >= 15 else None,
        "poverty_ratio": 2.0 + home,
        "commute_mode": "drove alone" if works else None,
        "commute_minutes": 20 if works else None,
        "disability": "none",
        "health_insurance": "private",
        "religion": "Catholic" if age >= 18 else None,
        "party": "Democratic" if age >= 18 else None,
        "height_cm": 170.0 if age >= 16 else 80.0 + 6 * age,
        "weight_kg": 70.0 if age >= 16 else 10.0 + 3 * age,
        "name": name,
        **dict.fromkeys(TRAITS, 0.5),
        "norms": "IPIP-NEO-120" if age >= 18 else "extrapolated",
        "borrowed": "",
    }
    return person | facts


def people() -> pl.DataFrame:
    """Return the town's people, person_id 0 to 16."""
    rows = [_person(number, *member) for number, member in enumerate(MEMBERS)]
    names = rows[0].keys()
    types = {
        c: pl.Int32 if c in INTEGERS else pl.Float32 if c in FLOATS else pl.Boolean if "full" in c else pl.String
        for c in names
    }
    return pl.DataFrame(rows, schema=types)


def households() -> pl.DataFrame:
    """Return the town's eight homes: four households and four people in group quarters."""
    members = people()
    rows = []
    for number, kind, gq_type, facts in HOMES:
        own = members.filter(pl.col("household_id") == number)
        home = kind != "group_quarters"
        earned = int(own["earnings_usd"].sum())
        rows.append(
            {
                "household_id": number,
                "kind": kind,
                "gq_type": gq_type,
                "size": own.height,
                "tenure": facts.get("tenure"),
                "income_usd": int(own["income_usd"].sum()) if home else None,
                "vehicles": facts.get("vehicles"),
                "block_group": "250173501001",
                "rooms": facts.get("rooms"),
                "snap": facts.get("snap", False) if home else None,
                "telephone": True if home else None,
                "limited_english": facts.get("limited_english", False) if home else None,
                "earnings_usd": earned if home else 0,
                "social_security_usd": facts.get("social_security_usd", 0),
                "ssi_usd": 0,
                "public_assistance_usd": 0,
                "retirement_usd": 0,
                "housing_cost_pct": 25.0 if home else None,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"household_id": pl.Int32, "housing_cost_pct": pl.Float32})


def random_town(n: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return n people and their households at random: categories are valid, but many a rule is broken."""
    r = np.random.default_rng(seed)
    home = np.sort(r.integers(0, max(n // 2, 1), n))
    home = np.unique(home, return_inverse=True)[1]
    homes = int(home.max()) + 1
    size = np.bincount(home)
    quarters = (size == 1) & (r.random(homes) < 0.3)
    first = np.r_[True, home[1:] != home[:-1]]
    age = r.integers(0, 100, n)
    native = r.random(n) < 0.7
    works = (age >= 16) & (r.random(n) < 0.6)

    def pick(values: tuple[str, ...] | list[str], where: np.ndarray | None = None, size: int = n) -> pl.Series:
        drawn = r.choice(np.array(values), size).tolist()
        return pl.Series(drawn if where is None else [v if w else None for v, w in zip(drawn, where, strict=True)])

    persons = pl.DataFrame(
        {
            "person_id": np.arange(n, dtype=np.int32),
            "household_id": home.astype(np.int32),
            "role": pl.Series(
                np.where(
                    quarters[home],
                    "resident",
                    np.where(first, "householder", r.choice(["spouse", "child", "housemate"], n)),
                ).tolist()
            ),
            "age": age.astype(np.int16),
            "sex": pick(SEXES),
            "race_ethnicity": pick(RACE_ETHNICITIES),
            "nativity": pl.Series(np.where(native, *NATIVITIES).tolist()),
            "birthplace": pl.Series(
                np.where(
                    native, r.choice([STATE, *US_BIRTHPLACES], n), r.choice(birthplaces()["country"].to_numpy(), n)
                ).tolist()
            ),
            "citizenship": pl.Series(np.where(native, "born", r.choice(CITIZENSHIPS[1:], n)).tolist()),
            "language_home": pick(["English", "Spanish"]),
            "english": pick(ENGLISH_LEVELS, age >= 5),
            "education": pick(EDUCATIONS),
            "enrollment": pick(ENROLLMENTS),
            "grade": pick(["preschool", "grade 1", "graduate"], age > 50),
            "marital_status": pick(MARITAL_STATUSES),
            "employment": pick(EMPLOYMENTS, age >= 16),
            "occupation": pick(OCCUPATIONS, works),
            "industry": pick(INDUSTRIES, works),
            "class_of_worker": pick(CLASSES_OF_WORKER, works),
            "full_time_year_round": works,
            "earnings_usd": r.integers(0, 200_000, n).astype(np.int32),
            "income_usd": pl.Series(
                [int(v) if a >= 15 else None for v, a in zip(r.integers(0, 200_000, n), age, strict=True)],
                dtype=pl.Int32,
            ),
            "poverty_ratio": (r.random(n) * 5).astype(np.float32),
            "commute_mode": pick(COMMUTE_MODES, works),
            "commute_minutes": r.integers(1, 90, n).astype(np.int16),
            "disability": pick(["none", "hearing", "hearing; vision"]),
            "health_insurance": pick(HEALTH_INSURANCES),
            "religion": pick(RELIGIONS, age >= 18),
            "party": pick(PARTIES, age >= 18),
            "height_cm": r.normal(170, 8, n).astype(np.float32),
            "weight_kg": r.normal(70, 9, n).astype(np.float32),
            "name": pl.Series(["A B"] * n),
            **{trait: r.uniform(0.001, 0.999, n).astype(np.float32) for trait in TRAITS},
            "norms": pl.Series(np.where(age >= 18, "IPIP-NEO-120", "extrapolated").tolist()),
            "borrowed": pl.Series([""] * n),
        }
    )
    units = pl.DataFrame(
        {
            "household_id": np.arange(homes, dtype=np.int32),
            "kind": pl.Series(np.where(quarters, "group_quarters", r.choice(["family", "nonfamily"], homes)).tolist()),
            "gq_type": pick(GQ_TYPES, quarters, homes),
            "size": size.astype(np.int16),
            "tenure": pick(TENURES, ~quarters, homes),
            "income_usd": r.integers(0, 400_000, homes).astype(np.int32),
            "vehicles": r.integers(0, 3, homes).astype(np.int8),
            "block_group": pl.Series(["250173501001"] * homes),
            "rooms": r.integers(1, 9, homes).astype(np.int8),
            "snap": r.random(homes) < 0.1,
            "telephone": r.random(homes) < 0.99,
            "limited_english": r.random(homes) < 0.05,
            **{
                f"{name}_usd": r.integers(0, 3, homes).astype(np.int32)
                for name in ("earnings", "social_security", "ssi", "public_assistance", "retirement")
            },
            "housing_cost_pct": (r.random(homes) * 60).astype(np.float32),
        }
    )
    return persons, units
