"""A dry run of control: calls, tokens and dollars of every part beforehand are those that are asked and paid."""

from types import MappingProxyType

import pytest

from cityfolk.engines.wrapper import CHARACTERS_PER_TOKEN
from cityfolk.stages import answers as asked_answers
from cityfolk.stages import (
    control_bias,
    control_cost,
    control_culture,
    control_estimates,
    control_jobs,
    control_refusals,
    control_situations,
    control_stability,
    control_text,
    questionnaire,
)
from cityfolk.stages.ask_control import AskOptions, Preset, control_questions
from cityfolk.stages.asked import SENTENCES
from cityfolk.stages.control_estimates import estimated
from cityfolk.stages.control_parts import plan_control, plan_words
from cityfolk.stages.plan import Sample
from cityfolk.study.folder import Study
from cityfolk.types import Message, Reply, Request
from tests.preferences.asking import Voice

PARTS = {
    control_situations: (3, 1),
    control_stability: control_stability.Size(2, 2, 1, 1),
    control_culture: control_culture.Size(topics=1, where=2, who=1),
    control_bias: (1, 1, 1),
    control_cost: (2, 2),
}
PRICES = '[models."{}"]\nprompt = 3.0\ncompletion = 15.0\nsource = "made for this test"\ndate = "2026-01-31"\n'


class Talkative(Voice):
    """Chooses the first option, and says the same sentences to everything else."""

    name = "voice"

    def _answer(self, batch):
        for request in reversed(batch):
            text = request.choices[0] if request.choices else SENTENCES
            tokens = 1 if request.choices else round(len(SENTENCES) / CHARACTERS_PER_TOKEN)
            yield request.key, Reply(text=text, model=self.model, completion_tokens=tokens)


@pytest.fixture
def engines(monkeypatch, tmp_path):
    known = {"voice": Talkative(), "judge": Talkative(model="judge@1")}
    rooms = (control_jobs, control_refusals, control_estimates, asked_answers, questionnaire)
    for room in rooms:
        monkeypatch.setattr(room, "load_engines", lambda specs, limits=None: [known[one] for one in specs])
    for part, size in PARTS.items():
        monkeypatch.setattr(part, "SIZES", MappingProxyType({"quick": size}))
    (tmp_path / "prices.toml").write_text(PRICES.format("voice@1") + PRICES.format("judge@1"), encoding="utf-8")
    monkeypatch.setenv("CITYFOLK_PRICES", str(tmp_path / "prices.toml"))
    return known


@pytest.fixture
def study(tmp_path, engines):
    with Study.open(tmp_path / "study", create=True) as opened:
        yield opened


def tokens(requests):
    return sum(round(sum(len(m.content) + 1 for m in r.messages) / CHARACTERS_PER_TOKEN) for r in requests)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.NAME)
def test_what_a_part_says_beforehand_is_what_it_asks_and_what_that_costs(study, engines, part):
    options = AskOptions(preset="quick", engines=("voice",), only=(part.NAME,))
    plan = plan_control(options, study)["parts"][part.NAME]
    assert plan["open"] > 0 and plan["plans"][0]["asked"][0]["messages"]
    part.give(study, options)
    asked = engines["voice"].asked
    assert len({request.key for request in asked}) == plan["open"] <= plan["calls"]
    [engine] = plan["plans"][0]["asked"][0]["engines"]
    assert engine["prompt_tokens"] == pytest.approx(tokens(asked), rel=0.01)
    wrote = sum(1 if request.choices else round(len(SENTENCES) / CHARACTERS_PER_TOKEN) for request in asked)
    assert engine["completion_tokens"] == pytest.approx(wrote, rel=0.02)
    assert plan["usd"] == pytest.approx((3.0 * tokens(asked) + 15.0 * wrote) / 1e6, rel=0.01)
    after = plan_control(options, study)
    assert after["parts"][part.NAME]["open"] == 0 and after["usd"] == 0.0
    assert f"{plan['open']:,} to be asked now" not in plan_words(after) and "0 to be asked now" in plan_words(after)


def test_a_judge_of_refusals_and_judges_of_free_text_cost_as_well(study, engines, monkeypatch):
    options = AskOptions(preset="quick", engines=("voice",), only=("cost",), refusal_judge="judge")
    plan = plan_control(options, study)["parts"]["cost"]
    replies, judged = (one["engines"][0] for one in plan["plans"][0]["asked"])
    assert plan["calls"] == 2 * 11 * 4 and judged["calls"] == 11 * 4 and judged["completion_tokens"] == 11 * 4
    assert plan["usd"] == pytest.approx(replies["usd"] + judged["usd"]) and judged["usd"] > 0
    control_cost.give(study, options)
    assert plan_control(options, study)["parts"]["cost"]["open"] == 0
    monkeypatch.setattr(
        "cityfolk.stages.ask_control.PRESETS", MappingProxyType({"quick": Preset(vectors=4, topics=2, samples=1)})
    )
    study.write("questions", control_questions(2))
    text = AskOptions(preset="quick", engines=("voice",), only=("text",), judges=("rater", "judge"))
    plan = plan_control(text, study)["parts"]["text"]
    *spoken, read = (one["engines"][0] for one in plan["plans"][0]["asked"])
    answers = 2 * (4 + 4) + 2 * control_text.VOICE_SAMPLES
    assert sum(one["calls"] for one in spoken) == answers and read["calls"] == 10 * answers == plan["open"] - answers
    assert plan["usd"] == pytest.approx(sum(one["usd"] for one in (*spoken, read)))


def test_a_model_whose_price_nobody_knows_makes_the_whole_unknown(study, engines):
    engines["voice"].model = "nobody-knows@1"
    plan = plan_control(AskOptions(preset="quick", engines=("voice",), only=("bias", "cost")), study)
    assert plan["usd"] is None and "at a price that is not known" in plan_words(plan)
    assert plan["parts"]["bias"]["open"] > 0


def test_an_engine_that_is_asked_nothing_costs_nothing(study, engines):
    engines["voice"].tasks = ("answers",)
    plan = plan_control(AskOptions(preset="quick", engines=("voice",), only=("cost",)), study)
    assert plan["parts"]["cost"]["open"] == 0 and plan["usd"] == 0.0


@pytest.mark.parametrize("count", [1, 50, 101, 5_000])
def test_requests_are_sampled_evenly_from_a_stream_of_any_length(count):
    sample = Sample()
    made = [
        Request(messages=(Message(role="user", content="x" * (1 + place * 100 // count)),), model="m", label=str(place))
        for place in range(count)
    ]
    for place, request in enumerate(made):
        sample.add(request, counts=place % 2 == 0)
    assert min(count, 50) <= len(sample.requests) <= 101
    mean = sum(len(one.messages[0].content) for one in made[::2]) / len(made[::2])
    taken = sum(len(one.messages[0].content) for one in sample.requests) / len(sample.requests)
    assert taken == pytest.approx(sum(len(one.messages[0].content) for one in made) / count, rel=0.05)
    assert taken + sample.more(len) == pytest.approx(mean)


def test_nobody_to_ask_is_a_plan_too(study):
    plan = estimated(study, (), lambda speaker: (), stage="x", prompt="y")
    assert plan["engines"] == [] and plan["usd"] == 0.0
