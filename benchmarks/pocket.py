"""How long the embedded model takes to write lives, beside the matrix products that it cannot do without.

    python benchmarks/pocket.py [--lives 200] [--place cambridge-ma] [--json]

Both run in this process, one after the other, on the same machine: pocket on a thread a core, the floor on one, so that
CPU seconds are what compares them:
 - pocket: PocketEngine answers the profile requests of a real cohort of the place (prompts, masks, sampling, checks);
 - floor: for exactly the passes that pocket made, the plain numpy matrix products of the same shapes and nothing else
   (query, key, value, output, gate, up, down, vocabulary): no attention, no norms, no grammar, no sampling.
Building the people and loading the weights are not counted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_limits

from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.arrays import Weights, load_weights, weights_folder
from cityfolk.pocket.decoder import ROWS, Decoder
from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.records import citizens
from cityfolk.profiles.write import MAX_TOKENS, parse_profile, profile_request
from cityfolk.types import Request, Sampling

Passes = Counter[tuple[int, int]]  # (rows through the layers, rows through the vocabulary) -> how many times


def requests_of(place: str, lives: int) -> list[Request]:
    """Return the profile requests of a cohort of a place."""
    from cityfolk.people.build import build_people
    from cityfolk.places.pack import load_place

    pack = load_place(place)
    made = build_people(pack, 0)
    cohort = draw_cohort(made.people, lives, 0, households=made.households)
    sampling = Sampling(temperature=0.8, max_tokens=MAX_TOKENS)
    chosen = citizens(made.people, made.households, cohort, pack.title)
    return [profile_request(citizen, PocketEngine().model, sampling) for citizen in chosen]


def counting(passes: Passes) -> None:
    """Have every decoder count its passes; a step always has ROWS rows."""
    step, prefill, lock = Decoder.step, Decoder.prefill, Lock()

    def counted_step(self, *args):
        with lock:
            passes[ROWS, ROWS] += 1
        return step(self, *args)

    def counted_prefill(self, slot, tokens, start=0, wanted=1, weights=None):
        with lock:
            passes[len(tokens), wanted] += 1
        return prefill(self, slot, tokens, start, wanted, weights)

    Decoder.step, Decoder.prefill = counted_step, counted_prefill


def pocket(requests: list[Request]) -> tuple[dict[str, float], Passes]:
    """Write every life; return what it took and the passes that were made."""
    passes: Passes = Counter()
    counting(passes)
    engine = PocketEngine()
    next(iter(engine.generate(requests[:1])))  # loads the weights and the grammar
    passes.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    replies = [reply for _, reply in engine.generate(requests)]
    result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    for reply in replies:
        parse_profile(reply)  # raises where a life is not valid: seconds of nonsense are not worth knowing
    result["prompt_tokens"] = sum(reply.prompt_tokens for reply in replies)
    result["written_tokens"] = sum(reply.completion_tokens for reply in replies)
    return result | {"passes": sum(passes.values())}, passes


def floor(weights: Weights, passes: Passes) -> dict[str, float]:
    """Do the matrix products of the same passes."""
    rng = np.random.default_rng(0)
    width, between = weights.layers[0].qkv.shape[0], weights.layers[0].down.shape[0]
    heads = weights.layers[0].out.shape[0]

    def rows(count: int, size: int) -> np.ndarray:
        return rng.standard_normal((count, size), dtype=np.float32)

    inputs = {shape: (rows(shape[0], width), rows(shape[0], heads), rows(shape[0], between)) for shape in passes}
    last = {shape: rows(shape[1], width) for shape in passes}
    wall, cpu = time.perf_counter(), time.process_time()
    for shape, times in passes.items():
        x, mixed, hidden = inputs[shape]
        for _ in range(times):
            for layer in weights.layers:
                x @ layer.qkv
                mixed @ layer.out
                x @ layer.gate_up
                hidden @ layer.down
            last[shape] @ weights.unembedding
    result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return result | {"passes": sum(passes.values())}


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", default="cambridge-ma")
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    requests = requests_of(args.place, args.lives)
    took, passes = pocket(requests)
    with threadpool_limits(limits=1, user_api="blas"):
        least = floor(load_weights(weights_folder()), passes)
    if args.json:
        print(json.dumps({"lives": args.lives, "pocket": took, "floor": least}, indent=1))
        return
    print(f"{args.lives} lives of {args.place}, {took['passes']:,} passes")
    print(f"{'':28} {'seconds':>8} {'CPU s':>8} {'tokens/s':>9} {'s a life':>9}")
    for name, result in (("pocket", took), ("floor: matrix products", least)):
        rate = took["written_tokens"] / result["wall_s"]
        each = result["wall_s"] / args.lives
        print(f"{name:28} {result['wall_s']:8.2f} {result['cpu_s']:8.2f} {rate:9,.0f} {each:9.4f}")
    print(f"tokens: {took['prompt_tokens']:,} of prompts, {took['written_tokens']:,} written")
    print(f"pocket against floor: {took['cpu_s'] / least['cpu_s']:.1f} times the CPU seconds")


if __name__ == "__main__":
    main()
