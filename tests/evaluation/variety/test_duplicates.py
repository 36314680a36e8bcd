"""Near copies: the definition carried out over all pairs, planted copies, clean sets, measured recall."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.variety import variety_evidence
from cityfolk.texts.duplicates import THRESHOLD, measured_recall, near_copies, signatures
from cityfolk.texts.tokens import tokenize, tokenize_texts


def town(n, seed, words=800, length=90):
    """Return profiles of random words, in two fields."""
    rng = np.random.default_rng(seed)
    frequent = 1 / np.arange(1, words + 1)

    def text():
        return " ".join(f"w{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{chr(97 + i // 676)}" for i in draw())

    def draw():
        return rng.choice(words, length, p=frequent / frequent.sum())

    return pl.DataFrame({"person_id": range(n), "life": [text() for _ in range(n)], "day": [text() for _ in range(n)]})


def altered(text, rate, rng):
    return " ".join("changed" if rng.random() < rate else word for word in text.split())


def shingles(row):
    return {tuple(t[i : i + 3]) for t in (row["life"].split(), row["day"].split()) for i in range(len(t) - 2)}


def test_pairs_found_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    frame = town(120, 1)
    rows = frame.to_dicts()
    for rate in np.linspace(0, 0.12, 60):
        source = rows[int(rng.integers(0, 120))]
        copied = {"life": altered(source["life"], rate, rng), "day": altered(source["day"], rate, rng)}
        rows.append({"person_id": len(rows)} | copied)
    sets = [shingles(row) for row in rows]
    alike = {(i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in combinations(range(len(rows)), 2)}
    true = {pair for pair, value in alike.items() if value >= THRESHOLD}
    found = near_copies(tokenize(pl.DataFrame(rows), ["life", "day"]), 7)
    got = {(int(a), int(b)) for a, b in found.pairs}
    assert got <= true
    assert len(got) >= 0.97 * len(true)
    assert len(true) > 30
    for (a, b), value in zip(found.pairs, found.similarity, strict=True):
        assert value == pytest.approx(alike[int(a), int(b)], abs=1e-6)


def test_signatures_estimate_the_similarity_of_the_sets():
    rng = np.random.default_rng(2)
    frame = town(40, 2)
    rows = frame.to_dicts()
    for row in rows[:40]:
        rate = float(rng.uniform(0, 0.3))
        rows.append({"life": altered(row["life"], rate, rng), "day": altered(row["day"], rate, rng)})
    marks = signatures(tokenize(pl.DataFrame(rows), ["life", "day"]), 3)
    errors = []
    for i in range(40):
        one, other = shingles(rows[i]), shingles(rows[40 + i])
        errors.append((marks[i] == marks[40 + i]).mean() - len(one & other) / len(one | other))
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.06


def test_clusters_count_all_but_one_as_copies():
    texts = ["one two three four five"] * 4 + ["six seven eight nine ten"] * 2 + ["alone among all the others here"]
    found = near_copies(tokenize_texts(texts), 0)
    assert found.copies == 4
    assert len(set(found.cluster)) == 3


def test_short_texts_are_compared_as_a_whole_and_masses_of_copies_are_one_cluster():
    texts = ["baker"] * 500 + ["cook"] * 300 + [f"job {chr(97 + i)}" for i in range(26)]
    found = near_copies(tokenize_texts(texts), 0)
    assert found.copies == 798


def test_recall_is_measured_on_planted_copies():
    tokens = tokenize(town(400, 4), ["life", "day"])
    found, planted = measured_recall(tokens, 5, np.random.default_rng(5))
    assert planted > 150
    assert found / planted > 0.97


def evidence(frame, seed=0):
    corpus = Corpus(profiles=frame.with_columns(source=pl.lit("model")), fields=tuple(frame.columns[1:]), seed=seed)
    return {f.id: f for f in variety_evidence(corpus, embedder=None).findings}


def test_three_percent_copied_stories_are_flagged_and_clean_sets_are_not():
    for seed in range(4):
        frame = town(500, 100 + seed, length=40)
        clean = evidence(frame, seed)["text.variety.copies"]
        assert (clean.value, clean.verdict) == (0.0, "inside")
        rng = np.random.default_rng(seed)
        rows = frame.to_dicts()
        chosen = rng.permutation(500)
        for one, other in zip(chosen[:15], chosen[15:30], strict=True):
            rows[one] = rows[one] | {f: altered(rows[other][f], 0.02, rng) for f in ("life", "day")}
        planted = evidence(pl.DataFrame(rows), seed)
        copies = planted["text.variety.copies"]
        assert copies.verdict == "outside"
        assert copies.value == pytest.approx(0.03, abs=0.003)
        assert copies.expected == 0.005
        assert copies.low < copies.value < copies.high


@pytest.mark.parametrize(("copies", "verdict"), [(0, "inside"), (9, "inside"), (10, "outside")])
def test_the_flag_is_a_binomial_test_at_one_in_a_thousand(copies, verdict):
    # Binomial(500, .005), mean 2.5: P(X >= 9) = .0011, P(X >= 10) = .00027.
    frame = town(500, 9, length=20)
    rows = frame.to_dicts()
    for i in range(copies):
        rows[i] = rows[499 - i] | {"person_id": i}
    found = evidence(pl.DataFrame(rows))["text.variety.copies"]
    assert found.value == copies / 500
    assert found.verdict == verdict
    unique = evidence(pl.DataFrame(rows))["text.variety.unique"]
    assert unique.value == 1 - 2 * copies / 500
