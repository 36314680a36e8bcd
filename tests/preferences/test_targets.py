"""Targets: what is asked for later never changes what was asked for before, and every wrong word gets a sentence."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import CityfolkError, DataError, StudyError, UsageError
from cityfolk.preferences.targets import (
    SOBOL_HIGH,
    SOBOL_LOW,
    UNTARGETED,
    archetypes,
    of_file,
    of_people,
    parse_targets,
    sobol,
)
from cityfolk.study.folder import Study
from cityfolk.vocabulary import TRAITS

HEADER = f"name,{','.join(TRAITS)}\n"


def matrix(targets):
    return np.array([[value for _, value in target.vector.items()] for target in targets])


@pytest.fixture
def empty(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        yield study


@pytest.fixture
def city(tmp_path):
    """A study with 60 people: ids 0 to 59, ages 10 to 69, the 60th's norms extrapolated."""
    draws = np.random.default_rng(1).uniform(0.01, 0.99, (60, 5))
    frame = pl.DataFrame(
        {
            "person_id": pl.Series(range(60), dtype=pl.Int32),
            "age": pl.Series([10 + i for i in range(60)], dtype=pl.Int16),
            "norms": ["IPIP-NEO-120"] * 59 + ["extrapolated"],
            **{trait: pl.Series(draws[:, k], dtype=pl.Float32) for k, trait in enumerate(TRAITS)},
        }
    )
    with Study.open(tmp_path / "city", create=True) as study:
        study.write("people", frame)
        yield study


def test_the_archetypes_are_the_published_percentiles():
    assert [target.name for target in archetypes()] == ["Analyst", "Diplomat", "Sentinel", "Explorer"]
    assert matrix(archetypes()).tolist() == [
        [0.90, 0.60, 0.35, 0.25, 0.35],
        [0.90, 0.50, 0.45, 0.90, 0.60],
        [0.25, 0.90, 0.50, 0.65, 0.40],
        [0.40, 0.25, 0.80, 0.65, 0.25],
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 99))
def test_the_first_n_points_are_the_same_however_many_follow(n, more, seed):
    assert sobol(n + more, seed)[:n] == sobol(n, seed)


def test_points_fill_the_cube():
    for seed in range(20):
        points = matrix(sobol(32, seed))
        assert points.min() >= SOBOL_LOW and points.max() <= SOBOL_HIGH
        # A Sobol set of 32 has one point in each 32nd of every trait; 32 independent ones leave about 12 empty.
        strata = np.floor((points - SOBOL_LOW) / (SOBOL_HIGH - SOBOL_LOW) * 32 - 1e-3).astype(int)
        assert all(len(set(strata[:, k])) >= 31 for k in range(5))  # one may be rounded over an edge
    assert sobol(8, 1) != sobol(8, 2)
    assert [target.name for target in sobol(101, 1)][99:] == ["sobol-99", "sobol-100"]


def test_people_of_the_city_keep_their_numbers_and_come_in_the_same_order(city):
    twenty, five = of_people(city, 20, 3), of_people(city, 5, 3)
    assert twenty[:5] == five and len({target.name for target in twenty}) == 20
    people = {row["person_id"]: row for row in city.read("people").iter_rows(named=True)}
    for target in twenty:
        row = people[int(target.name.removeprefix("person-"))]
        assert row["age"] >= 18 and row["norms"] != "extrapolated"
        assert [value for _, value in target.vector.items()] == pytest.approx([row[t] for t in TRAITS], abs=1e-6)
    assert of_people(city, 5, 4) != five
    assert len(of_people(city, 51, 3)) == 51
    with pytest.raises(UsageError, match="52 people were asked for as targets and the city has 51 adults"):
        of_people(city, 52, 3)


def test_a_file_of_vectors(tmp_path, empty):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + "low and calm, .02, 0.5, 0.1, 0, .05\nhigh,1,1,1,1,1\n")
    low, high = of_file(path)
    assert low.name == "low and calm" and low.vector.agreeableness == 0.001 and low.vector.openness == 0.02
    assert parse_targets([f"none,{path}"], empty, 0) == (UNTARGETED, low, high)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,openness\na,.5\n", "no column conscientiousness, extraversion, agreeableness, neuroticism"),
        (HEADER, "holds no targets"),
        (HEADER + "a,.5,.5,.5,.5,.5\n ,.5,.5,.5,.5,.5\n", "line 3: '' is no name"),
        (HEADER + "a,.5,.5,high,.5,.5\n", "line 2: a trait of a is not a number"),
        (HEADER + "a,.5,.5,.5,.5\n", "line 2: a trait of a is not a number"),
        (HEADER + "a,50,50,50,50,50\n", "line 2: a percentile of a lies outside 0 to 1"),
        (HEADER + "a,.5,.5,.5,.5,nan\n", "lies outside 0 to 1"),
    ],
)
def test_a_wrong_file_gets_a_sentence(tmp_path, text, said):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        of_file(path)
    assert caught.value.hint and caught.value.exit_code == 3


def test_words_are_read_in_order_and_once(empty):
    found = parse_targets(["archetypes,sobol:2", " none , Diplomat", "sobol:3"], empty, 7)
    assert [target.name for target in found] == [
        "Analyst",
        "Diplomat",
        "Sentinel",
        "Explorer",
        "sobol-00",
        "sobol-01",
        "",
        "sobol-02",
    ]


@pytest.mark.parametrize(
    ("word", "said", "hint"),
    [
        ("archetype", "there is no target 'archetype'", "archetypes"),
        ("Diplomats", "there is no target 'Diplomats'", "'Diplomat'"),
        ("person:3", "there is no target 'person:3'", "people:N"),
        ("sobol", "'sobol' does not say how many", "sobol:32"),
        ("sobol:-3", "does not say how many", "sobol:32"),
        ("sobol:0", "cannot have 0 points", "from 1 to"),
        ("sobol:9999999", "cannot have 9,999,999 points", "from 1 to"),
        (" , ", "no target is asked for", "archetypes,sobol:32"),
        ("nothing.csv", "cannot be read", "CSV"),
    ],
)
def test_a_wrong_word_gets_a_sentence_and_a_hint(empty, word, said, hint):
    with pytest.raises(UsageError, match=said) as caught:
        parse_targets([word], empty, 0)
    assert hint in caught.value.hint


def test_two_names_for_one_vector_and_one_name_for_two_are_refused(tmp_path, empty):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + "mine,.9,.5,.45,.9,.6\n")
    with pytest.raises(UsageError, match="'Diplomat' and 'mine' are the same vector"):
        parse_targets([f"archetypes,{path}"], empty, 0)
    path.write_text(HEADER + "mine,.1,.5,.45,.9,.1\nmine,.9,.5,.45,.9,.1\n")
    with pytest.raises(UsageError, match="two targets are called 'mine'"):
        parse_targets([str(path)], empty, 0)


def test_people_are_asked_for_where_there_are_none(empty):
    with pytest.raises(StudyError) as caught:
        parse_targets(["people:3"], empty, 0)
    assert "cityfolk people" in caught.value.hint
    empty.begin("import", {})
    with pytest.raises(CityfolkError, match="imported"):
        parse_targets(["people:3"], empty, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Analyst,.1,.2,.3,.4,.5", "the name Analyst is that of another target"),
        ("sobol-07,.1,.2,.3,.4,.5", "the name sobol-07 is that of another target"),
        ("person-3,.1,.2,.3,.4,.5", "the name person-3 is that of another target"),
        ("mine,.1,.2,.3,.4,.5,.6", "too many values"),
    ],
)
def test_a_file_takes_nobodys_name_and_no_sixth_value(tmp_path, line, said):
    path = tmp_path / "targets.csv"
    path.write_text(HEADER + line + "\n")
    with pytest.raises(DataError, match=said):
        of_file(path)


def test_a_file_may_hold_an_archetype_as_it_is(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_text(HEADER + "Analyst,.9,.6,.35,.25,.35\n")
    assert of_file(path) == archetypes()[:1]
