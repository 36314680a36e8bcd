"""Trained classifiers of personality as judges, where the user has them: `pip install "cityfolk[local]"`.

    classifier:REPO_OR_FOLDER[@REVISION][?labels=extraversion,neuroticism,...]

Any sequence classifier of the Hugging Face format with one output a trait. Which output is which trait is told by the
names of its labels; for a model whose labels say nothing (LABEL_0 ...) by `?labels=`, or by `ORDERS` below, which
holds what model cards state. A score is the sigmoid of its output (0 to 1), the output itself where the model was
trained as a regression. Long answers are read in pieces of 300 words, each counted by its words. Weights are read from
safetensors only, and a repository's own code is never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.preferences.judging.base import Floats, Item, batches, readings_of
from cityfolk.preferences.judging.family import family
from cityfolk.types import Reading, content_key
from cityfolk.vocabulary import TRAITS

PREFIX = "classifier:"
# What the cards of models say whose labels do not.
ORDERS = {
    "minej/bert-base-personality": (
        "extraversion",
        "neuroticism",
        "agreeableness",
        "conscientiousness",
        "openness",
    ),
}
# How labels begin ("Extroversion", "Openness to experience") or what they are in short ("cEXT", "opn").
_STEMS = {
    "openness": ("openness",),
    "conscientiousness": ("conscientious",),
    "extraversion": ("extrav", "extrov"),
    "agreeableness": ("agreeable",),
    "neuroticism": ("neurotic",),
}
_SHORT = {"opn": "openness", "ope": "openness", "con": "conscientiousness", "ext": "extraversion"}
_SHORT |= {"agr": "agreeableness", "neu": "neuroticism"}
_LETTERS = dict(zip("ocean", TRAITS, strict=True))
_PIECE, _MOST_TOKENS = 300, 512
_CONVERT = (
    "another revision may have them (NAME@refs/pr/NUMBER); or convert it yourself where you trust it: load it with "
    "transformers, call save_pretrained(FOLDER, safe_serialization=True), and give the folder"
)


@dataclass(frozen=True, slots=True)
class ClassifierJudge:
    """A loaded classifier; `order` are the places of TRAITS among its outputs."""

    name: str
    instrument: str
    family: str
    order: tuple[int, ...]
    bounded: bool
    model: Any
    tokenizer: Any
    batch: int = 32

    def read(self, items: Iterable[Item]) -> Iterator[Reading]:
        """Read answers; one without a word has no score."""
        for batch in batches(items):
            yield from readings_of(self, batch, self.scores([item.text for item in batch]))

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return (n, 5) raw scores in the order of TRAITS; NaN for a text without words."""
        pieces = [_pieces(text) for text in texts]
        distinct = sorted({piece for row in pieces for piece in row}, key=lambda piece: (len(piece), piece))
        number = {piece: at for at, piece in enumerate(distinct)}
        read = self._outputs(distinct)
        rows = [
            np.average([read[number[p]] for p in row], axis=0, weights=[len(p.split()) for p in row])
            if row
            else np.full(len(TRAITS), np.nan)
            for row in pieces
        ]
        return np.array(rows, dtype=np.float64).reshape(len(texts), len(TRAITS))

    def _outputs(self, pieces: Sequence[str]) -> Floats:
        import torch

        results = [np.zeros((0, len(TRAITS)))]
        with torch.inference_mode():
            for first in range(0, len(pieces), self.batch):
                part = list(pieces[first : first + self.batch])
                inputs = self.tokenizer(
                    part, padding=True, truncation=True, max_length=_MOST_TOKENS, return_tensors="pt"
                ).to(self.model.device)
                logits = self.model(**inputs).logits.float()[:, list(self.order)]
                values = logits.sigmoid() if self.bounded else logits
                results.append(values.cpu().numpy().astype(np.float64))
        return np.concatenate(results)


def _pieces(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[first : first + _PIECE]) for first in range(0, len(words), _PIECE)]


def load_classifier(spec: str, *, batch: int = 32, device: str | None = None) -> ClassifierJudge:
    """Load what "classifier:REPO_OR_FOLDER[@REVISION][?labels=...]" names.

    Raises UsageError without torch and transformers or for a wrong name, EngineError where the model cannot be had
    (offline, unknown, pickled weights only), DataError where its outputs are not the five traits.
    """
    body, _, query = spec.removeprefix(PREFIX).partition("?")
    path, revision = _where(body)
    named = _labels_option(query)
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise UsageError(
            "a classifier as a judge needs torch and transformers", hint='pip install "cityfolk[local]"'
        ) from error
    known: dict[str, Any] = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **known)
        model = AutoModelForSequenceClassification.from_pretrained(path, use_safetensors=True, **known)
    except (OSError, ValueError, KeyError) as error:
        raise _cannot(body, error) from error
    config = model.config
    if getattr(config, "problem_type", None) == "single_label_classification":
        raise DataError(
            f"{body} says which one of its labels a text shows, not how much of each",
            hint="use a classifier with one score a trait (multi_label_classification or regression)",
        )
    labels = [str(config.id2label[number]) for number in range(config.num_labels)]
    order = _order(body, path, labels, named)
    bounded = getattr(config, "problem_type", None) != "regression"
    at = revision or str(getattr(config, "_commit_hash", None) or "")[:12]
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return ClassifierJudge(
        name=f"{PREFIX}{body}",
        instrument=f"{body}{'@' + at if at and not revision else ''}, {'sigmoid' if bounded else 'output'}",
        family=family(path),
        order=order,
        bounded=bounded,
        model=model.eval().to(where),
        tokenizer=tokenizer,
        batch=batch,
    )


def weights_hash(judge: ClassifierJudge) -> str:
    """Name a classifier by what it computes: a fixed text's scores and the order of its outputs."""
    probe = judge.scores(["I plan my days, I like people, I worry at times, and I try what is new."])
    return content_key([list(judge.order), [round(float(value), 4) for value in probe[0]]])


def _where(name: str) -> tuple[str, str]:
    if not name:
        raise UsageError("a classifier has no name", hint="such as classifier:Minej/bert-base-personality")
    if Path(name).is_dir():
        return name, ""
    if name.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder {name}", hint="give the folder of a classifier, or its name on the Hub")
    path, _, revision = name.partition("@")
    return path, revision


def _labels_option(query: str) -> tuple[str, ...]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = options.keys() - {"labels"}
    if unknown:
        raise UsageError(f"a classifier has no option {sorted(unknown)[0]!r}", hint="its one option is ?labels=")
    return tuple(part.strip() for part in options["labels"].split(",")) if "labels" in options else ()


def _order(body: str, path: str, labels: Sequence[str], named: Sequence[str]) -> tuple[int, ...]:
    """Return the place of each of TRAITS among the outputs."""
    told = tuple(named) or labels
    if not named and all(trait_of(label) is None for label in labels):
        told = ORDERS.get(path.lower(), labels)
    found = [trait_of(label) for label in told]
    if len(told) != len(labels) or sorted(filter(None, found)) != sorted(TRAITS):
        raise DataError(
            f"the {len(labels)} outputs of {body} are not the five traits: {', '.join(told[:8])}",
            hint=f"if you know their order, say so: '{PREFIX}{body}?labels=extraversion,neuroticism,agreeableness,"
            "conscientiousness,openness' (one name an output)",
        )
    return tuple(found.index(trait) for trait in TRAITS)


def trait_of(label: str) -> str | None:
    """Return the trait that a label names, None if it names none."""
    word = label.strip().lower()
    if word in _LETTERS:
        return _LETTERS[word]
    short = word[1:] if label.strip()[1:].isupper() and word[:1] in "cs" else word  # cEXT, sEXT of the essays corpus
    if short in _SHORT:
        return _SHORT[short]
    return next((trait for trait, stems in _STEMS.items() if word.startswith(stems)), None)


def _cannot(name: str, error: Exception) -> EngineError:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "safetensors" in str(error):
        return EngineError(
            f"{name} has no weights in safetensors, and pickled weights are never loaded: they can run code",
            hint=_CONVERT,
        )
    return EngineError(
        f"the classifier {name} could not be loaded: {said}",
        hint="give a folder that holds config.json, the tokenizer and model.safetensors, or go online once for a model "
        "of the Hub",
    )
