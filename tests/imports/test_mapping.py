"""Which column is which: a mapping file's word first, then names, and an account of every column."""

import pytest

from cityfolk.errors import DataError, UsageError
from cityfolk.imports.build import build, merge
from cityfolk.imports.mapping import read_mapping, settle
from cityfolk.imports.read import Raw, flat_rows
from tests.imports.files import original


def imported(rows, text="", tmp_path=None, source="s"):
    path = None
    if text:
        path = tmp_path / "map.toml"
        path.write_text(text)
    raw = Raw(rows=[], columns=[])
    flat_rows(rows, raw)
    return build(raw.rows, settle(read_mapping(path), raw.rows, raw.columns), source)


def test_the_originals_keys_are_understood_without_a_mapping():
    made = imported(original(30))
    assert {"general_description", "personality_description", "job_title", "life_goals", "strengths"} <= set(
        made.profiles.columns
    )
    assert {"age", "sex", "birthplace", "nativity", "education", "employment", "openness"} <= set(made.people.columns)
    first = made.people.row(0, named=True)
    assert (first["original_id"], first["religion"], first["party"]) == ("1", "Other world religion", "other")
    assert (first["nativity"], first["employment"], first["earnings_usd"]) == ("foreign-born", "unemployed", None)
    assert made.people.row(1, named=True)["employment"] == "employed"
    left = {a.column.split("/")[-1] for a in made.accounts if a.became == "left out"}
    assert left == {"Place of Residence", "Sexual Orientation", "Industry Mean salary", "Overweight"}


def test_traits_are_ranked_within_the_file_unless_their_scale_is_said(tmp_path):
    rows = [{"Openness": v, "Bio": "Likes long walks."} for v in (0.2, 0.2, 0.9)]
    assert imported(rows).people["openness"].to_list() == pytest.approx([1 / 3, 1 / 3, 5 / 6])
    percentile = imported(rows, '[traits]\nscale = "percentile"\n', tmp_path)
    assert percentile.people["openness"].to_list() == pytest.approx([0.2, 0.2, 0.9])
    with pytest.raises(DataError, match="outside 0 to 1"):
        imported([{"Openness": 40, "Bio": "Likes long walks."}], '[traits]\nscale = "percentile"\n', tmp_path)


def test_a_mapping_names_columns_words_and_what_to_leave(tmp_path):
    rows = [{"G": "F", "what": "Keeps bees and books.", "note": "a note of ours"}, {"G": "x", "what": "Fishes a lot."}]
    text = 'source = "them"\nleave = ["note"]\n[facts]\nsex = "G"\n[text]\nstory = "what"\n[values.sex]\nF = "female"\n'
    made = imported(rows, text, tmp_path)
    assert made.people["sex"].to_list() == ["female", None]
    assert made.profiles["story"].to_list() == ["Keeps bees and books.", "Fishes a lot."]
    account = {a.column: a for a in made.accounts}
    assert (account["G"].understood, account["G"].examples, account["G"].guessed) == (1, ("x",), False)
    assert account["note"].note == "left out by the mapping file"


def test_without_guessing_only_what_is_named_is_taken(tmp_path):
    made = imported(original(3), 'automatic = false\n[text]\nbio = "General Description"\n', tmp_path)
    assert made.profiles.columns[3:] == ["bio"] and made.people.columns == ["person_id", "original_id"]


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("[facts]\nagge = 'Age'\n", "no 'agge'", "did you mean 'age'"),
        ("sauce = 'x'\n", "Extra inputs", "did you mean 'source'"),
        ("[facts]\nage = 'Aged'\n", "no column 'Aged'", "did you mean 'Age'"),
        ("[values.sex]\nF = 'feminine'\n", "cannot be 'feminine'", "female"),
        ("[text]\n'Bad Name' = 'Bio'\n", "cannot name a text", "small letters"),
        ("nonsense", "not a readable TOML", "mend"),
        ("[traits]\nscale = 'pomp'\n", "scale", "traits.scale"),
    ],
)
def test_a_wrong_mapping_says_what_was_meant(tmp_path, text, words, hint):
    with pytest.raises((UsageError, DataError)) as caught:
        imported([{"Age": 3, "Bio": "Likes long walks."}], text, tmp_path)
    assert words in str(caught.value) and hint in caught.value.hint


def test_records_without_text_are_left_out_and_a_file_without_any_is_refused():
    rows = [{"Bio": "Likes long walks.", "Age": 3}, {"Age": 4}]
    assert imported(rows).people["age"].to_list() == [3]
    with pytest.raises(DataError, match="no column of the file holds text"):
        imported([{"Age": 3}])


def test_two_files_are_two_sources_with_people_of_their_own():
    one = imported([{"Bio": "Likes long walks.", "Age": 3}], source="one")
    raw = Raw(rows=[], columns=[])
    flat_rows([{"Bio": ["sings", "dances well"], "Name": "Bo"}], raw)
    two = build(raw.rows, settle(read_mapping(None), raw.rows, raw.columns), "two", first_id=1)
    whole = merge([one, two])
    assert whole.profiles["engine"].to_list() == ["one", "two"]
    assert whole.people["person_id"].to_list() == [0, 1]
    assert whole.people["age"].to_list() == [3, None] and whole.people["name"].to_list() == [None, "Bo"]
    assert whole.profiles["general_description"].to_list() == [["Likes long walks."], ["sings", "dances well"]]
