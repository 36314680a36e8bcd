"""`kill -9` of a real process at a random commit, the same command again, the same tables."""

import json
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
depth = "%s"
[evaluate]
[report]
"""


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "cityfolk", "run", str(folder.parent / "study.toml"), "--out", str(folder)]


def prepare(parent: Path, depth: str) -> Path:
    """Write a study.toml; return the folder that its command makes."""
    (parent / "study.toml").write_text(STUDY % depth)
    return parent / "study"


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


def run_to_the_end(folder: Path) -> None:
    done = subprocess.run(command(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def accepted(folder: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return {(stage, key): every accepted reply}; a key that was asked again after it was answered has two."""
    kept: dict[tuple[str, str], tuple[str, ...]] = {}
    with sqlite3.connect(folder / "calls.sqlite") as db:
        rows = db.execute("SELECT stage, key, reply FROM calls WHERE problem IS NULL ORDER BY id")
        for stage, key, reply in rows:
            kept[stage, key] = (*kept.get((stage, key), ()), reply)
    return kept


def failures(folder: Path) -> list[dict[str, object]]:
    """Return failures.jsonl without the attempts, of which a killed run may have made more."""
    lines = (folder / "failures.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "attempts"} for line in lines]


def assert_same_study(one: Path, other: Path) -> None:
    left, right = tables(one), tables(other)
    assert left.keys() == right.keys() and {"people", "households", "cohort", "profiles", "findings"} <= left.keys()
    for name, frame in left.items():
        assert frame.equals(right[name]), name
    assert failures(one) == failures(other)
    assert accepted(one) == accepted(other)  # nothing that was committed was asked again
    assert (one / "report.html").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the study of a depth, run once without interruption."""
    made: dict[str, Path] = {}

    def run(depth: str) -> Path:
        if depth not in made:
            folder = prepare(tmp_path_factory.mktemp(depth), depth)
            run_to_the_end(folder)
            made[depth] = folder
        return made[depth]

    return run


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
def test_killed_anywhere_the_same_command_gives_the_same_tables(tmp_path, whole, number):
    folder = prepare(tmp_path, "brief")
    at = random.Random(number).randint(LIVES // 10, LIVES * 9 // 10)
    assert run_and_kill(folder, at) >= at
    run_to_the_end(folder)
    assert_same_study(folder, whole("brief"))
    assert {stage for stage, _ in accepted(folder)} == {"write"} and len(accepted(folder)) == LIVES


@pytest.mark.long
def test_killed_again_and_again(tmp_path, whole):
    folder = prepare(tmp_path, "brief")
    for at in (5, 15, 25, 35):
        run_and_kill(folder, at)
    run_to_the_end(folder)
    assert_same_study(folder, whole("brief"))


@pytest.mark.long
def test_killed_among_the_reflections_and_again_among_the_profiles(tmp_path, whole):
    folder = prepare(tmp_path, "full")
    for at in (LIVES // 2, LIVES + LIVES // 2):
        run_and_kill(folder, at)
    run_to_the_end(folder)
    assert_same_study(folder, whole("full"))
    stages = [stage for stage, _ in accepted(folder)]
    assert stages.count("reflect") == stages.count("write") == LIVES
