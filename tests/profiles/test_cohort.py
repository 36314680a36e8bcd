"""Who is drawn: sums, growth, filters, traits set by hand."""

import itertools
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.personality.words import level
from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.records import citizens
from tests.profiles.fakes import population

PEOPLE, HOUSEHOLDS = population(2000)
ADULTS = PEOPLE.filter(pl.col("age") >= 18).height
OLD = PEOPLE.filter(pl.col("age") >= 65)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 600), seed=st.integers(0, 5))
def test_weights_sum_to_the_eligible_people(n, seed):
    cohort = draw_cohort(PEOPLE, n, seed)
    assert cohort["person_id"].n_unique() == n
    assert abs(cohort["weight"].sum() - ADULTS) < 1e-6
    assert (cohort["weight"] > 0).all()


@settings(max_examples=25, deadline=None)
@given(small=st.integers(1, 300), more=st.integers(1, 300))
def test_a_larger_cohort_begins_with_the_smaller_one(small, more):
    first = draw_cohort(PEOPLE, small, 3)
    second = draw_cohort(PEOPLE, small + more, 3)
    assert second["person_id"][:small].to_list() == first["person_id"].to_list()


def test_growth_with_traits_keeps_people_and_their_overrides():
    low = OLD.filter(pl.col("openness").is_between(0.2, 0.4, closed="left")).height
    cohorts = [
        draw_cohort(PEOPLE, n, 3, filter="age=65..", targets={"openness": "low"}) for n in (low - 5, low, low + 30)
    ]
    for before, after in itertools.pairwise(cohorts):
        same = ["person_id", "overrides"]
        assert after[: before.height].select(same).equals(before.select(same))
    assert cohorts[1]["overrides"].null_count() == low
    assert abs(cohorts[1]["weight"].sum() - low) < 1e-6
    assert cohorts[2]["overrides"].null_count() == low
    assert abs(cohorts[2]["weight"].sum() - OLD.height) < 1e-6


def test_every_stratum_has_somebody_and_shares_follow_size():
    cohort = draw_cohort(PEOPLE, 280, 1).join(PEOPLE, on="person_id")
    cells = cohort.group_by((pl.col("age") >= 65), "sex", "nativity").agg(pl.len(), pl.col("weight").sum())
    true = PEOPLE.filter(pl.col("age") >= 18).group_by((pl.col("age") >= 65), "sex", "nativity").agg(pl.len())
    joined = cells.join(true, on=["age", "sex", "nativity"])
    assert joined.height == 8
    assert (joined["weight"] - joined["len_right"]).abs().max() < 1e-6
    assert (joined["len"] / 280 - joined["len_right"] / ADULTS).abs().max() < 0.02


def test_a_stratum_of_one_is_drawn_and_stands_for_itself():
    people = PEOPLE.with_columns(
        sex=pl.when(pl.col("person_id") == 5).then(pl.lit("female")).otherwise(pl.lit("male")),
        age=pl.lit(40, dtype=pl.Int16),
        nativity=pl.lit("native"),
    )
    cohort = draw_cohort(people, 20, 1)
    assert cohort.filter(pl.col("person_id") == 5)["weight"].to_list() == [1.0]
    assert cohort.filter(pl.col("person_id") != 5)["weight"].unique().to_list() == [1999 / 19]


def test_filters_speak_the_language_of_the_tables():
    cohort = draw_cohort(PEOPLE, 30, 1, filter="age=65..|sex=female|nativity!=native").join(PEOPLE, on="person_id")
    assert (cohort["age"] >= 65).all()
    assert set(cohort["sex"]) == {"female"}
    assert set(cohort["nativity"]) == {"foreign-born"}
    assert (draw_cohort(PEOPLE, 200, 1, filter="sex=male").join(PEOPLE, on="person_id")["age"] >= 18).all()
    rented = draw_cohort(PEOPLE, 10, 1, households=HOUSEHOLDS, filter="hh_tenure=renter")
    assert rented.height == 10


def test_overrides_are_drawn_within_the_level_and_reach_the_citizen():
    cohort = draw_cohort(PEOPLE, 60, 1, targets={"openness": "very low", "extraversion": 0.9}, how="override")
    for row, citizen in zip(
        cohort.iter_rows(named=True), citizens(PEOPLE, HOUSEHOLDS, cohort, "Toyville"), strict=True
    ):
        set_by_hand = json.loads(row["overrides"])
        own = PEOPLE.row(row["person_id"], named=True)
        assert ("openness" in set_by_hand) == (level(own["openness"]) != "very low")
        assert level(citizen.person.personality.openness) == "very low"
        assert citizen.person.personality.extraversion == 0.9
        assert citizen.person.personality.neuroticism == pytest.approx(own["neuroticism"], abs=1e-6)
    assert abs(cohort["weight"].sum() - ADULTS) < 1e-6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": 3000}, "3,000 people were asked for and"),
        ({"n": 0}, "at least one"),
        ({"filter": "age=100.."}, "nobody of 2,000 people meets age=100.."),
        ({"filter": "agee=65.."}, "no column 'agee'"),
        ({"filter": "sex=woman"}, "cannot be 'woman'"),
        ({"targets": {"openes": "low"}}, "not a trait"),
        ({"targets": {"openness": "lowish"}}, "cannot be 'lowish'"),
        ({"targets": {"openness": 0.123}, "how": "select"}, "and 0 meet"),
        ({"strata": ("shoe_size",)}, "cannot stratify"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(options, says):
    with pytest.raises(UsageError, match=says) as error:
        draw_cohort(PEOPLE, **({"n": 10, "seed": 1} | options))
    assert error.value.hint


def test_the_same_address_draws_the_same_people():
    assert draw_cohort(PEOPLE, 40, 9).equals(draw_cohort(PEOPLE.sample(fraction=1, shuffle=True, seed=4), 40, 9))
    assert not draw_cohort(PEOPLE, 40, 9).equals(draw_cohort(PEOPLE, 40, 10))
