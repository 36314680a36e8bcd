"""The command line with a server: exit codes, one process at a time, and a key that is written nowhere."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from tests.engines.stub import StubServer

PACK = Path(__file__).parents[1] / "packs" / "port_selene"
LIVES = 60
KEY = "sk-test-4f1c9aa17e5d4b0e"


@pytest.fixture
def server():
    server = StubServer()
    yield server
    server.kill()


@pytest.fixture
def command(tmp_path, server):
    """Return the command that makes a study with the server, and its folder."""
    (tmp_path / "study.toml").write_text(
        f'[people]\nplace = "{PACK}"\n[write]\nn = {LIVES}\nengines = ["openai:stub@{server.url}"]\n'
        "[evaluate]\n[report]\n"
    )
    folder = tmp_path / "s"
    return [sys.executable, "-m", "cityfolk", "run", str(tmp_path / "study.toml"), "--out", str(folder)], folder


def run(command, key=""):
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OPENAI_API_KEY": key})


def count(folder, where="1"):
    with sqlite3.connect(folder / "calls.sqlite") as db:
        return db.execute(f"SELECT count(*) FROM calls WHERE {where}").fetchone()[0]


def test_the_key_is_in_no_file_and_no_message(server, command):
    words, folder = command
    server.reset(key=KEY, delay=0.01, p500=0.05, perror200=0.05)
    wrong = run(words, key=KEY + "-mistyped")
    assert wrong.returncode == 4 and "refuses the API key" in wrong.stderr and "OPENAI_API_KEY" in wrong.stderr
    done = run(words, key=KEY)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(folder / "profiles.parquet").height == LIVES
    assert (folder / "report.html").exists()
    for told in (wrong, done):
        assert KEY not in told.stdout + told.stderr
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"calls.sqlite", "manifest.json", "report.html"} <= {path.name for path in files}
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_a_server_that_fails_every_call_is_exit_4_and_no_row(server, command):
    words, folder = command
    server.reset(delay=0, p500=1)
    done = run(words)
    assert done.returncode == 4, done.stderr
    assert "failed every one of" in done.stderr and "\n  try: " in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "profiles.parquet").exists() and count(folder, "problem IS NULL") == 0
    assert server.stats()["requests"] < 100


def test_a_second_process_in_the_folder_is_refused(server, command):
    words, folder = command
    server.reset(delay=1.0)
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while first.poll() is None and not (folder / "calls.sqlite").exists():
            time.sleep(0.01)
        second = run(words)
        assert first.poll() is None, first.communicate()
        assert second.returncode == 5, second.stderr
        assert "another cityfolk process" in second.stderr and "\n  try: " in second.stderr
        _, err = first.communicate(timeout=120)
        assert first.returncode == 0, err
    finally:
        first.kill()
    assert json.loads((folder / "manifest.json").read_text())["tables"]["profiles"]["rows"] == LIVES
    assert server.stats()["redundant"] == 0
