"""What vector and background explain: by hand, from planted effects, and from backgrounds that are dealt out fairly."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from cityfolk.errors import DataError, UsageError
from cityfolk.evaluation.control.backgrounds import COUNTRIES, WHO, Background, backgrounds
from cityfolk.evaluation.control.cultures import Read, cultures_evidence
from cityfolk.evaluation.control.draws import Draws
from cityfolk.evaluation.control.explained import factor_effects, factor_shares, table_of, vector_shares
from cityfolk.evaluation.control.upbringings import AGES, LANGUAGES, RELIGIONS, SEXES
from cityfolk.rng import child


def draws(questions, resamples=200):
    return Draws.of(questions, "questions", child(0, "draws"), resamples)


def world(leak, seed=0, topics=10, vectors=14, where=10):
    """One measure: a question's level, a vector's of SD 1, a nationality's of SD `leak`, noise of SD 1."""
    stream = child(seed, "world")
    of = {"vector": stream.normal(0, 1, vectors), "country": leak * stream.normal(size=20)}
    rows = []
    for question in range(topics):
        level = stream.normal(0, 2)
        for vector in range(vectors):
            for one in backgrounds(question * vectors + vector, where, 0):
                y = level + of["vector"][vector] + of["country"][COUNTRIES.index(one.nationality)] + stream.normal()
                rows.append((f"q{question:02d}", f"v{vector:02d}", one.nationality, one.language, y))
    return pl.DataFrame(rows, schema=["question_id", "target_name", "nationality", "language", "y"], orient="row"), of


def table(frame, topics=10):
    factors = {name: frame[name].to_list() for name in ("nationality", "language")}
    names = frame["question_id"].to_list(), frame["target_name"].to_list()
    return table_of(frame["y"].to_numpy(), *names, factors, draws(topics))


def test_backgrounds_are_dealt_out_fairly_and_said_as_anybody_would():
    rows = [one for block in range(20) for one in backgrounds(block, 10, 7)]
    where, who = ([one for one in rows if bool(one.nationality) == flag] for flag in (True, False))
    assert set(Counter(one.nationality for one in where).values()) == {10}
    assert set(Counter(one.language for one in where).values()) == {20}
    assert len({(one.nationality, one.language) for one in where}) == len(where) == 200  # every pair once
    assert len({one.items() for one in who}) == 70 and len(who) == 140
    assert len(SEXES) * len(AGES) * len(RELIGIONS) == 70 and len(LANGUAGES) == 10
    for block in range(20):
        assert len({one.nationality for one in backgrounds(block, 20, 0)}) == 20
    old = Background(sex="woman", age="80", religion="not religious")
    assert old.sentence == "Background: you are an 80-year-old woman and not religious."
    poland = Background(nationality="Poland", language="Swahili").sentence
    assert poland == "Background: you grew up in Poland and are a Polish citizen; at home your family spoke Swahili."
    with pytest.raises(UsageError, match="21 backgrounds"):
        list(backgrounds(0, 21, 0))


def test_shares_by_hand():
    # Two questions, two vectors, four answers each: vector b lies 2 above a, sex m 1 above w, without noise but one
    # contrast that is neither (+c and -c in turn within question, vector and sex).
    rows = [
        (f"q{q}", f"v{v}", "wm"[s], 5.0 * q + 2.0 * v + 1.0 * s + (0.5 if r else -0.5))
        for q in range(4)
        for v in range(2)
        for s in range(2)
        for r in range(2)
    ]
    question, vector, sex, y = map(list, zip(*rows, strict=True))
    one = table_of(np.array(y), question, vector, {"sex": sex}, draws(4))
    n = 32
    total = n * (1.0 + 0.25 + 0.25)  # variances within questions: 2^2 / 4, 1 / 4, .5^2
    left, free = n * 0.25, n - 8 - 1  # within the eight blocks, beside the sex
    share = factor_shares(one, {"y": [0]})["sex", "y"]
    assert share.share.value == pytest.approx((n * 0.25 - left / free) / (total + left / free))
    assert share.n == n and share.levels == 2
    rest = n * 0.5  # beside question and vector
    found = vector_shares(one, {"y": [0]})["y"]
    assert found.share.value == pytest.approx((n - rest / (n - 4 - 1)) / (total + rest / (n - 4 - 1)))
    # Every question holds the same, so drawing questions anew changes next to nothing.
    assert found.share.high - found.share.low < 0.1
    gap = factor_effects(one)["sex"].gaps[0]
    assert (gap.high, gap.low) == ("m", "w") and gap.value == pytest.approx(1.0)
    assert gap.error == pytest.approx(np.sqrt(left / free * (2 / 16)))


@pytest.mark.parametrize("leak", [0.0, 0.5])
def test_planted_shares_lie_in_their_intervals(leak):
    frame, of = world(leak)
    one = table(frame)
    variance = {name: values.var() for name, values in of.items()}
    whole = sum(variance.values()) + 1.0
    vector = vector_shares(one, {"y": [0]})["y"].share
    assert vector.low - 0.03 < variance["vector"] / whole < vector.high + 0.03
    found = factor_shares(one, {"y": [0]})
    nationality, language = (found[name, "y"] for name in ("nationality", "language"))
    assert nationality.share.low - 0.01 < variance["country"] / whole < nationality.share.high + 0.01
    assert language.share.low < 0 < language.share.high and language.p > 0.05
    assert (nationality.share.low > 0.05) == bool(leak)
    top = factor_effects(one)["nationality"]
    assert len(top.gaps) == 190 and top.gaps[0].value == max(gap.value for gap in top.gaps)
    if leak:
        span = np.ptp(of["country"])
        assert top.interval[0] < span < top.interval[1] and top.interval[0] > 0
    else:
        assert top.interval[0] < 0  # the largest of 190 pairs, and yet nothing


def test_missing_answers_and_several_measures():
    frame, _ = world(0.5, topics=4)
    y = np.column_stack([frame["y"].to_numpy(), child(1, "more").normal(size=frame.height)])
    y[::7, 1] = np.nan
    names = frame["question_id"].to_list(), frame["target_name"].to_list()
    one = table_of(y, *names, {"nationality": frame["nationality"].to_list()}, draws(4))
    found = factor_shares(one, {"first": [0], "both": [0, 1]})
    assert found["nationality", "first"].n == frame.height > found["nationality", "both"].n
    assert found["nationality", "both"].p is None and found["nationality", "first"].p < 1e-4
    assert 0 < found["nationality", "both"].share.value < found["nationality", "first"].share.value
    assert factor_shares(one.rows(np.arange(8)), {"first": [0]}) == {}
    with pytest.raises(DataError, match="draws of 3"):
        table_of(y, *names, {}, draws(3))


@pytest.mark.parametrize("leak", [0.0, 0.7])
def test_alarms_are_raised_for_what_leaks_alone(leak):
    frame, of = world(leak)
    frame = frame.with_columns(model=pl.lit("m"), arm=pl.lit("prompted"), **{name: pl.lit("") for name in WHO})
    emotions = child(3, "emotions").uniform(size=(frame.height, 2))
    read = Read(
        reader="words",
        names=("sentiment", "joy", "anger"),
        values=np.column_stack([frame["y"].to_numpy(), emotions]),
        unit="share",
        together={"emotion": ("joy", "anger")},
        alone=("sentiment",),
    )
    evidence = cultures_evidence(frame, [read])
    found = {f.id.removeprefix("control.culture.").removesuffix("@words|m|prompted"): f for f in evidence.findings}
    raised = {name for name, f in found.items() if f.verdict == "outside"}
    assert raised == ({"nationality.sentiment", "gap.nationality.sentiment"} if leak else set())
    assert found["vector.sentiment"].low > 0.2 and found["vector.sentiment"].n == frame.height == 1400
    assert "sex.sentiment" not in found and found["nationality.emotion"].low < 0 < found["nationality.emotion"].high
    if leak:
        at = of["country"]
        said = found["gap.nationality.sentiment"]
        assert said.title.endswith(f"{COUNTRIES[int(at.argmax())]} above {COUNTRIES[int(at.argmin())]}")
    profile = [d for d in evidence.details if d.name == "control.culture.emotion"]
    assert len(profile) == 14 * 2 and all(d.low < d.value < d.high for d in profile)
    joy = next(d for d in profile if (d.group, d.label) == ("v03", "joy"))
    assert joy.value == pytest.approx(emotions[(frame["target_name"] == "v03").to_numpy(), 0].mean())


@pytest.mark.long
def test_intervals_cover_the_truth():
    hits = np.zeros(2)
    for seed in range(60):
        frame, of = world(0.4, seed=100 + seed, where=5)
        one = table(frame)
        whole = of["vector"].var() + of["country"].var() + 1.0
        vector = vector_shares(one, {"y": [0]})["y"].share
        country = factor_shares(one, {"y": [0]})["nationality", "y"].share
        hits += [
            vector.low <= of["vector"].var() / whole <= vector.high,
            country.low <= of["country"].var() / whole <= country.high,
        ]
    assert (hits / 60 >= 0.80).all(), hits
