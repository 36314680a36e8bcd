"""The shipped pack: Cambridge, Massachusetts, as its official tables have it."""

from collections import Counter

import pytest

from cityfolk.places.pack import load_place
from cityfolk.tables.query import parse
from cityfolk.tables.view import STATE_OF_RESIDENCE

PUBLISHERS = ("U.S. Census Bureau, ", "Pew Research Center, ", "Presidential election of November 2020, ")


@pytest.fixture(scope="module")
def place():
    return load_place("cambridge-ma")


def test_its_size(place):
    assert (place.population, place.households, place.state) == (118_796, 49_444, "Massachusetts")
    assert place.tables.height == 1_366
    assert place.own.height == 1_199
    assert place.own["moe90"].is_not_null().sum() == 1_170


@pytest.mark.parametrize(
    ("code", "estimate", "margin"),
    [
        ("S0501_C03_001E", 35_245, 1_451),  # foreign-born: 29.7% of 118,796
        ("DP03_0005E", 2_494, 414),  # unemployed: 2.4% of those 16 and over
        ("S0501_C01_043E", 51.2, 1.6),  # graduate degrees among those 25 and over
        ("B25003_002E", 16_547, 629),
        ("S0101:female:85+", 1_016, None),
    ],
)
def test_figures_that_are_known_from_the_tables(place, code, estimate, margin):
    row = place.tables.filter(code=code).row(0, named=True)
    assert (row["estimate"], row["moe90"]) == (estimate, margin)


def test_one_quantity_has_one_figure(place):
    """Counts of the same people agree to the last digit wherever a table repeats them; shares agree to rounding."""
    counts = {}
    shares = 0
    own = list(place.own.iter_rows(named=True))
    for row in own:
        query = parse(row["universe"], row["dimensions"], row["measure"])
        if query.measure == "count":
            key = (query.entity, frozenset(query.conditions))
            assert counts.setdefault(key, row["estimate"]) == row["estimate"], row["code"]
    for row in own:
        query = parse(row["universe"], row["dimensions"], row["measure"])
        part = counts.get((query.entity, frozenset(query.conditions)))
        whole = counts.get((query.entity, frozenset(query.universe)))
        if query.measure == "percent" and part is not None and whole:
            shares += 1
            assert row["estimate"] == pytest.approx(100 * part / whole, abs=0.051), row["code"]
    assert shares == 132


def test_every_figure_has_an_address(place):
    for row in place.tables.iter_rows(named=True):
        assert row["borrowed"] or row["table"] in row["source"], row["code"]
        assert row["source"].startswith(PUBLISHERS), row["code"]
        assert "github" not in row["source"].lower()
    assert set(place.own["geography"]) == {"Cambridge city, Massachusetts"}


def test_what_is_borrowed_says_so(place):
    borrowed = Counter(place.borrowed["table"])
    assert borrowed["S1810"] == 37
    assert borrowed["SF1 group quarters"] == 6
    assert not set(borrowed) & {"DP03", "S0501", "B25003", "B15002"}
    assert set(place.borrowed.filter(table="RLS")["geography"]) == {"Boston metropolitan area"}


def test_disability_ages_are_those_that_agree_with_each_other(place):
    """The 18-to-64 subtotal is the mean of its two parts, weighted by the people of those ages (S0101)."""
    people = {"18..34": 0.0, "35..64": 0.0}
    for row in place.borrowed.filter(table="S0101").iter_rows(named=True):
        low = int(row["dimensions"].removeprefix("age=").partition("..")[0] or 0)
        share = 0.4 if low == 15 else 1.0  # two of the five ages 15 to 19
        if 15 <= low < 65:
            people["18..34" if low < 35 else "35..64"] += share * row["estimate"]
    rates = {row["code"]: row["estimate"] for row in place.borrowed.filter(table="S1810").iter_rows(named=True)}
    for kind in ("hearing", "vision", "cognitive", "ambulatory", "self_care", "independent_living"):
        made = sum(rates[f"S1810:{kind}:{ages}"] * people[ages] for ages in people) / sum(people.values())
        assert rates[f"S1810:{kind}:18..64"] == pytest.approx(made, abs=0.1), kind


def test_natives_are_born_in_a_state_or_outside(place):
    regions = {
        value
        for row in place.own.filter(table="B05002").iter_rows(named=True)
        for condition in parse(row["universe"], row["dimensions"], row["measure"]).conditions
        if condition.column == "birth_region"
        for value in condition.values
    }
    assert STATE_OF_RESIDENCE in regions
    assert len(regions) == 14


def test_block_groups_and_outlines_are_the_same_87(place):
    outlined = [feature["properties"]["block_group"] for feature in place.geometry["features"]]
    assert sorted(outlined) == place.block_groups["block_group"].to_list()
    assert len(outlined) == 87
    assert place.block_groups["population"].sum() == pytest.approx(116_632, abs=20)
    assert place.block_groups["households"].sum() == pytest.approx(46_835, abs=20)


def test_simplified_outlines_leave_no_gap(place):
    """Every edge lies between two block groups, in opposite directions, or on one closed outer border."""
    edges = Counter()
    for feature in place.geometry["features"]:
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert len(ring) >= 4
        edges.update(zip(map(tuple, ring), map(tuple, ring[1:]), strict=False))
    assert max(edges.values()) == 1
    outer = [edge for edge in edges if edge[::-1] not in edges]
    assert Counter(start for start, _ in outer) == Counter(end for _, end in outer)
    assert len(outer) < 0.35 * len(edges)


def test_the_pack_is_small(place):
    assert (place.folder / "geometry.geojson").stat().st_size < 120_000
    assert sum(file.stat().st_size for file in place.folder.iterdir()) < 700_000
