"""Truth as findings: shares with their intervals, the city after writing against the official shares."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus
from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.truth.evidence import truth_evidence
from cityfolk.evaluation.truth.margins import compare, margins, views
from cityfolk.evaluation.truth.table import truth_table

DEGREES = (
    "less than high school",
    "high school",
    "some college or associate's",
    "bachelor's",
    "graduate or professional",
)
SHARES = (10.0, 20.0, 30.0, 25.0, 15.0)


def table(
    estimates=SHARES, moe=None, universe="persons|age=25..", column="education", values=DEGREES, measure="percent"
):
    return pl.DataFrame(
        {
            "table": ["T1"] * len(values),
            "code": [f"T1_{i}" for i in range(len(values))],
            "universe": [universe] * len(values),
            "geography": ["here"] * len(values),
            "dimensions": [f"{column}={value}" for value in values],
            "measure": [measure] * len(values),
            "estimate": list(estimates),
            "moe90": [moe] * len(values),
            "vintage": ["2024"] * len(values),
        },
        schema_overrides={"moe90": pl.Float64},
    )


def people(n, shares=SHARES, seed=0):
    draw = rng.child(seed, "people")
    return pl.DataFrame(
        {
            "person_id": np.arange(n),
            "age": draw.integers(25, 80, size=n),
            "sex": draw.choice(["female", "male"], n),
            "education": draw.choice(DEGREES, n, p=np.array(shares) / sum(shares)),
            "marital_status": draw.choice(["married", "divorced"], n),
        }
    )


def corpus(known, write, sources=("a",)):
    rows = [
        {"person_id": row["person_id"], "source": source, "life": write(row, source)}
        for source in sources
        for row in known.iter_rows(named=True)
    ]
    return Corpus(profiles=pl.DataFrame(rows), fields=("life",), people=known)


def found(evidence):
    return {finding.id: finding for finding in evidence.findings}


def test_contradictions_are_counted_with_wilsons_interval():
    known = people(40)
    write = lambda row, _: f"She is {row['age'] + (row['person_id'] < 4)}. She is married."  # noqa: E731
    evidence = truth_evidence(corpus(known, write))
    findings = found(evidence)
    age = findings["text.true.contradicted.age"]
    assert (age.value, age.n) == (0.1, 40) and (age.low, age.high) == pytest.approx(wilson(4, 40))
    assert age.expected == 0.01 and age.verdict == "none"  # evaluation.flags judges
    divorced = known["marital_status"].eq("divorced").mean()
    assert findings["text.true.contradicted.marriage"].value == pytest.approx(divorced)
    assert findings["text.true.claimed.marriage"].value == 1.0 and findings["text.true.claimed.party"].value == 0.0
    assert findings["text.true.contradicted.party"].value is None  # nothing is known of it
    assert findings["text.true.invented_numbers"].value == pytest.approx(0.1)
    shown = [detail.text for detail in evidence.details if detail.name == "true.contradicted" and detail.group == "age"]
    assert len(shown) == 4 and shown[0] == f"She is {known['age'][0] + 1}"


def test_kept_problems_count_too():
    known = people(10)
    made = corpus(known, lambda row, _: "A quiet life.")
    kept = [[{"rule": "age"}] if i < 3 else [] for i in range(10)]
    profiles = made.profiles.with_columns(pl.Series("problems", kept))
    findings = found(truth_evidence(Corpus(profiles=profiles, fields=("life",), people=known)))
    assert findings["text.true.contradicted.age"].value == 0.3


def test_several_sources_are_told_apart():
    known = people(30)
    write = lambda row, source: f"She is {row['age'] + (source == 'b')}."  # noqa: E731
    findings = found(truth_evidence(corpus(known, write, ("a", "b"))))
    assert findings["text.true.contradicted.age@a"].value == 0.0
    assert findings["text.true.contradicted.age@b"].value == 1.0
    assert findings["text.true.contradicted.age@b"].title.endswith("(b)")


def test_the_text_is_taken_at_its_word_and_silence_as_agreement():
    known = people(300)
    degree = {"bachelor's": "She has a master's degree.", "high school": "She went away."}
    made = truth_table(corpus(known, lambda row, _: degree.get(row["education"], "She has a quiet life.")))
    written, drawn = made["written_education"].to_numpy(), known["education"].to_numpy()
    assert set(written[drawn == "bachelor's"]) == {"graduate or professional"}
    assert (written[drawn != "bachelor's"] == drawn[drawn != "bachelor's"]).all()


def test_drift_is_the_share_that_changed_place():
    known = people(400)
    write = lambda row, _: "She has a master's degree." if row["education"] == "bachelor's" else "A life."  # noqa: E731
    findings = found(truth_evidence(corpus(known, write), table()))
    moved = known["education"].eq("bachelor's").mean()
    assert findings["text.true.drift.education"].value == pytest.approx(moved)
    assert findings["text.true.official.education.p"].value < 0.001


def test_variety_kept_is_the_ratio_of_entropies():
    known = pl.DataFrame({"person_id": range(200), "party": ["Democratic", "Republican"] * 100})
    all_kept = found(truth_evidence(corpus(known, lambda row, _: f"She votes {row['party']}.")))["text.kept.party"]
    assert all_kept.value == pytest.approx(1.0)
    half = corpus(known, lambda row, _: f"She votes {row['party'] if row['person_id'] < 100 else 'Democratic'}.")
    # Shares 3/4 and 1/4 of 200 against halves, each with Miller and Madow's 1/400.
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) + 1 / 400
    kept = found(truth_evidence(half))["text.kept.party"]
    assert kept.value == pytest.approx(entropy / (np.log(2) + 1 / 400))
    assert kept.low < kept.value < kept.high < 1.0


def test_fair_samples_agree_with_the_official_shares_as_often_as_they_should():
    (margin,) = margins(table())
    chances = []
    for seed in range(300):
        drawn, written = views(known := people(250, seed=seed), known)
        chances.append(compare(margin, drawn, written, np.ones(250), rng.child(seed, "p")).p_written)
    # Valid at every level, and not so conservative that nothing is ever found.
    for level in (0.01, 0.05, 0.2):
        assert stats.binom.sf(sum(p <= level for p in chances) - 1, 300, level) > 0.001
    assert sum(p <= 0.2 for p in chances) > 30


def test_official_margins_of_error_widen_what_agrees():
    known = people(2000, shares=(12, 20, 30, 25, 13))
    drawn, written = views(known, known)
    sharp, wide = (margins(table(moe=moe))[0] for moe in (0.1, 4.0))
    p = [compare(m, drawn, written, np.ones(2000), rng.child(0, "w")).p_written for m in (sharp, wide)]
    assert p[0] < 0.05 < p[1]


def test_weights_count_as_many_people_as_they_stand_for():
    known = people(500, shares=(20, 20, 20, 20, 20))
    weight = known["education"].replace_strict(dict(zip(DEGREES, SHARES, strict=True))).to_numpy() / 20
    (margin,) = margins(table())
    drawn, written = views(known, known)
    held = compare(margin, drawn, written, weight, rng.child(0, "weights"))
    assert held.drawn == pytest.approx(np.array(SHARES) / 100, abs=0.05)
    assert held.effective == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert compare(margin, drawn, written, np.ones(500), rng.child(0, "none")).p_drawn < 0.01 < held.p_drawn


def test_official_universes_must_fit_the_ages_written():
    marital = {"column": "marital_status", "values": ("married", "divorced", "never married"), "estimates": (50, 45, 5)}
    assert margins(table(universe="persons|age=5..", **marital)) == ()
    (near,) = margins(table(universe="persons|age=15..", **marital))
    assert near.younger and near.shares == pytest.approx([0.5, 0.45, 0.05])
    assert margins(table(universe="persons|age=25..|nativity=native")) == ()  # a part of the people
    ages = table(
        universe="persons", column="age", values=("..17", "18..44", "45.."), estimates=(100, 300, 100), measure="count"
    )
    (margin,) = margins(ages)
    assert margin.field == "age" and margin.shares == pytest.approx([0.75, 0.25])


def test_too_few_people_give_no_verdict():
    (margin,) = margins(table())
    drawn, written = views(known := people(20), known)
    assert compare(margin, drawn, written, np.ones(20), rng.child(0, "few")) is None
    assert "text.true.official.education" not in found(truth_evidence(corpus(known, lambda *_: "A life."), table()))


def test_a_large_source_is_sampled_by_person():
    known = people(200)
    evidence = truth_evidence(corpus(known, lambda row, _: f"She is {row['age']}."), most=50)
    assert found(evidence)["text.true.contradicted.age"].n == 50


def test_a_corpus_of_which_nothing_is_known_still_says_what_it_says():
    profiles = pl.DataFrame({"person_id": [1, 2], "source": ["x", "x"], "life": ["She is 30.", "A life."]})
    findings = found(truth_evidence(Corpus(profiles=profiles, fields=("life",))))
    assert findings["text.true.claimed.age"].value == 0.5
    assert findings["text.true.contradicted.age"].value is None
    assert "text.true.invented_numbers" not in findings
