"""The command line as a stranger meets it: a real process, its exit code, its sentences."""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

PACK = Path(__file__).parents[1] / "packs" / "port_selene"


def cityfolk(*args, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-m", "cityfolk", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
    )


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ") and "\n  try: " in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A whole study of the fictional town: people, twelve lives, findings, a page."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "study.toml").write_text(
        f'seed = 1\n[people]\nplace = "{PACK}"\n[write]\nn = 12\n[evaluate]\n[report]\ntitle = "A small <town>"\n'
    )
    done = cityfolk("run", folder / "study.toml", "--out", folder / "s")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "s" / "report.html")
    return folder / "s"


def test_a_study_leaves_every_file(study):
    names = {path.name for path in study.iterdir()}
    assert {
        "manifest.json",
        "households.parquet",
        "people.parquet",
        "cohort.parquet",
        "calls.sqlite",
        "profiles.parquet",
        "findings.parquet",
        "failures.jsonl",
        "report.html",
    } <= names
    assert (study / "failures.jsonl").read_text() == ""
    assert pl.read_parquet(study / "profiles.parquet").height == 12


def test_weights_sum_to_the_adults(study):
    adults = pl.read_parquet(study / "people.parquet").filter(pl.col("age") >= 18).height
    assert pl.read_parquet(study / "cohort.parquet")["weight"].sum() == pytest.approx(adults, abs=1e-6)


def test_the_manifest_says_how_it_was_made(study):
    manifest = json.loads((study / "manifest.json").read_text())
    assert set(manifest["stages"]) >= {"people", "write", "evaluate", "report"}
    for stage in manifest["stages"].values():
        assert stage["config_hash"] and stage["versions"]["polars"]
    assert manifest["stages"]["people"]["config"]["seed"] == 1


def test_the_same_command_again_changes_nothing(study):
    before = {path.name: path.read_bytes() for path in study.glob("*.parquet")}
    done = cityfolk("run", study.parent / "study.toml", "--out", study)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in study.glob("*.parquet")} == before
    with sqlite3.connect(study / "calls.sqlite") as db:
        assert db.execute("SELECT calls FROM summary").fetchall() == [(12,)]


def test_asking_for_more_people_appends(study, tmp_path):
    shutil.copytree(study, tmp_path / "s")
    done = cityfolk("write", tmp_path / "s", "--n", "15", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["profiles"] == 15
    old, new = (pl.read_parquet(folder / "profiles.parquet") for folder in (study, tmp_path / "s"))
    assert new.filter(pl.col("person_id").is_in(old["person_id"].implode())).equals(old)
    with sqlite3.connect(tmp_path / "s" / "calls.sqlite") as db:
        assert db.execute("SELECT calls FROM summary").fetchall() == [(15,)]


def test_people_do_not_change_when_the_cohort_grows(study, tmp_path):
    done = cityfolk("people", PACK, "--out", tmp_path / "p", "--seed", "1")
    assert done.returncode == 0, done.stderr
    for name in ("people.parquet", "households.parquet"):
        assert (tmp_path / "p" / name).read_bytes() == (study / name).read_bytes()


def test_show_tells_of_one_citizen(study):
    person_id = pl.read_parquet(study / "profiles.parquet")["person_id"][0]
    done = cityfolk("show", study, person_id)
    name = pl.read_parquet(study / "people.parquet").filter(pl.col("person_id") == person_id)["name"][0]
    assert done.returncode == 0 and name in done.stdout
    assert json.loads(cityfolk("show", study, person_id, "--json").stdout)["person"]["name"] == name
    refused(cityfolk("show", study, 10_000_000), 2, "10000000")


def test_export_writes_what_others_read(study, tmp_path):
    done = cityfolk("export", study, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert any(path.suffix == ".csv" for path in (tmp_path / "out").rglob("*"))


def test_a_dry_run_asks_nobody(study):
    done = cityfolk("write", study, "--n", "20", "--dry-run")  # 12 are written already
    assert done.returncode == 0 and re.search(r"calls\s+8\b", done.stdout) and "Age:" in done.stdout
    assert pl.read_parquet(study / "profiles.parquet").height == 12


def test_places_engines_and_doctor_answer():
    done = cityfolk("places")
    assert done.returncode == 0 and "cambridge-ma" in done.stdout
    done = cityfolk("engines", "--json")
    assert "pocket" in [row["name"] for row in json.loads(done.stdout)["engines"]]
    done = cityfolk("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout


def test_a_misspelt_place(tmp_path):
    done = cityfolk("people", "cambrige-ma", "--out", tmp_path / "s")
    refused(done, 2, "cambrige-ma", "did you mean", "cambridge-ma")
    assert not (tmp_path / "s").exists()


def test_a_misspelt_engine(study):
    refused(cityfolk("write", study, "--engine", "poket"), 2, "poket", "did you mean 'pocket'")


def test_a_misspelt_key(tmp_path):
    (tmp_path / "study.toml").write_text('[people]\nplcae = "cambridge-ma"\n')
    refused(cityfolk("run", tmp_path / "study.toml", "--out", tmp_path / "s"), 2, "plcae", "did you mean 'place'")
    (tmp_path / "study.toml").write_text("[peopel]\n")
    refused(cityfolk("run", tmp_path / "study.toml", "--out", tmp_path / "s"), 2, "did you mean 'people'")
    (tmp_path / "study.toml").write_text("")
    refused(cityfolk("run", tmp_path / "study.toml", "--out", tmp_path / "s"), 2, "asks for nothing")
    refused(cityfolk("run", tmp_path / "nowhere.toml", "--out", tmp_path / "s"), 2, "there is no file")
    assert not (tmp_path / "s").exists()


def broken_pack(tmp_path, change):
    pack = tmp_path / "pack"
    shutil.copytree(PACK, pack)
    with (pack / "tables.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with (pack / "tables.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return pack


def test_a_negative_count(tmp_path):
    def change(rows):
        next(row for row in rows if row["measure"] == "count")["estimate"] = "-5"

    pack = broken_pack(tmp_path, change)
    refused(cityfolk("people", pack, "--out", tmp_path / "s"), 3, "tables.csv", "-5")
    assert not (tmp_path / "s").exists()


def test_parts_that_do_not_add_up(tmp_path):
    def change(rows):
        row = next(
            r
            for r in rows
            if r["measure"] == "count" and r["dimensions"].startswith("age=") and "|" not in r["dimensions"]
        )
        row["estimate"] = "9999999"

    pack = broken_pack(tmp_path, change)
    refused(cityfolk("people", pack, "--out", tmp_path / "s"), 3, "tables.csv")


def test_an_empty_table(tmp_path):
    shutil.copytree(PACK, tmp_path / "pack")
    (tmp_path / "pack" / "tables.csv").write_text("")
    refused(cityfolk("people", tmp_path / "pack", "--out", tmp_path / "s"), 3, "tables.csv")


def test_another_seed_on_the_same_folder(study):
    refused(cityfolk("people", PACK, "--out", study, "--seed", "2"), 5, "seed was 1 and is now 2")


def test_no_study_in_a_folder(tmp_path):
    refused(cityfolk("report", tmp_path), 5, "there is no study")


def test_a_wrong_option_is_answered_by_usage(tmp_path):
    done = cityfolk("people", "cambridge-ma")
    assert done.returncode == 2 and "--out" in done.stderr


def test_ctrl_c_says_that_the_command_continues(tmp_path):
    (tmp_path / "study.toml").write_text(f'[people]\nplace = "{PACK}"\n[write]\nn = 200\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "cityfolk", "run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "s")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "s" / "cohort.parquet").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "continues where" in err and "Traceback" not in err


def test_the_page_is_escaped_and_loads_nothing(study):
    page = (study / "report.html").read_text()
    assert "A small &lt;town&gt;" in page and "<town>" not in page
    assert ' src="http' not in page and "@import" not in page


def test_the_docs_of_the_command_line_are_its_help():
    script = Path(__file__).parents[2] / "scripts" / "build_cli_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_help_needs_no_heavy_import():
    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['cityfolk', '--help']\n"
        "from cityfolk.cli.main import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "heavy = 'polars numpy scipy altair pydantic torch pandas tokenizers'.split()\n"
        "print(sorted(set(heavy) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
