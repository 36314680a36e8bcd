"""Household and family: whom the citizen lives with, whom they married, what roof is over them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from cityfolk.profiles.checks_text import ANY_PERSON, NAME, NAME_SIGN, NUMBER, Page, number
from cityfolk.profiles.prompts import household_text, relation
from cityfolk.types import Person, Problem

_CHILD = {"son", "daughter"}
# word written -> relations (as `prompts.relation` names them) that bear it out; "relative" bears out any kin.
_KIN: dict[str, frozenset[str]] = {
    "husband": frozenset({"husband"}),
    "wife": frozenset({"wife"}),
    "spouse": frozenset({"husband", "wife"}),
    "partner": frozenset({"husband", "wife", "partner"}),
    "girlfriend": frozenset({"partner"}),
    "boyfriend": frozenset({"partner"}),
    "son": frozenset({"son", "relative"}),
    "daughter": frozenset({"daughter", "relative"}),
    "child": frozenset({"son", "daughter", "relative", "child"}),
    "kid": frozenset({"son", "daughter", "relative", "child"}),
    "baby": frozenset({"son", "daughter", "relative", "child", "grandson", "granddaughter"}),
    "mother": frozenset({"mother", "relative"}),
    "mom": frozenset({"mother", "relative"}),
    "father": frozenset({"father", "relative"}),
    "dad": frozenset({"father", "relative"}),
    "parent": frozenset({"mother", "father", "relative"}),
    "brother": frozenset({"brother", "relative", "sibling"}),
    "sister": frozenset({"sister", "relative", "sibling"}),
    "sibling": frozenset({"brother", "sister", "relative", "sibling"}),
    "grandmother": frozenset({"grandmother", "relative"}),
    "grandfather": frozenset({"grandfather", "relative"}),
    "grandparent": frozenset({"grandmother", "grandfather", "relative"}),
    "grandson": frozenset({"grandson", "relative"}),
    "granddaughter": frozenset({"granddaughter", "relative"}),
    "grandchild": frozenset({"grandson", "granddaughter", "relative"}),
    "roommate": frozenset({"housemate", "partner", "unmarried partner", "roomer"}),
    "housemate": frozenset({"housemate", "partner", "unmarried partner"}),
    "flatmate": frozenset({"housemate", "partner", "unmarried partner"}),
}
_PLURAL = {"wives": "wife", "children": "child", "kids": "kid", "babies": "baby", "grandchildren": "grandchild"}
_KIN_WORD = re.compile(
    r"\b(?:(?P<n>"
    + NUMBER
    + r")\s+(?:[\w-]+\s+){0,2}?)?(?P<kin>"
    + "|".join(
        sorted(
            [
                *(f"{w}s?" for w in _KIN if w not in ("wife", "child", "baby")),
                "wife",
                "wives",
                "child",
                "children",
                "baby",
                "babies",
                "grandchildren",
            ],
            key=len,
            reverse=True,
        )
    )
    + r")\b(?!-in-law|['’]s)(?! of (?:a|the|one|his|her) (?:friend|neighbor|colleague|sister|brother|cousin))",
    re.I,
)
_NO_LONGER = re.compile(
    r"\b(?:late|ex|former|future|first|second|deceased|died|passed|lost|grown|adult|absent|imaginary|would-be|"
    r"estranged)[ -]|\bin-law",
    re.I,
)
_AGES = re.compile(rf"\s?(?:\((?P<inside>[^)]{{1,40}})\)|,? (?P<one>{NUMBER})(?=[,.;]| and\b))", re.I)
_LIVES_WITH = (
    r"(?:lives|resides|is living|shares (?:a|an|the|their|his|her) (?:[\w-]+ ){0,3}(?:home|house|apartment|flat|"
    r"condo|household|place|roof))"
    r"\b(?P<where>[^.;,]{0,50}?)\bwith\b(?P<with>[^.;]*)"
)


def check_household(page: Page) -> Iterator[Problem]:
    """Yield statements about home, marriage and family that the household rules out."""
    yield from _company(page)
    yield from _marriage(page)
    yield from _spouse_named(page)
    yield from _children(page)
    yield from _roof(page)


def _relations(page: Page) -> Counter[str]:
    return Counter(_relation(page, other) for other in page.citizen.others)


def _relation(page: Page, other: Person) -> str:
    """Name what another member is; two who are both housemates of the householder may be a couple or kin."""
    return "relative" if page.person.role == other.role == "housemate" else relation(page.person, other)


def _company(page: Page) -> Iterator[Problem]:
    """Yield "lives alone" of those who don't, and company that is not in the household."""
    home, known = page.citizen.household, household_text(page.citizen)
    grouped = home.kind == "group_quarters"
    if page.citizen.others:
        alone = (
            r"(?:lives|is living|resides) (?:all |quite |quietly |happily )?(?:alone|by (?:him|her|them)sel\w+|"
            r"on (?:his|her|their) own)\b|has no roommates\b"
        )
        for claim, match in page.find(alone):
            yield page.claimed("household", known, claim, match)
    listed = re.compile(
        r"(?:his|her|their) household(?: in an? \w+ \w+)? (?:is|consists of|includes|holds|has) (?:(?:him|"
        r"her)self|)(?P<with>[^.;]*)",
        re.I,
    )
    nobody = re.compile(
        rf"^(?:Nobody|No one) else lives (?:in (?:his|her|their|the) (?:home|house|apartment|flat)|"
        rf"with {NAME})"
    )
    for sentence in page.sentences:
        if page.citizen.others and (found := nobody.match(sentence.text)):
            yield page.problem("household", known, sentence.field, sentence.start, sentence.start + found.end())
        found = listed.match(sentence.text)
        if found and (wrong := _wrong_company(page, found.group("with"), grouped)) is not None:
            shift = sentence.start + found.start("with")
            yield page.problem("household", known, sentence.field, shift + wrong[0], shift + wrong[1])
    for claim, match in page.find(_LIVES_WITH):
        company = re.split(
            r"\b(?:who|whose|while|where|near|close to|next (?:door )?to|but|since|because|after|until|and (?:has|"
            r"is|works|often|enjoys|visits|likes|keeps|spends|sees|calls))\b",
            match.group("with"),
            maxsplit=1,
        )[0]
        if (wrong := _wrong_company(page, company, grouped)) is not None:
            shift = claim.start + match.start("with")
            yield page.problem("household", known, claim.field, shift + wrong[0], shift + wrong[1])


def _wrong_company(page: Page, company: str, grouped: bool) -> tuple[int, int] | None:
    """Return where a list of company names somebody who does not live there, or a number that is not theirs."""
    relations = _relations(page)
    if grouped:
        if page.citizen.household.gq_type == "other":
            return None
        close = re.search(r"\b(?:husband|wife|spouse|son|daughter|children|mother|father|parents)\b", company, re.I)
        return close.span() if close else None
    for found in _KIN_WORD.finditer(company):
        before = company[max(0, found.start() - 12) : found.start()]
        if _NO_LONGER.search(before + " ") or re.search(r"\b(?:no|not|without)\b", before):
            continue
        word = found.group("kin").lower()
        single = _PLURAL.get(word, word if word in _KIN else word.removesuffix("s"))
        names = _KIN[single] | ({"relative"} if page.person.role == "housemate" else frozenset())
        fits = sum(relations[name] for name in names)
        if fits == 0:
            return found.span()
        ages = {o.age for o in page.citizen.others if _relation(page, o) in names}
        if (stated := _AGES.match(company, found.end())) and _stated(stated) - ages:
            return found.start(), stated.end()
        exact = single in ("son", "daughter", "child", "kid") and not relations["relative"]
        if exact and found.group("n") and number(found.group("n")) not in (fits, *_plain_children(page)):
            return found.span()
    if not page.citizen.others and not _KIN_WORD.search(company):
        person = re.search(r"\b(?:friends?|family|relatives?|people|others|couple|in-laws|students)\b", company, re.I)
        return person.span() if person else None
    return None


def _stated(match: re.Match[str]) -> set[int]:
    """Return the ages in "(8 and 5)" or ", 8,"."""
    return {number(found) for found in re.findall(rf"\b{NUMBER}\b", match.group("inside") or match.group("one"), re.I)}


def _plain_children(page: Page) -> tuple[int, ...]:
    """Return the number of young children too: "two children" need not count a grown son."""
    young = [o for o in page.citizen.others if relation(page.person, o) in _CHILD and o.age < 18]
    return (len(young),)


_SINGLE = r"(?:is|remains|stays) (?:still |happily |proudly |contentedly )?single(?!-)"
_STATUS = {
    "married": (
        r"(?:(?:is|remains) (?:happily |long |recently |newly )?married(?! to (?:his|her|their|the) (?:work|job|"
        r"career|craft|music|art))|(?:is|as) a married (?:man|woman|mother|father|person))"
    ),
    "single": (
        rf"(?:{_SINGLE}|is unmarried|"
        r"has never (?:been )?married|never married|is a (?:life-?long )?bachelor\b(?!['’])|is not married)"
    ),
    "divorced": r"(?:(?:is|has been) (?:now |recently |long )?divorced|is a divorc[eé]e?)",
    "separated": (
        r"(?:is|are) (?:now |recently |legally )?separated(?= from (?:his|her|their) (?:spouse|husband|wife)|[.,;]|"
        r"$| and\b)"
    ),
    "widowed": r"(?:(?:is|has been|was) (?:now |recently |long )?widowed|is (?:now )?a widow(?:er)?\b)",
}
_RULED_OUT = {
    "never married": ("married", "divorced", "widowed", "separated"),
    "married": ("single", "divorced", "widowed", "separated"),
    "separated": ("widowed", "divorced"),
    "divorced": ("married", "widowed"),
    "widowed": ("married", "divorced", "separated"),
}


def _marriage(page: Page) -> Iterator[Problem]:
    status = page.person.marital_status
    if status is None:
        return
    for name in _RULED_OUT[status]:
        for claim, match in page.find(_STATUS[name]):
            if name == "divorced" and status == "married" and "remarried" in claim.text:
                continue
            yield page.claimed("household", status, claim, match)
    if status in ("divorced", "widowed", "separated"):
        for claim, match in page.find(r"(?:has never (?:been )?married|never married)\b"):
            yield page.claimed("household", status, claim, match)
    if "unmarried partner" in page.person.role or _relations(page)["partner"]:
        for claim, match in page.find(_SINGLE):
            yield page.claimed("household", "lives with a partner", claim, match)


def _spouse_named(page: Page) -> Iterator[Problem]:
    """Yield a living husband or wife of somebody who has none, where the possessive can only be the citizen's."""
    status, female = page.person.marital_status, page.person.sex == "female"
    if status in ("married", "separated", None):
        yield from _wrong_spouse(page)
        return
    own = rf"(?:{'her' if female else 'his'}|{NAME_SIGN}+['’]s)"
    pattern = re.compile(rf"\b{own} (?P<spouse>husband|wife|spouse|(?:[\w-]+ )?marriage)\b(?!-)", re.I)
    past = re.compile(
        r"\b(?:died|death|was|were|had|passed|late|divorced?|separat\w+|lost|left|ended|used|former|future|ex|once|"
        r"before|since|years ago)\b",
        re.I,
    )
    for sentence in page.sentences:
        for match in pattern.finditer(sentence.text):
            others = ANY_PERSON.search(sentence.text, 0, match.start())
            marriage = match.group("spouse").endswith("marriage")
            if others or past.search(sentence.text) or (marriage and status != "never married"):
                continue
            yield page.problem(
                "household", status, sentence.field, sentence.start + match.start(), sentence.start + match.end()
            )


def _wrong_spouse(page: Page) -> Iterator[Problem]:
    """Yield "her wife" of a woman whose spouse in the household is a man, and the like."""
    relations = _relations(page)
    spouse = next((name for name in ("husband", "wife") if relations[name]), None)
    if spouse is None:
        return
    wrong = "wife" if spouse == "husband" else "husband"
    own = "her" if page.person.sex == "female" else "his"
    for sentence in page.sentences:
        for match in re.finditer(rf"\b{own} {wrong}\b", sentence.text):
            if not ANY_PERSON.search(sentence.text, 0, match.start()):
                yield page.problem(
                    "household", spouse, sentence.field, sentence.start + match.start(), sentence.start + match.end()
                )


def _children(page: Page) -> Iterator[Problem]:
    own = [o for o in page.citizen.others if relation(page.person, o) in _CHILD]
    known = household_text(page.citizen)
    if own:
        none = (
            r"(?:has no (?:children|kids)(?! at home|['’])|is childless|has never had (?:children|kids)|"
            r"does(?: not|n't) have (?:any )?(?:children|kids))\b"
        )
        for claim, match in page.find(none):
            yield page.claimed("household", known, claim, match)
    if page.person.age < 15:
        some = (
            rf"(?:has|is raising|raises) (?:an? |{NUMBER} )(?:[\w-]+ ){{0,2}}(?:son|daughter|child|children|kids?|"
            rf"grandchildren)\b"
        )
        for claim, match in page.find(some):
            yield page.claimed("household", f"age {page.person.age}", claim, match)
    young = [o for o in own if o.age < 18]
    if (not page.citizen.others and page.citizen.household.kind != "group_quarters") or (
        page.citizen.others and not young
    ):
        at_home = (
            rf"(?:is raising|raises) (?:an? |(?:his|her|their) |{NUMBER} )(?:[\w-]+ ){{0,3}}(?:son|daughter|sons|"
            rf"daughters|child|children|kids?)\b"
        )
        relatives = _relations(page)["relative"] or page.person.role in (
            "spouse",
            "housemate",
            "other relative",
            "unmarried partner",
            "grandchild",
        )
        for claim, match in page.find(at_home):
            if not relatives:
                yield page.claimed("household", known, claim, match)


_FACILITIES = {
    "student housing": r"(?:student housing|dorm|dormitory|residence hall|dorm room)",
    "nursing facility": r"(?:nursing (?:home|facility)|care home)",
    "correctional": r"(?:prison|jail|correctional facility|custody)",
    "juvenile": r"juvenile facility",
    "any": r"(?:group quarters|institution)",
}
_DWELLING = r"(?:home|house|apartment|flat|condo|condominium|townhouse|triple-decker)"
_OWNS = (
    rf"(?:owns|bought|is buying) (?:an? |the |his |her |"
    rf"their )(?:own )?(?:[\w-]+ ){{0,3}}{_DWELLING}\b(?! in (?!cambridge))|"
    r"is a(?: proud)? homeowner\b"
)
_RENTS = (
    rf"rents (?:an? |the |his |her |their )(?:own )?(?:[\w-]+ ){{0,3}}(?:{_DWELLING}|place|unit|studio|"
    rf"room)\b(?! (?:out|to)\b)|"
    r"is a (?:long-?time )?(?:renter|tenant)\b"
)
_NOT_A_HOME = re.compile(r"dreams?|hopes?|saving|someday|used to|office|studio space|garage|workshop", re.I)


def _roof(page: Page) -> Iterator[Problem]:
    """Yield the wrong kind of dwelling, and ownership that is not there."""
    home, known = page.citizen.household, household_text(page.citizen)
    stays = r"(?:lives|resides|is living|stays) (?:in|at) (?:an? |the |his |her |their )?(?:[\w-]+ ){0,2}?"
    wrong = [
        rf"{stays}{words}\b(?! town| area)"
        for gq_type, words in _FACILITIES.items()
        if home.gq_type not in (gq_type, "other institutional") and (gq_type != "any" or home.kind != "group_quarters")
    ]
    if home.tenure or home.kind == "group_quarters":
        unlike = {"owner": "rented", "renter": "owned"}.get(home.tenure or "", "(?:owned|rented)")
        wrong.append(
            rf"(?:lives (?:(?:alone|by (?:him|her)self) )?in|shares|has) (?:an? |the |his |her |"
            rf"their ){unlike} {_DWELLING}\b"
        )
    if page.person.role in ("householder", "spouse") and home.tenure:
        wrong.append(_OWNS if home.tenure == "renter" else _RENTS)
    elif home.kind == "group_quarters":
        wrong.append(_OWNS)
    for words in (w for w in wrong if w.startswith(stays)):
        words = words.removeprefix(stays).removesuffix(r"\b(?! town| area)")
        here = re.compile(rf"^(?:An? |The )(?:[\w-]+ )??{words} is where (?:she|he|{NAME}) lives")
        for sentence in page.sentences:
            if found := here.match(sentence.text):
                yield page.problem("household", known, sentence.field, sentence.start, sentence.start + found.end())
    for pattern in wrong:
        for claim, match in page.find(pattern):
            if not _NOT_A_HOME.search(claim.text):
                yield page.claimed("household", known, claim, match)
