"""Findings of planted respondents: each is diagnosed by the right number, and a table that is none is refused."""

import numpy as np
import polars as pl
import pytest

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.administration import Form
from cityfolk.evaluation.psychometrics.findings import PREFIX, questionnaire_findings
from cityfolk.evaluation.psychometrics.sheets import RESPONSES, sheets
from cityfolk.vocabulary import TRAITS
from tests.evaluation.psychometrics import planted

TARGET = planted.vectors(48)
ORDERS = [planted.ASCENDING, planted.DESCENDING]


def stream(*path):
    return rng.child(8, "findings", *path)


def of(values, **rest):
    """Return findings by what follows the model's name."""
    found = questionnaire_findings(planted.table(TARGET, values, **rest))
    assert len({finding.id for finding in found}) == len(found)
    assert all(finding.id.startswith(f"{PREFIX}planted@1.") for finding in found)
    return {finding.id.removeprefix(f"{PREFIX}planted@1."): finding for finding in found}


@pytest.fixture(scope="module")
def obedient():
    expected = planted.obeys(TARGET)
    return of(np.stack([planted.drawn(expected, stream("obeys", i)) for i in range(2)], axis=2), forms=ORDERS)


def test_who_obeys_passes_throughout(obedient):
    for trait in TRAITS:
        slope = obedient[f"{trait}.slope"]
        assert slope.low < slope.value < slope.high and slope.verdict == "inside" and slope.expected == 1.0
        assert obedient[f"{trait}.spearman"].value > 0.9 and obedient[f"{trait}.spearman"].verdict == "inside"
        assert obedient[f"{trait}.mae"].value < 0.12
        assert obedient[f"{trait}.alpha"].verdict == "inside"
        assert obedient[f"option_order.{trait}.convergent"].value > 0.7
        assert obedient[f"option_order.{trait}.discriminant"].low > 0
        assert obedient[f"{trait}.keying"].verdict == "inside"
        assert obedient[f"{trait}.structure"].value > 0.8
    assert obedient["bleed.size"].value < 0.15
    assert obedient["acquiescence"].verdict == obedient["option_order.change"].verdict == "inside"
    assert obedient["refused"].value == obedient["missing"].value == 0.0
    assert obedient["refused"].n == 48 * 120 * 2
    assert all(finding.note.startswith("IPIP-NEO-120") for finding in obedient.values())
    assert "openness.voice" not in obedient


def test_who_ignores_the_vector_fails_every_trait_and_no_bleed():
    found = of(planted.drawn(planted.ignores(TARGET), stream("ignores")))
    for trait in TRAITS:
        assert found[f"{trait}.slope"].verdict == found[f"{trait}.spearman"].verdict == "outside"
        assert found[f"{trait}.alpha"].verdict == "outside"
    assert sum(found[f"{a}.bleed.{b}"].verdict == "outside" for a in TRAITS for b in TRAITS if a != b) <= 1


def test_everything_the_same_gives_nothing_to_tell():
    found = of(np.full((48, 120), 3.0))
    assert found["openness.alpha"].value is None and found["openness.alpha"].verdict == "none"
    assert "can't be told" in found["openness.alpha"].note
    assert found["openness.slope"].value == pytest.approx(0.0)


def test_each_fault_is_named():
    kind = of(planted.drawn(planted.kinder_when_open(TARGET), stream("kind")))
    assert kind["openness.bleed.agreeableness"].verdict == "outside"
    assert kind["openness.bleed.agreeableness"].low < 0.5 < kind["openness.bleed.agreeableness"].high
    assert kind["agreeableness.bleed.openness"].verdict == "inside"

    yes = of(planted.drawn(planted.agrees(TARGET), stream("yes")))
    assert yes["acquiescence"].verdict == "outside"
    assert yes["acquiescence"].low < 0.3 < yes["acquiescence"].high

    blind = of(planted.drawn(planted.overhears_negations(TARGET), stream("blind")))
    for trait in TRAITS:
        assert blind[f"{trait}.keying"].verdict == "outside" and blind[f"{trait}.keying"].value < -0.5
    assert blind["openness.spearman"].verdict == "outside"


def test_an_order_that_matters_and_refusals_are_counted():
    expected = planted.obeys(TARGET) * 0.8 + 0.6
    values = np.stack([expected - 0.2, expected + 0.2], axis=2)
    values[:5, :, 1] = np.nan
    found = of(values, forms=ORDERS)
    assert found["option_order.change"].value == pytest.approx(0.4)
    assert found["option_order.change"].verdict == "outside"
    assert found["refused"].value == pytest.approx(5 / 96) and found["missing"].value == 0.0
    table = planted.table(TARGET, values, forms=ORDERS).filter(pl.col("outcome") != "refused")
    found = {f.id: f for f in questionnaire_findings(table)}
    assert found[f"{PREFIX}planted@1.missing"].value == pytest.approx(5 / 96)


def test_wordings_and_samples_are_ways_of_asking_too():
    expected = planted.obeys(TARGET)
    forms = [Form(wording=wording) for wording in ("accuracy", "agreement", "rating")]
    shifted = np.stack([expected, expected * 0.9 + 0.3, expected * 0.5 + 1.5], axis=2)
    found = of(shifted, forms=forms)
    assert found["wording.openness.convergent"].value == pytest.approx(1.0)
    samples = np.stack([planted.drawn(expected, stream("retest", i)) for i in range(2)], axis=2)
    found = of(samples, forms=[Form(sample=0), Form(sample=1)])
    assert 0.7 < found["sample.openness.convergent"].value < 1.0
    again = found["sample.openness.retest"]
    assert again.unit == "ICC(2,1)" and again.low < again.value < again.high < 1.0
    same = of(np.repeat(samples[:, :, :1], 2, axis=2), forms=[Form(sample=0), Form(sample=1)])
    assert same["sample.openness.retest"].value == pytest.approx(1.0)


def test_two_instruments_converge():
    short = planted.table(TARGET, planted.drawn(planted.obeys(TARGET), stream("a")))
    fifty = planted.drawn(planted.obeys(TARGET, "IPIP-50"), stream("b"))
    both = pl.concat([short, planted.table(TARGET, fifty, instrument="IPIP-50")])
    found = {f.id.removeprefix(PREFIX): f for f in questionnaire_findings(both)}
    for trait in TRAITS:
        one = found[f"planted@1.instrument:IPIP-50.{trait}.convergent"]
        assert 0.6 < one.value < 1 and one.low < one.value < one.high
        assert found[f"planted@1@IPIP-50.{trait}.slope"].expected is None
        assert f"planted@1@IPIP-50.{trait}.mae" not in found
    assert found["planted@1@IPIP-50.openness.alpha"].note.startswith("IPIP-50; 10 items")


def test_the_voice_of_a_model_that_is_asked_for_nothing():
    table = planted.table(np.full((1, 5), np.nan), planted.obeys(np.full((1, 5), 0.3)), condition="untargeted")
    found = {f.id.removeprefix(PREFIX): f for f in questionnaire_findings(table)}
    assert found["planted@1:untargeted.openness.voice"].value == pytest.approx(0.3, abs=1e-3)
    assert set(found) == {
        *(f"planted@1:untargeted.{trait}.voice" for trait in TRAITS),
        "planted@1:untargeted.refused",
        "planted@1:untargeted.missing",
    }


def test_a_few_respondents_are_told_one_by_one_with_what_they_should_be():
    target = np.array([[0.9, 0.6, 0.35, 0.25, 0.35]])
    table = planted.table(target, planted.obeys(target), condition="analyst", names=["Analyst"])
    found = {f.id.removeprefix(PREFIX): f for f in questionnaire_findings(table)}
    for trait, asked in zip(TRAITS, target[0], strict=True):
        one = found[f"planted@1:analyst.{trait}.at.Analyst"]
        assert one.value == pytest.approx(asked, abs=1e-3) and one.expected == pytest.approx(asked)
        assert one.low == one.high == pytest.approx(one.value)
    noisy = planted.drawn(planted.obeys(target), stream("few"))
    found = questionnaire_findings(planted.table(target, noisy, condition="analyst", names=["Analyst"]))
    ends = [(f.low, f.expected, f.high) for f in found if ".at." in f.id]
    assert len(ends) == 5 and sum(low < asked < high for low, asked, high in ends) >= 4


def test_names_hold_no_dots_of_their_own():
    values = planted.drawn(planted.obeys(TARGET), stream("names"))
    found = questionnaire_findings(planted.table(TARGET, values, model="llama-3.1:8b q4"))
    assert {f.id.split(".")[2] for f in found} == {"llama-3-1:8b-q4"}


def test_the_same_table_gives_the_same_findings_in_any_order():
    values = planted.drawn(planted.obeys(TARGET), stream("order"))
    table = planted.table(TARGET, values)
    assert questionnaire_findings(table) == questionnaire_findings(table.sample(fraction=1.0, shuffle=True, seed=1))


def test_tables_that_are_none_are_refused():
    table = planted.table(TARGET[:2], planted.obeys(TARGET[:2]))
    with pytest.raises(DataError, match="responses has no value"):
        sheets(table.drop("value"))
    with pytest.raises(DataError, match="no items of 'MBTI'"):
        sheets(table.with_columns(instrument=pl.lit("MBTI")))
    with pytest.raises(DataError, match="twice"):
        sheets(pl.concat([table, table.head(1)]))
    with pytest.raises(DataError, match="no item 121"):
        sheets(table.with_columns(item_id=pl.col("item_id") + 1))
    assert sheets(pl.DataFrame(schema=RESPONSES)) == [] and questionnaire_findings(pl.DataFrame(schema=RESPONSES)) == []
