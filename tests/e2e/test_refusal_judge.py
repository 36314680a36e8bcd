"""A judge of refusals behind a real server: asked over a socket, killed in the middle, and nothing paid for twice."""

import subprocess
import sys
import time

import polars as pl
import pytest
from tests.engines.stub import StubServer

REPLIES = 11 * 16  # neutral and ten poles, eight requests and their twins


@pytest.fixture
def server():
    server = StubServer()
    yield server
    server.kill()


@pytest.mark.long
def test_a_judge_that_is_killed_goes_on_where_it_was(tmp_path, server):
    server.reset(logprobs=0, delay=0.1)
    folder = tmp_path / "s"
    words = [sys.executable, "-m", "cityfolk", "evaluate", str(folder), "control", "--preset", "quick"]
    words += ["--only", "cost", "--engine", f"openai:stub@{server.url}", "--concurrency", "8"]
    words += ["--refusal-judge", f"openai:judge@{server.url}?concurrency=8"]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while server.stats()["distinct"] < REPLIES + 40:
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.02)
    first.kill()
    first.communicate()
    before = server.stats()
    assert REPLIES + 40 <= before["distinct"] < 2 * REPLIES
    again = subprocess.run(words, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    after = server.stats()
    # Each process finds out by its first calls, eight at once, that the server gives no probabilities.
    assert 2 * REPLIES <= after["distinct"] <= 2 * REPLIES + 2 * 8
    assert after["redundant"] <= after["max_inflight"]
    read = pl.read_parquet(folder / "refusal_readings.parquet")
    assert read.height == REPLIES and set(read["judge"]) == {"openai:judge"} and set(read["declined"]) == {1.0}
    found = {row["id"]: row for row in pl.read_parquet(folder / "findings.parquet").iter_rows(named=True)}
    agreed = found["control.cost.refused.agreement@openai:judge|stub|prompted"]
    assert agreed["value"] == 0 and agreed["n"] == 10 * 16  # the server says yes of everything, the rules of nothing
    whole = subprocess.run(words, capture_output=True, text=True)
    assert whole.returncode == 0 and server.stats()["requests"] == after["requests"]
