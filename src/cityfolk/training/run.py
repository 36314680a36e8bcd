"""One training from beginning to end: what is there is taken up, what is made is kept, the best checkpoint is left.

adapters/NAME/  adapter_model.safetensors, adapter_config.json   the best checkpoint, as PEFT has it
                recipe.toml      everything that was used
                training.json    what was trained on what, how long, which step is kept, why it stopped
                training.jsonl   one line an event: train, held-out, control
                samples.jsonl    answers before and after
                checkpoints/     the newest and the best
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from time import monotonic
from typing import Any

import torch

from cityfolk.engines.transformers_load import out_of_memory
from cityfolk.errors import DataError, EngineError
from cityfolk.study.files import write_text
from cityfolk.training import checkpoints
from cityfolk.training.data import some_of
from cityfolk.training.ending import CHECKPOINTS, Made, State, publish
from cityfolk.training.events import Events
from cityfolk.training.extras import loggers
from cityfolk.training.job import Control, Gauge, Job, Told, score
from cityfolk.training.logprobs import answer_logprobs, longest_row, prepare, reference
from cityfolk.training.packing import Row
from cityfolk.training.recipe import recipe_text
from cityfolk.training.record import EVENTS, RECIPE
from cityfolk.training.reference import References
from cityfolk.training.setup import (
    Processes,
    adapter_config,
    adapter_tensors,
    check_memory,
    device_of,
    dtype_of,
    load_adapted,
    restore_adapter,
)
from cityfolk.training.speak import Voice
from cityfolk.training.tokens import Renderer, Triple, tokenise
from cityfolk.training.trainer import (
    PairTrainer,
    Plan,
    Watch,
    arguments,
    optimizer_state,
    restore_optimizer,
)

_KEPT = 2  # checkpoints while training goes on, beside the best


def train(job: Job, gauge: Gauge | None, told: Told) -> dict[str, Any]:
    """Train an adapter, from where an earlier call was killed if one was; return training.json with its notices.

    EngineError where the model, the device or the numbers do not bear it; StudyError where the disk does not.
    """
    run = _Run(job, gauge, told, Processes.of_environment())
    with _quiet():
        try:
            return run.all()
        except RuntimeError as problem:
            if not out_of_memory(problem):
                raise
            raise EngineError(
                f"memory ran out with {job.recipe.row_tokens:,} tokens a row; the last good checkpoint is kept",
                hint="set a smaller row_tokens in a recipe of your own: the result does not depend on it",
            ) from problem
        finally:
            run.close()


class _Run:
    def __init__(self, job: Job, gauge: Gauge | None, told: Told, processes: Processes) -> None:
        self.job, self.gauge, self.told, self.processes = job, gauge, told, processes
        self.recipe, self.notices, self.state = job.recipe, list[str](), State()
        self.events = Events(job.folder / EVENTS)
        self.checkpoints = job.folder / CHECKPOINTS
        self.references: References | None = None
        self.before: Control | None = None

    def all(self) -> dict[str, Any]:
        recipe, job = self.recipe, self.job
        self.device = device_of(recipe, self.processes)
        self.dtype = dtype_of(recipe, self.device)
        check_memory(job.place, recipe, dtype=self.dtype, device=self.device)
        self.model, tokenizer = load_adapted(job.place, recipe, dtype=self.dtype, device=self.device)
        self.way = prepare(self.model)
        self._read(Renderer(tokenizer, job.place.name))
        self.steps = recipe.total_steps(len(self.triples))
        # From here on several processes know of one another.
        args = arguments(job.folder, recipe, device=self.device, steps=self.steps, report_to=self._loggers())
        self._refer()
        found = self._resume()
        self.voice = Voice(self.model, tokenizer, name=str(job.place), way=self.way, seed=recipe.seed)
        self.trainer = PairTrainer(
            model=self.model,
            args=args,
            first=self.state.step,
            plan=Plan(
                triples=self.triples,
                references=self.references if recipe.pairs else None,
                recipe=recipe,
                way=self.way,
                steps=self.steps,
                multiple=self.multiple,
                pad=self.pad,
            ),
        )
        self.begun = monotonic()
        if self.state.step < self.steps and not self.state.stopped_by:
            watch = Watch(
                self.state.step, lambda optimizer, schedule: self._begin(found, optimizer, schedule), self._stepped
            )
            self.trainer.add_callback(watch)
            self.trainer.train()
        return self._finish()

    def close(self) -> None:
        if self.references is not None:
            self.references.close()

    # -- before the first step ----------------------------------------------------------------------------------------

    def _read(self, renderer: Renderer) -> None:
        """Turn pairs into tokens; pairs that are too long are left out and said."""
        limits = {"longest": longest_row(self.model, self.recipe.row_tokens), "budget": self.recipe.row_tokens}
        kept = tokenise(self.job.train, renderer, **limits)
        held = tokenise(self.job.held_out, renderer, **limits)
        self.notices += [text for text in (kept.notice, held.notice) if text]
        self.triples, self.too_long = kept.triples, len(kept.too_long) + len(held.too_long)
        self.held_out = some_of(held.triples, self.recipe.held_out, self.recipe.seed)
        self.multiple, self.pad = (128, renderer.end) if self.device.startswith("cuda") else (1, 0)
        if not self.triples:
            raise DataError(
                f"all {len(self.job.train):,} pairs are longer than {limits['longest']:,} tokens",
                hint="set a larger row_tokens in a recipe of your own, or use a model that reads more",
            )

    def _refer(self) -> None:
        """Compute the reference of every pair that is used, where it is not kept already."""
        wanted = [*(self.triples if self.recipe.pairs else ()), *self.held_out]
        if not wanted:
            return
        path = self.job.folder.parent / "reference.sqlite"
        self.references = References(path, model=str(self.job.place), dtype=self.dtype)
        parts = self.processes.count
        if parts > 1:
            self._compute(wanted[self.processes.rank :: parts])
            torch.distributed.barrier()
        self._compute(wanted)
        self.notices += self.references.notices

    def _compute(self, triples: list[Triple]) -> None:
        assert self.references is not None

        def numbers(row: Row) -> Any:
            kind = torch.device(self.device).type
            with reference(self.model), torch.autocast(kind, dtype=torch.bfloat16, enabled=self.dtype == "bfloat16"):
                return answer_logprobs(self.model, row, way=self.way).float().cpu().numpy()

        self.references.fill(
            triples,
            numbers,
            budget=self.recipe.row_tokens,
            multiple=self.multiple,
            progress=lambda done, total: self.told("reference", done, total, ""),
        )

    def _resume(self) -> checkpoints.Checkpoint | None:
        """Take up the newest sound checkpoint."""
        found, damaged = checkpoints.newest(self.checkpoints)
        if found is not None:
            restore_adapter(self.model, checkpoints.tensors(found.folder, checkpoints.ADAPTER))
            self.state = State(**found.state["state"])
            damaged = [f"{text}: going on from step {found.step}" for text in damaged]
        elif damaged:
            damaged = [f"{text}: beginning again" for text in damaged]
        self.notices += damaged
        if self.processes.count > 1:
            torch.distributed.barrier()
        if self.processes.first:
            self.events.rewind(self.state.step if found is not None else -1)
            write_text(self.job.folder / RECIPE, recipe_text(self.recipe))
        return found

    def _begin(self, found: checkpoints.Checkpoint | None, optimizer: Any, schedule: Any) -> None:
        if found is not None:
            tensors = checkpoints.tensors(found.folder, checkpoints.OPTIMIZER)
            restore_optimizer(optimizer, tensors, found.state["groups"])
            schedule.load_state_dict(found.state["schedule"])
        self.optimizer, self.schedule = optimizer, schedule
        if not self.processes.first:
            return
        if self.gauge is not None:
            self.told("control before training", 0, 1, "")
            self.before = self.gauge.start(self.voice)
            if self.state.step == 0:
                self._control(self.before, 0)
            self.told("control before training", 1, 1, "")
        if self.state.step == 0 and self.held_out:
            self._held_out(0)

    # -- steps --------------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        return self.state.seconds + monotonic() - self.begun

    def _stepped(self, step: int, rate: float) -> bool:
        """Tell of a step, look at held-out pairs and control when it is time, keep what is to be kept."""
        stop = self._told_and_kept(step, rate) if self.processes.first else False
        if self.processes.count > 1:
            shared = torch.tensor([int(stop)], device=self.trainer.args.device)
            torch.distributed.broadcast(shared, 0)
            stop = bool(shared.item())
        return stop

    def _told_and_kept(self, step: int, rate: float) -> bool:
        recipe, state = self.recipe, self.state
        watched, tokens = self.trainer.watched, state.tokens + self.trainer.tokens
        self.events.add(
            "train", step, epoch=self._epoch(step), **watched, rate=rate, norm=self.trainer.norm, tokens=tokens,
            seconds=round(self.seconds, 2),
        )  # fmt: skip
        self.trainer.log({**watched, "learning_rate": rate, "grad_norm": self.trainer.norm})
        speed = self.trainer.tokens / max(monotonic() - self.begun, 1e-9)
        self.told("train", step, self.steps, f"loss {watched['loss']:.4f}, {speed:,.0f} tokens/s")
        late = bool(recipe.minutes) and self.seconds >= 60 * recipe.minutes
        last = step == self.steps or late
        looks = last or (bool(recipe.eval_every) and step % recipe.eval_every == 0)
        best = self._look(step) if looks else False
        state.stopped_by = "steps" if step == self.steps else "minutes" if late else ""
        if not state.stopped_by and looks and recipe.patience and state.worse >= recipe.patience:
            state.stopped_by = "patience"
        if best or state.stopped_by or (recipe.save_every and step % recipe.save_every == 0):
            self._save(step, tokens)
        return bool(state.stopped_by)

    def _epoch(self, step: int) -> float:
        return round(step * self.recipe.batch / len(self.triples), 4)

    def _look(self, step: int) -> bool:
        """Look at held-out pairs and control; say whether this is the best step so far."""
        accuracy = self._held_out(step) if self.held_out else None
        control = None
        if self.gauge is not None:
            control = self.gauge.read(self.voice)
        found = score(accuracy, None if control is None else control.score)
        if control is not None:
            self._control(control, step, found)
        state = self.state
        best = found is None or state.best_score is None or found > state.best_score
        state.worse = 0 if best else state.worse + 1
        if best:
            state.best_step, state.best_score = step, found
            state.samples = list(control.samples) if control is not None else []
        return best

    def _held_out(self, step: int) -> float:
        assert self.references is not None
        found = self.trainer.held_out(self.held_out, self.references)
        self.events.add(
            "held-out", step, epoch=self._epoch(step), **found, tokens=self.state.tokens + self.trainer.tokens,
            seconds=round(self.seconds, 2),
        )  # fmt: skip
        self.trainer.log({f"held_out/{name}": value for name, value in found.items()})
        return found["accuracy"]

    def _control(self, control: Control, step: int, found: float | None = None) -> None:
        value = score(None, control.score) if found is None else found
        self.events.add("control", step, epoch=self._epoch(step), **control.told, control=control.score, score=value)
        self.trainer.log({"control/score": float(value or 0.0), "control/control": control.score})

    def _save(self, step: int, tokens: int) -> None:
        tensors, groups = optimizer_state(self.optimizer)
        state = self.state
        now = {"step": step, "tokens": tokens, "seconds": round(self.seconds, 3)}
        checkpoints.save(
            self.checkpoints,
            step,
            adapter=adapter_tensors(self.model),
            config=adapter_config(self.model),
            optimizer=tensors,
            state={"state": asdict(state) | now, "groups": groups, "schedule": _plain(self.schedule.state_dict())},
        )
        checkpoints.prune(self.checkpoints, _KEPT, state.best_step)

    # -- after the last step ------------------------------------------------------------------------------------------

    def _finish(self) -> dict[str, Any]:
        """Publish the best checkpoint and write down what was done."""
        if not self.processes.first:
            return {}
        if self.before is None and self.gauge is not None:
            self.before = self.gauge.start(self.voice)
        made = Made(
            pairs={"train": len(self.triples), "held_out": len(self.held_out)},
            too_long=self.too_long,
            before=self.before,
            device=torch.cuda.get_device_name() if self.device.startswith("cuda") else "cpu",
            processes=self.processes.count,
        )
        return publish(self.job, made, self.notices)

    def _loggers(self) -> list[str]:
        return loggers() if self.processes.first else []


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule's state without its functions, which are the recipe's."""
    return {name: value for name, value in state.items() if name != "lr_lambdas"} | {
        "lr_lambdas": [None for _ in state.get("lr_lambdas", ())]
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' chatter from the terminal while they work; their errors still come through."""
    names = ("transformers", "accelerate", "peft")
    before = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in names:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)
