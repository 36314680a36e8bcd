"""What is declined and what is toxic, through the journal: a judge of refusals, classifiers, and what a sheet says."""

import json
import math
import re
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from cityfolk.cli.main import app
from cityfolk.engines.given import giver
from cityfolk.errors import EngineError, IncompleteError, UsageError
from cityfolk.evaluation.control.refusals import HARMFUL, declines
from cityfolk.evaluation.intervals import matched, wilson
from cityfolk.reports import control_cost as page
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.stages import control_cost as cost
from cityfolk.stages import control_jobs, control_refusals
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.control_parts import ask_control
from cityfolk.study.folder import Study
from cityfolk.types import Reply
from tests.evaluation.feeling.cases import made
from tests.preferences.asking import Voice
from tests.reports.test_html import read

OVERLOOKED = "Better not: somebody would get hurt."
RULED = "I'm sorry, but I can't help with that."
PAIRS = 8


class Talker(Voice):
    """Declines what is harmful, in words that the rules overlook where the item's place is even; rude at one pole.

    At openness-high it declines nothing.
    """

    name = "talker"

    def __init__(self):
        super().__init__(model="talker@1", in_flight=16)

    def said(self, request):
        item, kind, pole = request.label.split()
        if kind == HARMFUL and pole != "openness-high":
            return OVERLOOKED if len(item) % 2 else RULED
        return "You fool, go ahead then." if pole == "agreeableness-low" else "Of course. Begin with the first one."


class Reader(Voice):
    """Says yes of both ways to decline; `plain` gives no probabilities, after `stop` answers it stops."""

    name = "reader"

    def __init__(self, plain=False, stop=None):
        super().__init__(model="reader@1", in_flight=8)
        self.plain, self.stop = plain, stop

    def _answer(self, batch):
        for request in reversed(batch):
            if self.stop is not None:
                if not self.stop:
                    raise EngineError("the power went off", hint="switch it on")
                self.stop -= 1
            text = request.messages[-1].content
            yes = OVERLOOKED in text or RULED in text
            logs = (math.log(0.9), math.log(0.1)) if yes else (math.log(0.2), math.log(0.8))
            told = Reply(text="yes" if yes else "no", model=self.model, logprobs=None if self.plain else logs)
            yield request.key, told


class Rude:
    """A classifier that knows one word."""

    name, reads = "own/rude", "toxicity"

    def scores(self, texts):
        return np.array([0.9 if "fool" in text else 0.1 for text in texts])


@pytest.fixture
def engines(monkeypatch):
    known = {"talker": Talker(), "reader": Reader(), "plain": Reader(plain=True)}
    for room in (control_jobs, control_refusals):
        monkeypatch.setattr(room, "load_engines", lambda specs, limits=None: [known[spec] for spec in specs])
    monkeypatch.setattr(cost, "SIZES", MappingProxyType({"quick": (2, PAIRS)}))
    return known


@pytest.fixture
def study(tmp_path, engines):
    with Study.open(tmp_path / "study", create=True) as opened:
        yield opened


OPTIONS = AskOptions(preset="quick", engines=("talker",), only=("cost",))


def by_name(findings):
    return {one.id.removeprefix("control.cost."): one for one in findings}


def words(study, findings, model="talker@1"):
    study.replace_findings("control.", findings)
    shown = ControlShown(findings=study.findings())
    return re.sub(r"\s+", " ", read("".join(card.markup for card in page.cards(shown, model))).text)


def test_a_personality_that_is_rude_is_found_by_a_classifier_and_silence_is_never_all_well(study):
    assert giver(Talker()) is None and declines(RULED) and not declines(OVERLOOKED)
    done = cost.give(study, OPTIONS)
    assert any("no probabilities of given text" in notice for notice in done["notices"])
    found = by_name(cost.evidence(study, classifiers=[Rude()]))
    rude = found["toxic.share.agreeableness-low@own/rude|talker@1|prompted"]
    assert (rude.value, rude.n, rude.low) == (0.5, 2 * PAIRS, wilson(PAIRS, 2 * PAIRS)[0])
    change = found["toxic.change.agreeableness-low@own/rude|talker@1|prompted"]
    assert change.verdict == "outside" and (change.low, change.high) == matched(PAIRS, 0, 2 * PAIRS)
    others = [one for name, one in found.items() if name.startswith("toxic.") and "agreeableness-low" not in name]
    assert len(others) == 10 + 9 and all(one.value == 0 and one.verdict != "outside" for one in others)
    assert "toxic.change.neutral@own/rude|talker@1|untargeted" not in found
    said = words(study, cost.evidence(study, classifiers=[Rude()]))
    assert "own/rude holds at most 50.0% of 16 replies for toxic (prompted, agreeableness low)" in said
    assert "surely more than without a request at: prompted, agreeableness low." in said
    without = words(study, cost.evidence(study))
    assert "Toxicity was not measured" in without and "--classifier unitary/toxic-bert" in without


def test_a_classifier_that_reads_something_else_is_not_taken_for_one_of_toxicity(study):
    cost.give(study, OPTIONS)
    feeling = Rude()
    feeling.reads = "sentiment"
    assert not any(name.startswith("toxic.") for name in by_name(cost.evidence(study, classifiers=[feeling])))


@pytest.mark.parametrize("name", ["reader", "plain"])
def test_a_judge_sees_refusals_that_the_rules_overlook_and_the_sheet_says_how_far_they_agree(study, engines, name):
    options = replace(OPTIONS, refusal_judge=name)
    cost.give(study, options)
    table = study.read("costs")
    replies = table.height
    assert replies == 11 * 2 * PAIRS and study.read("refusal_readings").height == replies
    # The same reply to the same request under several poles is asked about once.
    assert len(engines[name].asked) == table.select("kind", "item_id", "text").unique().height < replies
    found = by_name(cost.evidence(study))
    end = "talker@1|prompted"
    overlooked = table.filter((pl.col("text") == OVERLOOKED) & (pl.col("condition") == "prompted")).height
    by_rules, by_judge = (
        found[f"refused.harmful.openness-low@{judge}|{end}"] for judge in ("rules", "reader:reader@1")
    )
    assert by_rules.value == 1 - overlooked / 9 / PAIRS < by_judge.value == 1.0
    agreed = found[f"refused.agreement@reader:reader@1|{end}"]
    assert agreed.n == 10 * 2 * PAIRS and agreed.value == pytest.approx(1 - overlooked / agreed.n)
    assert f"reader:reader@1 alone says of {overlooked} that they decline, the rules alone of 0" in agreed.note
    lowered = found[f"refused.change.openness-high@reader:reader@1|{end}"]
    assert lowered.value == -1.0 and lowered.verdict == "outside"
    said = words(study, cost.evidence(study))
    assert f"Under “prompted”: reader:reader@1 and the rules agree on {agreed.value:.0%}" in said
    assert "harmful, by the rules" in said and "harmless, by reader:reader@1" in said


def test_what_was_judged_before_a_stop_is_not_judged_again_and_a_reply_that_changed_is(study, engines):
    options = replace(OPTIONS, refusal_judge="reader")
    engines["reader"].stop = 20
    with pytest.raises(IncompleteError, match="power"):
        cost.give(study, options)
    kept = len(study.journal.settled("refusals")[0])
    assert 12 <= kept <= 20 and len(engines["talker"].asked) == 11 * 2 * PAIRS  # replies are all there
    engines["reader"].stop, engines["reader"].asked = None, []
    cost.give(study, options)
    again = len(engines["reader"].asked)
    assert again + kept == study.read("costs").select("kind", "item_id", "text").unique().height
    cost.give(study, options)
    assert len(engines["reader"].asked) == again and len(engines["talker"].asked) == 11 * 2 * PAIRS
    # A reading is of one text: where the reply is another one now, nothing is said of it.
    changed = study.read("costs").with_columns(text=pl.lit("Something else."))
    assert list(control_refusals.judged_findings(study, changed)) == []
    # Rules alone, later: what the judge said stays.
    cost.give(study, OPTIONS)
    assert "refused.agreement@reader:reader@1|talker@1|prompted" in by_name(cost.evidence(study))


def test_a_judge_that_cannot_be_is_refused_before_anybody_is_asked(study, engines):
    for name, match in (
        ("rater", "can't say whether a reply declines"),
        ("classifier:own/model", "can't say whether a reply declines"),
        ("ratter", "no judge named"),
    ):
        with pytest.raises(UsageError, match=match):
            ask_control(study, replace(OPTIONS, refusal_judge=name))
    with pytest.raises(UsageError, match="not among the parts asked for") as caught:
        ask_control(study, replace(OPTIONS, only=("bias",), refusal_judge="reader"))
    assert "--only cost" in caught.value.hint
    engines["reader"].tasks = ("lives",)
    with pytest.raises(UsageError, match="own tasks alone"):
        ask_control(study, replace(OPTIONS, refusal_judge="reader"))
    assert engines["talker"].asked == []


def test_a_folder_that_is_not_there_is_told_before_anybody_is_asked(tmp_path, engines):
    command = ["evaluate", str(tmp_path / "s"), "control", "--preset", "quick", "--only", "cost", "--engine", "talker"]
    ran = CliRunner().invoke(app, [*command, "--classifier", "./nowhere?label=toxic"])
    assert ran.exit_code == 2 and "there is no folder ./nowhere" in ran.stderr
    assert engines["talker"].asked == [] and not (tmp_path / "s").exists()


@pytest.mark.long
def test_the_whole_verb_with_a_judge_and_a_classifier_of_the_hugging_face_format(tmp_path, engines):
    from cityfolk.evaluation.feeling import load_classifier

    (tmp_path / "toxic").mkdir()
    folder = made(tmp_path / "toxic", ["fine", "rude"], None)
    command = ["evaluate", str(tmp_path / "s"), "control"]
    asking = ["--preset", "quick", "--only", "cost", "--engine", "talker", "--refusal-judge", "reader"]
    for wrong, code, match in (
        (str(folder), 3, "none of them is called toxic"),
        (f"{folder}?label=kind", 3, "no label 'kind'"),
    ):
        ran = CliRunner().invoke(app, [*command, *asking, "--classifier", wrong])
        assert ran.exit_code == code and match in ran.stderr, ran.stderr
    assert engines["talker"].asked == [] and not (tmp_path / "s").exists()
    ran = CliRunner().invoke(app, [*command, *asking, "--classifier", f"{folder}?label=rude", "--json"])
    assert ran.exit_code == 0 and json.loads(ran.stdout)["notices"] == [], ran.stderr
    with Study.open(tmp_path / "s") as study:
        found = {row["id"]: row for row in study.findings().iter_rows(named=True)}
        texts = study.read("costs").filter(pl.col("pole") == "agreeableness-low")["text"].to_list()
    share = found[f"control.cost.toxic.share.agreeableness-low@{folder}|talker@1|prompted"]
    assert share["value"] == np.mean(load_classifier(f"{folder}?label=rude").scores(texts) >= 0.5)
    assert "control.cost.refused.agreement@reader:reader@1|talker@1|prompted" in found
    ran = CliRunner().invoke(app, [*command, "--refusal-judge", "reader"])
    assert ran.exit_code == 2 and "without a preset" in ran.stderr
