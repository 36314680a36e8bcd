"""A step of the trainer against one written out by hand, and whole trainings that stop and go on."""

import numpy as np
import pytest
import torch

from cityfolk.errors import EngineError
from cityfolk.training.data import batch_of, chosen_alone, pairs_of_step
from cityfolk.training.logprobs import answer_logprobs, prepare, reference, separate_logprobs
from cityfolk.training.recipe import Recipe
from cityfolk.training.reference import References
from cityfolk.training.trainer import PairTrainer, Plan, Watch, arguments, optimizer_state, restore_optimizer
from tests.training.models import adapted, gradients, small_llama, triples

BATCH = triples((9, 3, 4), (2, 6, 1), (7, 2, 5), (5, 1, 1), (3, 8, 8), (6, 4, 2))
FIXED = {"batch": 4, "row_tokens": 30, "rate": 1e-2, "beta": 0.3, "seed": 3, "device": "cpu"}


def trainer_of(tmp_path, *, steps=3, first=0, dropout=0.0, model=None, **recipe):
    recipe = Recipe(**FIXED | {"dropout": dropout} | recipe)
    model = model or adapted(small_llama(), scale=0.05, dropout=dropout)
    for name, weight in model.named_parameters():
        weight.requires_grad_("lora_" in name)
    way = prepare(model)
    kept = References(tmp_path / "r.sqlite", model="m", dtype="float32")

    def base(row):
        with reference(model):
            return answer_logprobs(model, row, way=way).numpy()

    kept.fill(BATCH, base, budget=recipe.row_tokens)
    plan = Plan(triples=BATCH, references=kept if recipe.pairs else None, recipe=recipe, way=way, steps=steps)
    return PairTrainer(
        model=model, plan=plan, first=first, args=arguments(tmp_path, recipe, device="cpu", steps=steps, report_to=())
    )


def by_hand(model, triples, objective, beta=0.3):
    """The loss of some pairs by a pass of its own for each answer, with the formulas written out."""
    prepare(model, way="sdpa")
    total = torch.zeros(())
    for triple in triples:
        own = [tokens.sum() for tokens in separate_logprobs(model, triple)]
        with reference(model):
            base = [tokens.sum() for tokens in separate_logprobs(model, triple)]
        if objective == "sft":
            total = total - own[0]
            continue
        gain = (own[0] - base[0]) - (own[1] - base[1])
        total = total + (torch.log1p(torch.exp(-beta * gain)) if objective == "dpo" else (gain - 1 / (2 * beta)) ** 2)
    return total / (sum(len(t.chosen) for t in triples) if objective == "sft" else len(triples))


@pytest.mark.parametrize("objective", ["dpo", "ipo", "sft"])
def test_loss_and_gradients_of_a_step_are_those_of_a_loop_by_hand(tmp_path, objective):
    trainer = trainer_of(tmp_path, objective=objective)
    some = BATCH if objective != "sft" else chosen_alone(BATCH)
    batch = batch_of(some, objective=objective, budget=30)
    assert len(batch.rows) > 1
    value = trainer.training_step(trainer.model, {"batch": batch})
    ours = gradients(trainer.model)
    trainer.model.eval()
    expected = by_hand(trainer.model, some, objective)
    expected.backward()
    theirs = gradients(trainer.model)
    expected = expected.detach()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert ours.keys() == theirs.keys() and len(ours) == 12
    for name, slope in ours.items():
        assert torch.allclose(slope, theirs[name], rtol=1e-4, atol=2e-6 * float(slope.abs().max())), name
    assert trainer.norm == pytest.approx(float(torch.cat([s.flatten() for s in ours.values()]).norm()), rel=1e-5)
    watched = trainer.watched
    assert watched["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert ("margin" in watched) == (objective != "sft") and trainer.tokens == sum(t.tokens for t in some)


def test_a_training_is_that_of_a_loop_by_hand(tmp_path):
    trainer = trainer_of(tmp_path, steps=4, warmup=0.25, weight_decay=0.1, clip=0.05)
    trainer.train()
    model = adapted(small_llama(), scale=0.05)
    weights = [weight for name, weight in model.named_parameters() if "lora_" in name]
    for weight in weights:
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.1)
    for step, share in enumerate((0.0, 1.0, 2 / 3, 1 / 3)):  # up in one step of four, down to 0 after the last
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * share
        some = [BATCH[place] for place in pairs_of_step(step, len(BATCH), 4, 3)]
        by_hand(model, some, "dpo").backward()
        torch.nn.utils.clip_grad_norm_(weights, 0.05)
        optimizer.step()
        optimizer.zero_grad()
    found, fresh = (dict(one.named_parameters()) for one in (trainer.model, adapted(small_llama(), scale=0.05)))
    for name, weight in model.named_parameters():
        assert torch.allclose(weight, found[name], atol=2e-5), name
    moved = [(found[name] - fresh[name]).abs().max() for name in fresh if "lora_" in name]
    assert min(moved) > 1e-3


def test_how_pairs_are_packed_does_not_matter(tmp_path):
    found = []
    for budget in (30, 300):
        trainer = trainer_of(tmp_path / str(budget), row_tokens=budget)
        batch = batch_of(BATCH, objective="dpo", budget=budget)
        found.append((float(trainer.training_step(trainer.model, {"batch": batch})), gradients(trainer.model)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for name, slope in found[0][1].items():
        assert torch.allclose(slope, found[1][1][name], rtol=1e-4, atol=1e-6)


def run(trainer, *, stop=0, first=0, state=None):
    """Train, note every step's loss, stop after some step; return losses, weights and what a checkpoint holds."""
    losses, kept = [], {}

    def begun(optimizer, schedule):
        if state:
            restore_optimizer(optimizer, state["tensors"], state["groups"])
            schedule.load_state_dict(state["schedule"])
        kept["parts"] = (optimizer, schedule)

    def stepped(step, rate):
        losses.append((step, trainer.watched["loss"], rate))
        return step == stop

    trainer.add_callback(Watch(first, begun, stepped))
    trainer.train()
    optimizer, schedule = kept["parts"]
    tensors, groups = optimizer_state(optimizer)
    weights = {name: w.detach().clone() for name, w in trainer.model.named_parameters() if "lora_" in name}
    return losses, weights, {"tensors": tensors, "groups": groups, "schedule": schedule.state_dict()}


def test_stopped_and_taken_up_it_is_the_same_training_dropout_included(tmp_path):
    whole, weights, _ = run(trainer_of(tmp_path / "a", steps=6, dropout=0.3))
    begun, half, state = run(trainer_of(tmp_path / "b", steps=6, dropout=0.3), stop=2)
    torch.manual_seed(99)  # whatever else was drawn meanwhile
    np.random.seed(99)  # noqa: NPY002
    second = trainer_of(tmp_path / "b", steps=6, dropout=0.3, first=2)
    with torch.no_grad():
        for name, weight in second.model.named_parameters():
            if "lora_" in name:
                weight.copy_(half[name])
    rest, again, _ = run(second, first=2, state=state)
    assert [step for step, *_ in begun + rest] == [1, 2, 3, 4, 5, 6]
    assert np.allclose(begun + rest, whole, rtol=1e-6, atol=0)
    for name, weight in weights.items():
        assert torch.allclose(weight, again[name], atol=1e-7), name
    plain, _, _ = run(trainer_of(tmp_path / "c", steps=6))
    assert abs(plain[0][1] - whole[0][1]) > 1e-4  # dropout does something


def test_numbers_that_are_none_stop_it_with_a_sentence(tmp_path):
    model = adapted(small_llama(), scale=0.05)
    trainer = trainer_of(tmp_path, steps=4, model=model)

    def stepped(step, rate):
        if step == 2:
            with torch.no_grad():
                next(w for n, w in model.named_parameters() if "lora_A" in n).fill_(float("inf"))
        return False

    trainer.add_callback(Watch(0, lambda *_: None, stepped))
    with pytest.raises(EngineError, match="at step 3 the loss is not a finite number") as stopped:
        trainer.train()
    assert stopped.value.exit_code == 4 and "lower rate" in stopped.value.hint


def test_held_out_pairs_change_nothing_and_are_watched_without_dropout(tmp_path):
    trainer = trainer_of(tmp_path, dropout=0.5)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    first, second = (trainer.held_out(BATCH, trainer.plan.references) for _ in range(2))
    assert first == second and trainer.model.training
    trainer.model.eval()
    assert first["loss"] == pytest.approx(float(by_hand(trainer.model, BATCH, "dpo").detach()), rel=1e-5)
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True))
    assert all(weight.grad is None for weight in trainer.model.parameters())
