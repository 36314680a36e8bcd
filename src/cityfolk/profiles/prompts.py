"""Citizen -> messages. Guidance and output format first, the same bytes for everyone; the citizen last.

The first message never changes, so that a server computes it once and keeps it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from cityfolk.personality.words import describe
from cityfolk.profiles.guidance import PROFILE, REFLECTIONS, SHORT_PROFILE, SHORT_REFLECTIONS, Form
from cityfolk.profiles.schema import ReflectionsText
from cityfolk.types import BigFive, Citizen, Household, Message, Person, content_key

GUIDANCE, REFLECTION_GUIDANCE = SHORT_PROFILE, SHORT_REFLECTIONS
_TAKES_THE = (
    "US ",
    "Philippines",
    "Dominican",
    "Netherlands",
    "United",
    "Bahamas",
    "Democratic",
    "Azores",
    "Virgin Islands",
)
_QUARTERS = {
    "student housing": "student housing",
    "nursing facility": "a nursing facility",
    "correctional": "a correctional facility",
    "juvenile": "a juvenile facility",
    "other institutional": "an institution",
    "other": "group quarters",
}
UNKNOWN = "not known"
PROMPT_NAME = {"brief": "profile", "full": "profile-full", "reflections": "reflections"}
_VERSION: dict[Form, str] = {"short": "1", "full": "2"}


def prompt_name(depth: str, form: Form = "short") -> str:
    """Name a prompt, e.g. "profile/2": what is asked for, and the form of its guidance."""
    return f"{PROMPT_NAME[depth]}/{_VERSION[form]}"


def profile_messages(
    citizen: Citizen, reflections: ReflectionsText | None = None, form: Form = "short"
) -> tuple[Message, ...]:
    """Return the messages that ask for a profile; with reflections, they follow the facts."""
    text = citizen_text(citizen)
    if reflections is not None:
        thoughts = (f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in reflections)
        text = "\n".join((text, "Reflections", *thoughts))
    return (Message(role="system", content=PROFILE[form]), Message(role="user", content=text))


def reflection_messages(citizen: Citizen, form: Form = "short") -> tuple[Message, ...]:
    """Return the messages that ask for the eight reflections."""
    return (
        Message(role="system", content=REFLECTIONS[form]),
        Message(role="user", content=citizen_text(citizen)),
    )


@cache
def prompt_hash(depth: str, form: Form = "short") -> str:
    """Name a prompt by the messages of two fixed citizens, so that a changed word changes the config."""
    asked: list[tuple[Message, ...]]
    if depth == "reflections":
        asked = [reflection_messages(citizen, form) for citizen in _samples()]
    else:
        thoughts = (
            ReflectionsText(**dict.fromkeys(ReflectionsText.model_fields, "A fixed thought."))
            if depth == "full"
            else None
        )
        asked = [profile_messages(citizen, thoughts, form) for citizen in _samples()]
    return content_key([prompt_name(depth, form), [[message.content for message in one] for one in asked]])


def _samples() -> tuple[Citizen, ...]:
    """Return one citizen of whom everything is known, and one in group quarters of whom little is."""
    traits = BigFive(openness=0.97, conscientiousness=0.7, extraversion=0.5, agreeableness=0.3, neuroticism=0.02)
    known = Person(
        person_id=0,
        household_id=0,
        role="householder",
        age=41,
        sex="female",
        race_ethnicity="Asian",
        birthplace="Philippines",
        nativity="foreign-born",
        citizenship="naturalized",
        language_home="Tagalog",
        education="bachelor's",
        enrollment="college or graduate school",
        grade="graduate",
        marital_status="married",
        employment="employed",
        occupation="service",
        industry="education, health care and social assistance",
        class_of_worker="self-employed",
        income_usd=41_200,
        commute_mode="walked",
        commute_minutes=12,
        disability="none",
        religion="Catholic",
        party="Democratic",
        height_cm=160.0,
        weight_kg=60.0,
        name="Ada Example",
        personality=traits,
    )
    husband = replace(known, person_id=1, role="spouse", sex="male", age=43)
    home = Household(household_id=0, kind="family", size=2, tenure="renter", income_usd=83_700)
    unknown = Person(
        person_id=2,
        household_id=1,
        role="resident",
        age=70,
        sex="male",
        birthplace="Massachusetts",
        nativity="native",
        citizenship="born",
        name="Bo Example",
        personality=traits,
    )
    quarters = Household(household_id=1, kind="group_quarters", gq_type="nursing facility", size=1)
    return (
        Citizen(person=known, household=home, others=(husband,), place="A place"),
        Citizen(person=unknown, household=quarters, place="A place"),
    )


def citizen_text(citizen: Citizen) -> str:
    """Return the facts and the personality of a citizen, one line each, in a fixed order."""
    person, household = citizen.person, citizen.household
    lines = [
        f"Name: {person.name}",
        f"Age: {person.age}",
        f"Sex: {person.sex}",
        f"Home: {citizen.place}",
        f"Origin: {origin_text(person)}",
        f"Race and ethnicity: {person.race_ethnicity or 'not asked'}",
        f"Language at home: {person.language_home or 'not asked'}",
        f"Marital status: {person.marital_status or 'not asked'}",
        f"Household: {household_text(citizen)}",
        f"Education: {education_text(person)}",
        f"Work: {work_text(person)}",
        f"Commute: {commute_text(person)}",
        f"Income: {income_text(person, household)}",
        f"Religion: {person.religion or 'not asked'}",
        f"Politics: {person.party or 'not asked'}",
        f"Disability: {person.disability or 'not asked'}",
        f"Body: {body_text(person)}",
    ]
    return "\n".join((*lines, *describe(person.personality)))


def origin_text(person: Person) -> str:
    """Say where a person was born and, if abroad, whether they are a citizen."""
    if not person.birthplace:
        return UNKNOWN
    if person.birthplace == "abroad of American parents":
        return "born abroad of American parents"
    article = "the " if person.birthplace.startswith(_TAKES_THE) else ""
    birthplace = article + person.birthplace.removeprefix("Other ")
    status = {"naturalized": ", naturalized citizen", "not a citizen": ", not a citizen"}.get(person.citizenship, "")
    return f"born in {birthplace}{status}"


def household_text(citizen: Citizen) -> str:
    """Say whom a person lives with, as seen from that person."""
    household = citizen.household
    if household.kind == "group_quarters":
        return f"lives in {_QUARTERS[household.gq_type or 'other']}"
    home = {"owner": "an owned home", "renter": "a rented home"}.get(household.tenure or "", "a home")
    if not citizen.others:
        return f"lives alone in {home}"
    with_whom = ", ".join(f"{relation(citizen.person, other)} {other.age}" for other in citizen.others[:6])
    more = len(citizen.others) - 6
    return f"lives in {home} with {with_whom}" + (f" and {more} more" if more > 0 else "")


def relation(person: Person, other: Person) -> str:
    """Name what `other` is to `person`, as far as their roles toward the householder tell."""
    male = other.sex == "male"
    mine, theirs = person.role, other.role
    if {mine, theirs} == {"householder", "spouse"}:
        return "husband" if male else "wife"
    if {mine, theirs} == {"householder", "unmarried partner"}:
        return "partner"
    child, parent, sibling = ("son", "father", "brother") if male else ("daughter", "mother", "sister")
    if mine == "householder":
        words = {"child": child, "parent": parent, "sibling": sibling}
        words["grandchild"] = "grandson" if male else "granddaughter"
        return words.get(theirs, theirs)
    if mine == "child":
        words = {"householder": parent, "spouse": parent, "child": sibling}
        words["parent"] = "grandfather" if male else "grandmother"
        return words.get(theirs, "housemate" if theirs == "housemate" else "relative")
    if theirs == "householder":
        words = {"parent": child, "sibling": sibling, "housemate": "housemate"}
        words["grandchild"] = "grandfather" if male else "grandmother"
        return words.get(mine, "relative")
    if mine == "spouse" and theirs == "child":
        return child
    if "housemate" in (mine, theirs) or "unmarried partner" in (mine, theirs):
        return "housemate"
    return "relative"


def education_text(person: Person) -> str:
    """Say the highest level reached and what school a person goes to now."""
    school = None if person.enrollment == "not enrolled" else person.grade or person.enrollment
    if person.age < 15:
        unknown = person.enrollment is None and person.age >= 3
        return school or (UNKNOWN if unknown else "not in school yet")
    return f"{person.education or UNKNOWN}{f', now in {school}' if school else ''}"


def work_text(person: Person) -> str:
    """Say what a person does for a living, or why they do nothing for one."""
    if person.employment is None:
        return "too young to work" if person.age < 16 else UNKNOWN
    if person.employment == "employed":
        occupation = f"{person.occupation} occupation" if person.occupation else "employed"
        industry = f" in {person.industry}" if person.industry else ""
        own = ", self-employed" if person.class_of_worker == "self-employed" else ""
        return f"{occupation}{industry}{own}"
    if person.employment == "armed forces":
        return "armed forces"
    if person.employment == "unemployed":
        return "unemployed, looking for work"
    if person.enrollment == "college or graduate school":
        return "not working, student"
    if person.age >= 62:
        return "not working, retirement age"
    return "not working"


def commute_text(person: Person) -> str:
    """Say how a worker gets to work and how long it takes."""
    if person.commute_mode is None:
        works = person.employment in ("employed", "armed forces")
        return UNKNOWN if works or (person.employment is None and person.age >= 16) else "none"
    if person.commute_minutes is None:
        return person.commute_mode
    return f"{person.commute_mode}, {person.commute_minutes} minutes"


def income_text(person: Person, household: Household) -> str:
    """Say a person's and their household's yearly income, rounded to a thousand dollars."""
    own = "no income of their own" if not person.income_usd else f"${round(person.income_usd, -3):,}"
    if person.income_usd is None and person.age >= 15:
        own = UNKNOWN
    if household.kind == "group_quarters" or household.income_usd is None or household.size == 1:
        return own
    return f"{own}, household ${round(household.income_usd, -3):,}"


def body_text(person: Person) -> str:
    """Say height and weight in round numbers."""
    if person.height_cm is None or person.weight_kg is None:
        return UNKNOWN
    return f"{person.height_cm:.0f} cm, {person.weight_kg:.0f} kg"
