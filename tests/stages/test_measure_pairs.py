"""`evaluate DIR pairs` and the report of a folder that holds preference data and nobody."""

import json
import subprocess
import sys

import polars as pl
import pytest

from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.stages import evaluate_pairs, measure
from cityfolk.stages.pages import make_report
from cityfolk.stages.pairs import PairOptions, pair_answers
from cityfolk.study.folder import Study
from tests.preferences.tables import ARCHETYPES, cube, world
from tests.stages.test_pairs import study_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = study_of(tmp_path_factory.mktemp("s") / "s", world(1, topics=4, each=3, targets={**ARCHETYPES, **cube(8)}))
    with Study.open(made) as study:
        pair_answers(study, PairOptions())
    return made


def cityfolk(*args):
    return subprocess.run([sys.executable, "-m", "cityfolk", *map(str, args)], capture_output=True, text=True)


def test_the_command_line_measures_and_reports_a_folder_without_people(folder):
    done = cityfolk("evaluate", folder, "pairs", "--json")
    assert done.returncode == 0, done.stderr
    headline = {row["id"]: row["value"] for row in json.loads(done.stdout)["headline"]}
    pairs = pl.read_parquet(folder / "pairs/all.parquet")
    assert headline["pairs.count"] == pairs.height and headline["pairs.order@all"] == 1.0
    findings = pl.read_parquet(folder / "findings.parquet")["id"]
    assert findings.str.starts_with("judges.").any() and findings.n_unique() == len(findings)
    assert pl.read_parquet(folder / "preference_details.parquet").height > 500
    said = cityfolk("report", folder)
    assert said.returncode == 0, said.stderr
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What the pairs hold" in page and "The city" not in page


def test_the_same_study_gives_the_same_findings_and_page(folder):
    with Study.open(folder) as study:
        measure(study)
        first = (study.findings(), make_report(study).read_bytes())
        measure(study, ["pairs"])
        second = (study.findings(), make_report(study).read_bytes())
    assert first[0].equals(second[0]) and first[1] == second[1]


def test_what_is_not_there_is_said(folder, tmp_path):
    with Study.open(folder) as study:
        with pytest.raises(UsageError, match="has no people") as refused:
            measure(study, ["people"])
        assert "cityfolk people" in refused.value.hint
        with pytest.raises(UsageError, match="cannot be evaluated") as wrong:
            measure(study, ["pair"])
        assert "people, text, pairs or control" in wrong.value.hint
    with Study.open(tmp_path / "empty", create=True) as study:
        with pytest.raises(UsageError, match="no preference data"):
            measure(study, ["pairs"])
        with pytest.raises(StudyError, match="nothing to evaluate"):
            measure(study)


def test_questions_alone_are_measured(folder, tmp_path):
    with Study.open(folder) as study:
        questions = study.read("questions")
    with Study.open(tmp_path / "q", create=True) as study:
        study.begin("questions", {"seed": 0})
        study.write("questions", questions)
        measure(study)
        found = dict(study.findings().select("id", "value").iter_rows())
        assert found["pairs.asked.questions"] == questions.height and "pairs.count" not in found
        assert "What the pairs hold" in make_report(study).read_text(encoding="utf-8")


def test_tables_are_measured_without_a_folder(folder):
    with Study.open(folder) as study:
        tables = [study.read(name) for name in ("questions", "answers", "readings", "pairs/all")]
    found = dict(evaluate_pairs(*tables).select("id", "value").iter_rows())
    assert found["pairs.order@pairs"] == 1.0 and "judges.icc2.openness@one|two" in found
    assert "pairs.count" not in set(evaluate_pairs(tables[0])["id"])


def test_a_table_without_what_it_is_known_by_is_refused_by_the_name_of_the_column(folder):
    with Study.open(folder) as study:
        questions, answers, readings, pairs = (
            study.read(name) for name in ("questions", "answers", "readings", "pairs/all")
        )
    tables = {"questions": questions, "answers": answers, "readings": readings, "pairs": pairs}
    for table, column in (
        ("questions", "question_id"),
        ("questions", "topic"),
        ("questions", "text"),
        ("answers", "answer_id"),
        ("answers", "question_id"),
        ("answers", "text"),
        ("answers", "target_openness"),
        ("readings", "answer_id"),
        ("readings", "judge"),
        ("pairs", "chosen_id"),
        ("pairs", "rejected_id"),
        ("pairs", "question_id"),
    ):
        with pytest.raises(DataError, match=f"the table of {table} has no column {column}"):
            evaluate_pairs(**(tables | {table: tables[table].drop(column)}))


def test_tables_may_lack_what_they_are_not_known_by(folder):
    with Study.open(folder) as study:
        questions, answers, readings = (study.read(name) for name in ("questions", "answers", "readings"))
    whole = dict(evaluate_pairs(questions, answers, readings).select("id", "value").iter_rows())
    untold = answers.drop("condition", "target_name", "model", "sample")
    asked = questions.select("question_id", "topic", "text")
    found = dict(evaluate_pairs(asked, untold, readings.drop("instrument")).select("id", "value").iter_rows())
    assert found["pairs.asked.targets"] == whole["pairs.asked.targets"]
    slope = "pairs.control.slope.openness@one"
    assert found[slope] == whole[slope]
    bare = answers.select("answer_id", "question_id", "text")
    assert slope not in set(evaluate_pairs(asked, bare, readings.select("answer_id", "judge", "raw_openness"))["id"])
