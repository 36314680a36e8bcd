"""Trained classifiers of emotion and sentiment, where the user has them: `pip install "cityfolk[local]"`.

Any sequence classifier of the Hugging Face format whose labels are the 28 of GoEmotions (read with a sigmoid each, as
it was trained: several may hold at once) or negative, neutral and positive (softmax; sentiment is P(positive) minus
P(negative)). Made for `SamLowe/roberta-base-go_emotions` and `cardiffnlp/twitter-roberta-base-sentiment-latest`. Texts
are split into sentences, since that is what such models were trained on; a text is the mean of its sentences. Weights
are read from safetensors only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.evaluation.feeling.lexicon import EMOTIONS

Floats = NDArray[np.float64]
SENTIMENTS = ("negative", "neutral", "positive")
_SENTENCE = re.compile(r"[^.!?\n;]+[.!?]*")
_LONGEST = 80  # words in a piece: below 512 tokens even where each word is six
_MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded classifier: what it reads ("emotion" or "sentiment"), its name, and how many pieces at once."""

    name: str
    reads: Literal["emotion", "sentiment"]
    order: tuple[int, ...]  # our labels among the model's outputs
    model: Any
    tokenizer: Any
    batch: int = 32

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return (n, 28) probabilities in the order of EMOTIONS, or (n,) sentiment from -1 to 1; NaN without words."""
        pieces = [list(sentences(text)) for text in texts]
        distinct = sorted({piece for row in pieces for piece in row}, key=len)
        number = {piece: position for position, piece in enumerate(distinct)}
        values = self._read(distinct)
        rows = [
            values[[number[piece] for piece in row]].mean(axis=0) if row else np.full(values.shape[1], np.nan)
            for row in pieces
        ]
        table = np.array(rows, dtype=np.float64).reshape(len(texts), values.shape[1])
        return table if self.reads == "emotion" else table[:, 0]

    def _read(self, pieces: Sequence[str]) -> Floats:
        import torch

        results = [np.zeros((0, len(EMOTIONS) if self.reads == "emotion" else 1))]
        with torch.inference_mode():
            for first in range(0, len(pieces), self.batch):
                part = list(pieces[first : first + self.batch])
                inputs = self.tokenizer(
                    part, padding=True, truncation=True, max_length=_MOST_TOKENS, return_tensors="pt"
                ).to(self.model.device)
                logits = self.model(**inputs).logits.float()[:, list(self.order)]
                if self.reads == "emotion":
                    results.append(logits.sigmoid().cpu().numpy().astype(np.float64))
                else:
                    chance = logits.softmax(dim=-1).cpu().numpy().astype(np.float64)
                    results.append(chance[:, 2:3] - chance[:, 0:1])
        return np.concatenate(results)


def sentences(text: str) -> Iterator[str]:
    """Yield a text's sentences, and pieces of 80 words of longer ones; those without a letter are left out."""
    for match in _SENTENCE.finditer(text):
        words = match.group().split()
        for first in range(0, len(words), _LONGEST):
            piece = " ".join(words[first : first + _LONGEST])
            if any(letter.isalpha() for letter in piece):
                yield piece


def load_classifier(name: str, *, batch: int = 32, device: str | None = None) -> Classifier:
    """Load a classifier by its name on the Hub ("owner/name" or "owner/name@revision") or by its folder.

    Raises UsageError without torch and transformers, EngineError where the model cannot be had (offline, unknown,
    without safetensors), and DataError where its labels are neither emotions nor sentiments.
    """
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise UsageError(
            "a trained classifier needs torch and transformers", hint='pip install "cityfolk[local]"'
        ) from error
    path, revision = _where(name)
    known: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **known)
        model = AutoModelForSequenceClassification.from_pretrained(path, use_safetensors=True, **known)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineError(
            f"the classifier {name} could not be loaded: {first}",
            hint="give a folder that holds config.json, the tokenizer and model.safetensors, or go online once for a "
            "model of the Hub; one without safetensors may have them in another revision: NAME@refs/pr/NUMBER",
        ) from error
    labels = [str(model.config.id2label[number]).lower() for number in range(model.config.num_labels)]
    reads, order = _labels(name, labels)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Classifier(name, reads, order, model.eval().to(where), tokenizer, batch)


def _where(name: str) -> tuple[str, str]:
    if Path(name).is_dir():
        return name, ""
    if name.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder {name}", hint="give the folder of a classifier, or its name on the Hub")
    path, _, revision = name.partition("@")
    return path, revision


def _labels(name: str, labels: Sequence[str]) -> tuple[Literal["emotion", "sentiment"], tuple[int, ...]]:
    if set(labels) == set(EMOTIONS):
        return "emotion", tuple(labels.index(label) for label in EMOTIONS)
    if set(labels) == set(SENTIMENTS):
        return "sentiment", tuple(labels.index(label) for label in SENTIMENTS)
    raise DataError(
        f"the labels of {name} are neither the 28 of GoEmotions nor {', '.join(SENTIMENTS)}: {', '.join(labels[:6])}",
        hint="SamLowe/roberta-base-go_emotions and cardiffnlp/twitter-roberta-base-sentiment-latest have them",
    )
