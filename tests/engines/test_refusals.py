"""What a server refuses: a prompt, not its way of asking for JSON; and keys, which nobody gets to read."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cityfolk.engines.openai import OpenAIEngine, make, make_ollama
from cityfolk.engines.transport import is_vague
from cityfolk.errors import EngineError, UsageError
from tests.engines.stub import asked
from tests.stub_server import SETTINGS, Stub

FILTERED = "The prompt triggered the content management policy. Please modify your prompt."
KEY = "sk-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def serve():
    """Start a server whose answers a function gives: of a body and the key, (status, what it says) or None for good."""
    servers = []

    def start(refusal):
        stub = Stub(SETTINGS)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said = refusal(body, self.headers.get("Authorization", "")) or stub.content(body)
                answer = stub.completion(said, body) if status == 200 else json.dumps({"error": said}).encode()
                self.send_response(status if status != 299 else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def is_first(body):
    return body["messages"][-1]["content"] == asked(1)[0].messages[-1].content


@pytest.mark.parametrize("said", [FILTERED, "This model's maximum context length is 4096 tokens"])
def test_one_refused_prompt_does_not_change_how_the_others_are_asked(serve, said):
    url = serve(lambda body, _: (400, said) if is_first(body) else None)
    engine, requests = OpenAIEngine("stub", [url], concurrency=1), asked(5)
    replies = dict(engine.generate(requests))
    assert engine.schema_mode == "json_schema" and engine.notices == []
    first = replies.pop(requests[0].key)
    assert first.finish == "error" and first.error == f"HTTP 400: {said}" and not first.faults
    assert {reply.finish for reply in replies.values()} == {"stop"} and len(replies) == 4


@pytest.mark.parametrize(
    "said",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "Unsupported JSON Schema keyword: maxLength",
        "guided decoding is not enabled",
        "Failed to parse grammar",
        "Structured outputs are not supported",
    ],
)
def test_a_refused_format_is_asked_for_in_another_way(serve, said):
    wants = lambda body: (body.get("response_format") or {}).get("type") == "json_schema"  # noqa: E731
    engine = OpenAIEngine("stub", [serve(lambda body, _: (422, said) if wants(body) else None)])
    assert {reply.finish for _, reply in engine.generate(asked(5))} == {"stop"}
    assert engine.schema_mode == "json_object" and len(engine.notices) == 1


VAGUE = ["Bad Request", "Request contains an invalid argument.", "invalid_request_error", "Unprocessable Entity", ""]


def mode_of(body):
    """Return how a body asks for JSON: json_schema, json_object or prompt."""
    return (body.get("response_format") or {"type": "prompt"})["type"]


@pytest.mark.parametrize("said", VAGUE)
@pytest.mark.parametrize("takes", ["json_object", "prompt"])
def test_a_refusal_without_a_reason_is_found_out_by_asking_more_plainly(serve, said, takes):
    asked_in = []

    def refusal(body, _):
        asked_in.append(mode_of(body))
        return None if mode_of(body) == takes or (takes == "json_object" and mode_of(body) == "prompt") else (400, said)

    engine = OpenAIEngine("stub", [serve(refusal)], concurrency=1)
    replies = [reply for _, reply in engine.generate(asked(5))]
    assert {reply.finish for reply in replies} == {"stop"} and engine.schema_mode == takes
    modes = ["json_schema", "json_object", "prompt"]
    assert asked_in == [*modes[: modes.index(takes)], *[takes] * 5]  # found out once
    (notice,) = engine.notices
    assert "without saying so" in notice and "json_schema" in notice
    assert [reply.faults for reply in replies] == [("400",) * modes.index(takes), *[()] * 4]


def test_a_refusal_without_a_reason_of_one_prompt_alone_changes_nothing(serve):
    asked_in = []

    def refusal(body, _):
        asked_in.append(mode_of(body))
        return (400, "Bad Request") if is_first(body) else None

    engine, requests = OpenAIEngine("stub", [serve(refusal)], concurrency=1), asked(5)
    replies = dict(engine.generate(requests))
    assert asked_in == ["json_schema", "json_object", "prompt", *["json_schema"] * 4]
    assert engine.schema_mode == "json_schema" and engine.notices == []
    first = replies.pop(requests[0].key)
    assert first.finish == "error" and first.error == "HTTP 400: Bad Request" and first.faults == ("400", "400")
    assert {reply.finish for reply in replies.values()} == {"stop"} and len(replies) == 4


def test_where_json_schema_has_worked_a_refusal_without_a_reason_is_believed(serve):
    asked_in = []

    def refusal(body, _):
        asked_in.append(mode_of(body))
        return (400, "Bad Request") if is_first(body) else None

    engine, requests = OpenAIEngine("stub", [serve(refusal)], concurrency=1), asked(5)
    replies = dict(engine.generate([*requests[1:], requests[0]]))
    assert asked_in == ["json_schema"] * 5 and not replies[requests[0].key].faults


def test_prompts_refused_in_every_way_are_asked_in_every_way_only_at_first(serve):
    asked_in = []

    def refusal(body, _):
        asked_in.append(mode_of(body))
        return 400, "Bad Request"

    engine = OpenAIEngine("stub", [serve(refusal)], concurrency=1)
    assert {reply.error for _, reply in engine.generate(asked(6))} == {"HTTP 400: Bad Request"}
    assert asked_in == [*["json_schema", "json_object", "prompt"] * 3, *["json_schema"] * 3]


def test_one_server_that_refuses_does_not_change_how_another_is_asked(serve):
    asked_in = {"picky": [], "able": []}

    def refusal(name):
        def answer(body, _):
            asked_in[name].append(mode_of(body))
            return (400, "Bad Request") if name == "picky" and mode_of(body) == "json_schema" else None

        return answer

    engine = OpenAIEngine("stub", [serve(refusal("picky")), serve(refusal("able"))], concurrency=4)
    assert {reply.finish for _, reply in engine.generate(asked(40))} == {"stop"}
    assert asked_in["picky"][-1] == "json_object" and asked_in["able"][-1] == "json_schema"
    assert len(engine.notices) == 1


def test_words_that_tell_nothing():
    assert all(is_vague(said) for said in VAGUE)
    telling = [FILTERED, "messages: [] is too short", "Unknown model", "Extra inputs: seed", "prompt too long"]
    assert not any(is_vague(said) for said in telling)


@pytest.mark.parametrize("status", [401, 400, 500, 299])
@pytest.mark.parametrize("at", [270, 290, 299])
def test_no_piece_of_a_key_is_left_where_a_message_is_cut(serve, status, at):
    url = serve(lambda _, key: (status, f"{'x' * at}{key.removeprefix('Bearer ')} is wrong"))
    engine = OpenAIEngine("stub", [url], key=KEY)
    try:
        said = " ".join(reply.error for _, reply in engine.generate(asked(1)))
    except EngineError as error:
        said = str(error)
    assert "xxx" in said and "sk-a" not in said and "xs" not in said


@pytest.mark.parametrize("factory", [make, make_ollama])
def test_a_key_no_header_may_carry_is_said_without_its_value(monkeypatch, factory):
    name = "m@http://localhost:9/v1?key_env=MY_KEY"
    for bad in ("sk-one\nsk-two", "sk-\x07", "sk-\u2013dash"):
        monkeypatch.setenv("MY_KEY", bad)
        with pytest.raises(UsageError, match="MY_KEY") as caught:
            factory(name)
        assert "sk-" not in str(caught.value) + caught.value.hint
    monkeypatch.setenv("MY_KEY", " sk-good\r\n")
    assert factory(name)._key == "sk-good"
    for absent in (" \n", None):
        if absent is None:
            monkeypatch.delenv("MY_KEY")
        else:
            monkeypatch.setenv("MY_KEY", absent)
        with pytest.raises(EngineError, match="MY_KEY"):
            factory(name)
