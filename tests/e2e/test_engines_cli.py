"""Engines that fail, at the command line: what is kept, what is said, which exit code."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

PACK = Path(__file__).parents[1] / "packs" / "port_selene"
LIVES = 40


def cityfolk(env, *args):
    return subprocess.run(
        [sys.executable, "-m", "cityfolk", *map(str, args)], capture_output=True, text=True, env={**os.environ, **env}
    )


@pytest.fixture
def study(tmp_path):
    """Write a study.toml for an engine; return it and the folder to make."""

    def make(engine):
        (tmp_path / "study.toml").write_text(
            f'[people]\nplace = "{PACK}"\n[write]\nn = {LIVES}\nengines = ["{engine}"]\n[evaluate]\n[report]\n'
        )
        return tmp_path / "study.toml", tmp_path / "s"

    return make


def journal(folder, sql):
    with sqlite3.connect(folder / "calls.sqlite") as db:
        return db.execute(sql).fetchall()


def test_another_packages_engine_is_found_and_writes(study, stub_engines):
    file, folder = study("plain")
    listed = cityfolk(stub_engines, "engines", "--json")
    assert {"plain", "dead", "mumbling", "pocket"} <= {row["name"] for row in json.loads(listed.stdout)}
    done = cityfolk(stub_engines, "run", file, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(folder / "profiles.parquet")["engine"].to_list() == ["plain"] * LIVES


def test_an_engine_that_fails_every_call_is_exit_4_and_no_row(study, stub_engines):
    file, folder = study("dead")
    done = cityfolk(stub_engines, "run", file, "--out", folder)
    assert done.returncode == 4, done.stderr
    assert "connection refused" in done.stderr and "\n  try: " in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "profiles.parquet").exists() and not (folder / "report.html").exists()
    assert (folder / "people.parquet").exists()
    assert journal(folder, "SELECT count(*) FROM calls WHERE problem IS NULL") == [(0,)]


def test_a_few_unusable_replies_are_exit_6_with_their_names_and_a_report(study, stub_engines):
    file, folder = study("mumbling")
    done = cityfolk(stub_engines, "run", file, "--out", folder)
    assert done.returncode == 6, done.stderr
    assert "could not be written" in done.stderr and "failures.jsonl" in done.stderr
    cohort = pl.read_parquet(folder / "cohort.parquet")["person_id"].to_list()
    hopeless = {i for i in cohort if i % 10 == 3}
    assert 0 < len(hopeless) < LIVES / 2
    failures = [json.loads(line) for line in (folder / "failures.jsonl").read_text().splitlines()]
    assert {f["label"] for f in failures} == {f"person {i}" for i in hopeless} and len(failures) == len(hopeless)
    for failure in failures:
        assert failure["stage"] == "write" and failure["attempts"] == 3
        assert failure["raw"] == "Well, you know." and "not JSON" in failure["reason"]
    written = pl.read_parquet(folder / "profiles.parquet")["person_id"].to_list()
    assert set(written) == set(cohort) - hopeless
    valid = pl.read_parquet(folder / "findings.parquet").row(by_predicate=pl.col("id") == "text.valid", named=True)
    assert valid["value"] == pytest.approx(1 - len(hopeless) / LIVES)
    assert (folder / "report.html").exists()
