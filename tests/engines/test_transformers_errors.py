"""What cannot be run is refused in one sentence that says what to do, before anything is computed."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from cityfolk.engines import transformers_load
from cityfolk.engines.transformers import make
from cityfolk.errors import EngineError, UsageError
from cityfolk.types import Message, Request, Sampling
from tests.engines import tiny_models

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the Hugging Face client is first imported, by a test


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_models.save_model(tmp_path_factory.mktemp("hf") / "llama")


@pytest.fixture
def copy(llama, tmp_path):
    return Path(shutil.copytree(llama, tmp_path / "copy"))


def ask(engine, text="Hello", **extra):
    knobs = Sampling(temperature=0.0, max_tokens=4)
    return Request(messages=(Message(role="user", content=text),), model=engine.model, sampling=knobs, **extra)


def refused(name, *words):
    with pytest.raises(EngineError) as caught:
        engine = make(name)
        next(engine.generate([ask(engine)]))
    said = f"{caught.value} | {caught.value.hint}"
    assert all(word in said for word in words), said
    assert caught.value.hint and "\n" not in said
    return said


def test_wrong_names_and_options():
    for name, words in {
        "": "no model is named",
        "x?dtpe=float16": "did you mean 'dtype'",
        "x?dtype=int4": "dtype cannot be 'int4'",
        "x?device=gpu": "device cannot be 'gpu'",
        "x?batch=0": "batch cannot be '0'",
        "x?thinking=maybe": "thinking cannot be 'maybe'",
        "x+": "no adapter follows",
    }.items():
        with pytest.raises(UsageError) as caught:
            make(name)
        assert words in f"{caught.value} {caught.value.hint}"


def test_a_folder_that_is_no_model(tmp_path):
    refused(str(tmp_path), "no config.json")
    refused("/nowhere/at/all", "no folder")


def test_weights_as_pickle_are_never_loaded(copy):
    (copy / "model.safetensors").unlink()
    torch.save({"x": torch.zeros(1)}, copy / "pytorch_model.bin")
    refused(str(copy), "pickle", "safetensors")
    (copy / "pytorch_model.bin").unlink()
    refused(str(copy), "no weights")


def test_damaged_and_missing_weight_files(copy):
    (copy / "model.safetensors").write_bytes(b"\xff" * 64)
    refused(str(copy), "no safetensors file")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(str(copy), "lacks 1 of its weight files")


def test_code_of_its_own_is_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "mine.py").write_text(f"open({str(copy / 'ran')!r}, 'w').close()\n")
    refused(str(copy), "Python code of its own")
    assert not (copy / "ran").exists()


def test_a_base_model_without_a_chat_template(copy):
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    (copy / "chat_template.jinja").unlink(missing_ok=True)
    refused(str(copy), "no chat template", "Instruct")


def test_an_architecture_without_keys_and_values(tmp_path):
    refused(str(tiny_models.save_model(tmp_path / "mamba", "mamba")), "serve the model")


def test_a_model_that_differs_in_a_batch_is_refused(llama, monkeypatch):
    from cityfolk.engines.transformers_slots import Slots

    honest = Slots._masks
    monkeypatch.setattr(Slots, "_masks", lambda self, *rest: honest(self, *rest) | True)
    refused(str(llama), "does not give the same result")


def test_a_device_that_is_not_there(llama):
    if not torch.cuda.is_available():
        refused(f"{llama}?device=cuda", "no CUDA device", "device=cuda")
    if not torch.backends.mps.is_available():
        refused(f"{llama}?device=mps", "Metal")


def test_too_little_memory_is_known_before_loading(llama, monkeypatch):
    monkeypatch.setattr(transformers_load, "memory_free", lambda device: 1000)
    refused(f"{llama}?device=cpu", "GB are free", "dtype=bfloat16")


def test_memory_needed_counts_what_the_dtype_takes(llama):
    from transformers import AutoModelForCausalLM

    numbers = AutoModelForCausalLM.from_pretrained(llama).num_parameters()
    assert transformers_load.memory_needed(llama, "float32") == 4 * numbers
    assert transformers_load.memory_needed(llama, "bfloat16") == 2 * numbers
    assert transformers_load.memory_needed(llama, "checkpoint") == 4 * numbers


def test_memory_that_runs_out_on_the_way(llama, monkeypatch):
    from cityfolk.engines.transformers_slots import Slots

    engine = make(f"{llama}?batch=8&device=cpu")
    next(engine.generate([ask(engine)]))

    def full(self, feeds, adapters):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(Slots, "feed", full)
    with pytest.raises(EngineError, match="8 requests at once") as caught:
        list(engine.generate([ask(engine)]))
    assert "batch=4" in caught.value.hint


def test_adapters_that_are_none(llama, tmp_path):
    adapter = tiny_models.save_adapter(tmp_path / "mine", llama, seed=1)
    refused(f"{llama}+{llama}", "no adapter_config.json")
    refused(f"{llama}+/nowhere", "no folder")
    weights = adapter / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    (adapter / "adapter_model.bin").write_bytes(b"")
    refused(f"{llama}+{adapter}", "pickle is never loaded")
    weights.write_bytes(kept)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "PREFIX_TUNING"}))
    refused(f"{llama}+{adapter}", "PREFIX_TUNING", "LoRA")


@pytest.mark.parametrize("loaded", [False, True])
def test_an_adapter_of_another_model_leaves_this_one_as_it_was(llama, tmp_path, loaded):
    wide = tiny_models.save_model(tmp_path / "wide", hidden_size=64)
    alien = tiny_models.save_adapter(tmp_path / "alien", wide, seed=1)
    mine = tiny_models.save_adapter(tmp_path / "mine", llama, seed=2)
    engine = make(f"{llama}?device=cpu")
    before = next(engine.generate([ask(engine)]))[1]
    name = engine.adapter(str(mine))
    if loaded:
        next(engine.generate([ask(engine, adapter=name)]))
    reply = next(engine.generate([ask(engine, adapter=engine.adapter(str(alien)))]))[1]
    assert reply.finish == "error" and "does not fit" in reply.error
    assert next(engine.generate([ask(engine)]))[1].text == before.text
    fresh = make(f"{llama}+{mine}?device=cpu")
    adapted = next(fresh.generate([ask(fresh)]))[1].text
    assert next(engine.generate([ask(engine, adapter=name)]))[1].text == adapted != before.text


def test_names_follow_what_a_folder_holds(llama, copy, tmp_path):
    engine = make(f"{llama}?batch=3")
    assert make(f"{llama}?batch=8&device=cpu").model == engine.model
    assert make(str(copy)).model.split("@")[1] == engine.model.split("@")[1]
    adapter = tiny_models.save_adapter(tmp_path / "mine", llama, seed=1)
    named = engine.adapter(str(adapter))
    assert named.startswith("mine@") and make(f"{llama}+{adapter}").model == f"{engine.model}+{named}"
    tiny_models.save_adapter(adapter, llama, seed=2)
    assert engine.adapter(str(adapter)) != named
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert make(str(copy)).model.split("@")[1] != engine.model.split("@")[1]


def test_large_weights_are_named_by_a_sample_of_every_tensor(llama, copy, monkeypatch):
    monkeypatch.setattr(transformers_load, "_WHOLE", 0)
    name = transformers_load.find_model(str(copy)).revision
    assert name == transformers_load.find_model(str(llama)).revision
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert name != transformers_load.find_model(str(copy)).revision


CHILD = """
import sys
{before}
from cityfolk.engines.transformers import make
from cityfolk.errors import CityfolkError
try:
    print("model", make(sys.argv[1]).model)
except CityfolkError as problem:
    print(problem, "|", problem.hint)
"""


def child(name, cache, *, before="", **environment):
    """Run an engine in a process of its own: the Hugging Face client reads its settings once."""
    settings = {"HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5"} | environment
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(before=before), name], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_missing_extra(tmp_path):
    said = child(str(tmp_path), tmp_path, before="sys.modules['torch'] = None; sys.modules['peft'] = None")
    assert 'pip install "cityfolk[local]"' in said and "torch" in said
    said = child(f"{tmp_path}+x", tmp_path, before="sys.modules['peft'] = None")
    assert "need peft" in said


def test_a_model_in_the_cache_works_offline_and_is_named_by_its_commit(llama, tmp_path, monkeypatch):
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "hub" / "models--someone--tiny"
    shutil.copytree(llama, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    engine, local = make("someone/tiny?device=cpu"), make(f"{llama}?device=cpu")
    assert engine.model == "someone/tiny@0123456789ab"
    assert next(engine.generate([ask(engine)]))[1].text == next(local.generate([ask(local)]))[1].text
    refused("someone/other", "not in the Hugging Face cache", "HF_HUB_OFFLINE")


@pytest.fixture
def hub():
    """A hub that knows no model but a gated one, and one whose files it cannot send."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            status, code = (404, "RepoNotFound")
            if "gated" in self.path:
                status, code = (403, "GatedRepo")
            if "ruined" in self.path:
                status, code = (500, "")
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_gated_and_an_unknown_model(hub, tmp_path):
    said = child("someone/gated", tmp_path, HF_ENDPOINT=hub)
    assert "gated" in said and "licence" in said and "HF_TOKEN" in said
    said = child("someone/unknown", tmp_path, HF_ENDPOINT=hub)
    assert "no Hugging Face model someone/unknown" in said
    said = child("someone/unknown", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "cannot be reached" in said
