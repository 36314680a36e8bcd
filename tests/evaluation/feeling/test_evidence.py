"""What feeling_evidence says of a corpus whose sentiment is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.feeling import EMOTIONS, INSTRUMENT, feeling_evidence
from cityfolk.evaluation.feeling.evidence import rank_correlation, sampled
from tests.evaluation.feeling.cases import corpus


def by_id(evidence):
    found = {finding.id: finding for finding in evidence.findings}
    assert len(found) == len(evidence.findings)
    return found


def test_means_and_intervals_by_hand():
    ids = list(range(4))
    profiles = pl.DataFrame(
        {
            "person_id": ids,
            "source": ["a"] * 4,
            "story": ["kind.", "kind.", "lonely.", "A nurse."],
            "job_title": ["Hero"] * 4,
        }
    )
    found = by_id(feeling_evidence(Corpus(profiles=profiles, fields=("story", "job_title"))))
    values = np.array([0.25, 0.25, -0.25, 0.0])
    half = 1.6448536 * values.std(ddof=1) / 2
    whole = found["text.feeling.sentiment"]
    assert (whole.value, whole.low, whole.high) == pytest.approx((0.0625, 0.0625 - half, 0.0625 + half))
    assert whole.n == 4 and whole.unit == "-1 to 1" and whole.note == INSTRUMENT and whole.verdict == "none"
    assert found["text.feeling.sentiment.story"].value == pytest.approx(0.0625)
    assert "text.feeling.sentiment.job_title" not in found  # a title repeats a fact
    assert found["text.feeling.emotion.caring"].value == pytest.approx(0.5)
    assert sum(found[f"text.feeling.emotion.{label}"].value for label in EMOTIONS) == pytest.approx(1)


def test_several_sources_are_told_apart():
    first, second = corpus(20), corpus(20, "b")
    both = replace(first, profiles=pl.concat([first.profiles, second.profiles]))
    found = by_id(feeling_evidence(both))
    assert "text.feeling.sentiment@a" in found and "text.feeling.sentiment@b" in found
    assert found["text.feeling.sentiment@a"].title.endswith("(a)")
    alone = by_id(feeling_evidence(first))["text.feeling.sentiment"]
    assert found["text.feeling.sentiment@a"].value == alone.value


def test_groups_are_marks_of_a_picture():
    details = feeling_evidence(corpus(60)).details
    sexes = {d.label: d.value for d in details if d.name == "feeling.sentiment.sex"}
    assert set(sexes) == {"women", "men"}
    assert {d.label for d in details if d.name == "feeling.emotion" and d.group == "lexicon"} == set(EMOTIONS)
    fields = {d.label for d in details if d.name == "feeling.sentiment"}
    assert fields == {"all fields", "general_description", "strengths"}


def test_nothing_known_of_the_people_gives_no_groups():
    details = feeling_evidence(corpus(60, people=False)).details
    assert not [d for d in details if d.name.startswith("feeling.sentiment.")]


def test_large_corpora_are_sampled_the_same_way_each_time():
    whole = corpus(60)
    part = sampled(whole, 20, "feeling")
    assert part.profiles.height == 20 and part.profiles.equals(sampled(whole, 20, "feeling").profiles)
    assert part.profiles["person_id"].is_sorted()
    assert by_id(feeling_evidence(whole, most=20))["text.feeling.sentiment"].n == 20
    assert sampled(whole, 60, "feeling") is whole


def test_one_profile_has_a_value_and_no_interval():
    found = by_id(feeling_evidence(corpus(1)))["text.feeling.sentiment"]
    assert found.value is not None and found.low is None and found.n == 1


def test_rank_correlation_is_scipys():
    from scipy.stats import spearmanr

    stream = np.random.default_rng(3)
    x, y = stream.integers(0, 9, 40).astype(float), stream.normal(size=40)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(rank_correlation(x, np.ones(40)))
