"""Answers of a model tuned elsewhere: what is read, what becomes of it, and that the check of their table can fail."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cityfolk.cli.import_ import import_
from cityfolk.errors import DataError, IncompleteError, StudyError, UsageError
from cityfolk.imports.answers import read_answers
from cityfolk.preferences.records import ANSWERS, QUESTIONS, READINGS, TARGET_COLUMNS
from cityfolk.stages import PairOptions, pair_answers
from cityfolk.stages.importing_answers import import_answers, raise_if_answers_lost
from cityfolk.study.folder import Study
from tests.imports.answer_files import TARGET, records, scores, write_folder

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from check_original import check_questions, differences, gain, load, main, read_table  # noqa: E402  # no package


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr("check_original.RESAMPLES", 1000)
    return write_folder(tmp_path / "data")


def files(data):
    return tuple(data / "answers" / f"generated_responses_{name}.json" for name in ("Analyst", "LLaMA3"))


# ---------------------------------------------------------------------------------------------------------- import


def test_answers_become_the_three_tables(data, tmp_path):
    tuned, base = files(data)
    with Study.open(tmp_path / "s", create=True) as study:
        done = import_answers(study, tuned, "Analyst", base)
        questions, answers, readings = (study.read(name) for name in ("questions", "answers", "readings"))
    assert (done["answers"], done["questions"], done["readings"], done["lost"]) == (24, 12, 24, 0)
    assert (questions.schema, answers.schema, readings.schema) == (QUESTIONS, ANSWERS, READINGS)
    # The file's topic is the question once more, so no topic is known.
    assert set(questions["topic"]) == {"imported"} and set(questions["split"]) == {"held-out"}
    own = answers.filter(pl.col("condition") == "Analyst")
    assert set(own["target_name"]) == {"Analyst"} and set(own["adapter"]) == {"Analyst"}
    assert own.select(TARGET_COLUMNS).unique().row(0) == tuple(TARGET)
    plain = answers.filter(pl.col("condition") == "untargeted")
    assert plain.height == 12 and plain["target_openness"].null_count() == 12
    read = own.join(readings, on="answer_id").sort("question_id")
    assert np.array_equal(read.select("^raw_.*$").to_numpy(), scores(records(0.1)))
    assert set(readings["judge"]) == {"original-llm"} and readings["same_family"].all()
    assert readings["openness"].null_count() == readings.height  # raw scores are no percentiles


def test_the_same_again_changes_nothing_and_another_persona_comes_beside(data, tmp_path):
    tuned, base = files(data)
    with Study.open(tmp_path / "s", create=True) as study:
        import_answers(study, tuned, "Analyst", base)
        before = dict(study.manifest["tables"])
        import_answers(study, tuned, "Analyst", base)
        assert study.manifest["tables"] == before
        other = tmp_path / "generated_responses_Diplomat.json"
        other.write_text(json.dumps(records(0.2, n=14)))
        import_answers(study, other, "Diplomat", base)
        answers = study.read("answers")
        # The base's twelve are there once; two questions are new.
        assert dict(answers.group_by("condition").len().iter_rows()) == {
            "Analyst": 12,
            "Diplomat": 14,
            "untargeted": 12,
        }
        assert study.read("questions").height == 14
        with pytest.raises(StudyError, match="another config"):
            import_answers(study, other, "Analyst", base)


def test_pairs_can_be_made_of_what_was_imported(data, tmp_path):
    tuned, base = files(data)
    with Study.open(tmp_path / "s", create=True) as study:
        import_answers(study, tuned, "Analyst", base)
        readings = study.read("readings")
        study.write("readings", pl.concat([readings, readings.with_columns(judge=pl.lit("second"))]))
        done = pair_answers(study, PairOptions(strategies=("base",), margin=0.0, balance=False))
    assert done["targets"] == {"Analyst": done["pairs"]} and done["same_family"] == ["original-llm", "second"]


def test_topics_that_are_named_are_kept_and_known_questions_keep_theirs(tmp_path):
    made = records(0.0, n=3)
    for row in made:
        row["topic"] = "Old things, kept"
    file = tmp_path / "a.json"
    file.write_text(json.dumps(made))
    with Study.open(tmp_path / "s", create=True) as study:
        import_answers(study, file, "Analyst")
        questions = study.read("questions")
        assert questions["question_id"].to_list() == [f"old-things-kept-{i:03d}" for i in range(3)]
        study.write("questions", questions.with_columns(split=pl.lit("train")))
        made.append({**records(0.0, n=4)[3], "topic": "old things kept"})
        file.write_text(json.dumps(made))
        import_answers(study, file, "Explorer")
        # A topic stays in one split, also for questions that come later.
        assert study.read("questions").rows_by_key("question_id").keys() >= {"old-things-kept-003"}
        assert set(study.read("questions")["split"]) == {"train"}


def test_what_is_damaged_is_counted_and_not_called_a_success(tmp_path):
    made = records(0.0, n=5)
    made[1]["big_5"]["Score"]["Openness"] = 1.7
    made[2]["big_5"] = {}
    del made[3]["answer"]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(made)[:-1] + ",]")
    read = read_answers(file)
    assert (len(read.answers), read.unscored, len(read.lost)) == (4, 2, 1)
    with Study.open(tmp_path / "s", create=True) as study:
        done = import_answers(study, file, "Analyst")
        assert study.read("readings").height == 2 and study.read("answers").height == 4
        assert [row["reason"] for row in study.failures()] == ["a record without a question or an answer"]
        with pytest.raises(IncompleteError, match="1 records could not be read and 2 answers have no scores"):
            raise_if_answers_lost(study, done)


def test_what_is_asked_wrongly(data, tmp_path):
    tuned, _ = files(data)
    with Study.open(tmp_path / "s", create=True) as study:
        with pytest.raises(UsageError, match="there is no archetype 'analyst'"):
            import_answers(study, tuned, "analyst")
        other = tmp_path / "people.json"
        other.write_text(json.dumps([{"name": "Somebody", "age": 3}, {"name": "Nobody", "age": 4}]))
        with pytest.raises(DataError, match="no file of answers with scores: it has name, age"):
            import_answers(study, other, "Analyst")
        study.begin("answer", {})
        with pytest.raises(StudyError, match="made in it"):
            import_answers(study, tuned, "Analyst")


def test_the_command_line(data, tmp_path):
    tuned, base = files(data)
    words = [sys.executable, "-m", "cityfolk", "import", tuned, "--out", tmp_path / "s", "--json"]
    done = subprocess.run([*words, "--persona", "Analyst", "--base", base], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"] == 24
    assert (tmp_path / "s" / "readings.parquet").exists()


def test_a_base_alone_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match="for one persona"):
        import_([files(data)[0]], tmp_path / "s", base=files(data)[1])
    with pytest.raises(UsageError, match="holds judged answers"):
        import_([files(data)[0]], tmp_path / "s")
    assert not (tmp_path / "s").exists()


# --------------------------------------------------------------------------------------------------- check_original


def test_a_table_made_by_other_code_is_reproduced(data, capsys):
    result = load(data / "answers", "Analyst")
    published = read_table((data / "answers" / "Analyst.txt").read_text())
    # 5 traits x 7, 12 answers x 6, 3 means x 2
    assert len(published) == 35 + 72 + 6 and differences(result, published) == []
    assert main(data) == 0
    said = capsys.readouterr().out
    assert "113 figures of 1 tables compared to three decimals; 0 differences" in said and "constant .5" in said


@pytest.mark.parametrize("which", range(6))
def test_one_altered_figure_is_named(data, capsys, which):
    file = data / "answers" / "Analyst.txt"
    lines = file.read_text().splitlines()
    name, at = [
        ("openness, tuned mean", 3),
        ("agreeableness, nearer than base", 6),
        ("answer 1, similarity, tuned", 8),
        ("answer 12, Euclidean, base", 19),
        ("mean MAE, tuned", 22),
        ("neuroticism, tuned mean", 7),
    ][which]
    if "nearer" in name:
        lines[at] = lines[at].translate({0x2705: 0x274C, 0x274C: 0x2705})
    else:
        found = list(re.finditer(r"\d\.\d+", lines[at]))
        one = found[-1] if "Euclidean" in name else found[0]
        lines[at] = f"{lines[at][: one.start()]}{float(one[0]) + 0.001:.3f}{lines[at][one.end() :]}"
    file.write_text("\n".join(lines))
    assert main(data) == 1
    assert f"Analyst: {name}: table" in capsys.readouterr().out


def test_a_missing_row_and_a_missing_file_are_named(data, capsys):
    file = data / "answers" / "Analyst.txt"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "Resp. 7 " not in line))
    assert main(data) == 1
    assert "answer 7, MAE, base: table nothing" in capsys.readouterr().out
    (data / "answers" / "generated_responses_LLaMA3.json").unlink()
    assert main(data) == 1
    assert "Analyst: there is no file" in capsys.readouterr().out


def test_the_script_ends_with_exit_code_1(data):
    file = data / "answers" / "generated_responses_Analyst.json"
    made = json.loads(file.read_text())
    made[4]["big_5"]["Score"]["Neuroticism"] += 0.1
    file.write_text(json.dumps(made))
    done = subprocess.run([sys.executable, SCRIPTS / "check_original.py", data], capture_output=True, text=True)
    assert done.returncode == 1 and "Analyst: answer 5, similarity, tuned: table" in done.stdout


def test_the_interval_of_a_gain_is_that_of_its_standard_error(data):
    """For a mean of n differences the percentile bootstrap is near mean +- 1.96 sd / sqrt(n)."""
    result = load(data / "answers", "Analyst")
    tuned, base = result.measures()["similarity"]
    found = gain(result, "similarity")
    error = np.std(tuned - base) / np.sqrt(len(tuned))
    assert found.value == pytest.approx(np.mean(tuned - base))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_duplicates_are_counted_within_topics(tmp_path):
    file = tmp_path / "q.csv"
    file.write_text("topic,question\na,Why so?\na,Why so?\nb,Why so?\na,How else?\na,Why so?\n")
    said, wrong = check_questions(file, 5, 2)
    assert said.startswith("q.csv: 5 questions, 2 of them exact duplicates within their topic") and wrong == []
    assert check_questions(file, 5, 3)[1] == [
        f"q.csv: {what} finds 5 and 2, known are 5 and 3" for what in ("the import", "a plain count")
    ]
