"""Pairs: what always holds, what is counted by hand, and what must be caught."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.cube import CORNERS, corners
from cityfolk.personality.nearness import mahalanobis, original_similarity
from cityfolk.personality.norms import residual_correlations
from cityfolk.preferences.balance import BalanceRules, content_order, directions, kept
from cityfolk.preferences.candidates import one_trait_off
from cityfolk.preferences.matching import match
from cityfolk.preferences.pairs import PairRules, check_pairs, coverage, make_pairs
from cityfolk.preferences.records import PAIRS, TARGET_COLUMNS
from cityfolk.vocabulary import TRAITS
from tests.preferences.tables import ARCHETYPES, answer_row, cube, frames, question_rows, reading_row, world

FEW = settings(max_examples=25, deadline=None)
LOOSE = PairRules(strategies=("farthest",), margin=0.0, ratio=50.0, apart=99.0, balance=None)
seeds = st.integers(0, 10_000)


def z_of(target):
    return ndtri(np.array(target))


# ------------------------------------------------------------------------------------------------------- distances


def test_two_traits_by_hand():
    """With r between two traits, d^2 = (a^2 - 2 r a b + b^2) / (1 - r^2) once the other three follow from these."""
    r = residual_correlations()
    gap = np.array([0.0, 1.2, 0.0, 0.0, -0.7])
    two, rest = [1, 4], [0, 2, 3]
    # The other three lie where the two predict them, so they add nothing.
    gap[rest] = r[np.ix_(rest, two)] @ np.linalg.solve(r[np.ix_(two, two)], gap[two])
    a, b, rho = 1.2, -0.7, r[1, 4]
    by_hand = math.sqrt((a * a - 2 * rho * a * b + b * b) / (1 - rho * rho))
    assert mahalanobis(gap, np.zeros(5)) == pytest.approx(by_hand, rel=1e-12)
    assert mahalanobis(np.full(5, 0.4), np.full(5, 0.4)) == 0
    assert np.isnan(mahalanobis([0, 0, 0, 0, np.nan], np.zeros(5)))


def test_the_originals_similarity_by_hand():
    """Errors .1, .2, 0, 0, .3: the product of exp(-.05), exp(-.2), exp(-.45) to the power 1/5 is exp(-.14)."""
    assert original_similarity([0.6, 0.7, 0.5, 0.5, 0.2], [0.5] * 5) == pytest.approx(math.exp(-0.14))


# ------------------------------------------------------------------------------------------------------------ laws


@FEW
@given(seed=seeds, strategy=st.sampled_from(["farthest", "nearest-wrong", "base"]), margin=st.floats(0, 1.5))
def test_chosen_is_nearer_for_the_mean_and_for_most_judges(seed, strategy, margin):
    questions, answers, readings = world(seed, targets=cube(6, seed), noise=0.6, judges=("a", "b", "c"))
    rules = PairRules(strategies=(strategy,), margin=margin, balance=None, ratio=3.0)
    made = make_pairs(questions, answers, readings, rules)
    assert made.table.schema == PAIRS
    read = {(r["answer_id"], r["judge"]): np.array([r[f"raw_{t}"] for t in TRAITS]) for r in readings.to_dicts()}
    text = dict(answers.select("answer_id", "text").iter_rows())
    for row in made.table.to_dicts():
        target = z_of([row[c] for c in TARGET_COLUMNS])
        seen = {i: [ndtri(read[row[i], j]) for j in row["judges"]] for i in ("chosen_id", "rejected_id")}
        near, far = (mahalanobis(np.mean(seen[i], axis=0), target) for i in ("chosen_id", "rejected_id"))
        assert row["margin"] == pytest.approx(far - near) and far - near >= max(margin, 1e-9)
        votes = [
            mahalanobis(a, target) < mahalanobis(b, target)
            for a, b in zip(seen["chosen_id"], seen["rejected_id"], strict=True)
        ]
        assert sum(votes) >= 2 and 2 * sum(votes) > len(votes)
        assert text[row["chosen_id"]] != text[row["rejected_id"]]
        words = [len(text[row[i]].split()) for i in ("chosen_id", "rejected_id")]
        assert max(words) <= 3.0 * min(words) * (1 + 1e-9)
    assert made.asked == made.table.height + sum(made.missing.values())


@FEW
@given(seed=seeds, low=st.floats(0, 2), more=st.floats(0, 2), strategy=st.sampled_from(["farthest", "base"]))
def test_a_larger_margin_never_gives_more_pairs(seed, low, more, strategy):
    tables = world(seed, targets=cube(7, seed))
    counts = [
        make_pairs(*tables, PairRules(strategies=(strategy,), margin=m, reuse=2, balance=None)).table.height
        for m in (low, low + more)
    ]
    assert counts[1] <= counts[0]


@FEW
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter(seed):
    tables = world(seed, targets=cube(5, seed))
    rules = PairRules(strategies=("farthest", "nearest-wrong", "base"), margin=0.2)
    first = make_pairs(*tables, rules)
    again = make_pairs(*(t.sample(fraction=1.0, shuffle=True, seed=seed) for t in tables), rules)
    assert first.table.equals(again.table) and first.missing == again.missing


@FEW
@given(seed=seeds, reuse=st.integers(1, 3))
def test_an_answer_is_rejected_no_more_often_than_allowed(seed, reuse):
    tables = world(seed, targets=cube(8, seed))
    made = make_pairs(*tables, PairRules(strategies=("base",), margin=0.0, reuse=reuse, ratio=9.0, balance=None))
    used = made.table["rejected_id"].value_counts()["count"]
    assert used.is_empty() or used.max() <= reuse
    free = make_pairs(*tables, PairRules(strategies=("base",), margin=0.0, reuse=99, ratio=9.0, balance=None))
    # Per question there are two untargeted answers: with room for all, nothing is used up.
    assert "used up" not in free.missing and made.table.height == free.table.height - made.missing.get("used up", 0)


@FEW
@given(seed=seeds)
def test_nothing_is_left_of_a_world_whose_answers_all_say_the_same(seed):
    """Every answer read alike is a tie, and ties are never pairs whatever the margin."""
    questions, answers, readings = world(seed)
    same = readings.with_columns(pl.lit(0.5).alias(f"raw_{t}") for t in TRAITS)
    same = same.with_columns(pl.lit(0.5).alias(t) for t in TRAITS)
    made = make_pairs(questions, answers, same, LOOSE)
    assert made.table.is_empty() and made.missing == {"tie": made.asked}


# --------------------------------------------------------------------------------------------------------- balance


def balanced_case(seed, n):
    rng = np.random.default_rng(seed)
    # Skewed as real data are: mostly agreeable, rarely careless.
    targets = np.clip(rng.beta([2, 3, 2, 5, 2], [2, 1, 2, 1, 2], size=(n, 5)), 0.01, 0.99)
    names = [f"t{i}" for i in rng.integers(0, 12, n)]
    return targets, names, rng.normal(0.1, 0.2, n), content_order([f"{seed}/{i}" for i in range(n)])


@FEW
@given(seed=seeds, n=st.integers(0, 300), spread=st.floats(1, 4), tilt=st.floats(1, 4))
def test_every_cap_holds(seed, n, spread, tilt):
    targets, names, ratios, order = balanced_case(seed, n)
    rules = BalanceRules(spread=spread, tilt=tilt, mean_log_ratio=0.05)
    keep, longer = kept(targets, names, ratios, order, rules)
    assert not (keep & longer).any()
    for labels in (corners(targets), np.array(names)):
        if n:
            cap = math.ceil(spread * n / len(np.unique(labels)))
            assert np.unique(labels[keep], return_counts=True)[1].max(initial=0) <= cap
    for low, high in directions(targets[keep]).sum(axis=0).reshape(5, 2):
        if min(low, high) > 0:
            assert max(low, high) <= tilt * min(low, high)
    if n >= 20 and keep.any():
        assert abs(ratios[keep].mean()) <= 0.05 + 1e-9


def test_balance_keeps_the_rare_corners():
    targets, names, ratios, order = balanced_case(4, 600)
    keep, _ = kept(targets, names, np.zeros(600), order, BalanceRules(spread=2.0, tilt=3.0))
    before, after = (directions(t).sum(axis=0).reshape(5, 2) for t in (targets, targets[keep]))
    assert before[3, 1] > 5 * before[3, 0] and after[3, 1] <= 3 * after[3, 0]
    assert after[3, 0] == before[3, 0] and after[3, 1] < 0.2 * before[3, 1]
    assert set(corners(targets[keep])) == set(corners(targets))
    del ratios


def test_corners_by_hand():
    assert len(set(CORNERS)) == 32 and CORNERS[0] == "O-C-E-A-N-" and CORNERS[-1] == "O+C+E+A+N+"
    where = corners(np.array([[0.9, 0.6, 0.35, 0.25, 0.35], [0.9, 0.5, 0.45, 0.9, 0.6]]))
    assert [CORNERS[i] for i in where] == ["O+C+E-A-N-", "O+C+E-A+N+"]


def test_coverage_counts_every_corner_and_direction():
    made = make_pairs(*world(3, noise=0.0), LOOSE)
    found = coverage(made.table)
    assert len(found["corners"]) == 32 and sum(found["corners"].values()) == made.table.height == 16
    # Only the Analyst is low in agreeableness, only the Explorer in conscientiousness; the Diplomat's .5 is neither.
    assert found["directions"]["low agreeableness"] == 4 and found["directions"]["high agreeableness"] == 12
    assert found["directions"]["low conscientiousness"] == 4 and found["directions"]["high conscientiousness"] == 8


# -------------------------------------------------------------------------------------------------------- matching


@FEW
@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), unique=True, max_size=40), reuse=st.integers(1, 3)
)
def test_the_matching_is_as_large_as_can_be(edges, reuse):
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    unit = np.array([u for u, _ in edges], dtype=np.int64)
    partner = np.array([p for _, p in edges], dtype=np.int64)
    taken = match(unit, partner, np.arange(len(edges)), (unit * 7) % 10, reuse=reuse)
    assert len(set(unit[taken])) == len(taken)
    assert np.bincount(partner[taken], minlength=1).max(initial=0) <= reuse
    # scipy knows no repeated partners: every partner stands there `reuse` times.
    whole = np.zeros((10, 7 * reuse))
    for u, p in edges:
        whole[u, p * reuse : (p + 1) * reuse] = 1
    assert len(taken) == (maximum_bipartite_matching(csr_matrix(whole), perm_type="column") >= 0).sum()


def test_targets_share_what_is_scarce():
    """Twelve targets want the two base answers of 30 questions: whoever comes first by name has no advantage."""
    tables = world(2, topics=5, each=6, targets=cube(12), noise=0.0)
    made = make_pairs(
        *tables, PairRules(strategies=("base",), margin=0.0, reuse=1, ratio=9.0, apart=99.0, balance=None)
    )
    counts = made.table["target_name"].value_counts().sort("target_name")["count"]
    # Sixty pairs; a fair draw gives each target five. By name the first two or three would have nearly all.
    assert counts.sum() == 60 and counts.max() <= 13 and counts.len() >= 10


# ------------------------------------------------------------------------------------------------------ strategies


def one_question(rows, readings, rules, **options):
    if rules.strategies == PairRules().strategies:
        rules = replace(rules, strategies=("farthest",))
    return make_pairs(question_rows(1, 1, 0), *frames(rows, readings), rules, **options)


def test_each_strategy_rejects_what_it_says():
    """One question, a target and the same one with agreeableness turned; distances are set by hand."""
    q = "topic-0-000"
    mean, mirror, far = (0.7, 0.5, 0.5, 0.2, 0.5), (0.7, 0.5, 0.5, 0.8, 0.5), (0.1, 0.9, 0.1, 0.9, 0.9)
    targets = {"harsh": mean, "kind": mirror, "away": far}
    rows, readings, ids = [], [], {}
    for name, target in [*targets.items(), ("", None)]:
        for sample in range(3):
            row = answer_row(q, name, target, sample, f"some words of {name or 'nobody'} number {sample} here")
            rows.append(row)
            ids[name, sample] = row["answer_id"]
            z = (z_of(target) if target else np.zeros(5)) + 0.5 * sample * np.array([0, 0, 1, 0, 0])
            readings += [reading_row(row["answer_id"], judge, z) for judge in ("one", "two")]
    picked = {}
    for strategy in ("farthest", "nearest-wrong", "base"):
        rules = PairRules(strategies=(strategy,), margin=0.1, balance=None)
        made = one_question(rows, readings, rules, targets=["harsh"])
        (pair,) = made.table.to_dicts()
        assert pair["chosen_id"] == ids["harsh", 0] and pair["distance_chosen"] == pytest.approx(0, abs=1e-12)
        assert pair["similarity_chosen"] == pytest.approx(1) and pair["judges"] == ["one", "two"]
        picked[strategy] = pair["rejected_id"]
    assert picked["farthest"] == ids["harsh", 2]
    assert picked["nearest-wrong"] == ids["kind", 0]
    assert picked["base"] in {ids["", s] for s in range(3)}


def test_one_trait_off_by_hand():
    kinds = pl.DataFrame(
        [(0, 0.5, 0.5, 0.5, 0.2, 0.5), (1, 0.5, 0.5, 0.5, 0.9, 0.5), (2, 0.55, 0.5, 0.5, 0.6, 0.5), (3, *[0.9] * 5)],
        schema=["target", *TARGET_COLUMNS],
        orient="row",
    )
    found = one_trait_off(kinds)
    assert found.filter(pl.col("target") == 0)["wrong"].to_list() == [2, 1]
    # From the far corner every other target differs in several traits at once.
    assert 3 not in found["target"].to_list()


def test_models_are_never_mixed():
    first, second = (world(seed, model=name, noise=0.0) for seed, name in ((1, "a"), (2, "b")))
    made = make_pairs(first[0], *(pl.concat([x, y]) for x, y in zip(first[1:], second[1:], strict=True)), LOOSE)
    by = dict(pl.concat([first[1], second[1]]).select("answer_id", "model").iter_rows())
    assert made.table.height == 32
    assert all(by[row["chosen_id"]] == by[row["rejected_id"]] for row in made.table.to_dicts())


# ------------------------------------------------------------------------------------------- what is counted, caught


def two_answers(first, second, texts=("an answer of five words", "other five words of somebody"), judges=None):
    q, target = "topic-0-000", (0.8, 0.5, 0.5, 0.2, 0.5)
    rows = [answer_row(q, "t", target, sample, text) for sample, text in enumerate(texts)]
    readings = [
        reading_row(row["answer_id"], judge, z_of(target) + np.array([shift, 0, 0, 0, 0]))
        for row, shifts in zip(rows, (first, second), strict=True)
        for judge, shift in (judges(shifts) if judges else zip(("one", "two"), shifts, strict=True))
    ]
    return rows, readings


@pytest.mark.parametrize(
    ("first", "second", "rules", "reason"),
    [
        ((0.1, 0.1), (1.0, 1.0), PairRules(), None),
        ((0.1, 0.1), (0.4, 0.4), PairRules(), "margin"),
        ((0.1, 0.1), (0.4, 0.4), PairRules(margin=0.2), None),
        ((0.5, 0.5), (-0.5, -0.5), PairRules(margin=0.0), "tie"),
        ((0.1, 1.0), (1.5, 0.9), PairRules(), "judges disagree"),
        ((0.0, 0.0), (-1.5, 1.5), PairRules(margin=0.0), "tie"),
        ((0.1, 0.1), (0.2, 2.0), PairRules(apart=0.5), "judges apart"),
    ],
)
def test_why_there_is_no_pair(first, second, rules, reason):
    made = one_question(*two_answers(first, second), rules)
    assert made.missing == ({} if reason is None else {reason: 1})
    assert made.table.height == (reason is None)


def test_a_pair_needs_length_and_two_texts_and_two_judges():
    long = "one answer that goes on for quite a few more words"
    assert one_question(*two_answers((0, 0), (1, 1), texts=("a short one here", long)), PairRules()).missing == {
        "length": 1
    }
    assert one_question(*two_answers((0, 0), (1, 1), texts=("the same", " the same ")), PairRules()).missing == {
        "same text": 1
    }
    rows, readings = two_answers((0, 0), (1, 1))
    of_one = [r for r in readings if r["judge"] == "one" or r["answer_id"] == rows[0]["answer_id"]]
    assert one_question(rows, of_one, PairRules()).missing == {"one judge": 1}
    assert one_question(rows, of_one, PairRules(judges=1)).table["judges"].to_list() == [["one"]]
    with pytest.raises(UsageError, match="a pair needs 2 judges and there is 1"):
        one_question(rows, readings, PairRules(), judges=["one"])
    other = answer_row("topic-0-000", "u", (0.5,) * 5, 0, "nobody read this")
    assert one_question([*rows, other], readings, PairRules()).missing == {"no judge": 1}
    alone = rows[:1]
    assert one_question(alone, readings[:2], PairRules()).missing == {"nothing to reject": 1}


def test_who_knows_the_truth_is_left_out_unless_named():
    rows, readings = two_answers((0, 0), (1, 1))
    truth = [reading_row(row["answer_id"], "grammar", np.zeros(5)) for row in rows]
    assert one_question(rows, readings + truth, PairRules()).judges == ("one", "two")
    assert one_question(rows, readings + truth, PairRules(), judges=["one", "grammar"]).judges == ("one", "grammar")


def test_a_leaked_topic_is_named():
    questions, answers, readings = world(0)
    leaked = questions.with_columns(
        split=pl.when(pl.int_range(pl.len()) == 1).then(pl.lit("held-out")).otherwise("split")
    )
    with pytest.raises(DataError, match="the topic 'topic-0' is in both splits"):
        make_pairs(questions.update(leaked.select("split")), answers, readings)
    copied = questions.with_columns(text=pl.lit("The same question?"))
    with pytest.raises(DataError, match="the question 'The same question\\?' is in both splits"):
        make_pairs(copied, answers, readings)


def test_swapped_readings_swap_the_pair():
    """Whoever exchanges chosen and rejected is found out: made from the same tables, no pair of theirs comes out."""
    rows, readings = two_answers((0.1, 0.1), (1.0, 1.0))
    (pair,) = one_question(rows, readings, PairRules()).table.to_dicts()
    turned = [dict(r, answer_id=rows[1 - (r["answer_id"] == rows[1]["answer_id"])]["answer_id"]) for r in readings]
    (other,) = one_question(rows, turned, PairRules()).table.to_dicts()
    assert (other["chosen_id"], other["rejected_id"]) == (pair["rejected_id"], pair["chosen_id"])
    assert other["margin"] == pytest.approx(pair["margin"])


def test_exchanged_columns_lost_answers_and_strange_questions_are_caught():
    questions, answers, readings = world(7)
    pairs = make_pairs(questions, answers, readings, PairRules(strategies=("farthest", "base"), margin=0.1)).table
    assert pairs.height > 10
    check_pairs(pairs, answers, readings)
    one = pl.int_range(pl.len()) == 3
    swapped = pairs.with_columns(
        chosen_id=pl.when(one).then("rejected_id").otherwise("chosen_id"),
        rejected_id=pl.when(one).then("chosen_id").otherwise("rejected_id"),
    )
    with pytest.raises(DataError, match=f"in 1 of {pairs.height} pairs the chosen answer is not the nearer"):
        check_pairs(swapped, answers, readings)
    with pytest.raises(DataError, match=r"answers of pairs are not there, such as"):
        check_pairs(pairs, answers.filter(pl.col("answer_id") != pairs["chosen_id"][0]), readings)
    elsewhere = pairs.with_columns(question_id=pl.when(one).then(pl.lit("topic-9-000")).otherwise("question_id"))
    with pytest.raises(DataError, match="1 pairs hold answers to different questions"):
        check_pairs(elsewhere, answers, readings)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"judges": ["three"]}, UsageError, "the judge 'three' has read no answer"),
        ({"targets": ["Dreamer"]}, UsageError, "no answer was made under the target 'Dreamer'"),
        ({"split": "test"}, UsageError, "there is no split 'test'"),
    ],
)
def test_what_is_asked_wrongly(options, error, words):
    with pytest.raises(error, match=words):
        make_pairs(*world(0), **options)


@pytest.mark.parametrize("wrong", [{"strategies": ("best",)}, {"margin": -1.0}, {"ratio": 0.5}, {"reuse": 0}])
def test_rules_check_themselves(wrong):
    with pytest.raises(UsageError):
        PairRules(**wrong)


def test_splits_and_targets_leave_out_the_others():
    tables = world(5, topics=3, noise=0.0)
    train = make_pairs(*tables, LOOSE, split="train").table
    assert set(train["split"]) == {"train"} and set(train["topic"]) == {"topic-0", "topic-1"}
    some = make_pairs(*tables, LOOSE, targets=["Diplomat"]).table
    assert set(some["target_name"]) == {"Diplomat"} and some.height == 6
    assert dict(zip(TARGET_COLUMNS, ARCHETYPES["Diplomat"], strict=True)) == some.select(TARGET_COLUMNS).row(
        0, named=True
    )
