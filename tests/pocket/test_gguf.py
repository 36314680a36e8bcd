"""The GGUF file, read back by gguf's own reader: every tensor, every token, the shape."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, TokenType

from cityfolk.errors import UsageError
from cityfolk.pocket.arrays import read_raw
from cityfolk.pocket.gguf import modelfile, tensors, write_gguf


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("gguf") / "pocket-1.gguf"
    write_gguf(folder, target)
    assert [path.name for path in target.parent.iterdir()] == ["pocket-1.gguf"]
    return GGUFReader(target)


def test_every_tensor_is_there_with_its_values(written, folder):
    raw = read_raw(folder)
    read = {tensor.name: tensor.data for tensor in written.tensors}
    assert len(read) == len(raw.tensors) == 2 + 9 * raw.config["num_hidden_layers"]
    straight = {
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
        "blk.3.attn_v": "model.layers.3.self_attn.v_proj",
        "blk.0.attn_output": "model.layers.0.self_attn.o_proj",
        "blk.5.ffn_down": "model.layers.5.mlp.down_proj",
        "blk.2.ffn_gate": "model.layers.2.mlp.gate_proj",
        "blk.2.ffn_up": "model.layers.2.mlp.up_proj",
        "blk.1.attn_norm": "model.layers.1.input_layernorm",
        "blk.1.ffn_norm": "model.layers.1.post_attention_layernorm",
    }
    for theirs, ours in straight.items():
        assert np.array_equal(read[f"{theirs}.weight"], raw.tensors[f"{ours}.weight"]), theirs
        assert read[f"{theirs}.weight"].dtype == (np.float32 if "norm" in theirs else np.float16)


def test_transformers_reads_the_same_model_from_it(written, folder):
    """A reader of GGUF that is not ours: the same logits, to the last bit."""
    import torch
    from transformers import AutoModelForCausalLM

    place, name = str(Path(written.data.filename).parent), Path(written.data.filename).name
    read = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32)
    ours = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        ids = torch.arange(5, 205)[None]
        assert torch.equal(read(ids).logits, ours(ids).logits)


def test_turning_neighbors_there_is_turning_halves_here(written, folder):
    """Rotary positions by llama.cpp's rule on its rows give the products of queries and keys that ours give."""
    raw = read_raw(folder)
    read = {tensor.name: np.asarray(tensor.data, dtype=np.float64) for tensor in written.tensors}
    heads, size = raw.config["num_attention_heads"], raw.config["head_dim"]
    x = np.random.default_rng(1).standard_normal((2, raw.config["hidden_size"]))
    angle = 7.0 * raw.config["rope_theta"] ** -(np.arange(0, size, 2) / size)
    cos, sin = np.cos(angle), np.sin(angle)

    def halves(v):
        a, b = v[:, : size // 2], v[:, size // 2 :]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=1)

    def neighbors(v):
        a, b = v[:, ::2], v[:, 1::2]
        return np.stack((a * cos - b * sin, b * cos + a * sin), axis=2).reshape(len(v), -1)

    ours = np.asarray(raw.tensors["model.layers.4.self_attn.q_proj.weight"], dtype=np.float64)
    here = halves((ours @ x[0]).reshape(heads, size)) @ halves((ours @ x[1]).reshape(heads, size)).T
    q = read["blk.4.attn_q.weight"]
    there = neighbors((q @ x[0]).reshape(heads, size)) @ neighbors((q @ x[1]).reshape(heads, size)).T
    assert np.allclose(here, there) and not np.allclose(q, ours)


def test_the_vocabulary_is_the_tokenizers(written, folder, tokenizer):
    fields = {name: field.contents() for name, field in written.fields.items()}
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert len(tokens) == len(kinds) == tokenizer.size == 4096
    assert [n for n, kind in enumerate(kinds) if kind == TokenType.CONTROL] == sorted(tokenizer.special)
    added = [n for n, kind in enumerate(kinds) if kind == TokenType.USER_DEFINED]
    assert added and all(tokenizer.encode(tokens[n]) == [n] for n in added)
    plain = json.loads((folder / "tokenizer.json").read_text())["model"]
    assert all(tokens[number] == text for text, number in plain["vocab"].items() if kinds[number] == TokenType.NORMAL)
    assert fields["tokenizer.ggml.merges"] == [" ".join(pair) for pair in plain["merges"]]
    assert (
        fields["tokenizer.ggml.eos_token_id"] == tokenizer.end
        and fields["tokenizer.ggml.bos_token_id"] == tokenizer.bos
    )
    assert "<|assistant|>" in fields["tokenizer.chat_template"] and not fields["tokenizer.ggml.add_bos_token"]


def test_the_shape_is_the_models(written, folder):
    config = read_raw(folder).config
    fields = {name: field.contents() for name, field in written.fields.items()}
    assert fields["general.architecture"] == "llama" and fields["llama.block_count"] == config["num_hidden_layers"]
    assert fields["llama.context_length"] == 2048 and fields["llama.attention.head_count_kv"] == 2
    assert fields["llama.rope.freq_base"] == pytest.approx(config["rope_theta"])
    assert fields["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(config["rms_norm_eps"])


def test_queries_and_keys_are_reordered_and_lose_nothing(folder):
    raw = read_raw(folder)
    moved = tensors(raw)["blk.0.attn_k.weight"]
    kept = raw.tensors["model.layers.0.self_attn.k_proj.weight"]
    assert not np.array_equal(moved, kept)
    assert sorted(row.tobytes() for row in moved) == sorted(row.tobytes() for row in kept)
    half = raw.config["head_dim"] // 2
    assert np.array_equal(moved[0], kept[0]) and np.array_equal(moved[1], kept[half])


def test_the_modelfile_names_the_file_and_the_context():
    text = modelfile("pocket-1.gguf", context=2048)
    assert text.startswith("FROM ./pocket-1.gguf\n") and "PARAMETER num_ctx 2048\n" in text


def test_without_the_package_a_sentence(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match="gguf package"):
        write_gguf(folder, tmp_path / "x.gguf")
    assert not list(tmp_path.iterdir())
