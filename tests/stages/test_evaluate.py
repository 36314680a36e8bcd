"""`cityfolk.evaluate`: any table of personas in, a table of findings out."""

import polars as pl
import pytest

import cityfolk
from cityfolk.errors import DataError, UsageError
from cityfolk.stages.text import corpus_of_profiles, measure_text, sections
from tests.imports.files import original


class Pandas:
    """What of a pandas frame is used: columns, and rows as dicts in which nothing is not a number."""

    def __init__(self, rows):
        self.rows, self.columns = rows, list(rows[0])

    def to_dict(self, orient):
        assert orient == "records"
        return [{k: float("nan") if v is None else v for k, v in row.items()} for row in self.rows]


FLAT = [
    {"Name": "Ada", "Age": 41, "Bio": "Mends clocks and reads."},
    {"Name": "Bo", "Age": None, "Bio": "Sings in a choir."},
]


@pytest.mark.parametrize("given", [FLAT, pl.DataFrame(FLAT), pl.LazyFrame(FLAT), Pandas(FLAT), iter(FLAT)])
def test_every_kind_of_table_gives_the_same_corpus(given):
    corpus = corpus_of_profiles(given, source="me")
    assert corpus.sources == ("me",) and corpus.fields == ("general_description",)
    assert corpus.texts("general_description") == ["Mends clocks and reads.", "Sings in a choir."]
    assert corpus.people["age"].to_list() == [41, None]


def test_with_person_id_texts_and_facts_are_taken_as_they_are():
    profiles = [
        {"person_id": 7, "engine": "a", "story": "One two three."},
        {"person_id": 7, "engine": "b", "story": "Four."},
    ]
    corpus = corpus_of_profiles(profiles, [{"person_id": 7, "age": 30}])
    assert corpus.sources == ("a", "b") and corpus.fields == ("story",)
    assert corpus.facts("age")["age"].to_list() == [30, 30]


def test_what_is_no_table_of_texts_gives_a_sentence():
    for given, people, kind in (
        ([], None, DataError),
        (["text"], None, UsageError),
        ([{"Age": 3}], None, DataError),
        (FLAT, [{"person_id": 1}], DataError),
    ):
        with pytest.raises(kind) as caught:
            corpus_of_profiles(given, people)
        assert caught.value.hint


def test_the_findings_are_a_table_and_every_section_speaks():
    findings = cityfolk.evaluate(original(60), embedder="none")
    assert findings.columns == ["id", "title", "value", "low", "high", "n", "unit", "expected", "verdict", "note"]
    assert findings["id"].is_unique().all()
    found = {name.split(".")[1] for name in findings["id"]}
    assert {"variety", "true", "personal", "positivity", "feeling", "fair"} <= found


def test_progress_is_told_a_section_at_a_time(monkeypatch):
    from cityfolk.evaluation.corpus import Evidence

    corpus, told = corpus_of_profiles(FLAT), []
    names = list(sections(corpus))
    monkeypatch.setattr("cityfolk.stages.text.sections", lambda _: dict.fromkeys(names, lambda c, o: Evidence()))
    measure_text(corpus, step=lambda title, done, total, note: told.append((done, total, note)))
    assert told == [(i, len(names), name) for i, name in enumerate(names)] + [(len(names), len(names), "")]
