"""Engines that fail, at the command line: what is kept, what is said, which exit code."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
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


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A study with its people and nothing else, made once."""
    folder = tmp_path_factory.mktemp("town") / "s"
    assert cityfolk({}, "people", PACK, "--out", folder).returncode == 0
    return folder


@pytest.fixture
def people(town, tmp_path):
    """A copy of that study."""
    return Path(shutil.copytree(town, tmp_path / "people"))


def journal(folder, sql):
    with sqlite3.connect(folder / "calls.sqlite") as db:
        return db.execute(sql).fetchall()


def test_another_packages_engine_is_found_and_writes(study, stub_engines):
    file, folder = study("plain")
    listed = cityfolk(stub_engines, "engines", "--json")
    assert {"plain", "dead", "mumbling", "pocket"} <= {row["name"] for row in json.loads(listed.stdout)["engines"]}
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
        assert failure["stage"] == "write" and failure["attempts"] == 5
        assert failure["raw"] == "Well, you know." and "not JSON" in failure["reason"]
    written = pl.read_parquet(folder / "profiles.parquet")["person_id"].to_list()
    assert set(written) == set(cohort) - hopeless
    valid = pl.read_parquet(folder / "findings.parquet").row(by_predicate=pl.col("id") == "text.valid", named=True)
    assert valid["value"] == pytest.approx(1 - len(hopeless) / LIVES)
    assert (folder / "report.html").exists()


def ids(folder):
    return pl.read_parquet(folder / "profiles.parquet").select("person_id", "engine")


def test_one_engine_that_fails_does_not_lose_the_others_work(people, stub_engines):
    done = cityfolk(stub_engines, "write", people, "--n", LIVES, "--engine", "dead", "--engine", "plain")
    assert done.returncode == 6, done.stderr
    assert "dead stopped:" in done.stderr and "connection refused" in done.stderr
    assert f"{LIVES} of {2 * LIVES} profiles are kept" in done.stderr
    assert "write plain" in done.stderr  # progress names the engine
    assert ids(people)["engine"].to_list() == ["plain"] * LIVES


@pytest.mark.long
def test_two_engines_write_the_same_people(people, stub_engines):
    done = cityfolk(stub_engines, "write", people, "--n", LIVES, "--engine", "plain", "--engine", "mumbling")
    assert done.returncode == 6, done.stderr
    table = ids(people)
    cohort = set(pl.read_parquet(people / "cohort.parquet")["person_id"])
    for engine, missing in (("plain", set()), ("mumbling", {i for i in cohort if i % 10 == 3})):
        assert set(table.filter(pl.col("engine") == engine)["person_id"]) == cohort - missing
    facts = json.loads((people / "manifest.json").read_text())["stages"]["write"]
    assert facts["free"]["models"] == ["plain@1", "mumbling@1"]
    # The first engine determines rows; those beside it may change.
    again = cityfolk(stub_engines, "write", people, "--n", LIVES, "--engine", "plain")
    assert again.returncode == 0 and ids(people)["engine"].to_list() == ["plain"] * LIVES
    other = cityfolk(stub_engines, "write", people, "--n", LIVES, "--engine", "mumbling", "--engine", "plain")
    assert other.returncode == 5 and "model was 'plain@1'" in other.stderr


def test_two_models_of_one_engine_are_told_apart(people, stub_engines):
    asked = ("--engine", "named:a", "--engine", "named:b")
    done = cityfolk(stub_engines, "write", people, "--n", 5, *asked)
    assert done.returncode == 0, done.stderr
    assert sorted(ids(people)["engine"].unique()) == ["named:a", "named:b"]
    twice = cityfolk(stub_engines, "write", people, "--n", 5, "--engine", "named:a", "--engine", "named:a?")
    assert twice.returncode == 2 and "are the same" in twice.stderr


def test_a_budget_stops_with_exit_6_keeps_what_was_paid_for_and_a_larger_one_goes_on(people, stub_engines):
    # Each call takes 2,000 tokens in and 600 out; the next one may need 2,100 and 2,048.
    args = ("write", people, "--n", LIVES, "--engine", "costly")
    stopped = cityfolk(stub_engines, *args, "--budget-tokens", 30_000)
    assert stopped.returncode == 6, stopped.stderr
    assert "before the budget runs out" in stopped.stderr and "larger budget" in stopped.stderr
    assert f"10 of {LIVES} profiles are kept" in stopped.stderr and ids(people).height == 10
    assert journal(people, "SELECT count(*), sum(prompt_tokens + completion_tokens) FROM calls") == [(10, 26_000)]
    same = cityfolk(stub_engines, *args, "--budget-tokens", 30_000)
    assert same.returncode == 6 and ids(people).height == 10
    more = cityfolk(stub_engines, *args, "--budget-tokens", 300_000)
    assert more.returncode == 0 and ids(people).height == LIVES
    assert journal(people, "SELECT count(*), count(DISTINCT key) FROM calls") == [(LIVES, LIVES)]
    unpriced = cityfolk(stub_engines, *args, "--budget-usd", 1)
    assert unpriced.returncode == 2 and "costs" in unpriced.stderr and "prices.toml" in unpriced.stderr


def test_a_study_replays_offline_to_the_same_bytes(town, people, stub_engines, tmp_path):
    args = ("write", people, "--n", LIVES, "--engine", "plain", "--engine", "mumbling")
    assert cityfolk(stub_engines, *args).returncode == 6
    copy = Path(shutil.copytree(town, tmp_path / "again"))
    first, second = f"replay:{people}", f"replay:{people}?engine=1"
    # No stub engines here: the recording alone answers.
    again = cityfolk({}, "write", copy, "--n", LIVES, "--engine", first, "--engine", second)
    assert again.returncode == 6, again.stderr
    assert (copy / "profiles.parquet").read_bytes() == (people / "profiles.parquet").read_bytes()
    assert (copy / "failures.jsonl").read_bytes() == (people / "failures.jsonl").read_bytes()
    more = cityfolk({}, "write", copy, "--n", LIVES + 1, "--engine", first)
    assert more.returncode == 6 and "did not record" in more.stderr


@pytest.mark.long
def test_a_cache_is_shared_by_studies_and_its_replies_cost_nothing(town, stub_engines, tmp_path):
    one, two = (Path(shutil.copytree(town, tmp_path / name)) for name in ("one", "two"))
    for folder in (one, two):
        args = ("write", folder, "--n", 8, "--engine", "costly", "--cache", tmp_path / "c.sqlite")
        done = cityfolk(stub_engines, *args)
        assert done.returncode == 0, done.stderr
    assert (one / "profiles.parquet").read_bytes() == (two / "profiles.parquet").read_bytes()
    assert journal(one, "SELECT count(*) FROM calls WHERE faults = ''") == [(8,)]
    assert journal(two, "SELECT count(*) FROM calls WHERE faults = 'cached'") == [(8,)]
    # Nothing was paid in the second study, so a budget that the first has used up is still whole there.
    rest = ("--n", 10, "--engine", "costly", "--budget-tokens", 21_000)
    assert cityfolk(stub_engines, "write", one, *rest).returncode == 6
    assert cityfolk(stub_engines, "write", two, *rest).returncode == 0


@pytest.mark.long
def test_a_dry_run_asks_nobody_and_says_what_it_would_cost(study, people, stub_engines, tmp_path):
    file, folder = study("plain")
    prices = tmp_path / "prices.toml"
    row = '[models."plain@1"]\nprompt = 2\ncompletion = 10\nsource = "here"\ndate = "2026-01-31"\n'
    prices.write_text(row)
    env = {**stub_engines, "CITYFOLK_PRICES": str(prices)}
    before = cityfolk(env, "run", file, "--out", folder, "--dry-run", "--json")
    assert before.returncode == 0, before.stderr
    assert not folder.exists()  # people were built elsewhere, and nothing is kept
    plan = json.loads(before.stdout)
    (one,) = plan["engines"]
    assert plan["calls"] == one["calls"] == LIVES and one["prompt"] == "profile/2" and one["shared"] >= 0.9
    assert [m["role"] for m in plan["messages"]] == ["system", "user"] and "Name: " in plan["messages"][1]["content"]
    assert one["usd"] == pytest.approx((2 * one["prompt_tokens"] + 10 * one["completion_tokens"]) / 1e6)
    assert "characters a token" in one["how_prompt"] and "text field" in one["how_completion"]
    assert cityfolk(env, "write", people, "--n", 10, "--engine", "plain").returncode == 0
    later = json.loads(cityfolk(env, "write", people, "--n", 30, "--engine", "plain", "--dry-run", "--json").stdout)
    (one,) = later["engines"]
    assert (one["calls"], one["answered"]) == (20, 10)
    assert one["completion_tokens"] == 9 * 20 and "10 earlier calls" in one["how_completion"]
    unknown = cityfolk(stub_engines, "write", people, "--n", 30, "--engine", "plain", "--dry-run")
    assert "price: not known" in unknown.stdout and "prices.toml" in unknown.stdout


def test_a_package_installed_by_pip_brings_its_engine(tmp_path):
    code = (
        "from cityfolk.types import Reply\n\n\nclass Parrot:\n    name = 'parrot'\n\n"
        "    def __init__(self, rest):\n        self.model = f'parrot-{rest or 1}'\n\n"
        "    def generate(self, requests):\n        for request in requests:\n"
        "            yield request.key, Reply(text=request.messages[-1].content, model=self.model)\n"
    )
    about = "parrot_engine-1.0.dist-info"
    files = {
        "parrot_engine.py": code,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: parrot-engine\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[cityfolk.engines]\nparrot = parrot_engine:Parrot\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    wheel = tmp_path / "parrot_engine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    env = {"PYTHONPATH": str(target)}
    listed = json.loads(cityfolk(env, "engines", "--json").stdout)
    assert {"name": "parrot", "from": "parrot_engine:Parrot"} in listed["engines"]
    tried = cityfolk(env, "doctor", "--engine", "parrot:green", "--json")
    checks = {check["what"]: check for check in json.loads(tried.stdout)}
    assert checks["engine"]["found"] == "parrot, model parrot-green" and checks["a plain answer"]["ok"]
    assert not checks["a schema"]["ok"] and tried.returncode == 4  # it repeats the question, which is no JSON


def test_a_citizen_remembers_what_was_said(people, stub_engines):
    assert cityfolk(stub_engines, "write", people, "--n", 5, "--engine", "plain").returncode == 0
    written = ids(people)["person_id"].to_list()

    def ask(person, question, *more):
        return cityfolk(stub_engines, "ask", people, person, question, "--engine", "talker", "--json", *more)

    first = json.loads(ask(written[0], "How are   you?").stdout)
    assert (first["text"], first["turn"], first["conversation"], first["question"]) == (
        "1: How are you?",
        1,
        1,
        "How are you?",
    )
    assert json.loads(ask(written[0], "And now?").stdout)["text"] == "2: How are you? | 1: How are you? | And now?"
    assert json.loads(ask(written[1], "Hello?").stdout)["text"] == "1: Hello?"
    new = json.loads(ask(written[0], "Again?", "--new").stdout)
    assert (new["text"], new["turn"], new["conversation"]) == ("1: Again?", 1, 2)
    assert journal(people, "SELECT count(*) FROM calls WHERE stage = 'ask'") == [(4,)]
    script = (
        f"import cityfolk; c = cityfolk.citizen({str(people)!r}, {written[1]}, engine='talker')\n"
        "same = c.facts.person.person_id == c.profile['person_id']\n"
        "print(c.ask('From Python?'), len(c.conversation), same, sep='; ')\n"
    )
    env = {**os.environ, **stub_engines}
    python = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    assert python.stdout.startswith("2: Hello? | 1: Hello? | From Python?; 2; True"), python.stderr
    nobody = ask(10**6, "Hello?")
    assert nobody.returncode == 2 and "no person" in nobody.stderr
    unwritten = ask(next(i for i in range(100) if i not in written), "Hello?")
    assert (
        unwritten.returncode == 2
        and "has not been written" in unwritten.stderr
        and str(min(written)) in unwritten.stderr
    )
    empty = ask(written[0], "  ")
    assert empty.returncode == 2 and "empty" in empty.stderr
