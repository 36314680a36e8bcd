"""Work in blocks: a population comes out the same whatever their size, and nothing is missed between them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cityfolk.errors import CityfolkError
from cityfolk.people import blocks, build
from cityfolk.people.attributes_known import Known, known_of
from cityfolk.people.attributes_world import cross
from cityfolk.people.blocks import blocks_of
from cityfolk.people.build import build_people
from cityfolk.people.codes import named
from cityfolk.places.pack import load_place
from cityfolk.tables.query import parse_condition
from cityfolk.tables.view import build_views

PORT_SELENE = Path(__file__).parents[1] / "packs" / "port_selene"


@pytest.fixture(scope="module")
def selene():
    return load_place(PORT_SELENE)


@pytest.fixture(scope="module")
def whole(selene):
    return build_people(selene, 5)


def test_blocks_cut_between_households_and_leave_nobody_out(whole, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 700)
    cut = blocks_of(whole.people, whole.households)
    assert len(cut) == 8  # 5,090 people
    assert pl.concat([whole.people[rows] for rows, _ in cut]).equals(whole.people)
    assert pl.concat([whole.households[homes] for _, homes in cut]).equals(whole.households)
    for rows, homes in cut:
        ids = whole.households[homes]["household_id"]
        assert whole.people[rows]["household_id"].is_in(ids.to_list()).all()
        assert abs(rows.stop - rows.start - 5090 / 8) < 20


def test_a_population_out_of_order_is_one_block(whole, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 700)
    turned = whole.people.reverse()
    assert blocks_of(turned, whole.households) == [(slice(0, 5090), slice(0, whole.households.height))]


def test_the_size_of_blocks_changes_nothing(whole, selene, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 600)
    again = build_people(selene, 5)
    assert again.people.equals(whole.people) and again.households.equals(whole.households)


def test_what_is_known_is_what_the_views_hold(whole, selene, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 600)
    views = build_views(whole.people, whole.households, state=selene.state)
    *known, home_ids = known_of(whole.people, whole.households, selene.state)
    assert home_ids.tolist() == views.households.frame["household_id"].to_list()
    for mine, entity in zip(known, ("persons", "households", "families"), strict=True):
        for series in views[entity].frame.drop("person_id", "household_id", strict=False):
            encoded = mine.encoded(series.name)
            if encoded.categories is None:
                expected = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
                assert np.array_equal(encoded.values, expected, equal_nan=True), series.name
                continue
            names = np.array([*encoded.categories, None], dtype=object)
            words = (
                series.cast(pl.String)
                if series.dtype != pl.Boolean
                else series.replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
            )
            assert names[encoded.values].tolist() == words.to_list(), (entity, series.name)


def test_masks_come_back_as_they_were_kept():
    known = Known("persons", 5, {})
    known.say("worker", np.array([True, False, True, True, False]))
    condition = parse_condition("worker=yes")
    for _ in range(2):  # computed, then from the bits that were kept
        assert known.mask([condition]).tolist() == [True, False, True, True, False]
    known.say("worker", np.array([False, False, True, False, False]))
    assert known.mask([condition]).tolist() == [False, False, True, False, False]


def test_combinations_are_numbered_alike_by_counting_and_by_sorting():
    rng = np.random.default_rng(2)
    kinds = [rng.integers(0, n, 50) for n in (3, 1500, 1000)]
    few = [(kind % 3, rng.random((3, 4))) for kind in kinds]
    many = [(kind, np.vstack([table] * 500)[:n]) for (kind, table), n in zip(few, (3, 1500, 1000), strict=True)]
    (a, seed_a), (b, seed_b) = cross(*few), cross(*many)
    assert len(seed_a) <= 27 and len(seed_b) <= 50  # of the 4.5 million that there may be
    assert np.array_equal(seed_a[a], seed_b[b])
    rows = np.array([4, 7, 30])
    some, seed = cross(*few, rows=rows)
    assert np.array_equal(seed[some], seed_a[a][rows])


def test_named_codes():
    made = named("role", ("x", "y"), np.array([1, -1, 0], dtype=np.int16))
    assert made.to_list() == ["y", None, "x"] and made.name == "role"


def test_a_broken_rule_is_found_in_every_block(whole, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 700)
    cut = blocks_of(whole.people, whole.households)
    build._hold_rules(whole.people, whole.households, cut)
    for rows, _ in cut:
        at = pl.int_range(pl.len()) == rows.stop - 1
        spoilt = whole.people.with_columns(age=pl.when(at).then(-1).otherwise("age"))
        with pytest.raises(CityfolkError, match="broken"):
            build._hold_rules(spoilt, whole.households, cut)


def test_what_a_whole_block_lacks_is_not_taken_for_unknown(whole, monkeypatch):
    """Nobody of the third block has an employment: broken, as others have one."""
    monkeypatch.setattr(blocks, "BLOCK", 700)
    cut = blocks_of(whole.people, whole.households)
    rows = cut[2][0]
    inside = pl.int_range(pl.len()).is_between(rows.start, rows.stop - 1)
    assert whole.people["employment"].null_count() < whole.people.height
    spoilt = whole.people.with_columns(employment=pl.when(~inside).then("employment"))
    with pytest.raises(CityfolkError, match="broken"):
        build._hold_rules(spoilt, whole.households, cut)
