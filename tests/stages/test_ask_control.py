"""`--preset`: how much is asked is said before, all of it is asked once, and a planted engine is diagnosed by it."""

import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from cityfolk.errors import UsageError
from cityfolk.pocket.answering import write_answer
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages import answers as answering
from cityfolk.stages import control_text, measure
from cityfolk.stages.ask_control import PRESETS, AskOptions, Preset, control_questions
from cityfolk.study.folder import Study
from tests.preferences.asking import Voice


class Obeying(Voice):
    """Writes by the grammar what the prompt's five percentiles ask for; without them in a voice of its own."""

    name = "obeying"

    def said(self, request):
        text = request.messages[-1].content
        ranks = [int(rank) / 100 for rank in re.findall(r", (\d+)(?:st|nd|rd|th) of 100 adults", text)]
        topic = next(one for one in topics() if one.phrase in text)
        z = ndtri(ranks) if ranks else np.array([0.1, 0.3, 0.2, 0.9, -0.7])
        return write_answer(topic.phrase, topic.facets, z, child(0, "obeying", request.key))


def test_what_is_asked_is_said_before_and_is_what_it_says():
    assert PRESETS["standard"].answers == 10 * (68 + 4) == 720
    judges = ("rater", "openai:m@http://localhost:1/v1")
    plan = control_text.plan(AskOptions(engines=("pocket", "hf:x"), judges=judges))
    assert plan["answers"] == 1440 and plan["calls_to_judge"] == 14_400 and plan["calls"] == 15_840
    assert "68 personalities on 10 topics" in plan["words"] and "1,440 answers" in plan["words"]
    assert AskOptions(engines=("pocket+adapters/x",)).readers[-1] == "grammar"
    assert AskOptions(engines=("pocket",)).readers == ("rater", "lexicon", "grammar")
    assert AskOptions(engines=("hf:x",)).readers == ("rater", "lexicon")
    assert "need no calls" in control_text.plan(AskOptions())["words"]
    with pytest.raises(UsageError, match="no preset"):
        AskOptions(preset="huge")


def test_questions_are_the_same_for_every_model_and_on_topics_that_are_held_out():
    few, many = control_questions(8), control_questions(40)
    assert few.height == few["topic"].n_unique() == 8 and set(few["split"]) == {"held-out"}
    assert few.join(many, on=["question_id", "text"], how="semi").height == 8
    assert all(text.endswith("?") for text in many["text"])
    with pytest.raises(UsageError, match="held-out topics"):
        control_questions(41)


def test_an_engine_that_obeys_is_asked_once_and_found_to_obey(tmp_path, monkeypatch):
    engine = Obeying()
    monkeypatch.setattr(answering, "load_engines", lambda names, limits: [engine])
    monkeypatch.setattr("cityfolk.stages.ask_control.PRESETS", {"quick": Preset(vectors=8, topics=3, samples=1)})
    options = AskOptions(preset="quick", engines=("obeying",), judges=("rater", "grammar"))
    with Study.open(tmp_path / "s", create=True) as study:
        done = control_text.give(study, options)
        assert done["answers"] == options.size.answers == 3 * (12 + 4) == len(engine.asked)
        control_text.give(study, options)
        assert len(engine.asked) == 48  # nothing is asked twice
        measure(study, ["control"])
        found = {row["id"].removeprefix("control."): row for row in study.findings().iter_rows(named=True)}
        answers = study.read("answers")
    assert answers.filter(pl.col("condition") == "untargeted").height == 12
    assert found["overall.slope@grammar|voice@1|prompted"]["value"] == pytest.approx(0.95, abs=0.12)
    assert found["difference.mae@grammar|voice@1|prompted|untargeted"]["high"] < 0
    assert found["overall.slope@rater|voice@1|prompted"]["low"] > 0


def test_the_command_line_says_how_much_and_asks_nobody(tmp_path):
    command = [sys.executable, "-m", "cityfolk", "evaluate", str(tmp_path / "new"), "control"]
    said = subprocess.run([*command, "--preset", "standard", "--dry-run"], capture_output=True, text=True)
    assert said.returncode == 0 and "16,320 calls of pocket" in said.stdout and "720 answers" in said.stdout, (
        said.stderr
    )
    assert not (tmp_path / "new").exists()
    wrong = subprocess.run([*command, "--engine", "pocket"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "preset" in wrong.stderr
