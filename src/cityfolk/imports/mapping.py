"""Which column is which: a mapping file's word, and where it is silent a guess that is shown.

source = "llama3.1:8b"        # who wrote them; or source_column = "model"
id_column = "id"              # kept as original_id
automatic = true              # what is not named below is guessed from its name
leave = ["Industry Mean salary"]

[facts]                       # column of people.parquet = column of the file (its path, or its last part)
age = "General/Age"

[text]                        # field = column of the file
general_description = "General Description"

[traits]
scale = "rank"                # or "percentile" (0 to 1), "percent" (0 to 100)
openness = "Openness"

[values.sex]                  # words of the file = words of people.parquet
F = "female"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityfolk.errors import DataError, UsageError
from cityfolk.imports.read import Row
from cityfolk.vocabulary import PEOPLE_CATEGORIES, TRAITS

Scale = Literal["rank", "percentile", "percent"]
FACTS = (
    "age",
    "sex",
    "race_ethnicity",
    "birthplace",
    "nativity",
    "language_home",
    "education",
    "marital_status",
    "employment",
    "occupation",
    "industry",
    "earnings_usd",
    "income_usd",
    "disability",
    "religion",
    "party",
    "height_cm",
    "weight_kg",
    "name",
)
# How others name what is known of a person; compared without case, spaces and signs.
_FACT_NAMES: Mapping[str, tuple[str, ...]] = {
    "age": ("age", "ageyears", "yearsold"),
    "sex": ("sex", "gender"),
    "race_ethnicity": ("raceethnicity", "race", "ethnicity", "ethnicbackground"),
    "birthplace": ("birthplace", "countryofbirth", "placeofbirth", "nationality", "countryoforigin", "bornin"),
    "nativity": ("nativity",),
    "language_home": ("languagehome", "householdlanguage", "languageathome"),
    "education": ("education", "educationlevel", "educationalattainment"),
    "marital_status": ("maritalstatus", "relationshipstatus"),
    "employment": ("employment", "employmentstatus"),
    "industry": ("industry", "industrycategory"),
    "earnings_usd": ("earningsusd", "earnings", "salary", "personalsalary", "annualsalary"),
    "income_usd": ("incomeusd", "income", "annualincome", "personalincome"),
    "disability": ("disability", "disabilities"),
    "religion": ("religion", "religiousbeliefs", "religiousaffiliation"),
    "party": ("party", "politicalideology", "politicalparty", "politicalaffiliation"),
    "height_cm": ("heightcm", "height"),
    "weight_kg": ("weightkg", "weight"),
    "name": ("name", "fullname"),
    "openness": ("openness", "opennesstoexperience", "opennessscore"),
    "conscientiousness": ("conscientiousness", "conscientiousnessscore"),
    "extraversion": ("extraversion", "extroversion", "extraversionscore"),
    "agreeableness": ("agreeableness", "agreeable", "agreeablescore", "agreeablenessscore"),
    "neuroticism": ("neuroticism", "neuroticismscore"),
}
_TEXT_NAMES: Mapping[str, tuple[str, ...]] = {
    "general_description": ("generaldescription", "description", "persona", "bio", "biography", "summary", "text"),
    "personality_description": ("personalitydescription", "generalbigfivedescription", "personality"),
    "job_title": ("jobtitle", "job", "profession"),
    "family": ("family", "familybackground"),
    "friends": ("friends", "socialnetworks"),
    "workplace": ("workplace", "workplacerelationships"),
    "community_role": ("communityrole", "roleincommunity"),
    "daily_routine": ("dailyroutine",),
    "leisure_habits": ("leisurehabits", "leisureactivities"),
    "work_habits": ("workhabits",),
    "health_habits": ("healthhabits",),
    "social_habits": ("socialhabits",),
}
# Facts that people.parquet has no column for: no text to measure either.
_OTHER_FACTS = frozenset(
    "sexualorientation industrymeansalary haircolor eyecolor complexion overweight socialclass placeofresidence "
    "residence city location state country zipcode email phone createdat timestamp date model engine source".split()
)
_ID_NAMES = ("id", "personid", "profileid", "uuid", "index")
_SIGNS = re.compile(r"[^a-z0-9]+")
_FEWEST_WORDS = 2.0  # a column of texts has at least this many words a value on average
_SAMPLE = 2_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TraitColumns(_Part):
    """Columns of the five traits, and what their numbers are."""

    scale: Scale = "rank"
    openness: str | None = None
    conscientiousness: str | None = None
    extraversion: str | None = None
    agreeableness: str | None = None
    neuroticism: str | None = None


class Mapping_(_Part):
    """A mapping file."""

    source: str | None = None
    source_column: str | None = None
    id_column: str | None = None
    automatic: bool = True
    leave: list[str] = Field(default_factory=list)
    facts: dict[str, str] = Field(default_factory=dict)
    text: dict[str, str] = Field(default_factory=dict)
    traits: TraitColumns = TraitColumns()
    values: dict[str, dict[str, str]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The mapping of one file: field and fact -> its column. `guessed` are the columns that no file named."""

    facts: Mapping[str, str]
    text: Mapping[str, str]
    left: Mapping[str, str]
    scale: Scale
    values: Mapping[str, Mapping[str, str]]
    guessed: frozenset[str]
    id_column: str | None
    source_column: str | None


def read_mapping(path: Path | None) -> Mapping_:
    """Read a mapping file; UsageError names what is wrong in it and what may have been meant."""
    if path is None:
        return Mapping_()
    try:
        mapping = Mapping_.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"there is no mapping file {path}", hint="see docs/evidence.md for an example") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not a readable TOML file: {error}", hint="mend that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = [*Mapping_.model_fields, *(f"traits.{name}" for name in TraitColumns.model_fields)]
        near = get_close_matches(where, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see docs/evidence.md for an example"
        raise UsageError(f"{path}: {where}: {first['msg']}", hint=hint) from error
    _check(mapping, path)
    return mapping


def _check(mapping: Mapping_, path: Path) -> None:
    for section, names, known in (("facts", mapping.facts, FACTS), ("values", mapping.values, FACTS)):
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
                raise UsageError(f"{path}: [{section}] has no {name!r}", hint=hint)
    for name, words in mapping.values.items():
        allowed = PEOPLE_CATEGORIES.get(name, ())
        for meant in words.values():
            if allowed and meant not in allowed:
                raise UsageError(f"{path}: {name} cannot be {meant!r}", hint=f"one of {', '.join(allowed)}")
    for name in mapping.text:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            raise UsageError(f"{path}: {name!r} cannot name a text", hint="use small letters, digits and _")


def settle(mapping: Mapping_, rows: Sequence[Row], columns: Sequence[str]) -> Settled:
    """Decide for each column of a file what it is; DataError where a named column is missing or no text is left."""
    free = dict.fromkeys(columns)
    facts, text = {}, {}
    named_traits = {trait: getattr(mapping.traits, trait) for trait in TRAITS if getattr(mapping.traits, trait)}
    for name, column in {**mapping.facts, **named_traits}.items():
        facts[name] = _take(column, free)
    for name, column in mapping.text.items():
        text[name] = _take(column, free)
    id_column = _take(mapping.id_column, free) if mapping.id_column else _first_named(_ID_NAMES, free)
    source_column = _take(mapping.source_column, free) if mapping.source_column else None
    left = {_take(column, free): "left out by the mapping file" for column in mapping.leave}
    named = {*facts.values(), *text.values()}
    if mapping.automatic:
        _guess(free, facts, text, rows)
    why = "no fact that people.parquet has, and no text of somebody's own" if mapping.automatic else "not named"
    left |= dict.fromkeys(free, why)
    if not text:
        raise DataError(
            "no column of the file holds text to measure",
            hint=f"name one in the [text] part of a mapping file; there are: {', '.join(columns[:12])}",
        )
    return Settled(
        facts=facts,
        text=text,
        left=left,
        scale=mapping.traits.scale,
        values=mapping.values,
        guessed=frozenset({*facts.values(), *text.values()} - named),
        id_column=id_column,
        source_column=source_column,
    )


def _plain(name: str) -> str:
    return _SIGNS.sub("", name.rsplit("/", 1)[-1].lower())


def _take(wanted: str, free: dict[str, None]) -> str:
    """Return the column that a name means, by its path or its last part, and use it up."""
    found = [wanted] if wanted in free else [column for column in free if column.rsplit("/", 1)[-1] == wanted]
    if len(found) != 1:
        near = get_close_matches(wanted, list(free), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(list(free)[:12])}"
        what = "several columns" if found else "no column"
        raise DataError(f"the file has {what} {wanted!r} that the mapping names", hint=hint)
    del free[found[0]]
    return found[0]


def _first_named(names: Sequence[str], free: dict[str, None]) -> str | None:
    for column in free:
        if "/" not in column and _plain(column) in names:
            del free[column]
            return column
    return None


def _guess(free: dict[str, None], facts: dict[str, str], text: dict[str, str], rows: Sequence[Row]) -> None:
    """Name the columns that nobody named: facts by their names, then whatever holds words as text."""
    sample = rows[:_SAMPLE]
    for name, others in _FACT_NAMES.items():
        if name in facts:
            continue
        fitting = [column for column in free if _plain(column) in others]
        # A trait or an age is a number; a long text under the same name describes it.
        fitting = [column for column in fitting if _mean_words(column, sample) < 12]
        if fitting:
            facts[name] = fitting[0]
            del free[fitting[0]]
    known = {other: name for name, others in _TEXT_NAMES.items() for other in others}
    for column in list(free):
        length = _mean_words(column, sample)
        if length < 1 or (length < _FEWEST_WORDS and _plain(column) not in known) or _plain(column) in _OTHER_FACTS:
            continue
        if len(sample) > 20 and len({str(row.get(column)) for row in sample}) == 1:
            continue  # the same words for everybody
        name = known.get(_plain(column), "")
        if not name or name in text:
            name = _field_name(column, text)
        text[name] = column
        del free[column]


def _mean_words(column: str, sample: Sequence[Row]) -> float:
    """Return the mean number of words of a column's values: 0 for numbers and flags."""
    values = [row[column] for row in sample if column in row]
    if not values:
        return 0.0
    words = [
        len(value.split())
        if isinstance(value, str)
        else sum(len(v.split()) for v in value) * 1.0
        if isinstance(value, list)
        else 0
        for value in values
    ]
    texts = [value for value in values if isinstance(value, str)]
    if texts and all(_is_number(value) for value in texts[:50]):
        return 0.0
    return sum(words) / len(words)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _field_name(column: str, taken: Mapping[str, Any]) -> str:
    parts = [re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in column.split("/")]
    for depth in range(1, len(parts) + 1):
        name = ("_".join(part for part in parts[-depth:] if part) or "text")[:60]
        name = name if name[0].isalpha() else f"text_{name}"
        if name not in taken and name not in _RESERVED:
            return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


# What profiles.parquet and people.parquet call something else.
_RESERVED = frozenset(
    {
        "person_id",
        "original_id",
        "engine",
        "source",
        "model",
        "problems",
        "seed",
        "depth",
        "prompt",
        "adapter",
        "schema",
        "prompt_name",
        "prompt_hash",
        *FACTS,
        *TRAITS,
    }
)
