"""Judges with planted faults are caught and honest ones are not; what is said of agreement is right."""

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.judges import judges_findings
from cityfolk.vocabulary import TRAITS

QUESTIONS, EACH = 40, 10
N = QUESTIONS * EACH


def normal(z):
    from scipy.special import ndtr

    return np.clip(ndtr(z), 0.001, 0.999)


class World:
    """Answers with targets, what they truly express, and how long they are; judges are added to it."""

    def __init__(self, seed, *, ignored=False):
        self.stream = np.random.default_rng(seed)
        target = self.stream.normal(size=(N, 5))
        noise = self.stream.normal(size=(N, 5))
        self.true = noise if ignored else 0.8 * target + 0.6 * noise
        # Outgoing people write somewhat more: length is not independent of personality.
        self.words = np.exp(4 + 0.15 * self.true[:, 2] + 0.25 * self.stream.normal(size=N)).astype(int)
        ids = [f"{n:016x}" for n in range(N)]
        self.answers = pl.DataFrame(
            {
                "answer_id": ids,
                "question_id": [f"q-{n // EACH:03d}" for n in range(N)],
                "words": self.words,
                **{f"target_{trait}": normal(target[:, i]) for i, trait in enumerate(TRAITS)},
            }
        )
        self.parts, self.scales = [], {}

    def add(self, judge, z, *, raw=None, scale="percentile", same_family=False):
        raw = z if raw is None else raw
        self.scales[judge] = scale
        self.parts.append(
            pl.DataFrame(
                {
                    "answer_id": self.answers["answer_id"],
                    "judge": [judge] * N,
                    "same_family": pl.Series([same_family] * N, dtype=pl.Boolean),
                    **{f"raw_{trait}": raw[:, i] for i, trait in enumerate(TRAITS)},
                    **{f"z_{trait}": z[:, i] for i, trait in enumerate(TRAITS)},
                }
            )
        )
        return self

    def honest(self, judge="honest", noise=0.7, **options):
        return self.add(judge, self.true + noise * self.stream.normal(size=(N, 5)), **options)

    def always(self, jitter=0.0):
        raw = np.clip(0.8 + jitter * self.stream.normal(size=(N, 5)), 0, 1)
        return self.add("always", np.zeros((N, 5)), raw=raw, scale="raw")

    def length(self, noise=0.1):
        raw = np.clip(self.words[:, None] / 120 + noise * self.stream.normal(size=(N, 5)), 0, 1)
        return self.add("length", (raw - raw.mean(axis=0)) / raw.std(axis=0), raw=raw, scale="raw")

    def findings(self, retests=None):
        found = judges_findings(self.answers, pl.concat(self.parts), self.scales, retests, seed=1)
        return {finding.id: finding for finding in found}


def outside(findings, judge=""):
    return {f.id for f in findings.values() if f.verdict == "outside" and judge in f.id}


@pytest.mark.parametrize("jitter", [0.0, 0.005])
def test_a_judge_that_always_says_the_same_is_caught(jitter):
    for seed in range(20):
        caught = outside(World(seed).always(jitter).findings())
        assert {f"judges.deviation.{trait}@always" for trait in TRAITS} <= caught
        if not jitter:
            assert {f"judges.same_score.{trait}@always" for trait in TRAITS} <= caught


def test_a_judge_that_rates_length_is_caught():
    caught = [outside(World(seed).length().findings()) for seed in range(20)]
    everywhere = {f"judges.length.{trait}@length" for trait in TRAITS}
    assert sum(everywhere <= one for one in caught) >= 19


def test_a_judge_that_rates_length_is_caught_without_targets():
    world = World(3).length()
    world.answers = world.answers.with_columns(pl.lit(None).alias(f"target_{trait}") for trait in TRAITS)
    assert {f"judges.length.{trait}@length" for trait in TRAITS} <= outside(world.findings())


def test_honest_judges_raise_no_alarm():
    clean = [not outside(World(seed).honest().honest("second", 1.5, scale="raw").findings()) for seed in range(20)]
    assert sum(clean) >= 19


def test_an_honest_judge_of_an_engine_that_ignores_its_target_is_not_blamed_for_length():
    clean = [not outside(World(seed, ignored=True).honest().findings()) for seed in range(20)]
    assert sum(clean) >= 18


def test_agreement_is_what_it_was_made_to_be():
    found = World(0).honest("a", 0.5).honest("b", 0.5).findings()
    # Variance of what is expressed .64 + .36 = 1, of each judge's noise .25: r = 1 / 1.25.
    for kind in ("pearson", "icc2", "icc3"):
        finding = found[f"judges.{kind}.openness@a|b"]
        assert finding.value == pytest.approx(0.8, abs=0.06) and finding.low < finding.value < finding.high
        assert finding.n == N and "percentile" in finding.note
    assert found["judges.bias.openness@a|b"].low < 0 < found["judges.bias.openness@a|b"].high


def test_bias_is_a_difference_and_only_told_of_calibrated_judges():
    world = World(1).honest("a", 0.3)
    world.add("b", world.true + 0.5).honest("c", scale="raw")
    found = world.findings()
    bias = found["judges.bias.agreeableness@a|b"]
    assert bias.value == pytest.approx(-0.5, abs=0.06) and bias.high < -0.4
    assert found["judges.icc2.agreeableness@a|b"].value < found["judges.icc3.agreeableness@a|b"].value
    assert "judges.bias.agreeableness@a|c" not in found


def test_judges_that_contradict_each_other():
    world = World(2).honest("a")
    world.add("flipped", -world.true)
    assert {f"judges.pearson.{trait}@a|flipped" for trait in TRAITS} <= outside(world.findings())


def test_known_truth_tells_who_exaggerates():
    world = World(4)
    world.add("grammar", world.true, same_family=True).add("loud", 2 * world.true + 1)
    found = world.findings()
    assert found["judges.slope.openness@loud"].value == pytest.approx(0.5)
    assert found["judges.intercept.openness@loud"].value == pytest.approx(-0.5)
    assert found["judges.same_family@grammar"].verdict == "none"


def test_a_judge_of_the_generators_family_is_flagged():
    found = World(5).honest("a", same_family=True).honest("b").honest("c", same_family=None).findings()
    assert found["judges.same_family@a"].verdict == "outside" and found["judges.same_family@a"].value == 1.0
    assert found["judges.same_family@b"].verdict == "inside"
    assert found["judges.same_family@c"].verdict == "none" and found["judges.same_family@c"].value is None


def test_what_could_not_be_read_is_counted():
    world = World(6)
    z = world.true.copy()
    z[:100] = np.nan
    world.add("a", z)
    world.parts[0] = world.parts[0].with_columns(pl.selectors.float().fill_nan(None))
    found = world.findings()
    assert found["judges.unread@a"].value == 0.25
    assert found["judges.deviation.openness@a"].n == N - 100


def test_asked_twice():
    stream = np.random.default_rng(0)
    first = stream.normal(size=(50, 5))
    looks = [first, first + 0.5 * stream.normal(size=(50, 5))]
    looks[1][:, 1] = first[:, 1]
    looks = [np.where(np.arange(5) == 4, 0.8, look) for look in looks]
    retests = pl.concat(
        pl.DataFrame(
            {
                "answer_id": [f"{n:016x}" for n in range(50)],
                "judge": ["a"] * 50,
                "look": [number] * 50,
                **{f"raw_{trait}": look[:, i] for i, trait in enumerate(TRAITS)},
            }
        )
        for number, look in enumerate(looks, 1)
    )
    found = World(7).honest("a").findings(retests.sample(fraction=1.0, shuffle=True, seed=1))
    one = found["judges.retest.openness@a"]
    assert one.value == pytest.approx(np.corrcoef(looks[0][:, 0], looks[1][:, 0])[0, 1])
    assert found["judges.retest.conscientiousness@a"].value == pytest.approx(1.0)
    assert found["judges.retest.neuroticism@a"].value is None and one.n == 50


def test_the_order_of_rows_changes_nothing():
    world = World(8).honest("a").honest("b", scale="raw")
    before = world.findings()
    world.answers = world.answers.sample(fraction=1.0, shuffle=True, seed=3)
    world.parts = [part.reverse() for part in reversed(world.parts)]
    after = world.findings()
    assert before.keys() == after.keys()
    for name, finding in before.items():
        assert finding.value == pytest.approx(after[name].value), name
