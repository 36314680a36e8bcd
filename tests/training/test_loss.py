"""The losses: numbers derived by hand, and those of TRL's trainer on the same pairs, gradients included."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.training.logprobs import answer_logprobs, prepare, reference, scores
from cityfolk.training.loss import LOSSES, Objective, Scores, kl, loss, metrics
from cityfolk.training.packing import pack
from cityfolk.training.tokens import Triple
from tests.engines.tiny_models import TEMPLATE, save_tokenizer
from tests.training.models import adapted, gradients, small_llama, triples

# What TRL calls them; conservative DPO and IPO of whole answers it doesn't have.
THEIRS = {"dpo": "sigmoid", "dpo-norm": "sigmoid_norm", "ipo-norm": "ipo", "sft": "sft"}
MIXED = ((7, 5, 9), (3, 1, 1), (1, 12, 2), (11, 4, 6))
LENGTHS = st.lists(st.tuples(st.integers(1, 15), st.integers(1, 15), st.integers(1, 15)), min_size=1, max_size=4)


def by_hand(**changes):
    """Two pairs: h = (+2, -1) of 4 and 2 tokens, and (-1, -1) of 1 and 5."""
    numbers = {
        "chosen": [-8.0, -3.0],
        "rejected": [-6.0, -11.0],
        "chosen_reference": [-10.0, -2.0],
        "rejected_reference": [-5.0, -10.0],
        "chosen_tokens": [4.0, 1.0],
        "rejected_tokens": [2.0, 5.0],
    } | changes
    return Scores(**{name: torch.tensor(values, dtype=torch.float64) for name, values in numbers.items()})


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(name="dpo", beta=0.5), [-math.log(sigmoid(1.5)), math.log(2)]),
        (Objective(name="dpo", beta=0.5, label_smoothing=0.1), [
            -0.9 * math.log(sigmoid(1.5)) - 0.1 * math.log(sigmoid(-1.5)), math.log(2)
        ]),
        (Objective(name="dpo-norm", beta=2), [-math.log(sigmoid(2 * (0.5 + 0.5))), -math.log(sigmoid(2 * (-1 + 0.2)))]),
        (Objective(name="ipo", beta=0.25), [(3 - 2) ** 2, (0 - 2) ** 2]),
        (Objective(name="ipo-norm", beta=0.5), [(1 - 1) ** 2, (-0.8 - 1) ** 2]),
        (Objective(name="sft"), [2.0, 3.0]),
    ],
)  # fmt: skip
def test_losses_by_hand(objective, expected):
    assert loss(by_hand(), objective).each.tolist() == pytest.approx(expected, abs=1e-12)


def test_sft_is_a_token_mean_and_the_others_a_pair_mean():
    assert float(loss(by_hand(), Objective(name="sft")).value) == pytest.approx((8 + 3) / 5)
    assert float(loss(by_hand(), Objective(name="ipo", beta=0.25)).value) == pytest.approx((1 + 4) / 2)


def test_metrics_by_hand():
    found = metrics(by_hand(), Objective(beta=0.5), torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, -3.0]))
    assert found.margin == pytest.approx(0.5 * (3 + 0) / 2) and found.accuracy == 0.5  # a tie is no success
    assert (found.reward_chosen, found.reward_rejected) == pytest.approx((0.5 * (2 - 1) / 2, 0.5 * (-1 - 1) / 2))
    assert (found.logp_chosen, found.logp_rejected) == pytest.approx((-5.5, -8.5))
    assert found.kl == pytest.approx((0 + math.exp(-1) - 1 + 1) / 2) and found.pairs == 2


@given(st.lists(st.floats(-5, 5), min_size=1), st.floats(0.01, 5))
def test_kl_is_never_negative_and_zero_where_nothing_moved(moves, size):
    base = torch.full((len(moves),), -size, dtype=torch.float64)
    assert float(kl(base + torch.tensor(moves, dtype=torch.float64), base).min()) >= -1e-12
    assert float(kl(base, base).abs().max()) == 0


def test_smoothing_has_its_minimum_where_the_odds_are_the_labels():
    """sigmoid(beta gain) = 1 - e (Mitchell 2023)."""
    objective = Objective(beta=0.5, label_smoothing=0.2)
    chosen = torch.tensor([math.log(0.8 / 0.2) / 0.5], dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    found = Scores(
        chosen=chosen,
        rejected=zero,
        chosen_reference=zero,
        rejected_reference=zero,
        chosen_tokens=one,
        rejected_tokens=one,
    )
    loss(found, objective).value.backward()
    assert abs(float(chosen.grad)) < 1e-12


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"name": "dpoo"}, "no loss dpoo"),
        ({"beta": 0.0}, "beta cannot be"),
        ({"label_smoothing": 0.5}, "label smoothing cannot be"),
        ({"name": "ipo", "label_smoothing": 0.1}, "ipo has no label smoothing"),
    ],
)
def test_what_cannot_be_meant_is_refused(knobs, said):
    with pytest.raises(UsageError, match=said):
        Objective(**knobs)


def test_every_name_resolves():
    for name in LOSSES:
        assert loss(by_hand(), Objective(name=name)).value.ndim == 0
        assert Objective(name=name).pairs == (name != "sft")


@pytest.fixture(scope="module")
def trainers(tmp_path_factory):
    """TRL's trainer for a loss, with a small adapted Llama in it; made once a loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    folder = tmp_path_factory.mktemp("trl")
    size = save_tokenizer(folder, TEMPLATE)
    made = {}

    def trainer(name, beta):
        if (name, beta) not in made:
            args = DPOConfig(
                output_dir=str(folder / "out"), loss_type=THEIRS[name], beta=beta, use_cpu=True, report_to="none",
                gradient_checkpointing=False, bf16=False, disable_dropout=True, max_length=None,
            )  # fmt: skip
            lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
            turns = {"prompt": "Who?", "chosen": "Me.", "rejected": "You."}
            roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
            row = {part: [{"role": roles[part], "content": text}] for part, text in turns.items()}
            one = DPOTrainer(
                model=small_llama(vocab_size=size), args=args, train_dataset=Dataset.from_list([row] * 2),
                processing_class=AutoTokenizer.from_pretrained(folder), peft_config=lora,
            )  # fmt: skip
            torch.manual_seed(3)
            with torch.no_grad():
                for part, weight in one.model.named_parameters():
                    if "lora_" in part:
                        weight.normal_(0, 0.1)
            made[name, beta] = one
        return made[name, beta]

    return trainer


def theirs(trainer, batch):
    """TRL's loss, its gradients and what it logs for a batch."""
    prepare(trainer.model, way="sdpa")
    trainer._metrics["eval"].clear()
    examples = [
        {
            "prompt_ids": triple.prompt.tolist(),
            "chosen_ids": triple.chosen.tolist(),
            "rejected_ids": triple.rejected.tolist(),
        }
        for triple in batch
    ]
    trainer.model.eval()
    value = trainer.compute_loss(trainer.model, trainer.data_collator(examples))
    value.backward()
    logged = {name: values[-1] for name, values in trainer._metrics["eval"].items()}
    return float(value.detach()), gradients(trainer.model), logged


def ours(model, batch, objective, budget=10_000):
    """Our loss and gradients of the same batch, row by row, and the metrics if it is one row."""
    prepare(model, way="documents")
    rows = pack(batch, budget=budget)
    total, weight, found = 0.0, 0.0, None
    for row in rows:
        with reference(model):
            base = answer_logprobs(model, row, way="documents")
        own = answer_logprobs(model, row, way="documents")
        counted = scores(own, base, row)
        part = loss(counted, objective)
        part.total.backward()
        total, weight = total + float(part.total.detach()), weight + float(part.weight.sum())
        found = metrics(counted, objective, own, base)
    return total / weight, {name: grad / weight for name, grad in gradients(model).items()}, found, len(rows)


def equal(name, beta, batch, trainers, budget=10_000):
    trainer = trainers(name, beta)
    value, slopes, logged = theirs(trainer, batch)
    own_value, own_slopes, found, rows = ours(trainer.model, batch, Objective(name=name, beta=beta), budget)
    assert own_value == pytest.approx(value, rel=1e-4, abs=1e-5)
    assert slopes.keys() == own_slopes.keys() and len(slopes) == 8
    largest = max(float(slope.abs().max()) for slope in slopes.values())
    for part, slope in slopes.items():
        assert torch.allclose(slope, own_slopes[part], rtol=1e-3, atol=1e-4 * largest + 1e-6), part
    return found, logged, rows


@pytest.mark.parametrize("name", THEIRS)
def test_loss_and_gradients_equal_those_of_trl(name, trainers):
    batch = triples(*MIXED, vocabulary=90)
    found, logged, _ = equal(name, 0.3, batch, trainers)
    assert found.margin == pytest.approx(logged["rewards/margins"], abs=1e-4)
    assert found.accuracy == pytest.approx(logged["rewards/accuracies"])
    assert found.reward_chosen == pytest.approx(logged["rewards/chosen"], abs=1e-4)
    assert found.reward_rejected == pytest.approx(logged["rewards/rejected"], abs=1e-4)
    assert found.logp_chosen == pytest.approx(logged["logps/chosen"], abs=1e-4)
    assert found.logp_rejected == pytest.approx(logged["logps/rejected"], abs=1e-4)


@settings(max_examples=12, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 99), name=st.sampled_from(list(THEIRS)))
def test_loss_and_gradients_equal_those_of_trl_at_any_lengths(trainers, lengths, seed, name):
    equal(name, 0.3, triples(*lengths, seed=seed, vocabulary=90), trainers)


def test_several_rows_add_up_to_one_batch(trainers):
    for name in ("dpo", "sft"):
        *_, rows = equal(name, 0.3, triples(*MIXED, vocabulary=90), trainers, budget=25)
        assert rows > 1


def test_a_tie_costs_log_2_and_moves_nothing(trainers):
    [triple] = triples((6, 5, 5), vocabulary=90)
    tie = Triple(name="tie", prompt=triple.prompt, chosen=triple.chosen, rejected=triple.chosen)
    found, logged, _ = equal("dpo", 0.3, [tie], trainers)
    _, slopes, *_ = ours(trainers("dpo", 0.3).model, [tie], Objective(beta=0.3))
    assert max(float(slope.abs().max()) for slope in slopes.values()) < 1e-6
    assert found.loss == pytest.approx(math.log(2), abs=1e-6)
    assert found.accuracy == logged["rewards/accuracies"] == 0


def test_the_pocket_model_gets_the_same_loss_and_gradients_as_from_trl(tmp_path):
    """Text through both template roads: tokens, loss and gradients."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from cityfolk.pocket.arrays import weights_folder
    from cityfolk.training.tokens import PairText, Renderer, tokenise
    from cityfolk.types import Message

    talk = [("What do you do when plans change?", "I like it.", "I dread it for days."), ("Well?", "Yes, I am.", "No.")]
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    pairs = [
        PairText(name=ask, messages=(Message(role="user", content=ask),), chosen=chosen, rejected=rejected)
        for ask, chosen, rejected in talk
    ]
    batch = tokenise(pairs, Renderer(tokenizer, "pocket"), longest=2048, budget=2048).triples
    rows = [
        {
            "prompt": [{"role": "user", "content": ask}],
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }
        for ask, chosen, rejected in talk
    ]
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(weights_folder(), dtype=torch.float32),
        args=DPOConfig(
            output_dir=str(tmp_path), use_cpu=True, report_to="none", gradient_checkpointing=False, bf16=False
        ),
        train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )  # fmt: skip
    with torch.no_grad():
        for part, weight in trainer.model.named_parameters():
            if "lora_B" in part:
                weight.normal_(0, 0.02)
    for triple, row in zip(batch, trainer.train_dataset, strict=True):
        for part, ids in (("prompt", triple.prompt), ("chosen", triple.chosen), ("rejected", triple.rejected)):
            assert ids.tolist() == row[f"{part}_ids"]
    value, slopes, _ = theirs(trainer, batch)
    own_value, own_slopes, *_ = ours(trainer.model, batch, Objective(beta=0.1))
    assert own_value == pytest.approx(value, abs=1e-5)
    largest = max(float(slope.abs().max()) for slope in slopes.values())
    for part, slope in slopes.items():
        assert torch.allclose(slope, own_slopes[part], rtol=1e-3, atol=1e-4 * largest), part


def test_an_adapter_that_says_nothing_leaves_log_2():
    model = adapted(small_llama(), scale=0.0)
    value, _, found, _ = ours(model, triples(*MIXED), Objective())
    assert value == pytest.approx(math.log(2), abs=1e-6) and found.kl == pytest.approx(0, abs=1e-6)
