"""A planted city: who answers as they are passes the norms, who answers as the average does not."""

import numpy as np
import polars as pl
import pytest

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.psychometrics.findings import PREFIX
from cityfolk.evaluation.psychometrics.population import given_age_and_sex, population_findings
from cityfolk.personality.drawing import draw_personality
from cityfolk.vocabulary import TRAITS
from tests.evaluation.psychometrics import planted

N = 600
HOME = f"{PREFIX}planted@1.population."


@pytest.fixture(scope="module")
def people():
    draw = rng.child(2, "population", "people")
    ages, ids = draw.integers(18, 90, size=N), np.arange(N)
    sexes = np.where(draw.random(N) < 0.5, "female", "male")
    made = draw_personality(ages, sexes, ids, 2, "planted")
    return pl.DataFrame({"person_id": ids, "age": ages, "sex": sexes, "norms": made.norms}).with_columns(
        pl.Series(trait, made.percentile[:, i]) for i, trait in enumerate(TRAITS)
    )


def answered(people, way):
    target = people.select(TRAITS).to_numpy()
    return planted.table(target, way(target), names=[f"person-{i}" for i in people["person_id"]])


def test_who_answers_as_they_are_has_the_norms_means_spreads_and_effects(people):
    found = {f.id.removeprefix(HOME): f for f in population_findings(answered(people, planted.obeys), people)}
    assert len(found) == 101 + 10 + 2
    for trait in TRAITS:
        assert found[f"own.{trait}"].value == pytest.approx(1.0, abs=1e-3)
        assert found[f"moved.{trait}"].value == pytest.approx(0.0, abs=1e-3)
        assert found[f"sex.{trait}"].verdict == "inside" and found[f"age.{trait}"].verdict == "inside"
    judged = [f.verdict for f in found.values() if f.verdict != "none"]
    assert judged.count("outside") == 0 and len(judged) > 90
    assert found["correlations.distance"].value < 0.4 and found["correlations.congruence"].value > 0.9


def test_what_age_and_sex_make_together_is_no_correlation_of_traits(people):
    age, sex = people["age"].to_numpy() / 90, (people["sex"] == "female").to_numpy()
    own = rng.child(2, "population", "own").standard_normal((N, 5)) * 0.05
    made = own + np.column_stack([age, age**2, sex, sex * age, -age])
    assert np.abs(np.corrcoef(made.T)[np.triu_indices(5, 1)]).max() > 0.9
    left = given_age_and_sex(made, people)
    assert np.abs(np.corrcoef(left.T)[np.triu_indices(5, 1)]).max() < 0.1
    assert np.corrcoef(left[:, 0], own[:, 0])[0, 1] > 0.98


def test_who_answers_as_the_average_has_no_spread_of_their_own(people):
    stream = rng.child(2, "population", "noise")
    table = answered(people, lambda target: planted.drawn(planted.ignores(target), stream))
    found = {f.id.removeprefix(HOME): f for f in population_findings(table, people)}
    spreads = [f for name, f in found.items() if name.startswith("sd.")]
    assert len(spreads) == 40 and all(f.value < 0.7 for f in spreads)
    # In a small group even so little spread may be chance.
    assert all(f.verdict == "outside" for f in spreads if f.n > 60)
    assert abs(found["own.openness"].value) < 0.1


def test_the_average_answer_moves_people(people):
    found = {f.id.removeprefix(HOME): f for f in population_findings(answered(people, planted.agrees), people)}
    # Agreeing everywhere turns into disagreeing with oneself where more items are negated.
    assert any(found[f"moved.{trait}"].verdict == "outside" for trait in TRAITS)


def test_few_people_other_respondents_and_other_instruments_are_left_out(people):
    few = people.head(40)
    assert population_findings(answered(few, planted.obeys), people) == []
    target = people.select(TRAITS).to_numpy()[:60]
    assert population_findings(planted.table(target, planted.obeys(target)), people) == []
    fifty = planted.table(
        target, planted.obeys(target, "IPIP-50"), instrument="IPIP-50", names=[f"person-{i}" for i in range(60)]
    )
    assert population_findings(fifty, people) == []
    with pytest.raises(DataError, match="people has no sex"):
        population_findings(fifty, people.drop("sex"))
