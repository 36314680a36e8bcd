"""Reading a profile for checks: sentences, who they are about, and what they claim of the citizen.

No parser: a claim is what follows the citizen's name or pronoun at the start of a clause, cut where somebody else
becomes the subject. What cannot be attributed with confidence is not a claim, since a false alarm costs more than a
miss. Offsets count characters in the field's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from cityfolk.profiles.schema import ProfileText
from cityfolk.types import Citizen, Problem

FEMALE = (
    "woman|women|girl|girls|lady|ladies|mother|mothers|mom|moms|mum|wife|wives|daughter|daughters|sister|sisters|"
    "grandmother|grandma|grandmothers|granddaughter|granddaughters|aunt|aunts|niece|nieces|girlfriend|widow|"
    "mother-in-law|daughter-in-law|sister-in-law|stepmother|stepdaughter|saleswoman|businesswoman|waitress|actress|"
    "schoolgirl|goddaughter|godmother|housewife|bride|queen|female"
)
MALE = (
    "man|men|boy|boys|gentleman|gentlemen|father|fathers|dad|dads|husband|husbands|son|sons|brother|brothers|"
    "grandfather|grandpa|grandfathers|grandson|grandsons|uncle|uncles|nephew|nephews|boyfriend|widower|"
    "father-in-law|son-in-law|brother-in-law|stepfather|stepson|salesman|businessman|waiter|actor|schoolboy|"
    "godson|godfather|guy|guys|groom|bachelor|king|male"
)
NEUTRAL = (
    "person|people|friend|friends|partner|partners|spouse|child|children|kid|kids|baby|babies|toddler|teenager|"
    "teenagers|teen|parent|parents|grandparent|grandparents|grandchild|grandchildren|sibling|siblings|cousin|cousins|"
    "relative|relatives|roommate|roommates|housemate|housemates|flatmate|flatmates|neighbor|neighbors|neighbour|"
    "neighbours|colleague|colleagues|coworker|coworkers|co-worker|co-workers|boss|manager|supervisor|employer|"
    "customer|customers|client|clients|patient|patients|student|students|pupil|pupils|teacher|teachers|resident|"
    "residents|someone|anyone|everyone|anybody|everybody|somebody|nobody|others|stranger|strangers|couple|family|"
    "families|in-laws|fiance|fiancee|ex|doctor|nurse|mentor|team|crew|tenant|tenants|landlord|guest|guests|volunteer|"
    "volunteers|classmate|classmates|professor|coach|pastor|priest|landlady|caregiver|aide|companion|great-grandchild"
)
NAME_SIGN = "ʘ"
NAME = rf"{NAME_SIGN}++(?!\w|['’]s\b)"
_NAME = re.compile(NAME)
KIN = (
    r"(?:wife|husband|spouse|partner|son|sons|daughter|daughters|child|children|kids?|mother|father|mom|dad|parents|"
    r"brothers?|sisters?|siblings?|grand(?:son|daughter|mother|father|child|children|parents|sons|daughters)|"
    r"girlfriend|boyfriend|cousins?|aunts?|uncles?|nieces?|nephews?|friends?|roommates?|housemates?|flatmates?|"
    r"colleagues?|neighbors?|neighbours?|co-?workers?|boss|in-laws)"
)
_WORD_FEMALE, _WORD_MALE, _WORD_NEUTRAL = (re.compile(rf"\b(?:{w})\b", re.I) for w in (FEMALE, MALE, NEUTRAL))
ANY_PERSON = re.compile(rf"\b(?:{FEMALE}|{MALE}|{NEUTRAL})\b", re.I)
_SENTENCE = re.compile(r"[^.!?]+(?:\.(?=\d)[^.!?]*|[.!?](?![\s\"')]|$)[^.!?]*)*[.!?]*[\"')]*\s*")
_ABBREVIATION = re.compile(r"\b(Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|e\.g|i\.e|U\.S|Ph\.D|Prof)\.", re.I)
# What makes a clause not a statement of fact about now: a condition, a time, somebody's opinion, a wish.
_NOT_A_STATEMENT = re.compile(
    r"\b(if|when|whenever|before|until|till|unless|whether|once|wish|wishes|imagines?|thinks?|says?|said|told|tells?|"
    r"believes?|assumes?|hopes?|dreams?|after|like|who|whom|feels?|fears?|worries|asks?|claims?|joked?s?|jokes|"
    r"pretends?|suppose[sd]?|would|could|might|may|should|than|how|why|what|where)\b",
    re.I,
)
_CUT = re.compile(
    r"\b(?:who|whose|whom|which|if|when|whenever|before|until|unless|whether|once|because|though|although|while|where|"
    r"whereas|than|as if|as though|since)\b"
    r"|;|, (?-i:[A-Z][a-z]+), (?=is|has|was|works|lives)|\bone of (?:them|whom)\b"
    rf"|[,;]?\s*\b(?:and|but|while)?\s*(?:her|his|their|the|an?)\s+(?:[\w-]+\s+){{0,2}}{KIN}\s+(?:\w+ly\s+|also\s+)?"
    r"(?:is|are|was|were|has|have|had|works?|lives?|runs?|teaches|keeps?|attends?|does|do|comes?|visits?|calls?)\b",
    re.I,
)
ADVERB = (
    r"(?:(?:now|still|currently|also|already|just|simply|always|today|usually|often|both|a|"
    r"(?!rarely|hardly|scarcely|barely|nearly|formerly|previously|supposedly|initially|originally|possibly|probably|"
    r"early|only|recently|family)\w+ly)\s+)"
)
_LEAD = re.compile(r"^(?:[^,;:.]{1,60}, )")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a clause says of the citizen: the words after their name or pronoun, and where they stand."""

    field: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a field; `about` is true if its subject is the citizen, or a thing and not another person."""

    field: str
    text: str
    start: int
    about: bool

    def has_other(self, upto: int | None = None) -> bool:
        """Say whether anybody but the citizen is mentioned, in the first `upto` characters."""
        return ANY_PERSON.search(self.text, 0, len(self.text) if upto is None else upto) is not None


def split_sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, sentence); decimal points and common abbreviations end none."""
    safe = _ABBREVIATION.sub(lambda m: m.group(0).replace(".", "\x00"), text)
    for match in _SENTENCE.finditer(safe):
        sentence = match.group(0).replace("\x00", ".")
        if sentence.strip():
            yield match.start(), sentence


@lru_cache(maxsize=512)
def predicate(pattern: str) -> re.Pattern[str]:
    """Compile a pattern for what a claim says: at its start or after a comma, "and" or "but", adverbs allowed."""
    return re.compile(rf"(?:^|,|;|\band\b|\bbut\b|\bboth\b)\s*{ADVERB}*(?P<claim>{pattern})", re.I)


_INTRODUCTION = "general_description"
_INTRODUCED = re.compile(
    r"(?:Meet |(?:At|Aged|Now|At the age of) \d{1,3}(?: years old)?, |An? (?:\w+ )?(?:wo)?man of \d{1,3}, |"
    r"In (?:[A-Z]\w+ ){1,3}lives |Born in [\w ]+ and now \d{1,3}, )?"
    r"(?!(?:She|He|They|It|Her|His|Their|Its|One|Two|There|This|That|These|Life|Home|Work|Born|Living|Raised|"
    r"Retired|Now|Every|Each|Everyone|"
    r"Nobody|Few|Most|People|Friends|Neighbors|The|An?|In|At|On)\b)"
    r"(?P<name>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)(?=,? (?:is|isn['’]t|works|lives|has|who|serves|goes|no longer)\b|"
    r",? \d|, an? )"
)


# "Meet Maria, 34, who ...": what follows is said of the citizen.
_PRESENTED = re.compile(
    rf"(?:Meet {NAME}(?:, \d{{1,3}})?,|(?:She|He|{NAME}) is an? (?:\w+ )?(?:man|woman|boy|girl|person|"
    rf"resident)(?: of \d{{1,3}})?|"
    rf"In [\w ]+ lives {NAME}, an? (?:\w+ )?(?:man|woman|boy|girl|person)(?: of \d{{1,3}})?,?) who(?= )"
)


@cache
def _subjects(own: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of the citizen as subject: at the start of a clause, and after an opening with no comma."""
    clause = (
        r"(?:(?<=^)|(?<=[,;:—–] )|(?<=[—–])|\b(?P<link>and|but|because|so|while|that|though|although|as|since) )"
        rf"(?P<who>{NAME}|(?:{own}|{own.lower()}|They|they)\b)(?!['’]s \w+ (?:is|was))"
    )
    opened = rf"(?:At home|These days|Nowadays|Today|Now)(?: in [\w ]{{1,30}})? (?P<who>{NAME}|{own.lower()}\b)"
    return re.compile(clause), re.compile(opened)


class Page:
    """A citizen and what was written of them, read once for all rules."""

    def __init__(self, citizen: Citizen, profile: ProfileText) -> None:
        self.citizen = citizen
        self.person = citizen.person
        self.profile = profile
        self.texts: dict[str, str] = dict(_texts(profile))
        names = self.person.name.split()
        self.last = names[-1]
        called = re.compile(rf"(?<!\w)(?:{re.escape(' '.join(names))}|{re.escape(names[0])})(?!\w)")
        # Every form of the name becomes one sign of the same length, so that patterns are the same for everybody.
        self.masked = {k: called.sub(lambda m: NAME_SIGN * len(m.group()), text) for k, text in self.texts.items()}
        self.stranger = self._introduced_as()
        if self.stranger is not None:  # a wrong name is one problem; what is said under it is still said of the citizen
            begin, end = self.stranger
            text = self.masked[_INTRODUCTION]
            self.masked[_INTRODUCTION] = text[:begin] + NAME_SIGN * (end - begin) + text[end:]
        own = "She" if self.person.sex == "female" else "He"
        self.subject, self.opened = _subjects(own)

    def _introduced_as(self) -> tuple[int, int] | None:
        """Return where the first sentence calls the citizen by another name, if it does."""
        text = self.masked[_INTRODUCTION]
        found = _INTRODUCED.match(text)
        if found is None or NAME_SIGN in text or self.last in text:
            return None
        place = set(re.findall(r"\w+", self.citizen.place))
        return None if found.group("name").split()[0] in place else found.span("name")

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Every sentence of every text, in order."""
        return tuple(s for name, text in self.masked.items() for s in self._read(name, text))

    def _read(self, name: str, text: str) -> Iterator[Sentence]:
        about = True
        for start, sentence in split_sentences(text):
            about = self._is_about(sentence, about)
            yield Sentence(name, sentence, start, about)

    def _is_about(self, sentence: str, before: bool) -> bool:
        body = sentence[len(lead.group(0)) :] if (lead := _LEAD.match(sentence)) else sentence
        for text in (sentence, body):
            if _NAME.match(text):
                return True
            if re.match(r"(?:she|he|they)\b", text, re.I):
                return before
        return not ANY_PERSON.search(" ".join(sentence.split()[:5]))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Everything said of the citizen with confidence."""
        return tuple(claim for sentence in self.sentences for claim in self._claims(sentence))

    def _claims(self, sentence: Sentence) -> Iterator[Claim]:
        found = [m for m in self.subject.finditer(sentence.text) if self._is_citizen(sentence, m)]
        if presented := _PRESENTED.match(sentence.text):
            yield Claim(sentence.field, sentence.text[presented.end() :].rstrip(), sentence.start + presented.end())
        if not found and sentence.about and (opened := self.opened.match(sentence.text)):
            found = [opened]
        for i, match in enumerate(found):
            begin = match.end()
            end = found[i + 1].start() if i + 1 < len(found) else len(sentence.text)
            cut = _CUT.search(sentence.text, begin, end)
            end = cut.start() if cut else end
            yield Claim(sentence.field, sentence.text[begin:end].rstrip(), sentence.start + begin)

    def _is_citizen(self, sentence: Sentence, match: re.Match[str]) -> bool:
        before = sentence.text[: match.start("who")]
        clause = re.split(r"[,;:—–]", before.rstrip(" ,;:—–"))[-1] if match.group("link") else ""
        if before and _NOT_A_STATEMENT.search(clause):
            return False
        if _NAME.match(match.group("who")):
            return True
        if match.group("who").lower() == "they":
            return sentence.about and not self._mentions_others(sentence.field)
        if not before:
            return sentence.about
        same = _WORD_FEMALE if self.person.sex == "female" else _WORD_MALE
        return sentence.about and not same.search(before) and not _WORD_NEUTRAL.search(before)

    def _mentions_others(self, name: str) -> bool:
        return ANY_PERSON.search(self.masked[name]) is not None

    def find(self, pattern: str, *fields: str) -> Iterator[tuple[Claim, re.Match[str]]]:
        """Yield the claims that say something, with the match; in some fields only where those are named."""
        compiled = predicate(pattern)
        for claim in self.claims:
            if not fields or claim.field in fields:
                for match in compiled.finditer(claim.text.lstrip()):
                    shift = len(claim.text) - len(claim.text.lstrip())
                    yield Claim(claim.field, claim.text, claim.start + shift), match

    def problem(self, rule: str, known: object, field: str, start: int, end: int) -> Problem:
        """Return a problem at [start, end) of a field's text."""
        return Problem(
            person_id=self.person.person_id,
            rule=rule,
            field=field,
            known=str(known),
            written=self.texts[field][start:end],
            start=start,
            end=end,
        )

    def claimed(self, rule: str, known: object, claim: Claim, match: re.Match[str]) -> Problem:
        """Return a problem whose place is what a claim's match says."""
        return self.problem(rule, known, claim.field, claim.start + match.start("claim"), claim.start + match.end())


def _texts(profile: ProfileText) -> Iterator[tuple[str, str]]:
    for name, value in profile:
        if isinstance(value, str):
            yield name, value
        else:
            for i, item in enumerate(value):
                yield f"{name}[{i}]", item


_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: i + 1 for i, word in enumerate(_ONES.split())}
for _i, _ten in enumerate(_TENS.split()):
    NUMBERS[_ten] = 20 + 10 * _i
    for _one in _ONES.split()[:9]:
        NUMBERS[f"{_ten}-{_one}"] = NUMBERS[f"{_ten} {_one}"] = 20 + 10 * _i + NUMBERS[_one]
NUMBER = r"(?:\d{1,3}|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
DECADES = {
    "teens": 10,
    **{f"{word[:-1]}ies" if word.endswith("y") else word: 20 + 10 * i for i, word in enumerate(_TENS.split())},
    **{f"{n}s": n for n in range(10, 100, 10)},
}
DECADE = r"(?:(?P<part>early|mid|middle|late)[- ]?(?:to[- ]late )?)?(?P<decade>" + "|".join(DECADES) + ")"


def number(text: str) -> int:
    """Read a whole number in digits or words up to ninety-nine."""
    return int(text) if text.isdigit() else NUMBERS[text.lower()]
