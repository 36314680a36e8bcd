"""The chat-completions engine: the wire format by hand, and the engine against real server processes."""

import asyncio
import json
import math
import os
import subprocess
import sys
import time

import orjson
import pytest

from cityfolk.engines import calls, wire
from cityfolk.engines.openai import OpenAIEngine, make, make_ollama
from cityfolk.errors import EngineError, UsageError
from cityfolk.profiles.write import parse_profile
from cityfolk.types import Message, Request, Sampling
from tests.engines.stub import SCHEMA, StubServer, asked
from tests.stub_server import mark_of

PLAIN = Request(
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Who are you?")),
    model="m?thinking=off",
    sampling=Sampling(temperature=0.3, top_p=0.9, max_tokens=77, seed=5),
)


@pytest.fixture(scope="module")
def server():
    server = StubServer()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def other():
    server = StubServer()
    yield server
    server.kill()


def settle(engine, requests):
    """Return {key: reply}; every request has exactly one."""
    pairs = list(engine.generate(requests))
    replies = dict(pairs)
    assert len(pairs) == len(replies) == len(requests)
    return replies


# -- the wire format --------------------------------------------------------------------------------------------------


def test_a_request_on_the_wire():
    sent = json.loads(wire.body(PLAIN, wire.Dialect(model="m")))
    assert sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}],
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 77,
        "seed": PLAIN.seed,
    }


def test_another_attempt_sends_another_seed_and_nothing_else():
    from dataclasses import replace

    first, second = (json.loads(wire.body(replace(PLAIN, attempt=n), wire.Dialect(model="m"))) for n in (0, 1))
    assert first.pop("seed") != second.pop("seed") and first == second


@pytest.mark.parametrize("mode", wire.SCHEMA_MODES)
def test_three_ways_to_ask_for_json(mode):
    (request,) = asked(1)
    sent = json.loads(wire.body(request, wire.Dialect(model="m", schema_mode=mode)))
    form = sent.get("response_format")
    assert (form or {}).get("type") == {"json_schema": "json_schema", "json_object": "json_object"}.get(mode)
    if mode == "json_schema":
        assert form["json_schema"]["schema"] == json.loads(SCHEMA) and form["json_schema"]["strict"] is True
    else:  # in the system message, where it is the same for everyone
        assert SCHEMA in sent["messages"][0]["content"] and sent["messages"][1]["content"] == "citizen 0"


def test_an_adapter_is_the_model_that_is_asked_for():
    request = Request(messages=PLAIN.messages, model="m", adapter="diplomat")
    assert json.loads(wire.body(request, wire.Dialect(model="m")))["model"] == "diplomat"


@pytest.mark.parametrize(
    ("content", "thought", "answer"),
    [
        ("plain", "", "plain"),
        ("<think>\nhm\n</think>\n\n{}", "hm", "{}"),
        ("  <think></think>yes", "", "yes"),
        ("so it is\n</think>\n\nyes", "so it is", "yes"),  # the template opened the block
        ("<think>without end", "without end", ""),
        ("a <think> in the middle </think> stays", "", "a <think> in the middle </think> stays"),
    ],
)
def test_thoughts_are_kept_apart(content, thought, answer):
    assert wire.split_thought(content) == (thought, answer)


def tops(**logprobs):
    return {"content": [{"token": "x", "top_logprobs": [{"token": t, "logprob": p} for t, p in logprobs.items()]}]}


def test_probabilities_of_choices_by_hand():
    found = wire.choice_logprobs(
        tops(**{"A": math.log(0.5), " A": math.log(0.1), "b": math.log(0.2), "The": -3.0}), "AB"
    )
    assert [math.exp(p) for p in found] == pytest.approx([0.6 / 0.8, 0.2 / 0.8])


def test_a_token_that_begins_two_choices_counts_for_neither():
    likert = ("Very accurate", "Very inaccurate", "Neither")
    mostly = tops(**{"Very": math.log(0.9), "Neither": math.log(0.1)})
    assert wire.choice_logprobs(mostly, likert) is None
    rarely = wire.choice_logprobs(tops(**{"Very a": math.log(0.3), "Very": math.log(0.1), "Ne": math.log(0.5)}), likert)
    # The second choice is begun by no token of its own: it gets the least that was reported, .1.
    assert [math.exp(p) for p in rarely] == pytest.approx([0.3 / 0.9, 0.1 / 0.9, 0.5 / 0.9])


def test_a_longer_number_is_not_its_first_digit():
    found = wire.choice_logprobs(tops(**{"1": math.log(0.6), "10": math.log(0.2), "2": math.log(0.1)}), ("1", "2"))
    assert math.exp(found[0]) == pytest.approx(0.6 / 0.7)


@pytest.mark.parametrize("reported", [None, {}, {"content": []}, {"content": [{"top_logprobs": []}]}, tops(The=-1.0)])
def test_no_probabilities_are_none(reported):
    assert wire.choice_logprobs(reported, "AB") is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [("B", "B"), (" b.", "B"), ('{"choice": "A"}', "A"), ('```json\n{"choice":"B"}\n```', "B"), ("Both", None)],
)
def test_a_choice_read_from_text(text, choice):
    assert wire.chosen(text, ("A", "B")) == choice


def test_what_looks_like_an_answer_to_a_schema():
    schema = '{"type":"object","required":["a"],"properties":{"a":{"type":"array","items":{"type":"string"}}}}'
    assert wire.answers('{"a":["x"]}', schema) and wire.answers('```json\n{"a":[]}\n```', schema)
    for wrong in ("", "Sure! Here it is", '{"a":["x"]', '{"b":[]}', '{"a":"x"}', '{"a":[1]}', "[]"):
        assert not wire.answers(wrong, schema), wrong


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"<html>", "not-json"),
        (b"[]", "not-json"),
        (b'{"error":{"message":"no"}}', "error-in-200"),
        (b"{}", "no-completion"),
        (b'{"choices":[]}', "no-completion"),
        (b'{"choices":[{"message":{"content":[1]}}]}', "no-completion"),
    ],
)
def test_what_is_no_completion(raw, fault):
    with pytest.raises(wire.NotAReplyError) as caught:
        wire.reply(raw, PLAIN, model="m", seconds=0, faults=())
    assert caught.value.fault == fault


def test_an_answer_without_usage_or_content_is_an_empty_reply():
    raw = orjson.dumps({"choices": [{"finish_reason": "length", "message": {"content": None}}]})
    reply = wire.reply(raw, PLAIN, model="m", seconds=1.5, faults=("429",))
    assert (reply.text, reply.finish, reply.completion_tokens, reply.faults) == ("", "length", 0, ("429",))


# -- the engine -------------------------------------------------------------------------------------------------------


def test_every_request_has_its_own_reply(server):
    server.reset(delay=0.01)
    engine, requests = OpenAIEngine("stub", [server.url]), asked(300)
    replies = settle(engine, requests)
    for request in requests:
        reply = replies[request.key]
        assert mark_of(request.messages[-1].content) in parse_profile(reply).general_description
        assert (reply.model, reply.finish, reply.prompt_tokens, reply.faults) == ("stub", "stop", 1000, ())
    stats = server.stats()
    assert (stats["requests"], stats["redundant"], engine.notices) == (300, 0, [])


def test_one_job_after_another(server):
    server.reset(delay=0)
    engine = OpenAIEngine("stub", [server.url])
    for first in (0, 5, 10):
        assert len(settle(engine, asked(5, first=first))) == 5
    assert settle(engine, []) == {}


@pytest.mark.parametrize(
    ("can", "mode"),
    [
        ("json_schema", "json_schema"),
        ("json_object", "json_object"),
        ("refuse", "prompt"),
        ("refuse500", "prompt"),
        ("ignore", "json_object"),
        ("none", "prompt"),
    ],
)
def test_a_server_without_schemas_is_noticed_and_asked_in_another_way(server, can, mode):
    server.reset(delay=0.005, schema=can)
    engine, requests = OpenAIEngine("stub", [server.url]), asked(40)
    keys = [request.key for request in requests]
    replies = settle(engine, requests)
    assert [request.key for request in requests] == keys and set(replies) == set(keys)
    for reply in replies.values():
        parse_profile(reply)
    assert engine.schema_mode == mode
    assert len(engine.notices) == wire.SCHEMA_MODES.index(mode)
    assert all(server.url in notice and "validated" in notice for notice in engine.notices)


def test_a_model_that_writes_bad_json_is_not_a_server_that_ignores_schemas(server):
    server.reset(delay=0.005, pcut=0.4)
    engine = OpenAIEngine("stub", [server.url])
    settle(engine, asked(100))
    assert engine.schema_mode == "json_schema" and engine.notices == []


def test_choices_come_with_probabilities(server):
    server.reset(delay=0)
    (request,) = asked(1, choices=("A", "B", "C"))
    reply = settle(OpenAIEngine("stub", [server.url]), [request])[request.key]
    # The stub says B .5, " A" 1.5, C 3.5, b 4.0 (as minus natural logarithms).
    weights = [math.exp(-1.5), math.exp(-0.5) + math.exp(-4.0), math.exp(-3.5)]
    assert [math.exp(p) for p in reply.logprobs] == pytest.approx([w / sum(weights) for w in weights])
    assert (reply.text, reply.finish) == ("B", "stop")
    sent = server.last()
    assert (sent["max_tokens"], sent["logprobs"], sent["top_logprobs"]) == (1, True, 20)


def test_choices_without_probabilities_are_text_and_said_to_be(server):
    server.reset(delay=0, logprobs=0)
    engine, requests = OpenAIEngine("stub", [server.url]), asked(20, choices=("A", "B", "C"))
    replies = settle(engine, requests)
    assert {(reply.text, reply.logprobs) for reply in replies.values()} == {("A", None)}
    assert [notice for notice in engine.notices if "log-probabilities" in notice] == engine.notices != []


def test_choices_that_begin_alike_are_read_as_text_and_others_still_have_probabilities(server):
    server.reset(delay=0)
    engine = OpenAIEngine("stub", [server.url])
    (alike,) = asked(1, choices=("Bad", "Bold"))  # the stub's likeliest token is B
    (clear,) = asked(1, choices=("A", "B"))
    replies = settle(engine, [alike, clear])
    assert replies[alike.key].logprobs is None and replies[alike.key].text == "Bad"
    assert len(replies[clear.key].logprobs) == 2
    assert len(engine.notices) == 1 and "'Bad', 'Bold'" in engine.notices[0]


@pytest.mark.parametrize("where", ["block", "field"])
def test_what_a_model_thinks_is_not_what_it_says(server, where):
    server.reset(delay=0, think=where)
    for reply in settle(OpenAIEngine("stub", [server.url]), asked(3)).values():
        assert reply.reasoning == "Let me see." and "think" not in reply.text
        parse_profile(reply)


def test_thinking_is_switched_off_as_each_server_wants_it(server):
    server.reset(delay=0)
    engine = make(f"qwen3:8b@{server.url}?thinking=off")
    assert engine.model == "qwen3:8b?thinking=off"
    settle(engine, asked(1, model=engine.model))
    assert server.last()["chat_template_kwargs"] == {"enable_thinking": False} and server.last()["model"] == "qwen3:8b"
    settle(make_ollama(f"qwen3:8b@{server.url}?thinking=off"), asked(1))
    assert server.last()["reasoning_effort"] == "none"


def test_ollamas_context_is_read_and_a_prompt_that_was_cut_is_an_error(server):
    server.reset(delay=0, context=8192)
    engine = make_ollama(f"qwen3:8b@{server.url}")
    settle(engine, asked(30))
    assert engine.notices == []
    server.reset(delay=0, context=2500)  # 1,000 tokens of prompt and 2,048 of answer
    settle(engine, asked(30))
    assert len(engine.notices) == 1 and "2,500" in engine.notices[0] and "OLLAMA_CONTEXT_LENGTH" in engine.notices[0]
    server.reset(delay=0, context=1000)
    with pytest.raises(EngineError, match="its context is 1,000") as caught:
        settle(engine, asked(30))
    assert "OLLAMA_CONTEXT_LENGTH" in caught.value.hint
    server.reset(delay=0, tokens=20)  # an Ollama that does not tell; about 380 characters
    with pytest.raises(EngineError, match="to 20 tokens"):
        settle(make_ollama(f"qwen3:8b@{server.url}"), asked(3))
    settle(OpenAIEngine("stub", [server.url]), asked(3))  # other servers refuse what they cannot take


def test_several_addresses_share_a_job(server, other):
    for one in (server, other):
        one.reset(delay=0.02)
    settle(OpenAIEngine("stub", [server.url, other.url]), asked(400))
    shares = [one.stats()["requests"] for one in (server, other)]
    assert sum(shares) == 400 and min(shares) > 120


def test_a_dead_address_is_left_aside_and_said(server):
    gone = StubServer()
    gone.kill()
    server.reset(delay=0.01)
    engine = OpenAIEngine("stub", [gone.url, server.url])
    settle(engine, asked(50))
    assert server.stats()["requests"] == 50
    assert len(engine.notices) == 1 and gone.url in engine.notices[0]


def test_a_server_that_is_started_again_is_waited_for(other):
    other.reset(delay=0.05)
    engine, requests, replies = OpenAIEngine("stub", [other.url]), asked(300), {}
    for key, reply in engine.generate(requests):
        replies[key] = reply
        if len(replies) == 60:
            other.kill()
            other.start(delay=0.05)
    assert len(replies) == 300 and all(reply.finish == "stop" for reply in replies.values())
    assert any(reply.faults for reply in replies.values())


def test_a_server_that_stays_away_ends_the_job(monkeypatch):
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.6)
    server, answered = StubServer(), 0
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        for _ in OpenAIEngine("stub", [server.url]).generate(asked(300)):
            answered += 1
            if answered == 60:
                server.kill()
    assert caught.value.exit_code == 4 and caught.value.hint and time.monotonic() - began < 20


def test_nobody_there_from_the_start():
    gone = StubServer()
    gone.kill()
    began = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached"):
        settle(OpenAIEngine("stub", [gone.url]), asked(500))
    assert time.monotonic() - began < 5


def test_a_model_that_is_not_known_is_a_sentence(server):
    server.reset(model="llama")
    with pytest.raises(EngineError, match="stub") as caught:
        settle(OpenAIEngine("stub", [server.url]), asked(5))
    assert "/models" in caught.value.hint


def test_a_wrong_key_is_a_sentence_without_the_key(server, monkeypatch):
    server.reset(key="right")
    monkeypatch.setenv("MY_KEY", "sk-wrong-and-secret")
    engine = make(f"stub@{server.url}?key_env=MY_KEY")
    assert "secret" not in repr(engine)
    with pytest.raises(EngineError, match="refuses the API key") as caught:
        settle(engine, asked(5))
    assert "secret" not in str(caught.value) + caught.value.hint and "[key]" in str(caught.value)
    monkeypatch.setenv("MY_KEY", "right")
    settle(make(f"stub@{server.url}?key_env=MY_KEY"), asked(5))


def test_no_key_for_a_hosted_service_is_said_before_any_call(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EngineError, match="OPENAI_API_KEY"):
        make("gpt-5-mini")


@pytest.mark.parametrize("rest", ["", "m@http://h/v1?thinking=perhaps", "m@http://h/v1?concurency=3", "m@h"])
def test_names_that_cannot_be_meant(rest):
    with pytest.raises(UsageError):
        make(rest)


def test_addresses_are_taken_as_people_write_them():
    urls = ("http://a:8000", "http://a:8000/v1/", "http://a:8000/v1/chat/completions")
    assert OpenAIEngine("m", urls).urls == ("http://a:8000/v1",) * 3
    assert make_ollama("qwen3:8b").urls == ("http://localhost:11434/v1",)


def test_a_pause_of_the_caller_is_no_stall(server):
    server.reset(delay=0.02)
    replies = []
    for pair in OpenAIEngine("stub", [server.url], stall=0.3).generate(asked(300)):
        replies.append(pair)
        if len(replies) in (100, 200):
            time.sleep(1.0)
    assert len(replies) == 300 and not any(reply.faults for _, reply in replies)
    assert server.stats()["requests"] == 300


def test_a_hanging_call_is_asked_again(server):
    server.reset(delay=0.01, phang=0.02, seed=3)
    replies = settle(OpenAIEngine("stub", [server.url], stall=0.3), asked(300))
    stats = server.stats()
    assert stats["phang"] > 0 and stats["redundant"] == 0 and stats["requests"] == 300 + stats["phang"]
    assert sum(reply.faults.count("stalled") for reply in replies.values()) == stats["phang"]


def test_a_caller_who_leaves_early_leaves_nothing_behind(server):
    server.reset(delay=0.05)
    engine = OpenAIEngine("stub", [server.url])
    replies = engine.generate(asked(200))
    next(replies)
    replies.close()
    time.sleep(0.3)
    stats = server.stats()
    assert stats["in_flight"] == 0 and stats["requests"] < 200


def test_a_source_that_breaks_is_heard(server):
    server.reset(delay=0)

    def source():
        yield from asked(3)
        raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError, match="power"):
        list(OpenAIEngine("stub", [server.url]).generate(source()))


def test_a_slow_source_does_not_hold_replies_back(server):
    server.reset(delay=0.01)
    came = []

    def source():
        for request in asked(6):
            time.sleep(0.2)
            yield request

    began = time.monotonic()
    for _ in OpenAIEngine("stub", [server.url]).generate(source()):
        came.append(time.monotonic() - began)
    assert came[0] < came[-1] - 0.6


def test_inside_a_notebooks_loop(server):
    server.reset(delay=0)

    async def cell():
        return settle(OpenAIEngine("stub", [server.url]), asked(20))

    assert len(asyncio.run(cell())) == 20


def test_it_is_not_loaded_before_it_is_asked_for():
    code = "import sys, cityfolk.engines.openai; print(sorted({'aiohttp', 'uvloop'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "[]", done.stderr
