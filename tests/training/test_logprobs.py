"""One packed pass says of every answer token what a pass of its own says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.training import logprobs
from cityfolk.training.logprobs import (
    answer_logprobs,
    longest_row,
    parity,
    prepare,
    reference,
    scores,
    separate_logprobs,
    split,
)
from cityfolk.training.packing import block_mask, dense_mask, pack
from cityfolk.training.tokens import Renderer, Triple
from cityfolk.types import Message
from tests.training.models import adapted, gradients, small_llama, triples

LENGTHS = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=5)
MIXED = ((7, 5, 9), (3, 1, 1), (1, 12, 2), (11, 4, 0))


@pytest.fixture(scope="module")
def llama():
    return small_llama()


@pytest.fixture(scope="module")
def peft():
    return adapted(small_llama())


@pytest.fixture(scope="module")
def pocket():
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(weights_folder(), dtype=torch.float32).eval()


def one_row(batch, multiple=1):
    [row] = pack(batch, budget=sum(triple.tokens for triple in batch), multiple=multiple)
    return row


@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 99), way=st.sampled_from(["documents", "sdpa"]))
def test_packed_equals_separate_at_any_lengths(llama, lengths, seed, way):
    assert parity(llama, triples(*lengths, seed=seed), way=way) < 1e-5


def written(model, prompt, seed):
    """What the model itself says, so that no token is tens of nats unlikely, where single precision ends sooner."""
    ids = torch.tensor(prompt)[None]
    torch.manual_seed(seed)
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=True, pad_token_id=4
    )
    return out[0, len(prompt) :].numpy()


def test_packed_equals_separate_on_the_pocket_model(pocket):
    from transformers import AutoTokenizer

    renderer = Renderer(AutoTokenizer.from_pretrained(weights_folder()), "pocket")
    prepare(pocket, way="sdpa")
    batch = []
    for question in ("What do you do when plans change?", "Whom do you call first with good news?"):
        prompt = renderer.prompt((Message(role="user", content=f"Question: {question}"),))
        chosen, rejected = (written(pocket, prompt, seed) for seed in (0, 1))
        batch.append(Triple(name=question, prompt=prompt, chosen=chosen, rejected=rejected))
    assert parity(pocket, batch, way="documents") < 1e-5


def test_what_differs_is_rounding(pocket):
    """Random tokens, which the model finds absurd: in double precision nothing is left."""
    batch = triples((72, 60, 90), (5, 1, 33), (8, 30, 0), vocabulary=4096)
    pocket.double()
    for way in ("documents", "sdpa"):
        assert parity(pocket, batch, way=way) < 1e-10
    pocket.float()


def test_separate_passes_are_log_softmax_of_the_model(llama):
    [triple] = triples((6, 4, 3))
    prepare(llama, way="sdpa")
    found = separate_logprobs(llama, triple)
    ids = np.concatenate([triple.prompt, triple.rejected])
    with torch.no_grad():
        logits = llama(input_ids=torch.tensor(ids)[None]).logits[0].double()
    for place, token in enumerate(triple.rejected):
        line = logits[len(triple.prompt) + place - 1]
        assert float(found[1][place]) == pytest.approx(float(line[token] - line.exp().sum().log()), abs=1e-5)


def test_an_answer_does_not_see_the_other_answer_nor_other_pairs(llama):
    first, second = triples((6, 5, 5), (4, 4, 4))
    other = Triple(name="other", prompt=first.prompt, chosen=first.chosen[::-1].copy(), rejected=first.rejected)
    prepare(llama, way="documents")
    with torch.no_grad():
        [kept] = split(answer_logprobs(llama, one_row([first]), way="documents"), one_row([first]))
        row = one_row([second, other])
        [_, changed] = split(answer_logprobs(llama, row, way="documents"), row)
    assert torch.allclose(kept[1], changed[1], atol=1e-6)
    assert not torch.allclose(kept[0], changed[0], atol=1e-2)


def test_equal_answers_have_equal_log_probabilities(llama):
    [triple] = triples((6, 5, 5))
    tie = Triple(name="tie", prompt=triple.prompt, chosen=triple.chosen, rejected=triple.chosen)
    prepare(llama, way="documents")
    with torch.no_grad():
        [(chosen, rejected)] = split(answer_logprobs(llama, one_row([tie]), way="documents"), one_row([tie]))
    assert torch.allclose(chosen, rejected, atol=1e-6)


def test_padding_at_the_end_changes_nothing(llama):
    batch = triples(*MIXED)
    for way in ("documents", "sdpa"):
        prepare(llama, way=way)
        with torch.no_grad():
            plain = answer_logprobs(llama, one_row(batch), way=way)
            filled = answer_logprobs(llama, one_row(batch, multiple=64), way=way)
        assert torch.allclose(plain, filled, atol=1e-6)


def test_rows_hold_the_same_whatever_the_budget(llama):
    batch = triples(*MIXED)
    prepare(llama, way="documents")
    found = {}
    with torch.no_grad():
        for budget in (25, 40, 100):
            for row in pack(batch, budget=budget):
                for place, answers in zip(
                    row.places, split(answer_logprobs(llama, row, way="documents"), row), strict=True
                ):
                    found.setdefault(place, []).append(torch.cat(answers))
    for several in found.values():
        assert len(several) == 3
        for other in several[1:]:
            assert torch.allclose(several[0], other, atol=1e-6)


@pytest.mark.parametrize("way", ["documents", "sdpa"])
def test_gradients_equal_those_of_separate_passes(peft, way):
    batch = triples(*MIXED)
    prepare(peft, way="sdpa")
    sum((piece**2).sum() for triple in batch for piece in separate_logprobs(peft, triple)).backward()
    expected = gradients(peft)
    prepare(peft, way=way)
    (answer_logprobs(peft, one_row(batch), way=way) ** 2).sum().backward()
    found = gradients(peft)
    assert expected.keys() == found.keys() and len(found) == 12
    for name, gradient in expected.items():
        assert torch.allclose(gradient, found[name], rtol=1e-4, atol=1e-4 * float(gradient.abs().max())), name


@pytest.mark.parametrize("trained", [False, True])
def test_the_head_in_chunks_gives_what_the_head_gives(trained, monkeypatch):
    """A head that is trained, and one that is not, with chunks of 64 tokens and of all."""
    monkeypatch.setattr(logprobs, "_CHUNK", {"cpu": 64 * 97})
    model = small_llama()
    model.lm_head.weight.requires_grad_(trained)
    model.model.layers[0].mlp.down_proj.weight.requires_grad_(True)
    batch = triples((5, 40, 70), (9, 30, 21))
    prepare(model, way="documents")
    row = one_row(batch)
    found = answer_logprobs(model, row, way="documents")
    found.sin().sum().backward()
    own = gradients(model)
    logits = model(
        input_ids=torch.tensor(row.input_ids)[None],
        position_ids=torch.tensor(row.positions)[None],
        documents=logprobs._documents(row, torch.device("cpu")),
    ).logits[0, torch.tensor(row.kept)]
    plain = torch.log_softmax(logits, -1).gather(1, torch.tensor(row.targets)[:, None])[:, 0]
    plain.sin().sum().backward()
    assert torch.allclose(found, plain, atol=1e-5)
    expected = gradients(model)
    assert own.keys() == expected.keys() and len(own) == 1 + trained
    for name, gradient in expected.items():
        assert torch.allclose(own[name], gradient, rtol=1e-4, atol=1e-4 * float(gradient.abs().max())), name


def test_the_head_works_as_before_afterwards(llama):
    row = one_row(triples((6, 5, 5)))
    prepare(llama, way="sdpa")
    before = llama(input_ids=torch.tensor(row.input_ids)[None]).logits
    answer_logprobs(llama, row, way="sdpa")
    assert torch.equal(llama(input_ids=torch.tensor(row.input_ids)[None]).logits, before)
    assert "forward" not in vars(llama.lm_head)


def test_a_failing_pass_gives_the_head_back(llama, monkeypatch):
    row = one_row(triples((6, 5, 5)))
    monkeypatch.setattr(llama.model.norm, "forward", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        answer_logprobs(llama, row, way="sdpa")
    assert "forward" not in vars(llama.lm_head)


def test_the_reference_is_the_model_without_its_adapter(llama, peft):
    row = one_row(triples(*MIXED))
    for model in (llama, peft):
        prepare(model, way="documents")
    peft.train()
    with reference(peft):
        base = answer_logprobs(peft, row, way="documents")
    assert peft.training and not base.requires_grad
    peft.eval()
    own = answer_logprobs(peft, row, way="documents")
    assert torch.equal(base, answer_logprobs(llama, row, way="documents"))
    assert own.requires_grad and not torch.allclose(own, base, atol=0.05)


def test_scores_add_up_each_answer():
    batch = triples((3, 2, 3), (2, 1, 0), (1, 2, 2))
    row = one_row(batch)
    tokens = torch.arange(10.0)
    found = scores(tokens, tokens / 2, row)
    assert found.chosen.tolist() == [0 + 1, 5, 6 + 7] and found.rejected.tolist() == [2 + 3 + 4, 0, 8 + 9]
    assert found.chosen_reference.tolist() == [0.5, 2.5, 6.5] and found.rejected_reference.tolist() == [4.5, 0, 8.5]
    assert found.chosen_tokens.tolist() == [2, 1, 2] and found.rejected_tokens.tolist() == [3, 0, 2]


def test_flex_attention_gets_the_same_mask(llama):
    """On a CPU it is not compiled, and slow; what it sees and says is the same."""
    row = one_row(triples((70, 90, 60), (30, 50, 0), (64, 64, 64)), multiple=128)
    blocks = block_mask(row, "cpu")
    size = len(row.input_ids)
    places = torch.arange(size)
    seen = blocks.mask_mod(None, None, places[:, None], places[None, :])
    assert torch.equal(seen, torch.tensor(dense_mask(row)))
    shown = blocks.to_dense()[0, 0].bool()
    for begin in range(0, size, 128):
        for left in range(0, size, 128):
            block = seen[begin : begin + 128, left : left + 128]
            assert bool(shown[begin // 128, left // 128]) == bool(block.any())


@pytest.mark.long
def test_flex_attention_says_the_same():
    """Compiled for the CPU, where it knows only the forward pass."""
    model = small_llama(head_dim=16)
    row = one_row(triples((70, 90, 60), (30, 50, 0), (64, 64, 64)), multiple=128)
    with torch.no_grad():
        prepare(model, way="flex_attention")
        found = answer_logprobs(model, row, way="flex_attention")
        prepare(model, way="documents")
        assert float((found - answer_logprobs(model, row, way="documents")).abs().max()) < 1e-5


def test_checkpointing_and_mixed_precision_train_the_same(peft):
    batch = triples(*MIXED)
    prepare(peft, way="documents")

    def slopes(**how):
        with torch.autocast("cpu", dtype=torch.bfloat16, **how):
            (answer_logprobs(peft, one_row(batch), way="documents") ** 2).sum().backward()
        return torch.cat([slope.flatten() for slope in gradients(peft).values()])

    plain, mixed = slopes(enabled=False), slopes(enabled=True)
    peft.train()
    peft.gradient_checkpointing_enable()
    recomputed = slopes(enabled=False)
    peft.gradient_checkpointing_disable()
    peft.eval()
    assert torch.allclose(plain, recomputed, rtol=1e-4, atol=1e-4)
    assert float(torch.cosine_similarity(plain, mixed, dim=0)) > 0.98 and not torch.equal(plain, mixed)


def test_other_architectures_are_packed_or_refused():
    from transformers import AutoModelForCausalLM, Gemma2Config, MambaConfig, MistralConfig, Qwen3Config

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "vocab_size": 97, "initializer_range": 0.3, "pad_token_id": 1}
    for config in (MistralConfig(**sizes, sliding_window=40), Qwen3Config(**sizes)):
        torch.manual_seed(0)
        assert parity(AutoModelForCausalLM.from_config(config), triples(*MIXED), way="documents") < 1e-5
    windowed = AutoModelForCausalLM.from_config(MistralConfig(**sizes, sliding_window=40))
    assert longest_row(windowed, 512) == 40 and longest_row(windowed, 30) == 30
    with pytest.raises(UsageError, match="changes its logits"):
        prepare(AutoModelForCausalLM.from_config(Gemma2Config(**sizes)))
    with pytest.raises(UsageError, match="no attention"):
        prepare(AutoModelForCausalLM.from_config(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=1)))


def test_names_of_ways_are_checked(llama):
    with pytest.raises(UsageError, match="no attention flash"):
        prepare(llama, way="flash")
    assert prepare(llama) == "documents"


def test_log_probabilities_are_below_zero_and_sum_to_one(llama):
    """Every possible next token once, as answers of one token."""
    [triple] = triples((6, 1, 0))
    every = [Triple(name=str(token), prompt=triple.prompt, chosen=np.array([token])) for token in range(97)]
    prepare(llama, way="documents")
    with torch.no_grad():
        found = answer_logprobs(llama, one_row(every), way="documents").double()
    assert float(found.max()) < 0 and math.isclose(float(found.exp().sum()), 1, abs_tol=1e-5)
