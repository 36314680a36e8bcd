"""A training step on preference pairs, ours beside TRL's, in the same run on the same pairs.

    python benchmarks/training.py [--device cpu|cuda] [--shape pocket|llama-3-8b] [--pairs 8] [--rounds 7] [--json]

A step is: batch, forward pass, loss, backward pass, AdamW on a LoRA adapter (r 32, all linear layers), DPO with beta
.1, reference log-probabilities computed beforehand on either side. The model has random weights. Pairs are random
tokens with prompts of 72 and answers log-normal around 150; steps of the two are made in turn and the table gives
medians. TRL runs as it runs best: its own collator, precomputed reference, no checkpointing, its fused head, the same
number type. Its steps include what it logs (entropy, accuracies), which cannot be turned off.

Both sides use one model and one adapter, so that weights, sizes and memory are the same. On a CPU everything is
float32; with --device cuda it is bfloat16 under autocast, attention is FlexAttention (ours) and SDPA (TRL's), and the
shape is LLaMA-3-8B's. Where there is no CUDA device, that mode says "not run".

"real tokens" are prompt + chosen + rejected; "processed" what goes through the layers, padding included; the share of
the peak counts the matrix products of real tokens that training an adapter needs (forward, and backward to the inputs
and the adapter), against the fastest bfloat16 product of 8192 by 8192 matrices measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cityfolk.pocket.arrays import weights_folder
from cityfolk.rng import child
from cityfolk.training.logprobs import answer_logprobs, prepare, reference, scores
from cityfolk.training.loss import Objective, loss
from cityfolk.training.packing import dense_mask, inputs_of, pack
from cityfolk.training.tokens import Triple

RANK, BETA, RATE = 32, 0.1, 1e-5
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": TINY | {"num_key_value_heads": 2, "vocab_size": 512},
    "llama-3-8b": LLAMA | {"num_key_value_heads": 8, "vocab_size": 128256, "rope_theta": 500000.0},
}
Step = Callable[[list[Triple]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: sizes of the pairs, the device, how rows are filled."""

    pairs: int
    prompt: int
    answer: float
    sigma: float
    seed: int
    device: str
    way: str
    budget: int

    def triples(self, step: int, vocabulary: int) -> list[Triple]:
        """Draw the pairs of a step."""
        draw = child(self.seed, "benchmark", "training", step)
        sizes = np.exp(draw.normal(np.log(self.answer) - self.sigma**2 / 2, self.sigma, (self.pairs, 2)))
        sizes = np.clip(sizes.round().astype(int), 1, 1024)
        return [
            Triple(
                name=str(number),
                prompt=draw.integers(5, vocabulary, self.prompt),
                chosen=draw.integers(5, vocabulary, chosen),
                rejected=draw.integers(5, vocabulary, rejected),
            )
            for number, (chosen, rejected) in enumerate(sizes.tolist())
        ]

    def autocast(self) -> AbstractContextManager[Any]:
        """Return what passes run under: bfloat16 on CUDA."""
        return torch.autocast("cuda", dtype=torch.bfloat16) if self.device == "cuda" else nullcontext()

    def wait(self) -> None:
        """Wait until the device is done."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def random_model(shape: str, device: str) -> Any:
    """Make a Llama of random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"max_position_embeddings": 8192, "pad_token_id": 4, "bos_token_id": 0, "eos_token_id": 4}
    config = LlamaConfig.from_pretrained(weights_folder()) if shape == "pocket" else None
    config = config or LlamaConfig(**sizes | SHAPES[shape])
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            return LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def trl_trainer(model: Any, case: Case, folder: Path) -> Any:
    """Put TRL's trainer around the model; it adds the adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(
        output_dir=str(folder), beta=BETA, gradient_checkpointing=False,
        use_cpu=case.device == "cpu", bf16=case.device == "cuda", max_length=None, report_to="none",
        per_device_train_batch_size=case.pairs, per_device_eval_batch_size=case.pairs,
    )  # fmt: skip
    lora = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LAYERS, task_type="CAUSAL_LM")
    # It wants some text to begin with; the steps get tokens, and the reference from outside.
    rows = Dataset.from_list([{"prompt": "Who?", "chosen": "Me.", "rejected": "You."}])
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    trainer = DPOTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer, peft_config=lora)
    trainer.precompute_ref_logps = True
    return trainer


def _ids(triple: Triple) -> dict[str, Any]:
    parts = {"prompt": triple.prompt, "chosen": triple.chosen, "rejected": triple.rejected}
    return {f"{name}_ids": [int(token) for token in ids] for name, ids in parts.items() if ids is not None}


def our_step(model: Any, optimizer: Any, case: Case) -> Step:
    """Return a function that makes one step of ours and times it, without the reference."""

    def rows_of(triples: list[Triple]) -> list[Any]:
        return pack(triples, budget=case.budget, multiple=128 if case.device == "cuda" else 1)

    def step(triples: list[Triple]) -> float:
        with reference(model), case.autocast():
            known = [answer_logprobs(model, row, way=case.way) for row in rows_of(triples)]
        case.wait()
        began, total = time.perf_counter(), 0.0
        for row, base in zip(rows_of(triples), known, strict=True):
            with case.autocast():
                own = answer_logprobs(model, row, way=case.way)
            part = loss(scores(own, base, row), Objective(beta=BETA)).total / len(triples)
            part.backward()
            total += float(part.detach())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        case.wait()
        step.value = total  # type: ignore[attr-defined]
        return time.perf_counter() - began

    return step


def trl_step(trainer: Any, optimizer: Any, case: Case) -> Step:
    """Return a function that makes one step of TRL's and times it, without the reference."""

    def step(triples: list[Triple]) -> float:
        rows: list[dict[str, Any]] = [_ids(triple) for triple in triples]
        batch = {name: part.to(case.device) for name, part in trainer.data_collator(rows).items()}
        with torch.no_grad(), case.autocast():
            chosen, rejected = trainer.compute_ref_log_probs(trainer.model, batch)
        for row, up, down in zip(rows, chosen, rejected, strict=True):
            row |= {"ref_chosen_logps": float(up), "ref_rejected_logps": float(down)}
        case.wait()
        began = time.perf_counter()
        batch = {name: part.to(case.device) for name, part in trainer.data_collator(rows).items()}
        with case.autocast():
            value = trainer.compute_loss(trainer.model, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        case.wait()
        step.value = float(value.detach())  # type: ignore[attr-defined]
        return time.perf_counter() - began

    return step


def flops(model: Any, triples: list[Triple]) -> float:
    """Return the floating-point operations that a step on these pairs needs, nothing computed twice.

    A product of the frozen weights counts twice 2 (forward, and backward to its inputs), one of the adapter three
    times; attention counts what the mask shows, forward and twice that backward; the head counts answer tokens.
    """
    config, parts = model.config, dict(model.named_parameters())
    inputs = sum(inputs_of(triple) for triple in triples)
    targets = sum(len(answer) for triple in triples for answer in triple.answers)
    head = config.vocab_size * config.hidden_size
    frozen = sum(p.numel() for name, p in parts.items() if "layers" in name and "lora" not in name)
    adapter = sum(p.numel() for name, p in parts.items() if "lora" in name)
    [row] = pack(triples, budget=inputs)
    width = config.num_attention_heads * (config.head_dim or config.hidden_size // config.num_attention_heads)
    seen = float(dense_mask(row).sum()) * config.num_hidden_layers * width
    return 4 * frozen * inputs + 6 * adapter * inputs + 4 * head * targets + 3 * 4 * seen


def bf16_peak() -> float:
    """Measure the fastest bfloat16 matrix product of this device, operations a second."""
    size, best = 8192, 0.0
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(30):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        torch.cuda.synchronize()
        best = max(best, 5 * 2 * size**3 / (time.perf_counter() - began))
    return best


def turns(case: Case, trainer: Any, rounds: int) -> Iterator[dict[str, float]]:
    """Make steps in turn and yield what each round gave; the first rounds warm up and are not counted."""
    model = trainer.model
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE)
    sides: dict[str, Step] = {
        "ours": our_step(model, optimizer, case),
        "trl": trl_step(trainer, optimizer, case),
    }
    attention = {"ours": case.way, "trl": "sdpa"}
    vocabulary = model.config.vocab_size
    for number in range(rounds + 2):
        triples = case.triples(number, vocabulary)
        found: dict[str, float] = {}
        order = list(sides) if number % 2 else list(sides)[::-1]
        for side in order:
            prepare(model, way=attention[side])
            if case.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            found[side] = sides[side](triples)
            found[f"{side} loss"] = sides[side].value  # type: ignore[attr-defined]
            if case.device == "cuda":
                found[f"{side} GB"] = torch.cuda.max_memory_allocated() / 1e9
        found["tokens"] = sum(triple.tokens for triple in triples)
        found["ours processed"] = sum(len(row.input_ids) for row in pack(triples, budget=case.budget))
        found["trl processed"] = 2 * len(triples) * max(triple.longest for triple in triples)
        found["flop"] = flops(model, triples)
        if number >= 2:
            yield found


def report(rounds: list[dict[str, float]], about: dict[str, Any], as_json: bool) -> None:
    """Print medians, and the median of the ratios of the same round."""

    def middle(name: str) -> float:
        return statistics.median(one[name] for one in rounds)

    table: dict[str, Any] = {"about": about}
    for side in ("ours", "trl"):
        table[side] = {
            "seconds": middle(side),
            "processed_by_real": statistics.median(one[f"{side} processed"] / one["tokens"] for one in rounds),
            "real_tokens_a_second": statistics.median(one["tokens"] / one[side] for one in rounds),
            "loss": middle(f"{side} loss"),
        }
        if about["device"] == "cuda":
            table[side]["gigabytes"] = middle(f"{side} GB")
            table[side]["of_peak"] = statistics.median(one["flop"] / one[side] / about["peak"] for one in rounds)
    table["time_to_trl"] = statistics.median(one["ours"] / one["trl"] for one in rounds)
    if as_json:
        print(json.dumps(table, indent=1))
        return
    print(", ".join(f"{name}: {value}" for name, value in about.items()))
    print(f"{'':6} {'s a step':>9} {'processed/real':>15} {'real tokens/s':>14} {'GB':>7} {'of peak':>8} {'loss':>7}")
    for side in ("ours", "trl"):
        row = table[side]
        memory, share = (f"{row[name]:.3g}" if name in row else "-" for name in ("gigabytes", "of_peak"))
        print(
            f"{side:6} {row['seconds']:9.3f} {row['processed_by_real']:15.3f} {row['real_tokens_a_second']:14,.0f} "
            f"{memory:>7} {share:>8} {row['loss']:7.4f}"
        )
    print(f"time of ours to TRL's, median over rounds: {table['time_to_trl']:.2f}")


def main() -> None:
    """Run steps in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=["pocket", *SHAPES], default="")
    parser.add_argument("--pairs", type=int, default=0, help="a step: 8 on a CPU, 24 on a GPU")
    parser.add_argument("--prompt", type=int, default=72)
    parser.add_argument("--answer", type=float, default=150, help="mean tokens of an answer")
    parser.add_argument("--sigma", type=float, default=0.3, help="standard deviation of the log of an answer's length")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--way", default="", help="attention of ours: documents, flex_attention or sdpa")
    parser.add_argument("--budget", type=int, default=16384, help="inputs a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("not run: there is no CUDA device that torch can use")
        return
    if args.threads:
        torch.set_num_threads(args.threads)
    cuda = args.device == "cuda"
    case = Case(
        pairs=args.pairs or (24 if cuda else 8), prompt=args.prompt, answer=args.answer, sigma=args.sigma,
        seed=args.seed, device=args.device, way=args.way or ("flex_attention" if cuda else "documents"),
        budget=args.budget,
    )  # fmt: skip
    shape = args.shape or ("llama-3-8b" if cuda else "pocket")
    about = {
        "device": args.device,
        "hardware": torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} CPU threads",
        "shape": shape, "pairs": case.pairs, "rounds": args.rounds, "torch": torch.__version__,
    }  # fmt: skip
    if cuda:
        about["peak"] = bf16_peak()
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(random_model(shape, args.device), case, Path(folder))
        report(list(turns(case, trainer, args.rounds)), about, args.json)


if __name__ == "__main__":
    main()
