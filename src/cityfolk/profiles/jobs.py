"""Work: what a profile says of job and industry against what was known; `tables.titles` knows the titles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cityfolk.profiles.checks_text import Page
from cityfolk.tables.titles import PREPOSITION, find_job, job_table
from cityfolk.types import Person, Problem
from cityfolk.vocabulary import INDUSTRIES

_NOT_WORKING = re.compile(
    r"\b(?:retired|retiree|student|pupil|unemployed|jobless|job[- ]?seeker|job hunter|looking for (?:work|a job)|"
    r"seeking|"
    r"between jobs|out of work|not (?:working|employed|in paid work)|no (?:paid )?(?:job|work|occupation|"
    r"employment)|none|"
    r"n/a|former|formerly|ex|homemaker|stay-at-home|house(?:wife|husband)|at home|volunteer|aspiring|inmate|in custody|"
    r"resident|patient|disabled|on disability|pensioner|freshman|sophomore|undergraduate|candidate|trainee|apprentice|"
    r"intern|child|schoolchild|preschooler|toddler|baby|infant|teenager|too young|caregiver|caretaker|parent|"
    r"mother|father|"
    r"unpaid|laid off|left the work\w*|used to|in school|in college|scholar|fellow|previously|worked as|"
    r"was an?|once)\b",
    re.I,
)
_MILITARY = re.compile(
    r"\b(?:army|navy|naval|military|armed forces|service member|soldier|sailor|marines?|air force|coast guard|"
    r"national guard|base|barracks|sergeant|lieutenant|captain|uniform|unit|troops|serves)\b",
    re.I,
)
_WORK_FIELDS = ("general_description", "job_description", "workplace", "work_habits", "daily_routine")
_QUALIFIER = (
    r"(?:(?:\d+-year-old|[a-z]+-[a-z]+-old|senior|junior|lead|head|chief|registered|licensed|certified|full-time|"
    r"part-time|local|city|public|private|self-employed|freelance|hospital|school|hotel|bank|company)\s+)*"
)


def known_work(person: Person) -> str:
    """Say what is known of a person's work, for a problem's `known`."""
    if person.employment == "employed":
        return f"{person.occupation}; {person.industry}"
    return person.employment or "too young to work"


def check_job(page: Page) -> Iterator[Problem]:
    """Yield a job title or a statement about work that the citizen's employment, occupation or industry rules out."""
    if page.person.employment is None and page.person.age >= 16:
        return  # the place's tables do not say
    yield from _title(page)
    working = page.person.employment in ("employed", "armed forces")
    yield from _says_not_working(page) if working else _says_working(page)
    if working:
        yield from _says_other_job(page)
        yield from _says_other_industry(page)


def _title(page: Page) -> Iterator[Problem]:
    title = page.profile.job_title
    if _title_is_wrong(page, title):
        yield page.problem("job", known_work(page.person), "job_title", 0, len(title))


def _title_is_wrong(page: Page, title: str) -> bool:
    person, home = page.person, page.citizen.household
    idle, job = _NOT_WORKING.search(title), find_job(title)
    if re.search(r"\b(?:inmate|in custody|prisoner)\b", title, re.I):
        return home.gq_type not in ("correctional", "juvenile", "other institutional")
    if re.search(r"\b(?:care|nursing) (?:facility|home) resident|resident of an? (?:care|nursing)", title, re.I):
        return home.kind != "group_quarters"
    if person.employment == "armed forces" and not idle:
        text = page.profile
        told = " ".join((title, text.job_description, text.workplace, text.general_description))
        return job is not None and not _MILITARY.search(told)
    if person.employment in ("employed", "armed forces"):
        return (
            _rules_out_work(idle.group().lower(), title, person) if idle else job is not None and not job.fits(person)
        )
    if idle is None:
        return job is not None and not _NOT_WORKING.search(page.profile.job_description)
    return _wrong_idleness(person, title)


def _wrong_idleness(person: Person, title: str) -> bool:
    """Judge "Retired", "Job seeker" and "Student" as titles of somebody without work."""
    if re.search(r"\b(?:retired|retiree|pensioner)\b", title, re.I):
        return person.age < 45 or person.employment == "unemployed"
    if re.search(r"\b(?:unemployed|job[- ]?seeker|looking for (?:work|a job))\b", title, re.I):
        return person.employment != "unemployed"
    studies = re.fullmatch(r"(?:[\w-]+ )?(?:student|undergraduate|pupil)(?: .*)?", title, re.I)
    return studies is not None and person.enrollment == "not enrolled"


def _rules_out_work(word: str, title: str, person: Person) -> bool:
    if word in ("retired", "retiree", "unemployed", "jobless", "homemaker", "housewife", "househusband", "pensioner"):
        return True
    if word in ("student", "pupil", "undergraduate"):
        alone = find_job(re.sub(r"(?i)\b(?:graduate|doctoral|phd|student|undergraduate)\b", "", title)) is None
        return person.enrollment == "not enrolled" and alone
    return word.replace("-", " ") in (
        "job seeker",
        "looking for work",
        "looking for a job",
        "between jobs",
        "out of work",
        "inmate",
    )


def _says_not_working(page: Page) -> Iterator[Problem]:
    pattern = (
        r"(?:is|has been)\s+(?:now |fully |happily |long |currently )?(?:retired(?! (?:from the (?:army|navy|"
        r"military)|teacher|nurse))|unemployed|jobless|out of work|"
        r"between jobs|looking for (?:work|a job)(?! that)|not working|an? (?:retiree|pensioner|homemaker|housewife)|"
        r"a full-time (?:student|homemaker|parent)|a stay-at-home (?:mother|father|parent|mom|dad))\b|"
        r"(?:does not|doesn't) (?:have a (?:paid )?job|work for pay|currently work|work outside)\b|"
        r"has (?:no (?:paid )?(?:job|work)|retired)\b|no longer works(?=[.,;]|$| and\b| for (?:pay|money))|"
        r"isn['’]t in paid work\b"
    )
    for claim, match in page.find(pattern):
        yield page.claimed("job", known_work(page.person), claim, match)


def _says_working(page: Page) -> Iterator[Problem]:
    """Yield present work of somebody who has none; volunteering, studying and former jobs are not work."""
    steady = (
        r"works? (?:full[- ]time|part[- ]time|double shifts|night shifts|the (?:night|day|late|early) shift)\b|"
        r"is (?:currently |now )?(?:employed|self-employed)\b|earns (?:his|her|their) living\b|"
        r"(?:commutes|drives|walks|cycles|takes the (?:bus|train|subway)) to (?:his|her|their) (?:job|office|"
        r"workplace)\b"
    )
    for claim, match in page.find(steady):
        if not re.search(r"volunteer|unpaid|household|at home|student|study|class", claim.text, re.I):
            yield page.claimed("job", known_work(page.person), claim, match)
    named = rf"(?:works|is employed|is working) as (?:an? |the )?{_QUALIFIER}(?P<title>[a-z][a-z' -]{{2,40}})"
    for claim, match in page.find(named):
        title = match.group("title")
        if find_job(title) is not None and not re.search(r"volunteer|unpaid|student|former|retired", claim.text, re.I):
            yield page.claimed("job", known_work(page.person), claim, match)
    if page.person.age < 45 or page.person.employment == "unemployed":
        retired = r"is (?:a |an |fully |now |happily |already )?(?:retired|retiree|pensioner)\b"
        known = f"{known_work(page.person)}, age {page.person.age}"
        for claim, match in page.find(retired):
            yield page.claimed("job", known, claim, match)


def _says_other_job(page: Page) -> Iterator[Problem]:
    title = r"(?P<title>[a-z][a-z' -]{2,40})"
    as_job = rf"(?:works|is employed|is working|makes (?:his|her|their) living) as (?:an? |the )?{_QUALIFIER}{title}"
    is_job = rf"is (?:an? )?(?:\d+-year-old )?{_QUALIFIER}{title}(?= (?:at|in|for|who|by)\b|[,.;]|$)"
    # "is a teacher" may be a figure of speech; only where the profile introduces the citizen is it taken at its word.
    for pattern, fields in ((as_job, _WORK_FIELDS), (is_job, ("general_description", "job_description"))):
        for claim, match in page.find(pattern, *fields):
            if re.search(
                r"volunteer|part-time|weekend|second job|at heart|of sorts|student|former|retired", claim.text, re.I
            ):
                continue
            words = match.group("title")
            if pattern is is_job and not _plain(words):
                continue
            job = find_job(words)
            if job is not None and not job.fits(page.person):
                yield page.claimed("job", known_work(page.person), claim, match)


def _says_other_industry(page: Page) -> Iterator[Problem]:
    """Yield another industry in the very words of the tables: "It is a job in retail trade"."""
    if page.person.industry is None:
        return
    others = "|".join(re.escape(name) for name in INDUSTRIES if name != page.person.industry)
    said = re.compile(
        rf"\b(?:job|work|works|position) in (?P<industry>{others})(?=[.,;]|$)|"
        rf"\bfield is (?P<field>{others})(?=[.,;]|$)"
    )
    for sentence in page.sentences:
        if sentence.field == "job_description" and (found := said.search(sentence.text)):
            place = found.span("industry" if found.group("industry") else "field")
            yield page.problem("job", known_work(page.person), sentence.field, *(sentence.start + at for at in place))


def _plain(title: str) -> bool:
    """Say whether the whole head is a listed title, so that "natural teacher" or "careful driver" is not one."""
    head = PREPOSITION.split(title.strip().lower(), maxsplit=1)[0].strip()
    words = head.split()
    titles, settings = job_table()["title"], job_table()["setting"]
    for start in range(len(words)):
        if " ".join(words[start:]) in titles:
            return all(word in settings for word in words[:start])
    return False
