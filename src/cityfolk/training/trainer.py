"""transformers' Trainer with packed pairs: its loop, optimizer, schedules, loggers and processes; our loss and files.

A step is addressed: its pairs and its dropout follow from the seed and its number. So a training goes on from a
checkpoint as if it had never stopped, and no state of a generator has to be kept. Checkpoints are safetensors and JSON
of our own (`training.checkpoints`), since the library's hold pickles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

from cityfolk.errors import EngineError
from cityfolk.rng import derive
from cityfolk.training.data import Batch, batch_of, chosen_alone, pairs_of_step
from cityfolk.training.logprobs import answer_logprobs, scores
from cityfolk.training.loss import Metrics, Objective, loss, metrics
from cityfolk.training.packing import Row, pack
from cityfolk.training.recipe import Recipe
from cityfolk.training.reference import References
from cityfolk.training.tokens import Triple

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a trainer trains on: triples, their reference, the recipe, how the model attends, how far it goes.

    `references` is None where the objective needs none. `multiple` and `pad` fill rows up for devices that want it.
    """

    triples: Sequence[Triple]
    references: References | None
    recipe: Recipe
    way: str
    steps: int
    multiple: int = 1
    pad: int = 0

    @property
    def objective(self) -> Objective:
        """The loss."""
        recipe = self.recipe
        return Objective(name=recipe.objective, beta=recipe.beta, label_smoothing=recipe.label_smoothing)


@dataclass(slots=True)
class Totals:
    """Sums of what was watched over rows, and the means they make."""

    pairs: int = 0
    tokens: int = 0
    weight: float = 0.0
    sums: Numbers = field(default_factory=dict)

    def add(self, found: Metrics, weight: float, tokens: int) -> None:
        """Add a row: its means, what its loss weighs, how many answer tokens its KL is a mean of."""
        for name in _WATCHED:
            by = weight if name == "loss" else tokens if name == "kl" else found.pairs
            self.sums[name] = self.sums.get(name, 0.0) + by * getattr(found, name)
        self.pairs, self.tokens, self.weight = self.pairs + found.pairs, self.tokens + tokens, self.weight + weight

    def gathered(self, device: torch.device) -> Totals:
        """Return the totals of all processes."""
        values = [self.pairs, self.tokens, self.weight, *(self.sums.get(name, 0.0) for name in _WATCHED)]
        every = torch.tensor(values, dtype=torch.float64, device=device)
        torch.distributed.all_reduce(every)
        pairs, tokens, weight, *sums = every.tolist()
        return Totals(int(pairs), int(tokens), weight, dict(zip(_WATCHED, sums, strict=True)))

    @property
    def means(self) -> Numbers:
        """Return the means."""
        by = {"loss": self.weight, "kl": self.tokens}
        return {name: value / by.get(name, self.pairs) for name, value in self.sums.items()}


_WATCHED = tuple(one.name for one in fields(Metrics) if one.name != "pairs")
_OF_CHOSEN = ("loss", "logp_chosen")
"""What can be told without rejected answers and a reference."""


class PairTrainer(Trainer):
    """Trains an adapter on packed pairs; the steps from `first` on."""

    def __init__(self, *, model: Any, plan: Plan, args: TrainingArguments, first: int = 0) -> None:
        self.plan, self.first, self.watched, self.norm = plan, first, dict[str, float](), 0.0
        self.tokens = 0  # of the pairs trained on since the first step
        super().__init__(model=model, args=args)
        for printing in (PrinterCallback, ProgressCallback):
            self.remove_callback(printing)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Give the steps that are left, each as its own batch."""
        steps = _Steps(self.plan, range(self.first, self.plan.steps), self.args.process_index, self.args.world_size)
        return DataLoader(steps, batch_size=None, shuffle=False)

    def floating_point_ops(self, inputs: Any) -> int:
        """Count nothing: rows of packed pairs are no batch of the library's."""
        return 0

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Add up the gradients of a step, row by row; EngineError where they are not finite.

        Every row's loss is divided by what the whole step weighs, so that their sum is the loss of the step, however
        its pairs are packed and shared out.
        """
        step, batch = self.state.global_step, inputs["batch"]  # a Batch
        model.train()
        totals, total = Totals(), torch.zeros((), device=self.args.device)
        with self._addressed(step):
            for number, row in enumerate(batch.rows):
                last = number == len(batch.rows) - 1
                with _later(self, model, last):
                    share = self.compute_loss(model, {"row": row, "batch": batch, "totals": totals})
                    # Processes' gradients are averaged, and a step's are a sum.
                    self.accelerator.backward(share * self.args.world_size)
                total += share.detach()
        if self.args.world_size > 1:
            torch.distributed.all_reduce(total)
            totals = totals.gathered(self.args.device)
        self.norm = self._norm(model)
        self._refuse(step + 1, float(total))
        self.tokens += batch.tokens
        kept = totals.means
        self.watched = kept if self.plan.recipe.pairs else {name: kept[name] for name in _OF_CHOSEN}
        return total

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return a row's share of the loss of its step."""
        row, batch, objective = inputs["row"], inputs["batch"], self.plan.objective
        with self.compute_loss_context_manager():
            own = answer_logprobs(model, row, way=self.plan.way)
        base = against(self.plan.references, row, batch.triples, own)
        found = scores(own, base, row)
        part = loss(found, objective)
        inputs["totals"].add(metrics(found, objective, own.detach(), base), float(part.weight.sum()), len(row.targets))
        share = part.total / batch.weight
        return (share, {}) if return_outputs else share

    def held_out(self, triples: Sequence[Triple], references: References) -> Numbers:
        """Return what is watched on held-out pairs, by the weights as they are; both answers, whatever the loss."""
        model: Any = self.model
        totals, recipe = Totals(), self.plan.recipe
        model.eval()
        with torch.no_grad():
            for row in pack(triples, budget=recipe.row_tokens, multiple=self.plan.multiple, pad=self.plan.pad):
                with self.compute_loss_context_manager():
                    own = answer_logprobs(model, row, way=self.plan.way)
                base = against(references, row, triples, own)
                found = scores(own, base, row)
                weight = float(loss(found, self.plan.objective).weight.sum())
                totals.add(metrics(found, self.plan.objective, own, base), weight, len(row.targets))
        model.train()
        return totals.means

    @contextmanager
    def _addressed(self, step: int) -> Iterator[None]:
        """Draw dropout from the step's own address, and leave the generators as they were."""
        cuda = [self.args.device] if self.args.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(derive(self.plan.recipe.seed, "training", "dropout", step, self.args.process_index) >> 1)
            yield

    def _norm(self, model: Any) -> float:
        """Return the norm of the step's gradient, before it is cut down."""
        slopes = [weight.grad for weight in model.parameters() if weight.grad is not None]
        return float(torch.nn.utils.get_total_norm(slopes)) if slopes else 0.0

    def _refuse(self, step: int, value: float) -> None:
        sound = torch.isfinite(torch.tensor([value, self.norm])).tolist()
        if not all(sound):
            what = "loss" if not sound[0] else "gradient"
            raise EngineError(
                f"at step {step} the {what} is not a finite number; the last good checkpoint is kept",
                hint="train under another --name with a lower rate or warmup above 0, or with dtype = "
                '"float32" in the recipe',
            )


def against(references: References | None, row: Row, triples: Sequence[Triple], own: Tensor) -> Tensor:
    """Return the reference of a row's answer tokens; where there is none, the model itself, as a constant."""
    if references is None:
        return own.detach()
    return torch.as_tensor(references.of_row(row, triples), device=own.device)


@contextmanager
def _later(trainer: PairTrainer, model: Any, last: bool) -> Iterator[None]:
    """Exchange gradients between processes with the last row alone."""
    if last or trainer.args.world_size == 1:
        yield
    else:
        with trainer.accelerator.no_sync(model):
            yield


class _Steps(torch.utils.data.Dataset[Any]):
    """Steps as a data set: each item is one process's part of one step."""

    def __init__(self, plan: Plan, numbers: range, process: int, processes: int) -> None:
        self.plan, self.numbers, self.process, self.processes = plan, numbers, process, processes

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> dict[str, Batch]:
        plan, recipe = self.plan, self.plan.recipe
        if not 0 <= place < len(self.numbers):
            raise IndexError(place)
        chosen = pairs_of_step(self.numbers[place], len(plan.triples), recipe.batch, recipe.seed)
        triples = [plan.triples[number] for number in chosen]
        batch = batch_of(
            triples if recipe.pairs else chosen_alone(triples),
            objective=recipe.objective,
            budget=recipe.row_tokens,
            multiple=plan.multiple,
            pad=plan.pad,
            process=self.process,
            processes=self.processes,
        )
        return {"batch": batch}


class Watch(TrainerCallback):
    """Calls `begun` when optimizer and schedule are there, and `stepped` after every step; True from it ends training.

    `step` is where a training begins: the number of steps that an earlier one has made.
    """

    def __init__(self, step: int, begun: Callable[[Any, Any], None], stepped: Callable[[int, float], bool]) -> None:
        self.step, self.begun, self.stepped = step, begun, stepped

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Take up where an earlier training stopped."""
        state.global_step = self.step
        self.begun(others["optimizer"], others["lr_scheduler"])

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Remember the rate that this step is made with."""
        self.rate = float(others["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Tell of the step that was made."""
        if self.stepped(state.global_step, self.rate):
            control.should_training_stop = True


def arguments(folder: Path, recipe: Recipe, *, device: str, steps: int, report_to: Sequence[str]) -> TrainingArguments:
    """Return a recipe as the library wants it; what it would print, save and measure by itself is switched off."""
    args = TrainingArguments(
        output_dir=str(folder),
        use_cpu=device == "cpu",
        bf16=recipe.dtype == "bfloat16" or (recipe.dtype == "auto" and device != "cpu"),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        learning_rate=recipe.rate,
        lr_scheduler_type="constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule,
        warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        seed=recipe.seed % 2**32,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
        report_to=list(report_to) or "none",
    )
    args._n_gpu = min(args.n_gpu, 1)  # one process uses one device; several are started by a launcher
    return args


def optimizer_state(optimizer: Any) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return an optimizer's tensors by name, and its groups as plain values."""
    state = optimizer.state_dict()
    tensors = {
        f"{place}.{name}": torch.as_tensor(value).detach().cpu()
        for place, kept in state["state"].items()
        for name, value in kept.items()
        if value is not None
    }
    return tensors, state["param_groups"]


def restore_optimizer(optimizer: Any, tensors: dict[str, Tensor], groups: list[dict[str, Any]]) -> None:
    """Give an optimizer back what `optimizer_state` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
