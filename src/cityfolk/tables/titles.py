"""Job titles: which occupation groups and industries they can belong to.

jobs.csv lists titles after the Standard Occupational Classification 2018 (US Bureau of Labor Statistics), on the
permissive side. A title is looked up by the words that end it ("school bus driver" -> "bus driver", else "driver"), so
that a title nobody listed is simply not judged.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cityfolk.types import Person
from cityfolk.vocabulary import INDUSTRIES, OCCUPATIONS

_OCCUPATION = dict(zip("MSONP", OCCUPATIONS, strict=True))
_INDUSTRY = dict(
    zip("agr con man who ret tra inf fin pro edu art oth pub".split(), INDUSTRIES, strict=True),
)
PREPOSITION = re.compile(r"\s+(?:for|in|at|of|with|on|to|from|and|who|\()\b|[,;(/–—]| - ")


@dataclass(frozen=True, slots=True)
class Job:
    """What a title can be: occupation groups and industries in the vocabulary's words; None is any."""

    keyword: str
    occupations: frozenset[str] | None
    industries: frozenset[str] | None

    def fits(self, person: Person) -> bool:
        """Say whether an employed person's occupation and industry are among those of the title."""
        if person.employment == "armed forces":
            return True
        occupation = self.occupations is None or person.occupation in (None, *self.occupations)
        return occupation and (self.industries is None or person.industry in (None, *self.industries))


@cache
def job_table() -> dict[str, dict[str, Job]]:
    """Return {"title": {keyword: Job}, "setting": {keyword: Job}} from jobs.csv."""
    table: dict[str, dict[str, Job]] = {"title": {}, "setting": {}}
    text = files("cityfolk.tables").joinpath("jobs.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        codes = row["occupations"]
        occupations = None if codes == "*" else frozenset(_OCCUPATION[c] for c in codes if c != "A")
        names = row["industries"]
        industries = None if names == "*" else frozenset(_INDUSTRY[name] for name in names.split())
        table[row["kind"]][row["keyword"]] = Job(row["keyword"], occupations, industries)
    return table


def find_job(title: str) -> Job | None:
    """Return the entry whose keyword ends the title's head ("Baker in a factory" -> "baker"), longest first."""
    head = PREPOSITION.split(title.strip().lower().rstrip("."), maxsplit=1)[0].strip()
    words = head.split()
    titles = job_table()["title"]
    for start in range(len(words)):
        ending = " ".join(words[start:])
        job = titles.get(ending) or titles.get(ending.removesuffix("s"))
        if job is not None:
            return _with_setting(job, words[:start])
    return None


def _with_setting(job: Job, before: list[str]) -> Job:
    """Narrow a title's industries by a word before it, where the title leaves the industry open."""
    settings = job_table()["setting"]
    found = [settings[word] for word in before if word in settings]
    if not found or job.industries is not None:
        return job
    return Job(f"{found[0].keyword} {job.keyword}", job.occupations, found[0].industries)
