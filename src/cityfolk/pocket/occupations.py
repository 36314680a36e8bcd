"""What a person does all day: a status, a title that fits it, and the words for it in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

from cityfolk.pocket.facts import Facts
from cityfolk.pocket.phrasing import bank

_T = TypeVar("_T")

_OCCUPATION = {"management": "management", "service": "service", "sales": "sales", "natural": "trades"}
_INDUSTRY = {
    "agriculture and mining": "agriculture",
    "wholesale trade": "wholesale",
    "retail trade": "retail",
    "transportation, warehousing and utilities": "transport",
    "other services": "other",
    "public administration": "public",
}
_PHRASES = {
    "service_member": ("serves in the armed forces",),
    "retired": ("is retired",),
    "unemployed": ("is looking for work", "is out of work and looking for a job"),
    "home": ("has no paid job", "isn't in paid work"),
    "disabled": ("has no paid job",),
    "inmate": ("has no paid job",),
    "patient": ("no longer works",),
    "high_school": ("goes to high school", "is in high school"),
    "school": ("goes to school",),
    "preschool": ("goes to preschool",),
    "toddler": ("isn't in school yet",),
    "infant": ("is still a baby",),
    "teen_home": ("is neither in school nor at work",),
}
# The words that banks are keyed by, for each status.
_GROUP = {
    "student_undergraduate": "student",
    "student_graduate": "student",
    "disabled": "home",
    "teen_home": "home",
    "inmate": "facility",
    "patient": "facility",
    "infant": "toddler",
}


def status(facts: Facts) -> str:
    """Return what a person is by day: "worker", "retired", "student_graduate", "school", ..."""
    if facts.occupation:
        return "worker"
    if facts.work == "armed forces":
        return "service_member"
    if facts.work.startswith("unemployed"):
        return "unemployed"
    if facts.age < 18:
        return _young(facts)
    if facts.restricted and not facts.work.endswith("student"):
        return "inmate" if facts.quarters in ("correctional", "juvenile") else "patient"
    if facts.work.endswith("student"):
        return "student_graduate" if facts.school == "graduate" else "student_undergraduate"
    if facts.work.endswith("retirement age"):
        return "retired"
    if facts.school.startswith("grade"):
        return "high_school"
    return "disabled" if facts.disabilities else "home"


def _young(facts: Facts) -> str:
    if facts.school in ("undergraduate", "graduate"):
        return f"student_{facts.school}"
    if facts.school.startswith("grade") or facts.school == "kindergarten":
        return "high_school" if facts.school in ("grade 9", "grade 10", "grade 11", "grade 12") else "school"
    if facts.school:
        return "preschool"
    if facts.age == 0:
        return "infant"
    return "toddler" if facts.age < 6 else "teen_home"


def group(name: str) -> str:
    """Return the bank that a status uses for routines, contexts and workplaces."""
    return _GROUP.get(name, name)


def choose_job(facts: Facts, rng: Generator, prompt: str = "") -> tuple[str, str, str]:
    """Return (job title, what the person does, the phrase for it: "works as a carpenter").

    A job named in the prompt's reflections ("works as a carpenter") is chosen again.
    """
    name = status(facts)
    if name != "worker":
        title, duty = _pick(bank("jobs")["none"][name], rng).split("|")
        said = _PHRASES.get(name)
        return title, duty, _pick(said, rng) if said else f"is {_lowered(title)}"
    title, duty = _worker_job(facts, rng, prompt)
    return title, duty, f"works as {_lowered(title)}"


def _worker_job(facts: Facts, rng: Generator, prompt: str) -> tuple[str, str]:
    occupation = _OCCUPATION.get(facts.occupation.split()[0].strip(","), "production")
    industry = _INDUSTRY.get(facts.industry, facts.industry.split()[0].strip(","))
    rows = [line.split("|") for line in bank("jobs")[occupation][industry]]
    for row in rows:
        if f"works as {_lowered(row[0])}" in prompt:
            return row[0], row[1]
    allowed = "bg" if facts.education.startswith("graduate") else "b" if facts.education.startswith("bach") else ""
    if facts.age < 24:
        allowed = allowed.replace("g", "")
    fitting = [row for row in rows if len(row) == 2 or row[2] in allowed]
    # People with degrees mostly do the work that asks for them.
    trained = [row for row in fitting if len(row) == 3]
    row = _pick(trained if trained and rng.random() < 0.75 else fitting, rng)
    return row[0], row[1]


def _lowered(title: str) -> str:
    lower = title if title[1].isupper() else title[0].lower() + title[1:]
    vowel = lower[0] in "aeiouAEIO" and not lower.startswith(("uni", "uti", "E-"))
    return f"{'an' if vowel or lower.startswith('e-') else 'a'} {lower}"


def _pick(options: Sequence[_T], rng: Generator) -> _T:
    return options[int(rng.random() * len(options))]
