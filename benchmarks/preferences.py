"""Answers and judgings by the hundred thousand: memory, bytes written, CPU a call.

    python benchmarks/preferences.py                       10,000 answers, each judged once: 20,000 calls
    python benchmarks/preferences.py --answers 400000      the same at another size
    python benchmarks/preferences.py --growth              25,000 and 200,000 answers: what grows, and how

The server is tests/stub_server.py without a delay, asked 256 at once; the stages are those of `cityfolk answer` and
`cityfolk judge` with one language model as judge. `memory` is the most that the asking process held during a stage,
above what it held before its first call. `written` is what it handed to the operating system (wchar of
/proc/self/io) while it worked; `final` is what is left in the folder. `plain` is the same number of requests by a loop
of aiohttp that keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
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
ANSWERS, SMALL, LARGE, AT_ONCE = 10_000, 25_000, 200_000, 256
TARGETS = ("archetypes", "sobol:5", "none")
A_QUESTION = 10  # answers: as many as targets
SUBJECTS = ("a friend's secret", "an unpaid bill", "the last bus", "a broken promise", "a room full of strangers")


def questions(n: int) -> Iterator[tuple[str, str, str]]:
    """Give n questions as (id, topic, text), a hundred a topic."""
    for i in range(n):
        topic = f"topic-{i // 100:03d}"
        text = f"When {SUBJECTS[i % len(SUBJECTS)]} was on your mind for the {i}th time, what did you do, and why?"
        yield f"{topic}-{i % 100:03d}", topic, text


def make_study(folder: Path, n: int) -> None:
    """Make a study with n questions."""
    import polars as pl

    from cityfolk.preferences.records import QUESTIONS
    from cityfolk.study.folder import Study

    rows = [
        {"question_id": name, "topic": topic, "text": text, "style": "experience", "split": "train"}
        for name, topic, text in questions(n)
    ]
    with Study.open(folder, create=True) as study:
        study.begin("questions", {"seed": 1})
        study.write("questions", pl.DataFrame(rows, schema=QUESTIONS))
        study.finish("questions")


# -- the asking processes: each prints one line of JSON ---------------------------------------------------------------


def ours(url: str, answers: int, folder: Path) -> dict[str, float]:
    """Answer and judge; return what it took, by stage."""
    import aiohttp  # noqa: F401 - imports are left out of the time and the memory, here as in the plain loop
    import scipy.stats  # noqa: F401
    import uvloop  # noqa: F401

    from cityfolk.stages.answers import AnswerOptions, answer_questions
    from cityfolk.stages.judge import JudgeOptions, judge_answers
    from cityfolk.study.folder import Study

    make_study(folder, answers // A_QUESTION)
    engine = f"openai:stub@{url}?concurrency={AT_ONCE}"
    found: dict[str, float] = {}
    forget_peak()
    before, began = memory(), usage()
    with Study.open(folder) as study:
        done = answer_questions(study, AnswerOptions(engines=(engine,), targets=TARGETS, samples=1))
        assert done["answers"] == answers, done
        found |= told("answers", began, answers, before)
        forget_peak()
        began = usage()
        judge = f"openai:stub@{url}?concurrency={AT_ONCE}"
        read = judge_answers(study, JudgeOptions(judges=(judge,), orders=1, way="schema"))
        assert set(read["readings"].values()) == {answers}, read
        found |= told("judgings", began, answers, before)
    found["final"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return found


def told(name: str, began: tuple[float, float, int], calls: int, before: int) -> dict[str, float]:
    """Return what one stage took: CPU milliseconds a call, seconds, bytes handed over, memory above the start."""
    wall, cpu, written = (now - then for now, then in zip(usage(), began, strict=True))
    return {
        f"{name}_ms": 1000 * cpu / calls,
        f"{name}_s": wall,
        f"{name}_written": written,
        f"{name}_mib": (peak() - before) / 2**20,
    }


def plain(url: str, calls: int, folder: Path) -> dict[str, float]:
    """Ask as many answers with a plain aiohttp loop; what comes back is read and dropped."""
    import aiohttp

    from cityfolk.preferences.prompts import answer_messages
    from cityfolk.preferences.targets import archetypes

    vectors = [target.vector for target in archetypes()]
    texts = [text for _, _, text in questions(calls // A_QUESTION)]
    done = 0

    async def ask() -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

            async def one(i: int) -> None:
                nonlocal done
                said = answer_messages(f"{texts[i // A_QUESTION]} {i}", vectors[i % 4])
                messages = [{"role": message.role, "content": message.content} for message in said]
                body = {"model": "stub", "messages": messages, "temperature": 0.8, "max_tokens": 220}
                async with gate, session.post(f"{url}/chat/completions", json=body) as response:
                    done += bool((await response.json())["choices"][0]["message"]["content"])

            for first in range(0, calls, 5_000):
                await asyncio.gather(*(one(i) for i in range(first, min(first + 5_000, calls))))

    wall, cpu = perf_counter(), process_time()
    asyncio.run(ask())
    assert done == calls
    return {"plain_ms": 1000 * (process_time() - cpu) / calls, "plain_s": perf_counter() - wall}


def usage() -> tuple[float, float, int]:
    """Return the time, the CPU seconds of this process, and the bytes that it has written."""
    counted = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return perf_counter(), process_time(), int(counted["wchar"])


def memory() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def forget_peak() -> None:
    """Begin to look for the most memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Return the most resident bytes that this process has had since then."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


# -- the process that compares ----------------------------------------------------------------------------------------


@contextmanager
def stub() -> Iterator[str]:
    """Run the server; give its base address."""
    command = [sys.executable, str(STUB), "--delay", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}/v1"
        finally:
            server.kill()


def measure(count: int, who: str = "ours") -> dict[str, float]:
    """Run one asking process against a fresh server for so many answers, judged, or so many plain calls."""
    with stub() as url, tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        done = subprocess.run(
            [sys.executable, __file__, "worker", who, url, str(count), f"{folder}/s"],
            capture_output=True,
            text=True,
            env=os.environ | {"no_proxy": "*"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{url.removesuffix('/v1')}/stats"
        ) as got:
            counted = json.loads(got.read())
    assert counted["requests"] == (2 * count if who == "ours" else count), counted
    return json.loads(done.stdout.splitlines()[-1])


def show(answers: int, run: dict[str, float]) -> None:
    """Print one run."""
    for stage in ("answers", "judgings"):
        print(
            f"{answers:9,} {stage:9} {run[f'{stage}_ms']:.3f} ms CPU a call, {run[f'{stage}_s']:.0f} s, "
            f"{run[f'{stage}_written'] / 1e6:.1f} MB written, at most {run[f'{stage}_mib']:.0f} MiB above the start"
        )
    written = run["answers_written"] + run["judgings_written"]
    print(
        f"{'':9} together  {written / run['final']:.2f} times the {run['final'] / 1e6:.1f} MB that are left (at most 4)"
    )


def show_growth(small: dict[str, float], large: dict[str, float]) -> None:
    """Print what grows from one run to the other."""
    for stage in ("answers", "judgings"):
        grown = large[f"{stage}_mib"] - small[f"{stage}_mib"]
        print(f"{stage:9} {grown:.0f} MiB more memory, {grown * 2**20 / (LARGE - SMALL):.0f} bytes an answer")
    written = [run["answers_written"] + run["judgings_written"] for run in (small, large)]
    print(f"{'':9} {written[1] / written[0]:.2f} times the bytes for {LARGE / SMALL:.2f} times the answers")


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--answers", type=int, default=ANSWERS, help="how many, each judged once; a multiple of 10")
    cli.add_argument("--growth", action="store_true", help=f"measure {SMALL:,} and {LARGE:,} answers")
    cli.add_argument("--json", action="store_true", help="print one JSON document")
    args = cli.parse_args()
    if args.growth:
        small, large = measure(SMALL), measure(LARGE)
        show(SMALL, small)
        show(LARGE, large)
        show_growth(small, large)
        return
    answers = args.answers - args.answers % A_QUESTION
    run = measure(answers)
    if args.json:
        print(json.dumps(run))
        return
    show(answers, run)
    plain_calls = min(answers, 20_000)  # it keeps nothing, so that more of them would only take longer
    loop = measure(plain_calls, "plain")["plain_ms"]
    print(
        f"{'':9} plain     {loop:.3f} ms CPU a call: answers / plain {run['answers_ms'] / loop:.2f}, "
        f"judgings / plain {run['judgings_ms'] / loop:.2f}"
    )


WORKERS = {"ours": ours, "plain": plain}

if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        print(json.dumps(WORKERS[sys.argv[2]](sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))))
    else:
        main()
