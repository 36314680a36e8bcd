"""A small invented city with the columns of a real study, so that pages and exports can be tested without one."""

import json

import numpy as np
import polars as pl

from cityfolk import vocabulary as v
from cityfolk.profiles.schema import ProfileText

FEMALE = ("Ada", "Bea", "Cleo", "Dora", "Edith", "Fatima", "Grace", "Hui Min", "Ines", "Jo")
MALE = ("Alan", "Bo", "Cyril", "Dev", "Emil", "Farid", "Goran", "Hugo", "Ivo", "Juan")
LAST = ("Álvarez", "Brown", "Chen", "Diallo", "Evans", "Fox", "García", "Hughes", "Ito", "Jones", "O'Neil", "Nguyễn")


def geometry(n: int = 9) -> dict:
    """A square grid of block groups near latitude 42, the middle one with a hole."""
    side = int(np.ceil(np.sqrt(n)))
    features = []
    for i in range(n):
        x, y = -71.13 + 0.01 * (i % side), 42.36 + 0.008 * (i // side)
        ring = [[x, y], [x + 0.01, y], [x + 0.01, y + 0.008], [x, y + 0.008], [x, y]]
        rings = [ring]
        if i == n // 2:
            hole = [[x + 0.003, y + 0.003], [x + 0.003, y + 0.005], [x + 0.006, y + 0.005], [x + 0.006, y + 0.003]]
            rings.append([*hole, hole[0]])
        features.append(
            {
                "type": "Feature",
                "properties": {"GEOID": f"25017000{i:04d}", "NAME": f"Block Group {i + 1}"},
                "geometry": {"type": "Polygon", "coordinates": rings},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def people_and_households(n_households: int = 120, n_gq: int = 30, seed: int = 7, n_groups: int = 9):
    """Return households and people: couples, children, singles, students in halls."""
    g = np.random.default_rng(seed)
    size = g.choice([1, 2, 3, 4, 5], n_households, p=[0.36, 0.34, 0.15, 0.1, 0.05])
    size = np.concatenate([size, np.ones(n_gq, int)])
    is_gq = np.arange(len(size)) >= n_households
    couple = (size >= 2) & (g.random(len(size)) < 0.7)
    groups = np.array([f["properties"]["GEOID"] for f in geometry(n_groups)["features"]])
    hid = np.repeat(np.arange(len(size)), size)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    pos = np.arange(len(hid)) - np.repeat(first, size)
    n = len(hid)
    in_gq, in_couple = is_gq[hid], couple[hid]
    role = np.where(
        in_gq,
        "resident",
        np.where(pos == 0, "householder", np.where(in_couple, np.where(pos == 1, "spouse", "child"), "housemate")),
    )
    age = np.clip(g.gamma(5, 8, n), 18, 95).astype(int)
    age = np.where(role == "child", g.integers(0, 18, n), np.where(role == "resident", g.integers(18, 26, n), age))
    sex = np.where(g.random(n) < 0.51, "female", "male")
    foreign = g.random(n) < 0.29
    adult, minor = age >= 18, age < 18
    worker = (age >= 16) & (g.random(n) < 0.68) & ~in_gq
    race = g.choice(v.RACE_ETHNICITIES[:4], n, p=[0.6, 0.1, 0.02, 0.28])

    def some(values, mask, p=None):
        return np.where(mask, g.choice(values, n, p=p), None)

    earnings = np.where(worker, np.exp(g.normal(10.9, 0.8, n)).astype(int), 0)
    mode = some(v.COMMUTE_MODES[:6], worker, [0.22, 0.04, 0.24, 0.2, 0.08, 0.22])
    minutes = np.where(worker & (mode != "worked from home"), np.clip(g.gamma(4, 6, n), 2, 90).astype(int), -1)
    first_name = np.where(sex == "female", g.choice(FEMALE, n), g.choice(MALE, n))
    people = pl.DataFrame(
        {
            "person_id": np.arange(n, dtype=np.int32),
            "household_id": hid.astype(np.int32),
            "role": role.tolist(),
            "age": age.astype(np.int16),
            "sex": sex.tolist(),
            "race_ethnicity": race.tolist(),
            "birthplace": np.where(
                foreign, g.choice(["China", "India", "Haiti", "Brazil"], n), "Massachusetts"
            ).tolist(),
            "nativity": np.where(foreign, "foreign-born", "native").tolist(),
            "citizenship": np.where(foreign, g.choice(["naturalized", "not a citizen"], n), "born").tolist(),
            "language_home": np.where(foreign, "Other", "English").tolist(),
            "english": np.where(age < 5, None, np.where(foreign, "very well", "only English")).tolist(),
            "education": np.where(
                minor, v.EDUCATIONS[0], g.choice(v.EDUCATIONS, n, p=[0.04, 0.09, 0.12, 0.28, 0.47])
            ).tolist(),
            "enrollment": np.where(
                in_gq, v.ENROLLMENTS[4], np.where((age >= 6) & minor, v.ENROLLMENTS[2], v.ENROLLMENTS[0])
            ).tolist(),
            "grade": np.where(in_gq, "undergraduate", np.where((age >= 6) & minor, "grade 3", None)).tolist(),
            "marital_status": np.where(
                np.isin(role, ["spouse"]) | ((role == "householder") & in_couple), "married", "never married"
            ).tolist(),
            "employment": np.where(age < 16, None, np.where(worker, "employed", "not in labor force")).tolist(),
            "occupation": some(v.OCCUPATIONS, worker, [0.7, 0.1, 0.13, 0.03, 0.04]).tolist(),
            "industry": some(v.INDUSTRIES, worker).tolist(),
            "class_of_worker": some(v.CLASSES_OF_WORKER[:3], worker, [0.8, 0.1, 0.1]).tolist(),
            "full_time_year_round": (worker & (g.random(n) < 0.7)).tolist(),
            "earnings_usd": pl.Series(np.where(age < 16, None, earnings).tolist(), dtype=pl.Int32),
            "income_usd": pl.Series(np.where(age < 15, None, earnings + 500).tolist(), dtype=pl.Int32),
            "poverty_ratio": pl.Series(np.where(in_gq, None, g.gamma(4, 1.2, n)).tolist(), dtype=pl.Float32),
            "commute_mode": mode.tolist(),
            "commute_minutes": pl.Series(np.where(minutes > 0, minutes, None).tolist(), dtype=pl.Int16),
            "disability": np.where(g.random(n) < 0.08, "ambulatory; hearing", "none").tolist(),
            "health_insurance": g.choice(v.HEALTH_INSURANCES, n, p=[0.7, 0.2, 0.08, 0.02]).tolist(),
            "religion": some(v.RELIGIONS, adult).tolist(),
            "party": some(v.PARTIES, adult & ~foreign, [0.6, 0.06, 0.34]).tolist(),
            "height_cm": np.where(sex == "male", 176, 163) + g.normal(0, 7, n).astype(np.float32),
            "weight_kg": (72 + g.normal(0, 12, n)).astype(np.float32),
            "name": [f"{a} {b}" for a, b in zip(first_name, g.choice(LAST, n), strict=True)],
            **{t: np.clip(g.random(n), 0.001, 0.999).astype(np.float32) for t in v.TRAITS},
            "norms": np.where(age < 16, "extrapolated", "IPIP-NEO-120").tolist(),
            "borrowed": ["disability;religion"] * n,
        },
        strict=False,
    )
    total = (
        people.group_by("household_id", maintain_order=True).agg(pl.col("income_usd").sum())["income_usd"].to_numpy()
    )
    owner = g.random(len(size)) < 0.35

    def household(values):
        return np.where(is_gq, None, values).tolist()

    households = pl.DataFrame(
        {
            "household_id": np.arange(len(size), dtype=np.int32),
            "kind": np.where(is_gq, "group_quarters", np.where(couple, "family", "nonfamily")).tolist(),
            "gq_type": np.where(is_gq, "student housing", None).tolist(),
            "size": size.astype(np.int16),
            "tenure": household(np.where(owner, "owner", "renter")),
            "income_usd": pl.Series(household(total), dtype=pl.Int32),
            "vehicles": pl.Series(household(g.integers(0, 3, len(size))), dtype=pl.Int8),
            "block_group": g.choice(groups, len(size)).tolist(),
            "rooms": pl.Series(household(g.integers(2, 8, len(size))), dtype=pl.Int8),
        },
        strict=False,
    )
    return households, people


SAMPLE = (
    "{first} keeps a small notebook of things that worked and things that did not, and reads it on the last evening of "
    "each month. Neighbours know {first} as someone who turns up on time and says little."
)


def cohort_and_profiles(people: pl.DataFrame, n: int = 20, seed: int = 7):
    """Return a cohort with weights and what was "written" about it; every seventh profile has a problem."""
    g = np.random.default_rng(seed)
    adults = people.filter(pl.col("age") >= 18)
    chosen = adults[np.sort(g.choice(adults.height, min(n, adults.height), replace=False))]
    cohort = chosen.select("person_id").with_columns(
        weight=pl.lit(adults.height / chosen.height),
        overrides=pl.Series([json.dumps({"openness": 0.05}) if i % 9 == 4 else "" for i in range(chosen.height)]),
    )
    rows = []
    for i, person in enumerate(chosen.iter_rows(named=True)):
        first = person["name"].split()[0]
        text = SAMPLE.format(first=first)
        row = {"person_id": person["person_id"], "engine": "pocket", "model": "pocket-0@abc"}
        for field, info in ProfileText.model_fields.items():
            row[field] = ["keeps promises", "plain speech", "patience"] if "list" in str(info.annotation) else text
        row["job_title"] = "Laboratory manager"
        problems = []
        if i % 7 == 3:
            row["family"] = f"{first}, who is 91 years old, lives with two cats."
            start = row["family"].index("91 years old")
            problems = [
                {
                    "person_id": person["person_id"],
                    "rule": "age",
                    "field": "family",
                    "known": str(person["age"]),
                    "written": "91 years old",
                    "start": start,
                    "end": start + 12,
                }
            ]
        row["problems"] = json.dumps(problems)
        row["prompt_hash"], row["seed"] = "0123456789abcdef", 7
        rows.append(row)
    return cohort, pl.DataFrame(rows)
