"""`questions` as a stage and as a command: the folder it leaves, refusals, plans, and a process that is killed."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cityfolk.cli.main import app
from cityfolk.errors import EngineError, IncompleteError, StudyError, UsageError
from cityfolk.preferences.records import QUESTIONS
from cityfolk.stages import QuestionOptions, ask_for_questions, plan_questions, questions
from cityfolk.study.folder import Study
from tests.preferences.makers import Lively, Parrot, Shuffled

ROOT = Path(__file__).parents[2]
N, CALLS = 80, 60  # questions a topic that the killed process makes, and the fewest calls that takes


@pytest.fixture
def engine(monkeypatch):
    """Let every name be this one engine; return it."""
    made = Lively()
    monkeypatch.setattr(questions, "load_engines", lambda specs, limits=None: [made])
    return made


def ask(folder, **options):
    with Study.open(folder, create=True) as study:
        return ask_for_questions(study, QuestionOptions(engine="scripted", **options))


def read(folder):
    with Study.open(folder, read_only=True) as study:
        return study.read("questions")


def test_what_a_study_holds_afterwards(tmp_path, engine):
    done = ask(tmp_path / "s", n=7, topics=3, seed=5)
    table = read(tmp_path / "s")
    assert dict(table.schema) == dict(QUESTIONS) and table.height == done["questions"] == 21
    assert set(table["seed"]) == {5}
    stage = json.loads((tmp_path / "s" / "manifest.json").read_text())["stages"]["questions"]
    assert stage["config"]["seed"] == 5 and stage["config"]["model"] == "scripted@1"
    assert stage["free"] == {"n": 7, "topics": 3, "spec": "scripted"}
    facts = stage["facts"]
    copies = sum(facts[f"{what}_{where}_topics"] for what in ("exact", "near") for where in ("within", "across"))
    assert facts["asked"] == facts["kept"] + copies + sum(facts["rejected"].values()) == 150
    paid = len(engine.calls)
    bytes_before = (tmp_path / "s" / "questions.parquet").read_bytes()
    again = ask(tmp_path / "s", n=7, topics=3)  # the seed is the study's
    assert len(engine.calls) == paid and (tmp_path / "s" / "questions.parquet").read_bytes() == bytes_before
    assert {name: again[name] for name in ("asked", "kept", "rejected")} == {
        name: done[name] for name in ("asked", "kept", "rejected")
    }


def test_another_config_is_refused_and_another_number_is_not(tmp_path, engine):
    ask(tmp_path / "s", n=5, topics=("rush-hour",))
    for wrong, why in (({"temperature": 0.2}, "sampling"), ({"seed": 3}, "seed")):
        with pytest.raises(StudyError, match=why):
            ask(tmp_path / "s", n=5, topics=("rush-hour",), **wrong)
    engine.model = "scripted@2"
    with pytest.raises(StudyError, match="model was 'scripted@1' and is now 'scripted@2'"):
        ask(tmp_path / "s", n=5, topics=("rush-hour",))
    engine.model = "scripted@1"
    ask(tmp_path / "s", n=6, topics=("moving-house",))
    fewer = ask(tmp_path / "s", n=2, topics=("rush-hour",))
    assert fewer["notices"] == ["the table holds 11 questions: those of earlier commands stay"]
    names = [f"moving-house-{n:03}" for n in range(6)] + [f"rush-hour-{n:03}" for n in range(5)]
    assert read(tmp_path / "s")["question_id"].to_list() == names


def test_too_few_is_exit_6_and_says_how_many(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(questions, "load_engines", lambda specs, limits=None: [Parrot()])
    with pytest.raises(IncompleteError, match="10 of 60 distinct questions could be had; 3 of 3 topics have too few"):
        ask(tmp_path / "s", n=20, topics=3)
    assert read(tmp_path / "s").height == 10
    with Study.open(tmp_path / "s", read_only=True) as study:
        assert [row["label"] for row in study.failures()] == [one.id for one in QuestionOptions(topics=3).chosen()]
    result = CliRunner().invoke(app, ["questions", str(tmp_path / "t"), "--n", "20", "--topics", "3"])
    assert result.exit_code == 6 and "10 of 60" in result.stderr


def test_the_plan_is_what_is_asked_at_the_least(tmp_path, engine):
    options = QuestionOptions(n=25, topics=4, engine="scripted")
    plan = plan_questions(None, options)
    assert plan["calls"] == 4 * 5 and (plan["topics"], plan["n"]) == (4, 25) and not engine.calls
    assert "Bring out:" in plan["messages"][1]["content"] and plan["engines"][0]["completion_tokens"] > 0
    ask(tmp_path / "s", n=25, topics=3)
    with Study.open(tmp_path / "s", read_only=True) as study:
        more = plan_questions(study, options)
        assert more["calls"] == 5  # the fourth topic's
        assert more["engines"][0]["completion_tokens"] == 5 * 150  # as the earlier calls
        twice = plan_questions(study, QuestionOptions(n=100, topics=3, engine="scripted"))
        assert twice["calls"] + twice["engines"][0]["answered"] == 3 * 5 * 2 and twice["engines"][0]["answered"] >= 15


def test_wrong_topics_are_refused_before_a_folder_is_made(tmp_path, engine):
    runner = CliRunner()
    for arguments, why in (
        (["--topic", "rush-our"], "did you mean 'rush-hour'?"),
        (["--topics", "211"], "there are 210"),
        (["--topics", "3", "--topic", "rush-hour"], "cannot be given together"),
    ):
        result = runner.invoke(app, ["questions", str(tmp_path / "s"), *arguments])
        assert result.exit_code == 2 and why in result.stderr
    assert not (tmp_path / "s").exists()
    with pytest.raises(UsageError, match="0 questions"):
        QuestionOptions(n=0).chosen()


def test_the_command_prints_one_document(tmp_path, engine):
    runner = CliRunner()
    plan = runner.invoke(app, ["questions", str(tmp_path / "s"), "--topics", "2", "--n", "10", "--dry-run", "--json"])
    assert plan.exit_code == 0 and json.loads(plan.stdout)["calls"] == 10 and not (tmp_path / "s").exists()
    done = runner.invoke(app, ["questions", str(tmp_path / "s"), "--topics", "2", "--n", "10", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["questions"] == 20
    words = runner.invoke(app, ["questions", str(tmp_path / "s"), "--topics", "2", "--n", "10"])
    assert words.stdout.startswith("20 distinct questions (of 100 read")


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.preferences.makers", str(folder), str(N)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def committed(folder):
    try:
        with sqlite3.connect(f"file:{folder / 'calls.sqlite'}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM calls").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def kill_and_finish(tmp_path, engine, numbers):
    """Kill a process at these numbers of calls, finish it, and compare with a run that nobody disturbed."""
    engine.calls.clear()
    ask(tmp_path / "calm", n=N, topics=6)
    assert len(engine.calls) > CALLS
    for at in numbers:
        process = start(tmp_path / "s")
        while process.poll() is None and committed(tmp_path / "s") < at:
            time.sleep(0.002)
        process.kill()
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it ended before it could be killed: {err}"
        assert not (tmp_path / "s" / "questions.parquet").exists()
    process = start(tmp_path / "s")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert read(tmp_path / "s").equals(read(tmp_path / "calm"))
    assert committed(tmp_path / "s") == len(engine.calls)  # what was answered before a kill was not asked again


class Dying(Shuffled):
    """Stops for good after some calls."""

    def __init__(self, after):
        super().__init__(after)
        self.after = after

    def reply(self, request):
        if len(self.calls) >= self.after:
            raise EngineError("the key is refused", hint="another key")
        return super().reply(request)


def test_an_engine_that_stops_is_continued_to_the_same_table(tmp_path, engine, monkeypatch):
    ask(tmp_path / "calm", n=60, topics=4)
    calls = len(engine.calls)
    paid = 0
    for after in (1, 7, 13):
        dying = Dying(after)
        monkeypatch.setattr(questions, "load_engines", lambda specs, limits=None, one=dying: [one])
        with pytest.raises(EngineError, match="the key is refused"):
            ask(tmp_path / "s", n=60, topics=4)
        paid += after
        assert not (tmp_path / "s" / "questions.parquet").exists()
    lively = Lively()
    monkeypatch.setattr(questions, "load_engines", lambda specs, limits=None: [lively])
    ask(tmp_path / "s", n=60, topics=4)
    assert read(tmp_path / "s").equals(read(tmp_path / "calm"))
    # A reply that was not committed when the engine stopped is paid again.
    assert calls - paid <= len(lively.calls) <= calls


@pytest.mark.long
@pytest.mark.parametrize("number", range(4))
def test_killed_twice_anywhere_it_is_continued_to_the_same_table(tmp_path, engine, number):
    kill_and_finish(tmp_path, engine, sorted(random.Random(number).sample(range(1, CALLS), 2)))
