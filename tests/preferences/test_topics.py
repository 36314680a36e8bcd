"""Our own topics: how many, over what, and how they are chosen."""

import re
from collections import Counter
from itertools import combinations

import pytest

from cityfolk.errors import UsageError
from cityfolk.preferences.topics import FACETS, TRAIT_OF, chosen, spread, topic, topics
from cityfolk.texts.near import likeness
from cityfolk.vocabulary import TRAITS


def test_how_many_and_how_they_are_split():
    assert len(topics()) == 210
    assert Counter(one.split for one in topics()) == {"train": 170, "held-out": 40}
    assert len({one.id for one in topics()}) == len({one.phrase for one in topics()}) == 210


def test_every_phrase_fits_behind_about():
    for one in topics():
        assert re.fullmatch(r"[a-z]+ing( [a-z]+){1,6}", one.phrase), one
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.id), one
        assert one.title == one.phrase.capitalize()
        assert 1 <= len(one.facets) <= 3 and len(set(one.facets)) == len(one.facets)


def test_every_facet_and_domain_is_meant():
    assert list(FACETS) == list(TRAITS) and len(TRAIT_OF) == 30
    assert TRAIT_OF["artistic_interests"] == "openness" and TRAIT_OF["self_discipline"] == "conscientiousness"
    for split, fewest in (("train", 6), ("held-out", 1)):
        count = Counter(facet for one in topics() if one.split == split for facet in one.facets)
        assert set(count) == set(TRAIT_OF) and min(count.values()) >= fewest
    assert min(Counter(facet for one in topics() for facet in one.facets).values()) >= 7
    domains = Counter(one.domain for one in topics())
    assert len(domains) >= 15 and min(domains.values()) >= 8
    assert {one.domain for one in topics() if one.split == "held-out"} == set(domains)
    for split in ("train", "held-out"):
        traits = Counter(trait for one in topics() if one.split == split for trait in one.traits)
        assert set(traits) == set(TRAITS)
        assert max(traits.values()) < 2 * min(traits.values())


def test_no_topic_is_another_in_other_words():
    alike = [(a.phrase, b.phrase) for a, b in combinations(topics(), 2) if likeness(a.phrase, b.phrase) >= 0.6]
    assert not alike


def test_a_topic_is_found_by_its_id():
    assert topic("rush-hour").phrase == "driving in rush hour"
    assert [one.id for one in chosen(["rush-hour", "moving-house", "rush-hour"])] == ["moving-house", "rush-hour"]
    with pytest.raises(UsageError, match="no topic 'Moving House!'") as caught:
        topic("Moving House!")
    assert caught.value.hint == "did you mean 'moving-house'?"


@pytest.mark.parametrize("count", [1, 5, 18, 20, 60, 209, 210])
def test_some_topics_are_spread(count):
    some = spread(count)
    assert len(set(some)) == count
    assert set(spread(max(1, count // 2))) <= set(some)
    assert [topics().index(one) for one in some] == sorted(topics().index(one) for one in some)
    held_out = sum(one.split == "held-out" for one in some)
    assert abs(held_out - count * 40 / 210) <= 0.5
    domains = Counter(one.domain for one in some)
    if count < 200:
        assert max(domains.values()) - min(domains.get(one.domain, 0) for one in topics()) <= 2
    if count >= 20:
        assert {trait for one in some for trait in one.traits} == set(TRAITS)


def test_too_many_topics_are_refused():
    with pytest.raises(UsageError, match="211 topics cannot be taken"):
        spread(211)
