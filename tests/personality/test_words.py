"""A percentile in words: seven levels, the right ordinal, the right pole."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.personality.words import (
    LEVELS,
    POLES,
    TRAINED_WORDINGS,
    UNSEEN_WORDINGS,
    WORDINGS,
    describe,
    description,
    level,
    trait_phrase,
)
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS


@pytest.mark.parametrize(
    ("percentile", "name"),
    [
        (0.049, "extremely low"),
        (0.05, "very low"),
        (0.2, "low"),
        (0.5, "average"),
        (0.6, "high"),
        (0.95, "extremely high"),
    ],
)
def test_levels_at_their_cuts(percentile, name):
    assert level(percentile) == name


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_levels_keep_the_order_of_percentiles(one, other):
    low, high = sorted((one, other))
    assert LEVELS.index(level(low)) <= LEVELS.index(level(high))


def test_phrases_by_hand():
    assert trait_phrase("openness", 0.88) == "very high, 88th of 100 adults (imaginative, curious, creative)"
    assert trait_phrase("neuroticism", 0.11) == "very low, 11th of 100 adults (calm, relaxed, even-tempered)"
    assert trait_phrase("extraversion", 0.52) == "average, 52nd of 100 adults"


def test_five_lines_in_order():
    lines = describe(BigFive.clipped(**dict.fromkeys(TRAITS, 0.9)))
    assert [line.split(":")[0].lower() for line in lines] == list(TRAITS)
    assert set(POLES) == set(TRAITS)


@pytest.mark.parametrize("wording", [name for name in WORDINGS if name not in ("adjectives", "sentences")])
@settings(deadline=None)
@given(st.integers(1, 99))
def test_every_wording_of_numbers_says_trait_and_number(wording, rank):
    lines = describe(BigFive(**dict.fromkeys(TRAITS, rank / 100)), wording)
    for trait, line in zip(TRAITS, lines, strict=True):
        numbers = [int(number) for number in re.findall(r"\d+", line)]
        assert trait in line.lower() and rank in numbers and set(numbers) <= {rank, 1, 99, 100}


def test_wordings_differ_and_others_are_refused():
    somebody = BigFive(**dict.fromkeys(TRAITS, 0.71))
    assert len({describe(somebody, wording) for wording in WORDINGS}) == len(WORDINGS)
    assert set(TRAINED_WORDINGS) | set(UNSEEN_WORDINGS) == set(WORDINGS)
    assert not set(TRAINED_WORDINGS) & set(UNSEEN_WORDINGS)
    assert describe(somebody)[0] == "Openness: high, 71st of 100 adults (imaginative, curious, creative)"
    with pytest.raises(UsageError, match=r"no wording 'level'"):
        describe(somebody, "level")


def test_wordings_without_a_number_by_hand():
    somebody = BigFive(openness=0.97, conscientiousness=0.1, extraversion=0.3, agreeableness=0.5, neuroticism=0.777)
    assert description(somebody, "adjectives").splitlines() == [
        "Openness: extremely high (imaginative, curious, creative)",
        "Conscientiousness: very low (disorganized, careless, impulsive)",
        "Extraversion: low (quiet, reserved, withdrawn)",
        "Agreeableness: average",
        "Neuroticism: high (anxious, moody, easily upset)",
    ]
    assert description(somebody, "numbers").splitlines()[-1] == "Neuroticism: 78"
    assert description(somebody, "sentences") == (
        "You are exceptionally imaginative and creative. You are very disorganized and impulsive. You are rather quiet "
        "and withdrawn. You are about as kind as most people, and no more critical than they are. You are rather "
        "anxious and easily upset."
    )
    assert description(somebody) == "\n".join(describe(somebody))
