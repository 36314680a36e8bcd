"""Who tells the same vector: backgrounds laid over vectors and questions so that each factor can be told from the rest.

Two kinds of background. Where somebody comes from: 20 nationalities by 10 languages of upbringing. Who they are: sex,
age and religion. Each kind runs through all its combinations in cycles that are drawn anew: in 20 rows every
nationality stands once and every language twice, in 200 every pair of them once; in 70 rows every combination of sex,
age and religion. The rows are dealt out over the blocks (one question under one vector), the same to every model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cityfolk import rng
from cityfolk.errors import UsageError
from cityfolk.evaluation.control.upbringings import AGES, LANGUAGES, NATIONALITIES, RELIGIONS, SEXES

PROMPTS = "background/1"
WHERE, WHO = ("nationality", "language"), ("sex", "age", "religion")
COUNTRIES = tuple(NATIONALITIES)
MOST_WHERE, MOST_WHO = len(COUNTRIES), len(SEXES) * len(AGES) * len(RELIGIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What a request says of somebody besides the vector; "" where it says nothing."""

    nationality: str = ""
    language: str = ""
    sex: str = ""
    age: str = ""
    religion: str = ""

    @property
    def sentence(self) -> str:
        """The sentence that says it, as anybody would."""
        if self.nationality:
            citizen = f"you grew up in {self.nationality} and are {NATIONALITIES[self.nationality]} citizen"
            return f"Background: {citizen}; at home your family spoke {self.language}."
        article = "an" if self.age.startswith(("8", "11", "18")) else "a"
        return f"Background: you are {article} {self.age}-year-old {self.sex} and {self.religion}."

    @property
    def name(self) -> str:
        """What it says, in short: "Brazil, Portuguese"."""
        return ", ".join(value for _, value in self.items() if value)

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return (factor, value) of all five factors."""
        return tuple((name, getattr(self, name)) for name in (*WHERE, *WHO))


def backgrounds(block: int, where: int, who: int) -> Iterator[Background]:
    """Yield the backgrounds of one block: `where` of the first kind, `who` of the second, all different.

    UsageError for more of the first kind than there are nationalities, or of the second than combinations.
    """
    for asked, most in ((where, MOST_WHERE), (who, MOST_WHO)):
        if not 0 <= asked <= most:
            raise UsageError(f"{asked} backgrounds a block cannot be asked for", hint=f"from 0 to {most}")
    for row in range(where * block, where * (block + 1)):
        cycle, place = divmod(row, MOST_WHERE)
        country = _order("where", cycle, MOST_WHERE)[place]
        language = LANGUAGES[(country + cycle) % len(LANGUAGES)]
        yield Background(nationality=COUNTRIES[country], language=language)
    for row in range(who * block, who * (block + 1)):
        cycle, place = divmod(row, MOST_WHO)
        sex, rest = divmod(_order("who", cycle, MOST_WHO)[place], len(AGES) * len(RELIGIONS))
        age, religion = divmod(rest, len(RELIGIONS))
        yield Background(sex=SEXES[sex], age=str(AGES[age]), religion=RELIGIONS[religion])


@cache
def _order(kind: str, cycle: int, size: int) -> tuple[int, ...]:
    drawn = rng.child(0, "control", "backgrounds", kind, cycle).permutation(size)
    return tuple(int(place) for place in drawn)
