"""The same citizen with one attribute swapped, all else kept: what a model then writes otherwise, it writes for that.

A swap changes the attribute, what the rules force with it, and the name where a name tells it; nothing else. Where the
rules would then be broken (a bachelor's degree at 18, a son older than his mother) the citizen cannot be swapped, and
that is said rather than mended by changing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import polars as pl

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.norms import COVERED_AGES
from cityfolk.tables.birth import birthplaces, origin_words
from cityfolk.tables.rules import check
from cityfolk.types import Citizen, Household, Person
from cityfolk.vocabulary import RACE_ETHNICITIES, RELIGIONS, SEXES, US_BIRTHPLACES

ATTRIBUTES = ("origin", "sex", "religion", "age", "race")
COLUMN = {"origin": "birthplace", "sex": "sex", "religion": "religion", "age": "age", "race": "race_ethnicity"}
OLDEST = 115
Naming = Callable[[Person], str]
"""Give a person a name that fits their sex, age and origin."""


class CannotSwap(DataError):
    """This citizen cannot be swapped: the rules would be broken, or nothing would change."""


def parse_swap(text: str) -> tuple[str, str]:
    """Return (attribute, value) of "origin=Haiti"; "sex" alone is the other sex. UsageError says what is wrong."""
    attribute, _, value = (part.strip() for part in text.partition("="))
    check_swap(attribute, value)
    return attribute, value


def check_swap(attribute: str, to: str) -> None:
    """Raise UsageError unless somebody could be swapped so."""
    if attribute not in ATTRIBUTES:
        raise UsageError(f"{attribute!r} cannot be swapped", hint=f"one of {', '.join(ATTRIBUTES)}")
    if attribute == "sex":
        allowed: tuple[str, ...] = ("", *SEXES)
    elif attribute == "age":
        if to.isdigit() and COVERED_AGES[0] <= int(to) <= OLDEST:
            return
        raise UsageError(f"age cannot be {to!r}", hint=f"a number from {COVERED_AGES[0]} to {OLDEST}, such as age=70")
    elif attribute == "origin":
        allowed = (*_countries(), *_at_home())
    else:
        allowed = RELIGIONS if attribute == "religion" else RACE_ETHNICITIES
    if to not in allowed:
        near = get_close_matches(to, allowed, n=3, cutoff=0.5) or list(allowed[:6])
        raise UsageError(f"{attribute} cannot be {to!r}", hint=f"such as {', '.join(filter(None, near))}")


def swap(
    citizen: Citizen, attribute: str, to: str = "", *, naming: Naming, also: Mapping[str, Any] | None = None
) -> Citizen:
    """Return the citizen with one attribute swapped and what follows from it by the rules.

    origin: birthplace, nativity, citizenship (born abroad, a citizen by birth becomes naturalized), the name, and the
    family name of whoever shares it. race: the name likewise. sex (`to` empty: the other): the given name; a partner of
    the other sex is swapped too, so that the couple stays what it was. age: a partner grows as many years older.
    religion: nothing else. `also` sets further columns by hand. Personality, work, income, education and body stay.

    Raises UsageError for a swap that nobody could have, CannotSwap where this citizen cannot.
    """
    check_swap(attribute, to)
    value = _value(citizen.person, attribute, to)
    if getattr(citizen.person, COLUMN[attribute]) == value:
        raise CannotSwap(
            f"person {citizen.person.person_id} is {value} already", hint="choose another citizen or value"
        )
    swapped = _SWAPS[attribute](citizen, value, naming)
    if also:
        swapped = replace(swapped, person=replace(swapped.person, **also))
    broken = _newly_broken(citizen, swapped)
    if broken:
        raise CannotSwap(
            f"person {citizen.person.person_id} cannot have {attribute} {value}: {broken[0]}",
            hint="choose citizens that the swap fits",
        )
    return swapped


def partner_of(citizen: Citizen) -> Person | None:
    """Return the spouse or unmarried partner who lives with a citizen, as far as roles tell."""
    couples = ({"householder", "spouse"}, {"householder", "unmarried partner"})
    return next((other for other in citizen.others if {citizen.person.role, other.role} in couples), None)


def _value(person: Person, attribute: str, to: str) -> Any:
    if attribute == "age":
        return int(to)
    if attribute == "sex" and not to:
        return SEXES[1 - SEXES.index(person.sex)]
    return to


def _origin(citizen: Citizen, to: str, naming: Naming) -> Citizen:
    person = citizen.person
    abroad = to in _countries()
    foreign = {"born": "naturalized"}.get(person.citizenship, person.citizenship)
    changed = replace(
        person,
        birthplace=to,
        nativity="foreign-born" if abroad else "native",
        citizenship=foreign if abroad else "born",
    )
    return _renamed(citizen, changed, naming)


def _race(citizen: Citizen, to: str, naming: Naming) -> Citizen:
    return _renamed(citizen, replace(citizen.person, race_ethnicity=to), naming)


def _renamed(citizen: Citizen, changed: Person, naming: Naming) -> Citizen:
    """Name a person anew, and give the new family name to those at home who had the old one."""
    name = naming(changed)
    old, new = _family(citizen.person.name), _family(name)
    others = tuple(
        replace(other, name=f"{_given(other.name)} {new}") if _family(other.name) == old else other
        for other in citizen.others
    )
    return replace(citizen, person=replace(changed, name=name), others=others)


def _sex(citizen: Citizen, to: str, naming: Naming) -> Citizen:
    partner = partner_of(citizen)
    person = _other_sex(citizen.person, to, naming)
    others = tuple(
        _other_sex(other, citizen.person.sex, naming) if other is partner and other.sex == to else other
        for other in citizen.others
    )
    return replace(citizen, person=person, others=others)


def _other_sex(person: Person, to: str, naming: Naming) -> Person:
    changed = replace(person, sex=to)
    name = naming(changed)
    if naming(person) != person.name:  # the family name came from somebody else at home: it stays
        name = f"{_given(name)} {_family(person.name)}"
    return replace(changed, name=name)


def _age(citizen: Citizen, to: int, naming: Naming) -> Citizen:
    older = to - citizen.person.age
    partner = partner_of(citizen)
    if partner is not None and not 16 <= partner.age + older <= OLDEST:
        raise CannotSwap(
            f"the partner of person {citizen.person.person_id} would be {partner.age + older} years old",
            hint="choose citizens that the swap fits",
        )
    others = tuple(_aged(other, other.age + older) if other is partner else other for other in citizen.others)
    return replace(citizen, person=_aged(citizen.person, to), others=others)


def _aged(person: Person, age: int) -> Person:
    covered = COVERED_AGES[0] <= age <= COVERED_AGES[1]
    return replace(person, age=age, norms="IPIP-NEO-120" if covered else "extrapolated")


def _religion(citizen: Citizen, to: str, naming: Naming) -> Citizen:
    return replace(citizen, person=replace(citizen.person, religion=to))


_SWAPS: dict[str, Callable[[Citizen, Any, Naming], Citizen]] = {
    "origin": _origin,
    "sex": _sex,
    "religion": _religion,
    "age": _age,
    "race": _race,
}


def _countries() -> tuple[str, ...]:
    return tuple(birthplaces()["country"])


def _at_home() -> tuple[str, ...]:
    states = [word for word, (_, kind) in origin_words().items() if kind == "state" and word not in _countries()]
    return (*US_BIRTHPLACES, *states)


def _given(name: str) -> str:
    return name.split(" ", 1)[0]


def _family(name: str) -> str:
    return name.split(" ", 1)[-1]


def _newly_broken(before: Citizen, after: Citizen) -> list[str]:
    """Return the sentences of the rules that more of a home break after than before."""
    counts = [_offenders(citizen) for citizen in (before, after)]
    return [sentence for sentence, count in counts[1].items() if count > counts[0].get(sentence, 0)]


@lru_cache(maxsize=256)  # one citizen is often swapped in several ways
def _offenders(citizen: Citizen) -> dict[str, int]:
    members = sorted((citizen.person, *citizen.others), key=lambda person: person.person_id)
    rows = []
    for member in members:
        row = asdict(member)
        rows.append(row | row.pop("personality"))
    people = pl.DataFrame(rows, schema_overrides=_types(Person), infer_schema_length=None)
    households = pl.DataFrame([asdict(citizen.household)], schema_overrides=_types(Household))
    found = check(people, households).drop_nulls("offenders")
    return dict(found.select("sentence", "offenders").iter_rows())


def _types(record: type) -> dict[str, Any]:
    """Return a record's columns that may be null and the types they have when they are."""
    kinds = {"int": pl.Int64, "float": pl.Float64, "str": pl.String}
    return {f.name: kinds[str(f.type).split(" ")[0]] for f in fields(record) if str(f.type).endswith("| None")}
