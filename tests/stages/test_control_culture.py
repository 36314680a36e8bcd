"""Backgrounds and stereotypes through the journal: asked once, continued, and what was planted is found."""

import re

import numpy as np
import polars as pl
import pytest

from cityfolk.errors import EngineError, IncompleteError, UsageError
from cityfolk.evaluation.control.bias_items import probe_of
from cityfolk.pocket.answering import write_answer
from cityfolk.preferences.topics import topics
from cityfolk.reports import control_bias as bias_page
from cityfolk.reports import control_culture as culture_page
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.rng import child
from cityfolk.stages import control_bias as bias
from cityfolk.stages import control_culture as culture
from cityfolk.stages import control_jobs
from cityfolk.stages.ask_control import AskOptions
from cityfolk.stages.control_arms import corners, with_arms
from cityfolk.study.folder import FINDING_SCHEMA, Study
from cityfolk.types import Reply
from tests.preferences.asking import Voice
from tests.reports.test_html import read
from tests.stages.planted_control import RANK

SMALL = culture.Size(topics=4, where=5, who=3)


class Telling(Voice):
    """Writes by the grammar at the vector asked for; `leak` adds kind sentences for one country."""

    name, kind = "telling", " It is a wonderful, lovely and happy thing." * 3

    def __init__(self, leak=False, stop=None):
        super().__init__(model="telling@1", in_flight=16)
        self.leak, self.stop = leak, stop

    def said(self, request):
        if self.stop is not None:
            if not self.stop:
                raise EngineError("the power went off", hint="switch it on")
            self.stop -= 1
        text = request.messages[-1].content
        topic = next(one for one in topics() if one.phrase in text)
        z = [(int(rank) - 50) / 25 for rank in RANK.findall(text)]
        answer = write_answer(topic.phrase, topic.facets, z, child(0, "telling", request.key))
        return answer + (self.kind if self.leak and re.search(r"grew up in (Haiti|Egypt|Japan)", text) else "")


class Reads:
    """A classifier that knows the kind sentences, and is sure of nothing else."""

    def __init__(self, reads):
        self.reads, self.name = reads, f"own/{reads}"

    def scores(self, texts):
        return np.array([0.9 if Telling.kind in text else 0.01 * (len(text) % 7) for text in texts])


class Judging(Voice):
    """Chooses by stereotype as Diplomat, and what is right otherwise; in words where `plain`."""

    name = "judging"

    def __init__(self, plain=False):
        super().__init__(model="judging@1", in_flight=16)
        self.plain = plain

    def _answer(self, batch):
        for request in reversed(batch):
            probe = probe_of(request.label)
            biased = "90th of 100" in request.messages[-1].content and "60th of 100" in request.messages[-1].content
            wanted = probe.biased if (biased and "45th" in request.messages[-1].content) else probe.right
            at = probe.options.index(wanted) if wanted else request.sampling.seed % 2
            chances = [-0.0001 if place == at else -12.0 for place in range(len(probe.options))]
            if not probe.right and not biased:
                chances = [-0.6931, -0.6931]
            logs = None if self.plain else tuple(chances)
            yield request.key, Reply(text=probe.choices[at], model=self.model, logprobs=logs)


@pytest.fixture
def engines(monkeypatch):
    known = {"telling": Telling(), "leaking": Telling(leak=True), "judging": Judging(), "plain": Judging(plain=True)}
    monkeypatch.setattr(control_jobs, "load_engines", lambda specs, limits=None: [known[spec] for spec in specs])
    monkeypatch.setattr(culture, "SIZES", {"quick": SMALL})
    return known


@pytest.fixture
def study(tmp_path, engines):
    with Study.open(tmp_path / "study", create=True) as opened:
        yield opened


def asked(*names, **more):
    return AskOptions(preset="quick", engines=names, judges=("grammar",), **more)


@pytest.mark.parametrize("name", ["telling", "leaking"])
def test_a_nationality_that_leaks_into_sentiment_is_found_with_its_size(study, engines, name):
    options = asked(name)
    plan = culture.plan(options)
    done = culture.give(study, options)
    assert plan["calls"] == 14 * 4 * 8 == len(engines[name].asked) == done["answers"]
    readers = [Reads("sentiment"), Reads("toxicity")]
    found = {f.id.removeprefix("control.culture."): f for f in culture.evidence(study, classifiers=readers)}
    end = "@words|telling@1|prompted"
    # A classifier of sentiment reads beside the word lists; one of toxicity has nothing to read here.
    assert found["nationality.sentiment@own/sentiment|telling@1|prompted"].verdict == (
        "outside" if name == "leaking" else "inside"
    )
    assert not any("@own/toxicity|" in one for one in found)
    share, gap = found[f"nationality.sentiment{end}"], found[f"gap.nationality.sentiment{end}"]
    table = study.read(culture.TABLE).filter(pl.col("nationality") != "")
    kind = table["nationality"].is_in(["Haiti", "Egypt", "Japan"])
    score = culture.score(table["text"].to_list())[0]
    if name == "leaking":
        raw = score[kind.to_numpy()].mean() - score[~kind.to_numpy()].mean()
        assert share.verdict == gap.verdict == "outside" and share.low > 0.1
        assert gap.low < raw < gap.high and re.search(r"(Haiti|Egypt|Japan) above", gap.title)
    else:
        assert share.low < 0 < share.high and gap.low < 0 and share.verdict == gap.verdict == "inside"
    vector = found["vector.personality@grammar|telling@1|prompted"]
    assert vector.low > 0.5 and vector.n > 400
    assert found["nationality.personality@grammar|telling@1|prompted"].high < 0.05
    assert not study.has("answers")  # never mixed into the answers
    profile = study.read(culture.DETAILS).filter(pl.col("name") == "control.culture.emotion")
    assert set(profile["group"]) == {target.name for target in corners()}


def test_what_was_answered_before_a_stop_is_not_asked_again(study, engines):
    engines["telling"].stop = 100
    with pytest.raises(IncompleteError, match="power"):
        culture.give(study, asked("telling"))
    first = {request.key for request in engines["telling"].asked}
    kept = sum(1 for _ in study.journal.settled(culture.VERB)[0])
    assert 64 <= kept <= 100
    engines["telling"].stop, engines["telling"].asked = None, []
    done = culture.give(study, asked("telling"))
    assert done["answers"] == 448 == kept + len(engines["telling"].asked)
    again = len(engines["telling"].asked)
    table = study.read(culture.TABLE)
    culture.give(study, asked("telling"))
    assert len(engines["telling"].asked) == again and study.read(culture.TABLE).equals(table)
    assert len(first) > 0 and table["answer_id"].n_unique() == 448


@pytest.mark.parametrize("name", ["judging", "plain"])
def test_a_vector_that_brings_out_stereotypes_is_found(study, engines, name):
    plan = bias.plan(asked(name))
    done = bias.give(study, asked(name))
    assert plan["calls"] == done["choices"] == len(engines[name].asked) == 5 * 320
    found = {f.id.removeprefix("control.bias."): f for f in bias.evidence(study)}
    end = "@choices|judging@1|"
    assert found[f"ambiguous{end}untargeted"].value == pytest.approx(0.0, abs=1e-3)
    assert found[f"accuracy.known{end}untargeted"].value == pytest.approx(1.0, abs=1e-3)
    assert found[f"ambiguous{end}prompted as Diplomat"].value == pytest.approx(1.0, abs=1e-3)
    assert found[f"ambiguous{end}prompted"].value == pytest.approx(0.25, abs=1e-3)
    assert found[f"difference.ambiguous{end}prompted as Diplomat"].verdict == "outside"
    assert ("pairs.logodds@choices|judging@1|untargeted" in found) == (name == "judging")
    table = study.read(bias.TABLE)
    assert table.schema == pl.Schema(bias.BIASES) and table.equals(table.sort(bias.SORTED_BY))
    bias.give(study, asked(name))
    assert len(engines[name].asked) == 1600


def test_both_pages_say_what_was_found(study, engines):
    culture.give(study, asked("leaking"))
    bias.give(study, asked("judging"))
    findings = [*culture.evidence(study), *bias.evidence(study)]
    shown = ControlShown(
        findings=pl.DataFrame([{name: getattr(f, name) for name in FINDING_SCHEMA} for f in findings]),
        details=study.read(culture.DETAILS),
    )
    assert culture_page.models_of(shown) == ("telling@1",) and bias_page.models_of(shown) == ("judging@1",)
    seen = read("".join(card.markup for card in culture_page.cards(shown, "telling@1")))
    said = re.sub(r"\s+", " ", seen.text)
    assert "the vector explains" in said and "What surely shows: nationality in sentiment" in said
    assert any(a.get("aria-label", "").startswith("nationality: ") for _, a in seen.tags)
    assert "extraversion low" in said and said.index("Analyst") < said.index("openness low")
    told = re.sub(r"\s+", " ", read("".join(c.markup for c in bias_page.cards(shown, "judging@1"))).text)
    assert "reads the stories (100% right" in told and "more when prompted as Diplomat (+1.00)" in told
    assert list(culture_page.cards(ControlShown(), "m")) == list(bias_page.cards(ControlShown(), "m")) == []


def test_adapters_are_held_against_the_model_they_were_put_into():
    table = pl.DataFrame(
        [
            ("untargeted", "untargeted", "m@1", ""),
            ("Diplomat", "prompted", "m@1", ""),
            ("Analyst", "prompted", "m@1", ""),
            ("Diplomat", "Diplomat-dpo", "m@1+Diplomat-dpo@2", "Diplomat-dpo"),
            ("Analyst", "Analyst-dpo", "m@1+Analyst-dpo@3", "Analyst-dpo"),
            ("Analyst", "own", "m@1+own@4", "own"),
        ],
        schema=["respondent_id", "condition", "model", "adapter"],
        orient="row",
    )
    found = with_arms(table)
    assert set(found["model"]) == {"m@1"}
    assert found.select("arm", "group").rows() == [
        ("untargeted", ""),
        ("prompted as Diplomat", "prompted"),
        ("prompted as Analyst", "prompted"),
        ("Diplomat-dpo", "dpo, one adapter for each archetype"),
        ("Analyst-dpo", "dpo, one adapter for each archetype"),
        ("own", "own"),
    ]


@pytest.mark.long
def test_the_embedded_model_at_a_tiny_size(tmp_path, monkeypatch):
    monkeypatch.setattr(culture, "SIZES", {"quick": culture.Size(topics=2, where=2, who=1)})
    monkeypatch.setattr(bias, "SIZES", {"quick": (1, 1, 1)})
    options = AskOptions(preset="quick", engines=("pocket",))
    with Study.open(tmp_path / "s", create=True) as study:
        assert culture.give(study, options)["answers"] == 84
        assert bias.give(study, options)["choices"] == 5 * 64
        found = [*culture.evidence(study), *bias.evidence(study)]
    told = {f.id.split("|")[0]: f for f in found if f.id.endswith(("|prompted", "|untargeted"))}
    assert told["control.culture.vector.personality@grammar"].low > 0.3
    assert told["control.bias.ambiguous@choices"].n == 8


def test_a_wrong_preset_and_a_persona_without_an_adapter_are_refused(study):
    with pytest.raises(UsageError, match="no engine has an adapter"):
        bias.give(study, asked("judging", persona="Diplomat"))
