"""What the transformers engine costs beside the library it runs on, and what a schema or adapters add.

    python benchmarks/local.py [--model FOLDER] [--requests 48] [--tokens 64] [--batch 16] [--runs 7] [--json]

All run in this process on the same prompts (profile requests of a real cohort), one after the other, `runs` times in
turn; the table gives medians. Per token means without the prompts: a run with one token a request is subtracted.
 - free: text without a schema, drawn at temperature .8;
 - schema: bound to a schema of plain strings long enough never to end; also without feeding forced tokens together;
 - adapters: free, with rows of 1 and of 4 random LoRA adapters (rank 8, attention) in the same batch;
 - generate: transformers' own `generate` on batches of the same size, padded, greedy;
 - generate_batch: transformers' own continuous batching, greedy (one round).
The model defaults to the one that ships with cityfolk; it is small, so that everything around its products shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cityfolk.engines.transformers import TransformersEngine, make
from cityfolk.pocket.arrays import weights_folder
from cityfolk.types import Request, Sampling
from pocket import requests_of

FIELDS = [f"part_{n}" for n in range(12)]
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 40, "maxLength": 90} for name in FIELDS},
        "required": FIELDS,
        "additionalProperties": False,
    }
)
Measured = tuple[float, float, int]  # seconds, CPU seconds, tokens written


def timed(engine: TransformersEngine, requests: list[Request]) -> Measured:
    """Answer all requests once."""
    wall, cpu = time.perf_counter(), time.process_time()
    replies = [reply for _, reply in engine.generate(requests)]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    broken = [reply.error for reply in replies if reply.finish == "error"]
    if broken:
        raise SystemExit(broken[0])
    return wall, cpu, sum(reply.completion_tokens for reply in replies)


def written(
    engine: TransformersEngine, requests: list[Request], tokens: int, *, schema: str | None, adapters: list[str]
) -> Measured:
    """Return what writing took, the prompts' share subtracted."""

    def made(count: int) -> list[Request]:
        return [
            replace(
                request,
                schema=schema,
                adapter=adapters[n % len(adapters)],
                sampling=Sampling(temperature=0.8, max_tokens=count),
            )
            for n, request in enumerate(requests)
        ]

    whole, prompts = timed(engine, made(tokens)), timed(engine, made(1))
    return whole[0] - prompts[0], whole[1] - prompts[1], whole[2] - prompts[2]


def random_adapters(model: str, folder: Path, count: int) -> list[Path]:
    """Save LoRA adapters of random numbers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    made = []
    for number in range(count):
        torch.manual_seed(number)
        config = LoraConfig(r=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM")
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), config)
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_" in name:
                    weight.normal_(0, 0.01)
        adapted.save_pretrained(folder / f"a{number}")
        made.append(folder / f"a{number}")
    return made


def library(model: str, requests: list[Request], tokens: int, batch: int) -> dict[str, Callable[[], Measured]]:
    """Return transformers' own two ways to answer the same prompts, as functions to time."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, ContinuousBatchingConfig, GenerationConfig

    own = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    texts = [
        tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in request.messages],
            tokenize=False,
            add_generation_prompt=True,
        )
        for request in requests
    ]

    def generate() -> int:
        count = 0
        for start in range(0, len(texts), batch):
            inputs = tokenizer(
                texts[start : start + batch], return_tensors="pt", padding=True, add_special_tokens=False
            )
            inputs.pop("token_type_ids", None)
            out = own.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
            count += out[:, inputs["input_ids"].shape[1] :].numel()
        return count

    def generate_batch() -> int:
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        config = GenerationConfig(max_new_tokens=tokens, do_sample=False, eos_token_id=-1, pad_token_id=0)
        # Left to itself it takes most of the free memory for keys and values.
        room = ContinuousBatchingConfig(page_size=32, num_blocks=1024, max_batch_tokens=2048)
        out = own.generate_batch(inputs=ids, generation_config=config, continuous_batching_config=room)
        return sum(len(one.generated_tokens) for one in out.values())

    def clock(work: Callable[[], int]) -> Callable[[], Measured]:
        def run() -> Measured:
            wall, cpu = time.perf_counter(), time.process_time()
            count = work()
            return time.perf_counter() - wall, time.process_time() - cpu, count

        return run

    return {"generate": clock(generate), "generate_batch": clock(generate_batch)}


def main() -> None:
    """Run everything in turn and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(weights_folder()))
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    requests = requests_of(args.place, args.requests)
    name = f"{args.model}?batch={args.batch}&device={args.device}"
    engine, plain = make(name), make(name)
    plain._loop.forced = 0
    with tempfile.TemporaryDirectory() as folder:
        adapters = [engine.adapter(str(path)) for path in random_adapters(args.model, Path(folder), 4)]
        free = {"schema": None, "adapters": [""]}
        work: dict[str, Callable[[], Measured]] = {
            "free": lambda: written(plain, requests, args.tokens, **free),
            "schema": lambda: written(engine, requests, args.tokens, schema=SCHEMA, adapters=[""]),
            "schema, token by token": lambda: written(plain, requests, args.tokens, schema=SCHEMA, adapters=[""]),
            "adapters: 1": lambda: written(engine, requests, args.tokens, schema=None, adapters=adapters[:1]),
            "adapters: 4 and base": lambda: written(
                engine, requests, args.tokens, schema=None, adapters=[*adapters, "base"]
            ),
            "free, prompts included": lambda: timed(
                plain, [replace(r, schema=None, sampling=Sampling(max_tokens=args.tokens)) for r in requests]
            ),
            **{f"{k}, prompts included": v for k, v in library(args.model, requests, args.tokens, args.batch).items()},
        }
        results: dict[str, dict[int, Measured]] = {label: {} for label in work}
        for run in range(args.runs + 1):
            for label, once in work.items():
                if label.startswith("generate_batch") and run != 1:
                    continue  # some fifty times slower on a CPU: once is enough to see it
                measured = once()
                if run:  # the first round loads weights and compiles schemas
                    results[label][run] = measured
    report(results, args.json)


def report(results: dict[str, dict[int, Measured]], as_json: bool) -> None:
    """Print microseconds a token: medians, and the median of the ratios to `free` of the same round."""
    table, free = {}, results["free"]
    for label, runs in results.items():
        walls = {run: wall / count * 1e6 for run, (wall, _, count) in runs.items()}
        cpus = {run: cpu / count * 1e6 for run, (_, cpu, count) in runs.items()}
        table[label] = {
            "wall_us": statistics.median(walls.values()),
            "cpu_us": statistics.median(cpus.values()),
            "wall_ratio": statistics.median(w / (free[run][0] / free[run][2] * 1e6) for run, w in walls.items()),
            "cpu_ratio": statistics.median(c / (free[run][1] / free[run][2] * 1e6) for run, c in cpus.items()),
            "tokens": next(iter(runs.values()))[2],
        }
    if as_json:
        print(json.dumps(table, indent=1))
        return
    print(f"{'':34} {'µs a token':>10} {'CPU µs':>8} {'to free':>8} {'CPU':>6} {'tokens':>8}")
    for label, row in table.items():
        print(
            f"{label:34} {row['wall_us']:10.0f} {row['cpu_us']:8.0f} {row['wall_ratio']:8.2f} "
            f"{row['cpu_ratio']:6.2f} {row['tokens']:8,}"
        )


if __name__ == "__main__":
    main()
