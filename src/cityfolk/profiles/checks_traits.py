"""Traits: a plain statement of the opposite pole about somebody who is far from it.

Only below the 20th and above the 80th percentile, only flat statements ("is outgoing"), only markers that lie in one
trait: Goldberg (1992) and Saucier (1994) name them, as `personality.words` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cityfolk.personality.words import trait_phrase
from cityfolk.profiles.checks_text import Page
from cityfolk.types import Problem

LOW, HIGH = 0.20, 0.80
_FIELDS = ("general_description", "personality_description", "cognition", "social_habits", "work_habits")
_MARKERS: dict[str, tuple[str, str]] = {
    "openness": (
        "unimaginative|not imaginative|uninquisitive|narrow-minded|closed-minded|conventional|incurious|"
        "unadventurous|set in (?:his|her) ways",
        "imaginative|inventive|open-minded|creative|curious|adventurous|artistic",
    ),
    "conscientiousness": (
        "disorganized|disorganised|careless|sloppy|unreliable|messy|lazy|undisciplined|scatterbrained|forgetful",
        "meticulous|well organized|organized|organised|disciplined|thorough|methodical|punctual",
    ),
    "extraversion": (
        "introverted|an introvert|shy|reserved|withdrawn|quiet|timid",
        "outgoing|extroverted|extraverted|an extrovert|talkative|gregarious|the life of the party|bubbly|lively",
    ),
    "agreeableness": (
        "rude|harsh|cold-hearted|quarrelsome|argumentative|callous|uncooperative|unkind|selfish|suspicious|"
        "demanding|blunt|critical",
        "warm-hearted|kindhearted|kind-hearted|softhearted|kind|sympathetic|trusting|considerate",
    ),
    "neuroticism": (
        "calm|even-tempered|relaxed|unflappable|emotionally stable|easygoing|unworried|imperturbable|laid-back|"
        "hard to upset",
        "anxious|moody|high-strung|nervous|easily upset|temperamental|a worrier|fretful|on edge",
    ),
}
_HEDGE = re.compile(
    r"\b(?:can|could|sometimes|at times|occasionally|when|with (?:close|old|good|her|his|family)|around (?:close|"
    r"old|her|his)|"
    r"seems?|appears?|looks?|on the (?:outside|surface)|not|never|hardly|rarely|less|anything but|far from|until|"
    r"unless|enough|"
    r"only|about|at (?:home|work)|in (?:public|private|front))\b",
    re.I,
)


def check_traits(page: Page) -> Iterator[Problem]:
    """Yield flat statements of the opposite pole of a trait that is very low or very high."""
    degree = r"(?:(?:a|an|also|very|quite|rather|so|truly|(?!nearly|hardly|barely|only|early)\w+ly) )*"
    for trait, percentile in page.person.personality.items():
        if LOW <= percentile <= HIGH:
            continue
        words = _MARKERS[trait][1 if percentile < LOW else 0]
        listed = r"(?:[\w-]+(?:, (?:and )?| and )){0,2}"
        pattern = (
            rf"is (?:known (?:for being|as) )?{degree}{listed}{degree}(?P<marker>{words})\b(?! (?:to|by|for|at|of|"
            rf"about)\b)"
        )
        for claim, match in page.find(pattern, *_FIELDS):
            if not _HEDGE.search(claim.text):
                yield page.claimed("traits", f"{trait} {trait_phrase(trait, percentile)}", claim, match)
