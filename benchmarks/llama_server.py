"""The pocket model in llama.cpp's server beside our own decoding: the same greedy words, and how fast each is.

    python benchmarks/llama_server.py --server PATH/TO/llama-server [--lives 32] [--tokens 128] [--no-speed] [--json]

The model is written as GGUF (extra `gguf`) and served with as many slots as the largest crowd.
 - tokens: the prompts of real profile requests, cut into tokens by llama.cpp and by our tokenizer;
 - parity: greedy replies of --tokens tokens to those prompts, given as token numbers. A reply that differs is counted
   with the gap, at the first difference, between the two tokens in our logits: a tie that rounding decides is near 0;
 - engine: the same requests with their schema through cityfolk's `openai:` engine, 8 at once: replies that pass the
   check which `write` makes, calls that had to be made again, and what the engine has to say of the server;
 - speed: whole lives (json_schema) and plain replies at 1, 8 and 32 at once, over HTTP from llama.cpp and in process
   from ours, alternating. Tokens are those written, seconds are those of the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
from threadpoolctl import threadpool_limits

from cityfolk.engines.openai import OpenAIEngine
from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.arrays import load_weights, weights_folder
from cityfolk.pocket.decoder import Decoder
from cityfolk.pocket.gguf import write_gguf
from cityfolk.pocket.serving import cores
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.profiles.write import parse_profile
from cityfolk.types import Request
from pocket import requests_of

CROWDS = (1, 8, 32)


@contextmanager
def llama(server: str, model: Path, crowd: int) -> Iterator[str]:
    """Run llama-server on a free port; yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context, threads = str(2048 * crowd), str(cores())
    command = [server, "-m", str(model), "--port", str(port), "-np", str(crowd), "-c", context, "-t", threads]
    with (model.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            if process.poll() is not None:
                raise SystemExit((model.parent / "server.log").read_text()[-2000:])
            try:
                post(f"{address}/tokenize", {"content": "x"})
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait()


def post(url: str, body: dict) -> dict:
    """Send JSON and read JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def rendered(request: Request) -> str:
    """Return a request's prompt as the chat template writes it."""
    turns = "".join(f"<|{m.role}|>{m.content}<|end|>" for m in request.messages)
    return f"<|bos|>{turns}<|assistant|>"


def greedy(decoder: Decoder, prompt: list[int], count: int, end: int) -> tuple[list[int], list[np.ndarray]]:
    """Return our greedy tokens (the end token among them) and the logits that each was taken from."""
    row = decoder.prefill(0, prompt)[-1]
    tokens, logits = [], []
    for number in range(count):
        logits.append(row)
        tokens.append(int(row.argmax()))
        if tokens[-1] == end:
            break
        row = decoder.step(np.array([tokens[-1]]), np.array([len(prompt) + number]))[0]
    return tokens, logits


def parity(address: str, requests: list[Request], count: int) -> dict[str, object]:
    """Compare the tokens of prompts and the greedy replies to them."""
    folder = weights_folder()
    tokenizer, decoder = PocketTokenizer.load(folder), Decoder(load_weights(folder), 1)
    same_prompt = same_reply = same_tokens = 0
    gaps = []
    for request in requests:
        head, rest = tokenizer.chat(request.messages)
        prompt = [*head, *rest]
        theirs = post(f"{address}/tokenize", {"content": rendered(request), "parse_special": True})["tokens"]
        same_prompt += theirs == prompt
        body = {"prompt": prompt, "n_predict": count, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        told = [token for token in post(f"{address}/completion", body)["tokens"] if token != tokenizer.end]
        with threadpool_limits(limits=1, user_api="blas"):
            ours, logits = greedy(decoder, prompt, count, tokenizer.end)
        ours = [token for token in ours if token != tokenizer.end]
        agreed = next((n for n, (a, b) in enumerate(zip(ours, told, strict=False)) if a != b), None)
        same_reply += ours == told
        same_tokens += len(ours) if agreed is None else agreed
        if agreed is not None:
            gaps.append(float(logits[agreed][ours[agreed]] - logits[agreed][told[agreed]]))
    return {
        "prompts": len(requests),
        "prompts_cut_the_same": same_prompt,
        "replies_the_same": same_reply,
        "tokens_before_a_difference": same_tokens,
        "gaps_at_differences": [round(gap, 4) for gap in gaps],
    }


def through_engine(address: str, requests: list[Request]) -> dict[str, object]:
    """Ask for whole lives through the `openai:` engine, and check every reply."""
    engine = OpenAIEngine("pocket-1", [f"{address}/v1"], concurrency=8)
    began = time.perf_counter()
    replies = [reply for _, reply in engine.generate(requests)]
    took = time.perf_counter() - began
    accepted, refused = 0, []
    for reply in replies:
        try:
            parse_profile(reply)
            accepted += reply.finish == "stop"
        except ValueError as error:
            refused.append(f"{reply.error or error}")
    return {
        "calls": len(replies),
        "accepted": accepted,
        "asked_again": sum(len(reply.faults) for reply in replies),
        "schema_mode": engine.schema_mode,
        "notices": engine.notices,
        "refused": refused[:3],
        "seconds": round(took, 2),
    }


async def ask_all(address: str, requests: list[Request], crowd: int) -> tuple[int, float, int]:
    """Ask llama-server, `crowd` at once; return (tokens written, seconds, replies that are whole JSON)."""
    waiting = iter(requests)
    written = whole = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal written, whole
        for request in waiting:
            body: dict = {
                "messages": [{"role": m.role, "content": m.content} for m in request.messages],
                "temperature": request.sampling.temperature,
                "max_tokens": request.sampling.max_tokens,
                "seed": request.seed,
            }
            if request.schema is not None:
                named = {"name": "life", "schema": json.loads(request.schema), "strict": True}
                body["response_format"] = {"type": "json_schema", "json_schema": named}
            async with session.post(f"{address}/v1/chat/completions", json=body) as response:
                answer = await response.json()
            if "usage" not in answer:
                raise SystemExit(f"llama-server: {answer}")
            written += answer["usage"]["completion_tokens"]
            try:
                whole += isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)
            except json.JSONDecodeError:
                continue

    timeout = aiohttp.ClientTimeout(total=None)
    began = time.perf_counter()
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(work(session) for _ in range(crowd)))
    return written, time.perf_counter() - began, whole


def ours(engine: PocketEngine, requests: list[Request]) -> tuple[int, float, int]:
    """Ask our engine; return (tokens written, seconds, replies that are whole JSON)."""
    began = time.perf_counter()
    replies = [reply for _, reply in engine.generate(requests)]
    took = time.perf_counter() - began
    whole = sum(reply.finish == "stop" and reply.text.startswith("{") for reply in replies)
    return sum(reply.completion_tokens for reply in replies), took, whole


def speed(address: str, requests: list[Request]) -> list[dict[str, object]]:
    """Measure both at every crowd, with the schema and without."""
    rows: list[dict[str, object]] = []
    for with_schema in (True, False):
        for crowd in CROWDS:
            some = requests[: max(4, crowd)]
            if not with_schema:
                some = [replace(r, schema=None, sampling=replace(r.sampling, max_tokens=128)) for r in some]
            engine = PocketEngine(slots=crowd)
            next(iter(engine.generate(some[:1])))
            asyncio.run(ask_all(address, some[:1], 1))
            for who in ("llama.cpp", "ours"):
                result = asyncio.run(ask_all(address, some, crowd)) if who == "llama.cpp" else ours(engine, some)
                rows.append(
                    {
                        "who": who,
                        "schema": with_schema,
                        "at_once": crowd,
                        "calls": len(some),
                        "tokens": result[0],
                        "seconds": round(result[1], 2),
                        "tokens_per_second": round(result[0] / result[1]),
                        "whole_json": result[2] if with_schema else None,
                    }
                )
    return rows


def main() -> None:
    """Run all and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--lives", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--no-speed", action="store_true", help="leave out the last part, which takes longest")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    requests = requests_of("cambridge-ma", args.lives)
    with tempfile.TemporaryDirectory() as folder:
        model = write_gguf(weights_folder(), Path(folder) / "pocket-1.gguf")
        with llama(args.server, model, max(CROWDS)) as address:
            same = parity(address, requests, args.tokens)
            engine = through_engine(address, requests)
            rows = [] if args.no_speed else speed(address, requests)
    if args.json:
        print(json.dumps({"cores": os.cpu_count(), "parity": same, "engine": engine, "speed": rows}, indent=1))
        return
    for name, value in [*same.items(), *((f"engine_{name}", value) for name, value in engine.items())]:
        print(f"{name.replace('_', ' ')}: {value}")
    if rows:
        print(f"{'':10} {'schema':>7} {'at once':>8} {'calls':>6} {'tokens':>8} {'s':>8} {'tokens/s':>9} {'whole':>6}")
    for row in rows:
        print(
            f"{row['who']:10} {row['schema']!s:>7} {row['at_once']:8} {row['calls']:6} {row['tokens']:8,} "
            f"{row['seconds']:8.2f} {row['tokens_per_second']:9,} {row['whole_json']!s:>6}"
        )


if __name__ == "__main__":
    main()
