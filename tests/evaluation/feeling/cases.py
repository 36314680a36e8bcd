"""A small corpus, and small classifiers made of random weights."""

from pathlib import Path

import polars as pl

from cityfolk.evaluation.corpus import Corpus

STORIES = (
    "She is a kind nurse who loves her work. She fears nothing.",
    "He is lonely and often sad. His neighbors complain.",
    "They work at the port. The bus leaves at nine.",
    "He is grateful for his friends, and proud of his daughter.",
    "She worries about money. She is tired and irritable.",
    "A cheerful baker. Everybody admires his bread!",
)


def corpus(n=60, source="a", people=True):
    ids = list(range(n))
    profiles = pl.DataFrame(
        {
            "person_id": ids,
            "source": [source] * n,
            "general_description": [STORIES[i % 6] for i in ids],
            "strengths": [["Patience", "A good memory"] if i % 2 else ["Honest"] for i in ids],
            "job_title": ["Nurse"] * n,
        }
    )
    known = pl.DataFrame(
        {
            "person_id": ids,
            "sex": ["female" if i % 2 else "male" for i in ids],
            "age": [20 + i % 60 for i in ids],
        }
    )
    return Corpus(
        profiles=profiles,
        fields=("general_description", "strengths", "job_title"),
        people=known if people else None,
    )


def made(folder: Path, labels, problem):
    """Save a RoBERTa with random weights and these labels, with a tokenizer trained on a few sentences."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(STORIES, vocab_size=400, min_frequency=1, special_tokens=special)
    bpe.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=512
    )
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        initializer_range=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        problem_type=problem,
    )
    RobertaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
