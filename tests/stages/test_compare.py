"""`compare`: studies side by side, and person by person where the people are the same."""

import polars as pl
import pytest

from cityfolk.errors import StudyError, UsageError
from cityfolk.stages import compare_studies, import_personas
from cityfolk.study.folder import Study
from cityfolk.types import Finding
from tests.imports.files import as_the_original_leaves_it, original
from tests.reports.test_html import read


def make(tmp_path, name, *, text=None, n=40, value=0.5):
    """A measured study of the same n people; `text` stands in place of every description."""
    file = tmp_path / "same.json"
    file.write_text(as_the_original_leaves_it(original(n)))
    with Study.open(tmp_path / name, create=True) as study:
        import_personas(study, [file])
        if text is not None:
            profiles = study.read("profiles")
            study.write("profiles", profiles.with_columns(general_description=pl.lit(text)))
        study.write("details", pl.DataFrame(schema={"name": pl.String, "source": pl.String}))
        found = Finding(id="text.words", title="Words in a profile", value=value, low=0.4, high=0.6, n=n, unit="words")
        study.replace_findings("text.", [found])
    return tmp_path / name


def test_findings_are_joined_by_id_and_the_same_people_compared(tmp_path):
    a = make(tmp_path, "a")
    b = make(tmp_path, "b", text="A very happy, kind and wonderful person.", value=0.9)
    done = compare_studies([a, b])
    assert done["sources"] == ["a", "b"]
    (row,) = done["findings"]
    assert {source: one["value"] for source, one in row["by"].items()} == {"a": 0.5, "b": 0.9}
    assert "40 people" in done["paired"]
    by_id = {found["id"]: found for found in done["differences"]}
    words = by_id["text.compare.words@a~b"]
    assert words["low"] <= words["value"] <= words["high"] and words["n"] == 40
    assert by_id["text.compare.sentiment@a~b"]["value"] < 0


def test_the_same_study_twice_differs_in_nothing(tmp_path):
    done = compare_studies([make(tmp_path, "a"), make(tmp_path, "b")])
    assert done["differences"] and not [one for one in done["differences"] if one["verdict"] == "outside"]


def test_other_people_are_not_compared_person_by_person(tmp_path):
    done = compare_studies([make(tmp_path, "a"), make(tmp_path, "b", n=20)])
    assert done["differences"] == [] and "different people" in done["paired"]


def test_a_page_holds_both(tmp_path):
    folders = [make(tmp_path, "a"), make(tmp_path, "b", text="Somebody <b>else</b> entirely.")]
    done = compare_studies(folders, out=tmp_path / "c.html")
    text = read((tmp_path / "c.html").read_text()).text
    assert "Side by side" in text and "Person by person" in text and "Words in a profile" in text
    assert done["page"] == str(tmp_path / "c.html")


def test_what_cannot_be_compared_gives_a_sentence(tmp_path):
    a = make(tmp_path, "a")
    for folders, words in (([a], "one study"), ([a, a], "named twice")):
        with pytest.raises(UsageError, match=words):
            compare_studies(folders)
    with Study.open(tmp_path / "c", create=True) as study:
        study.begin("import", {})
    with pytest.raises(StudyError, match="was not measured"):
        compare_studies([a, tmp_path / "c"])
