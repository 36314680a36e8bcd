"""A questionnaire through the journal: asked once, read right in every form, continued, refused in sentences."""

import math
import re
from pathlib import Path

import polars as pl
import pytest

from cityfolk.errors import EngineError, IncompleteError, StudyError, UsageError
from cityfolk.evaluation.psychometrics.administration import Design
from cityfolk.evaluation.psychometrics.findings import PREFIX
from cityfolk.evaluation.psychometrics.sheets import PROBABILITIES, RESPONSES, SORTED_BY, sheets
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.inventory import INSTRUMENTS, inventory
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.preferences.targets import parse_targets
from cityfolk.stages import questionnaire as stage
from cityfolk.stages.questionnaire import (
    PRESETS,
    QuestionnaireOptions,
    give,
    has_responses,
    measure_questionnaire,
    plan_questionnaire,
)
from cityfolk.study.folder import Study
from cityfolk.types import Reply
from cityfolk.vocabulary import TRAITS
from tests.fakes import Dead, Echo

ITEMS = {item.statement: item for name in INSTRUMENTS for item in reversed(inventory(name))}
RANK = re.compile(r"^(\w+): .*?(\d+)\w\w of 100 adults", re.MULTILINE)
STATEMENT = re.compile(r'(?:very well|not at all)\): (.+)\. Answer with a number|"(.+)\."')


class Obeys(Echo):
    """Reads the vector and the item from the prompt, and answers as such a person would, by probabilities."""

    name, model = "planted", "planted@1"

    def __init__(self, **rest):
        super().__init__(in_flight=32, **rest)

    def share(self, request):
        """Return how far along the options as they are shown the answer lies, 0 to 1."""
        prompt = request.messages[-1].content
        asked = {name.lower(): int(rank) / 100 for name, rank in RANK.findall(prompt)}
        item = ITEMS[next(filter(None, STATEMENT.search(prompt).groups()))]
        pomp = float(pomp_from_percentile(item.trait, asked.get(item.trait, 0.5)))
        agreement = pomp if item.keyed > 0 else 1 - pomp
        low_first = any(f"1 {words}" in prompt for words in ("(not at all)", "= very inacc", "= strongly dis"))
        return agreement if low_first else 1 - agreement

    def reply(self, request):
        share = min(max(self.share(request), 1e-6), 1 - 1e-6)
        chances = [math.comb(4, k) * share**k * (1 - share) ** (4 - k) for k in range(5)]
        return Reply(text="3", model=self.model, logprobs=tuple(math.log(chance) for chance in chances))

    def _answer(self, batch):
        for request in reversed(batch):
            yield request.key, self.reply(request)


class Writes(Obeys):
    """Answers the same in words alone; refuses one item and babbles at another."""

    babbles = True

    def reply(self, request):
        prompt = request.messages[-1].content
        if "I insult people" in prompt:
            return Reply(text="I'm sorry, I cannot answer that as an AI.", model=self.model)
        if "I like order" in prompt and self.babbles:
            return Reply(text="Order is a lovely thing.", model=self.model)
        return Reply(text=f"My answer is {1 + round(4 * self.share(request))}.", model=self.model)


class Stops(Obeys):
    """Dies after a number of answers."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def reply(self, request):
        if not self.left:
            raise EngineError("the power went off", hint="switch it on")
        self.left -= 1
        return super().reply(request)


@pytest.fixture
def engines(monkeypatch):
    known = {"obeys": Obeys(), "writes": Writes(), "dead": Dead()}
    monkeypatch.setattr(stage, "load_engines", lambda specs, limits=None: [known[spec] for spec in specs])
    return known


@pytest.fixture
def study(tmp_path, engines):
    with Study.open(tmp_path / "study", create=True) as opened:
        yield opened


def options(**more):
    short = {"engines": ("obeys",), "targets": ("sobol:3",), "instruments": ("IPIP-50",)}
    return QuestionnaireOptions(**(short | more))


def test_every_answer_is_read_in_agreement_whatever_the_form(study, engines):
    told = []
    facts = give(
        study, options(item_orders=2, wordings=3), step=lambda title, done, total, note: told.append((done, total))
    )
    table = study.read("responses")
    assert facts["responses"] == table.height == Design(instrument="IPIP-50", item_orders=2, wordings=3).calls(3)
    assert told[-1] == (1800, 1800) and len(engines["obeys"].asked) == 1800
    assert table.schema == pl.Schema(RESPONSES) and table.equals(table.sort(SORTED_BY))
    assert table["outcome"].unique().to_list() == ["probabilities"]
    spread = table.group_by("respondent_id", "item_id").agg(pl.col("value").max() - pl.col("value").min())
    assert spread["value"].max() < 1e-6
    assert table.select(pl.sum_horizontal(PROBABILITIES)).to_series().to_numpy() == pytest.approx(1.0)
    (sheet,) = sheets(table)
    target = parse_targets(["sobol:3"], None, 0)[1]
    assert sheet.respondents[1] == target.name == "sobol-01"
    party = pomp_from_percentile("extraversion", round(target.vector.extraversion, 2))
    assert sheet.answers[1, 0] == pytest.approx(1 + 4 * party, abs=0.02)


def test_what_is_answered_is_not_asked_again_and_more_is_added(study, engines):
    give(study, options())
    before = study.read("responses")
    give(study, options())
    assert len(engines["obeys"].asked) == 300 and study.read("responses").equals(before)
    give(study, options(targets=("sobol:3", "none"), wordings=2))
    assert len(engines["obeys"].asked) == 300 + 300 + 200
    after = study.read("responses")
    assert after.height == 800
    assert after.join(before, on=[*SORTED_BY], how="semi").equals(before)


def test_a_job_that_stops_is_continued_to_the_same_table(study, tmp_path, engines):
    give(study, options())
    engines["obeys"] = Stops(120)
    with Study.open(tmp_path / "other", create=True) as other:
        with pytest.raises(IncompleteError, match=r"power went off; \d+ of 300 answers are kept"):
            give(other, options())
        kept = other.read("responses").height
        assert 0 < kept <= 120
        engines["obeys"] = Obeys()
        give(other, options())
        assert len(engines["obeys"].asked) == 300 - kept
        assert other.read("responses").equals(study.read("responses"))


def test_refusals_are_kept_and_babble_is_a_failure_that_is_tried_again(study, engines):
    with pytest.raises(IncompleteError, match="6 of 300 answers are missing"):
        give(study, options(engines=("writes",)))
    table = study.read("responses")
    assert table.height == 294
    assert table["outcome"].value_counts().sort("outcome").rows() == [("refused", 6), ("text", 288)]
    assert table.filter(pl.col("outcome") == "refused")["value"].null_count() == 6
    assert table["p1"].null_count() == 294
    failures = study.failures()
    assert len(failures) == 6 and failures[0]["raw"] == "Order is a lovely thing."
    assert len(engines["writes"].asked) == 294 + 6 * 3
    engines["writes"].babbles = False
    facts = give(study, options(engines=("writes",)))
    assert study.read("responses").height == 300 and study.failures() == []
    assert facts["notices"] == ["6 of 300 answers are refusals"]


def test_an_adapter_for_one_vector_is_not_told_it(study, engines):
    engines["obeys"].adapter = "adapters/Analyst"
    engines["plain"] = Writes()
    engines["plain"].model, engines["plain"].babbles = "planted@2", False
    give(study, options(engines=("obeys", "plain"), persona="Analyst"))
    table = study.read("responses")
    own = table.filter(pl.col("adapter") == "Analyst")
    assert own["condition"].unique().to_list() == ["Analyst"] and own["respondent_id"].unique().to_list() == ["Analyst"]
    assert own["target_openness"].unique().to_list() == [ARCHETYPES["Analyst"].openness]
    assert not any("of 100 adults" in request.messages[-1].content for request in engines["obeys"].asked)
    assert table.filter(pl.col("adapter") == "")["condition"].unique().to_list() == ["prompted"]


def test_findings_of_a_planted_engine_and_of_its_own_voice(study):
    assert not has_responses(study)
    give(study, options(targets=("sobol:16", "none"), instruments=("IPIP-NEO-120",), option_orders=1))
    found = {f.id.removeprefix(f"{PREFIX}planted@1"): f for f in measure_questionnaire(study)}
    for trait in TRAITS:
        # Percentiles are put in words as whole numbers, so it is not exactly one.
        assert found[f".{trait}.slope"].value == pytest.approx(1.0, abs=0.05)
        assert found[f":untargeted.{trait}.voice"].value == pytest.approx(0.5, abs=0.01)
    assert found[".bleed.size"].value < 0.05
    kept = study.findings()
    assert kept.height == len(found) and kept["id"].str.starts_with(PREFIX).all()
    measure_questionnaire(study)
    assert study.findings().equals(kept) and has_responses(study)


def test_the_plan_tells_the_calls_beforehand_and_asks_nobody(study, engines):
    plan = plan_questionnaire(study, options(targets=("sobol:3", "none")))
    assert plan["calls"] == 400 and plan["forms"] == 2 and plan["respondents"] == [4]
    assert plan["messages"][-1]["content"].startswith("Openness: ") and not engines["obeys"].asked
    give(study, options())
    plan = plan_questionnaire(study, options(targets=("sobol:3", "none")))
    assert plan["calls"] == 100 and plan["engines"][0]["answered"] == 300


def test_presets_have_the_sizes_that_are_stated():
    sizes = {}
    for name, preset in PRESETS.items():
        respondents = sum(int(word.partition(":")[2] or 1) for word in preset.targets)
        forms = {"option_orders": preset.option_orders, "item_orders": preset.item_orders, "wordings": preset.wordings}
        sizes[name] = sum(Design(instrument=one, **forms).calls(respondents) for one in preset.instruments)
    assert sizes == {"quick": 2_040, "standard": 15_600, "full": 132_600, "population": 120_000}
    stated = Path(stage.__file__).read_text()
    assert ", ".join(f"{sizes[name]:,}" for name in ("quick", "standard", "full")) in stated


def test_what_does_not_fit_is_refused_before_anything_is_asked(study, engines, tmp_path):
    give(study, options())
    asked = len(engines["obeys"].asked)
    vectors = tmp_path / "mine.csv"
    vectors.write_text(f"name,{','.join(TRAITS)}\nmine,.1,.1,.1,.1,.1\n")
    give(study, options(targets=(str(vectors),)))
    vectors.write_text(f"name,{','.join(TRAITS)}\nmine,.9,.1,.1,.1,.1\n")
    with pytest.raises(UsageError, match="another vector called 'mine'"):
        give(study, options(targets=(str(vectors),)))
    with pytest.raises(UsageError, match="no instrument"):
        give(study, options(instruments=()))
    with pytest.raises(UsageError, match="no persona 'Poet'"):
        give(study, options(persona="Poet"))
    with pytest.raises(UsageError, match="no engine has an adapter"):
        give(study, options(persona="Analyst"))
    engines["obeys"].model = "planted@2"
    with pytest.raises(StudyError, match="model"):
        give(study, options())
    assert len(engines["obeys"].asked) == asked + 100


def test_an_engine_that_fails_every_call_stops_and_leaves_no_table(study):
    with pytest.raises(EngineError, match="connection refused"):
        give(study, options(engines=("dead",)))
    assert not has_responses(study)
    with pytest.raises(StudyError, match=r"has no responses\.parquet"):
        measure_questionnaire(study)
    give(study, options())
    assert study.read("responses").height == 300
