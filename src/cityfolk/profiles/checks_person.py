"""Age and sex: what was written of the citizen against what was known."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cityfolk.profiles.checks_text import (
    DECADE,
    DECADES,
    FEMALE,
    KIN,
    MALE,
    NAME,
    NAME_SIGN,
    NUMBER,
    Page,
    Sentence,
    number,
)
from cityfolk.types import Problem

_STAGES: tuple[tuple[str, int, int], ...] = (
    (r"(?:teenager|teen|adolescent|teenage \w+)", 13, 19),
    (r"(?:toddler|baby(?! boomer)|infant|preschooler)", 0, 5),
    (r"(?:young child|little girl|little boy|small child|schoolboy|schoolgirl|schoolchild)", 0, 15),
    (r"(?:twenty-something|20-something)", 20, 29),
    (r"(?:thirty-something|30-something)", 30, 39),
    (r"(?:forty-something|40-something)", 40, 49),
    (r"(?:fifty-something|50-something)", 50, 59),
    (r"quinquagenarian", 50, 59),
    (r"sexagenarian", 60, 69),
    (r"septuagenarian", 70, 79),
    (r"octogenarian", 80, 89),
    (r"nonagenarian", 90, 99),
    (r"(?:senior citizen|pensioner|elderly (?:man|woman|person|resident|gentleman|lady))", 58, 120),
    (r"(?:middle-aged (?:man|woman|person|\w+))", 36, 66),
    (r"(?:young (?:man|woman|adult|professional|person|mother|father))", 12, 45),
)
_NUMBERED = re.compile(r"\d|\w(?:teens?|t(?:y|ies))\b|ty-|\b(?:ten|eleven|twelve|teens)\b| years?\b|-year", re.I)
_FUTURE = re.compile(
    r"\b(hopes?|plans?|wants?|will|would|dreams?|expects?|until|someday|one day|imagines?|looks? forward|wishes|"
    r"live to|like (?:a|someone)|for (?:someone|a)|people|those)\b",
    re.I,
)
_PRESENT = re.compile(
    r"\s*(?:still |already |also |now )?(?:is|has|works|lives|runs|keeps|remains|spends|enjoys|prefers|likes|"
    r"teaches|manages|feels|takes|shares|rents|owns|studies|attends|loves|stays|walks|serves|goes|does|isn['’]t|"
    r"doesn['’]t|no longer)\b"
)


def check_name(page: Page) -> Iterator[Problem]:
    """Yield another name under which the profile introduces the citizen; a short form of it counts as another."""
    if page.stranger is not None:
        yield page.problem("name", page.person.name, "general_description", *page.stranger)
    first = page.person.name.split()[0]
    if len(first) < 4:
        return
    # A copying slip: "Hyungque keeps ..." of Hyungmin. Short forms ("Alex", "Alexie") are left alone.
    slip = re.compile(rf"({re.escape(first[:4])}[\w'’-]*)(?= [a-z])")
    for sentence in page.sentences:
        found = slip.match(sentence.text)
        if found and not first.startswith(found[1]) and not found[1].endswith(("y", "ie", "'s", "’s")):
            yield page.problem("name", page.person.name, sentence.field, sentence.start, sentence.start + found.end())


def check_home(page: Page) -> Iterator[Problem]:
    """Yield another city, state or country in which the citizen is said to live."""
    title = page.citizen.place
    city = title.split(",")[0]
    named = any(city in text for text in page.masked.values())
    lives = r"(?:lives|resides|has a home) in (?P<place>(?-i:[A-Z]\w+(?: [A-Z]\w+)*))"
    for claim, match in page.find(lives, "general_description"):
        place = match.group("place")
        quarter = re.search(r"\b(?:Square|Street|Avenue|Hall|House|Village|Heights|Hill|Park|Side)\b", place)
        if not quarter and not named and not any(word in title for word in place.split()):
            yield page.claimed("home", title, claim, match)
    other = re.compile(rf"^In (?P<place>[A-Z]\w+(?: [A-Z]\w+)*) lives {NAME_SIGN}")
    found = other.match(page.masked["general_description"])
    if found and not named and not any(word in title for word in found.group("place").split()):
        yield page.problem("home", title, "general_description", *found.span("place"))


def check_age(page: Page) -> Iterator[Problem]:
    """Yield ages, decades and stages of life that are not the citizen's, and spans longer than their life."""
    yield from _stated_ages(page)
    yield from _decades(page)
    for pattern, low, high in _STAGES:
        for claim, match in page.find(
            rf"(?:is|remains)\s+(?:a|an|still a|just a|only a)\s+(?P<stage>{pattern})\b(?! of| at)"
        ):
            if not low <= page.person.age <= high:
                yield page.claimed("age", page.person.age, claim, match)
    yield from _spans(page)


def _has_number(sentence: Sentence) -> bool:
    return _NUMBERED.search(sentence.text) is not None


def _stated_ages(page: Page) -> Iterator[Problem]:
    age = page.person.age
    exact = (
        rf"(?:is|turned|has turned|has just turned|just turned)\s+(?:only |just |now |about |almost |"
        rf"nearly )?(?:an? )?(?:[\w-]+ly )?"
        rf"(?:(?!-)\w+ )?(?P<age>{NUMBER})(?:[- ]years?[- ](?:old|of[- ]age)|(?=[,.;]|$| (?:last|this|in) |"
        rf" and (?:lives|works|has|is|was)))"
    )
    for claim, match in page.find(exact):
        if abs(number(match.group("age")) - age) > (1 if re.search("turned|almost|nearly|about", match.group()) else 0):
            yield page.claimed("age", age, claim, match)
    apart = re.compile(
        rf"(?:^|[;,] )(?:Now |At |At age |At the age of |As an? |As a |An? |The |This |Aged ){{1,2}}(?:[\w-]+, |"
        rf"\w+ly )?"
        rf"(?P<age>{NUMBER})(?P<tail>[- ]years?[- ](?:old|of age))?(?P<rest>[^.;]{{0,60}}?)(?:,? )(?P<who>{NAME}|"
        rf"\b[Ss]?[Hh]e\b)(?P<verb>\s*\w+ ?\w*)?"
    )
    inserted = re.compile(
        rf"{NAME}(?:,| is|,? now|,? aged|,? age|"
        rf" \()+ ?(?:an? )?(?P<age>{NUMBER})(?P<tail>[- ]years?[- ]old)?(?=[,)]|[- ])"
    )
    own_noun = "woman|girl|lady" if page.person.sex == "female" else "man|boy|gentleman"
    of_age = re.compile(
        rf"\b(?:{own_noun}|person|resident|adult) of (?P<age>{NUMBER})\b(?! (?:children|kids|sons|daughters|words))",
        re.I,
    )
    now = re.compile(rf"\b(?:now|currently) (?:aged )?(?P<age>{NUMBER})(?P<tail> years old)?, {NAME}", re.I)
    for sentence in filter(_has_number, page.sentences):
        for match in (*of_age.finditer(sentence.text), *now.finditer(sentence.text)):
            if number(match.group("age")) != age and sentence.about and _introduces(page, sentence, match.start()):
                yield page.problem("age", age, sentence.field, *_span(sentence, match, "age"))
        for match in apart.finditer(sentence.text):
            if _apart_is_wrong(page, sentence, match):
                yield page.problem("age", age, sentence.field, *_span(sentence, match, "age"))
        for match in inserted.finditer(sentence.text):
            closed = match.group("tail") or sentence.text[match.end() :][:1] in (",", ")")
            if closed and " is" not in match.group() and abs(number(match.group("age")) - age) > 0:
                yield page.problem("age", age, sentence.field, *_span(sentence, match, "age"))


def _introduces(page: Page, sentence: Sentence, upto: int) -> bool:
    """Say whether a sentence speaks of the citizen alone up to a place in it."""
    text = sentence.text
    named = NAME_SIGN in text or re.match(r"(?:she|he) is\b", text, re.I) is not None
    return named and not re.search(
        rf"\b{KIN}\b|\b(?:friend|meets?|knows?|helps?|like an?)\b", text[:upto].removeprefix("Meet "), re.I
    )


def _apart_is_wrong(page: Page, sentence: Sentence, match: re.Match[str]) -> bool:
    """Judge "At 34, Maria ..." and "A 34-year-old nurse, Maria ...": a past age is fine in a past sentence."""
    stated, age = number(match.group("age")), page.person.age
    if stated == age or not sentence.about:
        return False
    rest = match.group("rest")
    if re.match(
        r"\s*(?:%|percent|minutes|hours|dollars|miles|people|a\.?m|p\.?m|o'clock|:\d|\.\d|,\d|"
        r"in the|on the|each|every)",
        rest,
    ):
        return False
    described = match.group("tail") is not None and not re.match(r"at\b", match.group().lstrip(";, ").lower())
    if described:
        return (not re.search(r"\b(?:was|were|had)\b", rest) and not re.search(rf"\b(?:{FEMALE}|{MALE})\b", rest)) or (
            bool(re.search(r"\b(?:woman|man|girl|boy)\b", rest))
        )
    if not re.match(r"(?:,|$| years old| years of age)", (match.group("tail") or "") + rest + ","):
        return False
    if stated > age + 1:
        return True
    return _PRESENT.match(match.group("verb") or "") is not None


def _span(sentence: Sentence, match: re.Match[str], group: str) -> tuple[int, int]:
    end = match.end("tail") if match.groupdict().get("tail") else match.end(group)
    return sentence.start + match.start(group), sentence.start + end


def _decades(page: Page) -> Iterator[Problem]:
    age = page.person.age
    own = "her|their" if page.person.sex == "female" else "his|their"
    stated = (
        rf"(?:is|remains)\s+(?:now |well |still |firmly )?(?:an? (?:[\w-]+ ){{1,4}})?(?P<how>in|into|entering|"
        rf"nearing|approaching) "
        rf"(?:{own}) {DECADE}\b"
    )
    for claim, match in page.find(stated):
        if not _decade_fits(match, age):
            yield page.claimed("age", age, claim, match)
    opening = re.compile(
        rf"^(?:Now |Still |Already |Well )?(?P<how>in|into|entering|nearing|approaching) (?:{own}) {DECADE}\b", re.I
    )
    aside = re.compile(
        (rf"{NAME}, (?:now |still |well |already )?(?P<how>in|nearing|approaching) (?:{own}) {DECADE},"),
        re.I,
    )
    later = re.compile(rf"\b(?:in|during|since|through|from|into) (?:{own}) {DECADE}\b", re.I)
    for sentence in filter(_has_number, page.sentences):
        beside = aside.search(sentence.text)
        if beside and not _decade_fits(beside, age):
            yield page.problem("age", age, sentence.field, *_span(sentence, beside, "decade"))
        first = opening.match(sentence.text)
        if first and sentence.about and re.match(rf", {NAME}{_PRESENT.pattern}", sentence.text[first.end() :]):
            if not _decade_fits(first, age):
                yield page.problem("age", age, sentence.field, *_span(sentence, first, "decade"))
            continue
        if not sentence.about or sentence.has_other() or _FUTURE.search(sentence.text):
            continue
        for match in later.finditer(sentence.text):
            if DECADES[match.group("decade").lower()] > age + 1:
                yield page.problem("age", age, sentence.field, *_span(sentence, match, "decade"))


def _decade_fits(match: re.Match[str], age: int) -> bool:
    start = DECADES[match.group("decade").lower()]
    if match.group("how").lower() in ("nearing", "approaching", "entering"):
        return start - 6 <= age <= start + 2
    if start == 10:
        return 10 <= age <= 19
    low, high = {"early": (0, 4), "mid": (2, 8), "middle": (2, 8), "late": (5, 9)}.get(
        (match.group("part") or "").lower(), (0, 9)
    )
    return start + low <= age <= start + high


def _spans(page: Page) -> Iterator[Problem]:
    """Yield years of work or residence that a life of this length cannot hold."""
    age = page.person.age
    work = re.compile(
        rf"\b(?P<age>{NUMBER}) years (?:of (?:work(?:ing)? )?experience|on the job|in the (?:job|field|trade|"
        rf"business|profession)|of service)\b",
        re.I,
    )
    stay = (
        r"has (?:\w+ly )?(?:lived|worked|been|taught|studied|owned|run|driven|served|practiced)\b[^.;,]{0,60}?\bfor "
        rf"(?:over |more than |nearly |almost |about |the past |the last |at least |some )?(?P<age>{NUMBER}) years"
    )
    for claim, match in page.find(stay):
        if number(match.group("age")) > age:
            yield page.claimed("age", age, claim, match)
    for sentence in filter(_has_number, page.sentences):
        for match in work.finditer(sentence.text):
            if sentence.about and not sentence.has_other(match.start()) and number(match.group("age")) > age - 10:
                yield page.problem("age", age, sentence.field, *_span(sentence, match, "age"))


_FEMALE_FORMS = re.compile(r"\b(?:she|her|hers|herself)\b", re.I)
_MALE_FORMS = re.compile(r"\b(?:he|him|his|himself)\b", re.I)
_FEMALE_WORD = (
    r"(?:woman|girl|lady|mother|mom|mum|wife|daughter|sister|grandmother|widow|aunt|housewife|schoolgirl|"
    r"stepmother|girlfriend)"
)
_MALE_WORD = (
    r"(?:man|boy|gentleman|father|dad|husband|son|brother|grandfather|widower|uncle|schoolboy|stepfather|boyfriend|"
    r"bachelor)"
)
# Capitalised words that stand for no person; any other one inside a sentence may be somebody's name.
_NO_NAME = re.compile(
    r"(?:I|Cambridge|Boston|Massachusetts|American|English|Spanish|Chinese|French|Portuguese|Monday|Tuesday|Wednesday|"
    r"Thursday|Friday|Saturday|Sunday|January|February|March|April|May|June|July|August|September|October|November|"
    r"December|Christmas|US|USA|TV|Big|Catholic|Protestant|Jewish|Muslim|Hindu|Buddhist|Democratic|Republican)\b"
)


def check_sex(page: Page) -> Iterator[Problem]:
    """Yield words that call the citizen a woman or a man when they are not, and pronouns of the other sex."""
    female = page.person.sex == "female"
    wrong_word = _MALE_WORD if female else _FEMALE_WORD
    known = page.person.sex
    called = (
        rf"(?:is|remains|became|as)\s+(?:an?|the|also an?|both an?|still an?)\s+(?:(?!of|for|in|with|who|to|at|on|"
        rf"and|by|from|than|her|his|as)[\w-]+ ){{0,4}}(?P<noun>{wrong_word})(?!['’\w-])"
    )
    for claim, match in page.find(called):
        if not (match.group("noun").lower() == "bachelor" and "degree" in claim.text):
            yield page.claimed("sex", known, claim, match)
    title = re.compile(rf"\b{'Mr' if female else '(?:Mrs|Ms|Miss)'}\.? (?P<who>{NAME_SIGN}+|[\w'’-]+)")
    opening = re.compile(
        rf"^(?:An?|This|As an?) (?:(?!of|for|in|with|who|to|at|on|and|by|"
        rf"from)[\w-]+,? ){{0,5}}{wrong_word}(?!['’\w-])[^.;]{{0,60}}, (?:{NAME}|[Ss]?[Hh]e\b)"
    )
    for sentence in page.sentences:
        for match in title.finditer(sentence.text):
            own_name = match.group("who")[0] == NAME_SIGN or match.group("who") == page.last
            if own_name and not sentence.has_other(match.start()):
                yield page.problem(
                    "sex", known, sentence.field, sentence.start + match.start(), sentence.start + match.end()
                )
        if found := opening.match(sentence.text):
            yield page.problem("sex", known, sentence.field, sentence.start, sentence.start + found.end())
    yield from _pronouns(page)


def _pronouns(page: Page) -> Iterator[Problem]:
    """Yield the first pronoun of the other sex where nobody else can be meant, or where they prevail in the profile."""
    female = page.person.sex == "female"
    wrong, right = (_MALE_FORMS, _FEMALE_FORMS) if female else (_FEMALE_FORMS, _MALE_FORMS)
    counts = [0, 0]
    first: tuple[str, int, int] | None = None
    for name, text in page.masked.items():
        found = wrong.search(text)
        counts[0] += len(wrong.findall(text))
        counts[1] += len(right.findall(text))
        if found is None:
            continue
        first = first or (name, found.start(), found.end())
        # "someone" and "a person" are looked for in the whole field, names only before the pronoun.
        if not _somebody_else(page, text, found.start()):
            yield page.problem("sex", page.person.sex, name, found.start(), found.end())
            return
    if first is not None and counts[0] >= 3 and counts[0] > counts[1]:
        yield page.problem("sex", page.person.sex, *first)


def _somebody_else(page: Page, text: str, upto: int) -> bool:
    other = MALE if page.person.sex == "female" else FEMALE
    if Sentence("", text, 0, True).has_other() and re.search(rf"\b(?:{other})\b", text, re.I):
        return True
    if Sentence("", text, 0, True).has_other(upto):
        return True
    own = {*page.person.name.split(), *page.citizen.place.replace(",", " ").split(), *page.person.birthplace.split()}
    for word in re.finditer(r"(?<=[a-z,;] )[A-Z][\w'-]+", text[:upto]):
        if word.group() not in own and word.group().removesuffix("'s") not in own and not _NO_NAME.match(word.group()):
            return True
    return False
