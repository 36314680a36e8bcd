"""`pair` and `export --hf` end to end, on tables made up for the tests and with real processes."""

import json
import subprocess
import sys

import polars as pl
import pytest

from cityfolk.errors import DataError, IncompleteError, StudyError, UsageError
from cityfolk.stages.pairs import PairOptions, pair_answers
from cityfolk.study.folder import Study
from tests.preferences.tables import ARCHETYPES, cube, world


def study_of(folder, tables):
    with Study.open(folder, create=True) as study:
        study.begin("questions", {"seed": 0})
        for name, table in zip(("questions", "answers", "readings"), tables, strict=True):
            study.write(name, table)
    return folder


@pytest.fixture
def folder(tmp_path):
    return study_of(tmp_path / "s", world(1, topics=4, each=3, targets={**ARCHETYPES, **cube(8)}, noise=0.2))


def cityfolk(*args):
    return subprocess.run([sys.executable, "-m", "cityfolk", *map(str, args)], capture_output=True, text=True)


def test_pairs_are_kept_with_an_account_of_those_that_are_not_there(folder):
    with Study.open(folder) as study:
        done = pair_answers(study, PairOptions(strategies=("farthest", "base")))
        pairs = study.read("pairs/all")
        facts = study.manifest["stages"]["pair pairs/all"]["facts"]
    assert done["asked"] == 12 * 12 * 2 and done["pairs"] == pairs.height > 30
    assert done["asked"] == done["pairs"] + sum(done["missing"].values())
    assert facts["missing"] == done["missing"] and facts["directions"] == done["directions"]
    assert facts["judges"] == ["one", "two"] and facts["scales"] == {"one": "percentile", "two": "percentile"}
    assert set(pairs["strategy"]) == {"farthest", "base"} and (pairs["margin"] >= 0.5).all()


def test_names_options_and_what_is_refused(folder):
    with Study.open(folder) as study:
        pair_answers(study, PairOptions(targets=("Diplomat",)))
        pair_answers(study, PairOptions(vectors=True))
        assert study.tables_in("pairs") == ["pairs/Diplomat", "pairs/vectors"]
        assert not set(study.read("pairs/vectors")["target_name"]) & set(ARCHETYPES)
        before = study.manifest["tables"]["pairs/Diplomat"]["sha256"]
        pair_answers(study, PairOptions(targets=("Diplomat",)))
        assert study.manifest["tables"]["pairs/Diplomat"]["sha256"] == before
        with pytest.raises(StudyError, match=r"margin was 0\.5 and is now 0\.9") as refused:
            pair_answers(study, PairOptions(targets=("Diplomat",), margin=0.9))
        assert "--name" in refused.value.hint
        pair_answers(study, PairOptions(targets=("Diplomat",), margin=0.9, name="far"))
        for name in ("a@b", "a/b", "..", "a b"):
            with pytest.raises(UsageError, match="cannot be named"):
                pair_answers(study, PairOptions(targets=("Diplomat",), name=name))
        with pytest.raises(
            IncompleteError,
            match=r"none of 96 possible pairs meets the rules.*: the answers differ by less than the margin",
        ):
            pair_answers(study, PairOptions(name="none", margin=50.0, targets=tuple(ARCHETYPES)))
        assert not study.has("pairs/none")
        with pytest.raises(UsageError, match="cannot be named"):
            pair_answers(study, PairOptions(name="../people"))


def test_the_command_line(folder):
    done = cityfolk("pair", folder, "--persona", "Analyst", "--persona", "Explorer", "--name", "two", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document["targets"]) == {"Analyst", "Explorer"} and len(document["corners"]) == 32
    said = cityfolk("pair", folder).stdout
    assert "pairs of 288 that could be: pairs/all.parquet" in said and "no pair" in said
    assert "agreeableness" in said and "corners have pairs" in said
    wrong = cityfolk("pair", folder, "--strategy", "best")
    assert wrong.returncode == 2 and "farthest, nearest-wrong, base" in wrong.stderr


def test_a_topic_in_both_splits_ends_with_exit_code_3(folder):
    with Study.open(folder) as study:
        questions = study.read("questions")
        leaked = pl.when(pl.col("question_id") == "topic-3-001").then(pl.lit("train")).otherwise("split")
        study.write("questions", questions.with_columns(split=leaked))
        with pytest.raises(DataError, match="topic-3"):
            pair_answers(study, PairOptions())
    done = cityfolk("pair", folder)
    assert done.returncode == 3 and "the topic 'topic-3' is in both splits" in done.stderr


def test_a_judge_of_the_generators_family_is_said_loudly(folder):
    with Study.open(folder) as study:
        same = pl.when(pl.col("judge") == "two").then(True)
        study.write("readings", study.read("readings").with_columns(same_family=same))
    done = cityfolk("pair", folder)
    assert done.returncode == 0 and "WARNING: two judged answers of a model of its own family" in done.stderr


def test_judges_that_share_features_are_said(folder):
    with Study.open(folder) as study:
        assert pair_answers(study, PairOptions())["notices"] == []
        called = pl.col("judge").replace({"one": "rater", "two": "lexicon"})
        study.write("readings", study.read("readings").with_columns(called))
    done = cityfolk("pair", folder, "--name", "shared")
    assert done.returncode == 0 and "that the two agree proves little" in done.stderr
    with Study.open(folder) as study:
        readings = study.read("readings")
        third = readings.filter(pl.col("judge") == "rater").with_columns(judge=pl.lit("third"))
        study.write("readings", pl.concat([readings, third]))
        assert "together they can outvote" in pair_answers(study, PairOptions(name="three"))["notices"][0]
        assert pair_answers(study, PairOptions(name="apart", judges=("rater", "third")))["notices"] == []
