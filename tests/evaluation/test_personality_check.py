"""The check passes a city drawn from the norms and fails one that was not."""

import numpy as np
import polars as pl
import pytest

from cityfolk.errors import DataError
from cityfolk.evaluation.personality_check import personality_findings
from cityfolk.personality.drawing import draw_personality
from cityfolk.vocabulary import TRAITS

N = 30_000


def _people(n=N, shift=0.0):
    ages = np.random.default_rng(0).integers(0, 95, n)
    sexes = np.where(np.arange(n) % 2 == 0, "female", "male")
    draw = draw_personality(ages, sexes, np.arange(n), seed=1, place="p")
    traits = {trait: np.clip(draw.percentile[:, i] + shift, 0.001, 0.999) for i, trait in enumerate(TRAITS)}
    return pl.DataFrame({"age": ages, "sex": sexes, "norms": draw.norms, **traits})


@pytest.fixture(scope="module")
def findings():
    return {finding.id: finding for finding in personality_findings(_people())}


def test_a_city_from_the_norms_is_inside(findings):
    assert len(findings) == 40 + 40 + 10 + 5 + 5 + 1
    outside = [f.id for f in findings.values() if f.verdict == "outside"]
    assert not outside
    assert sum(f.verdict == "inside" for f in findings.values()) == 100


def test_intervals_hold_their_value_and_most_hold_what_was_expected(findings):
    tested = [f for f in findings.values() if f.verdict != "none"]
    assert all(f.low <= f.value <= f.high for f in tested)
    assert np.mean([f.low <= f.expected <= f.high for f in tested]) > 0.8


def test_minors_are_left_out(findings):
    share = findings["people.personality.extrapolated"]
    assert share.value == pytest.approx(18 / 95, abs=0.01) and share.n == N
    assert sum(f.n for i, f in findings.items() if i.startswith("people.personality.mean.openness")) < 0.83 * N


def test_expected_effects_by_hand(findings):
    # Agreeableness over 60 minus 21 to 40: women 97.17 - 91.91, men 90.20 - 84.22, halved, over 96 points.
    assert findings["people.personality.age.agreeableness"].expected == pytest.approx((5.26 + 5.98) / 2 / 96)


def test_a_shifted_city_is_outside():
    shifted = {f.id: f for f in personality_findings(_people(shift=0.15))}
    assert shifted["people.personality.mean.openness.women 21-40"].verdict == "outside"


def test_a_city_without_correlations_is_outside():
    people = _people()
    rng = np.random.default_rng(1)
    mixed = people.with_columns(pl.Series(t, rng.permutation(people[t].to_numpy())) for t in TRAITS)
    found = {f.id: f for f in personality_findings(mixed)}
    assert found["people.personality.correlation.conscientiousness.neuroticism"].verdict == "outside"


def test_a_hamlet_gets_no_numbers_it_cannot_bear():
    findings = {f.id: f for f in personality_findings(_people(n=3))}
    assert findings["people.personality.mean.openness.men under 21"].value is None


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="norms"):
        personality_findings(pl.DataFrame({"age": [1], "sex": ["male"]}))
