"""Origin: birthplace, immigration and citizenship as written, against the tables' facts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from cityfolk.profiles.checks_text import Page
from cityfolk.profiles.prompts import origin_text
from cityfolk.tables.birth import US_AREAS, origin_words, same_place
from cityfolk.types import Problem


@cache
def _place_pattern(people: bool = False) -> str:
    words = [word for word, (_, kind) in origin_words().items() if (kind == "people") == people]
    after = "(?=-born)" if people else r"(?!\w|-| Street| Square| Avenue)"
    return "(?-i:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")" + after


def _same(page: Page, word: str) -> bool:
    return same_place(word, page.person.birthplace, native=page.person.nativity == "native")


def check_origin(page: Page) -> Iterator[Problem]:
    """Yield birthplaces that are not the citizen's, immigration of the native-born, citizenship they don't have."""
    known = origin_text(page.person)
    place = _place_pattern()
    before = r"(?:the )?(?:[\w' -]+, )?"
    born = (
        rf"(?:(?:is|was) )?born (?:and (?:raised|bred) )?(?:in|near|outside) {before}(?P<place>{place})|"
        rf"(?:comes from|hails from|is originally from|is (?:an? )?native of) {before}(?P<place2>{place})"
    )
    for claim, match in page.find(born):
        if not _same(page, match.group("place") or match.group("place2")):
            yield page.claimed("origin", known, claim, match)
    opening = re.compile(
        rf"^(?:Originally )?(?:[Bb]orn (?:and raised )?in|[Ff]rom|A native of) {before}(?P<place>{place})(?=,)"
    )
    for sentence in page.sentences:
        found = opening.match(sentence.text)
        if found and sentence.about and not _same(page, found.group("place")):
            yield page.problem("origin", known, sentence.field, sentence.start, sentence.start + found.end())
    demonym = rf"is (?:an? )?(?:(?!of)[\w-]+ )?(?P<who>{_place_pattern(people=True)})-born\b"
    for claim, match in page.find(demonym):
        if not _same(page, match.group("who")):
            yield page.claimed("origin", known, claim, match)
    yield from _migration(page, known, place)


def _migration(page: Page, known: str, place: str) -> Iterator[Problem]:
    person = page.person
    if person.citizenship != "not a citizen":
        for claim, match in page.find(r"(?:is not|isn['’]t) (?:yet )?an? (?:US |U\.S\. |American )?citizen\b"):
            yield page.claimed("origin", known, claim, match)
    if person.nativity == "native":
        came = (
            r"(?:is|came as) (?:an? )(?:[\w-]+ ){0,2}(?:immigrant|refugee)\b(?! (?:rights|services|lawyer|advocate|"
            r"community))|"
            r"(?:has )?(?:immigrated|emigrated)\b|(?:is|became|has become) a naturalized (?:US |U\.S\. |"
            r"American )?citizen|"
            r"became (?:a|an) (?:US|U\.S\.|American) citizen|(?:came|moved) to (?:the United States|the US|America)\b"
        )
        if person.birthplace not in (*US_AREAS, "abroad of American parents"):
            came += rf"|grew up in (?P<place>{place})"
        for claim, match in page.find(came):
            grown = match.groupdict().get("place")
            if grown is None or origin_words()[grown][1] == "place":
                yield page.claimed("origin", known, claim, match)
        return
    home = re.escape(page.citizen.place.split(",")[0])
    never_came = (
        rf"(?:was|is) born (?:and raised )?(?:right )?(?:here|in {home})\b(?! university)|is (?:an? )?(?:{home}|"
        rf"Massachusetts|American|US) native\b|"
        rf"has (?:lived|been) in (?:{home}|the same \w+) (?:all (?:his|her|their) life|since birth)|"
        r"is (?:a )?(?:native-born|American-born|US-born|lifelong Cantabrigian)"
    )
    for claim, match in page.find(never_came):
        yield page.claimed("origin", known, claim, match)
    lifelong = re.compile(
        rf"^An? (?:lifelong )?(?:{home}|Massachusetts) (?:native|lifer)\b(?=,)|^A lifelong (?:{home}|"
        rf"Massachusetts) resident(?=,)"
    )
    for sentence in page.sentences:
        if sentence.about and (found := lifelong.match(sentence.text)):
            yield page.problem("origin", known, sentence.field, sentence.start, sentence.start + found.end())
    if person.citizenship == "not a citizen":
        citizen = (
            r"(?:is|became|has become) (?:now )?(?:a|an) (?:naturalized |proud )?(?:US|U\.S\.|American|"
            r"naturalized) citizen\b"
        )
        for claim, match in page.find(citizen):
            yield page.claimed("origin", known, claim, match)
