"""Plausible random citizens for training the embedded model: wider than any one city, nearly uniform over categories.

These people only teach the model to read a prompt; they stand for no population.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from faker import Faker
from numpy.random import Generator

from cityfolk import vocabulary as vocab
from cityfolk.types import BigFive, Citizen, Household, Person

T = TypeVar("T")
COUNTRIES = tuple(
    """
Afghanistan; Africa, n.e.c.; Albania; Algeria; Argentina; Armenia; Asia, n.e.c.; Australia; Austria;
Azerbaijan; Azores Islands; Bahamas; Bangladesh; Barbados; Belarus; Belgium; Belize; Bhutan; Bolivia; Bosnia
and Herzegovina; Brazil; Bulgaria; Burma (Myanmar); Cabo Verde; Cambodia; Cameroon; Canada; Chile; China;
Colombia; Congo; Costa Rica; Croatia; Cuba; Czechoslovakia; Democratic Republic of Congo; Denmark; Dominica;
Dominican Republic; Ecuador; Egypt; El Salvador; England; Eritrea; Ethiopia; Europe, n.e.c.; Fiji; France;
Georgia; Germany; Ghana; Greece; Grenada; Guatemala; Guyana; Haiti; Honduras; Hong Kong; Hungary; India;
Indonesia; Iran; Iraq; Ireland; Israel; Italy; Ivory Coast; Jamaica; Japan; Jordan; Kazakhstan; Kenya; Korea;
Kuwait; Laos; Latvia; Lebanon; Liberia; Lithuania; Malaysia; Marshall Islands; Mexico; Micronesia; Moldova;
Morocco; Nepal; Netherlands; Nicaragua; Nigeria; North Macedonia (Macedonia); Norway; Oceania, n.e.c.; Other
Australian and New Zealand Subregion; Other Caribbean; Other Central America; Other Eastern Africa; Other
Eastern Asia; Other Eastern Europe; Other Middle Africa; Other Northern Africa; Other Northern America; Other
Northern Europe; Other South America; Other South Central Asia; Other South Eastern Asia; Other Southern
Africa; Other Southern Europe; Other Western Africa; Other Western Asia; Other Western Europe; Pakistan;
Panama; Peru; Philippines; Poland; Romania; Russia; Saudi Arabia; Scotland; Senegal; Serbia; Sierra Leone;
Singapore; Somalia; South Africa; Spain; Sri Lanka; St. Lucia; St. Vincent and the Grenadines; Sudan; Sweden;
Switzerland; Syria; Taiwan; Tanzania; Thailand; Togo; Trinidad and Tobago; Turkey; Uganda; Ukraine; United
Arab Emirates; United Kingdom; Uruguay; Uzbekistan; Venezuela; Vietnam; West Indies; Yemen; Zimbabwe
""".replace("\n", " ")
    .strip()
    .split("; ")
)
STATES = (
    "Massachusetts", "New York", "California", "Texas", "Ohio", "Illinois", "Rhode Island", "Connecticut", "Maine",
    "New Hampshire", "Vermont", "New Jersey", "Pennsylvania", "Florida", "Georgia", "Michigan", "Washington",
    "Oregon", "Minnesota", "North Carolina", "Virginia", "Colorado",
)  # fmt: skip
HOMES = (
    "Boston, Massachusetts", "Worcester, Massachusetts", "Somerville, Massachusetts", "Port Ellery, Norland",
    "Chicago, Illinois", "Austin, Texas", "Portland, Oregon", "Lowell, Massachusetts", "Providence, Rhode Island",
)  # fmt: skip
LANGUAGES = (
    "English", "Spanish", "Portuguese", "Chinese", "Haitian Creole", "French", "Arabic", "Amharic", "Hindi", "Bengali",
    "Korean", "Japanese", "Russian", "German", "Italian", "Greek", "Polish", "Vietnamese", "Tagalog", "Hebrew",
    "Persian", "Urdu", "Nepali", "Tamil", "Turkish", "Swahili", "Other Indo-European languages",
    "Asian and Pacific Island languages", "Other languages", "Mandarin", "Armenian", "Gujarati", "Somali", "Yoruba",
)  # fmt: skip
LOCALES = (
    "en_US", "en_US", "en_US", "en_GB", "en_IE", "en_IN", "en_NG", "en_KE", "es_MX", "es_CO", "es_ES", "es_AR",
    "pt_BR", "pt_PT", "fr_FR", "fr_CA", "de_DE", "it_IT", "pl_PL", "nl_NL", "sv_SE", "vi_VN", "fil_PH", "id_ID",
    "tr_TR", "cs_CZ", "ro_RO", "ha_NG", "yo_NG", "ig_NG", "zu_ZA", "sw", "hr_HR", "no_NO", "da_DK", "fi_FI", "hu_HU",
)  # fmt: skip
_ONSETS = (
    "b",
    "ch",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "kh",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "sh",
    "t",
    "v",
    "w",
    "x",
    "y",
    "z",
    "tr",
    "br",
    "",
)
_RIMES = ("a", "e", "i", "o", "u", "ai", "an", "en", "in", "ong", "ei", "ar", "el", "is", "ia", "ou", "ur", "am", "eth")


class NamePool:
    """First and last names of many countries, made once, so that a name costs two draws."""

    def __init__(self, size: int = 400) -> None:
        self.first: dict[str, list[tuple[str, ...]]] = {"female": [], "male": []}
        self.last: list[tuple[str, ...]] = []
        for number, locale in enumerate(LOCALES):
            fake = Faker(locale)
            fake.seed_instance(number)
            for sex in ("female", "male"):
                self.first[sex].append(tuple(getattr(fake, f"first_name_{sex}")() for _ in range(size)))
            self.last.append(tuple(fake.last_name() for _ in range(size)))

    def draw(self, sex: str, rng: Generator) -> str:
        """Return a full name; one in eight is made of random syllables, so that copying is learned and not a list."""
        k = int(rng.integers(len(self.last)))
        first, last = pick(self.first[sex][k], rng), pick(self.last[k], rng)
        if rng.random() < 0.12:
            first = _syllables(rng)
        if rng.random() < 0.12:
            last = _syllables(rng)
        return f"{first} {last}"


def _syllables(rng: Generator) -> str:
    word = "".join(pick(_ONSETS, rng) + pick(_RIMES, rng) for _ in range(int(rng.integers(1, 4))))
    return word.capitalize() if len(word) > 1 else "Bo"


def pick(options: Sequence[T], rng: Generator) -> T:
    """Return one of the options, all alike in probability."""
    return options[int(rng.random() * len(options))]


def draw_citizen(rng: Generator, names: NamePool) -> Citizen:
    """Return a citizen of any age (adults mostly) with a household around them."""
    age = _age(rng)
    household, role, marital, others = _home(age, rng)
    person = _person(1, age, role, marital, household, rng, names)
    people = tuple(
        _person(
            k + 2,
            min(a, 99),
            r,
            "married" if r in ("householder", "spouse") else "never married",
            household,
            rng,
            names,
        )
        for k, (r, a) in enumerate(others)
    )
    place = "Cambridge, Massachusetts" if rng.random() < 0.75 else pick(HOMES, rng)
    return Citizen(person=person, household=household, others=people, place=place)


def _age(rng: Generator) -> int:
    kind = rng.random()
    if kind < 0.12:
        return int(rng.integers(0, 18))
    return int(rng.integers(18, 45)) if kind < 0.55 else int(rng.integers(18, 98))


def _home(age: int, rng: Generator) -> tuple[Household, str, str, list[tuple[str, int]]]:
    quarters = rng.random() < (0.10 if age >= 18 else 0.02)
    if quarters:
        kinds = ("student housing",) * 4 + vocab.GQ_TYPES if 18 <= age < 35 else vocab.GQ_TYPES[1:]
        kind = pick(kinds, rng)
        home = Household(household_id=1, kind="group_quarters", gq_type=kind, size=1)
        return home, "resident", _marital(age, rng), []
    if age < 18:
        role, marital, others = _child_home(age, rng)
    elif rng.random() < 0.28:
        role, marital, others = "householder", _marital(age, rng), []
    elif rng.random() < 0.35:
        role, marital, others = _mixed_home(age, rng)
    else:
        role, marital, others = _adult_home(age, rng)
    home = Household(
        household_id=1,
        kind="nonfamily" if not others or others[0][0] == "housemate" else "family",
        size=1 + len(others),
        tenure=pick(vocab.TENURES, rng),
        income_usd=int(rng.lognormal(11.3, 0.9)),
        vehicles=int(rng.integers(0, 3)),
    )
    return home, role, marital, others


def _marital(age: int, rng: Generator) -> str:
    if age < 18 or rng.random() < max(0.0, (45 - age) / 35):
        return "never married"
    return pick(vocab.MARITAL_STATUSES, rng)


def _unmarried(age: int, rng: Generator) -> str:
    status = _marital(age, rng)
    return "divorced" if status == "married" else status


def _children(parent: int, rng: Generator, most: int = 4) -> list[tuple[str, int]]:
    oldest = parent - 18
    count = min(int(rng.integers(0, most + 1)), max(0, oldest))
    ages = sorted((int(rng.integers(max(0, parent - 45), oldest + 1)) for _ in range(count)), reverse=True)
    return [("child", a) for a in ages]


def _child_home(age: int, rng: Generator) -> tuple[str, str, list[tuple[str, int]]]:
    head = age + int(rng.integers(18, 42))
    others = [("householder", head)]
    if rng.random() < 0.7:
        others.append(("spouse", max(18, head + int(rng.integers(-5, 6)))))
    others += [("child", int(rng.integers(0, min(24, head - 17)))) for _ in range(int(rng.integers(0, 4)))]
    if rng.random() < 0.08:
        others.append(("parent", head + int(rng.integers(18, 35))))
    role = "grandchild" if rng.random() < 0.04 else "child"
    return role, "never married", others


def _adult_home(age: int, rng: Generator) -> tuple[str, str, list[tuple[str, int]]]:
    kind = rng.random()
    near = max(18, age + int(rng.integers(-8, 9)))
    if kind < 0.45:
        mine, theirs = pick((("householder", "spouse"), ("spouse", "householder")), rng)
        return mine, "married", [(theirs, near), *_children(min(age, near), rng)]
    if kind < 0.58:
        mine, theirs = pick((("householder", "unmarried partner"), ("unmarried partner", "householder")), rng)
        return mine, _unmarried(age, rng), [(theirs, near)]
    if kind < 0.68 and age > 20:
        return "householder", _unmarried(age, rng), _children(age, rng) or [("child", max(0, age - 30))]
    if kind < 0.82 and age < 60:
        return _child_home(age, rng)
    if kind < 0.94:
        ages = [max(18, age + int(rng.integers(-10, 11))) for _ in range(int(rng.integers(1, 5)))]
        if rng.random() < 0.5:
            return "householder", _unmarried(age, rng), [("housemate", a) for a in ages]
        others = [("householder", ages[0]), *(("housemate", a) for a in ages[1:])]
        return "housemate", _unmarried(age, rng), others
    relation = pick(("sibling", "parent", "other relative", "grandchild"), rng)
    other = {"parent": age + 24, "grandchild": max(0, age - 45)}.get(relation, near)
    if relation == "parent" and age > 40 and rng.random() < 0.5:
        return "parent", _unmarried(age, rng), [("householder", max(18, age - 28)), *_children(age - 28, rng, 2)]
    return "householder", _unmarried(age, rng), [(relation, min(other, 99))]


def _mixed_home(age: int, rng: Generator) -> tuple[str, str, list[tuple[str, int]]]:
    """Return a household in which anybody may live with anybody: what is rare in a city has to be copied as well."""
    near = max(18, age + int(rng.integers(-8, 9)))
    together = rng.random()
    others = [("spouse", near)] if together < 0.3 else [("unmarried partner", near)] if together < 0.55 else []
    if rng.random() < 0.6:
        others += _children(age, rng, 3)
    for _ in range(int(rng.integers(1, 5))):
        role = pick(("housemate", "housemate", "sibling", "parent", "other relative", "grandchild"), rng)
        gap = {"parent": 26, "grandchild": -44}.get(role, int(rng.integers(-12, 13)))
        others.append((role, min(99, max(0 if role == "grandchild" else 18, age + gap))))
    return "householder", "married" if together < 0.3 else _unmarried(age, rng), others


def _person(
    number: int, age: int, role: str, marital: str, household: Household, rng: Generator, names: NamePool
) -> Person:
    sex = pick(vocab.SEXES, rng)
    born = rng.random() < 0.5
    citizenship = "born" if born else pick(("naturalized", "not a citizen"), rng)
    birthplace = pick((*STATES, "Massachusetts", *vocab.US_BIRTHPLACES), rng) if born else pick(COUNTRIES, rng)
    language = "English" if rng.random() < (0.8 if born else 0.2) else pick(LANGUAGES, rng)
    facts = {**_schooling(age, household, rng)}
    facts.update(_employment(age, facts["enrollment"], household, rng))
    sick = rng.random() < (0.2 if age < 65 else 0.45)
    count = min(int(rng.geometric(0.55)), 6)
    tall = (176.0, 7.0) if sex == "male" else (163.0, 7.0)
    scale = min(1.0, 0.3 + age / 24) if age < 17 else 1.0
    height = rng.normal(*tall) * scale
    return Person(
        person_id=number,
        household_id=1,
        role=role,
        age=age,
        sex=sex,
        race_ethnicity=pick(vocab.RACE_ETHNICITIES, rng),
        birthplace=birthplace,
        nativity="native" if born else "foreign-born",
        citizenship=citizenship,
        language_home=language,
        english="only English" if language == "English" else pick(vocab.ENGLISH_LEVELS[1:], rng),
        marital_status=marital,
        income_usd=int(rng.lognormal(10.6, 1.0)) if age >= 16 and rng.random() < 0.85 else None,
        disability="; ".join(sorted(rng.permutation(vocab.DISABILITIES)[:count].tolist())) if sick else "none",
        religion=pick(vocab.RELIGIONS, rng) if age >= 18 and rng.random() < 0.9 else None,
        party=pick(vocab.PARTIES, rng) if age >= 18 and citizenship != "not a citizen" and rng.random() < 0.9 else None,
        height_cm=float(height),
        weight_kg=float(height / 100) ** 2 * float(rng.uniform(17, 36)),
        name=names.draw(sex, rng),
        personality=draw_personality(rng),
        **facts,
    )


def _schooling(age: int, household: Household, rng: Generator) -> dict[str, Any]:
    if age < 3:
        return {"education": "less than high school", "enrollment": "not enrolled"}
    if age < 18:
        if rng.random() < 0.04 or (age < 5 and rng.random() < 0.4):
            return {"education": "less than high school", "enrollment": "not enrolled"}
        grade = "preschool" if age < 5 else "kindergarten" if age == 5 else f"grade {min(12, age - 5)}"
        kind = 1 if age < 5 else 2 if age < 14 else 3
        return {"education": "less than high school", "enrollment": vocab.ENROLLMENTS[kind], "grade": grade}
    top = 3 if age < 22 else 4 if age < 24 else 5
    education = pick(vocab.EDUCATIONS[:top], rng)
    at_college = household.gq_type == "student housing" or rng.random() < (0.4 if age < 30 else 0.04)
    if at_college and education != "less than high school":
        grade = "graduate" if education in vocab.EDUCATIONS[3:] else "undergraduate"
        return {"education": education, "enrollment": vocab.ENROLLMENTS[4], "grade": grade}
    return {"education": education, "enrollment": "not enrolled"}


def _employment(age: int, enrollment: str, household: Household, rng: Generator) -> dict[str, Any]:
    if age < 16:
        return {}
    working = 0.12 if age >= 70 else 0.25 if household.kind == "group_quarters" or age < 18 else 0.72
    if rng.random() >= working:
        return {"employment": "unemployed" if rng.random() < 0.15 and age < 75 else "not in labor force"}
    mode = pick(vocab.COMMUTE_MODES, rng)
    timed = mode not in ("worked from home", "not at work last week")
    facts = {"commute_mode": mode, "commute_minutes": int(rng.integers(2, 91)) if timed else None}
    if rng.random() < 0.02 and age < 55:
        return {"employment": "armed forces", **facts}
    return {
        "employment": "employed",
        "occupation": pick((*vocab.OCCUPATIONS, *vocab.OCCUPATIONS[:1] * 2), rng),
        "industry": pick((*vocab.INDUSTRIES, *vocab.INDUSTRIES[8:10] * 2), rng),
        "class_of_worker": "self-employed" if rng.random() < 0.12 else "private",
        **facts,
    }


def draw_personality(rng: Generator) -> BigFive:
    """Return a vector: uniform on the cube for half of the people, near the middle of it for the others."""
    values = rng.uniform(0.001, 0.999, 5)
    if rng.random() < 0.3:
        values = 0.5 + (values - 0.5) * 0.6
    return BigFive.clipped(**dict(zip(vocab.TRAITS, values.tolist(), strict=True)))
