"""Studies held against one another: planted dials differ by what they were planted with, like ones by nothing."""

import polars as pl
import pytest

from cityfolk.evaluation.control.across import across
from tests.evaluation.control import planted

SMALL = {"targets": planted.vectors(16)}


def study(said, seed=1, **more):
    return planted.trials(planted.rows(said, seed, **(SMALL | more)), planted.voice(seed))


def test_two_models_differ_by_what_is_planted_and_only_between_studies():
    both = pl.concat(
        [planted.rows(planted.half, 1, **SMALL), planted.rows(planted.obeys, 1, condition="vectors-dpo", **SMALL)]
    )
    found = {one.id: one for one in across({"a": planted.trials(both), "b": study(planted.obeys, model="other")})}
    slope = found["control.compare.slope@judge|a: prompted|b: prompted"]
    assert slope.low < -0.5 < slope.high and slope.high < 0
    assert found["control.compare.mae@judge|a: prompted|b: prompted"].low > 0  # farther off
    same = found["control.compare.slope@judge|a: vectors-dpo|b: prompted"]
    assert same.low < 0 < same.high
    assert not any("a: prompted|a:" in name for name in found) and not any(".moved@" in name for name in found)


def test_what_was_not_asked_alike_and_judges_without_norms_give_nothing():
    other = {"targets": planted.vectors(16, seed=3)}
    assert across({"a": study(planted.half), "b": study(planted.half, **other)}) == []
    plain = planted.trials(planted.rows(planted.half, 1, **SMALL), scales={"judge": "pool"})
    assert across({"a": plain, "b": study(planted.obeys)}) == []


def test_a_study_of_several_models_names_them():
    models = [planted.rows(planted.obeys, 1, model=name, **SMALL) for name in ("m1", "m2")]
    found = across({"a": planted.trials(*models), "b": study(planted.half)})
    arms = {one.id.partition("|")[2] for one in found}
    assert arms == {"a: m1, prompted|b: prompted", "a: m2, prompted|b: prompted"}
    assert found[0].value == pytest.approx(0.5, abs=0.1) and found[0].id.startswith("control.compare.slope@")
