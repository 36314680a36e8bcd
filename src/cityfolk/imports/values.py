"""Words of others -> the closed lists of people.parquet: "Male" is male, "Married, not separated" is married.

A value that is not understood is None: unknown is said to be unknown, never guessed. Numbers are read where a text
holds one number and no more ("34 years old", "$85,000", "175.3 cm"); a range ("25-34") is none, nor is an
age with one bound ("65+", "over 30") or of ten years ("in her 30s"). A word after a negation ("not employed",
"anti-Catholic") is none either, unless the words as a whole settle it ("never married").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cityfolk.tables.birth import birthplaces
from cityfolk.vocabulary import DISABILITIES, HISPANIC_SUFFIX, PEOPLE_CATEGORIES

_NUMBER = re.compile(r"(?<![\d.])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.])-?\d+(?:\.\d+)?")
_SPACE = re.compile(r"[\s_-]+")
UNITED_STATES = frozenset(
    "united states,usa,us,u.s.,u.s.a.,america,united states of america,american,the united states".split(",")
)
# After one of these a word does not say what it says alone; the compounds of _HARMLESS turn nothing around.
_NEGATION = re.compile(
    r"\b(?:not|no|non|none|nor|neither|never|anti|un|without|less than|below|ex|former|formerly|cannot)\b|n['’]t\b"
)
_HARMLESS = re.compile(r"\b(?:non (?:denominational|profit|durable|store|residential)|not for profit)\b")
_NOT_HISPANIC = re.compile(
    r"\b(?:non|not)(?: of)? (?:hispanic|latin[oax])\b(?:(?: or|/| and) ?(?:hispanic|latin[oax])\b)?"
)
_HISPANIC = re.compile(r"\b(?:hispanic|latin[oaxe])\b")
_SCALE = re.compile(r"\d\s*(hundred|thousand|k|million|mm?|billion)\b", re.IGNORECASE)
_SCALES = {"hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "mm": 1e6, "billion": 1e9}
_SHORT_PAY = re.compile(
    r"(?:\b(?:an?|per|each|every|by the|one)\s+|/\s*|\bp)(?:hour|hr|h|day|d|week|wk|w|fortnight|month|mth|mo|m|shift)\b"
    r"|\b(?:hourly|daily|(?:bi)?weekly|(?:bi|semi)?monthly)\b",
    re.IGNORECASE,
)
_LIMIT = r"(?:over|above|under|below|up|older|younger|more|less)"
# An age that is one of many: "65+", "80 or older", "over 30", "at least 18", "<18", "30s".
_OPEN_AGE = re.compile(
    rf"\d\s*(?:\+|plus\b|['’]?s\b|(?:years?|yrs?|y)?\s*(?:of age|old)?\s*(?:and|or|&)\s+{_LIMIT}\b)"
    r"|\b(?:over|above|under|below|up to|older than|younger than|more than|less than|at least|at most)\s+"
    r"(?:the age of\s+|age\s+)?\d|[<>≤≥]=?\s*\d",
    re.IGNORECASE,
)
_YOUNG = re.compile(r"\d[\s-]*(?:months?|mos?|mths?|weeks?|wks?|days?)\b", re.IGNORECASE)

_DID_NOT = ("did not", "didn't", "didn’t")
_FINISH = ("finish", "complete", "graduate", "graduate from")
# By column: a whole value that settles it, lower case, without a full stop at its end.
_WHOLE: Mapping[str, dict[str, str]] = {"sex": {"f": "female", "m": "male"}}
# By column: words that settle a value, the first that is found in the text wins. Whole words, lower case.
_WORDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "sex": (("female", "female"), ("woman", "female"), ("girl", "female"), ("male", "male"), ("man", "male")),
    "marital_status": (
        ("never married", "never married"),
        ("unmarried", "never married"),
        ("not separated", "married"),
        ("except separated", "married"),
        ("separated", "separated"),
        ("divorced", "divorced"),
        ("widowed", "widowed"),
        ("widow", "widowed"),
        ("widower", "widowed"),
        ("single", "never married"),
        ("married", "married"),
    ),
    "education": (
        ("less than high school", "less than high school"),
        ("less than a high school", "less than high school"),
        ("no high school", "less than high school"),
        ("graduate or professional", "graduate or professional"),
        ("doctorate", "graduate or professional"),
        ("doctoral", "graduate or professional"),
        ("phd", "graduate or professional"),
        ("ph.d", "graduate or professional"),
        ("master's", "graduate or professional"),
        ("masters", "graduate or professional"),
        ("master", "graduate or professional"),
        ("mba", "graduate or professional"),
        ("undergraduate degree", "bachelor's"),
        ("under graduate degree", "bachelor's"),
        ("graduate degree", "graduate or professional"),
        ("professional degree", "graduate or professional"),
        ("postgraduate", "graduate or professional"),
        ("bachelor's", "bachelor's"),
        ("bachelors", "bachelor's"),
        ("bachelor", "bachelor's"),
        ("associate's", "some college or associate's"),
        ("associate", "some college or associate's"),
        ("some college", "some college or associate's"),
        ("undergraduate", "some college or associate's"),
        ("ged", "high school"),
        ("some high school", "less than high school"),
        ("high school dropout", "less than high school"),
        ("high school drop out", "less than high school"),
        ("dropped out of high school", "less than high school"),
        *((f"{no} {end} high school", "less than high school") for no in _DID_NOT for end in _FINISH),
        ("never finished high school", "less than high school"),
        ("never completed high school", "less than high school"),
        ("high school", "high school"),
        ("secondary school", "high school"),
        ("kindergarten", "less than high school"),
        ("nursery school", "less than high school"),
        ("elementary", "less than high school"),
    ),
    "employment": (
        ("not in labor force", "not in labor force"),
        ("not in the labor force", "not in labor force"),
        ("unemployed", "unemployed"),
        ("retired", "not in labor force"),
        ("student", "not in labor force"),
        ("homemaker", "not in labor force"),
        ("armed forces", "armed forces"),
        ("employed", "employed"),
        ("self employed", "employed"),
        ("working", "employed"),
    ),
    "party": (
        ("democratic", "Democratic"),
        ("democrat", "Democratic"),
        ("republican", "Republican"),
        ("libertarian", "other"),
        ("green", "other"),
        ("independent", "other"),
        ("other", "other"),
    ),
    "religion": (
        ("evangelical", "Evangelical Protestant"),
        ("mainline", "Mainline Protestant"),
        ("catholic", "Catholic"),
        ("mormon", "Mormon"),
        ("jehovah's witness", "Jehovah's Witness"),
        ("other christian", "Other Christian"),
        ("jewish", "Jewish"),
        ("judaism", "Jewish"),
        ("muslim", "Muslim"),
        ("islam", "Muslim"),
        ("buddhist", "Buddhist"),
        ("buddhism", "Buddhist"),
        ("hindu", "Hindu"),
        ("hinduism", "Hindu"),
        ("other world", "Other world religion"),
        ("other faiths", "Other faith"),
        ("other faith", "Other faith"),
        ("atheist", "Atheist"),
        ("agnostic", "Agnostic"),
        ("nothing in particular", "Nothing in particular"),
        ("don't know", "Don't know"),
        ("orthodox christian", "Orthodox Christian"),
    ),
    "industry": (
        ("agriculture", "agriculture and mining"),
        ("mining", "agriculture and mining"),
        ("construction", "construction"),
        ("manufacturing", "manufacturing"),
        ("wholesale", "wholesale trade"),
        ("retail", "retail trade"),
        ("transportation", "transportation, warehousing and utilities"),
        ("utilities", "transportation, warehousing and utilities"),
        ("information", "information"),
        ("finance", "finance, insurance and real estate"),
        ("insurance", "finance, insurance and real estate"),
        ("real estate", "finance, insurance and real estate"),
        ("professional", "professional, scientific and administrative services"),
        ("management", "professional, scientific and administrative services"),
        ("administrative", "professional, scientific and administrative services"),
        ("educational", "education, health care and social assistance"),
        ("education", "education, health care and social assistance"),
        ("health care", "education, health care and social assistance"),
        ("healthcare", "education, health care and social assistance"),
        ("arts", "arts, entertainment, lodging and food"),
        ("accommodation", "arts, entertainment, lodging and food"),
        ("food services", "arts, entertainment, lodging and food"),
        ("public administration", "public administration"),
    ),
    "nativity": (("foreign", "foreign-born"), ("native", "native")),
    "race_ethnicity": (
        ("two or more", "Two or more races"),
        ("multiracial", "Two or more races"),
        ("african american", "Black or African American"),
        ("black", "Black or African American"),
        ("asian", "Asian"),
        ("white", "White"),
        ("caucasian", "White"),
    ),
}


def read_value(column: str, value: Any) -> Any:
    """Return a value as people.parquet would hold it in `column`; None where it is not understood."""
    if isinstance(value, list) and column != "disability":
        value = value[0] if len(value) == 1 else None
    if value is None or isinstance(value, bool):
        return None
    reader: Callable[[str, Any], Any] = _READERS.get(column, _category)
    return reader(column, value)


def _category(column: str, value: Any) -> str | None:
    text = _plain(value)
    exact = {_plain(known): known for known in PEOPLE_CATEGORIES.get(column, ())} | _WHOLE.get(column, {})
    whole = exact.get(text, exact.get(text.rstrip(".")))
    return whole if whole is not None else _by_word(column, _HARMLESS.sub("", text))


def _by_word(column: str, text: str) -> str | None:
    for word, meant in _WORDS.get(column, ()):
        if found := re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text):
            return None if _NEGATION.search(text, 0, found.start()) else meant
    return None


def _race(column: str, value: Any) -> str | None:
    """Return a race with the origin the text gives it: "White Hispanic" is "White, Hispanic or Latino"."""
    whole = _plain(value)
    text = _NOT_HISPANIC.sub("", whole)
    if not _HISPANIC.search(text):
        return _category(column, text)
    known = {_plain(race): race for race in PEOPLE_CATEGORIES[column]}
    if whole in known:
        return known[whole]
    race = None if text != whole or _NEGATION.search(text) else _by_word(column, text)
    return None if race is None else race + HISPANIC_SUFFIX


def _plain(value: Any) -> str:
    return _SPACE.sub(" ", str(value)).strip().lower()


def _number(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value) if value == value and abs(value) < 1e15 else None
    found = _NUMBER.findall(str(value))
    return float(found[0].replace(",", "")) if len(found) == 1 else None


def _age(_: str, value: Any) -> int | None:
    text = str(value)
    number = None if _YOUNG.search(text) or _OPEN_AGE.search(text) else _number(value)
    return int(number) if number is not None and 0 <= number <= 120 else None


def _dollars(_: str, value: Any) -> int | None:
    number, text = _number(value), str(value)
    if number is None or "€" in text or "£" in text or _SHORT_PAY.search(text):
        return None
    scale = _SCALE.search(text)
    dollars = round(number * _SCALES[scale[1].lower()], 2) if scale else number
    return int(dollars) if 0 <= dollars < 2**31 else None


def _centimetres(_: str, value: Any) -> float | None:
    number = _number(value)
    return (
        number if number is not None and 30 <= number <= 260 and not re.search(r"['\"]|ft|in\b", str(value)) else None
    )


def _kilograms(_: str, value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and 1 <= number <= 400 and not re.search(r"lb|pound", str(value)) else None


def _percentile(_: str, value: Any) -> float | None:
    return _number(value)


def _disability(_: str, value: Any) -> str | None:
    items = [_plain(item) for item in (value if isinstance(value, list) else [value])]
    text = "; ".join(items)
    said = {
        (name, bool(_NEGATION.search(item, 0, item.find(name.replace("-", " ")))))
        for name in DISABILITIES
        for item in items
        if name.replace("-", " ") in item
    }
    if said:
        return "; ".join(name for name in DISABILITIES if (name, False) in said and (name, True) not in said) or None
    return "none" if re.search(r"\bno\b|\bnone\b|no disabilit", text) else None


def _text(_: str, value: Any) -> str | None:
    text = str(value).strip()
    return text[:200] or None


@cache
def _countries() -> dict[str, str]:
    return {name.lower(): name for name in birthplaces()["country"].to_list()}


def _birthplace(_: str, value: Any) -> str | None:
    text = str(value).strip()
    if text.lower() in UNITED_STATES:
        return "United States"
    return _countries().get(text.lower(), text[:100] or None)


def nativity_of(birthplace: str | None) -> str | None:
    """Return whether a birthplace is in the United States ("native") or a known country ("foreign-born"), else None."""
    if birthplace is None:
        return None
    if birthplace == "United States":
        return "native"
    return "foreign-born" if birthplace.lower() in _countries() else None


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "age": _age,
    "earnings_usd": _dollars,
    "income_usd": _dollars,
    "height_cm": _centimetres,
    "weight_kg": _kilograms,
    "disability": _disability,
    "race_ethnicity": _race,
    "name": _text,
    "language_home": _text,
    "birthplace": _birthplace,
    **dict.fromkeys(("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"), _percentile),
}
