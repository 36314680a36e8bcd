"""Presets: short names for models people have, resolved against an Ollama that is really asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cityfolk.engines.presets import find_preset, ollama_models, presets, resolve, served_models
from cityfolk.engines.registry import load_engine
from cityfolk.errors import EngineError, UsageError

FAMILIES = {"llama-3.1-8b": "llama", "qwen-3-8b": "qwen", "mistral-7b": "mistral", "dolphin-llama-3-8b": "llama"}


@pytest.fixture
def server():
    """A server on this machine that gives the listings of Ollama and of the chat-completions format."""
    listings = {
        "/api/tags": {"models": [{"name": "qwen3:8b"}, {"name": "mistral:7b"}]},
        "/v1/models": {"object": "list", "data": [{"id": "a/b"}]},
        "/odd/v1/models": ["not", "a", "listing"],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(listings[self.path]).encode() if self.path in listings else b"<html>"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()
    thread.join()


def test_the_four_families_of_the_original_are_there():
    assert {preset.name: preset.family for preset in presets()} == FAMILIES
    names = [name for preset in presets() for name in (preset.name, *preset.aliases)]
    assert len(names) == len(set(names))
    for preset in presets():
        assert preset.context >= 8192 and "/" in preset.hugging_face and ":" in preset.ollama and preset.licence
        assert find_preset(preset.name.upper()) == preset


def test_what_a_server_has_is_asked_of_it(server):
    assert ollama_models(server) == ollama_models(f"{server}/v1") == ["qwen3:8b", "mistral:7b"]
    assert served_models(f"{server}/v1") == ["a/b"]
    assert served_models(f"{server}/odd/v1") is None and served_models(f"{server}/html") is None
    assert ollama_models("http://127.0.0.1:9") is None


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", "ollama:qwen3:8b?thinking=off"),
        ("?thinking=on", "ollama:qwen3:8b?thinking=on"),
        ("?concurrency=2", "ollama:qwen3:8b?thinking=off&concurrency=2"),
    ],
)
def test_qwen_does_not_think_unless_it_is_told_to(rest, expected):
    assert resolve("qwen3-8b", rest, models=lambda: ["qwen3:8b"]) == expected


def test_a_preset_is_an_engine_where_ollama_has_it(server):
    engine = load_engine(f"mistral-7b@{server}")
    assert (engine.name, engine.model) == ("ollama", "mistral:7b")
    assert engine.urls == (f"{server}/v1",)
    assert load_engine(f"qwen3:8b@{server}?concurrency=3").model == "qwen3:8b?thinking=off"


def test_a_preset_that_is_not_there_says_how_to_get_it(server):
    with pytest.raises(EngineError, match=r"does not have llama3\.1:8b") as caught:
        load_engine(f"llama-3.1-8b@{server}")
    assert "ollama pull llama3.1:8b" in caught.value.hint
    with pytest.raises(EngineError, match="nothing answers") as caught:
        resolve("llama-3.1-8b", models=lambda: None)
    assert "ollama serve" in caught.value.hint and "hf:meta-llama/Llama-3.1-8B-Instruct" in caught.value.hint


def test_a_misspelt_preset_is_recognized():
    with pytest.raises(UsageError) as caught:
        load_engine("llama-3-8b")
    assert "did you mean 'llama-3" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        load_engine("zzzzzz")
    assert "mistral-7b" in caught.value.hint and "pocket" in caught.value.hint
