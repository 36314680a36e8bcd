"""Sentiment and emotion by word lists that anyone can read (valence.toml, emotions.toml), for the base install.

Sentiment: every word of the list has a valence from -1 to 1; a negator within three words before it, in the same
clause, turns it round and takes a quarter off; a booster or damper just before it multiplies it. A text's sentiment is
the sum over the words found, divided by their number plus one: the mean valence, drawn to 0 where little is said. It
lies in (-1, 1) and, but for that one, does not grow with the length of the text.

Emotion: a sentence with words of emotions is shared among them; one without is neutral; negated words do not count. A
text's shares are the means over its sentences and sum to 1.

It knows no irony, no context and no topic, and English only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityfolk.evaluation.feeling.inflect import entries, forms

INSTRUMENT = "cityfolk valence and emotion lexicon 1 (word lists)"
EMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire"),
    *("disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy"),
    *("love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral"),
)
"""The labels of GoEmotions in their order (Demszky et al. 2020)."""
NEUTRAL = len(EMOTIONS) - 1
WINDOW = 3
"""How many words before a word a negator reaches."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[.,;:!?()\n\x00]")
_ENDS, STOPS = ".!?;\n\x00", ".!?;:,()\n\x00"
_PARTS = ("verbs", "nouns", "adjectives", "words")
_CHUNK = 2_000_000  # characters read at once: about 30 MB of arrays
_SEPARATOR = "\x00"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Texts as numbers: `ids` into a vocabulary (0: not in it), the text of each token, and how many texts."""

    ids: Whole
    text: Whole
    count: int


class Vocabulary:
    """A fixed list of words, numbered from 1, and phrases of them; reads texts far faster than a loop over words."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = ("", *sorted(set(words)))
        self._number = {word: number for number, word in enumerate(self.words) if number}

    def __len__(self) -> int:
        return len(self.words)

    def number(self, word: str) -> int:
        """Return a word's number, 0 if it has none."""
        return self._number.get(word, 0)

    def flags(self, words: Iterable[str]) -> Flags:
        """Return for each number whether it is one of these words."""
        chosen = np.zeros(len(self.words), dtype=bool)
        chosen[[self._number[word] for word in words]] = True
        return chosen

    def read(self, texts: Sequence[str]) -> Tokens:
        """Return texts as numbers, in lower case, with a separator after each text."""
        joined = _SEPARATOR.join(text.replace(_SEPARATOR, " ") for text in texts) + _SEPARATOR
        found = _TOKEN.findall(joined.lower().replace("\u2019", "'"))
        number = self._number
        ids = np.fromiter((number.get(token, 0) for token in found), dtype=np.int64, count=len(found))
        ends = ids == number[_SEPARATOR]
        return Tokens(ids, np.cumsum(ends) - ends, len(texts))

    def phrases(self, phrases: Iterable[str]) -> list[NDArray[np.int64]]:
        """Return phrases as sequences of numbers."""
        return [np.array([self._number[word] for word in phrase.split()]) for phrase in phrases]


def chunks(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield (position of the first, texts) in pieces of some two million characters."""
    first, size = 0, 0
    for position, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield first, texts[first : position + 1]
            first, size = position + 1, 0
    if first < len(texts):
        yield first, texts[first:]


def starts(ids: Whole, phrase: NDArray[np.int64]) -> Whole:
    """Return where a phrase begins among ids."""
    at = np.flatnonzero(ids == phrase[0])
    at = at[at + len(phrase) <= len(ids)]
    for step, number in enumerate(phrase[1:], start=1):
        at = at[ids[at + step] == number]
    return at


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The word lists, indexed by one vocabulary."""

    vocabulary: Vocabulary
    valence: Floats  # by number
    muted: tuple[NDArray[np.int64], ...]
    factor: Floats  # what a booster or damper multiplies by, by number
    turned: float
    negators: Flags
    breaks: Flags
    ends: Flags
    stops: Flags  # punctuation
    labels: Floats  # (numbers, 27): share of a single word's emotion
    has_label: Flags
    emotion_phrases: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...]


@cache
def lexicon() -> Lexicon:
    """Read the word lists of the package."""
    valence_file, emotion_file = _toml("valence.toml"), _toml("emotions.toml")
    valences: dict[str, float] = {}
    for level in valence_file["level"]:
        for word in forms((part, level[part]) for part in _PARTS if part in level):
            # A word of two levels by accident of its forms keeps the one listed first: the stronger praise.
            valences.setdefault(word, float(level["valence"]))
    labels: dict[str, set[int]] = {}
    for label, lists in emotion_file.items():
        for word in forms((part, lists[part]) for part in _PARTS if part in lists):
            labels.setdefault(word, set()).add(EMOTIONS.index(label))
    near = valence_file["near"]
    muted = entries(valence_file["pairs"]["without_valence"])
    negators, breaks = entries(near["negators"]), (*entries(near["breaks"]), *STOPS)
    boosters, dampers = entries(near["boosters"]), entries(near["dampers"])
    every = [*valences, *labels, *muted, *negators, *breaks, *boosters, *dampers]
    vocabulary = Vocabulary(word for phrase in every for word in (phrase.split(" ") if phrase != "\n" else [phrase]))
    size = len(vocabulary)
    valence, factor, shares = np.zeros(size), np.ones(size), np.zeros((size, NEUTRAL))
    for word, value in valences.items():
        valence[vocabulary.number(word)] = value
    factor[vocabulary.flags(boosters)] = near["boost"]
    factor[vocabulary.flags(dampers)] = near["damp"]
    valence[factor != 1.0] = 0.0  # "exceptionally dull" praises nobody
    phrases = []
    for word, found in labels.items():
        share = np.zeros(NEUTRAL)
        share[list(found)] = 1.0 / len(found)
        if " " in word:
            phrases.append((vocabulary.phrases([word])[0], share))
        else:
            shares[vocabulary.number(word)] = share
    return Lexicon(
        vocabulary=vocabulary,
        valence=valence,
        muted=tuple(vocabulary.phrases(muted)),
        factor=factor,
        turned=float(near["turned"]),
        negators=vocabulary.flags(negators),
        breaks=vocabulary.flags(breaks),
        ends=vocabulary.flags(_ENDS),
        stops=vocabulary.flags(STOPS),
        labels=shares,
        has_label=np.asarray(shares.any(axis=1)),
        emotion_phrases=tuple(phrases),
    )


def sentiment(texts: Iterable[str]) -> Floats:
    """Return the sentiment of n texts, from -1 to 1, shape (n,); 0 for a text without a word of the list."""
    return score(list(texts))[0]


def emotions(texts: Iterable[str]) -> Floats:
    """Return shares of the 28 labels in the order of EMOTIONS, shape (n, 28); each row sums to 1.

    A text without words is neutral.
    """
    return score(list(texts))[1]


def score(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """Return (sentiment, emotions) of n texts, reading them once."""
    found = tally(texts)
    return found.sentiment, found.emotions


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted in n texts. Tallies of the parts of a text add up to that of the whole."""

    valence: Floats  # (n,): sum over the words found
    words: Floats  # (n,): how many were found
    emotion: Floats  # (n, 28): sum of shares over sentences
    sentences: Floats  # (n,)

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of the texts put together."""
        return Tally(
            self.valence + other.valence,
            self.words + other.words,
            self.emotion + other.emotion,
            self.sentences + other.sentences,
        )

    @property
    def sentiment(self) -> Floats:
        """Return sentiment from -1 to 1."""
        return self.valence / (self.words + 1.0)

    @property
    def emotions(self) -> Floats:
        """Return shares of the 28 labels; each row sums to 1."""
        shares = np.asarray(self.emotion / np.maximum(self.sentences, 1.0)[:, None])
        shares[self.sentences == 0, NEUTRAL] = 1.0
        return shares


def tally(texts: Sequence[str]) -> Tally:
    """Count valence and emotions in n texts."""
    lists, n = lexicon(), len(texts)
    whole = Tally(np.zeros(n), np.zeros(n), np.zeros((n, len(EMOTIONS))), np.zeros(n))
    for first, part in chunks(texts):
        tokens = lists.vocabulary.read(part)
        turned = _negated(lists, tokens.ids)
        where = slice(first, first + len(part))
        value = _valences(lists, tokens.ids, turned)
        at = np.flatnonzero(value)
        whole.valence[where] = np.bincount(tokens.text[at], weights=value[at], minlength=tokens.count)
        whole.words[where] = np.bincount(tokens.text[at], minlength=tokens.count)
        whole.emotion[where], whole.sentences[where] = _emotions(lists, tokens, turned)
    return whole


def explain(text: str) -> tuple[tuple[str, float], ...]:
    """Return the words that counted for a text's sentiment and what each counted, in the order of the text."""
    lists = lexicon()
    tokens = lists.vocabulary.read([text])
    value = _valences(lists, tokens.ids, _negated(lists, tokens.ids))
    return tuple((lists.vocabulary.words[tokens.ids[at]], float(value[at])) for at in np.flatnonzero(value))


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("cityfolk.evaluation.feeling").joinpath(name).read_text(encoding="utf-8"))


def negated(negator: Flags, stop: Flags) -> Flags:
    """Return which tokens have an odd number of negators among the three before them, none beyond a stop."""
    odd = np.zeros(len(negator), dtype=bool)
    reach = np.ones(len(negator), dtype=bool)
    for back in range(1, WINDOW + 1):
        reach[:back] = False
        reach[back:] &= ~stop[:-back]
        odd[back:] ^= negator[:-back] & reach[back:]
    return odd


def _negated(lists: Lexicon, ids: Whole) -> Flags:
    return negated(lists.negators[ids], lists.breaks[ids])


def _valences(lists: Lexicon, ids: Whole, turned: Flags) -> Floats:
    value = lists.valence[ids]
    for phrase in lists.muted:
        at = starts(ids, phrase)
        for step in range(len(phrase)):
            value[at + step] = 0.0
    value[turned] *= lists.turned
    factor, stop = lists.factor[ids], lists.breaks[ids]
    near = np.ones(len(ids))
    near[1:] *= factor[:-1]
    # "a very clear and calm voice": the word after the next one, where the next is no word of the list itself.
    reach = ~stop[1:-1] & (lists.valence[ids[1:-1]] == 0.0) & (factor[1:-1] == 1.0)
    near[2:] *= np.where(reach, factor[:-2], 1.0)
    return np.clip(value * near, -1.0, 1.0)


def _emotions(lists: Lexicon, tokens: Tokens, turned: Flags) -> tuple[Floats, Whole]:
    """Return sums of shares over the sentences of each text, and how many sentences there are."""
    ids = tokens.ids
    sentence = np.cumsum(lists.ends[ids])  # the token that ends a sentence already counts to the next, and is no word
    sentences = int(sentence[-1]) + 1
    spoken = ~lists.stops[ids]
    owner = np.full(sentences, -1)
    owner[sentence[spoken]] = tokens.text[spoken]
    single = np.flatnonzero(lists.has_label[ids] & ~turned)
    rows, shares = [sentence[single]], [lists.labels[ids[single]]]
    for phrase, share in lists.emotion_phrases:
        at = starts(ids, phrase)
        at = at[~turned[at]]
        rows.append(sentence[at])
        shares.append(np.broadcast_to(share, (len(at), NEUTRAL)))
    row, label_share = np.concatenate(rows), np.concatenate(shares)
    weight: Floats = np.column_stack(
        [np.bincount(row, weights=label_share[:, label], minlength=sentences) for label in range(NEUTRAL)]
        + [np.zeros(sentences)]
    )
    total = weight.sum(axis=1)
    weight[total == 0.0, NEUTRAL] = 1.0
    weight = np.asarray(weight / np.where(total == 0.0, 1.0, total)[:, None], dtype=np.float64)
    kept = np.flatnonzero(owner >= 0)
    owners = owner[kept]
    sums = [np.bincount(owners, weights=weight[kept, label], minlength=tokens.count) for label in range(len(EMOTIONS))]
    return np.column_stack(sums), np.bincount(owners, minlength=tokens.count)
