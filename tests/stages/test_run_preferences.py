"""A study.toml of preference data alone: questions, answers, judgings, pairs, by one engine written for the test."""

import json
import re

import polars as pl
import pytest

from cityfolk.config import parse_config
from cityfolk.errors import StudyError, UsageError
from cityfolk.personality.words import LEVELS, POLES
from cityfolk.stages import engines as loading
from cityfolk.stages.run import check_study, plan_study, run_study
from cityfolk.study.folder import Study
from cityfolk.types import Reply
from cityfolk.vocabulary import TRAITS

TEXT = """
seed = 3
[questions]
topics = 3
n = 4
engine = "scripted"
[answers]
engines = ["scripted"]
targets = ["archetypes", "sobol:4", "none"]
samples = 2
[judge]
judges = ["scripted", "lexicon"]
orders = 1
way = "schema"
[pairs]
name = "mine"
strategies = ["farthest", "base"]
margin = 0.1
"""
_LINE = re.compile(r"^(\w+): ((?:extremely |very )?(?:low|high)|average), ", re.MULTILINE)


class Scripted:
    """Asks numbered questions, answers with the words of the poles that it is asked for, judges by counting them."""

    name, model = "scripted", "scripted@1"

    def __init__(self):
        self.asked = []

    def generate(self, requests):
        for request in requests:
            self.asked.append(request)
            yield request.key, Reply(text=self.said(request), model=self.model, prompt_tokens=9, completion_tokens=9)

    def said(self, request):
        content = request.messages[-1].content
        if request.schema is None:
            return self.answer(content, request.sampling.sample)
        if "questions" in request.schema:
            return json.dumps({"questions": [self.question(request, i) for i in range(10)]})
        text = content.split("```")[1].split()
        return json.dumps({trait: self.score(trait, text) for trait in TRAITS})

    def question(self, request, number):
        mark = int(request.key[:8], 16) + number
        words = "apple bridge candle drum engine feather garden hammer island jacket".split()
        return "What would you do about " + " and the ".join(words[mark // 10**k % 10] for k in range(6)) + "?"

    def answer(self, content, sample):
        lines = []
        for trait, level in _LINE.findall(content):
            pole = POLES[trait.lower()]["high" in level]
            lines += [f"I am {word}." for word in pole[: abs(LEVELS.index(level) - 3)]]
        # The first sample lets more of it show; all are of one length.
        shown = lines if sample == 0 else lines[::2]
        words = " ".join(["Well, let me say how it is with me.", *shown]).split()
        return " ".join(words + ["so"] * (60 - len(words)))

    def score(self, trait, words):
        low, high = (sum(f"{word}." in words for word in pole) for pole in POLES[trait])
        return 50 + 16 * (high - low)


@pytest.fixture
def scripted(monkeypatch):
    engine = Scripted()
    load = loading.load_engine
    monkeypatch.setattr(loading, "load_engine", lambda spec: engine if spec == "scripted" else load(spec))
    return engine


def test_all_stages_in_order_and_again_without_asking(tmp_path, scripted):
    config = parse_config(TEXT, "f")
    check_study(config)
    with Study.open(tmp_path / "s", create=True) as study:
        plan = plan_study(study, config)
        assert plan["n"] == 4 and plan["then"] == [] and not scripted.asked
        done = run_study(study, config)
        assert done["incomplete"] is None, done["incomplete"]
        assert study.read("questions").height == 12
        answers, readings, pairs = study.read("answers"), study.read("readings"), study.read("pairs/mine")
        assert answers.height == 12 * 9 * 2 and set(answers["seed"]) == {3}
        assert readings.group_by("judge").len()["len"].to_list() == [answers.height] * 2
        assert set(pairs["strategy"]) == {"farthest", "base"} and pairs["target_name"].n_unique() > 4
        by = {row["answer_id"]: row for row in answers.iter_rows(named=True)}
        for row in pairs.iter_rows(named=True):
            chosen, rejected = by[row["chosen_id"]], by[row["rejected_id"]]
            assert chosen["target_name"] == row["target_name"] and chosen["question_id"] == rejected["question_id"]
            assert rejected["condition"] == ("untargeted" if row["strategy"] == "base" else "prompted")
        asked = len(scripted.asked)
        later = plan_study(study, config)
        assert [one["calls"] for one in (later, *later["then"])] == [0, 0]
        tables = dict(study.manifest["tables"])
        assert run_study(study, config)["incomplete"] is None
        assert len(scripted.asked) == asked
        assert study.manifest["tables"] == tables  # byte for byte
        with pytest.raises(StudyError, match="made with seed 3, not 4"):
            run_study(study, parse_config(TEXT.replace("seed = 3", "seed = 4"), "f"))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('"sobol:4"', '"sobal:4"', "there is no target 'sobal:4'"),
        ('"lexicon"', '"lexikon"', "lexikon"),
        ('"farthest"', '"furthest"', "there is no strategy"),
        ('name = "mine"', 'name = "../mine"', "cannot be named"),
        ("topics = 3", 'topics = ["moving-hous"]', "moving-hous"),
        ('engine = "scripted"', 'engine = "scripte"', "scripte"),
    ],
)
def test_what_can_be_checked_is_checked_first(scripted, was, now, said):
    assert was in TEXT
    with pytest.raises(UsageError, match=said):
        check_study(parse_config(TEXT.replace(was, now), "f"))


def test_answers_to_questions_that_are_there_are_planned(tmp_path, scripted):
    config = parse_config(TEXT, "f")
    with Study.open(tmp_path / "s", create=True) as study:
        run_study(study, parse_config(TEXT.split("[answers]")[0], "f"))
        plan = plan_study(study, config)
        assert plan["calls"] == 0 and [one["calls"] for one in plan["then"]] == [12 * 9 * 2]
        assert study.read("questions").select(pl.len()).item() == 12
