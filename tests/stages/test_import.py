"""`import` end to end: a study that measures and reports on its own."""

import json
import subprocess
import sys

import polars as pl
import pytest

from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.stages import WriteOptions, import_personas, measure, plan_lives, write_lives
from cityfolk.stages.ask_citizen import citizen
from cityfolk.stages.counterfactual import CounterfactualOptions, write_counterfactuals
from cityfolk.stages.importing import raise_if_lost
from cityfolk.study.folder import Study
from tests.imports.files import as_the_original_leaves_it, original


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "profiles_cambridge-llama3.1:8b.json"
    path.write_text(as_the_original_leaves_it(original(40)))
    return path


def test_the_originals_file_becomes_a_study_that_can_be_measured(file, tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        done = import_personas(study, [file])
        assert (done["profiles"], done["lost"]) == (40, 0)
        raise_if_lost(study)
        measure(study, ["text"])
        findings = dict(study.findings().select("id", "value").iter_rows())
        assert findings["text.valid"] == 1.0
        assert study.has("details")
        assert study.read("profiles")["engine"].unique().to_list() == ["profiles_cambridge-llama3.1:8b"]
        with pytest.raises(UsageError, match="were imported"):
            measure(study, ["people"])


def test_the_imported_cannot_be_written_or_asked(file, tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        import_personas(study, [file])
        number = study.read("profiles")["person_id"][0]
        for verb in (
            lambda: write_lives(study, WriteOptions(n=1)),
            lambda: plan_lives(study, WriteOptions(n=1)),
            lambda: write_counterfactuals(study, CounterfactualOptions(swaps=["origin=Haiti"])),
            lambda: citizen(study, number),
        ):
            with pytest.raises(UsageError, match="was imported: its people cannot be"):
                verb()


def test_the_same_file_again_gives_the_same_bytes_and_another_is_refused(file, tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        import_personas(study, [file])
        before = dict(study.manifest["tables"])
        import_personas(study, [file])
        assert study.manifest["tables"] == before
        file.write_text(as_the_original_leaves_it(original(10)))
        with pytest.raises(StudyError, match="another config"):
            import_personas(study, [file])


def test_what_could_not_be_read_is_listed_and_not_called_a_success(file, tmp_path):
    text = file.read_text()
    file.write_text(text[: len(text) // 3] + "\n" + text[2 * len(text) // 3 :])
    with Study.open(tmp_path / "s", create=True) as study:
        done = import_personas(study, [file])
        assert done["lost"] >= 1 and done["profiles"] > 20
        assert len(study.failures()) == done["lost"]
        with pytest.raises(IncompleteError, match="could not be read"):
            raise_if_lost(study)
        measure(study)
        valid = study.findings().filter(pl.col("id") == "text.valid").row(0, named=True)
        assert valid["verdict"] == "outside" and valid["n"] == done["profiles"] + done["lost"]


def test_one_piece_is_not_called_pieces(file, tmp_path):
    file.write_text(file.read_text() + "\n7\n")
    with Study.open(tmp_path / "s", create=True) as study:
        assert import_personas(study, [file])["lost"] == 1
        with pytest.raises(IncompleteError, match="1 piece of the file"):
            raise_if_lost(study)


def test_a_study_of_a_place_takes_no_import(file, tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("people", {"seed": 1})
        with pytest.raises(StudyError, match="made from tables"):
            import_personas(study, [file])


def cityfolk(*args):
    return subprocess.run([sys.executable, "-m", "cityfolk", *map(str, args)], capture_output=True, text=True)


def test_the_command_line(file, tmp_path):
    done = cityfolk("import", file, "--out", tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert "40 profiles" in done.stdout and "-> fact age (guessed), 40 values" in done.stdout
    document = json.loads(cityfolk("import", file, "--out", tmp_path / "s", "--json").stdout)
    assert document["profiles"] == 40
    wrong = cityfolk("import", tmp_path / "none.json", "--out", tmp_path / "t")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: there is no file")
    assert not (tmp_path / "t").exists()
    file.write_bytes(b"\x00\x01\x02\x03" * 1000)
    binary = cityfolk("import", file, "--out", tmp_path / "u")
    assert binary.returncode == 3 and "binary" in binary.stderr and "Traceback" not in binary.stderr


def test_a_kind_that_there_is_not_is_refused_by_the_names_of_those_that_there_are(file, tmp_path):
    command = [
        sys.executable,
        "-m",
        "cityfolk",
        "import",
        str(file),
        "--out",
        str(tmp_path / "s"),
        "--kind",
        "nonsense",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "no kind of import called 'nonsense'" in done.stderr
    assert "profiles, questions, auto" in done.stderr and not (tmp_path / "s").exists()
    with Study.open(tmp_path / "s", create=True) as study, pytest.raises(UsageError, match="questions are no personas"):
        import_personas(study, [file], kind="questions")
    assert not (tmp_path / "s").exists()
