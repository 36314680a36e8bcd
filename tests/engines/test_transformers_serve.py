"""A real server, `transformers serve --continuous-batching`: it takes a json_schema and ignores it without a word."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from cityfolk import rng
from cityfolk.engines.ask import ask
from cityfolk.engines.openai import OpenAIEngine
from cityfolk.pocket.arrays import weights_folder
from cityfolk.profiles.prompts import citizen_text, profile_messages
from cityfolk.profiles.schema import ProfileText, json_schema
from cityfolk.profiles.write import parse_profile
from cityfolk.study.journal import Journal
from cityfolk.types import Failure, Message, Request, Sampling

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

COLOUR = json.dumps(
    {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The embedded model behind the library's own server; gives (base URL, model name)."""
    folder = tmp_path_factory.mktemp("serve")
    model = Path(shutil.copytree(weights_folder(), folder / "pocket"))
    # Without do_sample the server ignores the temperature that is asked for.
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": 4, "do_sample": True}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)}
    command = [Path(sys.executable).with_name("transformers"), "serve", model, "--continuous-batching"]
    # Left to itself the server takes most of the free memory for keys and values.
    command += ["--cb-block-size", "32", "--cb-num-blocks", "512", "--cb-max-batch-tokens", "1024"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--device", "cpu", "--dtype", "float32", "--port", str(port)],
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", folder / "log")
            yield f"http://127.0.0.1:{port}/v1", str(model)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process, url, log):
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def citizens():
    from pocket_citizens import NamePool, draw_citizen

    names = NamePool(60)
    return [draw_citizen(rng.child(5, "test", number), names) for number in range(3)]


@pytest.mark.long
def test_what_it_writes_is_validated_and_counted(server, citizens, tmp_path):
    url, model = server
    engine = OpenAIEngine(model, [url])
    sampling, schema = Sampling(max_tokens=1400), json_schema(ProfileText)
    requests = [
        Request(messages=profile_messages(citizen), model=engine.model, schema=schema, sampling=sampling)
        for citizen in citizens
    ]
    with closing(Journal(tmp_path / "calls.sqlite")) as journal:
        results = dict(ask(journal, engine, requests, lambda _, reply: parse_profile(reply), stage="write"))
    assert len(results) == len(citizens)
    # The model learned to write profiles, so that most fit the schema that the server ignored.
    written = [result for result in results.values() if not isinstance(result, Failure)]
    assert len(written) >= len(citizens) - 1


def question(citizen, engine, **rest):
    """Ask what the model answers in one word."""
    asked = f"{citizen_text(citizen)}\n\nIs this true of you: I like parties? Answer Yes or No."
    messages = (profile_messages(citizen)[0], Message(role="user", content=asked))
    return Request(messages=messages, model=engine.model, **rest)


@pytest.mark.long
def test_a_schema_that_it_ignores_is_noticed_and_put_in_the_prompt(server, citizens, tmp_path):
    url, model = server
    engine = OpenAIEngine(model, [url])
    requests = [question(citizen, engine, schema=COLOUR, sampling=Sampling(max_tokens=120)) for citizen in citizens]

    def colour(request, reply):
        return json.loads(reply.text)["colour"] if "colour" in reply.text else _no(reply)

    def _no(reply):
        raise ValueError(f"no colour in {reply.text[:20]!r}")

    with closing(Journal(tmp_path / "calls.sqlite")) as journal:
        results = dict(ask(journal, engine, requests, colour, stage="colour", attempts=2))
    assert any("ignores response_format json_schema" in notice for notice in engine.notices)
    assert engine.schema_mode != "json_schema"
    # It never learned to name a colour: what is not an answer is a failure with its raw text, not a row.
    failures = [result for result in results.values() if isinstance(result, Failure)]
    assert len(results) == len(citizens) and all(failure.raw for failure in failures)
    assert all(result in ("red", "blue") for result in results.values() if not isinstance(result, Failure))


@pytest.mark.long
def test_choices_without_log_probabilities_are_read_from_the_text(server, citizens):
    url, model = server
    engine = OpenAIEngine(model, [url])
    requests = [question(citizen, engine, choices=("Yes", "No")) for citizen in citizens]
    replies = [reply for _, reply in engine.generate(requests)]
    assert any("log-probabilities" in notice for notice in engine.notices)
    assert all(reply.text in ("Yes", "No") and reply.logprobs is None for reply in replies if reply.finish == "stop")
    assert any(reply.finish == "stop" for reply in replies)
