"""Origin: birthplace, immigration and citizenship as written, against the tables' facts."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from cityfolk.profiles.checks_text import Page
from cityfolk.profiles.prompts import origin_text
from cityfolk.tables.birth import birthplaces
from cityfolk.types import Problem

_US_AREAS = ("Puerto Rico", "US Island Areas")


@cache
def _origins() -> dict[str, tuple[str, str]]:
    text = files("cityfolk.profiles").joinpath("origins.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    words = {row["word"]: (row["place"], row["kind"]) for row in rows}
    for column in ("subregion", "region"):
        words |= {area: (area, "area") for area in birthplaces()[column].drop_nulls() if area not in words}
    return words


@cache
def _areas() -> dict[str, tuple[str, str]]:
    """Return {place of birth abroad: its subregion and region}."""
    return {row["country"]: (row["subregion"], row["region"]) for row in birthplaces().iter_rows(named=True)}


@cache
def _place_pattern(people: bool = False) -> str:
    words = [word for word, (_, kind) in _origins().items() if (kind == "people") == people]
    after = "(?=-born)" if people else r"(?!\w|-| Street| Square| Avenue)"
    return "(?-i:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")" + after


def _same_place(page: Page, word: str) -> bool:
    """Say whether a place written can be the birthplace known; unknown words and catch-all rows can be anything."""
    place, kind = _origins()[word]
    if kind == "either":
        birthplace = page.person.birthplace
        return birthplace in ("abroad of American parents", word, *place.split(";")) or birthplace.startswith("Other ")
    if kind == "area":
        birthplace = page.person.birthplace
        return birthplace == "abroad of American parents" or place in _areas().get(birthplace, ())
    birthplace, native = page.person.birthplace, page.person.nativity == "native"
    abroad = not native or birthplace in (*_US_AREAS, "abroad of American parents")
    if kind in ("place", "people"):
        if birthplace.startswith("Other "):  # a catch-all row: any country of that part of the world, or unlisted
            return _areas().get(place, ("",))[0] in ("", birthplace.removeprefix("Other "))
        if birthplace == "abroad of American parents":
            return word not in ("Puerto Rico", "Puerto Rican")
        known = _origins().get(birthplace, (birthplace, ""))[0]
        return place == known
    if abroad:
        return birthplace in _US_AREAS and kind == "country"
    if kind == "country":
        return True
    return _within(word, kind, place, birthplace)


def _within(word: str, kind: str, place: str, birthplace: str) -> bool:
    """Say whether a US state, city or region written agrees with a native's state or region of birth."""
    home_region = _origins().get(birthplace, ("", ""))[0]
    if kind == "region":
        return birthplace == place or home_region == place
    state = word if kind == "state" else place
    region = _origins().get(state, (state, ""))[0] if not state.startswith("US ") else state
    if birthplace.startswith("US "):
        return region == birthplace
    return birthplace == state or (state.startswith("US ") and home_region == state)


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
        if not _same_place(page, match.group("place") or match.group("place2")):
            yield page.claimed("origin", known, claim, match)
    opening = re.compile(
        rf"^(?:Originally )?(?:[Bb]orn (?:and raised )?in|[Ff]rom|A native of) {before}(?P<place>{place})(?=,)"
    )
    for sentence in page.sentences:
        found = opening.match(sentence.text)
        if found and sentence.about and not _same_place(page, found.group("place")):
            yield page.problem("origin", known, sentence.field, sentence.start, sentence.start + found.end())
    demonym = rf"is (?:an? )?(?:(?!of)[\w-]+ )?(?P<who>{_place_pattern(people=True)})-born\b"
    for claim, match in page.find(demonym):
        if not _same_place(page, match.group("who")):
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
        if person.birthplace not in (*_US_AREAS, "abroad of American parents"):
            came += rf"|grew up in (?P<place>{place})"
        for claim, match in page.find(came):
            grown = match.groupdict().get("place")
            if grown is None or _origins()[grown][1] == "place":
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
