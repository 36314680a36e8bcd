"""Questions that others made: which files are known, what is kept, and the account of the rest."""

import json
from collections import Counter

import polars as pl
import pytest
from typer.testing import CliRunner

from cityfolk.cli.main import app
from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.imports.questions import is_questions_file, read_questions
from cityfolk.preferences.records import QUESTIONS
from cityfolk.stages import QuestionOptions, ask_for_questions
from cityfolk.stages.importing_questions import import_questions, split_of
from cityfolk.study.folder import Study

RECORDS = [
    ("Money & me", "How do you feel about saving, and what would change that?"),
    ("Money & me", "How do you feel about saving, and what would change that?"),  # identical
    ("Money & me", "how do you feel about saving -- and what would change that"),  # but for its form
    ("Money & me", "How do you feel about saving, and what might change that?"),  # near: 8 of 12 pairs of words
    ("Money & me", "What did you last spend too much on?"),
    ("Driving in rush hour", "What do you do in a traffic jam?"),
    ("Driving in rush hour", "How do you feel about saving, and what would change that?"),  # identical, another topic
    ("Driving in rush hour", "How do you feel about saving, and what would change it?"),  # near: 9 of 11, another topic
    ("Driving in rush hour", "How do you feel about saving, and what could change that?"),  # 8 of 12: another question
    ("???", "What is left when nobody looks?"),
]


def as_json(path, records=RECORDS):
    path.write_text(json.dumps([{"topic": topic, "question": question} for topic, question in records]))
    return path


def as_csv(path, records=RECORDS):
    frame = pl.DataFrame(records, schema=["topic", "question"], orient="row")
    frame.write_csv(path)
    return path


def load(folder, path):
    with Study.open(folder, create=True) as study:
        done = import_questions(study, [path])
        return done, study.read("questions")


@pytest.mark.parametrize(("write", "name"), [(as_json, "q.json"), (as_csv, "q.csv")])
def test_distinct_questions_are_kept_and_the_others_told(tmp_path, write, name):
    path = write(tmp_path / name)
    assert is_questions_file(path)
    done, table = load(tmp_path / "s", path)
    assert dict(table.schema) == dict(QUESTIONS)
    assert done | {"folder": ""} == {
        "records": 10,
        "questions": 7,
        "topics": 3,
        "identical_within_topics": 1,
        "identical_across_topics": 1,
        "alike_but_for_form": 1,
        "near_within_topics": 1,
        "near_across_topics": 1,
        "near_threshold_within_topics": 0.6,
        "near_threshold_across_topics": 0.8,
        "held_out_topics": sum(split_of(t) == "held-out" for t in ("money-me", "untitled")) + 1,
        "lost": 0,
        "folder": "",
    }
    assert table["question_id"].to_list() == [
        "money-me-000",
        "money-me-001",
        "money-me-002",
        "rush-hour-000",
        "rush-hour-001",
        "rush-hour-002",
        "untitled-000",
    ]
    kept = dict(table.select("question_id", "text").iter_rows())
    assert kept["money-me-001"].endswith("what might change that?")
    assert table["engine"].null_count() == table["style"].null_count() == 7
    # A topic of ours under its title keeps our split and facets.
    ours = table.filter(pl.col("topic") == "rush-hour").row(0, named=True)
    assert (ours["split"], ours["domain"], ours["facets"]) == ("held-out", "city", ["anger"])
    with Study.open(tmp_path / "s") as study:
        assert json.loads(study.read_metadata("questions")["cityfolk.topics"])["money-me"] == "Money & me"
        with pytest.raises(UsageError, match="were imported: more cannot be made among them"):
            ask_for_questions(study, QuestionOptions(n=1, topics=1))


def test_the_split_depends_on_the_topic_alone_and_holds_out_four_in_twentyone():
    names = [f"topic-{number}" for number in range(4200)]
    share = Counter(map(split_of, names))["held-out"] / 4200
    assert abs(share - 4 / 21) < 3 * (4 / 21 * 17 / 21 / 4200) ** 0.5
    # Fixed for good: an answer that was held out once is never trained on.
    assert [split_of(name) for name in ("money-me", "humility", "attitude-towards-money")] == [
        "train",
        "train",
        "held-out",
    ]


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("a.json", '[{"topic": "a", "question": "b"}]', True),
        ("a.jsonl", '{"Topic": "a", "Question": "b"}\n', True),
        ("a.csv", "id,Topic,Question\n", True),
        ("a.tsv", "topic\tquestion\n", True),
        ("a.csv", "", False),
        ("a.json", '[{"topic": "a", "question": "b", "answer": "c"}]', False),
        ("a.csv", "question,chosen,rejected,topic\n", False),
        ("a.json", '{"1": {"name": "Ann", "age": 4}}', False),
        ("a.txt", "topic and question", False),
    ],
)
def test_which_files_are_known(tmp_path, name, text, known):
    (tmp_path / name).write_text(text)
    assert is_questions_file(tmp_path / name) == known
    assert not is_questions_file(tmp_path)


def test_a_parquet_file_is_known_by_its_columns(tmp_path):
    pl.DataFrame({"topic": ["a"], "question": ["What is it?"]}).write_parquet(tmp_path / "a.parquet")
    assert is_questions_file(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no more")
    assert not is_questions_file(tmp_path / "b.parquet")


def test_what_has_no_question_is_listed(tmp_path):
    path = tmp_path / "q.json"
    path.write_text(
        json.dumps([{"topic": "a", "question": "What is it?"}, {"topic": "b"}, {"question": "Why so late?"}])
    )
    result = CliRunner().invoke(app, ["import", str(path), "--out", str(tmp_path / "s")])
    assert result.exit_code == 6 and "2 pieces of the file could not be read" in result.stderr
    with Study.open(tmp_path / "s", read_only=True) as study:
        assert [row["reason"] for row in study.failures()] == ["the record has no topic or no question"] * 2
    (tmp_path / "none.json").write_text('[{"topic": "a", "age": 3}]')
    with pytest.raises(DataError, match="no file of questions: it has topic, age"):
        read_questions(tmp_path / "none.json")


def test_the_command_finds_out_what_it_is_given(tmp_path):
    path = as_csv(tmp_path / "q.csv")
    result = CliRunner().invoke(app, ["import", str(path), "--out", str(tmp_path / "s"), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["questions"] == 7
    words = CliRunner().invoke(app, ["import", str(path), "--out", str(tmp_path / "s")])
    assert "2 are letter for letter an earlier one, 1 under the same topic" in words.stdout
    with Study.open(tmp_path / "t", create=True) as study:
        study.begin("write", {})
    other = CliRunner().invoke(app, ["import", str(path), "--out", str(tmp_path / "t")])
    assert other.exit_code == 5 and "holds what `write` made" in other.stderr
    with Study.open(tmp_path / "t") as study, pytest.raises(StudyError):
        import_questions(study, [path])
