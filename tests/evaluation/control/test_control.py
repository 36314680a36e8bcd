"""Planted engines are told apart with the right numbers; what the numbers are is worked out by hand or by scipy."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import spearmanr

from cityfolk.errors import DataError
from cityfolk.evaluation.control import TRUE_TEXT, Trials, control_evidence
from cityfolk.evaluation.control.trials import families
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.cube import CORNERS
from cityfolk.vocabulary import TRAITS
from tests.evaluation.control import planted

PROMPTED = "@judge|m|prompted"


def measured(*frames, resamples=200, **more):
    """Findings by id less "control.", and details."""
    evidence = control_evidence(planted.trials(*frames, **more), resamples=resamples)
    assert len({f.id for f in evidence.findings}) == len(evidence.findings)
    return {f.id.removeprefix("control."): f for f in evidence.findings}, evidence.details


def holds(finding, value, slack=0.0):
    return finding.low - slack <= value <= finding.high + slack


def requested(frame):
    return ndtri(frame.select(f"target_{t}" for t in TRAITS).to_numpy())


def read(frame):
    return frame.select(f"z_{t}" for t in TRAITS).to_numpy()


@pytest.fixture(scope="module")
def worlds():
    return {name: (planted.rows(getattr(planted, name), 3), planted.voice(3)) for name in PLANTED}


# What is so of every trait, of the whole, and which side effects are there; None: nothing can be said.
PLANTED = {
    "obeys": ({"slope": 1.0, "intercept": 0.0, "moved": 1.0, "ends.inner": 1.0, "ends.kept": 1.0}, 1.0, {}),
    "ignores": ({"slope": 0.0, "moved": 0.0, "ends.inner": 0.0, "ends.kept": None}, 0.0, {}),
    "half": ({"slope": 0.5, "moved": 0.5, "ends.kept": 1.0}, 0.5, {}),
    "drags": ({"slope": 1.0, "moved": 1.0}, 1.0, {"openness.agreeableness": 0.5}),
    "saturates": ({"ends.inner": 1.0, "ends.low": 0.0, "ends.high": 0.0, "ends.kept": 0.0}, None, {}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_engines_are_diagnosed(worlds, name):
    found, _ = measured(*worlds[name])
    each, gain, leaks = PLANTED[name]
    for what, value in each.items():
        own = [found.get(f"{what}.{trait}{PROMPTED}") for trait in TRAITS]
        if value is None:
            assert not any(own)
            continue
        # One interval in ten misses; no estimate lies far off.
        assert sum(holds(one, value) for one in own) >= 3
        assert all(holds(one, value, 0.5 * (one.high - one.low)) for one in own)
    if gain is not None:
        assert holds(found["gain" + PROMPTED], gain, 0.02)
    raised = {key.split("@")[0].removeprefix("matrix.") for key, f in found.items() if f.verdict == "outside"}
    assert raised == set(leaks)
    for key, value in leaks.items():
        assert holds(found[f"matrix.{key}{PROMPTED}"], value)
    bleed = found["bleed" + PROMPTED]
    if name == "ignores":
        assert bleed.value is None or bleed.low == 0.0
    else:
        assert holds(bleed, np.sqrt(sum(v**2 for v in leaks.values()) / 20) / (gain or 1.0), 0.005)


def test_the_share_reached_is_the_formula_and_the_distance_is_in_percentiles(worlds):
    frame, plain = worlds["half"]
    found, _ = measured(frame, plain)
    x, y, u = requested(frame), read(frame), read(plain).mean(axis=0)
    for i, trait in enumerate(TRAITS):
        means = [(x[k, i], y[k :: len(planted.vectors()), i].mean()) for k in range(len(planted.vectors()))]
        left = sum(abs(mean - asked) for asked, mean in means)
        whole = sum(abs(u[i] - asked) for asked, _ in means)
        assert found[f"reached.{trait}{PROMPTED}"].value == pytest.approx(1 - left / whole)
        assert found[f"mae.{trait}{PROMPTED}"].value == pytest.approx(np.abs(ndtr(y[:, i]) - ndtr(x[:, i])).mean())
        rho = spearmanr([m[0] for m in means], [m[1] for m in means]).statistic
        assert found[f"spearman.{trait}{PROMPTED}"].value == pytest.approx(rho)
        line = np.polyfit(x[:, i], y[:, i], 1)
        assert found[f"slope.{trait}{PROMPTED}"].value == pytest.approx(line[0])
        assert found[f"intercept.{trait}{PROMPTED}"].value == pytest.approx(line[1])
    effects = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=None)[0][1:]
    for i, asked in enumerate(TRAITS):
        for j, heard in enumerate(TRAITS):
            assert found[f"matrix.{asked}.{heard}{PROMPTED}"].value == pytest.approx(effects[i, j])
    assert found["gain" + PROMPTED].value == pytest.approx(np.diag(effects).mean())
    off = np.abs(effects[~np.eye(5, dtype=bool)]).mean()
    assert found["bleed.size" + PROMPTED].value == pytest.approx(off / np.diag(effects).mean())


def test_a_broken_line_is_found_exactly_where_there_is_no_noise():
    bent = planted.rows(lambda x: np.where(x > planted.INNER, planted.INNER + 0.25 * (x - planted.INNER), x), noise=0.0)
    for topic in bent["topic"].unique():  # take the topics' own effects and the judge's noise away
        x = requested(bent.filter(pl.col("topic") == topic))
        break
    z = np.where(x > planted.INNER, planted.INNER + 0.25 * (x - planted.INNER), x)
    exact = bent.with_columns(**{f"z_{t}": np.tile(z[:, i], 10) for i, t in enumerate(TRAITS)})
    found, _ = measured(exact)
    assert found[f"ends.inner.openness{PROMPTED}"].value == pytest.approx(1.0)
    assert found[f"ends.low.openness{PROMPTED}"].value == pytest.approx(1.0)
    assert found[f"ends.high.openness{PROMPTED}"].value == pytest.approx(0.25)
    assert found[f"ends.kept.openness{PROMPTED}"].value == pytest.approx(0.625)


def test_the_interval_of_a_mean_is_students():
    from cityfolk.evaluation.control.draws import Draws, estimate
    from cityfolk.evaluation.statistics import mean_interval
    from cityfolk.rng import child

    means = child(0, "means").normal(2.0, 1.0, 9)
    draws = Draws.of(9, "topics", child(1, "draws"), 20_000)
    found = estimate(draws.means(np.repeat(means, 5), np.repeat(np.arange(9), 5)), 9)
    known = mean_interval(means)
    assert found.value == pytest.approx(known.value)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.04)


def test_what_asking_for_nothing_is_worth_is_every_unasked_answer_held_against_every_target(worlds):
    frame, plain = worlds["obeys"]
    found, _ = measured(frame, plain)
    gaps = np.abs(ndtr(read(plain))[:, None, :] - planted.vectors()[None])
    assert found["unasked.mae" + PROMPTED].value == pytest.approx(gaps.mean())
    constant = np.abs(planted.vectors() - 0.5).mean()
    assert found["constant.mae" + PROMPTED].value == pytest.approx(constant)
    always = np.exp(-5 * ((planted.vectors() - 0.5) ** 2).mean(axis=1)).mean()
    assert found["original.constant" + PROMPTED].value == pytest.approx(always)
    own = np.exp(-5 * ((ndtr(read(frame)) - ndtr(requested(frame))) ** 2).mean(axis=1)).mean()
    assert found["original.gain" + PROMPTED].value == pytest.approx(own - always)
    gap = found["difference.mae@judge|m|prompted|untargeted"]
    ours = np.abs(ndtr(read(plain))[::4, None, :] - planted.vectors()[None]).mean()  # on the questions of both
    assert gap.value == pytest.approx(found["overall.mae" + PROMPTED].value - ours) and gap.high < 0


def test_conditions_are_compared_topic_by_topic_on_what_both_were_asked():
    one, two = planted.rows(planted.half, 1), planted.rows(planted.obeys, 1, condition="my-dpo")
    some = two.filter(pl.col("target_name").str.slice(-2).cast(pl.Int64) < 40)
    found, _ = measured(one, some, planted.voice(1))
    gap = found["difference.slope@judge|m|my-dpo|prompted"]
    assert gap.n == 400 and holds(gap, 0.5, 0.02)
    mid = found["difference.mae@judge|m|my-dpo|prompted"]
    assert mid.high < 0  # DPO obeys: its answers are nearer
    # What a topic does to both falls out of the difference: it is surer than either side.
    width = {c: found[f"intercept.openness@judge|m|{c}"] for c in ("prompted", "my-dpo")}
    assert all(f.high - f.low > 2 * (mid.high - mid.low) for f in width.values())


def test_adapters_for_one_archetype_each_are_one_condition():
    targets, names = planted.archetypes(), list(ARCHETYPES)
    frames = [
        planted.rows(planted.obeys, k, targets=targets[[k]], names=[name], condition=f"{name.lower()}-dpo", each=3)
        for k, name in enumerate(names)
    ]
    lone = planted.rows(planted.obeys, 9, targets=targets[[1]], names=["Diplomat"], condition="my-tuning")
    together = pl.concat([*frames, lone])
    named = families(together)
    assert {named["m", f"{name.lower()}-dpo"] for name in names} == {"dpo, one adapter for each archetype"}
    assert named["m", "my-tuning"] == "my-tuning"
    # One alone is nobody's family, by whatever objectives it was trained.
    two = pl.concat([frames[1], frames[1].with_columns(condition=pl.lit("Diplomat-sft"))])
    assert families(two) == {("m", name): name for name in ("diplomat-dpo", "Diplomat-sft")}
    found, details = measured(together, planted.voice(2))
    arm = "@judge|m|dpo, one adapter for each archetype"
    assert holds(found[f"slope.agreeableness{arm}"], 1.0, 0.1)
    assert "slope.agreeableness@judge|m|my-tuning" not in found
    assert f"bleed{arm}" not in found  # four vectors can't tell five traits apart
    assert {d.group for d in details if d.name == "control.radar"} == set(names)
    assert found[f"original.above.Analyst{arm}"].low > 0


def test_what_the_judge_itself_swallows_is_taken_out():
    """A judge who hears half of everything halves the slope, and the slope over its slope on true texts is 1."""
    mild = [f"z_{t}" for t in TRAITS]
    frame = planted.rows(planted.obeys, 4).with_columns(pl.col(mild) / 2)
    known = planted.rows(planted.obeys, 5, condition=TRUE_TEXT, model="grammar").with_columns(pl.col(mild) / 2)
    found, _ = measured(frame, planted.voice(4), known)
    assert holds(found["slope.openness" + PROMPTED], 0.5, 0.02)
    assert holds(found["relative.openness" + PROMPTED], 1.0, 0.04)
    assert "0.5" in found["relative.openness" + PROMPTED].note
    assert not any("grammar" in key for key in found)


def test_every_number_has_its_interval_and_n_and_every_place_its_share(worlds):
    found, details = measured(*worlds["half"])
    without = {key.split("@")[0] for key, f in found.items() if f.low is None}
    assert without <= {"topics", "constant.mae", "original.constant"}
    assert all(f.n for f in found.values())
    assert {key.split("@")[0].split(".")[1] for key in found if key.startswith("corner.")} == set(CORNERS)
    assert all(holds(found[f"pole.{side}.{t}{PROMPTED}"], 0.5, 0.1) for side in ("low", "high") for t in TRAITS)
    topics = [f for key, f in found.items() if key.startswith("topic.")]
    assert len(topics) == 10 and all(holds(f, 0.5, 0.05) for f in topics)
    marks = [d for d in details if d.name == "control.dial.openness"]
    assert len(marks) == 7 and sum(int(d.label) for d in marks) == 640  # one mark a level that prompts name
    assert all(d.low <= d.value <= d.high for d in marks)


def test_a_judge_without_norms_has_no_percentiles_and_few_topics_are_said():
    frame, plain = planted.rows(planted.half, 1, topics=2, each=6), planted.voice(1, topics=2)
    bare = [one.drop(f"raw_{t}" for t in TRAITS) for one in (frame, plain)]
    found, _ = measured(*bare, scales={"judge": "raw scores standardised over the study's answers"})
    assert not any(key.startswith(("mae.", "moved.", "reached.", "original.")) for key in found)
    assert found["slope.openness" + PROMPTED].value == pytest.approx(0.5, abs=0.1)
    assert "no norms" in found["slope.openness" + PROMPTED].note
    assert found["topics@judge|m"].value == 2 and found["topics@judge|m"].verdict == "outside"
    assert "questions" in found["slope.openness" + PROMPTED].note  # too few topics to draw anew


def test_the_order_of_rows_is_nothing_and_the_seed_is_all(worlds):
    whole = pl.concat(worlds["drags"])
    first = control_evidence(planted.trials(whole), resamples=50)
    again = control_evidence(planted.trials(whole.sample(fraction=1.0, shuffle=True, seed=1)), resamples=50)
    assert [f.id for f in first.findings] == [f.id for f in again.findings]
    for one, other in zip(first.findings, again.findings, strict=True):
        assert (one.value, one.low) == pytest.approx((other.value, other.low), nan_ok=True)
    other = control_evidence(planted.trials(whole, seed=1), resamples=50)
    kept, same = ([f.value for f in e.findings if "bleed" not in f.id] for e in (first, other))
    assert kept == pytest.approx(same)  # all but bleed, from which the noise of the draws is taken
    assert [f.low for f in other.findings] != [f.low for f in first.findings]


def test_readings_that_are_missing_or_all_alike_break_nothing():
    frame = planted.rows(planted.obeys, 1).with_columns(
        z_openness=pl.when(pl.col("question_id") < "q-05").then("z_openness"),
        z_neuroticism=pl.lit(0.3),
        z_extraversion=pl.lit(None, dtype=pl.Float64),
        raw_extraversion=pl.lit(None, dtype=pl.Float64),
    )
    found, _ = measured(frame, planted.voice(1))
    assert found["slope.openness" + PROMPTED].n == 320
    assert found["slope.neuroticism" + PROMPTED].value == pytest.approx(0.0)
    assert found["spearman.neuroticism" + PROMPTED].value == 0.0
    assert not any(".extraversion@" in key and "judge.span" not in key for key in found)


def test_a_table_that_is_none_is_refused():
    frame = planted.rows(planted.obeys, 1)
    with pytest.raises(DataError, match="lacks the columns topic"):
        Trials(rows=frame.drop("topic"))
    with pytest.raises(DataError, match="there twice"):
        Trials(rows=pl.concat([frame, frame.head(1)]))


@pytest.mark.long
def test_intervals_cover_the_truth_at_their_nominal_rate():
    """90% intervals over 120 worlds: within 4 standard errors of a share of .9, or, where they are cautious, above."""
    worlds = 120
    truths = {
        "obeys": {
            "slope.openness": 1,
            "intercept.neuroticism": 0,
            "gain": 1,
            "ends.kept.openness": 1,
            "moved.openness": 1,
        },
        "drags": {"matrix.openness.agreeableness": 0.5, "bleed": 0.5 / np.sqrt(20), "overall.slope": 1},
        "half": {"slope.agreeableness": 0.5, "moved.agreeableness": 0.5, "matrix.openness.agreeableness": 0},
    }
    for name, wanted in truths.items():
        hits = dict.fromkeys(wanted, 0)
        alarms = 0
        for seed in range(worlds):
            frames = planted.rows(getattr(planted, name), seed, topics=10), planted.voice(seed)
            found, _ = measured(*frames, resamples=100, seed=seed)
            for key, value in wanted.items():
                hits[key] += holds(found[key + PROMPTED], value, 1e-9)
            alarms += any(f.verdict == "outside" for key, f in found.items() if "openness.agreeableness" not in key)
        assert all(hit / worlds >= 0.9 - 4 * np.sqrt(0.09 / worlds) for hit in hits.values()), (name, hits)
        # The width means something: sharp ones miss now and then.
        assert any(hit / worlds <= 0.97 for hit in hits.values()), (name, hits)
        assert alarms / worlds <= 0.1, (name, alarms)
