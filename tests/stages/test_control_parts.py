"""The parts of control joined: rounds, plans, a part that fails, and planted models through the whole verb."""

import json
from types import MappingProxyType

import polars as pl
import pytest
from typer.testing import CliRunner

from cityfolk.cli.main import app
from cityfolk.errors import EngineError, UsageError
from cityfolk.evaluation.adapted import without_adapter
from cityfolk.stages import ask_control, measure, questionnaire
from cityfolk.stages.ask_control import AskOptions, Preset, rounds
from cityfolk.stages.control_parts import PARTS, on_one_sheet, parts_of, plan_control, plan_words
from cityfolk.stages.control_parts import ask_control as ask
from cityfolk.stages.pages import make_report
from cityfolk.stages.questionnaire import QuestionnaireOptions
from cityfolk.study.folder import Study
from cityfolk.types import Finding
from tests.reports.test_html import read
from tests.stages import planted_control
from tests.training import runs

FIVE = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")


@pytest.fixture
def small(monkeypatch):
    """A preset of 16 vectors on 3 topics, and a questionnaire of 12 vectors in one way of asking."""
    monkeypatch.setattr(ask_control, "PRESETS", MappingProxyType({"quick": Preset(vectors=16, topics=3, samples=1)}))
    few = QuestionnaireOptions(targets=("sobol:12", "none"), option_orders=1)
    monkeypatch.setattr(questionnaire, "PRESETS", {"quick": few})


def test_the_name_of_a_model_loses_the_adapter_alone():
    for name, adapter, bare in (
        ("pocket-1@abc+diplomat@def", "diplomat", "pocket-1@abc"),
        ("Qwen3@abc+my-dpo@def?thinking=off", "my-dpo", "Qwen3@abc?thinking=off"),
        ("Qwen/Qwen3@abc+owner/my.dpo@def", "my.dpo", "Qwen/Qwen3@abc"),
        ("m@1+dpo2@3", "dpo", "m@1+dpo2@3"),
        ("gpt-4o", "diplomat", "gpt-4o"),
        ("m+tuned@1", "", "m+tuned@1"),
    ):
        assert without_adapter(name, adapter) == bare


def test_an_adapter_stands_on_the_sheet_of_its_model_and_has_no_voice_of_its_own():
    ids = ["a@keys|m@1|prompted", "a@keys|m@1+dpo@2|dpo", "a@keys|m@1+dpo@2|untargeted", "a@keys|m@1|untargeted", "b.c"]
    found = on_one_sheet([Finding(id=name, title="", value=0.0) for name in ids])
    assert [one.id for one in found] == [ids[0], "a@keys|m@1|dpo", *ids[3:]]


def test_engines_are_asked_in_rounds_of_one_persona_each_with_the_model_itself_first(tmp_path):
    for name, kind in (("diplomat", "persona"), ("vectors", "vectors")):
        runs.write_run(tmp_path / name, kind=kind)
    own = [f"pocket+{tmp_path}/{name}" for name in ("diplomat", "vectors", "mine")]
    asked = rounds(AskOptions(engines=(*own, "pocket"), persona="Analyst"))
    assert [(one.persona, one.engines) for one in asked] == [
        ("", ("pocket", own[1])),
        ("Diplomat", ("pocket", own[0])),
        ("Analyst", ("pocket", own[2])),
    ]
    assert [one.engines for one in rounds(AskOptions(engines=own[:1]))] == [(own[0],)]
    with pytest.raises(UsageError, match="beside the model"):
        rounds(AskOptions(engines=own[:2]))
    with pytest.raises(UsageError, match="could be Analyst"):
        rounds(AskOptions(engines=("pocket", own[0]), persona="Analyst"))
    assert rounds(AskOptions(engines=("ollama:a+b",)))[0].engines == ("ollama:a+b",)


def test_the_standard_preset_says_its_size_of_every_part_beforehand(tmp_path):
    runs.write_run(tmp_path / "diplomat", kind="persona")
    runs.write_run(tmp_path / "vectors", kind="vectors")
    plan = plan_control(AskOptions(preset="standard"))
    assert {name: part["calls"] for name, part in plan["parts"].items()} == {"text": 720, "questionnaire": 15_600}
    engines = ("pocket", f"pocket+{tmp_path}/vectors", f"pocket+{tmp_path}/diplomat")
    plan = plan_control(AskOptions(preset="standard", engines=engines))
    # The adapter for any vector answers all but what is asked without a request; the persona 10 topics 4 times.
    assert plan["parts"]["text"]["calls"] == 720 + 680 + 40
    assert plan["parts"]["questionnaire"]["calls"] == 2 * 15_600 + 240
    assert plan["personas"] == ["Diplomat"] and f"{plan['calls']:,} calls" in plan_words(plan)
    assert [part.NAME for part in parts_of(AskOptions(preset="full"))] == [part.NAME for part in PARTS]
    assert [part.NAME for part in parts_of(AskOptions(only=("questionnaire",)))] == ["questionnaire"]
    with pytest.raises(UsageError, match="no part 'dance'"):
        parts_of(AskOptions(only=("dance",)))


def test_a_study_that_began_with_a_model_asks_it_along(tmp_path):
    with Study.open(tmp_path / "s", create=True) as study:
        study.begin("answer", {"model": "m"}, free={"specs": ["pocket"]})
        assert rounds(AskOptions(engines=("hf:x+y",)), study)[0].engines == ("hf:x+y",)
        study.write("answers", pl.DataFrame({"answer_id": ["a"]}))
        assert rounds(AskOptions(engines=("hf:x+y",)), study)[0].engines == ("pocket", "hf:x+y")


def test_planted_models_through_the_whole_verb(tmp_path, monkeypatch, small):
    engines = planted_control.family(tmp_path)
    planted_control.known(monkeypatch, engines)
    runs.write_run(tmp_path / "analyst", kind="persona", target_name="Analyst")
    command = ["evaluate", str(tmp_path / "s"), "control", "--preset", "quick", "--json"]
    command += ["--judge", "rater", "--judge", "grammar"]
    for name in engines:
        command += ["--engine", name]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.stderr
    done = json.loads(ran.stdout)
    asked = [len(engine.asked) for engine in engines.values()]
    assert "quick: " in ran.stderr and f"{sum(asked):,} calls" in ran.stderr  # as many as were said beforehand
    lines = {row["condition"]: row for row in done["control"] if row["judge"] == "grammar"}
    assert {row["model"] for row in done["control"]} == {"planted@1"}  # an adapter is a condition of its model
    assert lines["prompted"]["slope"]["value"] < 0.7 * lines["vectors-dpo"]["slope"]["value"]
    scored = {row["condition"]: row for row in done["questionnaire"]}
    assert scored["prompted"]["slope"]["lowest"] == pytest.approx(0.5, abs=0.06)
    assert scored["vectors-dpo"]["slope"]["highest"] == pytest.approx(1.0, abs=0.06)
    with Study.open(tmp_path / "s") as study:
        said = read(make_report(study).read_text(encoding="utf-8")).text
        found = {row["id"]: row for row in study.findings().iter_rows(named=True)}
    assert "Use vectors-dpo." in said and "Adapters for one personality" in said
    for trait, wanted in zip(FIVE, (0.90, 0.60, 0.35, 0.25, 0.35), strict=True):
        one = found[f"control.questionnaire.planted@1+analyst@2.{trait}.at.Analyst"]
        assert one["expected"] == wanted and one["value"] == pytest.approx(wanted, abs=0.02)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and [len(engine.asked) for engine in engines.values()] == asked


def test_a_part_that_fails_does_not_lose_the_other(tmp_path, monkeypatch, small):
    def breaks(request):
        if request.choices:
            raise EngineError("the power went off", hint="switch it on")

    engine = planted_control.Planted(planted_control.half, breaks=breaks)
    planted_control.known(monkeypatch, {"planted": engine})
    command = ["evaluate", str(tmp_path / "s"), "control", "--preset", "quick", "--engine", "planted"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 6 and "questionnaire: the power went off" in ran.stderr and "switch it on" in ran.stderr
    assert "planted@1, prompted" in ran.stdout
    engine.breaks = lambda request: None
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0 and "IPIP-NEO-120: planted@1, prompted" in ran.stdout, ran.stderr


def test_what_cannot_be_measured_is_said_and_the_rest_is_measured(tmp_path, monkeypatch, small):
    planted_control.known(monkeypatch, {"planted": planted_control.Planted(planted_control.half)})
    with Study.open(tmp_path / "s", create=True) as study:
        ask(study, AskOptions(preset="quick", engines=("planted",), only=("text",), judges=("rater",)))
        study.write("responses", pl.DataFrame({"respondent_id": ["a"]}))
        summary = measure(study, ["control"])
        assert list(summary["failed"]) == ["questionnaire"]
        assert study.findings()["id"].str.starts_with("control.overall.").any()


def test_every_part_failing_raises_the_first_error(tmp_path, monkeypatch, small):
    def breaks(request):
        raise EngineError("nobody is there")

    planted_control.known(monkeypatch, {"planted": planted_control.Planted(planted_control.half, breaks=breaks)})
    with Study.open(tmp_path / "s", create=True) as study, pytest.raises(EngineError, match="nobody is there"):
        ask(study, AskOptions(preset="quick", engines=("planted",)))


def test_a_dry_run_counts_prices_and_leaves_nothing(tmp_path):
    command = ["evaluate", str(tmp_path / "new"), "control", "--preset", "quick", "--dry-run"]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.stderr
    assert "2,232 calls of pocket" in said.stdout and "192 calls" in said.stdout and "2,040 calls" in said.stdout
    assert "it costs nothing" in said.stdout and not (tmp_path / "new").exists()
    assert CliRunner().invoke(app, ["evaluate", str(tmp_path), "control", "--only", "text"]).exit_code == 2
