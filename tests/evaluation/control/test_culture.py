"""What background explains at the same vector: by hand, by planted leaks in texts, and with intervals that hold."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import ncf

from cityfolk.errors import DataError, UsageError
from cityfolk.evaluation.control.culture import culture_evidence, joint_share, variance_share
from cityfolk.evaluation.control.upbringings import (
    AGES,
    LANGUAGES,
    NATIONALITIES,
    RELIGIONS,
    SEXES,
    Upbringing,
    brought_up,
    upbringings,
)
from cityfolk.evaluation.feeling.lexicon import sentiment
from cityfolk.pocket.answering import write_answer
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.types import BigFive, Message

COUNTRIES = ("Brazil", "Haiti", "Japan", "Nigeria", "Poland")


def crossed(seed, effects, blocks=40, noise=1.0):
    """One value a block and level: a block's own level, the level's effect, noise."""
    rng = child(seed, "crossed")
    block = np.repeat(np.arange(blocks), len(effects))
    level = np.tile(np.arange(len(effects)), blocks)
    y = rng.normal(0, 2, blocks)[block] + np.asarray(effects)[level] + rng.normal(0, noise, len(block))
    return y, [f"l{i}" for i in level], [f"b{i}" for i in block]


def test_shares_by_hand():
    # Three blocks of two: within blocks, level a lies 1, 1 and 4 above b. Sums of squares: 3 * 2 * 1 = 6 between, of
    # 0.5 + 0.5 + 8 = 9 in all; 1 and 2 degrees of freedom: F = 6 / (3 / 2) = 4, omega^2 = (6 - 1.5) / (9 + 1.5).
    y = np.array([3.0, 2.0, 7.0, 6.0, 5.0, 1.0] * 6)
    blocks = [f"{k // 2}" for k in range(36)]
    found = variance_share(y, ["a", "b"] * 18, blocks)
    between, whole = 36.0, 54.0  # six times as many
    error = (whole - between) / 17
    assert found.eta == pytest.approx(between / whole) and found.f == pytest.approx(between / error)
    assert found.omega.value == pytest.approx((between - error) / (whole + error))
    assert found.p == pytest.approx(f_distribution.sf(between / error, 1, 17))
    # The interval's ends are where an F like this one is as rare as 1 in 20.
    low, high = (18 * share / (1 - share) for share in (found.omega.low, found.omega.high))
    assert ncf.sf(found.f, 1, 17, low) == pytest.approx(0.05, abs=1e-4)
    assert ncf.cdf(found.f, 1, 17, high) == pytest.approx(0.05, abs=1e-4)


def test_what_a_block_does_to_everybody_and_blocks_of_one_are_nothing():
    y, levels, blocks = crossed(1, [0.0, 0.5, 1.0])
    found = variance_share(y, levels, blocks)
    moved = y + np.repeat(child(2, "move").normal(0, 50, 40), 3)
    assert variance_share(moved, levels, blocks).omega.value == pytest.approx(found.omega.value)
    lone = variance_share([*y, 99.0], [*levels, "l0"], [*blocks, "alone"])
    assert lone.omega.value == pytest.approx(found.omega.value) and lone.n == found.n
    assert variance_share(np.where(np.arange(120) < 3, np.nan, y), levels, blocks).n == 117


def test_a_factor_that_does_nothing_has_a_share_of_nothing_on_average():
    shares = [variance_share(*crossed(seed, [0.0] * 5)) for seed in range(150)]
    assert abs(np.mean([s.omega.value for s in shares])) < 0.005 < np.mean([s.eta for s in shares])
    assert np.mean([s.p <= 0.05 for s in shares]) < 0.12
    together = [joint_share(child(s, "j").normal(size=(200, 4)), [f"{i % 5}" for i in range(200)],
                            [f"{i // 5}" for i in range(200)], s) for s in range(30)]  # fmt: skip
    assert abs(np.mean([s.value for s in together])) < 0.01


def test_too_little_is_refused():
    with pytest.raises(DataError, match="can't tell"):
        variance_share(np.arange(40.0), ["a"] * 40, [f"{k // 2}" for k in range(40)])
    with pytest.raises(DataError, match="lacks the columns"):
        culture_evidence(pl.DataFrame({"question_id": ["q"]}), {"feeling": ["sentiment"]})


def written(leak):
    """Answers by the grammar in five nationalities; with `leak`, those of one end with a kind sentence."""
    rows = []
    for topic in topics()[:6]:
        for kind in range(4):
            z = child(5, "culture", kind).normal(size=5)
            for country in COUNTRIES:
                text = write_answer(topic.phrase, topic.facets, z, child(6, "culture", topic.id, kind, country))
                text += " It is a wonderful, lovely and happy thing." if leak and country == "Haiti" else ""
                rows.append({"question_id": topic.id, "target_name": f"v{kind}", "nationality": country, "text": text})
    table = pl.DataFrame(rows)
    feeling = sentiment(table["text"].to_list())
    style = child(7, "culture").normal(size=(table.height, 2))
    return table.with_columns(sentiment=feeling, z_openness=style[:, 0], z_neuroticism=style[:, 1])


@pytest.mark.parametrize("leak", [False, True])
def test_a_nationality_that_leaks_into_sentiment_is_found_and_nothing_else(leak):
    outcomes = {"feeling": ["sentiment"], "personality": ["z_openness", "z_neuroticism"]}
    evidence = culture_evidence(written(leak), outcomes)
    found = {f.id.removeprefix("control.culture.nationality."): f for f in evidence.findings}
    assert set(found) == {"sentiment", "z_openness", "z_neuroticism", "all.personality"}
    assert {name for name, f in found.items() if f.verdict == "outside"} == ({"sentiment"} if leak else set())
    assert all(f.low is not None and f.n == 120 for f in found.values())
    assert found["all.personality"].low < 0.05
    gaps = {d.label: d for d in evidence.details if d.group == "sentiment"}
    assert set(gaps) == set(COUNTRIES) and sum(d.value for d in gaps.values()) == pytest.approx(0.0, abs=1e-9)
    assert (gaps["Haiti"].low > 0.05) == leak


def test_judges_and_factors_are_kept_apart():
    table = written(True)
    again = pl.concat([table.with_columns(judge=pl.lit(judge)) for judge in ("one", "two")])
    again = again.with_columns(sex=pl.lit(None, dtype=pl.String))
    ids = {f.id for f in culture_evidence(again, {"feeling": ["sentiment"]}).findings}
    assert ids == {"control.culture.nationality.sentiment@one", "control.culture.nationality.sentiment@two"}


def test_upbringings_are_many_plain_and_change_nothing_but_one_line():
    every = list(upbringings(("nationality", "language", "sex", "age", "religion")))
    assert len(NATIONALITIES) == 20 and len(LANGUAGES) == 10
    assert len(every) == 30 + len(SEXES) + len(AGES) + len(RELIGIONS)
    assert len({one.sentence for one in every}) == len(every)
    assert all(one.sentence.startswith("Background: you") and one.sentence.endswith(".") for one in every)
    told = {(one.factor, one.value): one.sentence for one in every}
    assert told["nationality", "Brazil"] == "Background: you grew up in Brazil and are a Brazilian citizen."
    assert told["language", "Swahili"] == "Background: you grew up speaking Swahili at home."
    vector = BigFive(openness=0.9, conscientiousness=0.5, extraversion=0.2, agreeableness=0.5, neuroticism=0.5)
    plain = answer_messages("What matters to you?", vector)
    made = brought_up(plain, every[0])
    assert made[0] == plain[0]
    lines, before = made[-1].content.splitlines(), plain[-1].content.splitlines()
    assert [line for line in lines if line != every[0].sentence] == before
    assert lines[-1] == "Question: What matters to you?" and lines[-3] == every[0].sentence
    bare = brought_up(answer_messages("Why?", None), every[0])
    assert bare[-1].content == f"{every[0].sentence}\n\nQuestion: Why?"
    with pytest.raises(UsageError, match="no factor"):
        list(upbringings(("height",)))
    with pytest.raises(DataError, match="user's turn"):
        brought_up((Message(role="assistant", content="x"),), Upbringing(factor="sex", value="man", sentence="."))


@pytest.mark.long
def test_intervals_of_shares_cover_the_truth():
    effects = np.array([-0.6, -0.2, 0.0, 0.3, 0.5])
    spread = effects.var(ddof=1)
    truth = spread / (spread + 1.0)
    hits = joint = 0
    for seed in range(300):
        y, levels, blocks = crossed(seed, effects - effects.mean())
        found = variance_share(y, levels, blocks).omega
        hits += found.low <= truth <= found.high
        both = np.column_stack([y, crossed(seed + 5000, effects - effects.mean())[0]])
        share = joint_share(both, levels, blocks, seed)
        joint += share.low <= truth <= share.high
    assert 0.83 <= hits / 300 <= 0.97 and 0.83 <= joint / 300 <= 0.97, (hits, joint)
