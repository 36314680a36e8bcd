"""Sentiment and emotion per source, field and group, by the lexicon and by trained classifiers where given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.feeling.classifiers import Classifier, load_classifier
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, INSTRUMENT, Tally, tally
from cityfolk.evaluation.groups import ATTRIBUTES, FACTS, group_masks
from cityfolk.evaluation.intervals import Z90
from cityfolk.types import Finding

MOST_READ = 20_000
MOST_CLASSIFIED = 200
_NOT_PROSE = frozenset({"job_title"})

Floats = NDArray[np.float64]


def feeling_evidence(
    corpus: Corpus,
    classifiers: Sequence[Classifier | str] | None = None,
    *,
    most: int = MOST_READ,
    most_classified: int = MOST_CLASSIFIED,
) -> Evidence:
    """Return sentiment (-1 to 1) and emotion (shares of sentences) of each source, over all, by field and by group.

    `classifiers` are loaded ones or names for `load_classifier`; they read `most_classified` profiles of each source,
    drawn at random, and the agreement of those that read feelings with the lexicon on the same profiles is stated.
    The lexicon reads at most `most` profiles of each source; the interval says what the sampling costs. Intervals are
    90%, normal, over profiles.
    """
    loaded = [load_classifier(one) if isinstance(one, str) else one for one in classifiers or ()]
    evidence = Evidence()
    several = len(corpus.sources) > 1
    for source in corpus.sources:
        found = _source_evidence(sampled(corpus.of(source), most, "feeling"), source, loaded, most_classified)
        if several:
            found = found.named(source)
        evidence = evidence + found
    return evidence


def sampled(corpus: Corpus, most: int, purpose: str) -> Corpus:
    """Return a corpus of one source cut to `most` profiles drawn at random, in their order; itself if it has fewer."""
    n = corpus.profiles.height
    if n <= most:
        return corpus
    stream = rng.child(corpus.seed, "evaluation", purpose, corpus.sources[0])
    rows = np.sort(stream.choice(n, size=most, replace=False))
    return replace(corpus, profiles=corpus.profiles[rows.tolist()])


def prose_fields(corpus: Corpus) -> tuple[str, ...]:
    """Return the fields that speak of a person: all but the job title, which repeats a fact."""
    return tuple(field for field in corpus.fields if field not in _NOT_PROSE) or corpus.fields


def _source_evidence(corpus: Corpus, source: str, loaded: Sequence[Classifier], most_classified: int) -> Evidence:
    if corpus.profiles.height == 0:
        return Evidence()
    fields = prose_fields(corpus)
    tallies = {field: tally(corpus.texts(field)) for field in fields}
    whole = reduce(add, tallies.values())
    findings = [*_sentiments(tallies, whole), *_emotions(whole)]
    details = [
        *_details("feeling.sentiment", source, tallies, whole),
        *_group_details(corpus, source, whole),
    ]
    part = sampled(corpus, most_classified, "classified")
    for classifier in loaded:
        more = _classified(part, source, classifier, fields)
        findings += more.findings
        details += more.details
    return Evidence(tuple(findings), tuple(details))


def _mean(values: Floats) -> tuple[float, float, float]:
    """Return a mean and its 90% interval; of a single value only the value."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean, mean
    half = Z90 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, mean - half, mean + half


def _finding(name: str, title: str, values: Floats, unit: str, note: str) -> Finding:
    value, low, high = _mean(values)
    known = None if len(values) < 2 else (low, high)
    return Finding(
        id=name,
        title=title,
        value=value,
        low=known[0] if known else None,
        high=known[1] if known else None,
        n=len(values),
        unit=unit,
        note=note,
    )


def _sentiments(tallies: dict[str, Tally], whole: Tally) -> Iterator[Finding]:
    unit, note = "-1 to 1", INSTRUMENT
    yield _finding("text.feeling.sentiment", "Sentiment of a profile", whole.sentiment, unit, note)
    for field, one in tallies.items():
        title = f"Sentiment of {field.replace('_', ' ')}"
        yield _finding(f"text.feeling.sentiment.{field}", title, one.sentiment, unit, note)


def _emotions(whole: Tally) -> Iterator[Finding]:
    note = f"{INSTRUMENT}; labels of GoEmotions (Demszky et al. 2020)"
    shares = whole.emotions
    for position, label in enumerate(EMOTIONS):
        title = f"Sentences that express {label}" if label != "neutral" else "Sentences without a word of emotion"
        yield _finding(f"text.feeling.emotion.{label}", title, shares[:, position], "share", note)


def _mark(name: str, source: str, label: str, values: Floats, group: str = "") -> Detail:
    value, low, high = _mean(values)
    return Detail(name=name, source=source, label=label, group=group, value=value, low=low, high=high)


def _details(name: str, source: str, tallies: dict[str, Tally], whole: Tally) -> Iterator[Detail]:
    yield _mark(name, source, "all fields", whole.sentiment)
    for field, one in tallies.items():
        yield _mark(name, source, field, one.sentiment)
        shares = one.emotions.mean(axis=0)
        for position, label in enumerate(EMOTIONS):
            yield Detail(
                name="feeling.emotion.field", source=source, label=label, group=field, value=float(shares[position])
            )
    shares = whole.emotions
    for position, label in enumerate(EMOTIONS):
        yield _mark("feeling.emotion", source, label, shares[:, position], "lexicon")


def _group_details(corpus: Corpus, source: str, whole: Tally) -> Iterator[Detail]:
    facts = corpus.facts(*FACTS)
    feeling, shares = whole.sentiment, whole.emotions
    for attribute in ATTRIBUTES:
        _, groups = group_masks(facts, attribute, opposites=True)
        for label, mask in groups.items():
            yield _mark(f"feeling.sentiment.{attribute}", source, label, feeling[mask])
            for position, emotion in enumerate(EMOTIONS):
                yield _mark(f"feeling.emotion.{attribute}", source, emotion, shares[mask, position], label)


# ------------------------------------------------------------------------------------------------- classifiers


def _classified(corpus: Corpus, source: str, classifier: Classifier, fields: Sequence[str]) -> Evidence:
    texts = corpus.whole(fields)
    scores = classifier.scores(texts)
    read = ~np.isnan(scores if scores.ndim == 1 else scores[:, 0])
    if not read.any():
        return Evidence()
    ours = tally([text for text, kept in zip(texts, read, strict=True) if kept])
    drawn = f"{int(read.sum())} profiles drawn at random"
    if classifier.reads == "toxicity":
        note = f"classifier {classifier.name}; {drawn}; no word list reads it, so that there is no agreement to state"
        title = "Probability that a profile is toxic, by the classifier"
        return Evidence((_finding("text.feeling.classifier.toxicity", title, scores[read], "probability", note),))
    note = f"classifier {classifier.name}, mean over sentences; {drawn}"
    if classifier.reads == "sentiment":
        return _classified_sentiment(scores[read], ours, source, classifier, note)
    return _classified_emotion(scores[read], ours, source, classifier, note)


def _classified_sentiment(scores: Floats, ours: Tally, source: str, classifier: Classifier, note: str) -> Evidence:
    title = "Sentiment of a profile, by the classifier"
    mean = _finding("text.feeling.classifier.sentiment", title, scores, "-1 to 1", note)
    title = "Agreement of classifier and lexicon on sentiment"
    agreement = _agreement("text.feeling.agreement.sentiment", title, scores, ours.sentiment, note)
    mark = _mark("feeling.sentiment", source, "all fields", scores, classifier.name)
    points = (
        Detail(name="feeling.agreement", source=source, label="sentiment", x=float(x), value=float(y))
        for x, y in zip(ours.sentiment, scores, strict=True)
    )
    return Evidence((mean, agreement), (mark, *points))


def _classified_emotion(scores: Floats, ours: Tally, source: str, classifier: Classifier, note: str) -> Evidence:
    findings, details, agreements = [], [], []
    shares = ours.emotions
    for position, label in enumerate(EMOTIONS):
        values = scores[:, position]
        title = f"Probability of {label} in a sentence, by the classifier"
        findings.append(_finding(f"text.feeling.classifier.emotion.{label}", title, values, "probability", note))
        details.append(_mark("feeling.emotion", source, label, values, classifier.name))
        rho = rank_correlation(values, shares[:, position])
        if not np.isnan(rho):
            agreements.append(rho)
            details.append(Detail(name="feeling.agreement.emotion", source=source, label=label, value=rho))
    value = float(np.mean(agreements)) if agreements else None
    findings.append(
        Finding(
            id="text.feeling.agreement.emotion",
            title="Agreement of classifier and lexicon on emotions",
            value=value,
            n=len(scores),
            unit="rho",
            note=f"mean rank correlation over {len(agreements)} labels that vary in both; {note}; {INSTRUMENT}",
        )
    )
    return Evidence(tuple(findings), tuple(details))


def _agreement(name: str, title: str, x: Floats, y: Floats, note: str) -> Finding:
    note = f"rank correlation over profiles, 90% interval by Fisher's z; {note}; {INSTRUMENT}"
    rho = rank_correlation(x, y)
    if np.isnan(rho) or len(x) < 5:
        return Finding(id=name, title=title, value=None, n=len(x), unit="rho", note=f"{note}; too few or all alike")
    # 1.06 for ranks in place of 1 (Fieller, Hartley and Pearson 1957).
    half = Z90 * np.sqrt(1.06 / (len(x) - 3))
    z = np.arctanh(np.clip(rho, -0.999999, 0.999999))
    low, high = float(np.tanh(z - half)), float(np.tanh(z + half))
    return Finding(id=name, title=title, value=rho, low=low, high=high, n=len(x), unit="rho", note=note)


def rank_correlation(x: Floats, y: Floats) -> float:
    """Return Spearman's rho; NaN where one of the two is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    ranks = [pl.Series(values).rank("average").to_numpy() for values in (x, y)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
