"""Requested against expressed, on tables whose answers are known by construction."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import spearmanr

from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.preferences import Preferences
from cityfolk.evaluation.preferences.control import control
from cityfolk.evaluation.preferences.verdicts import settled
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.vocabulary import TRAITS
from tests.evaluation.preferences import planted


def measured(asked, answers, readings):
    data = Preferences(questions=asked, answers=answers, readings=with_z(readings), scales=scale_of(readings))
    parts = list(control(data))
    findings = settled(one for one in parts if not isinstance(one, Detail))
    return {f.id.removeprefix("pairs.control."): f for f in findings}, [d for d in parts if isinstance(d, Detail)]


@pytest.fixture(scope="module")
def world():
    asked, answers, _ = planted.world(1)
    return asked, answers


def requested(answers):
    return ndtri(answers.select(f"target_{t}" for t in TRAITS).to_numpy().astype(float))


def test_a_perfect_engine_and_judge_reach_all_of_every_move(world):
    asked, answers = world
    z = requested(answers)
    z = np.where(np.isnan(z), planted.BASE, z)
    found, details = measured(asked, answers, planted.reading_rows(answers, "judge", z))
    for trait in TRAITS:
        assert found[f"spearman.{trait}@judge"].value == pytest.approx(1.0)
        assert found[f"spearman.{trait}@judge"].verdict == "inside"
        assert found[f"slope.{trait}@judge"].value == pytest.approx(1.0)
        assert found[f"reached.{trait}@judge"].value == pytest.approx(1.0)
        assert found[f"mae.{trait}@judge"].value == pytest.approx(0.0, abs=1e-9)
        assert found[f"spearman.{trait}.held-out@judge"].n == 2 * 3 * 32 * 2
    assert found["bleed@judge"].value == pytest.approx(0.0, abs=1e-9)
    points = [d for d in details if d.name == "pairs.means.openness"]
    assert len(points) == 32 and all(d.value == pytest.approx(d.x, abs=1e-6) for d in points)


def test_half_the_move_from_the_voice_without_a_target_is_half_reached(world):
    asked, answers = world
    z = requested(answers)
    z = np.where(np.isnan(z), planted.BASE, (z + planted.BASE) / 2)
    found, _ = measured(asked, answers, planted.reading_rows(answers, "judge", z))
    for position, trait in enumerate(TRAITS):
        assert found[f"reached.{trait}@judge"].value == pytest.approx(0.5)
        assert found[f"slope.{trait}@judge"].value == pytest.approx(0.5)
        assert found[f"voice.{trait}@judge"].value == pytest.approx(planted.BASE[position])
        gap = np.nanmean(np.abs(ndtr(requested(answers)) - ndtr((requested(answers) + planted.BASE) / 2)), axis=0)
        assert found[f"mae.{trait}@judge"].value == pytest.approx(gap[position])


def test_a_trait_that_is_heard_as_another_shows_in_the_matrix_and_the_bleed(world):
    asked, answers = world
    z = np.where(np.isnan(requested(answers)), planted.BASE, requested(answers))
    z[:, 1] = z[:, 0]
    found, _ = measured(asked, answers, planted.reading_rows(answers, "judge", z))
    assert found["matrix.openness.conscientiousness@judge"].value == pytest.approx(1.0)
    assert abs(found["matrix.conscientiousness.conscientiousness@judge"].value) < 0.2
    assert found["spearman.conscientiousness@judge"].verdict == "outside"
    # Own effects 1, 0, 1, 1, 1; of the twenty others one is 1.
    assert found["bleed@judge"].value == pytest.approx((1 / 20) / (4 / 5), abs=1e-6)


def test_the_rank_correlation_is_scipys(world):
    asked, answers = world
    z = np.random.default_rng(3).normal(size=(answers.height, 5)).clip(-2.9, 2.9)
    found, _ = measured(asked, answers, planted.reading_rows(answers, "judge", z))
    there = answers["target_openness"].is_not_null().to_numpy()
    expected = spearmanr(answers["target_openness"].to_numpy()[there], z[there, 0]).statistic
    assert found["spearman.openness@judge"].value == pytest.approx(expected)


def test_judges_without_norms_have_no_percentiles_off_and_equal_scores_are_outside(world):
    asked, answers = world
    rows = planted.reading_rows(answers, "plain", np.where(np.isnan(requested(answers)), 0.0, requested(answers)))
    rows = rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(t) for t in TRAITS)
    rows = rows.with_columns(raw_neuroticism=pl.lit(0.8))
    found, _ = measured(asked, answers, rows)
    assert found["spearman.openness@plain"].value == pytest.approx(1.0)
    assert not any(name.startswith(("mae.", "reached.")) for name in found)
    flat = found["spearman.neuroticism@plain"]
    assert flat.value == 0.0 and flat.verdict == "outside" and "same score" in flat.note


def test_models_and_conditions_are_kept_apart(world):
    asked, answers = world
    z = np.where(np.isnan(requested(answers)), planted.BASE, requested(answers))
    tuned = answers.with_columns(answer_id="t" + pl.col("answer_id").str.slice(1)).filter(
        pl.col("condition") != "untargeted"
    )
    tuned = tuned.with_columns(condition=pl.lit("my-adapter"))
    both = pl.concat([answers, tuned])
    flat = np.zeros((tuned.height, 5)) + np.random.default_rng(1).normal(0, 0.1, (tuned.height, 5))
    rows = pl.concat([planted.reading_rows(answers, "j", z), planted.reading_rows(tuned, "j", flat)])
    found, _ = measured(asked, both, rows)
    assert found["spearman.openness@j"].value == pytest.approx(1.0)
    assert abs(found["spearman.openness@j|my-adapter"].value) < 0.1
