"""What it costs to ask a server: ours beside a plain aiohttp loop, and beside other people's packages.

    python benchmarks/engines.py                       2,000 structured requests, seven interleaved runs of each
    python benchmarks/engines.py --city                118,000 requests: memory above the start
    python benchmarks/engines.py --peers ~/.cache/x    DataDesigner and Curator take turns with them, each in a virtual
                                                       environment that is made in that folder

The server is tests/stub_server.py: 50 ms a reply, as many at once as are asked (256). `plain` is the loop one writes in
ten minutes: a semaphore, aiohttp, json; nothing is checked and nothing kept. `ours` builds requests, validates every
reply and commits it to the journal. CPU is user and system time of the asking process, imports and the collection of
what they left behind left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

ROOT = Path(__file__).parents[1]
STUB = ROOT / "tests" / "stub_server.py"
REQUESTS, CITY, AT_ONCE, DELAY, RUNS = 2_000, 118_000, 256, 0.05, 7
PEERS = {"datadesigner": "data-designer==0.9.6", "curator": "bespokelabs-curator==0.1.31"}
JOBS = ["nurse", "cook", "teacher", "software developer", "bus driver", "bookkeeper", "librarian", "electrician"]


def prompts(n: int) -> tuple[str, list[str], str]:
    """Return guidance, the text of n made-up citizens, and the schema of a profile: the words that `write` sends."""
    from cityfolk.profiles.prompts import profile_messages
    from cityfolk.profiles.schema import ProfileText, json_schema
    from cityfolk.types import BigFive, Citizen, Household, Person

    texts, guidance = [], ""
    for i in range(n):
        person = Person(
            person_id=i,
            household_id=i,
            role="householder",
            age=20 + i % 70,
            sex=("female", "male")[i % 2],
            birthplace="Massachusetts",
            nativity="native",
            citizenship="born",
            education="bachelor's",
            employment="employed",
            occupation=None,
            income_usd=20_000 + 37 * i,
            name=f"Citizen {i}",
            personality=BigFive.clipped(
                **{t: (i * k % 97) / 97 for t, k in zip(TRAITS, (3, 5, 7, 11, 13), strict=True)}
            ),
        )
        home = Household(household_id=i, kind="nonfamily", size=1, income_usd=20_000 + 37 * i, vehicles=i % 3)
        system, user = profile_messages(Citizen(person=person, household=home, place="Port Selene"))
        guidance = system.content
        texts.append(f"{user.content}\nWork: {JOBS[i % len(JOBS)]}")
    return guidance, texts, json_schema(ProfileText)


TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")


# -- the asking processes: each prints one line of JSON ---------------------------------------------------------------


def plain(url: str, n: int) -> dict[str, float]:
    """Ask with a plain aiohttp loop."""
    import asyncio

    import aiohttp

    guidance, texts, schema = prompts(n)
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": json.loads(schema), "strict": True}}
    results = []

    async def ask() -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(text: str) -> None:
                async with gate:
                    messages = [{"role": "system", "content": guidance}, {"role": "user", "content": text}]
                    body = {"model": "stub", "messages": messages, "temperature": 0.8, "max_tokens": 2048}
                    async with session.post(
                        f"{url}/chat/completions", json={**body, "response_format": form}
                    ) as response:
                        answer = await response.json()
                        results.append(json.loads(answer["choices"][0]["message"]["content"]))

            await asyncio.gather(*(one(text) for text in texts))

    gc.collect()
    began, cpu = perf_counter(), process_time()
    asyncio.run(ask())
    assert len(results) == n
    return {"wall": perf_counter() - began, "cpu": process_time() - cpu}


def ours(url: str, n: int) -> dict[str, float]:
    """Ask with cityfolk: requests, keys, validation, journal."""
    from cityfolk.engines.ask import ask
    from cityfolk.engines.openai import OpenAIEngine
    from cityfolk.profiles.write import parse_profile
    from cityfolk.study.journal import Journal
    from cityfolk.types import Failure, Message, Request, Sampling

    guidance, texts, schema = prompts(min(n, REQUESTS))
    sampling = Sampling(max_tokens=2048)
    system = Message(role="system", content=guidance)

    def requests() -> Iterator[Request]:
        for i in range(n):
            text = texts[i % len(texts)] + f"\nNumber {i}"
            messages = (system, Message(role="user", content=text))
            yield Request(messages=messages, model="stub", schema=schema, sampling=sampling, label=f"person {i}")

    import encodings.idna  # noqa: F401 - imports are left out of the time, here as in the plain loop

    import aiohttp  # noqa: F401
    import uvloop  # noqa: F401

    before = memory()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        journal = Journal(Path(folder) / "calls.sqlite")
        engine = OpenAIEngine("stub", [url], concurrency=AT_ONCE)
        gc.collect()
        began, cpu = perf_counter(), process_time()
        replies = ask(journal, engine, requests(), lambda _, reply: parse_profile(reply), stage="write")
        good = sum(not isinstance(result, Failure) for _, result in replies)
        wall, cpu = perf_counter() - began, process_time() - cpu
        journal.close()
    assert good == n
    return {"wall": wall, "cpu": cpu, "mib": (peak() - before) / 2**20, "at_once": engine.concurrency}


def datadesigner(url: str, n: int) -> dict[str, float]:
    """Ask with NVIDIA's DataDesigner."""
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    guidance, texts, schema = read_prompts(n)
    provider = dd.ModelProvider(name="stub", endpoint=url, provider_type="openai", api_key="none")
    parameters = dd.ChatCompletionInferenceParams(max_parallel_requests=AT_ONCE, max_tokens=2048, temperature=0.8)
    model = dd.ModelConfig(alias="m", model="stub", provider="stub", inference_parameters=parameters)
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"facts": texts})))
    builder.add_column(
        dd.LLMStructuredColumnConfig(
            name="profile",
            model_alias="m",
            prompt="{{ facts }}",
            system_prompt=guidance,
            output_format=json.loads(schema),
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        designer = DataDesigner(artifact_path=folder, model_providers=[provider])
        gc.collect()
        began, cpu = perf_counter(), process_time()
        made = designer.create(builder, num_records=n)
        assert len(made.load_dataset()) == n
        return {"wall": perf_counter() - began, "cpu": process_time() - cpu}


def curator(url: str, n: int) -> dict[str, float]:
    """Ask with Bespoke Labs' Curator."""
    from importlib.util import find_spec

    # Curator counts tokens with a vocabulary that tiktoken would download; litellm, which it installs, brings it along.
    beside = (find_spec("litellm").submodule_search_locations or [""])[0]
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", f"{beside}/litellm_core_utils/tokenizers")
    from bespokelabs import curator as bespoke

    guidance, texts, schema = read_prompts(n)
    form = model_of(json.loads(schema))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CURATOR_CACHE_DIR"] = folder
        limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10, "max_concurrent_requests": AT_ONCE}
        asker = type(
            "Asker",
            (bespoke.LLM,),
            {
                "response_format": form,
                "prompt": lambda self, row: [
                    {"role": "system", "content": guidance},
                    {"role": "user", "content": row["text"]},
                ],
                "parse": lambda self, row, response: {"profile": response.model_dump_json()},
            },
        )(model_name="stub", backend="openai", backend_params={"base_url": url, "api_key": "none", **limits})
        gc.collect()
        began, cpu = perf_counter(), process_time()
        made = asker([{"text": text} for text in texts])
        assert len(getattr(made, "dataset", made)) == n
        return {"wall": perf_counter() - began, "cpu": process_time() - cpu}


def model_of(schema: dict) -> type:
    """Return a pydantic model like the one that made a schema; peers take a class."""
    from pydantic import create_model

    kinds = {"string": str, "array": list[str]}
    return create_model("Profile", **{name: (kinds[p["type"]], ...) for name, p in schema["properties"].items()})


def read_prompts(n: int) -> tuple[str, list[str], str]:
    """Return the prompts from the file that the main process wrote: peers' environments have no cityfolk."""
    guidance, texts, schema = json.loads(Path(os.environ["BENCH_PROMPTS"]).read_text())
    return guidance, texts[:n], schema


def memory() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    """Return the most resident bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -- the process that compares ----------------------------------------------------------------------------------------


@contextmanager
def stub(delay: float) -> Iterator[str]:
    """Run the server; give its base address."""
    command = [sys.executable, str(STUB), "--delay", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}/v1"
        finally:
            server.kill()


def measure(who: str, url: str, n: int, python: str = sys.executable) -> dict[str, float]:
    """Run one asking process and return what it measured, with what the server counted."""
    root = url.removesuffix("/v1")
    urllib.request.urlopen(urllib.request.Request(f"{root}/reset", method="POST")).read()
    done = subprocess.run(
        [python, __file__, "worker", who, url, str(n)],
        capture_output=True,
        text=True,
        env=os.environ | {"no_proxy": "*"},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    counted = json.loads(urllib.request.urlopen(f"{root}/stats").read())
    return json.loads(done.stdout.splitlines()[-1]) | {k: counted[k] for k in ("requests", "max_inflight", "distinct")}


def environment(folder: Path, package: str) -> str:
    """Make a virtual environment with a package, unless it is there; return its Python."""
    place = folder / package
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", package], check=True)
        (place / "ready").touch()
    return str(python)


def told(name: str, runs: list[dict[str, float]], n: int) -> dict[str, float]:
    """Print and return the medians of some runs."""
    wall = statistics.median(run["wall"] for run in runs)
    cpu = 1000 * statistics.median(run["cpu"] for run in runs) / n
    most = max(run["max_inflight"] for run in runs)
    print(f"{name:14} {cpu:8.3f} ms CPU a request   {wall:7.2f} s   at most {most:.0f} at once   ({len(runs)} runs)")
    return {"cpu_ms": cpu, "wall": wall}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--requests", type=int, default=REQUESTS)
    cli.add_argument("--runs", type=int, default=RUNS)
    cli.add_argument("--city", action="store_true", help=f"ask {CITY:,} times with no delay; report memory")
    cli.add_argument("--peers", type=Path, metavar="FOLDER", help="make environments there and race the peers")
    args = cli.parse_args()
    if args.city:
        with stub(0.0) as url:
            run = measure("ours", url, CITY)
        print(f"{CITY:,} requests: {run['mib']:.1f} MiB above the start, {run['wall']:.0f} s, {run['cpu']:.0f} s CPU")
        return
    pythons = {"plain": sys.executable, "ours": sys.executable}
    if args.peers:
        pythons |= {who: environment(args.peers, package) for who, package in PEERS.items()}
    with stub(DELAY) as url:
        compare(race(pythons, url, args.requests, args.runs), args.requests)


def race(pythons: dict[str, str], url: str, n: int, times: int) -> dict[str, list[dict[str, float]]]:
    """Have everybody ask in turn, so many times; who fails is told and left out from then on."""
    runs: dict[str, list[dict[str, float]]] = {who: [] for who in pythons}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(prompts(n), file)
        file.flush()
        os.environ["BENCH_PROMPTS"] = file.name
        for _ in range(times):
            for who in list(runs):
                try:
                    runs[who].append(measure(who, url, n, pythons[who]))
                except RuntimeError as error:
                    if who not in PEERS:
                        raise
                    print(f"{who}: not measured: {str(error)[-600:]}")
                    del runs[who]
    return runs


def compare(runs: dict[str, list[dict[str, float]]], n: int) -> None:
    """Print medians and what they are to one another."""
    mean = {who: told(who, kept, n) for who, kept in runs.items()}
    ratios = {key: mean["ours"][key] / mean["plain"][key] for key in ("cpu_ms", "wall")}
    print(f"ours / plain: CPU {ratios['cpu_ms']:.2f} (at most 1.15), wall {ratios['wall']:.2f} (at most 1.20)")
    peers = [mean[who]["cpu_ms"] for who in PEERS if who in mean]
    if peers:
        print(f"the best of the others / ours: CPU {min(peers) / mean['ours']['cpu_ms']:.1f} times (at least 20)")


WORKERS = {"plain": plain, "ours": ours, "datadesigner": datadesigner, "curator": curator}

if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        print(json.dumps(WORKERS[sys.argv[2]](sys.argv[3], int(sys.argv[4]))))
    else:
        main()
