"""Real small and read-only disks under real commands: what is said, what is kept, and that the same command goes on.

Each disk is a tmpfs in a mount namespace of its own. Where that is refused (many containers do) these tests fail;
CITYFOLK_NO_MOUNT=1 skips them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.long
PACK = Path(__file__).parents[1] / "packs" / "port_selene"
LIVES = 150

# Runs inside the namespace: everything on the small disk is gone when it ends.
PRELUDE = """
import json, shutil, sqlite3, subprocess, sys
from pathlib import Path

disk, kept = Path(sys.argv[1]), Path(sys.argv[2])
words = sys.argv[3:]

def mount(options):
    kind = ["-t", "tmpfs"] if not options.startswith("remount") else []
    subprocess.run(["mount", *kind, "-o", options, "tmpfs", str(disk)], check=True)

def cityfolk(*args):
    command = [sys.executable, "-m", "cityfolk", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    return [done.returncode, done.stderr]

def calls(folder):
    with sqlite3.connect(folder / "calls.sqlite") as db:
        return db.execute("SELECT key, attempt, problem, reply FROM calls ORDER BY id").fetchall()
"""
FULL = """
mount("size=200k")
told = [cityfolk("people", words[0], "--out", disk / "s")]
left = sorted(path.name for path in (disk / "s").iterdir())
mount("remount,size=64m")
told.append(cityfolk("people", words[0], "--out", disk / "s"))
shutil.copytree(disk / "s", kept)
print(json.dumps({"told": told, "left": left}))
"""
FILLS = """
mount("size=" + words[1])
told = [cityfolk("run", words[0], "--out", disk / "s")]
has_profiles = (disk / "s" / "profiles.parquet").exists()
mount("remount,size=256m")
before = calls(disk / "s")
told.append(cityfolk("run", words[0], "--out", disk / "s"))
after = calls(disk / "s")
shutil.copytree(disk / "s", kept)
print(json.dumps({"told": told, "before": before, "after": after, "profiles": has_profiles}))
"""
READ_ONLY = """
mount("size=1m")
mount("remount,ro")
print(json.dumps({"told": [cityfolk("people", words[0], "--out", disk / "s")]}))
"""


def namespace(script, disk, kept, *words, env=None):
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *root, "--mount", sys.executable, "-c", PRELUDE + script, disk, kept, *words]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ, **(env or {})})


@pytest.fixture
def on_disk(tmp_path):
    """Run a script where `disk` can be mounted; return what it printed and the folder of what it kept."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    try:
        probe = namespace('mount("size=64k")', disk, kept)
        refusal = probe.stderr if probe.returncode else ""
    except FileNotFoundError as error:
        refusal = str(error)
    if refusal and os.environ.get("CITYFOLK_NO_MOUNT") == "1":
        pytest.skip("no mounts here, and CITYFOLK_NO_MOUNT=1 says that this is known")
    if refusal:
        pytest.fail(
            f"no mount namespace can be made here, so disks that fill were NOT tested: {refusal.strip()}\n"
            "run this on a machine that permits `unshare --mount`, or set CITYFOLK_NO_MOUNT=1 to go without"
        )

    def run(script, *words, env=None):
        done = namespace(script, disk, kept, *words, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), kept

    return run


def refused(told, *words):
    code, stderr = told
    assert code == 5, stderr
    assert "error: " in stderr and "\n  try: " in stderr and "Traceback" not in stderr
    for word in words:
        assert word in stderr, stderr


def assert_same_tables(one, other, *names):
    for name in names:
        assert pl.read_parquet(one / f"{name}.parquet").equals(pl.read_parquet(other / f"{name}.parquet")), name


def test_people_on_a_full_disk_then_with_more_space(on_disk, tmp_path):
    said, kept = on_disk(FULL, PACK)
    refused(said["told"][0], "the disk is full")
    assert not [name for name in said["left"] if name.endswith(".tmp")]
    assert said["told"][1][0] == 0, said["told"][1][1]
    subprocess.run([sys.executable, "-m", "cityfolk", "people", PACK, "--out", tmp_path / "whole"], check=True)
    assert_same_tables(kept, tmp_path / "whole", "people", "households")


def test_people_on_a_read_only_disk(on_disk):
    said, _ = on_disk(READ_ONLY, PACK)
    refused(said["told"][0], "cannot be written")


def test_a_disk_that_fills_while_lives_are_written_loses_nothing_committed(on_disk, tmp_path, stub_engines):
    file = tmp_path / "study.toml"
    file.write_text(
        f'[people]\nplace = "{PACK}"\n[write]\nn = {LIVES}\nengines = ["plain"]\n[evaluate]\nwhat = ["text"]\n'
    )
    whole = tmp_path / "whole"
    subprocess.run(
        [sys.executable, "-m", "cityfolk", "run", file, "--out", whole],
        check=True,
        capture_output=True,
        env={**os.environ, **stub_engines},
    )
    # Room for the tables and about half of the journal.
    tables = sum((whole / f"{name}.parquet").stat().st_size for name in ("people", "households", "cohort"))
    room = tables + (whole / "calls.sqlite").stat().st_size // 2
    said, kept = on_disk(FILLS, file, str(room), env=stub_engines)
    refused(said["told"][0], "the disk is full")
    assert not said["profiles"]
    before, after = said["before"], said["after"]
    assert 0 < len(before) < LIVES
    assert said["told"][1][0] == 0, said["told"][1][1]
    assert after[: len(before)] == before and len(after) == LIVES  # nothing lost, nothing asked again
    assert_same_tables(kept, whole, "people", "households", "cohort", "profiles", "findings")
