"""Seconds a citizen, and how much of each prompt a server need not read again: nine turns in a row, and ours.

    python benchmarks/citizens.py [--n 200] [--delay 0.05] [--runs 3] [--json]

The server is tests/stub_server.py: a fixed delay a reply, and a count of the characters that each prompt shares with
the one before it, from the start. The people are those of the small place that the tests use. Three ways, in turn:
 - `nine`: nine turns a citizen, one after the other, citizen by citizen: eight reflections, each with all that was said
   before in its prompt, then the profile. This is the order in which the original project asks.
 - `nine_at_once`: the same nine turns, with 64 citizens under way at once.
 - `ours`: `write_profiles` with the openai engine: one request a citizen, journal, validation and checks included.
A fixed delay flatters long prompts and long answers: on a real server the nine turns lose more than is seen here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter, process_time

ROOT = Path(__file__).parents[1]
STUB = ROOT / "tests" / "stub_server.py"
PLACE = ROOT / "tests" / "packs" / "port_selene"
AT_ONCE = 64


@contextmanager
def stub(delay: float):
    """Run the server; yield its port."""
    process = subprocess.Popen(
        [sys.executable, STUB, "--port", "0", "--delay", str(delay)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.terminate()
        process.wait()


def people(n: int):
    """Return n citizens of the small place."""
    from cityfolk.people.build import build_people
    from cityfolk.places.pack import load_place
    from cityfolk.profiles.cohort import draw_cohort
    from cityfolk.profiles.records import citizens

    place = load_place(str(PLACE))
    town = build_people(place, 0)
    cohort = draw_cohort(town.people, n, 0, households=town.households)
    return list(citizens(town.people, town.households, cohort, place.title))


def nine_turns(port: int, citizen) -> None:
    """Ask eight reflections and the profile of one citizen, each after the answer before it."""
    from cityfolk.profiles.guidance import FULL_PROFILE
    from cityfolk.profiles.prompts import citizen_text
    from cityfolk.profiles.schema import ProfileText, ReflectionsText, json_schema

    connection = HTTPConnection("127.0.0.1", port)
    # The person first and the task after it, as in the original: no two citizens share more than the first words.
    messages = [{"role": "system", "content": f"You are this person.\n{citizen_text(citizen)}"}]
    for name in ReflectionsText.model_fields:
        messages.append({"role": "user", "content": f"Reflect on your {name.replace('_', ' ')} in a few sentences."})
        messages.append({"role": "assistant", "content": call(connection, messages)})
    messages.append({"role": "user", "content": FULL_PROFILE})
    schema = {"name": "profile", "schema": json.loads(json_schema(ProfileText))}
    call(connection, messages, {"type": "json_schema", "json_schema": schema})
    connection.close()


def call(connection: HTTPConnection, messages: list, form: dict | None = None) -> str:
    """Send one conversation and return what came back."""
    body = {"model": "stub", "messages": messages} | ({"response_format": form} if form else {})
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["choices"][0]["message"]["content"]


def nine(port: int, citizens: list) -> None:
    """One citizen after the other."""
    for citizen in citizens:
        nine_turns(port, citizen)


def nine_at_once(port: int, citizens: list) -> None:
    """Many citizens at once, each turn after the one before it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda citizen: nine_turns(port, citizen), citizens))


def ours(port: int, citizens: list) -> None:
    """What `cityfolk write` does, without the tables."""
    from cityfolk.engines.registry import load_engine
    from cityfolk.profiles.write import write_profiles
    from cityfolk.study.journal import Journal

    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "calls.sqlite")
        engine = load_engine(f"openai:stub@http://127.0.0.1:{port}/v1?concurrency=256")
        written = write_profiles(journal, engine, citizens)
        journal.close()
    assert written.profiles.height == len(citizens) and not written.failures


def get(port: int, path: str, *, post: bool = False) -> dict:
    """Ask the server for its counters, or zero them."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="POST" if post else "GET")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def main() -> None:
    """Run everything in turn and print a table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--n", type=int, default=200)
    cli.add_argument("--delay", type=float, default=0.05)
    cli.add_argument("--runs", type=int, default=3)
    cli.add_argument("--json", action="store_true")
    args = cli.parse_args()
    citizens = people(args.n)
    ways = {"nine": nine, "nine_at_once": nine_at_once, "ours": ours}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    work: dict[str, list[float]] = {name: [] for name in ways}
    counts: dict[str, dict] = {}
    with stub(args.delay) as port:
        ours(port, citizens[:2])  # imports
        for _ in range(args.runs):
            for name, way in ways.items():
                # One citizen after the other takes its time: a tenth of them tell it as well.
                some = citizens[: max(args.n // 10, 1)] if name == "nine" else citizens
                get(port, "/reset", post=True)
                began, cpu = perf_counter(), process_time()
                way(port, some)
                seconds[name].append((perf_counter() - began) / len(some))
                work[name].append(1000 * (process_time() - cpu) / len(some))
                stats = get(port, "/stats")
                counts[name] = {
                    "calls_a_citizen": stats["requests"] / len(some),
                    "prompt_characters_a_citizen": stats["prompt_chars"] / len(some),
                    "shared_share": stats["shared_prefix_chars"] / stats["prompt_chars"],
                }
    rows = {
        name: {
            "seconds_a_citizen": statistics.median(seconds[name]),
            "cpu_ms_a_citizen": statistics.median(work[name]),
            **counts[name],
        }
        for name in ways
    }
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'':14}{'s a citizen':>12}{'CPU ms':>8}{'calls':>8}{'prompt characters':>20}{'in the shared prefix':>22}")
    for name, row in rows.items():
        print(
            f"{name:14}{row['seconds_a_citizen']:>12.4f}{row['cpu_ms_a_citizen']:>8.1f}{row['calls_a_citizen']:>8.1f}"
            f"{row['prompt_characters_a_citizen']:>20,.0f}{row['shared_share']:>22.1%}"
        )


if __name__ == "__main__":
    main()
