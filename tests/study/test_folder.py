import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cityfolk.errors import CityfolkError, StudyError, UsageError
from cityfolk.study.folder import Study
from cityfolk.types import Failure, Finding

FRAME = pl.DataFrame({"person_id": [1, 2], "age": [30, 40]})


def test_another_config_is_refused_by_the_names_of_its_keys(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("people", {"place": "cambridge-ma", "seed": 1})
    with Study.open(tmp_path / "s") as study:
        study.begin("people", {"place": "cambridge-ma", "seed": 1})
        with pytest.raises(StudyError, match="seed was 1 and is now 2") as caught:
            study.begin("people", {"place": "cambridge-ma", "seed": 2})
    assert caught.value.exit_code == 5


def test_a_verb_that_has_made_nothing_may_begin_with_another_config(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("write", {"model": "a", "prompt": "full"})
        study.begin("write", {"model": "b"}, fresh=True)
        assert study.config("write") == {"model": "b"}
        with pytest.raises(StudyError, match="model was 'b'") as caught:
            study.begin("write", {"model": "c"})
    assert caught.value.hint == "repeat the earlier options, or start a new folder"


def test_what_may_change_may_change(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("write", {"seed": 1}, free={"n": 10})
        study.begin("write", {"seed": 1}, free={"n": 20})
        assert study.manifest["stages"]["write"]["free"] == {"n": 20}


def test_a_table_comes_back_and_is_remembered_by_its_bytes(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("people", {})
        study.write("people", FRAME, metadata={"cityfolk.sources": "{}"})
        study.finish("people")
        assert study.read("people").equals(FRAME)
        assert study.read_metadata("people") == {"cityfolk.sources": "{}"}
        assert study.is_done("people", "people")
        study.path("people").write_bytes(study.path("people").read_bytes()[:-7])
        assert not study.is_done("people", "people")
        with pytest.raises(StudyError, match="cannot be read"):
            study.read("people")


def test_same_frame_same_bytes(tmp_path):
    digests = []
    for name in "ab":
        with Study.open(tmp_path / name, create=True) as study:
            study.write("people", FRAME)
            digests.append(study.manifest["tables"]["people"]["sha256"])
    assert digests[0] == digests[1]


def test_a_second_process_is_refused(tmp_path):
    code = (
        "import sys; from cityfolk.study.folder import Study; from cityfolk.errors import StudyError\n"
        "try: Study.open(sys.argv[1], create=True)\n"
        "except StudyError as e: print(e); sys.exit(5)"
    )
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("people", {})
        done = subprocess.run([sys.executable, "-c", code, tmp_path / "s"], capture_output=True, text=True)
        assert done.returncode == 5 and "another cityfolk process" in done.stdout
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "s"]).returncode == 0


def test_findings_and_failures_are_replaced_by_section(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.replace_findings("people.", [Finding(id="people.a", title="a", value=1.0)])
        study.replace_findings("text.", [Finding(id="text.a", title="a", value=2.0)])
        study.replace_findings("people.", [Finding(id="people.b", title="b", value=None)])
        assert study.findings()["id"].to_list() == ["text.a", "people.b"]
        with pytest.raises(CityfolkError):
            study.replace_findings("text.", [Finding(id="people.c", title="c", value=1.0)])
        study.replace_failures("write", [Failure(key="k", stage="write", label="p/1", reason="r", raw="é\n")])
        study.replace_failures("ask", [Failure(key="k", stage="ask", label="p/1", reason="r")])
        assert study.replace_failures("write", []) == 0
        lines = (study.folder / "failures.jsonl").read_text().splitlines()
        assert [json.loads(line)["stage"] for line in lines] == ["ask"]


def test_no_study_is_a_sentence(tmp_path):
    with pytest.raises(StudyError, match="there is no study"):
        Study.open(tmp_path)


def test_a_broken_manifest_is_a_sentence(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1, "sta')
    with pytest.raises(StudyError, match="cannot be read"):
        Study.open(tmp_path)


def refusing(monkeypatch, method, code):
    """Make a method of Path stop half-way, as it does on a disk that has no room or may not be written."""
    real = getattr(Path, method)

    def refuse(self, *args, **kwargs):
        if method == "write_bytes":
            real(self, bytes(args[0])[: len(args[0]) // 2])
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, method, refuse)


@pytest.mark.parametrize(
    ("code", "sentence"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full"), (errno.EIO, "error")]
)
def test_a_refused_write_is_a_sentence_and_keeps_the_old_table(tmp_path, monkeypatch, code, sentence):
    with Study.open(tmp_path / "s", create=True) as study:
        study.write("people", FRAME)
        before = (study.folder / "manifest.json").read_bytes()
        with monkeypatch.context() as patch:
            refusing(patch, "write_bytes", code)
            with pytest.raises(StudyError, match=sentence) as caught:
                study.write("people", FRAME.with_columns(age=pl.lit(1)))
        assert caught.value.exit_code == 5 and caught.value.hint and "people.parquet" in str(caught.value)
        assert study.read("people").equals(FRAME) and study.is_intact("people")
        assert (study.folder / "manifest.json").read_bytes() == before
        assert not list(study.folder.glob(".*tmp"))
        study.write("people", FRAME.head(1))
        assert study.read("people").equals(FRAME.head(1))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("method", ["mkdir", "open"])
def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path, monkeypatch, method, code):
    refusing(monkeypatch, method, code)
    with pytest.raises(StudyError, match="cannot be written") as caught:
        Study.open(tmp_path / "s", create=True)
    assert caught.value.exit_code == 5 and "--out" in caught.value.hint


def test_a_table_in_parts_is_the_table_whole(tmp_path):
    parts = [FRAME, FRAME.clear(), FRAME.with_columns(pl.col("age") + 1)]
    with Study.open(tmp_path / "s", create=True) as study:
        assert study.write_frames("pairs/a", iter(parts), FRAME.schema) == 4
        assert study.read("pairs/a").equals(pl.concat(parts)) and study.is_intact("pairs/a")
        study.write_frames("pairs/none", iter([]), FRAME.schema)
        assert study.read("pairs/none").equals(FRAME.clear())
        assert study.tables_in("pairs") == ["pairs/a", "pairs/none"] and study.tables_in("adapters") == []
        assert study.scan("pairs/a").select(pl.len()).collect().item() == 4


def test_a_table_in_parts_that_breaks_off_leaves_the_old_one(tmp_path):
    def parts():
        yield FRAME
        raise ValueError("the well is dry")

    with Study.open(tmp_path / "s", create=True) as study:
        study.write("answers", FRAME)
        with pytest.raises(ValueError, match="the well is dry"):
            study.write_frames("answers", parts(), FRAME.schema)
        assert study.is_intact("answers")
        (tmp_path / "s" / ".big.parquet.tmp").symlink_to("/dev/full")
        with pytest.raises(StudyError, match="the disk is full"):
            study.write_frames("big", iter([FRAME]), FRAME.schema)
        assert not study.has("big")


def test_the_seed_is_that_of_what_was_made_first(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        assert study.seed() == 0 and study.seed(4) == 4
        study.begin("questions", {"seed": 3})
        assert study.seed() == study.seed(3) == 3
        with pytest.raises(StudyError, match="made with seed 3, not 4"):
            study.seed(4)


def test_missing_tables_name_the_verb_that_makes_them(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        for table, verb in {
            "questions": "questions",
            "answers": "answer",
            "readings": "judge",
            "pairs/a": "pair",
        }.items():
            with pytest.raises(StudyError) as caught:
                study.read(table)
            assert f"`cityfolk {verb}`" in caught.value.hint


def test_a_folder_in_which_nothing_was_done_is_not_left_behind(tmp_path):
    with pytest.raises(UsageError), Study.open(tmp_path / "a" / "b" / "s", create=True) as study:
        assert (study.folder / ".lock").exists()
        raise UsageError("asked wrongly")
    assert list(tmp_path.iterdir()) == []
    there = tmp_path / "there"
    there.mkdir()
    (there / "notes.txt").write_text("mine")
    for folder in (there, tmp_path / "empty"):
        folder.mkdir(exist_ok=True)
        with Study.open(folder, create=True):
            pass
    assert [path.name for path in there.iterdir()] == ["notes.txt"] and list((tmp_path / "empty").iterdir()) == []
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("people", {"seed": 1})
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"manifest.json", ".lock"}


def test_a_lock_that_was_taken_away_locks_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "s"

    def another_ends_first(lock, how):
        (folder / ".lock").unlink()
        flock(lock, how)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", another_ends_first)
    with pytest.raises(StudyError, match="another cityfolk process"):
        Study.open(folder, create=True)
