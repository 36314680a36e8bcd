import json
import os
import subprocess
import sys

import polars as pl
import pytest

from cityfolk.errors import CityfolkError, StudyError
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


def run_in_namespace(script: str, *args) -> subprocess.CompletedProcess:
    """Run Python in a mount namespace of its own, where small and read-only disks can be made by anyone."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return subprocess.run(
        ["unshare", *root, "--mount", sys.executable, "-c", script, *map(str, args)], capture_output=True, text=True
    )


DISK = """
import subprocess, sys
folder, options = sys.argv[1:3]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
from pathlib import Path
import numpy as np, polars as pl
from cityfolk.study.folder import Study
from cityfolk.errors import StudyError
if options == "full":
    with Study.open(Path(folder) / "s", create=True) as study:
        study.write("people", pl.DataFrame({"a": [1]}))
        try:
            study.write("people", pl.DataFrame({"a": np.random.default_rng(0).random(100_000)}))
        except StudyError as error:
            print(error, error.exit_code, study.read("people").height, len(list(study.folder.glob(".*tmp"))))
else:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        Study.open(Path(folder) / "s", create=True)
    except StudyError as error:
        print(error, error.exit_code)
"""


def test_a_full_disk_is_a_sentence_and_keeps_the_old_table(tmp_path):
    done = run_in_namespace(DISK, tmp_path, "full")
    assert "the disk is full" in done.stdout, done.stderr
    assert done.stdout.split()[-3:] == ["5", "1", "0"]


def test_a_read_only_folder_is_a_sentence(tmp_path):
    done = run_in_namespace(DISK, tmp_path, "read-only")
    assert "cannot be written" in done.stdout and done.stdout.split()[-1] == "5", done.stderr
