"""Damaged JSON: what is mendable is mended, what is not is counted, and nothing is lost without a word."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import DataError
from cityfolk.imports.mend import Tally, records


def read(text):
    tally = Tally()
    return list(records(text, tally)), tally


RECORDS = [{"a": 1, "b": "x, }] ["}, {"a": 2, "b": {"c": ["y", {"d": 'quo"te'}]}}, {"a": 3, "b": None}]
EACH = [json.dumps(record) for record in RECORDS]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "[" + ",\n".join(EACH) + ",\n]",
        f"[{EACH[0]},\n][{EACH[1]},\n{EACH[2]},\n]",
        "[" + ",\n".join(EACH) + ",\n",
        "\n".join(EACH),
        "\ufeff" + "".join(EACH),
    ],
    ids=["array", "indented", "trailing comma", "joint", "no end", "lines", "nothing between"],
)
def test_every_way_to_put_records_after_one_another(text):
    found, tally = read(text)
    assert found == RECORDS and not tally.lost and tally.mended == 0


def test_commas_before_a_brace_are_mended_outside_strings_only():
    found, tally = read('[{"a": [1, 2, ], "b": "keep,}", },\n{"a": 2}]')
    assert found == [{"a": [1, 2], "b": "keep,}"}, {"a": 2}] and tally.mended == 1


def test_control_characters_in_strings_are_read():
    assert read('[{"a": "one\ntwo\tthree"}]')[0] == [{"a": "one\ntwo\tthree"}]


@pytest.mark.parametrize("cut", range(2, len(EACH[1]) - 1))
def test_a_record_cut_anywhere_loses_no_other(cut):
    found, tally = read(f"[{EACH[0]},\n{EACH[1][:cut]}\n][{EACH[2]},\n]")
    assert [r for r in found if r in RECORDS] == [RECORDS[0], RECORDS[2]]
    excerpt, kept = tally.lost[0].excerpt, EACH[1][:cut]
    assert excerpt and (excerpt.startswith(kept) or kept.startswith(excerpt))


def test_the_excerpt_of_what_is_lost_ends_where_reading_resumed():
    found, tally = read('{"a": 1}\n{"a": oops}\n{"a": 2}\nwhat\n{"a": 3}\n')
    assert found == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [lost.excerpt.strip() for lost in tally.lost] == ['{"a": oops}', "what"]


def test_nothing_is_evaluated():
    found, tally = read("[{'a': 1}, {\"b\": __import__('os').getcwd()}, {\"c\": 3}]")
    assert found == [{"c": 3}] and len(tally.lost) >= 2


def test_keys_given_twice_and_numbers_that_are_none_are_counted():
    found, tally = read('[{"a": 1, "a": 2, "b": NaN, "c": -Infinity}]')
    assert found == [{"a": 2, "b": None, "c": None}]
    assert (tally.repeated_keys, tally.not_numbers) == (1, 2)


def test_what_is_nested_too_deep_is_lost_and_the_next_is_read():
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    found, tally = read(f'[{deep},\n{{"b": 2}}]')
    assert found == [{"b": 2}] and [lost.reason for lost in tally.lost] == ["nested too deep"]


def test_a_file_that_is_mostly_not_json_is_refused_soon():
    with pytest.raises(DataError, match="most of the file is not JSON"):
        read("{ this is not json\n" * 20_000)


def test_strings_are_texts_and_bare_numbers_are_counted():
    found, tally = read('["a persona", 7, {"a": 1}]')
    assert found == [{"text": "a persona"}, {"a": 1}] and len(tally.lost) == 1


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ('{"a": 1}\n[]\n{"a": 2}', 1),
        ('[]\n[ ]\n{"a": 2}', 2),
        ('[{"a": 1}, [], {"a": 2}]', 1),
        ('{"a": 1}\nnull\n{"a": 2}', 1),
        ('[{"a": 1}][][{"a": 2}]', 0),
        ('[]\n[{"a": 2}]', 0),
    ],
)
def test_records_with_nothing_in_them_are_counted_and_empty_runs_are_not(text, lost):
    found, tally = read(text)
    assert found[-1] == {"a": 2} and len(tally.lost) == lost


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=4), x, max_size=2),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=3), max_size=3), st.integers(1, 3))
def test_any_records_survive_any_joint(made, runs):
    text = "".join("[" + "".join(json.dumps(r) + ",\n" for r in made) + "]" for _ in range(runs))
    found, tally = read(text)
    assert found == made * runs and not tally.lost


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_ends(text):
    try:
        read(text)
    except DataError:
        pass
