"""`kill -9` of a real process at a random commit, the same command again, the same tables."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

LIVES = 40
STUDY = f"""
seed = 3
[people]
place = "{Path(__file__).parents[1] / "packs" / "port_selene"}"
[write]
n = {LIVES}
[evaluate]
[report]
"""


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "cityfolk", "run", str(folder.parent / "study.toml"), "--out", str(folder)]


def calls(folder: Path) -> int:
    path = folder / "calls.sqlite"
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM calls").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def run_and_kill(folder: Path, at: int) -> int:
    """Start the study, kill it when `at` calls are committed; return how many were."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and calls(folder) < at:
            time.sleep(0.005)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "the study ended before it could be killed"
    return calls(folder)


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def assert_same_study(one: Path, other: Path) -> None:
    left, right = tables(one), tables(other)
    assert left.keys() == right.keys() and {"people", "households", "cohort", "profiles", "findings"} <= left.keys()
    for name, frame in left.items():
        assert frame.equals(right[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "study"
    (folder.parent / "study.toml").write_text(STUDY)
    subprocess.run(command(folder), check=True, capture_output=True)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
def test_killed_anywhere_the_same_command_gives_the_same_tables(tmp_path, whole, number):
    (tmp_path / "study.toml").write_text(STUDY)
    folder = tmp_path / "study"
    at = random.Random(number).randint(LIVES // 10, LIVES * 9 // 10)
    kept = run_and_kill(folder, at)
    assert kept >= at
    subprocess.run(command(folder), check=True, capture_output=True)
    assert_same_study(folder, whole)
    assert calls(folder) == LIVES  # nothing that was committed was asked again


@pytest.mark.long
def test_killed_again_and_again(tmp_path, whole):
    (tmp_path / "study.toml").write_text(STUDY)
    folder = tmp_path / "study"
    for at in (5, 15, 25, 35):
        run_and_kill(folder, at)
    subprocess.run(command(folder), check=True, capture_output=True)
    assert_same_study(folder, whole)
