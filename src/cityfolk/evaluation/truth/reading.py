"""Reading any text for what it says of one person: sentences, numbers in words, and who a clause is about.

No parser: a match counts as said of the person unless its sentence has named somebody else before it, or puts it as a
wish, a condition, a past or a denial. What can't be attributed with confidence is no claim: a false alarm costs more
than a miss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS = {word: value for value, word in enumerate(_ONES, 1)} | {ten: 20 + 10 * i for i, ten in enumerate(_TENS)}
NUMBERS |= {f"{ten}{gap}{one}": NUMBERS[ten] + NUMBERS[one] for ten in _TENS for one in _ONES[:9] for gap in "- "}
DECADES = {"teens": 10} | {f"{ten[:-1]}ies": 20 + 10 * i for i, ten in enumerate(_TENS)}
DECADES |= {f"{start}s": start for start in range(10, 100, 10)}
NUMBER = r"(?:\d{1,3}|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
DECADE = r"(?:(?P<part>early|mid|late)[- ])?(?P<decade>" + "|".join(DECADES) + ")"

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.](?=\d)[^.!?\n]*)*[.!?]*")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|U\.S|Ph\.D|M\.D|Prof)\.(?!\n)")
_OTHERS = (
    "wife|wives|husband|husbands|spouse|partner|partners|fiance|fiancee|boyfriend|girlfriend|ex|son|sons|daughter|"
    "daughters|child|children|kid|kids|baby|toddler|grandson|grandsons|granddaughter|granddaughters|grandchild|"
    "grandchildren|stepson|stepdaughter|mother|father|mom|dad|mum|parent|parents|grandmother|grandfather|"
    "grandparent|grandparents|brother|brothers|sister|sisters|sibling|siblings|cousin|cousins|aunt|aunts|uncle|"
    "uncles|niece|nieces|nephew|nephews|in-laws|relative|relatives|friend|friends|roommate|roommates|housemate|"
    "housemates|flatmate|flatmates|neighbor|neighbors|neighbour|neighbours|colleague|colleagues|coworker|coworkers|"
    "boss|supervisor|mentor|customer|customers|client|clients|patient|patients|students|pupils|teacher|"
    "everyone|someone|somebody|people|others|families|couple|couples|dog|cat|dogs|cats"
)
OTHERS = re.compile(rf"\b(?:{_OTHERS})\b", re.I)
OTHER = rf"(?:{_OTHERS})"
_NOT_SAID = re.compile(
    r"\b(?:if|unless|until|whether|when|wants?|hopes?|hoping|wish(?:es)?|dreams?|plans?|planning|would|could|might|"
    r"should|will|used to|formerly|once|thinks?|imagines?|feels? like|as though|as if|not|n['’]t|never|nor|without|"
    r"almost|nearly|before|was|were|had been|toward|towards|pursuing|working on)\b",
    re.I,
)

_CLAUSE = re.compile(r"[,;:]|\b(?:and|but)\b")


@dataclass(frozen=True, slots=True)
class Said:
    """A match that counts: its groups, and the words as written."""

    match: re.Match[str]
    sentence: str

    @property
    def text(self) -> str:
        """Return the words as written."""
        return self.match.group(0).strip(" ,;")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a line break ends one, a decimal point and a common abbreviation don't."""
    safe = _ABBREVIATION.sub(lambda m: m.group(0).replace(".", "\x00"), text)
    return [part.replace("\x00", ".").strip() for part in _SENTENCE.findall(safe) if part.strip()]


def having(read: list[str], *words: str) -> list[str]:
    """Return the sentences that hold one of the words (lower case, anywhere): the only ones worth a slow pattern."""
    return [sentence for sentence, low in zip(read, map(str.lower, read), strict=True) if any(w in low for w in words)]


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


def said(read: list[str], pattern: str, *, denied: bool = False) -> Iterator[Said]:
    """Yield the matches of a pattern that are said of the person; with `denied` the pattern holds its own "not"."""
    compiled = _compiled(pattern)
    for sentence in read:
        for match in compiled.finditer(sentence):
            before = sentence[: match.start()]
            clause = _CLAUSE.split(before)[-1]
            if OTHERS.search(before) or (not denied and _NOT_SAID.search(clause)):
                continue
            yield Said(match, sentence)


def number(text: str) -> int:
    """Return a whole number written in digits, or in words up to ninety-nine."""
    return int(text) if text.isdigit() else NUMBERS[text.lower()]


def decade(match: re.Match[str]) -> tuple[int, int]:
    """Return the first and last age of a decade as written: "early forties" is 40 to 44; the edges give a year."""
    start = DECADES[match.group("decade").lower()]
    low, high = {"early": (0, 4), "mid": (2, 8), "late": (5, 9)}.get((match.group("part") or "").lower(), (0, 9))
    return start + low, start + high
