"""Facts read back from a prompt: exactly what the model sees, and nothing else.

The training text is written from these facts, so that whatever the model is asked to copy stands in its prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cityfolk.errors import DataError
from cityfolk.personality.words import LEVELS
from cityfolk.vocabulary import TRAITS

_LEVEL = {name: number - 3 for number, name in enumerate(LEVELS)}
_MEMBER = re.compile(r"(.+?) (\d+)$")
RESTRICTED = ("nursing", "correctional", "juvenile", "institution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One prompt, parsed. `levels` maps a trait to -3 (extremely low) .. 3 (extremely high)."""

    name: str
    first: str
    age: int
    sex: str
    home: str
    birthplace: str
    status: str
    language: str
    marital: str
    dwelling: str
    members: tuple[tuple[str, int], ...]
    more: bool
    quarters: str
    education: str
    school: str
    work: str
    occupation: str
    industry: str
    self_employed: bool
    commute: str
    minutes: str
    own_income: int
    household_income: int
    religion: str
    politics: str
    disabilities: tuple[str, ...]
    height_cm: int
    weight_kg: int
    levels: dict[str, int]

    @property
    def restricted(self) -> bool:
        """Whether the person lives where others set the hours."""
        return self.quarters in RESTRICTED


def parse_facts(prompt: str) -> Facts:
    """Parse the text of `profiles.prompts.citizen_text`; raise DataError when a line is missing."""
    lines = dict(line.split(": ", 1) for line in prompt.split("\n") if ": " in line)
    try:
        birthplace, status = _origin(lines["Origin"])
        dwelling, members, more, quarters = _household(lines["Household"])
        education, school = _education(lines["Education"])
        occupation, industry, self_employed = _work(lines["Work"])
        commute, _, minutes = lines["Commute"].partition(", ")
        own, _, household = lines["Income"].partition(", household ")
        height, weight = _body(lines["Body"])
        return Facts(
            name=lines["Name"],
            first=lines["Name"].split()[0],
            age=int(lines["Age"]),
            sex=lines["Sex"],
            home=lines["Home"].split(",")[0],
            birthplace=birthplace,
            status=status,
            language=lines["Language at home"],
            marital=lines["Marital status"],
            dwelling=dwelling,
            members=members,
            more=more,
            quarters=quarters,
            education=education,
            school=school,
            work=lines["Work"],
            occupation=occupation,
            industry=industry,
            self_employed=self_employed,
            commute=commute,
            minutes=minutes.removesuffix(" minutes"),
            own_income=_dollars(own),
            household_income=_dollars(household) if household else _dollars(own),
            religion=lines["Religion"],
            politics=lines["Politics"],
            disabilities=() if lines["Disability"] == "none" else tuple(lines["Disability"].split("; ")),
            height_cm=height,
            weight_kg=weight,
            levels={trait: _LEVEL[lines[trait.capitalize()].split(",")[0]] for trait in TRAITS},
        )
    except KeyError as missing:
        raise DataError(f"the prompt has no line {missing}", hint="pass the text of citizen_text") from missing


def _origin(text: str) -> tuple[str, str]:
    place, _, status = text.removeprefix("born in ").partition(", ")
    return place.removeprefix("born "), status


def _household(text: str) -> tuple[str, tuple[tuple[str, int], ...], bool, str]:
    for word in (*RESTRICTED, "student housing", "group quarters"):
        if word in text and " home" not in text:
            return "", (), False, word
    dwelling = "an owned home" if "an owned home" in text else "a rented home"
    _, _, tail = text.partition(" home with ")
    if not tail:
        return dwelling, (), False, ""
    tail, _, more = tail.partition(" and ")
    found = (_MEMBER.match(part) for part in tail.split(", "))
    return dwelling, tuple((m[1], int(m[2])) for m in found if m), bool(more), ""


def _education(text: str) -> tuple[str, str]:
    level, _, school = text.partition(", now in ")
    if level in ("preschool", "kindergarten") or level.startswith("grade "):
        return "", level
    return ("", "") if level == "not in school yet" else (level, school)


def _work(text: str) -> tuple[str, str, bool]:
    if " occupation in " not in text:
        return "", "", False
    occupation, industry = text.split(" occupation in ")
    return occupation, industry.removesuffix(", self-employed"), industry.endswith(", self-employed")


def _body(text: str) -> tuple[int, int]:
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


def _dollars(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    return int(digits) if digits else 0
