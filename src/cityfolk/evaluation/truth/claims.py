"""What a text says of a person's age, sex, origin, education, job, income, marriage, party and religion.

A claim is the set of facts that would bear it out: "is Christian" allows seven of the categories, "in her forties" the
ages 40 to 49. A person whose fact lies outside the set is contradicted. Titles are looked up in the table of
occupations (`tables.titles`), places of birth in `tables.birth`; categories are those of `vocabulary`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cityfolk.evaluation.truth.reading import DECADE, NUMBER, OTHER, decade, having, number, said, sentences
from cityfolk.tables.birth import origin_words
from cityfolk.tables.titles import find_job
from cityfolk.vocabulary import EDUCATIONS, MARITAL_STATUSES, RELIGIONS

FIELDS = ("age", "sex", "origin", "education", "job", "income", "marriage", "party", "religion")


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing said: the field, the facts that bear it out (names, or numbers from low to high), the words."""

    field: str
    allowed: frozenset[str] = frozenset()
    low: float = 0.0
    high: float = 0.0
    text: str = ""


def read_claims(text: str, title: str = "") -> list[Claim]:
    """Return what a text says of its person; `title` is the job title where it stands apart."""
    read = sentences(text)
    return [
        *_ages(read),
        *_sex(text),
        *_origins(read),
        *_education(read),
        *_jobs(read, title),
        *_incomes(read),
        *_marriage(read),
        *_party(read),
        *_religion(read),
    ]


# -------------------------------------------------------------------------------------------------------------- age

_WHO = r"(?:(?:s?he|i|they)\b|(?-i:[A-Z][\w'’-]+))"
_OLD = r"[- ]years?[- ](?:old|of[- ]age)\b"
_END = r"(?=\s*(?:[,.;)]|$| and\b| years? old| who\b))"
_AGES = (
    rf"\b{_WHO} (?:is|am|['’]m|has turned|turned) (?:now |currently |just )?(?P<age>{NUMBER})(?:{_OLD}|{_END})",
    rf"\ban? (?:[\w-]+,? ){{0,2}}?(?P<age>{NUMBER}){_OLD}(?!,? (?:[\w-]+ )?{OTHER}\b)",
    rf"^(?:now|currently|at|aged|at age|at the age of) (?P<age>{NUMBER})(?:{_OLD})?,",
    rf"\b(?:wo)?man of (?P<age>{NUMBER})\b(?! (?:words|letters))|\bborn in [\w ]+ and now (?P<age2>{NUMBER}),",
    rf"^(?:meet )?(?-i:[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){{0,2}}),? (?:aged? )?\(?(?P<age>{NUMBER})(?:{_OLD})?[,)]",
)
# Ages under ten in words stand with "years old"; the other number words end like these.
_ANY_NUMBER = re.compile(r"\d|t(?:y|een)\b|ty-|\b(?:ten|eleven|twelve)\b|years?[- ]old", re.I)


def _ages(read: list[str]) -> Iterator[Claim]:
    numbered = [sentence for sentence in read if _ANY_NUMBER.search(sentence)]
    for pattern in _AGES:
        for found in said(numbered, pattern):
            groups = found.match.groupdict()
            value = number(groups["age"] or groups["age2"])
            if 0 < value <= 110:
                yield Claim("age", low=value, high=value, text=found.text)
    for found in said(
        having(read, "ties", "0s", "teens"),
        rf"\b(?:is|am|['’]m|now) (?:now |still |well )?in (?:her|his|their|my) {DECADE}\b",
    ):
        low, high = decade(found.match)
        yield Claim("age", low=low, high=high, text=found.text)


# -------------------------------------------------------------------------------------------------------------- sex

_SHE = re.compile(r"\b(?:she|her|hers|herself)\b", re.I)
_HE = re.compile(r"\b(?:he|him|his|himself)\b", re.I)
_FEWEST_PRONOUNS, _PREVAILS = 3, 0.75


def _sex(text: str) -> Iterator[Claim]:
    she, he = len(_SHE.findall(text)), len(_HE.findall(text))
    if she + he >= _FEWEST_PRONOUNS and max(she, he) >= _PREVAILS * (she + he):
        word = "she" if she > he else "he"
        yield Claim("sex", frozenset({"female" if she > he else "male"}), text=f"{word} ({max(she, he)} of {she + he})")


# ----------------------------------------------------------------------------------------------------------- origin


@cache
def _places(people: bool) -> str:
    words = [word for word, (_, kind) in origin_words().items() if (kind == "people") == people and kind != "either"]
    after = "(?=-born)" if people else r"(?!\w|-| Street| Square| Avenue)"
    return "(?-i:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")" + after


def _origins(read: list[str]) -> Iterator[Claim]:
    place = rf"(?:the )?(?:(?-i:[A-Z])[\w'-]+(?: (?-i:[A-Z])[\w'-]+)*, )?(?P<place>{_places(False)})"
    verbs = (
        r"\b(?:born(?: and (?:raised|bred))? in|comes? from|hails? from|(?:is|am) (?:originally )?from|"
        r"originally from|(?:a )?native of|(?:immigrated|emigrated) (?:here )?from)"
    )
    kept = having(read, "born", "from ", "native of")
    for pattern in (rf"{verbs} {place}", rf"\b(?P<place>{_places(True)})-born\b"):
        # "was born" is no past that has ended
        for found in said(kept, pattern, denied=True):
            if not re.search(r"\b(?:not|never|n['’]t)\b", found.sentence[: found.match.start()], re.I):
                yield Claim("origin", frozenset({found.match.group("place")}), text=found.text)


# -------------------------------------------------------------------------------------------------------- education

_HELD = r"\b(?:has|have|holds?|earned|completed|received|finished|with|took) (?:an? |the |his |her |their |my )?"
_LEVELS = (
    (
        4,
        r"(?:[\w'’]+ ){0,3}?(?:ph\.?d\b\.?|doctorate|doctoral degree|master['’]?s\b|mba\b|law degree|medical degree|"
        r"graduate (?:or professional )?degree|professional degree)"
        r"(?! (?:student|program|candidate|class|course|thesis))",
    ),
    (3, r"(?:[\w'’]+ ){0,3}?(?:bachelor['’]?s?\b|college degree|university degree|undergraduate degree)"),
    (2, r"(?:some college|associate['’]?s?\b)"),
    (1, r"high school(?: diploma| education|(?=[.,;]| and\b|$))"),
)
_OTHER_WORDS = (
    (3, r"\b(?:is|am) an? (?:recent )?(?:college|university) graduate\b|\bgraduated from (?:college|university)\b"),
    (2, r"\bwent to college for a while\b|\battended some college\b"),
    (1, r"\bgraduated from high school\b"),
)
_UNFINISHED = (
    r"\b(?:never|did(?: not|n['’]t)) (?:finish|finished|complete|completed|graduate from|graduated from) high school\b|"
    r"\b(?:left|dropped out of) (?:high )?school (?:before|without)\b|\bdropped out of high school\b|"
    r"\bless than (?:an? )?high school\b"
)
_IN_PART = re.compile(r"\b(?:half|honorary|started|begun|toward|almost)\b", re.I)


def _education(read: list[str]) -> Iterator[Claim]:
    read = having(read, "school", "degree", "college", "graduat", "bachelor", "master", "doctor", "ph", "mba", "assoc")
    for found in said(read, _UNFINISHED, denied=True):
        yield Claim("education", frozenset({EDUCATIONS[0]}), text=found.text)
        return
    patterns = [(level, _HELD + words) for level, words in _LEVELS] + list(_OTHER_WORDS)
    best: tuple[int, str] | None = None
    for level, pattern in patterns:
        for found in said(read, pattern):
            if not _IN_PART.search(found.text) and (best is None or level > best[0]):
                best = level, found.text
    if best is not None:
        # Who has a higher degree has the lower one too: naming the lower is drift, not contradiction.
        yield Claim("education", frozenset(EDUCATIONS[best[0] :]), text=best[1])


# -------------------------------------------------------------------------------------------------------------- job

_TITLE = r"(?P<title>(?-i:[a-z])[\w' -]{2,40})"
_WORKS_AS = rf"\b(?:works?|working|is employed|am employed) as (?:an? |the )?{_TITLE}"
_RETIRED = r"\b(?:is|am|['’]m|now) (?:an? |now |happily |fully |already |long )?(?:retired|retiree|pensioner)\b"
_JOBLESS = r"\b(?:is|am|['’]m) (?:currently |now )?(?:unemployed|jobless|out of work|between jobs|looking for work)\b"
_NO_OCCUPATION = re.compile(
    r"\b(?:retired|retiree|pensioner|unemployed|job[- ]?seeker|student|homemaker|former|not working|inmate|resident)\b",
    re.I,
)


def _jobs(read: list[str], title: str) -> Iterator[Claim]:
    read = having(
        read, " as ", "retire", "pensioner", "jobless", "unemployed", "out of work", "between jobs", "looking"
    )
    for found in said(read, _RETIRED):
        yield Claim("job", frozenset({"not in labor force", "none"}), text=found.text)
    for found in said(read, _JOBLESS):
        yield Claim("job", frozenset({"unemployed", "not in labor force", "none"}), text=found.text)
    titles = [(found.match.group("title"), found.text) for found in said(read, _WORKS_AS)]
    if title:
        titles.append((title, title))
    for words, text in titles:
        job = None if _NO_OCCUPATION.search(words) else find_job(words)
        if job is not None and job.occupations is not None:
            yield Claim("job", job.occupations | {"armed forces"}, text=text)


# ----------------------------------------------------------------------------------------------------------- income

_MONEY = re.compile(r"\$\s?(?P<amount>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s?(?P<unit>k\b|thousand|million)?", re.I)
_EARNED = re.compile(r"\b(?:earn(?:s|ing)?|makes?|making|incomes?|salary|salaried|wages?|paid|brings? in)\b", re.I)
_NOT_INCOME = re.compile(
    r"\b(?:hour|hourly|day|shift|rent|mortgage|debt|loan|price|costs?|raised|donat\w+|budget)\b", re.I
)
_PERIODS = ((r"\b(?:a|per|each|every) month\b|\bmonthly\b", 12), (r"\b(?:a|per|each|every) week\b|\bweekly\b", 52))
_LEAST_INCOME = 1000.0


def _incomes(read: list[str]) -> Iterator[Claim]:
    for sentence in read:
        if "$" not in sentence or not _EARNED.search(sentence) or _NOT_INCOME.search(sentence):
            continue
        times = next((n for pattern, n in _PERIODS if re.search(pattern, sentence, re.I)), 1)
        for match in _MONEY.finditer(sentence):
            unit = {"k": 1e3, "thousand": 1e3, "million": 1e6}.get((match.group("unit") or "").lower(), 1.0)
            amount = float(match.group("amount").replace(",", "")) * unit * times
            if amount >= _LEAST_INCOME:
                yield Claim("income", low=amount, high=amount, text=match.group(0))


# --------------------------------------------------------------------------------------------------------- marriage

_IS = r"\b(?:is|am|['’]m|has been|have been|remains?)\b (?:now |still |happily |recently |long |legally )*"
_MARRIAGES = (
    (
        ("married",),
        rf"{_IS}married\b(?! to (?:his|her|their|the|my) (?:work|job|career|art|music))|"
        rf"\ban? married (?:man|woman|mother|father)\b",
    ),
    (("never married",), r"\b(?:has|have) never (?:been )?married\b|\bnever married\b"),
    (("never married", "divorced", "widowed", "separated"), rf"{_IS}(?:single|unmarried|not married)\b(?!-)"),
    (("divorced",), rf"{_IS}(?:married once and is )?divorced\b|\bis divorced\b|\ban? divorc[eé]e?\b"),
    (("widowed",), rf"{_IS}widowed\b|\bis now widowed\b|\b(?:is|am) (?:now )?a widow(?:er)?\b"),
    (("separated",), rf"{_IS}separated\b(?= from (?:his|her|their|my) (?:spouse|husband|wife)|[.,;]|$| and\b)"),
)
_WITH_SPOUSE = r"\b(?:with|and) (?:his|her|their|my) (?:wife|husband)\b"


def _marriage(read: list[str]) -> Iterator[Claim]:
    read = having(read, "marri", "single", "divorc", "widow", "separated", "wife", "husband")
    for statuses, pattern in _MARRIAGES:
        for found in said(read, pattern, denied="widowed" in statuses or statuses == ("divorced",)):
            yield Claim("marriage", frozenset(statuses), text=found.text)
    for found in said(read, r"\blives?\b[^.;]*?" + _WITH_SPOUSE):
        yield Claim("marriage", frozenset({"married"}), text=found.text)


# ------------------------------------------------------------------------------------------------ party and religion

_PARTIES = (
    ("Democratic", r"(?:is|am) (?:an? )?(?:[\w-]+ )?(?:democrat\b|democratic (?:voter|party member))|"
     r"votes? (?:for )?(?:the )?democrat(?:s|ic)?\b|supports? the democratic party"),
    ("Republican", r"(?:is|am) (?:an? )?(?:[\w-]+ )?republican\b|votes? (?:for )?(?:the )?republicans?\b|"
     r"supports? the republican party"),
    ("other", r"(?:votes? for|belongs? to|supports?) (?:neither|no) (?:big |major )?party\b|"
     r"(?:is|am) an? (?:political )?independent(?: voter)?(?=[.,;]|$)"),
)  # fmt: skip


def _party(read: list[str]) -> Iterator[Claim]:
    read = having(read, "democrat", "republican", "party", "independent")
    for party, pattern in _PARTIES:
        for found in said(read, rf"\b(?:{pattern})"):
            if not re.search(r"\b(?:sometimes|occasionally)\b", found.sentence, re.I):
                yield Claim("party", frozenset({party}), text=found.text)


_CHRISTIAN = frozenset(RELIGIONS[:7])
_FAITHS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"Evangelical Protestant"}), r"an? evangelical(?: protestant| christian)?\b"),
    (frozenset({"Mainline Protestant"}), r"a mainline protestant\b"),
    (frozenset(RELIGIONS[:2]), r"a?\s?protestant\b"),
    (frozenset({"Catholic"}), r"(?:a )?(?:roman )?catholic\b"),
    (frozenset({"Mormon"}), r"(?:a )?mormon\b"),
    (frozenset({"Orthodox Christian"}), r"(?:an )?orthodox christian\b"),
    (frozenset({"Jehovah's Witness"}), r"(?:a )?jehovah['’]s witness\b"),
    (_CHRISTIAN, r"(?:a )?christian\b"),
    (frozenset({"Jewish"}), r"jewish\b"),
    (frozenset({"Muslim"}), r"(?:a )?muslim\b"),
    (frozenset({"Buddhist"}), r"(?:a )?buddhist\b"),
    (frozenset({"Hindu"}), r"(?:a )?hindu\b"),
    (frozenset({"Atheist"}), r"(?:an )?atheist\b"),
    (frozenset({"Agnostic"}), r"(?:an )?agnostic\b"),
    (frozenset(RELIGIONS[-4:]), r"(?:not religious|secular)\b"),
)
_FAITH_WORDS = (
    "relig protestant evangelical catholic mormon orthodox jehovah christian jewish muslim buddhist hindu atheist "
    "agnostic secular"
).split()
_NO_FAITH = r"\bhas no religion\b|\breligion is nothing in particular\b|\bbelongs to no religion\b"


def _religion(read: list[str]) -> Iterator[Claim]:
    read = having(read, *_FAITH_WORDS)
    for faiths, words in _FAITHS:
        pattern = rf"\b(?:is|am) (?:(?:an? )?(?:practicing|devout|lifelong|observant|lapsed|non-practicing) )?{words}"
        for found in said(read, pattern):
            yield Claim("religion", faiths, text=found.text)
    for found in said(read, _NO_FAITH, denied=True):
        yield Claim("religion", frozenset(RELIGIONS[-4:]), text=found.text)


assert set(MARITAL_STATUSES) >= {status for statuses, _ in _MARRIAGES for status in statuses}
