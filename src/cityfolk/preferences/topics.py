"""What questions are asked about: 210 topics of everyday life, each with the facets that a talk about it may show.

Facets are the thirty of the IPIP-NEO-120 (Johnson 2014, "Measuring thirty facets of the five factor model with a
120-item public domain inventory", Journal of Research in Personality 51). The topics and their split are fixed.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.norms import norms_file
from cityfolk.preferences.records import SPLITS
from cityfolk.vocabulary import TRAITS

FACETS: dict[str, tuple[str, ...]] = {
    trait: tuple(re.sub(r"\W", "_", facet.lower()) for facet in norms_file()["facets"][trait]) for trait in TRAITS
}
"""The thirty by trait, in the order of the questionnaire: "imagination", "artistic_interests", ..."""
TRAIT_OF = {facet: trait for trait, facets in FACETS.items() for facet in facets}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `phrase` is a gerund phrase that fits behind "about": "keeping a household budget"."""

    id: str
    phrase: str
    domain: str
    facets: tuple[str, ...]
    split: str

    def __post_init__(self) -> None:
        wrong = [facet for facet in self.facets if facet not in TRAIT_OF]
        if wrong or not self.facets or self.split not in SPLITS:
            raise DataError(
                f"topic {self.id} has facets {list(self.facets)} and split {self.split!r}",
                hint=f"a topic has one to three of the thirty facets, and a split of {' or '.join(SPLITS)}",
            )

    @property
    def title(self) -> str:
        """Return the phrase as a heading: "Keeping a household budget"."""
        return self.phrase[0].upper() + self.phrase[1:]

    @property
    def traits(self) -> tuple[str, ...]:
        """Return the traits of its facets, each once, in the order of the facets."""
        return tuple(dict.fromkeys(TRAIT_OF[facet] for facet in self.facets))


@cache
def topics() -> tuple[Topic, ...]:
    """Return the topics of topics.toml in the file's order."""
    table = tomllib.loads(files("cityfolk.preferences").joinpath("topics.toml").read_text(encoding="utf-8"))
    return tuple(Topic(**{**row, "facets": tuple(row["facets"])}) for row in table["topic"])


def topic(name: str) -> Topic:
    """Return a topic by its id; an unknown one is a UsageError with the nearest id."""
    return chosen([name])[0]


def chosen(names: Sequence[str]) -> tuple[Topic, ...]:
    """Return topics by id, each once, in the file's order."""
    known = {one.id: one for one in topics()}
    for name in names:
        if name not in known:
            close = get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), known, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]!r}?" if close else f"topics are {', '.join([*known][:6])} ..."
            raise UsageError(f"there is no topic {name!r}", hint=hint)
    wanted = set(names)
    return tuple(one for one in topics() if one.id in wanted)


def spread(count: int) -> tuple[Topic, ...]:
    """Return so many topics, in the file's order, spread over domains and facets, a share of them held out.

    Fewer topics are always among more: each next one is of the domain, then of the facets, that had the fewest.
    """
    if not 1 <= count <= len(topics()):
        raise UsageError(f"{count} topics cannot be taken", hint=f"there are {len(topics())}")
    return chosen([one.id for one in _order()[:count]])


@cache
def _order() -> tuple[Topic, ...]:
    left = list(topics())
    share = sum(one.split == SPLITS[1] for one in left) / len(left)
    domains, facets = Counter[str](), Counter[str]()
    order: list[Topic] = []
    held_out = 0
    while left:
        wanted = SPLITS[round(share * (len(order) + 1)) > held_out]
        among = [one for one in left if one.split == wanted] or left
        best = min(among, key=lambda one: (domains[one.domain], sum(facets[f] for f in one.facets) / len(one.facets)))
        left.remove(best)
        order.append(best)
        held_out += best.split == SPLITS[1]
        domains[best.domain] += 1
        facets.update(best.facets)
    return tuple(order)
