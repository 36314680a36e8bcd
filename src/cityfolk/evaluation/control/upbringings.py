"""The same vector brought up elsewhere: one sentence of a person's background, put into a request that has none.

Twenty nationalities and ten languages of upbringing, spread over the inhabited parts of the world and the large
languages; sex, age and faith likewise. Each sentence is said in the way that anybody would say it of somebody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from cityfolk.errors import DataError, UsageError
from cityfolk.types import Message

NATIONALITIES: Mapping[str, str] = MappingProxyType(
    {
        "Australia": "an Australian",
        "Bangladesh": "a Bangladeshi",
        "Brazil": "a Brazilian",
        "China": "a Chinese",
        "Egypt": "an Egyptian",
        "Ethiopia": "an Ethiopian",
        "France": "a French",
        "Germany": "a German",
        "Haiti": "a Haitian",
        "India": "an Indian",
        "Iran": "an Iranian",
        "Italy": "an Italian",
        "Japan": "a Japanese",
        "Mexico": "a Mexican",
        "Nigeria": "a Nigerian",
        "Poland": "a Polish",
        "South Korea": "a South Korean",
        "Turkey": "a Turkish",
        "the United States": "an American",
        "Vietnam": "a Vietnamese",
    }
)
"""Country -> the word before "citizen"."""
LANGUAGES = (
    *("Arabic", "English", "French", "Hindi", "Japanese"),
    *("Mandarin Chinese", "Portuguese", "Russian", "Spanish", "Swahili"),
)
SEXES = ("woman", "man")
AGES = (20, 35, 50, 65, 80)
RELIGIONS = ("Catholic", "Protestant", "Jewish", "Muslim", "Hindu", "Buddhist", "not religious")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upbringing:
    """One value of one factor ("nationality", "Brazil") and the sentence that says it to the model."""

    factor: str
    value: str
    sentence: str


def upbringings(factors: Sequence[str] = ("nationality", "language")) -> Iterator[Upbringing]:
    """Yield every value of the factors named; UsageError for a factor that there is not."""
    for factor in factors:
        if factor not in _SENTENCES:
            raise UsageError(f"there is no factor {factor!r}", hint=f"one of {', '.join(_SENTENCES)}")
        for value, sentence in _SENTENCES[factor].items():
            yield Upbringing(factor=factor, value=value, sentence=sentence)


def brought_up(messages: Sequence[Message], upbringing: Upbringing) -> tuple[Message, ...]:
    """Return a request for an answer in which the person also has this background; all else stays as it was.

    The sentence stands in a line of its own before the last paragraph of the last turn, where the question is. Raises
    DataError for a conversation that doesn't end with a user's turn.
    """
    if not messages or messages[-1].role != "user":
        raise DataError("a request for an answer ends with a user's turn", hint="give the messages of one question")
    before, gap, question = messages[-1].content.rpartition("\n\n")
    content = f"{before}\n{upbringing.sentence}{gap}{question}" if gap else f"{upbringing.sentence}\n\n{question}"
    return (*messages[:-1], replace(messages[-1], content=content))


_SENTENCES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "nationality": {
            country: f"Background: you grew up in {country} and are {word} citizen."
            for country, word in NATIONALITIES.items()
        },
        "language": {one: f"Background: you grew up speaking {one} at home." for one in LANGUAGES},
        "sex": {one: f"Background: you are a {one}." for one in SEXES},
        "age": {str(years): f"Background: you are {years} years old." for years in AGES},
        "religion": {one: f"Background: you are {one}." for one in RELIGIONS},
    }
)
