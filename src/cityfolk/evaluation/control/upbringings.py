"""The same vector brought up elsewhere: one sentence of a person's background, put into a request that has none.

Twenty nationalities and ten languages of upbringing, spread over the inhabited parts of the world and the large
languages; sex, age and faith likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cityfolk.errors import DataError
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


def brought_up(messages: Sequence[Message], sentence: str) -> tuple[Message, ...]:
    """Return a request for an answer that also says the person's background; all else stays as it was.

    The sentence stands in a line of its own before the last paragraph of the last turn, where the question is. Raises
    DataError for a conversation that doesn't end with a user's turn.
    """
    if not messages or messages[-1].role != "user":
        raise DataError("a request for an answer ends with a user's turn", hint="give the messages of one question")
    before, gap, question = messages[-1].content.rpartition("\n\n")
    content = f"{before}\n{sentence}{gap}{question}" if gap else f"{sentence}\n\n{question}"
    return (*messages[:-1], replace(messages[-1], content=content))
