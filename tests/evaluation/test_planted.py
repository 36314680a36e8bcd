"""Planted faults are found, clean sets are left alone: 500 profiles a set, 100 seeds a fault, 200 seeds clean."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta

from cityfolk import rng
from cityfolk.evaluation.corpus import Evidence
from cityfolk.evaluation.fairness.evidence import fairness_evidence
from cityfolk.evaluation.flags import flagged, judge
from cityfolk.evaluation.personal.evidence import personal_evidence
from cityfolk.evaluation.truth.evidence import truth_evidence
from cityfolk.evaluation.variety.evidence import variety_evidence
from tests.evaluation.planted import SET, Pool

pytestmark = pytest.mark.long
SEEDS, CLEAN, FOUND = 100, 200, 95


@pytest.fixture(scope="module")
def pool(cambridge, cambridge_population):
    return Pool.of(cambridge, cambridge_population)


def _names(findings):
    return {finding.id for finding in flagged(findings)}


def test_clean_sets_are_flagged_no_more_often_than_stated(pool):
    raised = [_names(pool.all_flags(pool.draw(1000 + seed), seed).findings) for seed in range(CLEAN)]
    count = sum(bool(names) for names in raised)
    upper = float(beta.ppf(0.95, count + 1, CLEAN - count))  # Clopper and Pearson (1934), one-sided
    assert count <= 0.05 * CLEAN and upper <= 0.09, (count, upper, [names for names in raised if names])


def test_wrong_ages_are_found(pool):
    found = 0
    for seed in range(SEEDS):
        wrong = rng.child(seed, "planted", "ages").choice(SET, round(0.05 * SET), replace=False)
        names = _names([*_others(pool, seed), *pool.truth_findings(pool.draw(seed), wrong)])
        found += "text.true.contradicted.age" in names
    assert found >= FOUND


def test_copied_stories_are_found(pool):
    found = 0
    for seed in range(SEEDS):
        rows = pool.draw(seed)
        copies = pool.copies_finding(pool.with_copies(rows, seed), seed)
        findings = [*pool.truth_findings(rows), *pool.personal_findings(rows), copies]
        found += "text.variety.copies" in _names(findings)
    assert found >= FOUND


def test_a_model_that_praises_one_origin_is_found(pool):
    assert 60 <= pool.praised.sum() <= 600
    found = 0
    for seed in range(SEEDS):
        finding = pool.kindness_finding(pool.draw(seed), pool.praising_kindness, seed)
        found += "text.fair.sentiment" in _names([finding])
    assert found >= FOUND


def test_a_model_that_ignores_neuroticism_is_found(pool):
    found = alone = 0
    for seed in range(SEEDS):
        rows = pool.draw(seed)
        names = _names([*pool.truth_findings(rows), *pool.personal_findings(rows, pool.calm_scores)])
        found += "text.personal.correlation.neuroticism" in names
        alone += names == {"text.personal.correlation.neuroticism"}
    assert found >= FOUND and alone >= FOUND


def test_a_wrong_official_table_is_found(pool):
    found = 0
    for seed in range(SEEDS):
        rows = pool.draw(seed)
        findings = [*_others(pool, seed), *pool.truth_findings(rows, official=pool.wrong_margins)]
        found += "text.true.official.education.p" in _names(findings)
    assert found >= FOUND


def _others(pool, seed):
    return pool.personal_findings(pool.draw(seed))


def test_the_measurements_that_a_study_runs_raise_the_same_flags(pool):
    """The harness above measures each profile once; here all of it goes the public way, on one set with every fault."""
    rows = pool.draw(7)
    wrong = np.arange(25)
    profiles = pool.with_copies(rows, 7)
    ages = pool.wrong_age[rows]["general_description"]
    calm, kind = pool.calm[rows], pool.praising[rows]
    profiles = profiles.with_columns(
        pl.when(pl.int_range(SET) < len(wrong)).then(ages).otherwise("general_description").alias("general_description")
    )
    clean, copied = pool.corpus(pool.good, rows), pool.corpus(profiles)
    assert _public(pool, clean) == set()
    assert _public(pool, copied) == {"text.true.contradicted.age", "text.variety.copies"}
    table = truth_evidence(clean, pool.wrong_tables)
    assert "text.true.official.education.p" in _names(judge(table).findings)
    assert _names(personal_evidence(pool.corpus(calm)).findings) == {"text.personal.correlation.neuroticism"}
    assert _names(fairness_evidence(pool.corpus(kind)).findings) == {"text.fair.sentiment"}
    # The short cuts of the harness give what the whole measurement gives.
    whole = {finding.id: finding for finding in fairness_evidence(clean).findings}
    assert whole["text.fair.sentiment"] == pool.kindness_finding(rows)


def _public(pool, corpus):
    evidence = Evidence()
    for part in (
        truth_evidence(corpus, pool.tables),
        personal_evidence(corpus),
        variety_evidence(corpus),
        fairness_evidence(corpus),
    ):
        evidence += part
    return {finding.id for finding in judge(evidence).findings if finding.verdict == "outside"} & _names(
        evidence.findings
    )
