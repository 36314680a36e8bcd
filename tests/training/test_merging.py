"""An adapter merged: the logits of base and adapter together, by PEFT; what is refused, what a kill leaves."""

import errno
import json

import numpy as np
import pytest
import torch
from peft import PeftModel

from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.training import merging
from cityfolk.training.merging import merge_adapter
from cityfolk.training.tensors import encoded, stored
from tests.training.models import adapted, small_llama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """(base folder, adapter folder, the logits of the two together) of a random Llama whose embedding is tied."""
    folder = tmp_path_factory.mktemp("tiny")
    model = small_llama(tie_word_embeddings=True)
    model.save_pretrained(folder / "base")
    (folder / "base" / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (folder / "base" / "pytorch_model.bin").write_bytes(b"a pickle that nobody reads")
    wrapped = adapted(model)
    wrapped.save_pretrained(folder / "adapters" / "persona")
    with torch.no_grad():
        logits = wrapped(IDS).logits
        assert (logits - wrapped.unload()(IDS).logits).abs().max() > 0.05, "the adapter does something"
    return folder / "base", folder / "adapters" / "persona", logits


IDS = torch.arange(3, 60)[None]


def loaded(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def logits_of(folder):
    with torch.no_grad():
        return loaded(folder)(IDS).logits


def test_the_merged_model_is_base_and_adapter(tiny, tmp_path):
    base, adapter, wanted = tiny
    merged = merge_adapter(base, adapter, tmp_path / "deep" / "merged")
    assert torch.allclose(logits_of(merged), wanted, atol=2e-5)
    assert sorted(path.name for path in merged.iterdir()) == [
        "config.json",
        "generation_config.json",
        "merged.json",
        "model.safetensors",
        "tokenizer_config.json",
    ]
    assert [path.name for path in merged.parent.iterdir()] == ["merged"]


def test_shards_in_bfloat16_stay_shards_in_bfloat16_and_round_once(tiny, tmp_path):
    _, adapter, _ = tiny
    small_llama(tie_word_embeddings=True).to(torch.bfloat16).save_pretrained(tmp_path / "base", max_shard_size="12KB")
    assert len(list((tmp_path / "base").glob("*.safetensors"))) > 2
    merged = merge_adapter(tmp_path / "base", adapter, tmp_path / "merged", dtype="checkpoint")
    before, after = _all(tmp_path / "base"), _all(merged)
    assert {one.dtype for one in after.values()} == {"BF16"} and after.keys() == before.keys()
    index = json.loads((merged / "model.safetensors.index.json").read_text())
    assert all(after[name].file.name == file for name, file in index["weight_map"].items())
    assert index["metadata"]["total_size"] == sum(one.size for one in after.values())
    touched = {name for name in after if not np.array_equal(after[name].values(), before[name].values())}
    assert touched == {f"model.layers.{n}.{part}.weight" for n in (0, 1) for part in PARTS}
    exact = merge_adapter(tmp_path / "base", adapter, tmp_path / "exact", dtype="float32")
    sums = _all(exact)
    for name in touched:
        rounded = torch.from_numpy(sums[name].values()).to(torch.bfloat16).float().numpy()
        assert np.array_equal(after[name].values(), rounded), name
    with torch.no_grad():
        wanted = PeftModel.from_pretrained(loaded(tmp_path / "base"), adapter)(IDS).logits
    assert torch.allclose(logits_of(exact), wanted, atol=2e-5)
    assert 1e-4 < (logits_of(merged) - wanted).abs().max() < 0.5  # two matrices rounded to eight bits


PARTS = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")


def _all(folder):
    return {name: one for file in folder.glob("*.safetensors") for name, one in stored(file).items()}


def test_rounding_to_bfloat16_is_torchs():
    draw = np.random.default_rng(0)
    values = np.concatenate([draw.normal(0, 1, 5000), draw.normal(0, 1e-30, 5000), [0.0, -0.0, 1.00390625, 3.0e38]])
    values = values.astype(np.float32)
    ours = np.frombuffer(encoded(values, "BF16"), dtype=np.int16)
    assert np.array_equal(ours, torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy())


def test_the_same_merge_is_done_once_and_nothing_else_is_overwritten(tiny, tmp_path):
    base, adapter, _ = tiny
    merged = merge_adapter(base, adapter, tmp_path / "merged")
    stamp = (merged / "model.safetensors").stat().st_mtime_ns
    assert merge_adapter(base, adapter, tmp_path / "merged") == merged
    assert (merged / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(StudyError, match="something else"):
        merge_adapter(base, adapter, tmp_path / "merged", dtype="float16")
    with pytest.raises(StudyError, match="something else"):
        merge_adapter(base, adapter, base)


def test_what_a_killed_merge_left_is_cleared_and_a_full_disk_leaves_nothing(tiny, tmp_path, monkeypatch):
    base, adapter, wanted = tiny
    (tmp_path / ".merged.part").mkdir()
    (tmp_path / ".merged.part" / "model.safetensors").write_bytes(b"half")
    honest = merging.write_tensors

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(merging, "write_tensors", full)
    with pytest.raises(StudyError, match="the disk is full"):
        merge_adapter(base, adapter, tmp_path / "merged")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(merging, "write_tensors", honest)
    assert torch.allclose(logits_of(merge_adapter(base, adapter, tmp_path / "merged")), wanted, atol=2e-5)


def test_what_does_not_fit_is_refused_before_anything_is_written(tiny, tmp_path):
    base, adapter, _ = tiny
    with pytest.raises(DataError, match=r"does not fit|does not have"):
        merge_adapter(weights_folder(), adapter, tmp_path / "merged")
    with pytest.raises(UsageError, match="float12"):
        merge_adapter(base, adapter, tmp_path / "merged", dtype="float12")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    with pytest.raises(DataError, match="lacks weights"):
        merge_adapter(broken, adapter, tmp_path / "merged")
    whole = (base / "model.safetensors").read_bytes()
    for damaged, words in ((whole[:-9], "ends before"), (b"\xff" * 64, "no safetensors"), (b"", "no safetensors")):
        (broken / "model.safetensors").write_bytes(damaged)
        with pytest.raises(DataError, match=words):
            merge_adapter(broken, adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists() and not (tmp_path / ".merged.part").exists()


def test_quantised_weights_are_a_sentence(tiny, tmp_path):
    from safetensors.numpy import load_file, save_file

    base, adapter, _ = tiny
    tensors = load_file(base / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    tensors[name] = tensors[name].astype(np.int8)
    (tmp_path / "q").mkdir()
    save_file(tensors, tmp_path / "q" / "model.safetensors")
    (tmp_path / "q" / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(DataError, match="I8"):
        merge_adapter(tmp_path / "q", adapter, tmp_path / "merged")
