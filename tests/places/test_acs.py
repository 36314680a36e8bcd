"""What the codes of the American Community Survey mean."""

import pytest

from cityfolk.places import acs
from cityfolk.tables.query import format_query, parse

SOME = [
    ("DP03_0004E", "persons|age=16..", "employment=employed", "count"),
    ("DP03_0004PE", "persons|age=16..", "employment=employed", "percent"),
    ("DP03_0001PE", "persons|age=16..", "", "count"),  # the "percent" of a total is the total again
    ("DP03_0009PE", "persons|age=16..|employment=employed;unemployed", "employment=unemployed", "percent"),
    ("DP03_0025E", "persons|age=16..|commute_mode!=worked from home|worker=yes", "", "mean:commute_minutes"),
    ("DP03_0121PE", "families|related_children_only_under5=yes", "family_poverty_ratio=..0.99", "percent"),
    (
        "DP03_0117E",
        "persons|age=19..64|civilian=yes|employment=not in labor force|institutional=no",
        "public_insurance=yes",
        "count",
    ),
    ("S0501_C01_051E", "persons|age=16..", "employment=employed", "percent"),
    ("S0501_C02_051E", "persons|age=16..|nativity=native", "employment=employed", "percent"),
    ("S0501_C04_119E", "households|hhr_citizenship=naturalized|tenure=owner", "", "mean:size"),
    (
        "S0501_C05_111E",
        "families|family_type=married couple|has_related_child=yes|hhr_citizenship=not a citizen",
        "family_poverty_ratio=..0.99",
        "percent",
    ),
    ("S0501_C03_133E", "households|hhr_nativity=foreign-born|housing_cost_pct=0..|tenure=owner", "", ""),
    ("B05002_023E", "persons", "birth_region=Asia|citizenship=not a citizen", "count"),
    ("B05003_012E", "persons", "age=18..|citizenship=not a citizen|sex=male", "count"),
    ("B05006_049E", "persons|nativity=foreign-born", "birthplace=China;Hong Kong;Taiwan", "count"),
    ("B05006_138E", "persons|nativity=foreign-born", "birth_region=Latin America;Northern America", "count"),
    ("B05010_014E", "persons|age=..17|own_child=yes", "parents_nativity=mixed|poverty_ratio=1..1.99", "count"),
    ("B06011_002E", "persons|age=15..|birth_region=state of residence|has_income=yes", "", "median:income_usd"),
    ("B25003_002E", "households", "tenure=owner", "count"),
]


@pytest.mark.parametrize(("code", "universe", "dimensions", "measure"), SOME, ids=[row[0] for row in SOME])
def test_a_code_says_what_its_table_counts(code, universe, dimensions, measure):
    found = acs.meaning(code)
    assert found is not None
    assert found.universe == universe
    if measure:
        assert (found.dimensions, found.measure) == (dimensions, measure)


@pytest.mark.parametrize("code", ["DP03_0062PE", "DP03_0119E", "S0501_C06_001E", "B01001_001E", "DP03_0004", "x"])
def test_a_code_without_a_meaning_has_none(code):
    assert acs.meaning(code) is None


def test_every_line_is_a_question_in_its_one_spelling():
    for name, line in acs.lines().items():
        asked = parse(line.universe, line.dimensions, line.measure)
        assert format_query(asked) == (line.universe, line.dimensions, line.measure), name
        assert line.label


def test_every_line_of_the_nine_tables_is_there():
    count = {table: sum(name.startswith(table + "_") for name in acs.lines()) for table in acs.TABLES}
    assert count == {
        "DP03": 137,
        "S0501": 137,
        "B05001": 6,
        "B05002": 27,
        "B05003": 23,
        "B05006": 178,
        "B05010": 25,
        "B06011": 5,
        "B25003": 3,
    }


def test_the_lines_of_one_table_ask_different_questions():
    for table in ("B05002", "B05003", "B05006", "B05010"):
        asked = [(m.universe, m.dimensions) for name, m in acs.lines().items() if name.startswith(table)]
        assert len(set(asked)) == len(asked), table
