"""Paired differences by hand, and a swap that changes what is written."""

import numpy as np
import polars as pl
import pytest

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.fairness import counterfactual_evidence
from cityfolk.evaluation.fairness.pairs import paired_effect
from cityfolk.evaluation.intervals import wilson

WARM, COLD = "She is kind and warm.", "She is rude and cold."
NEUTRAL = ("She takes the bus.", "She reads at night.", "She is calm.", "She is tired.", "She is a kind of clerk.")


def rows(n, text, attribute="origin", to="Haiti", samples=1, engine="a", title=lambda swapped, i: "Nurse"):
    return pl.DataFrame(
        [
            {
                "attribute": attribute,
                "value_drawn": "Ohio",
                "value_swapped": to,
                "variant": variant,
                "sample": sample,
                "person_id": i,
                "engine": engine,
                "model": f"{engine}-1",
                "general_description": text(variant == "swapped", i, sample),
                "job_title": title(variant == "swapped", i),
            }
            for i in range(n)
            for sample in range(samples)
            for variant in ("drawn", "swapped")
        ]
    )


def by_id(evidence):
    return {finding.id: finding for finding in evidence.findings}


def some(swapped, i, sample):
    stream = rng.child(i, "test", "pair", int(swapped), sample)
    return " ".join(stream.choice(NEUTRAL, 3))


def test_differences_by_hand():
    # Of ten citizens four are written coldly when swapped: (-.5 - .25) / 3 - (.5 + .5) / 3 each.
    evidence = counterfactual_evidence(rows(10, lambda swapped, i, _: COLD if swapped and i < 4 else WARM))
    found = by_id(evidence)["text.counterfactual.sentiment.origin.Haiti"]
    change = (-0.75 - 1.0) / 3
    values = np.array([change] * 4 + [0.0] * 6)
    half = 1.8331 * values.std(ddof=1) / np.sqrt(10)  # Student's t, 9 degrees, 95%
    assert (found.value, found.low, found.high) == pytest.approx(
        (values.mean(), values.mean() - half, values.mean() + half), abs=1e-4
    )
    assert found.n == 10 and found.expected == 0.0


def test_a_planted_change_is_flagged_and_shown():
    title = lambda swapped, i: "Cleaner" if swapped else "Nurse"  # noqa: E731
    evidence = counterfactual_evidence(rows(30, lambda swapped, *_: COLD if swapped else WARM, title=title))
    found = by_id(evidence)
    assert found["text.counterfactual.sentiment.origin.Haiti"].verdict == "outside"
    assert found["text.counterfactual.communion.origin.Haiti"].verdict == "outside"
    assert found["text.counterfactual.communion.origin.Haiti"].value == pytest.approx(-40.0)  # 2 of 5 words
    job = found["text.counterfactual.job_level.origin.Haiti"]
    assert job.value == -3.0 and job.verdict == "outside"
    assert found["text.counterfactual.money.origin.Haiti"].verdict == "inside"
    shown = [d for d in evidence.details if d.name == "counterfactual.example"]
    assert [d.group for d in shown] == ["drawn", "swapped"] and [d.text for d in shown] == [WARM, COLD]


def test_samples_of_a_citizen_are_one_observation():
    once = counterfactual_evidence(rows(12, some))
    same = counterfactual_evidence(rows(12, lambda swapped, i, _: some(swapped, i, 0), samples=3))
    assert [(f.value, f.low, f.n) for f in once.findings] == [(f.value, f.low, f.n) for f in same.findings]


def test_years_change_lives_and_are_not_judged():
    found = by_id(counterfactual_evidence(rows(20, lambda s, *_: COLD if s else WARM, attribute="age", to="70")))
    sentiment = found["text.counterfactual.sentiment.age.70"]
    assert sentiment.verdict == "none" and sentiment.expected is None and "corrected p 0.0" in sentiment.note


def test_two_swaps_and_two_sources_are_corrected_apart():
    frame = pl.concat(
        [
            rows(20, some),
            rows(20, some, attribute="religion", to="Nothing in particular"),
            rows(20, lambda s, *_: COLD if s else WARM, engine="b"),
        ]
    )
    found = by_id(counterfactual_evidence(frame))
    assert found["text.counterfactual.sentiment.origin.Haiti@b"].verdict == "outside"
    assert found["text.counterfactual.sentiment.origin.Haiti@a"].verdict == "inside"
    assert "text.counterfactual.sentiment.religion.Nothing_in_particular@a" in found


def test_few_pairs_have_no_number_and_half_a_pair_is_none():
    assert counterfactual_evidence(rows(7, some)).findings == ()
    lame = rows(12, some).filter(~((pl.col("variant") == "drawn") & (pl.col("person_id") < 3)))
    assert {finding.n for finding in counterfactual_evidence(lame).findings} == {9}


def test_other_tables_are_refused():
    with pytest.raises(DataError, match="pairs lack the columns attribute"):
        counterfactual_evidence(pl.DataFrame({"person_id": [1]}))


def test_effect_of_pairs_by_hand():
    drawn, swapped = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 5.0, 5.0])
    d = 1.0 / np.sqrt((5 / 3 + 3.0) / 2)
    effect, error = paired_effect(drawn, swapped)
    assert effect == pytest.approx(d * (1 - 3 / 11))
    spread = (swapped - drawn).var(ddof=1) / ((5 / 3 + 3.0) / 2)
    assert error == pytest.approx((1 - 3 / 11) * np.sqrt((1 / 4 + d * d / 8) * spread))
    assert np.isnan(paired_effect(np.ones(4), np.ones(4))[0])


@pytest.mark.long
def test_an_engine_that_swaps_nothing_is_rarely_flagged():
    alarms = 0
    for seed in range(100):
        frame = rows(25, lambda swapped, i, sample, seed=seed: some(swapped, 1000 * seed + i, sample))
        alarms += any(f.verdict == "outside" for f in counterfactual_evidence(frame, alpha=0.05, seed=seed).findings)
    assert wilson(alarms, 100, z=2.58)[0] <= 0.05
