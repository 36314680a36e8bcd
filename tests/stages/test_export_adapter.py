"""An adapter exported by command: pocket merged and as GGUF, read back by transformers; Llamas of others."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from cityfolk.cli.main import app
from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.arrays import revision, weights_folder
from cityfolk.types import Message, Request, Sampling
from tests.engines.tiny_models import save_adapter, save_model
from tests.training.models import adapted
from tests.training.runs import write_run

IDS = torch.arange(5, 105)[None]


def model_of(folder, **how):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **how)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study folder with an adapter of pocket and one of a tiny Llama; the logits of pocket with its adapter."""
    from cityfolk.study.folder import Study

    folder = tmp_path_factory.mktemp("export") / "town"
    with Study.open(folder, create=True) as opened:
        opened.begin("questions", {})
        opened.finish("questions")
    wrapped = adapted(model_of(weights_folder()), scale=0.05)
    wrapped.save_pretrained(folder / "adapters" / "diplomat")
    kept = (folder / "adapters" / "diplomat" / "adapter_config.json").read_text()
    write_run(folder / "adapters" / "diplomat", revision=revision(weights_folder()))
    (folder / "adapters" / "diplomat" / "adapter_config.json").write_text(kept)
    with torch.no_grad():
        logits = wrapped(IDS).logits
    return folder, logits


def run(*words):
    return CliRunner().invoke(app, ["export", *map(str, words)])


def test_merged_pocket_is_what_base_and_adapter_are_and_the_engine_takes_it(study, tmp_path):
    folder, wanted = study
    done = run(folder, "--adapter", "diplomat", "--to", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    merged = tmp_path / "diplomat"
    assert json.loads(done.stdout)["files"] == [str(merged)]
    card = (merged / "README.md").read_text()
    assert "library_name: transformers" in card and "`pocket` with a LoRA adapter merged in." in card
    with torch.no_grad():
        assert torch.allclose(model_of(merged)(IDS).logits, wanted, atol=1e-4)
    question = (Message(role="user", content="Who are you?"),)
    said = []
    for rest in (str(merged), f"+{folder / 'adapters' / 'diplomat'}"):
        engine = PocketEngine(rest)
        request = Request(messages=question, model=engine.model, sampling=Sampling(temperature=0.0, max_tokens=24))
        said.append(next(iter(engine.generate([request])))[1].text)
    assert said[0] == said[1]
    assert run(folder, "--adapter", "diplomat", "--to", tmp_path, "--merged").exit_code == 0


def test_gguf_of_pocket_holds_base_and_adapter_and_a_modelfile_names_it(study, tmp_path):
    folder, wanted = study
    done = run(folder, "--adapter", "diplomat", "--ollama", "--to", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "next: ollama create pocket-1-diplomat -f" in done.output
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "pocket-1-diplomat.Modelfile",
        "pocket-1-diplomat.gguf",
    ]
    assert (tmp_path / "a" / "pocket-1-diplomat.Modelfile").read_text().startswith("FROM ./pocket-1-diplomat.gguf\n")
    with torch.no_grad():
        read = model_of(str(tmp_path / "a"), gguf_file="pocket-1-diplomat.gguf")
        assert torch.allclose(read(IDS).logits, wanted, atol=1e-4)
    assert run(folder, "--adapter", "diplomat", "--gguf", "--to", tmp_path / "b").exit_code == 0
    sizes = [{path.name: path.stat().st_size for path in (tmp_path / place).iterdir()} for place in "ab"]
    assert sizes[0] == sizes[1]


def test_a_llama_of_others_is_merged_and_the_rest_is_told(study, tmp_path):
    folder, _ = study
    base = save_model(tmp_path / "somebodys-llama", "llama")
    adapter = save_adapter(tmp_path / "kind", base, seed=3)
    done = run(folder, "--adapter", adapter, "--model", base, "--ollama", "--to", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (
        told["next"][0].startswith("python llama.cpp/convert_hf_to_gguf.py") and "ollama create kind" in told["next"][1]
    )
    about = tmp_path / "out" / "kind.Modelfile"
    assert "TEMPLATE" in about.read_text() and told["next"][1].endswith(f"-f {about}")
    assert not list((tmp_path / "out").glob("*.gguf"))
    # A second adapter beside it leaves the first one's as it is.
    before = about.read_bytes()
    other = save_adapter(tmp_path / "other", base, seed=4)
    assert run(folder, "--adapter", other, "--model", base, "--ollama", "--to", tmp_path / "out").exit_code == 0
    assert about.read_bytes() == before and "FROM ./other.gguf" in (tmp_path / "out" / "other.Modelfile").read_text()


def test_weights_that_it_was_not_trained_on_are_refused_unless_they_are_named(study, tmp_path):
    folder, _ = study
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    about = other / "adapters" / "diplomat" / "training.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"revision": "f" * 12}))
    done = run(other, "--adapter", "diplomat", "--to", tmp_path / "out")
    assert done.exit_code == 3 and not (tmp_path / "out").exists()
    assert run(other, "--adapter", "diplomat", "--model", "pocket", "--to", tmp_path / "out").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--adapter", "nobody"), 2),
        (("--merged",), 2),
        (("--adapter", "diplomat", "--gguf", "--ollama"), 2),
        (("--adapter", "diplomat", "--hf"), 2),
        (("--adapter", "diplomat", "--geo"), 2),
        (("--adapter", "diplomat", "--dtype", "int4"), 2),
        (("--adapter", "diplomat", "--model", "no/such/place"), 4),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(study, tmp_path, words, code):
    done = run(study[0], *words, "--to", tmp_path / "out")
    assert done.exit_code == code and not (tmp_path / "out").exists()
