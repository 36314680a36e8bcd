"""Answers: asked once each, kept beside one another, refused in sentences, the same table however they came about."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from cityfolk.errors import EngineError, IncompleteError, StudyError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences import answers as made
from cityfolk.preferences.answers import SORTED_BY, choose_questions, is_refusal, parse_answer
from cityfolk.preferences.prompts import UNTARGETED_GUIDANCE, answer_messages
from cityfolk.preferences.records import ANSWERS
from cityfolk.stages import answers as stage
from cityfolk.stages.answers import AnswerOptions, answer_questions, plan_answers
from cityfolk.study.folder import Study
from cityfolk.types import Reply, Request
from tests.preferences.asking import TOPICS, Voice, questions, study_of

ASKED = Request(messages=answer_messages("Why is soup cold?", ARCHETYPES["Analyst"]), model="m")


def said(text):
    return Reply(text=text, model="m")


@pytest.fixture
def voices(monkeypatch):
    """Engines by the names under which the test asks for them."""
    known = {"voice": Voice()}
    monkeypatch.setattr(stage, "load_engines", lambda specs, limits=None: [known[spec] for spec in specs])
    return known


@pytest.fixture
def study(tmp_path, voices):
    with Study.open(study_of(tmp_path / "s")) as opened:
        yield opened


def ask(study, **options):
    return answer_questions(study, AnswerOptions(**({"engines": ("voice",)} | options)))


# -- one answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "  \n", "...", "Why is soup cold?", "Question: why is soup cold", '"Why is soup cold?"']
)
def test_nothing_and_the_question_again_are_no_answers(text):
    with pytest.raises(ValueError, match=r"nothing is said|only said again"):
        parse_answer(ASKED, said(text))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  I eat it cold.\n", "I eat it cold."),
        ("Answer: I eat it cold.", "I eat it cold."),
        ("**Answer:** I eat it cold.", "I eat it cold."),
        ("Why is soup cold? I forget it on the stove.", "Why is soup cold? I forget it on the stove."),
        ("As an AI, I do not eat.", "As an AI, I do not eat."),
    ],
)
def test_an_answer_is_its_text_alone(text, kept):
    assert parse_answer(ASKED, said(text)) == kept


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("As an AI language model, I have no feelings.", True),
        ("I'm sorry, but I can't answer that.", True),
        ("I cannot help with this request.", True),
        ("I'm an AI, so soup means little to me.", True),
        ("I can't help laughing when soup goes cold.", True),  # known to be taken wrongly: a count, not a filter
        ("I'm sorry for the cook, and I cannot stand cold soup.", False),
        ("I work with AI language tools all day.", False),
        ("I told him as an aide would.", False),
    ],
)
def test_refusals_are_told(text, refused):
    assert is_refusal(text) == refused


# -- which questions --------------------------------------------------------------------------------------------------


def test_questions_are_taken_topic_by_topic_in_turns_and_only_ever_more():
    table = questions(n=3)
    everything = choose_questions(table)
    assert [question[0] for question in everything[:5]] == [*(f"{topic}-000" for topic in TOPICS), f"{TOPICS[0]}-001"]
    for limit in range(1, 13):
        assert choose_questions(table, limit=limit) == everything[:limit]
    assert choose_questions(table, per_topic=2) == everything[:8]
    assert [q for q, _ in choose_questions(table, split="held-out")] == [f"dancing-00{i}" for i in range(3)]
    with pytest.raises(UsageError, match="no questions of the split held-out"):
        choose_questions(questions(held_out=0), split="held-out")
    with pytest.raises(UsageError, match="there is no split 'test'"):
        choose_questions(table, split="test")


# -- the table --------------------------------------------------------------------------------------------------------


def test_every_question_target_and_sample_has_its_row(study, voices):
    done = ask(study)
    table = study.read("answers")
    assert done["answers"] == table.height == 12 * (4 + 1) * 2 == len(voices["voice"].asked)
    assert table.schema == pl.Schema(ANSWERS) and table["answer_id"].n_unique() == table.height
    assert table.equals(table.sort(SORTED_BY))
    for row in table.iter_rows(named=True):
        target = ARCHETYPES.get(row["target_name"])
        assert row["condition"] == ("prompted" if target else "untargeted")
        assert [row[f"target_{trait}"] for trait, _ in ARCHETYPES["Analyst"].items()] == (
            [value for _, value in target.items()] if target else [None] * 5
        )
        text = next(t for q, t in choose_questions(study.read("questions")) if q == row["question_id"])
        heard = answer_messages(text, target)[-1].content.replace("\n", " / ")
        assert row["text"] == f"I am voice@1, sample {row['sample']}, and I heard: {heard}"
        assert (row["seed"], row["finish"], row["prompt_tokens"], row["adapter"]) == (5, "stop", 80, "")


def test_topics_that_come_later_change_no_choice(tmp_path, voices):
    every = questions(n=3, held_out=0)
    early = every.filter(pl.col("topic").is_in(TOPICS[1:3]))
    with Study.open(study_of(tmp_path / "s", early)) as study:
        ask(study, targets=("none",), samples=1, limit=3)
        chosen = study.read("answers")["question_id"].to_list()
        assert chosen == [f"{TOPICS[1]}-000", f"{TOPICS[1]}-001", f"{TOPICS[2]}-000"]
        study.write("questions", every)
        calls = len(voices["voice"].asked)
        for targets in ("none", "Analyst"):
            ask(study, targets=(targets,), samples=1, limit=3)
        assert study.read("answers")["question_id"].unique().sort().to_list() == chosen
        assert len(voices["voice"].asked) == calls + 3
        ask(study, targets=("none",), samples=1, limit=5)
        later = set(study.read("answers")["question_id"]) - set(chosen)
        assert later == {f"{TOPICS[0]}-000", f"{TOPICS[3]}-000"}


def test_a_finished_job_asks_nobody_and_makes_the_same_bytes(study, voices):
    ask(study)
    digest, calls = study.manifest["tables"]["answers"]["sha256"], len(voices["voice"].asked)
    ask(study)
    assert study.manifest["tables"]["answers"]["sha256"] == digest and len(voices["voice"].asked) == calls


def test_asking_for_more_adds_and_changes_no_row(tmp_path, voices):
    """Targets, samples and questions, in two orders: the table is the one of asking for all at once."""
    wanted = {"targets": ("archetypes,sobol:4,none",), "samples": 3}
    with Study.open(study_of(tmp_path / "whole")) as whole:
        ask(whole, **wanted)
        everything = whole.read("answers")
    steps = [
        {"targets": ("none",), "samples": 1, "questions_per_topic": 1},
        {"targets": ("sobol:2",), "samples": 3, "split": "held-out"},
        {"targets": ("archetypes",), "samples": 2, "limit": 5},
        wanted,
    ]
    for name, order in {"up": steps, "down": [*steps[2::-1], wanted]}.items():
        voices["voice"].asked.clear()
        with Study.open(study_of(tmp_path / name)) as study:
            seen = None
            for one in order:
                ask(study, **one)
                table = study.read("answers")
                if seen is not None:
                    assert seen.join(table, on=seen.columns, how="anti", nulls_equal=True).is_empty()
                    assert table.height >= seen.height
                assert table.equals(table.sort(SORTED_BY))
                seen = table
            assert seen.equals(everything)
        assert len(voices["voice"].asked) == everything.height  # each asked once


def test_the_table_is_made_in_parts_of_any_size(tmp_path, voices, monkeypatch):
    tables = []
    for size in (1, 7, 31, 10**6):
        monkeypatch.setattr(made, "_CHUNK", size)
        with Study.open(study_of(tmp_path / str(size))) as study:
            ask(study, targets=("archetypes",), samples=1, split="train")
            ask(study, targets=("none",), samples=2)
            tables.append(study.read("answers"))
    assert all(table.equals(tables[0]) for table in tables[1:])


def test_untargeted_answers_hold_nothing_but_the_question_and_equal_questions_are_asked_once(tmp_path, voices):
    table = questions()
    table = table.with_columns(text=pl.lit("What would you change?"))
    with Study.open(study_of(tmp_path / "s", table)) as study:
        ask(study, targets=("none",))
        assert study.read("answers").height == 24
        assert len(voices["voice"].asked) == 2  # one a sample
        first = voices["voice"].asked[0]
        assert [m.content for m in first.messages] == [UNTARGETED_GUIDANCE, "Question: What would you change?"]
        assert first.schema is None and first.sampling.temperature == 0.8 and first.sampling.max_tokens == 220
        assert study.read("answers")["answer_id"].n_unique() == 24


def test_several_engines_answer_beside_one_another_and_the_first_is_fixed(study, voices):
    voices["other"] = Voice("other@2")
    ask(study, engines=("voice", "other"))
    table = study.read("answers")
    assert table.group_by("model").len().sort("model").rows() == [("other@2", 120), ("voice@1", 120)]
    assert table["answer_id"].n_unique() == 240 and table.equals(table.sort(SORTED_BY))
    ask(study)  # the other's answers stay
    assert study.read("answers").equals(table)
    with pytest.raises(StudyError, match="model was 'voice@1' and is now 'other@2'") as caught:
        ask(study, engines=("other",))
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("changed", "key"), [({"temperature": 0.1}, "temperature was 0.8 and is now 0.1"), ({"seed": 6}, "seed 5, not 6")]
)
def test_another_config_is_refused_and_leaves_the_table(study, changed, key):
    ask(study)
    before = study.read("answers")
    with pytest.raises(StudyError, match=key) as caught:
        ask(study, **changed)
    assert caught.value.exit_code == 5 and study.read("answers").equals(before)


def test_an_adapter_is_a_condition_and_a_persona_is_asked_without_a_vector(study, voices):
    tuned = Voice("voice@1+Diplomat@2")
    tuned.adapter = "adapters/Diplomat"
    voices["tuned"] = tuned
    ask(study, engines=("voice", "tuned"), persona="Diplomat", samples=1)
    rows = study.read("answers").filter(pl.col("adapter") == "Diplomat")
    assert rows.height == 12 and set(rows["condition"]) == {"Diplomat"} == set(rows["target_name"])
    assert all(len(request.messages[-1].content.splitlines()) == 1 for request in tuned.asked)
    ask(study, engines=("voice", "tuned"), targets=("Diplomat",), samples=1)  # with a vector: other answers
    both = study.read("answers").filter(pl.col("adapter") == "Diplomat")
    assert both.height == 24 == both["answer_id"].n_unique() and both["prompt_hash"].n_unique() == 2
    with pytest.raises(UsageError, match="no engine has an adapter that could be Diplomat"):
        ask(study, persona="Diplomat")
    with pytest.raises(UsageError, match="there is no persona 'Diplomt'"):
        ask(study, engines=("tuned",), persona="Diplomt")


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_cut_answers_are_kept_and_told(study, voices):
    voices["voice"].spoil = lambda request: (
        voices["voice"].reply("I began and", finish="length", completion_tokens=220)
        if "dancing" in request.label
        else None
    )
    done = ask(study, targets=("none",), samples=1)
    assert study.read("answers").filter(pl.col("finish") == "length")["question_id"].to_list() == [
        f"dancing-00{i}" for i in range(3)
    ]
    assert done["cut"] == 3 and "3 of 12 answers were cut off at 220 tokens" in done["notices"]
    assert len(voices["voice"].asked) == 12  # not asked again


def test_what_is_never_said_is_a_failure_and_tried_again(study, voices):
    voices["voice"].spoil = lambda request: voices["voice"].reply("...") if "dancing-001" in request.label else None
    with pytest.raises(IncompleteError, match=r"2 of 24 answers are missing") as caught:
        ask(study, targets=("none",))
    assert caught.value.exit_code == 6 and study.read("answers").height == 22
    assert [row["label"] for row in study.failures()] == [f"dancing-001 untargeted {i}" for i in range(2)]
    assert study.failures()[0]["reason"] == "nothing is said" and study.failures()[0]["raw"] == "..."
    voices["voice"].spoil = lambda request: None
    ask(study, targets=("Analyst",), samples=1)  # another job: those failures are still open
    assert len(study.failures()) == 2
    ask(study, targets=("none",))
    assert study.failures() == [] and study.read("answers").height == 24 + 12


def test_an_engine_that_stops_keeps_what_was_answered(study, voices):
    def spoil(request):
        if len(voices["voice"].asked) > 60:
            raise EngineError("the key is refused", hint="another key")

    voices["voice"].spoil = spoil
    with pytest.raises(IncompleteError, match="the key is refused; 60 of 120 answers are kept"):
        ask(study)
    assert study.read("answers").height == 60
    voices["voice"].spoil = lambda request: None
    ask(study)
    assert study.read("answers").height == 120


def test_an_engine_that_never_answered_does_not_fix_the_study(study, voices):
    def refuse(request):
        raise EngineError("nobody listens", hint="start the server")

    voices["dead"] = Voice("dead@1", spoil=refuse)
    with pytest.raises(EngineError, match="nobody listens"):
        ask(study, engines=("dead",))
    assert not study.has("answers")
    ask(study)
    assert study.config("answer")["model"] == "voice@1"


def test_without_questions_there_is_a_next_step(tmp_path, voices):
    with Study.open(tmp_path / "s", create=True) as study, pytest.raises(StudyError) as caught:
        ask(study)
    assert "cityfolk questions" in caught.value.hint


# -- dry run ----------------------------------------------------------------------------------------------------------


def test_a_plan_counts_what_is_open_and_asks_nobody(study, voices):
    plan = plan_answers(study, AnswerOptions(engines=("voice",)))
    assert (plan["answers"], plan["calls"], plan["questions"], plan["targets"]) == (120, 120, 12, 5)
    assert not voices["voice"].asked and not study.has("answers")
    ask(study, targets=("none",), samples=1, limit=7)
    plan = plan_answers(study, AnswerOptions(engines=("voice",)))
    assert (plan["calls"], plan["engines"][0]["answered"]) == (113, 7)
    assert plan["engines"][0]["completion_tokens"] == 113 * 40  # the mean of what was answered
    assert plan["messages"][0]["role"] == "system" and len(plan["messages"][1]["content"].splitlines()) == 7


# -- the command ------------------------------------------------------------------------------------------------------

SLOW = """
import time
from cityfolk.types import Reply

class Slow:
    name, model = "slow", "slow@1"

    def generate(self, requests):
        for request in requests:
            time.sleep(0.004)
            yield request.key, Reply(text=f"I would say {request.key[:8]} to that.", model=self.model)

def make(rest):
    return Slow()
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """The environment in which `cityfolk` finds an engine that takes four milliseconds an answer."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "slow_engine.py").write_text(SLOW)
    about = folder / "slow_engine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-engine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[cityfolk.engines]\nslow = slow_engine:make\n")
    return os.environ | {"PYTHONPATH": str(folder)}


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "cityfolk", "answer", str(folder), "--engine", "slow", *more]


def calls(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder / 'calls.sqlite'}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM calls").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.long
@pytest.mark.parametrize("at", [3, 40, 77, 110])
def test_killed_anywhere_the_same_command_gives_the_same_table(tmp_path, slow, at):
    whole, killed = study_of(tmp_path / "whole"), study_of(tmp_path / "killed")
    assert subprocess.run(command(whole), env=slow, capture_output=True).returncode == 0
    process = subprocess.Popen(command(killed), env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and calls(killed) < at:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL and at <= calls(killed) < 120
    done = subprocess.run(command(killed, "--json"), env=slow, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["answers"] == 120, done.stderr
    assert (killed / "answers.parquet").read_bytes() == (whole / "answers.parquet").read_bytes()
    with sqlite3.connect(killed / "calls.sqlite") as db:  # nothing that was committed was asked again
        assert db.execute("SELECT count(*), count(DISTINCT key) FROM calls").fetchone() == (120, 120)


@pytest.mark.long
def test_the_command_says_what_it_did_and_what_it_would_do(tmp_path, slow):
    folder = study_of(tmp_path / "s")
    plan = subprocess.run(
        command(folder, "--dry-run", "--targets", "sobol:3,none"), env=slow, capture_output=True, text=True
    )
    assert plan.returncode == 0, plan.stderr
    assert "12 questions, 4 targets, 2 samples of each: 96 answers" in plan.stdout and "calls       96" in plan.stdout
    assert not (folder / "answers.parquet").exists()
    for words, code, text in (
        (("--targets", "sobo:3"), 2, "did you mean 'sobol:N'"),
        (("--split", "test"), 2, "no split 'test'"),
        (("--engine", "pocket+nowhere"), 4, "nowhere"),
        (("--targets", "people:2"), 5, "has no people.parquet"),
    ):
        done = subprocess.run(command(folder, *words), env=slow, capture_output=True, text=True)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    done = subprocess.run(command(folder, "--limit", "2"), env=slow, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("20 answers: "), done.stderr
    seed = subprocess.run(command(folder, "--seed", "9"), env=slow, capture_output=True, text=True)
    assert seed.returncode == 5 and "seed 5, not 9" in seed.stderr


def test_a_name_belongs_to_one_vector(study, tmp_path):
    path = tmp_path / "mine.csv"
    head = "name,openness,conscientiousness,extraversion,agreeableness,neuroticism\n"
    path.write_text(f"{head}mine,.1,.2,.3,.4,.5\n")
    ask(study, targets=(str(path),))
    before = study.read("answers")
    path.write_text(f"{head}mine,.9,.2,.3,.4,.5\n")
    with pytest.raises(UsageError, match="answers under another vector called 'mine'"):
        ask(study, targets=(str(path),))
    assert study.read("answers").equals(before)
