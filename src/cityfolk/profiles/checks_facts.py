"""Education, income, religion, party and disability: what was written of the citizen against what was known."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cityfolk.profiles.checks_text import Page
from cityfolk.profiles.prompts import education_text
from cityfolk.types import Problem
from cityfolk.vocabulary import EDUCATIONS

_DEGREES = (
    (
        r"(?:ph\.?d\.?|doctorate|doctoral degree|master['’]?s(?: degree)?|mba|law degree|medical degree|"
        r"graduate (?:or professional )?degree|m\.?d\.? degree|jd)",
        4,
    ),
    (r"(?:bachelor['’]?s(?: degree)?|college degree|university degree|undergraduate degree|four-year degree)", 3),
)


_HOLDS = (
    r"(?:has|holds|earned|completed|received|finished|has earned|has completed) (?:an? |the |his |her |their |two )?"
    r"(?:[\w'’-]+ ){0,2}"
)
_NOT_HELD = re.compile(r"\b(?:honorary|started|begun|toward|almost|half|working|plans?|hopes?|no|without|not)\b", re.I)
_GRADUATE = (
    r"is a (?:recent )?(?:college|university) graduate\b|"
    r"graduated from (?:college|university|harvard|mit|law school|medical school)\b"
)
_DIPLOMA = r"(?:has|holds|earned) an? (?:high )?school diploma\b|(?:finished|graduated from|completed) high school\b"
_SOME_COLLEGE = (
    r"has (?:some college|an associate['’]?s degree)\b|went to college\b|(?:took|earned) an associate['’]?s degree\b"
)
_STUDIES = (
    r"is (?:now |currently |an? ){0,2}(?:full-time |part-time )?"
    r"(?:college|university|graduate|undergraduate|doctoral|phd|high school) student\b"
)
_NO_SCHOOL = (
    r"(?:never (?:finished|completed|graduated from)|did(?: not|n['’]t) (?:finish|complete|graduate from)|"
    r"dropped out of)"
    r" high school\b|(?:left|dropped out of) (?:high )?school (?:before (?:the|a) diploma|without a diploma)|"
    r"has less than (?:an? )?high school\b|is a high school dropout\b"
)
_NO_COLLEGE = (
    r"(?:never (?:went to|attended|finished)|did(?: not|n['’]t) (?:go to|attend)) (?:college|university)\b|"
    r"has no (?:college )?degree\b"
)


def check_education(page: Page) -> Iterator[Problem]:
    """Yield degrees higher than the level reached, schooling denied to those who finished it, and wrong students."""
    if page.person.education is None:
        return
    reached, known = EDUCATIONS.index(page.person.education), education_text(page.person)
    for words, level in _DEGREES:
        if level <= reached:
            continue
        for claim, match in page.find(rf"{_HOLDS}{words}\b(?! (?:student|program|candidate|class|course|thesis))"):
            if not _NOT_HELD.search(claim.text):
                yield page.claimed("education", known, claim, match)
    enrolled = page.person.enrollment
    wrong = [
        (reached < 3, _GRADUATE),
        (reached < 1 and enrolled == "not enrolled", _DIPLOMA),
        (reached < 2 and enrolled != "college or graduate school", _SOME_COLLEGE),
        (enrolled == "not enrolled", _STUDIES),
        (reached >= 1, _NO_SCHOOL),
        (reached >= 3, _NO_COLLEGE),
    ]
    for pattern in (pattern for applies, pattern in wrong if applies):
        for claim, match in page.find(pattern):
            yield page.claimed("education", known, claim, match)


_MONEY = re.compile(r"\$\s?(?P<amount>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)\s?(?P<unit>k\b|thousand|million)?", re.I)
_EARNED = re.compile(
    r"\b(?:earns?|makes?|income|salary|salaried|wages?|paid|brings? (?:in|home)|lives? on|pension|gets? by on)\b", re.I
)
_PERIOD = (
    (re.compile(r"\b(?:a|per|each|every) month|monthly", re.I), 12),
    (re.compile(r"\b(?:a|per|each|every) week|weekly", re.I), 52),
)
_TOLERANCE, _SLACK_USD = 0.15, 2500


def check_income(page: Page) -> Iterator[Problem]:
    """Yield yearly amounts that are neither the person's nor the household's income, within 15% or 2,500 dollars."""
    person, home = page.person, page.citizen.household
    amounts = [v for v in (person.income_usd, person.earnings_usd, home.income_usd) if v is not None]
    if not amounts:
        return
    known = f"${person.income_usd or 0:,}, household ${home.income_usd or 0:,}"
    for sentence in page.sentences:
        if (
            not sentence.about
            or not _EARNED.search(sentence.text)
            or re.search(
                r"\b(?:hour|day|shift|rent|mortgage|debt|loan|price|costs?|raised|donat\w+|budget|gift)\b",
                sentence.text,
            )
        ):
            continue
        for match in _MONEY.finditer(sentence.text):
            unit = {"k": 1e3, "thousand": 1e3, "million": 1e6}.get((match.group("unit") or "").lower(), 1)
            stated = float(match.group("amount").replace(",", "")) * unit
            stated *= next((times for period, times in _PERIOD if period.search(sentence.text)), 1)
            if stated >= 1000 and not any(abs(stated - v) <= max(_TOLERANCE * abs(v), _SLACK_USD) for v in amounts):
                yield page.problem(
                    "income", known, sentence.field, sentence.start + match.start(), sentence.start + match.end()
                )
    if max(person.income_usd or 0, person.earnings_usd or 0) < 80_000:
        for claim, match in page.find(r"(?:earns|makes|has|draws) an? (?:[\w-]+ )?six-figure (?:salary|income)\b"):
            yield page.claimed("income", known, claim, match)


_CHRISTIAN = {
    "Evangelical Protestant",
    "Mainline Protestant",
    "Catholic",
    "Mormon",
    "Orthodox Christian",
    "Jehovah's Witness",
    "Other Christian",
}
_SECULAR = {"Atheist", "Agnostic", "Nothing in particular"}
_PROTESTANT = {"Evangelical Protestant", "Mainline Protestant", "Other Christian"}
_FAITHS: dict[str, set[str]] = {
    "Catholic": {"Catholic"},
    "Protestant": _PROTESTANT,
    "Evangelical": {"Evangelical Protestant", "Other Christian"},
    "Baptist|Methodist|Lutheran|Presbyterian|Episcopalian": _PROTESTANT,
    "Mormon": {"Mormon"},
    "Orthodox Christian": {"Orthodox Christian"},
    "Jehovah['’]s Witness": {"Jehovah's Witness"},
    "Christian": _CHRISTIAN,
    "Jew|Jewish": {"Jewish"},
    "Muslim": {"Muslim"},
    "Buddhist": {"Buddhist"},
    "Hindu": {"Hindu"},
    "atheist": {"Atheist", "Agnostic", "Nothing in particular"},
    "agnostic": {"Atheist", "Agnostic", "Nothing in particular"},
}


def check_religion(page: Page) -> Iterator[Problem]:
    """Yield a faith professed that is not the known one; upbringing, culture and the unknown are not judged."""
    known = page.person.religion
    if known is None or known in ("Don't know", "Other world religion", "Other faith"):
        return
    mild = (
        r"(?:devout|practicing|observant|committed|faithful|lifelong|deeply religious|devoted|religious|born-again|"
        r"convinced|firm|self-described|proud|Roman|strict)"
    )
    own = "her|their" if page.person.sex == "female" else "his|their"
    everything = " ".join(page.masked.values())
    for words, faiths in _FAITHS.items():
        if known in faiths or not re.search(words, everything):
            continue
        is_one = (
            rf"is (?:an? )?(?:{mild} )?(?:{words})\b(?! (?:school|hospital|charity|by (?:birth|upbringing)|neighbo|"
            rf"food|studies|high))"
        )
        for claim, match in page.find(is_one):
            if not re.search(
                r"\b(?:raised|lapsed|upbringing|former|teaching|teacher|mother|father)\b", claim.text, re.I
            ):
                yield page.claimed("religion", known, claim, match)
        faith = re.compile(rf"\b(?:{own}) (?:\w+ )?(?:{words}) (?:faith|beliefs)\b", re.I)
        for sentence in page.sentences:
            if (found := faith.search(sentence.text)) and sentence.about and not sentence.has_other(found.start()):
                yield page.problem(
                    "religion", known, sentence.field, sentence.start + found.start(), sentence.start + found.end()
                )
    if known in _SECULAR:
        goes = (
            r"attends (?:\w+ )?(?:mass|church|synagogue|mosque|temple)(?: services)? (?:every|each|weekly|"
            r"regularly|on (?:Sundays|Fridays|Saturdays))|is (?:a )?(?:devout|deeply religious|very religious)\b|"
            r"prays (?:every|each|five times)"
        )
    elif known in _CHRISTIAN:
        goes = r"(?:attends|goes to|prays at) (?:the |a |her |his )?(?:\w+ )?(?:mosque|synagogue)\b|is not religious\b"
    else:
        goes = (
            r"(?:attends|goes to) (?:\w+ )?(?:mass|church) (?:every|each|weekly|regularly|on Sundays)|"
            r"is not religious\b"
        )
    for claim, match in page.find(goes):
        yield page.claimed("religion", known, claim, match)


def check_party(page: Page) -> Iterator[Problem]:
    """Yield the wrong party, and votes cast by those who may not vote."""
    person = page.person
    if person.party is not None:
        wrong = {"Democratic": "Republican", "Republican": "Democrat(?:ic)?", "other": "Democrat(?:ic)?|Republican"}[
            person.party
        ]
        side = (
            rf"(?:is (?:an? )?(?:(?:registered|lifelong|loyal|staunch|proud|committed|moderate|"
            rf"reliable) )*(?:{wrong})\b(?! (?:city|town|party (?:critic|opponent)))|"
            rf"votes? (?:for )?(?:the )?(?:straight )?(?:{wrong})\b|supports the (?:{wrong}) party)"
        )
        if person.party != "other":
            side += (
                r"|(?:votes? for|supports|belongs to) (?:neither|no) (?:big |major )?party\b|"
                r"is (?:a |an )?(?:political )?independent(?: voter)?(?=[.,;]|$)"
            )
        for claim, match in page.find(side):
            if not re.search(r"\b(?:sometimes|occasionally|when)\b", match.group()):
                yield page.claimed("party", person.party, claim, match)
    if person.citizenship == "not a citizen" or person.age < 18:
        votes = (
            r"(?:votes? (?!with|for (?:a |the )?(?:movie|restaurant|song))(?:in|for|democrat\w*|republican|every|"
            r"at)\b|voted in\b|is a registered (?:voter|democrat|republican)\b|never misses an election)"
        )
        for claim, match in page.find(votes):
            yield page.claimed("party", "not a citizen" if person.age >= 18 else f"age {person.age}", claim, match)


_DISABLED = (
    (
        r"uses a (?:\w+ )?(?:wheelchair|walker)\b|relies on a (?:wheelchair|walker)\b|is (?:unable to|"
        r"not able to) walk\b|cannot walk\b|can't walk\b",
        "ambulatory",
    ),
    (r"is (?:legally |totally |completely |nearly )?blind\b(?! to| spot|-)|uses a white cane\b", "vision"),
    (
        r"is (?:profoundly |totally |completely |partly |partially )?deaf\b(?! to)|wears (?:a )?hearing aids?\b|"
        r"is hard of hearing\b",
        "hearing",
    ),
)


def check_disability(page: Page) -> Iterator[Problem]:
    """Yield a disability nobody knows of, and health claimed by those who have one."""
    known = page.person.disability
    if known is None:
        return
    for words, name in _DISABLED:
        if name in known or (name == "ambulatory" and ("self-care" in known or "independent" in known)):
            continue
        for claim, match in page.find(words):
            yield page.claimed("disability", known, claim, match)
    for words, name in (("seeing", "vision"), ("hearing", "hearing"), ("walking", "ambulatory")):
        if name not in known:
            trouble = (
                r"(?:has|lives with) (?:some |serious |great )?(?:difficulty|difficulties|trouble) (?:of |in |with )?"
            )
            for claim, match in page.find(rf"{trouble}{words}\b"):
                yield page.claimed("disability", known, claim, match)
    if known != "none":
        for claim, match in page.find(
            r"(?:has no disabilit(?:y|ies)|is able-bodied|does not have (?:a|any) disabilit(?:y|ies))\b"
        ):
            yield page.claimed("disability", known, claim, match)
