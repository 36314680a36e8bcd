"""The core: laws of its parts, numbers by hand, and the whole city once."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import DataError
from cityfolk.people.build import scaled
from cityfolk.people.core import build_core
from cityfolk.people.core_origins import deal, race_counts
from cityfolk.people.core_people import band_edges, year_weights
from cityfolk.people.core_plan import couples_among
from cityfolk.people.core_tables import household_shapes, read_facts
from cityfolk.people.households import ROLE, fitting_role
from cityfolk.people.households_matching import attach
from cityfolk.places.pack import load_place
from cityfolk.tables.query import evaluate_all, parse
from cityfolk.tables.rules import check
from cityfolk.tables.view import build_views
from cityfolk.vocabulary import RACE_ETHNICITIES

PORT_SELENE = Path(__file__).parents[1] / "packs" / "port_selene"


@pytest.fixture(scope="module")
def cambridge():
    return load_place("cambridge-ma")


@pytest.fixture(scope="module")
def core(cambridge):
    return build_core(cambridge, 1)


@pytest.fixture(scope="module")
def members(core):
    head = core.people.filter(pl.col("role") == "householder").select(
        "household_id",
        *(pl.col(c).alias(f"head_{c}") for c in ("age", "sex", "birthplace", "race_ethnicity", "nativity")),
    )
    return core.people.join(head, on="household_id")


def test_everybody_is_there_once(core):
    assert core.people.height == 118_796
    assert core.households.filter(pl.col("kind") != "group_quarters").height == 49_444
    assert core.people["person_id"].to_list() == list(range(118_796))
    assert core.people["household_id"].is_sorted()
    sizes = core.people.group_by("household_id").len().sort("household_id")["len"]
    assert (sizes == core.households["size"]).all()


def test_every_published_figure_about_the_core_is_met(core, cambridge):
    """All counts and percents with a margin whose columns the core has: 435 of them, each inside its 90% margin."""
    views = build_views(core.people, core.households, state=cambridge.state)
    rows = cambridge.own.filter(pl.col("moe90").is_not_null() & pl.col("measure").is_in(["count", "percent"]))
    queries = [parse(u, d or "", m) for u, d, m in rows.select("universe", "dimensions", "measure").iter_rows()]
    ready = [all(c.column in views[q.entity].frame.columns for c in q.conditions) for q in queries]
    made = evaluate_all(rows.filter(pl.Series(ready)), views)
    assert made.height > 400
    outside = made.filter((pl.col("made") - pl.col("estimate")).abs() > pl.col("moe90"))
    assert outside.is_empty(), outside.select("code", "estimate", "moe90", "made")


def test_mean_sizes_follow_the_householders_citizenship(core, cambridge):
    views = build_views(core.people, core.households, state=cambridge.state)
    means = cambridge.own.filter(
        pl.col("measure").is_in(["mean:size", "mean:n_family"]) & pl.col("moe90").is_not_null()
    )
    made = evaluate_all(means, views)
    inside = ((made["made"] - made["estimate"]).abs() <= made["moe90"]).mean()
    assert made.height == 20 and inside >= 0.9


def test_no_rule_is_broken(core):
    broken = check(core.people, core.households).filter(pl.col("offenders") > 0)
    assert broken.is_empty(), broken.select("rule", "offenders")


def test_the_same_seed_gives_the_same_people(core, cambridge):
    again, other = build_core(cambridge, 1), build_core(cambridge, 2)
    assert again.people.equals(core.people) and again.households.equals(core.households)
    assert not other.people.equals(core.people)


def test_spouses_and_parents_know_each_other(core):
    p = core.people
    spouse = p["_spouse_id"].to_numpy()
    married = p["_spouse_id"].is_not_null().to_numpy()
    partner = spouse[married].astype(int)
    assert (p["_spouse_id"].to_numpy()[partner] == np.flatnonzero(married)).all()
    assert (p["household_id"].to_numpy()[partner] == p["household_id"].to_numpy()[married]).all()
    assert (p["marital_status"].to_numpy()[married] == "married").all()
    child = p["_parent1_id"].is_not_null().to_numpy()
    assert (child == (p["role"] == "child").to_numpy()).all()
    years = p["age"].to_numpy()[p["_parent1_id"].to_numpy()[child].astype(int)] - p["age"].to_numpy()[child]
    assert years.min() >= 14 and years.max() <= 50


def test_families_share_origin_far_beyond_chance(members):
    spouses = members.filter(pl.col("role") == "spouse")
    foreign = spouses.filter((pl.col("nativity") == "foreign-born") & (pl.col("head_nativity") == "foreign-born"))
    same_country = (foreign["birthplace"] == foreign["head_birthplace"]).mean()
    shapes = household_shapes()["couples"]
    assert same_country == pytest.approx(shapes["foreign_same_country_share"], abs=0.08)
    natives = spouses.filter((pl.col("nativity") == "native") & (pl.col("head_nativity") == "native"))
    same_race = (natives["race_ethnicity"] == natives["head_race_ethnicity"]).mean()
    assert same_race == pytest.approx(shapes["same_race_share"], abs=0.05)


def test_spouses_are_of_like_age(members):
    spouses = members.filter(pl.col("role") == "spouse")
    gap = (spouses["age"].cast(pl.Int32) - spouses["head_age"]).abs()
    assert gap.mean() < 5 and (gap <= 10).mean() > 0.9
    assert (spouses["sex"] == spouses["head_sex"]).mean() < 0.02


def test_block_groups_hold_the_households_that_they_held(core, cambridge):
    made = core.households.filter(pl.col("kind") != "group_quarters").group_by("block_group").len()
    areas = cambridge.block_groups.select(pl.col("block_group").cast(pl.String), "households")
    both = areas.join(made, on="block_group", how="left").fill_null(0)
    wanted = both["households"] * 49_444 / both["households"].sum()
    assert (both["len"] - wanted).abs().max() < 1


def test_a_place_outside_the_united_states(core):
    place = load_place(PORT_SELENE)
    made = build_core(place, 3)
    assert made.people.height == 5090
    assert check(made.people, made.households).filter(pl.col("offenders") > 0).is_empty()
    types = dict(made.households["gq_type"].drop_nulls().value_counts().rows())
    assert types == {"nursing facility": pytest.approx(60, abs=1), "other": pytest.approx(30, abs=1)}
    assert (made.people.filter(pl.col("nativity") == "native")["birthplace"] == "Marevia").all()
    assert set(core.people.columns) == set(made.people.columns)


def test_scaling_multiplies_counts_and_leaves_shares():
    place = load_place(PORT_SELENE)
    twice = build_core(scaled(place, 2), 3)
    assert twice.people.height == 2 * 5090
    assert twice.households.filter(pl.col("kind") != "group_quarters").height == 2 * 2200


def test_tables_without_a_population_are_refused():
    place = load_place(PORT_SELENE)
    tables = place.tables.filter(pl.col("universe") != "persons")
    object.__setattr__(place, "tables", tables)
    with pytest.raises(DataError, match="how many people"):
        build_core(place, 0)


def test_children_by_parents_are_summed_over_poverty(cambridge):
    """B05010: 8 + 130 + 4,292 children of two native parents in the three classes of poverty."""
    sums = {tuple(map(str, k)): v for k, v in read_facts(cambridge.tables).without("poverty_ratio").items()}
    assert sums["age=..17", "own_child=yes", "parents_nativity=both native"] == 8 + 130 + 4292
    assert sums["age=..17", "own_child=yes"] == 14_021


def test_couples_by_hand(cambridge):
    """Odds of couples to other families: the mean (geometric) of 2010's 12,756 to 4,696 and of people over sizes."""
    facts = read_facts(cambridge.tables)
    sharing = household_shapes()["sharing"]
    in_couples = 118_796 * 0.379 * (1 - sharing["nonrelatives_share_of_family_members"])
    others = 2.81 * 19_757 - in_couples
    by_size = in_couples / (others * sharing["couple_family_size"] / sharing["other_family_size"])
    odds = (by_size * 12_756 / 4_696) ** 0.5
    assert couples_among(facts, 19_757) == pytest.approx(19_757 * odds / (1 + odds))


def test_age_bands_start_where_the_tables_cut(cambridge):
    edges = set(band_edges(read_facts(cambridge.tables)).tolist())
    assert {0, 3, 5, 15, 16, 18, 19, 25, 45, 55, 65, 75, 85} <= edges
    weights = year_weights(read_facts(cambridge.tables))
    assert weights[0, :5].sum() == pytest.approx(2001) and weights[1, 85:].sum() == pytest.approx(591)


def test_race_counts_meet_the_published_shares(cambridge):
    counts = race_counts(read_facts(cambridge.tables), "nativity=native", 100_000)
    share = dict(zip(RACE_ETHNICITIES, counts / 1000, strict=True))
    assert counts.sum() == 100_000
    assert share["White"] == pytest.approx(64.7, abs=0.3)
    assert share["Asian"] + share["Asian, Hispanic or Latino"] == pytest.approx(10.7, abs=0.3)
    assert sum(v for k, v in share.items() if k.endswith("Latino")) == pytest.approx(8.1, abs=0.3)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_dealing_meets_every_quota(groups, columns, seed):
    rng = np.random.default_rng(seed)
    quota = rng.integers(0, 9, (groups, columns))
    quota[:, 0] += 1
    group = rng.permutation(np.repeat(np.arange(groups), quota.sum(axis=1)))
    n = len(group)
    leader = np.where(rng.random(n) < 0.6, rng.integers(0, n, n), -1)
    leader[leader[np.maximum(leader, 0)] != leader] = -1  # whoever is followed leads themselves
    dealt = deal(group, quota, leader, rng.choice([-1, -2], n), rng)
    for g in range(groups):
        assert (np.bincount(dealt[group == g], minlength=columns) == quota[g]).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_attaching_uses_nobody_twice(wanted, more, seed):
    rng = np.random.default_rng(seed)
    at = attach(rng.normal(40, 10, wanted), rng.integers(18, 90, wanted + more), rng)
    assert len(set(at.tolist())) == wanted and at.min() >= 0 and at.max() < wanted + more


def test_attaching_finds_the_near_one():
    assert attach([50.0, 20.0], [20, 80, 50], np.random.default_rng(0)).tolist() == [2, 0]
    with pytest.raises(ValueError, match="only 1 offered"):
        attach([1.0, 2.0], [1.0], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("role", "age", "head", "spouse", "expected"),
    [
        ("child", 20, 50, -1, "child"),
        ("child", 20, 30, -1, "sibling"),  # ten years are too few for a parent
        ("child", 20, 50, 75, "other relative"),  # the spouse would have been 55
        ("parent", 70, 45, -1, "parent"),
        ("parent", 50, 45, -1, "sibling"),
        ("grandchild", 5, 60, 58, "grandchild"),
        ("grandchild", 10, 25, -1, "sibling"),
        ("sibling", 30, 33, -1, "sibling"),
        ("unmarried partner", 30, 60, -1, "child"),
        ("housemate", 30, 60, -1, "housemate"),
    ],
)
def test_roles_fit_ages(role, age, head, spouse, expected):
    found = fitting_role(*(np.array([v]) for v in (ROLE[role], age, head, spouse)))
    assert found[0] == ROLE[expected]
