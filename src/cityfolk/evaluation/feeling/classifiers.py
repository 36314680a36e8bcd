"""Trained classifiers of emotion, sentiment and toxicity, where the user has them: `pip install "cityfolk[local]"`.

    REPO_OR_FOLDER[@REVISION][?label=LABEL]

Any sequence classifier of the Hugging Face format; its labels say what it reads:

- the 28 of GoEmotions (a sigmoid each, as it was trained: several may hold at once), such as
  `SamLowe/roberta-base-go_emotions`;
- negative, neutral and positive (softmax; sentiment is P(positive) minus P(negative)), such as
  `cardiffnlp/twitter-roberta-base-sentiment-latest`;
- one called toxic or toxicity, such as `unitary/toxic-bert`; `?label=` says which one it is where none is called so.
  A sigmoid where the model says that several labels may hold or has only one, else softmax: the rule of transformers'
  own pipeline.

Emotion and sentiment are read sentence by sentence, since that is what such models were trained on, and a text is the
mean of its sentences. Toxicity is read in whole comments: a text of up to 300 words is one, a longer one is as toxic as
the worst of its pieces. Weights are read from safetensors only, and a repository's own code is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.evaluation.feeling.lexicon import EMOTIONS

Floats = NDArray[np.float64]
Reads = Literal["emotion", "sentiment", "toxicity"]
SENTIMENTS = ("negative", "neutral", "positive")
TOXIC = ("toxic", "toxicity")
"""What the label of toxicity is called."""
_SENTENCE = re.compile(r"[^.!?\n;]+[.!?]*")
_LONGEST = 80  # words in a piece: below 512 tokens even where each word is six
_COMMENT = 300  # words in a comment
_MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded classifier: what it reads, its name, and how many pieces at once.

    `several`: each label has a probability of its own (sigmoid), else they share one (softmax).
    """

    name: str
    reads: Reads
    order: tuple[int, ...]  # our labels among the model's outputs
    model: Any
    tokenizer: Any
    batch: int = 32
    several: bool = False

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return what is read in n texts; NaN in one without words.

        (n, 28) probabilities in the order of EMOTIONS, (n,) sentiment from -1 to 1, or (n,) probabilities of toxicity.
        """
        cut = comments if self.reads == "toxicity" else sentences
        over = np.max if self.reads == "toxicity" else np.mean
        pieces = [list(cut(text)) for text in texts]
        distinct = sorted({piece for row in pieces for piece in row}, key=len)
        number = {piece: position for position, piece in enumerate(distinct)}
        values = self._read(distinct)
        rows = [
            over(values[[number[piece] for piece in row]], axis=0) if row else np.full(values.shape[1], np.nan)
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
                logits = self.model(**inputs).logits.float()
                chances = logits.sigmoid() if self.several else logits.softmax(dim=-1)
                own = chances[:, list(self.order)].cpu().numpy().astype(np.float64)
                results.append(own[:, 2:3] - own[:, 0:1] if self.reads == "sentiment" else own)
        return np.concatenate(results)


def sentences(text: str) -> Iterator[str]:
    """Yield a text's sentences, and pieces of 80 words of longer ones; those without a letter are left out."""
    for match in _SENTENCE.finditer(text):
        words = match.group().split()
        for first in range(0, len(words), _LONGEST):
            piece = " ".join(words[first : first + _LONGEST])
            if any(letter.isalpha() for letter in piece):
                yield piece


def comments(text: str) -> Iterator[str]:
    """Yield a text as one comment, a longer one in pieces of 300 words; nothing where there is no letter."""
    words = text.split()
    for first in range(0, len(words), _COMMENT):
        piece = " ".join(words[first : first + _COMMENT])
        if any(letter.isalpha() for letter in piece):
            yield piece


def load_classifier(spec: str, *, batch: int = 32, device: str | None = None) -> Classifier:
    """Load what "REPO_OR_FOLDER[@REVISION][?label=LABEL]" names: a name on the Hub, or a folder.

    Raises UsageError without torch and transformers or for a wrong name, EngineError where the model cannot be had
    (offline, unknown, without safetensors), and DataError where its labels do not say what it reads.
    """
    path, revision, told = _where(spec)
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise UsageError(
            "a trained classifier needs torch and transformers", hint='pip install "cityfolk[local]"'
        ) from error
    name = f"{path}@{revision}" if revision else path
    known: dict[str, Any] = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
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
    labels = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    reads, order = _labels(name, labels, told)
    kind = getattr(model.config, "problem_type", None)
    if reads == "toxicity" and kind == "regression":
        raise DataError(
            f"{name} gives a number on a scale of its own, and no probability of toxicity",
            hint="use a model that was trained to classify, such as unitary/toxic-bert",
        )
    several = reads == "emotion" or (reads == "toxicity" and (kind == "multi_label_classification" or len(labels) == 1))
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Classifier(name, reads, order, model.eval().to(where), tokenizer, batch, several)


def _where(spec: str) -> tuple[str, str, str]:
    """Return a spec's folder or name on the Hub, its revision, and the label that it tells."""
    if Path(spec).is_dir():
        return spec, "", ""
    body, _, query = spec.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = options.keys() - {"label"}
    if unknown or (query and not options.get("label")):
        raise UsageError(
            f"a classifier has no option {min(unknown, default=query)!r}",
            hint="its one option says which label means toxic, such as NAME?label=hateful",
        )
    told = options.get("label", "")
    if Path(body).is_dir():
        return body, "", told
    if not body or body.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder {body}", hint="give the folder of a classifier, or its name on the Hub")
    path, _, revision = body.partition("@")
    return path, revision, told


def _labels(name: str, labels: Sequence[str], told: str = "") -> tuple[Reads, tuple[int, ...]]:
    """Return what a model with these labels reads, and the places of ours among them."""
    said = [label.strip().lower() for label in labels]
    if told:
        if told.lower() not in said:
            raise DataError(
                f"{name} has no label {told!r}", hint=f"its labels are {', '.join(labels[:28])}; name one of them"
            )
        return "toxicity", (said.index(told.lower()),)
    if set(said) == set(EMOTIONS):
        return "emotion", tuple(said.index(label) for label in EMOTIONS)
    if set(said) == set(SENTIMENTS):
        return "sentiment", tuple(said.index(label) for label in SENTIMENTS)
    toxic = next((place for place, label in enumerate(said) if label in TOXIC), None)
    if toxic is not None:
        return "toxicity", (toxic,)
    raise DataError(
        f"the labels of {name} are neither the 28 of GoEmotions nor {', '.join(SENTIMENTS)}, and none of them is "
        f"called toxic: {', '.join(labels[:6])}",
        hint="SamLowe/roberta-base-go_emotions, cardiffnlp/twitter-roberta-base-sentiment-latest and "
        f"unitary/toxic-bert have them; where one of these means toxic, say which: '{name}?label={labels[-1]}'",
    )
