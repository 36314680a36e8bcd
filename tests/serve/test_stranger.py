"""The endpoint used by the official openai client, as somebody would who knows nothing of cityfolk."""

import asyncio
import json
import math
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import openai
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel, Field

from cityfolk.engines.openai import OpenAIEngine
from cityfolk.engines.pocket import PocketEngine
from cityfolk.profiles.prompts import citizen_text, profile_messages
from cityfolk.serve.app import Endpoint
from cityfolk.types import Message, Request, Sampling
from tests.profiles.fakes import citizen
from tests.serve.conftest import Served

ASK = [{"role": "user", "content": "Who are you?"}]


def chat(client, messages=ASK, **more):
    return client.chat.completions.create(**{"model": "pocket-1", "messages": messages, "max_tokens": 24, **more})


def test_the_model_is_listed_and_found(client, served):
    assert [model.id for model in client.models.list()] == ["pocket-1"]
    assert client.models.retrieve("pocket-1").owned_by == "cityfolk"
    assert PocketEngine().model in served.first


def test_a_chat(client):
    said = chat(client, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}])
    choice = said.choices[0]
    assert said.object == "chat.completion" and said.id.startswith("chatcmpl-") and said.created > 1_700_000_000
    assert said.system_fingerprint == PocketEngine().model
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    usage = said.usage
    assert 0 < usage.completion_tokens <= 24 and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_it_says_what_the_engine_says(client):
    """Over the wire and in process: the same request, the same words."""
    engine = PocketEngine()
    sampling = Sampling(temperature=0.7, max_tokens=24, seed=11)
    request = Request(messages=(Message(role="user", content="Who are you?"),), model=engine.model, sampling=sampling)
    reply = next(engine.generate([request]))[1]
    assert chat(client, temperature=0.7, seed=11).choices[0].message.content == reply.text


class Mood(BaseModel):
    word: Annotated[str, Field(max_length=12)]
    strength: Annotated[int, Field(ge=0, le=9)]


def test_a_json_schema_is_kept_to(client):
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["calm", "tense"]}, "n": {"type": "integer", "minimum": 1, "maximum": 5}},
        "required": ["mood", "n"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema, "strict": True}}
    for seed in range(4):
        said = chat(client, response_format=wanted, seed=seed, temperature=2)
        value = json.loads(said.choices[0].message.content)
        assert value["mood"] in ("calm", "tense") and 1 <= value["n"] <= 5 and said.choices[0].finish_reason == "stop"
    nothing = chat(client, response_format={"type": "json_object"}, max_tokens=300, temperature=0)
    if nothing.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(nothing.choices[0].message.content), dict)
    assert nothing.choices[0].message.content.startswith("{")


def test_the_clients_own_parsing(client):
    """`parse` sends a pydantic class as a strict schema and reads the answer back into it."""

    class Choice(BaseModel):
        yes: bool

    parsed = client.chat.completions.parse(model="pocket-1", messages=ASK, response_format=Choice, max_tokens=40)
    assert isinstance(parsed.choices[0].message.parsed, Choice)


def test_a_seed_fixes_the_answer_and_no_seed_does_not(client):
    once = [chat(client, seed=5, temperature=1.5).choices[0].message.content for _ in range(2)]
    assert once[0] == once[1]
    assert len({chat(client, temperature=2, max_tokens=60).choices[0].message.content for _ in range(6)}) > 1
    three = chat(client, seed=5, n=3, temperature=2).choices
    assert [choice.index for choice in three] == [0, 1, 2] and len({c.message.content for c in three}) > 1


def test_log_probabilities_belong_to_the_tokens_written(client):
    said = chat(client, seed=1, temperature=1, logprobs=True, top_logprobs=20)
    content = said.choices[0].logprobs.content
    assert b"".join(bytes(part.bytes) for part in content).decode() == said.choices[0].message.content
    for part in content:
        assert part.logprob <= 0 and len(part.top_logprobs) == 20
        tops = [top.logprob for top in part.top_logprobs]
        assert tops == sorted(tops, reverse=True) and sum(map(math.exp, tops)) <= 1 + 1e-6
        same = [top.logprob for top in part.top_logprobs if top.token == part.token and top.bytes == part.bytes]
        assert same == [part.logprob] or part.logprob <= tops[-1]
    assert chat(client, seed=1, temperature=1).choices[0].message.content == said.choices[0].message.content
    bare = chat(client, seed=1, temperature=1, logprobs=True).choices[0].logprobs.content
    assert [part.logprob for part in bare] == [part.logprob for part in content] and not bare[0].top_logprobs
    assert chat(client).choices[0].logprobs is None


def test_the_likeliest_token_is_taken_at_temperature_zero(client):
    said = chat(client, temperature=0, logprobs=True, top_logprobs=1)
    assert all(part.token == part.top_logprobs[0].token for part in said.choices[0].logprobs.content)


def test_stop_cuts_before_the_word(client):
    whole = chat(client, seed=3).choices[0].message.content
    stop = whole[len(whole) // 3 :][:3]
    cut = chat(client, seed=3, stop=stop, logprobs=True).choices[0]
    assert cut.message.content == whole[: whole.index(stop)] and cut.finish_reason == "stop"
    content = cut.message.content.encode()
    tokens = [bytes(part.bytes) for part in cut.logprobs.content]
    # The tokens scored are those that begin in what is shown: they cover it, and the last one is needed for it.
    assert b"".join(tokens).startswith(content) and len(b"".join(tokens[:-1])) < len(content)


def test_a_stream_adds_up_to_the_answer(client):
    whole = chat(client, seed=8).choices[0]
    chunks = list(chat(client, seed=8, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.finish_reason
    assert chunks[-1].usage.completion_tokens > 0 and chunks[0].choices[0].delta.role == "assistant"


def test_32_at_once_are_answered_together_and_as_alone(client):
    def ask(seed):
        return chat(client, seed=seed, temperature=1.2, max_tokens=40)

    with ThreadPoolExecutor(32) as pool:
        crowd = list(pool.map(ask, range(32)))
    texts = [said.choices[0].message.content for said in crowd]
    assert len(set(texts)) > 8 and all(said.usage.completion_tokens for said in crowd)
    for seed in (0, 13, 31):
        assert ask(seed).choices[0].message.content == texts[seed]


def test_the_same_call_many_times_at_once(client):
    with ThreadPoolExecutor(16) as pool:
        same = [pool.submit(chat, client, seed=1, logprobs=n % 2 == 0) for n in range(16)]
    texts = {future.result().choices[0].message.content for future in same}
    assert len(texts) == 1
    assert [bool(future.result().choices[0].logprobs) for future in same] == [n % 2 == 0 for n in range(16)]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 100}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "colour"}}}},
            "response_format",
        ),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"extra_body": {"temprature": 1}}, "temprature"),
        ({"messages": [{"role": "user", "content": "many words " * 3000}]}, "messages"),
    ],
)
def test_bad_input_is_a_400_that_names_the_parameter(client, wrong, param):
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, **wrong)
    assert refused.value.param == param and refused.value.type == "invalid_request_error"


def posted(url, data, kind="application/json"):
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(urllib.request.Request(url, data=data, headers={"Content-Type": kind}))
    return failed.value.code, json.load(failed.value)["error"]


def test_half_a_surrogate_is_refused(served):
    for body, param in (
        (b'{"model":"pocket-1","messages":[{"role":"user","content":"a \\ud800"}]}', "messages"),
        (b'{"model":"pocket-1","messages":[{"role":"user","content":"a"}],"stop":"\\udfff"}', "stop"),
        (b'{"model":"\\ud800"}', "model"),
    ):
        status, error = posted(served.url + "/chat/completions", body)
        assert (status, error["param"]) == (400, param) and "lone surrogate" in error["message"]
    whole = b'{"model":"pocket-1","max_tokens":2,"messages":[{"role":"user","content":"\\ud83d\\ude00"}]}'
    with urllib.request.urlopen(urllib.request.Request(served.url + "/chat/completions", data=whole)) as answer:
        assert answer.status == 200


def test_bodies_that_no_parser_takes_are_a_400(served):
    for data, kind in ((b"{}", "application/json; charset=nonsense"), (b"[" * 200_000, "application/json")):
        status, error = posted(served.url + "/chat/completions", data, kind)
        assert status == 400 and error["message"] == "the body is not valid JSON"


def test_a_bug_is_told_as_json():
    class Broken(PocketEngine):
        scores_tokens = True

    async def ask():
        endpoint = Endpoint(Broken())
        endpoint._bridge.ask = lambda request: 1 / 0
        try:
            async with TestClient(TestServer(endpoint.app())) as client:
                body = {"model": "pocket-1", "messages": ASK}
                response = await client.post("/v1/chat/completions", json=body)
                return response.status, (await response.json())["error"]
        finally:
            endpoint.close()

    status, error = asyncio.run(ask())
    assert status == 500 and error["type"] == "server_error" and "ZeroDivisionError" in error["message"]


def test_an_adapter_that_is_not_there_is_said_before_it_listens(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    for folder, missing in (("/nonexistent", "adapter_config.json"), (tmp_path, "adapter_model.safetensors")):
        done = subprocess.run(
            [sys.executable, "-m", "cityfolk", "serve-model", "--port", "0", "--adapter", f"foo={folder}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 3 and f"no adapter 'foo' in {folder}: {missing} is missing" in done.stderr
        assert "Ctrl-C" not in done.stderr and "Traceback" not in done.stderr


def test_unknown_models_paths_and_bodies(client, served):
    with pytest.raises(openai.NotFoundError, match="gpt-9") as refused:
        chat(client, model="gpt-9")
    assert refused.value.code == "model_not_found"
    for path, data, status in (("/nothing", None, 404), ("/chat/completions", b"{", 400), ("/models", b"{}", 405)):
        with pytest.raises(urllib.error.HTTPError) as failed:
            urllib.request.urlopen(urllib.request.Request(served.url + path, data=data))
        assert failed.value.code == status and json.load(failed.value)["error"]["message"]
    with urllib.request.urlopen(served.url.removesuffix("/v1") + "/health") as health:
        assert json.load(health)["status"] == "ok"


def test_cityfolks_own_client(served):
    """The HTTP engine against the endpoint: schemas taken as such, choices with log-probabilities, nothing noticed."""
    engine = OpenAIEngine("pocket-1", [served.url])
    schema = json.dumps(Mood.model_json_schema() | {"additionalProperties": False})
    messages = (Message(role="user", content="How are you?"),)
    bound = [
        Request(messages=messages, model=engine.model, schema=schema, sampling=Sampling(sample=n, max_tokens=200))
        for n in range(6)
    ]
    question = f"{citizen_text(citizen())}\n\nIs this true of you: I like parties? Answer Yes or No."
    asked = (*profile_messages(citizen())[:1], Message(role="user", content=question))
    options = Request(messages=asked, model=engine.model, choices=("Yes", "No"))
    replies = dict(engine.generate([*bound, options]))
    assert len(replies) == 7 and not any(reply.faults for reply in replies.values())
    for request in bound:
        Mood.model_validate_json(replies[request.key].text)
    chosen = replies[options.key]
    assert chosen.text in options.choices and math.isclose(sum(map(math.exp, chosen.logprobs)), 1, rel_tol=1e-6)
    assert engine.schema_mode == "json_schema" and not engine.notices


def test_ctrl_c_ends_it_and_a_taken_port_is_said():
    server = Served("--engine", "pocket")
    port = server.url.rpartition(":")[2].removesuffix("/v1")
    second = subprocess.run(
        [sys.executable, "-m", "cityfolk", "serve-model", "--port", port], capture_output=True, text=True, check=False
    )
    assert second.returncode == 4 and "cannot listen" in second.stderr
    code, said = server.interrupt()
    assert code == 0 and "stopped" in said and "Traceback" not in said


def test_ctrl_c_ends_it_in_the_middle_of_an_answer():
    from openai import OpenAI

    server = Served()
    with OpenAI(base_url=server.url, api_key="x", max_retries=0) as client, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(chat, client, max_tokens=1800, seed=n, temperature=2) for n in range(4)]
        health = server.url.removesuffix("/v1") + "/health"
        while json.load(urllib.request.urlopen(health))["waiting"] < 4:
            time.sleep(0.05)
        code, said = server.interrupt()
        failed = [call.exception() for call in calls]
    assert code == 0 and "Traceback" not in said
    assert any(isinstance(problem, openai.APIError) for problem in failed)
