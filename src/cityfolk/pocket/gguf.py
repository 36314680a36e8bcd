"""The embedded model as a GGUF file, for llama.cpp and what is built on it, and a Modelfile for Ollama.

The tensors keep their values: matrices stay the float16 or float32 of the safetensors file (float32 once an adapter is
merged in), norms are float32. Rows of query and key matrices are put in the order in which llama.cpp turns pairs: it
rotates neighbors where transformers' layout rotates halves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import UsageError
from cityfolk.pocket.arrays import Raw, read_raw

# llama.cpp knows how text is cut before BPE by a name: this one takes each digit alone, then GPT-2's pattern.
_CUT = "starcoder"
_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}


def write_gguf(folder: Path, target: Path, *, adapter: Path | None = None, name: str = "pocket-1") -> Path:
    """Write the weights and tokenizer in `folder`, with an adapter merged in if one is given, as one GGUF file.

    UsageError when the `gguf` package is missing or the model is of another kind; EngineError and DataError as
    `load_weights`.
    """
    try:
        import gguf
    except ImportError as missing:
        raise UsageError("writing GGUF needs the gguf package", hint='pip install "cityfolk[gguf]"') from missing
    of_this_kind(folder)
    raw = read_raw(folder, adapter)
    staged = target.with_name(target.name + ".part")
    writer = gguf.GGUFWriter(staged, "llama")
    writer.add_name(name)
    writer.add_license("mit")
    _add_shape(writer, raw.config)
    _add_tokenizer(writer, folder, raw.config)
    wide = any(values.dtype == np.float32 for values in raw.tensors.values() if values.ndim > 1)
    exact = np.float32 if wide else np.float16
    for tensor, values in tensors(raw).items():
        writer.add_tensor(tensor, values.astype(np.float32 if values.ndim == 1 else exact))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    staged.replace(target)
    return target


def of_this_kind(folder: Path) -> None:
    """Raise UsageError for a model that this writer would get wrong: another architecture, another cut of the text."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        cut = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["pre_tokenizer"]["pretokenizers"]
        digits, rest = cut
        right = (
            config["model_type"] == "llama"
            and config["tie_word_embeddings"]
            and not config.get("rope_scaling")
            and (folder / "model.safetensors").is_file()
            and digits["type"] == "Digits"
            and digits["individual_digits"]
            and (rest["type"], rest["add_prefix_space"], rest["use_regex"]) == ("ByteLevel", False, True)
        )
    except (OSError, ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise UsageError(
            f"GGUF is written here for models of pocket's kind, and {folder.name} is none",
            hint="merge it (cityfolk export DIR --adapter NAME --merged) and use llama.cpp's convert_hf_to_gguf.py",
        )


def tensors(raw: Raw) -> dict[str, NDArray[Any]]:
    """Return the tensors by their names in llama.cpp, (out, in), queries and keys in its order of rows."""
    heads = {
        "self_attn.q_proj": raw.config["num_attention_heads"],
        "self_attn.k_proj": raw.config["num_key_value_heads"],
    }
    out = {}
    for name, values in raw.tensors.items():
        module = name.removesuffix(".weight")
        if module in _OUTER:
            out[f"{_OUTER[module]}.weight"] = values
            continue
        number, _, part = module.removeprefix("model.layers.").partition(".")
        out[f"blk.{number}.{_NAMES[part]}.weight"] = _paired(values, heads[part]) if part in heads else values
    return out


def _paired(values: NDArray[Any], heads: int) -> NDArray[Any]:
    """Move row i of each head's second half next to row i of its first."""
    rows, width = values.shape
    return values.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    from gguf import TokenType

    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    words: dict[int, tuple[str, TokenType]] = {
        number: (text, TokenType.NORMAL) for text, number in tokenizer["model"]["vocab"].items()
    }
    for added in tokenizer["added_tokens"]:
        words[added["id"]] = (added["content"], TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED)
    ordered = [words[number] for number in range(config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_CUT)
    writer.add_token_list([text for text, _ in ordered])
    writer.add_token_types([kind for _, kind in ordered])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)  # the chat template writes it
    writer.add_chat_template(settings["chat_template"])


def modelfile(gguf: str, *, context: int) -> str:
    """Return an Ollama Modelfile for a GGUF file beside it; `context` is in tokens.

    Ollama's templates are Go's: the chat template is said once more in them. It cuts old messages silently at a
    context shorter than the model's, so that is set.
    """
    template = "<|bos|>{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}<|end|>{{ end }}<|assistant|>"
    return (
        f"FROM ./{gguf}\n"
        f'TEMPLATE """{template}"""\n'
        f"PARAMETER num_ctx {context}\n"
        'PARAMETER stop "<|end|>"\n'
        "PARAMETER temperature 0.8\n"
        "PARAMETER top_p 1\n"
        "PARAMETER min_p 0.1\n"
    )
