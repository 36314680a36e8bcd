"""Answers and judgings in numbers, against a server in another process: bytes grow with the calls and no faster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "preferences.py"


def measured(answers):
    command = [sys.executable, str(BENCHMARK), "--answers", str(answers), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.long
def test_bytes_are_linear_and_memory_hardly_grows():
    small, large = measured(10_000), measured(20_000)
    written = [run["answers_written"] + run["judgings_written"] for run in (small, large)]
    assert written[1] <= 2.2 * written[0]
    assert written[1] < 4 * large["final"]
    # Ten thousand requests with their replies would be more than 30 MiB, if anybody held them.
    assert large["judgings_mib"] - small["judgings_mib"] < 25
