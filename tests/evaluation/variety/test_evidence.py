"""The evidence as a whole: every id once a source, drawn close to exact, same seed same bytes, odd corpora."""

from dataclasses import asdict

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.variety import Sizes, variety_evidence

JOBS = ["baker", "cook", "nurse", "driver"]
SMALL = Sizes(
    profiles=150, exact=50, pairs=6000, field_pairs=6000, references=60, long=100, embedded=80, field_texts=60
)


def frame(n, seed, source="model", words=120):
    rng = np.random.default_rng(seed)
    frequent = 1 / np.arange(1, words + 1)

    def text():
        chosen = rng.choice(words, 60, p=frequent / frequent.sum())
        return " ".join(f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in chosen)

    return pl.DataFrame(
        {
            "person_id": range(n),
            "source": [source] * n,
            "life": [text() for _ in range(n)],
            "job_title": [JOBS[int(rng.integers(0, 4))] for _ in range(n)],
            "strengths": [["Kind", "calm"] if i % 2 else ["kind"] for i in range(n)],
        }
    )


def corpus(*frames, **rest):
    return Corpus(profiles=pl.concat(frames), fields=("life", "job_title", "strengths"), **rest)


def test_one_source_has_plain_ids_several_have_their_names():
    whole = ["distinct1", "distinct2", "distinct3", "mattr", "mtld", "self_bleu", "unique", "copies", "copies_found"]
    by_field = ["jaccard", "values", "entropy", "top", "semantic"]
    expected = {f"text.variety.{name}" for name in (*whole, "jaccard", "similarity", "vendi")}
    expected |= {f"text.variety.{name}.{field}" for name in by_field for field in ("life", "job_title", "strengths")}
    one = variety_evidence(corpus(frame(60, 1)))
    ids = [finding.id for finding in one.findings]
    assert sorted(ids) == sorted(expected)
    two = variety_evidence(corpus(frame(60, 1), frame(60, 2, "other")))
    assert sorted(f.id for f in two.findings) == sorted(f"{i}@{s}" for i in expected for s in ("model", "other"))
    assert {detail.source for detail in two.details} == {"model", "other"}
    alone = {f.id: f.value for f in one.findings if "semantic" not in f.id}
    beside = {f.id: f.value for f in two.findings}
    for name in set(alone) - {"text.variety.similarity", "text.variety.vendi"}:
        assert alone[name] == beside[f"{name}@model"]
    for finding in one.findings:
        if finding.low is not None:
            assert finding.low - 1e-12 <= finding.value <= finding.high + 1e-12, finding.id


def test_known_numbers_come_through():
    found = {f.id: f for f in variety_evidence(corpus(frame(60, 1))).findings}
    assert found["text.variety.values.job_title"].value == 4 / 60
    assert found["text.variety.values.strengths"].value == 2 / 90
    assert found["text.variety.top.strengths"].value == 60 / 90
    assert found["text.variety.top.strengths"].note == '"kind"'
    share = 2 / 3
    assert found["text.variety.entropy.strengths"].value == pytest.approx(
        -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    )
    # Strengths are {kind} or {kind calm}, 30 each: two alike 1, two unlike 1/2; 900 of the 1,770 pairs are unlike.
    assert found["text.variety.jaccard.strengths"].value == pytest.approx(1 - 0.5 * 900 / 1770)
    assert "lexical" in found["text.variety.vendi"].note


def test_drawn_is_close_to_exact_and_says_how_close():
    big = corpus(frame(600, 3))
    exact = {f.id: f for f in variety_evidence(big, embedder=None).findings}
    drawn = {f.id: f for f in variety_evidence(big, embedder=None, sample=SMALL).findings}
    assert "pairs drawn" in drawn["text.variety.jaccard"].note
    assert "all 179,700 pairs" in exact["text.variety.jaccard"].note
    for name in ("mattr", "mtld", "jaccard", "jaccard.life", "jaccard.job_title"):
        one, other = exact[f"text.variety.{name}"], drawn[f"text.variety.{name}"]
        half = (other.high - other.low) / 2
        assert abs(one.value - other.value) < 2.5 * half
        assert half > (one.high - one.low) / 2
    for name in ("distinct2", "copies", "unique", "values.life"):
        assert exact[f"text.variety.{name}"].value == drawn[f"text.variety.{name}"].value


def test_same_seed_same_bytes():
    one, same, other = (variety_evidence(corpus(frame(200, 4), seed=seed), sample=SMALL) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_order_of_rows_does_not_matter():
    rows = frame(80, 5)
    assert variety_evidence(corpus(rows)) == variety_evidence(corpus(rows.reverse()))


def test_the_most_alike_pair_is_shown_with_both_texts():
    rows = frame(60, 6)
    rows = rows.with_columns(life=pl.when(pl.col("person_id") == 7).then(pl.lit(rows["life"][31])).otherwise("life"))
    rows = rows.with_columns(
        job_title=pl.when(pl.col("person_id").is_in([7, 31])).then(pl.lit("cook")).otherwise("job_title")
    )
    evidence = variety_evidence(corpus(rows))
    pair = [d for d in evidence.details if d.name == "variety.alike" and d.group == "most.1"]
    assert {d.label for d in pair} == {"7", "31"}
    assert all(rows["life"][7] in d.text and d.value == pytest.approx(1, abs=1e-6) for d in pair)
    histogram = [d for d in evidence.details if d.name == "variety.similarity"]
    assert sum(d.value for d in histogram) == pytest.approx(1)
    assert histogram[-1].x == pytest.approx(0.99)


def test_names_are_not_among_the_words():
    people = pl.DataFrame({"person_id": range(30), "name": ["Waa Wba"] * 30})
    evidence = variety_evidence(corpus(frame(30, 7), people=people))
    words = {d.label for d in evidence.details if d.name == "variety.words" and d.group == "life"}
    assert words
    assert not words & {"waa", "wba"}


class Constant:
    """Sees no difference between texts."""

    name = "constant"

    def embed(self, texts):
        return np.ones((len(texts), 3), dtype=np.float32)


def test_an_embedder_of_ones_own_is_used_and_named():
    found = {f.id: f for f in variety_evidence(corpus(frame(20, 8)), embedder=Constant()).findings}
    assert found["text.variety.similarity"].value == pytest.approx(1)
    assert found["text.variety.vendi"].value == pytest.approx(1)
    assert found["text.variety.semantic.life"].value == pytest.approx(0, abs=1e-9)
    assert "constant" in found["text.variety.similarity"].note


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_profiles_have_what_can_be_said(n):
    found = {f.id: asdict(f) for f in variety_evidence(corpus(frame(n, 9))).findings}
    assert found["text.variety.unique"]["n"] == n
    assert ("text.variety.copies" in found) == (n > 1)
    assert ("text.variety.vendi" in found) == (n > 2)


def test_empty_fields_and_empty_profiles_are_no_obstacle():
    rows = frame(12, 10).with_columns(
        job_title=pl.lit(None, dtype=pl.String),
        life=pl.when(pl.col("person_id") < 2).then(pl.lit("")).otherwise("life"),
        strengths=pl.when(pl.col("person_id") < 2).then(pl.lit([], dtype=pl.List(pl.String))).otherwise("strengths"),
    )
    found = {f.id: f for f in variety_evidence(corpus(rows)).findings}
    assert "text.variety.values.job_title" not in found
    assert found["text.variety.similarity"].n == 10
    assert found["text.variety.jaccard.life"].n == 10
