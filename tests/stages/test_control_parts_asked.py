"""Situations, stability and cost asked of engines through the journal: planted ones, and the embedded model."""

import math
from types import MappingProxyType

import numpy as np
import pytest

from cityfolk.engines.given import Given
from cityfolk.engines.registry import load_engine
from cityfolk.evaluation.control.cost import neutral_texts, text_messages
from cityfolk.profiles.conversation import LEFT_OUT
from cityfolk.reports import control_cost as cost_page
from cityfolk.reports import control_situations as situations_page
from cityfolk.reports import control_stability as stability_page
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.stages import control_cost, control_jobs, control_situations, control_stability
from cityfolk.stages.ask_control import AskOptions
from cityfolk.study.folder import Study
from cityfolk.types import Message, Reply
from cityfolk.vocabulary import TRAITS
from tests.fakes import Echo


class Planted(Echo):
    """Refuses everything or nothing; gives text the same chances, shifted where a personality is in the prompt."""

    name, model = "planted", "planted@1"

    def __init__(self, refuses):
        super().__init__()
        self.refuses = refuses

    def text(self, request):
        return "I'm sorry, I can't help with that." if self.refuses else "Of course. Take two of them and go."

    def _answer(self, batch):
        for request in reversed(batch):
            chances = tuple(math.log(0.25) for _ in request.choices) or None
            yield request.key, Reply(text=self.text(request), model=self.model, logprobs=chances)

    def given(self, messages, text, base=False):
        shifted = "Openness" in messages[-1].content and not base
        return Given((0,), np.log(np.array([[0.75, 0.25] if shifted else [0.5, 0.5]])))


@pytest.fixture
def ask(tmp_path, monkeypatch):
    def made(engine, part, sizes):
        monkeypatch.setattr(part, "SIZES", MappingProxyType({"quick": sizes}))
        monkeypatch.setattr(control_jobs, "load_engines", lambda specs, limits=None: [engine])
        with Study.open(tmp_path / "s", create=True) as study:
            options = AskOptions(preset="quick", engines=(engine.name,))
            done = part.give(study, options)
            asked = len(engine.asked) if isinstance(engine, Echo) else None
            part.give(study, options)
            if asked is not None:
                assert len(engine.asked) == asked  # nothing is asked twice
            found = part.evidence(study)
            study.replace_findings("control.", found)
            return (
                done,
                {one.id.removeprefix("control."): one for one in found},
                ControlShown(findings=study.findings()),
            )

    return made


@pytest.mark.parametrize("refuses", [True, False])
def test_what_is_refused_and_how_far_given_text_moves(ask, refuses):
    _, found, shown = ask(Planted(refuses), control_cost, (4, 3))
    share = float(refuses)
    assert found["cost.refused.harmful.neutral@rules|planted@1|untargeted"].value == share
    assert found["cost.refused.harmless.openness-low@rules|planted@1|prompted"].value == share
    assert found["cost.refused.change.openness-low@rules|planted@1|prompted"].value == 0
    moved = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert found["cost.kl.neutral@given|planted@1|untargeted"].value == 0
    assert found["cost.kl.openness-low@given|planted@1|prompted"].value == pytest.approx(moved)
    assert found["cost.perplexity.openness-low@given|planted@1|prompted"].value == pytest.approx(4 / 3)
    page = "".join(card.markup for card in cost_page.cards(shown, "planted@1"))
    assert "0.13 nats" in page and cost_page.models_of(shown) == ("planted@1",)


def test_choices_without_an_opinion_follow_nothing(ask):
    done, found, shown = ask(Planted(False), control_situations, (14, 1))
    assert done["choices"] == 15 * 40
    assert all(found[f"situations.slope.{t}@keys|planted@1|prompted"].value == pytest.approx(0) for t in TRAITS)
    page = "".join(card.markup for card in situations_page.cards(shown, "planted@1"))
    assert "Word and deed" in page


def test_conversations_and_forms_of_an_engine_that_says_the_same_whatever_is_asked(ask):
    done, found, shown = ask(Planted(False), control_stability, control_stability.Size(4, 4, 1, 2))
    assert done["answers"] == (4 + 2) * 20 + 4 * 4 * 3 * 2
    start = found["stability.start@rater|planted@1|prompted"]
    assert start.value == pytest.approx(0, abs=1e-9)
    page = "".join(card.markup for card in stability_page.cards(shown, "planted@1"))
    assert "Stability" in page


def test_a_conversation_keeps_the_description_and_drops_the_oldest_turns():
    from cityfolk.personality.archetypes import ARCHETYPES

    vector = ARCHETYPES["Diplomat"]
    history = [(f"What about {n}?", f"Answer {n}. " * 20) for n in range(12)]
    messages, dropped = control_stability.talk_messages(history, "And now?", vector, "pocket-1@x")
    assert 0 < dropped < 12 and sum(len(m.content) for m in messages) < 1_900
    assert "Openness" in messages[1].content and LEFT_OUT in messages[1].content
    assert messages[-1].content.endswith("Question: And now?") and messages[-2].content == history[-1][1]
    whole, none = control_stability.talk_messages(history, "And now?", vector, "gpt")
    assert none == 0 and len(whole) == 2 + 2 * 12


def test_the_embedded_model_gives_the_probabilities_of_a_text():
    engine = load_engine("pocket")
    text = neutral_texts()[0]
    one = engine.given(text_messages(None), text)
    assert np.allclose(np.exp(one.logprobs.astype(float)).sum(axis=1), 1, atol=1e-4)
    again = engine.given(text_messages(None), text, True)
    assert one.tokens == again.tokens and np.array_equal(one.logprobs, again.logprobs)
    other = engine.given((Message(role="user", content="Question: Why?"),), text)
    assert other.loss != one.loss


def test_a_transformers_model_gives_what_its_own_forward_pass_gives_with_and_without_its_adapter(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    from tests.engines.tiny_models import save_adapter, save_model

    folder = save_model(tmp_path / "model")
    adapter = save_adapter(tmp_path / "adapter", folder, seed=1)
    engine, tuned = load_engine(f"hf:{folder}"), load_engine(f"hf:{folder}+{adapter}")
    messages, text = text_messages(None), neutral_texts()[0]
    one = engine.given(messages, text)
    prompt, _ = engine._loop.chat.prompt(messages, thinking=False)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *one.tokens]])).logits[0, len(prompt) - 1 : -1]
    assert np.allclose(one.logprobs, torch.log_softmax(logits, dim=-1).numpy(), atol=1e-4)
    assert np.allclose(tuned.given(messages, text, True).logprobs, one.logprobs, atol=1e-4)
    assert abs(tuned.given(messages, text).loss - one.loss) > 0.1
    # A reply asked for afterwards is not spoilt by what was given.
    assert np.allclose(engine.given(messages, text).logprobs, one.logprobs, atol=1e-5)
