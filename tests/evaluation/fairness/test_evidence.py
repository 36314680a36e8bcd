"""Planted praise is found, traits that differ are not called bias, and the unknown is left unsaid."""

from dataclasses import replace

import polars as pl
import pytest

from cityfolk.evaluation.fairness import fairness_evidence
from cityfolk.evaluation.groups import group_masks, region_of
from tests.evaluation.fairness.cases import corpus, people

# Emotions and lists that no template has a word of cannot differ, and are left out.
EMOTIONAL = {"emotion.caring", "emotion.nervousness"}


def by_id(evidence):
    found = {finding.id: finding for finding in evidence.findings}
    assert len(found) == len(evidence.findings)
    return found


@pytest.fixture(scope="module")
def clean():
    return fairness_evidence(corpus())


@pytest.fixture(scope="module")
def praising():
    return fairness_evidence(corpus(praised="Haiti"))


def test_praise_of_one_origin_is_flagged_and_named(praising):
    found = by_id(praising)
    assert found["text.fair.sentiment"].verdict == "outside" and found["text.fair.sentiment"].value >= 1
    origin = found["text.fair.sentiment.origin"]
    assert origin.verdict == "outside" and origin.value > 1 and origin.low > 0 and "Haiti" in origin.note
    assert {found[f"text.fair.sentiment.{a}"].verdict for a in ("sex", "age", "income")} == {"inside"}
    words = [d.label for d in praising.details if d.name == "fairness.words" and d.group == "born in Haiti"]
    assert {"wonderful", "brilliant"} <= set(words[:6]) and "admires" in words


def test_drawn_traits_are_not_called_bias(clean):
    found = by_id(clean)
    known, groups = group_masks(people(400), "sex")
    assert known.all() and list(groups) == ["women"]
    assert found["text.fair.sentiment"].verdict == "inside" and found["text.fair.sentiment"].value == 0
    sex = found["text.fair.sentiment.sex"]
    assert sex.verdict == "inside" and sex.low <= 0 <= sex.high
    # Without the traits the same texts look biased: women were drawn more neurotic.
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    blind = replace(corpus(), people=people(400).drop(traits))
    assert by_id(fairness_evidence(blind))["text.fair.sentiment.sex"].verdict == "outside"


def test_only_sentiment_has_a_verdict(clean):
    for finding in clean.findings:
        judged = finding.id.startswith("text.fair.sentiment")
        assert (finding.verdict != "none") == judged, finding.id
        assert (finding.expected == 0.0) == judged


def test_every_group_and_measure_is_a_mark_with_an_interval(clean):
    marks = [d for d in clean.details if d.name == "fairness.origin"]
    assert {d.group for d in marks} == {"sentiment", "communion", "money", "job_level", *EMOTIONAL}
    # China is all of Asia here: one group.
    assert {d.label for d in marks} == {"born abroad", "born in China", "born in Germany", "born in Haiti"}
    assert all(d.low <= d.value <= d.high and 0 <= d.x <= 1 for d in marks)


def test_names_are_no_telling_words(praising):
    words = {d.label for d in praising.details if d.name == "fairness.words"}
    assert not words & {"ana", "ben", "chi", "dov", "eva", "lee"}


def test_only_sentiment_gives_the_same_verdicts(praising):
    quick = by_id(fairness_evidence(corpus(praised="Haiti"), only_sentiment=True))
    full = by_id(praising)
    assert set(quick) == {name for name in full if name.startswith("text.fair.sentiment")}
    assert all(quick[name] == full[name] for name in quick)


def test_sources_are_judged_apart():
    kind, plain = corpus(praised="Haiti", source="kind"), corpus(source="plain")
    both = replace(kind, profiles=pl.concat([kind.profiles, plain.profiles]))
    found = by_id(fairness_evidence(both, only_sentiment=True))
    assert found["text.fair.sentiment@kind"].verdict == "outside"
    assert found["text.fair.sentiment@plain"].verdict == "inside"


def test_what_is_not_known_is_not_said():
    assert fairness_evidence(replace(corpus(), people=None)).findings == ()
    assert fairness_evidence(corpus(40)).findings == ()
    only_sex = replace(corpus(), people=people(400).select("person_id", "sex"))
    assert set(by_id(fairness_evidence(only_sex, only_sentiment=True))) == {
        "text.fair.sentiment",
        "text.fair.sentiment.sex",
    }


def test_large_corpora_are_sampled():
    found = by_id(fairness_evidence(corpus(), most=200, only_sentiment=True))
    assert found["text.fair.sentiment"].n == 200


def test_groups():
    facts = pl.DataFrame(
        {
            "sex": ["female", "male", None, "male"] * 10,
            "age": [20, 40, 70, None] * 10,
            "birthplace": ["Haiti", "China", "Georgia", "Massachusetts"] * 10,
            "nativity": ["foreign-born", "foreign-born", "native", "native"] * 10,
            "race_ethnicity": ["White, Hispanic or Latino", "Asian", "White", "White"] * 10,
            "religion": ["Atheist", "Catholic", "Mormon", "Agnostic"] * 10,
            "income_usd": list(range(40)),
        }
    )
    known, groups = group_masks(facts, "sex", 5)
    assert known.sum() == 30 and {name: int(mask.sum()) for name, mask in groups.items()} == {"women": 10}
    _, both = group_masks(facts, "sex", 5, opposites=True)
    assert set(both) == {"women", "men"}
    _, origins = group_masks(facts, "origin", 5)
    assert {name: int(mask.sum()) for name, mask in origins.items()} == {
        "born abroad": 20,
        "born in China": 10,
        "born in Haiti": 10,
        "born in Georgia": 10,
        "born in Massachusetts": 10,
    }
    assert list(group_masks(facts, "race", 5)[1]) == ["Hispanic or Latino", "Asian", "White"]
    assert {"no religion", "Catholic"} <= set(group_masks(facts, "religion", 5)[1])
    assert {name: int(mask.sum()) for name, mask in group_masks(facts, "income", 5)[1].items()} == {
        "lowest third of income": 14,
        "highest third of income": 13,
    }
    assert group_masks(facts, "age", 11)[1] == {}


def test_regions():
    assert region_of("Haiti", "foreign-born") == "the Caribbean"
    assert region_of("Georgia", "native") == "United States"
    assert region_of("Georgia", "foreign-born") == "Asia"
    assert region_of("US South") == "United States"
