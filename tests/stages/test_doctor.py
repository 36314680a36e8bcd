"""The doctor against a real server that can be told to misbehave."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from cityfolk.stages.doctor import examine

STUB = Path(__file__).parents[1] / "stub_server.py"


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, str(STUB), "--port", "0", "--delay", "0.005"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    process.terminate()
    process.wait()
    process.stdout.close()


def checks(server, **settings):
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    with urllib.request.urlopen(urllib.request.Request(f"{server}/reset?{query}", method="POST")):
        pass
    return {check["what"]: check for check in examine(f"openai:stub@{server}/v1")}


def test_a_server_that_does_all_passes_and_says_how(server):
    found = checks(server, schema="json_schema", logprobs=1)
    # The stub says of every prompt that it had 1,000 tokens, as a server would that cuts the rest away.
    failing = {what for what, check in found.items() if check["needed"] and not check["ok"]}
    assert failing == {"a whole prompt"}
    assert "only 1,000 of about" in found["a whole prompt"]["found"]
    assert "holds the model to the schema" in found["a schema"]["found"]
    assert found[f"the server {server}/v1"]["ok"]
    assert "calls at once by now" in found["64 at once"]["found"]


def test_a_server_without_schemas_and_log_probabilities_is_good_enough_to_write(server):
    found = checks(server, schema="refuse", logprobs=0)
    assert not found["choices with log-probabilities"]["ok"]
    assert not found["choices with log-probabilities"]["needed"]
    assert "schema" in found["notices"]["found"]
    failing = {what for what, check in found.items() if check["needed"] and not check["ok"]}
    assert failing == {"a whole prompt"}
    assert "stands in the prompt" in found["a schema"]["found"]
