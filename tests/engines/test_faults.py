"""The whole road (requests, server, validation, journal) with a server that misbehaves, and a process that dies."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from cityfolk.engines.ask import ask
from cityfolk.engines.openai import OpenAIEngine
from cityfolk.errors import EngineError
from cityfolk.profiles.write import parse_profile
from cityfolk.study.journal import Journal
from cityfolk.types import Failure
from tests.engines.stub import StubServer, asked
from tests.stub_server import mark_of

FAULTS = {"p500": 0.05, "p429": 0.05, "pcut": 0.02, "pempty": 0.01, "perror200": 0.01, "phang": 0.002}
RETRY_AFTER, STALL = 1.0, 5.0


@pytest.fixture(scope="module")
def server():
    server = StubServer()
    yield server
    server.kill()


def write(folder, url, n, **engine):
    """Ask for n profiles; return ({number: profile or Failure}, seconds)."""
    journal = Journal(folder / "calls.sqlite")
    began = time.monotonic()
    replies = ask(
        journal, OpenAIEngine("stub", [url], **engine), iter(asked(n)), lambda _, r: parse_profile(r), stage="write"
    )
    try:
        settled = [(int(request.label.split()[1]), result) for request, result in replies]
    finally:
        journal.close()
    assert len(settled) == len(dict(settled))  # none twice
    return dict(settled), time.monotonic() - began


def rows(folder, sql):
    with sqlite3.connect(folder / "calls.sqlite") as db:
        return db.execute(sql).fetchall()


def test_every_fault_is_paid_once_and_every_row_is_there(server, tmp_path):
    server.reset()
    (tmp_path / "clean").mkdir()
    _, clean = write(tmp_path / "clean", server.url, 2000)
    assert server.stats()["requests"] == 2000

    server.reset(**FAULTS, retry_after=RETRY_AFTER)
    written, seconds = write(tmp_path, server.url, 2000, stall=STALL)
    stats = server.stats()
    assert set(written) == set(range(2000)) and not any(isinstance(p, Failure) for p in written.values())
    for number, profile in written.items():
        assert mark_of(f"citizen {number}") in profile.general_description
    faults = sum(stats[fault] for fault in FAULTS)
    assert faults > 200 and all(stats[fault] > 0 for fault in FAULTS)
    assert stats["redundant"] == 0 and stats["requests"] == 2000 + faults
    assert seconds < clean + 3 * RETRY_AFTER + STALL

    kept = rows(tmp_path, "SELECT key, problem, faults FROM calls")
    assert Counter(problem is None for _, problem, _ in kept) == {True: 2000, False: stats["pcut"] + stats["pempty"]}
    named = Counter(fault for _, _, names in kept for fault in names.split(", ") if fault)
    assert named == {
        "500": stats["p500"],
        "429": stats["p429"],
        "error-in-200": stats["perror200"],
        "stalled": stats["phang"],
    }


def test_a_server_that_drops_connections(server, tmp_path):
    server.reset(delay=0.01, pdrop=0.05)
    written, _ = write(tmp_path, server.url, 500)
    stats = server.stats()
    assert len(written) == 500 and not any(isinstance(p, Failure) for p in written.values())
    assert stats["redundant"] == 0 and stats["requests"] == 500 + stats["pdrop"] > 500


@pytest.mark.parametrize("fault", ["p500", "p429", "perror200", "pdrop"])
def test_a_server_that_fails_every_call_stops_the_job_early(server, tmp_path, fault):
    server.reset(delay=0.01, retry_after=0.1, **{fault: 1})
    with pytest.raises(EngineError, match="failed every one of") as caught:
        write(tmp_path, server.url, 5000)
    assert caught.value.exit_code == 4 and caught.value.hint
    assert server.stats()["requests"] < 100
    assert rows(tmp_path, "SELECT count(*) FROM calls WHERE problem IS NULL") == [(0,)]


def test_one_call_to_a_server_that_fails_is_not_tried_for_minutes(server, tmp_path):
    server.reset(delay=0.01, p500=1)
    began = time.monotonic()
    with pytest.raises(EngineError, match="stub: internal error"):
        write(tmp_path, server.url, 1)
    assert time.monotonic() - began < 20


def test_a_server_that_refuses_more_than_a_few_at_once(server, tmp_path):
    server.reset(delay=0.05, slots=10, retry_after=0.1)
    written, _ = write(tmp_path, server.url, 300)
    stats = server.stats()
    assert len(written) == 300 and not any(isinstance(p, Failure) for p in written.values())
    assert stats["redundant"] == 0 and stats["requests"] == 300 + stats["over"]


# -- a process that dies ----------------------------------------------------------------------------------------------

CALLS, AT_ONCE = 320, 128
WORKER = """
import sys
from pathlib import Path
from tests.engines.test_faults import write

written, _ = write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), concurrency=int(sys.argv[4]))
print(len(written))
"""
ROOT = Path(__file__).parents[2]


def start(folder, url):
    command = [sys.executable, "-c", WORKER, str(folder), url, str(CALLS), str(AT_ONCE)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)


def committed(folder):
    try:
        with sqlite3.connect(f"file:{folder / 'calls.sqlite'}?mode=ro", uri=True) as db:
            return db.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def killed_and_resumed(server, tmp_path, number):
    """Kill after a commit, resume, check that nothing is missing or changed; return what the server counted."""
    tmp_path.mkdir()
    server.reset(delay=2.0, jitter=1.8, seed=number)  # replies come one by one, as a model gives them
    at = random.Random(number).randint(CALLS // 10, CALLS * 9 // 10)
    process = start(tmp_path, server.url)
    while process.poll() is None and committed(tmp_path) < at:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    before = rows(tmp_path, "SELECT id, key, attempt, reply FROM calls ORDER BY id")
    assert len(before) >= at
    again = start(tmp_path, server.url)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0 and out.strip() == str(CALLS), err
    after = rows(tmp_path, "SELECT id, key, attempt, reply FROM calls ORDER BY id")
    assert after[: len(before)] == before
    assert len({key for _, key, _, _ in after}) == len(after) == CALLS
    stats = server.stats()
    assert stats["distinct"] == CALLS
    return stats


@pytest.mark.long
@pytest.mark.parametrize("number", range(20))
def test_killed_after_any_commit_next_to_nothing_is_paid_twice(server, tmp_path, number):
    stats = killed_and_resumed(server, tmp_path / "first", number)
    if stats["redundant"] > stats["max_inflight"] / 10:
        # On a starved core one commit can wait while replies pile up; that this happens twice running is no chance.
        stats = killed_and_resumed(server, tmp_path / "second", number)
    assert stats["redundant"] <= stats["max_inflight"] / 10, stats
