"""Expressed against drawn personality, with a rater whose answers are known."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.personal.evidence import personal_evidence, personal_of
from cityfolk.evaluation.personal.positivity import kept_of, positivity_evidence
from cityfolk.evaluation.personal.scores import Rater, Scores, ranks, score
from cityfolk.evaluation.statistics import correlation
from cityfolk.personality.lexicon import INSTRUMENT
from cityfolk.vocabulary import TRAITS


def scores(express, n=300, seed=0):
    """Return scores of n people whose expressed traits are express(z, stream)."""
    stream = rng.child(seed, "personal")
    z = stream.normal(size=(n, 5))
    expressed = np.column_stack([express(z[:, i], stream) for i in range(5)])
    return Scores("x", np.arange(n), expressed, np.clip(norm.cdf(z), 0.001, 0.999), np.full(n, 100.0))


def found(evidence):
    return {finding.id: finding for finding in evidence.findings}


def test_text_that_tells_everything():
    evidence = personal_of(scores(lambda z, _: 0.2 * z), "a rater")
    findings = found(evidence)
    for trait in TRAITS:
        assert findings[f"text.personal.correlation.{trait}"].value > 0.99
        assert findings[f"text.personal.slope.{trait}"].value == pytest.approx(0.2, abs=0.01)
        assert findings[f"text.personal.calibration.{trait}"].value == pytest.approx(0.0, abs=1e-9)
        assert findings[f"text.personal.tail_low.{trait}"].value == pytest.approx(0.05, abs=0.02)
        assert findings[f"text.personal.tail_high.{trait}"].value == pytest.approx(0.95, abs=0.02)
        assert findings[f"text.personal.middle.{trait}"].value == pytest.approx(1.0, abs=0.02)
    assert all("a rater" in finding.note for finding in evidence.findings)
    curve = [d for d in evidence.details if d.name == "personal.curve.openness"]
    assert len(curve) == 10 and all(d.x == pytest.approx(d.value, abs=0.06) for d in curve)
    assert sum(d.name == "personal.scatter.openness" for d in evidence.details) == 300


def test_text_that_tells_nothing():
    findings = found(personal_of(scores(lambda z, stream: stream.normal(size=len(z))), "a rater"))
    for trait in TRAITS:
        assert abs(findings[f"text.personal.correlation.{trait}"].value) < 0.15
        assert findings[f"text.personal.calibration.{trait}"].value == pytest.approx(0.25, abs=0.03)
        assert findings[f"text.personal.tail_low.{trait}"].value == pytest.approx(0.5, abs=0.15)


def test_a_middle_that_collapses_is_seen():
    """Only people beyond one standard deviation are written as they are; the rest all alike."""
    shrunk = scores(lambda z, stream: np.where(np.abs(z) > 1, z, 0.0) + 0.01 * stream.normal(size=len(z)))
    plain = scores(lambda z, stream: z + 0.01 * stream.normal(size=len(z)))
    flat, even = found(personal_of(shrunk, "r")), found(personal_of(plain, "r"))
    for trait in TRAITS:
        name, spread = f"text.personal.middle.{trait}", f"text.personal.spread.{trait}"
        assert flat[name].high < 0.1 and even[name].low > 0.9
        assert flat[spread].value < 0.01 < 0.03 < even[spread].value


def test_scores_that_are_all_alike_count_as_unexpressed():
    findings = found(personal_of(scores(lambda z, _: np.zeros(len(z))), "r"))
    assert findings["text.personal.correlation.openness"].value == 0.0
    assert findings["text.personal.middle.openness"].value is None


def test_few_people_give_nothing():
    assert personal_of(scores(lambda z, _: z, n=10), "r").findings == ()


def study(n=60):
    stream = rng.child(1, "study")
    people = pl.DataFrame({"person_id": range(n)} | {trait: stream.uniform(0.01, 0.99, n) for trait in TRAITS})
    kind = [["is rude and quarrelsome", "is kind and generous"][int(a > 0.5)] for a in people["agreeableness"]]
    rows = [
        {"person_id": i, "source": source, "life": f"She {words}.", "job_title": "Kind aide"}
        for source in ("a", "b")
        for i, words in enumerate(kind if source == "a" else ["is here"] * n)
    ]
    return Corpus(profiles=pl.DataFrame(rows), fields=("job_title", "life"), people=people)


def test_sources_are_told_apart_and_the_shipped_rater_is_named():
    findings = found(personal_evidence(study()))
    kind, blank = (findings[f"text.personal.correlation.agreeableness@{s}"] for s in "ab")
    assert kind.value > 0.7 and blank.value == 0.0 and INSTRUMENT in kind.note


def test_job_titles_are_not_rated_and_the_unknown_left_out():
    corpus = study()
    half = corpus.people.with_columns(
        norms=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("extrapolated")).otherwise(pl.lit("IPIP-NEO-120")),
        openness=pl.when(pl.int_range(pl.len()) > 50).then(None).otherwise("openness"),
    )
    seen = []
    rate = lambda texts: (seen.extend(texts), np.zeros((len(texts), 5)))[1]  # noqa: E731
    made = score(Corpus(profiles=corpus.profiles, fields=corpus.fields, people=half).of("a"), Rater(rate, "r"))
    assert made.person_id.tolist() == list(range(20, 51))
    assert len(seen) == 31 and not any("aide" in text for text in seen)


def test_ranks_share_ties():
    assert ranks(np.array([3.0, 1.0, 3.0, 9.0])) == pytest.approx([0.5, 0.125, 0.5, 0.875])


def test_variance_kept_is_the_squared_correlation():
    made = scores(lambda z, stream: z + stream.normal(size=len(z)), n=800)
    findings = found(kept_of(made, "r"))
    for i, trait in enumerate(TRAITS):
        finding = findings[f"text.kept.trait.{trait}"]
        r = correlation(made.expressed[:, i], norm.ppf(made.drawn[:, i])).value
        assert finding.value == pytest.approx(r**2) == pytest.approx(0.5, abs=0.08)
        assert finding.low < finding.value < finding.high
    assert findings["text.kept.traits"].value == pytest.approx(0.5, abs=0.04)


def test_halo_is_the_correlation_of_wished_for_poles():
    stream = rng.child(2, "halo")
    good = stream.normal(size=800)
    sign = np.array([1, 1, 1, 1, -1])
    expressed = sign * (good[:, None] + stream.normal(size=(800, 5)))  # every pair shares half its variance
    drawn = np.clip(norm.cdf(stream.normal(size=(800, 5))), 0.001, 0.999)
    finding = found(kept_of(Scores("x", np.arange(800), expressed, drawn, np.ones(800)), "r"))["text.kept.halo"]
    assert finding.value == pytest.approx(0.5, abs=0.04) and abs(finding.expected) < 0.04
    assert finding.low < finding.value < finding.high


def lives(end, n=60):
    """Return profiles of two to nine sentences; the last says `end`, and longer ones say more good things."""
    rows = []
    for i in range(n):
        more = 5 + i % 8
        rows.append({"person_id": i, "source": "x", "life": " ".join(["It is a day."] * more + [end])})
    return Corpus(profiles=pl.DataFrame(rows), fields=("life",))


def test_text_that_turns_good_at_the_end_and_as_it_grows():
    count = lambda texts: np.array([text.count("joy") / 10 for text in texts])  # noqa: E731
    findings = found(positivity_evidence(lives("What a joy."), count, instrument="joys"))
    course = findings["text.positivity.course.sentiment"]
    assert course.value == pytest.approx(0.1) and course.n == 60 and "joys" in course.note
    doubling = lambda texts: np.array([np.log2(len(text.split())) * 0.05 for text in texts])  # noqa: E731
    length = found(positivity_evidence(lives("An end."), doubling))["text.positivity.length.sentiment"]
    assert (length.value, length.low, length.high) == pytest.approx((0.05, 0.05, 0.05))
    flat = found(positivity_evidence(lives("An end."), lambda texts: np.zeros(len(texts))))
    assert flat["text.positivity.course.sentiment"].value == 0.0


def test_length_is_told_at_equal_drawn_traits():
    """Kind people get longer and kinder texts; length itself makes nothing kinder."""
    stream = rng.child(3, "length")
    people = pl.DataFrame({"person_id": range(200)} | {trait: stream.uniform(0.01, 0.99, 200) for trait in TRAITS})
    agreeable = people["agreeableness"].to_numpy()
    words = np.round(10 * 2 ** (2 * agreeable + stream.normal(0, 0.5, size=200))).astype(int)
    texts = ["word " * n + f"end{i}" for i, n in enumerate(words)]
    kindness = dict(zip(texts, agreeable + stream.normal(0, 0.1, size=200), strict=True))
    profiles = pl.DataFrame({"person_id": range(200), "source": "x", "life": texts})
    feel = lambda texts: np.array([kindness.get(text, 0.0) for text in texts])  # noqa: E731
    known = Corpus(profiles=profiles, fields=("life",), people=people)
    unknown = Corpus(profiles=profiles, fields=("life",))
    held = found(positivity_evidence(known, feel))["text.positivity.length.sentiment"]
    raw = found(positivity_evidence(unknown, feel))["text.positivity.length.sentiment"]
    assert held.low < 0 < held.high and raw.low > 0.1
    assert "at equal drawn traits" in held.note and "unknown" in raw.note
