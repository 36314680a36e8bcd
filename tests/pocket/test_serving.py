"""Replies: within their schema, the same whoever is beside them, honest about what went wrong."""

import json
import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from cityfolk.engines.pocket import PocketEngine
from cityfolk.errors import EngineError
from cityfolk.pocket.arrays import load_weights, revision, weights_folder
from cityfolk.pocket.sampling import choose, log_softmax, uniforms
from cityfolk.profiles.prompts import citizen_text, profile_messages
from cityfolk.profiles.schema import ProfileText, json_schema
from cityfolk.types import Message, Request, Sampling

PROFILE = json_schema(ProfileText)


def make(citizen, engine, *, schema=PROFILE, choices=(), question="", **sampling):
    messages = profile_messages(citizen)
    if question:
        messages = (*messages[:1], Message(role="user", content=f"{citizen_text(citizen)}\n\n{question}"))
    return Request(messages=messages, model=engine.model, schema=schema, choices=choices, sampling=Sampling(**sampling))


def test_a_profile_fits_its_schema(citizens):
    engine = PocketEngine(slots=4)
    requests = [make(citizen, engine) for citizen in citizens[:4]]
    replies = dict(engine.generate(requests))
    assert set(replies) == {request.key for request in requests}
    for reply in replies.values():
        assert reply.finish == "stop" and reply.model == engine.model
        assert reply.prompt_tokens > 150 and reply.completion_tokens > 150 and reply.seconds > 0
        ProfileText.model_validate_json(reply.text)


def test_a_reply_is_the_same_alone_in_a_crowd_and_in_any_order(engine, citizens):
    requests = [
        make(citizen, engine, schema=PROFILE if n % 3 else None, max_tokens=8 + 9 * (n % 5))
        for n, citizen in enumerate(citizens[:70])
    ]
    crowd = {key: reply.text for key, reply in engine.generate(requests)}
    assert len(crowd) == 70 and len(set(crowd.values())) > 35
    backwards = {key: reply.text for key, reply in engine.generate(reversed(requests))}
    assert backwards == crowd
    for request in requests[::14]:
        assert next(PocketEngine().generate([request]))[1].text == crowd[request.key]


@pytest.mark.long
def test_whole_profiles_are_the_same_in_any_company(engine, citizens):
    requests = [make(citizen, engine) for citizen in citizens[:96]]
    crowd = {key: reply.text for key, reply in engine.generate(requests)}
    backwards = {key: reply.text for key, reply in engine.generate(reversed(requests))}
    assert backwards == crowd
    for request in requests[::12]:
        assert next(PocketEngine().generate([request]))[1].text == crowd[request.key]


def test_another_sample_is_another_reply(engine, citizens):
    requests = [make(citizens[0], engine, sample=n, max_tokens=40) for n in range(4)]
    assert len({reply.text for _, reply in engine.generate(requests)}) > 1


def test_requests_are_taken_only_when_there_is_room(citizens):
    engine, taken = PocketEngine(slots=4), []

    def stream():
        for n in range(12):
            taken.append(n)
            yield make(citizens[n], engine, max_tokens=5)

    for settled, _ in enumerate(engine.generate(stream())):
        assert len(taken) <= settled + 1 + 4


ODD = {
    '{"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":5}},"required":["a"],'
    '"additionalProperties":false}': dict[str, int],
    '{"enum":["red","green"]}': str,
    '{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":4}': list[bool],
    '{"type":"string","minLength":3,"maxLength":9,"pattern":"^[a-zé]+$"}': str,
    '{"type":"object","properties":{"x":{"type":"array","items":{"type":"string","maxLength":5},"minItems":1,'
    '"maxItems":2},"y":{"type":["null","integer"],"minimum":0,"maximum":999}},"required":["x","y"],'
    '"additionalProperties":false}': dict,
}


@pytest.mark.parametrize("schema", ODD)
def test_odd_schemas_are_followed(engine, citizens, schema):
    for temperature in (0.0, 2.0):
        reply = next(engine.generate([make(citizens[1], engine, schema=schema, temperature=temperature)]))[1]
        assert reply.finish == "stop", reply
        TypeAdapter(ODD[schema]).validate_json(reply.text)


def test_a_schema_that_cannot_be_compiled_is_an_error_reply(engine, citizens):
    for schema in ("{", '{"type":"colour"}'):
        reply = next(engine.generate([make(citizens[1], engine, schema=schema)]))[1]
        assert reply.finish == "error" and "schema" in reply.error and reply.text == ""


def test_a_prompt_that_is_too_long_is_refused_and_others_go_on(engine, citizens):
    long = Request(messages=(Message(role="user", content="many words " * 1500),), model=engine.model)
    replies = dict(engine.generate([long, make(citizens[0], engine, max_tokens=4)]))
    assert replies[long.key].finish == "error" and "2048" in replies[long.key].error
    assert sorted(reply.finish for reply in replies.values()) == ["error", "length"]


def test_choices_are_scored_and_add_up(engine, citizens):
    question = "Is this true of you: I like parties? Answer Yes or No."
    request = make(citizens[2], engine, schema=None, choices=("Yes", "No", "I would rather not say"), question=question)
    reply = next(engine.generate([request]))[1]
    assert reply.text in request.choices and reply.finish == "stop"
    assert math.isclose(sum(math.exp(value) for value in reply.logprobs), 1, rel_tol=1e-5)
    greedy = make(citizens[2], engine, schema=None, choices=("No", "Yes"), question=question, temperature=0.0)
    again = next(engine.generate([greedy]))[1]
    assert again.text == greedy.choices[int(np.argmax(again.logprobs))]
    gap = reply.logprobs[0] - reply.logprobs[1]
    assert math.isclose(gap, again.logprobs[1] - again.logprobs[0], abs_tol=1e-4)


def test_drawing_follows_the_probabilities():
    logits = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    everything = np.ones(3, dtype=bool)
    draws = [choose(logits, everything, u, 1.0, 1.0) for u in uniforms("k", 4000)]
    assert np.abs(np.bincount(draws) / 4000 - [0.5, 0.3, 0.2]).max() < 0.03
    assert {choose(logits, everything, u, 1.0, 0.6) for u in uniforms("k", 400)} == {0, 1}
    assert choose(logits, np.array([False, False, True]), 0.01, 1.0, 1.0) == 2
    assert choose(logits, everything, 0.999, 0.0, 1.0) == 0
    assert np.allclose(np.exp(log_softmax(logits[None])).sum(), 1)


def test_the_weights_are_small_named_and_loaded_safely(tmp_path):
    files = list(weights_folder().iterdir())
    assert sum(file.stat().st_size for file in files) < 40e6
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md"}
    assert PocketEngine().model == f"pocket-1@{revision(weights_folder())}"
    assert load_weights(weights_folder()).revision == revision(weights_folder())
    with pytest.raises(EngineError, match="no weights"):
        _ = PocketEngine(str(tmp_path)).model
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(EngineError):
        load_weights(tmp_path)
