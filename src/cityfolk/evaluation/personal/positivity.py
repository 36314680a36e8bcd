"""Positivity and sameness: does text turn kinder as it grows longer, and how much of people's variety is left in it.

- `text.positivity.length.sentiment`, `.agreeableness`: how much the sentiment (-1 to 1) or the expressed agreeableness
  (-1 to 1) rises with each doubling of a profile's words, at equal drawn traits where these are known (least squares,
  bootstrap over people).
- `text.positivity.course.sentiment`, `.agreeableness`: the last fifth of a profile's sentences less the first fifth,
  paired. Where fields come in a fixed order this mixes course and subject.
- `text.kept.trait.TRAIT`: the share of the drawn trait's variance that text lets a reader recover: the squared
  correlation of expressed and drawn. `text.kept.traits` is the mean of the five.
- `text.kept.halo`: the mean correlation of expressed traits, all turned to their wished-for pole (low neuroticism),
  beside that of the drawn ones: text that makes people all good or all bad has more.

Picture: `positivity.course` (x: fifth of the text, value: mean sentiment, group: sentiment or agreeableness).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.feeling.lexicon import INSTRUMENT as FEELING
from cityfolk.evaluation.feeling.lexicon import sentiment as by_lexicon
from cityfolk.evaluation.personal.scores import Floats, Rater, Scores, score
from cityfolk.evaluation.statistics import Estimate, bootstrap, mean_interval
from cityfolk.evaluation.truth.evidence import sampled
from cityfolk.evaluation.truth.reading import sentences
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

Sentiment = Callable[[Sequence[str]], Floats]
FIFTHS, MOST_PROFILES = 5, 5_000
_FEWEST, _RESAMPLES = 20, 400
_AGREEABLE = TRAITS.index("agreeableness")
_WISHED = np.array([-1.0 if trait == "neuroticism" else 1.0 for trait in TRAITS])


def positivity_evidence(
    corpus: Corpus,
    sentiment: Sentiment | None = None,
    rater: Rater | None = None,
    *,
    instrument: str = FEELING,
    most: int = MOST_PROFILES,
) -> Evidence:
    """Measure the pull toward the positive and the variety kept, a source at a time.

    `sentiment` gives one number from -1 to 1 a text (the shipped lexicon by default; name another by `instrument`). Of
    a source with more than `most` profiles that many are read, drawn by person.
    """
    feel, judge = sentiment or by_lexicon, rater or Rater()
    total = Evidence()
    for source in corpus.sources:
        part = sampled(corpus.of(source), most)
        evidence = _length(part, feel, judge, instrument) + _course(part, source, feel, judge, instrument)
        evidence += kept_of(score(part, judge), judge.name, seed=corpus.seed)
        total += evidence.named(source) if len(corpus.sources) > 1 else evidence
    return total


def _length(corpus: Corpus, feel: Sentiment, rater: Rater, instrument: str) -> Evidence:
    texts = corpus.whole()
    words = np.array([len(text.split()) for text in texts], dtype=np.float64)
    kept = words > 0
    if kept.sum() < _FEWEST or np.ptp(words[kept]) == 0:
        return Evidence()
    traits = corpus.facts(*TRAITS).to_numpy().astype(np.float64)
    known = bool(np.isfinite(traits[kept]).all())
    held = traits[kept] if known else np.zeros((int(kept.sum()), 0))
    chosen = [text for text, is_kept in zip(texts, kept, strict=True) if is_kept]
    measures = (
        ("sentiment", "sentiment", np.asarray(feel(chosen), dtype=np.float64), instrument),
        ("agreeableness", "expressed agreeableness", rater.rate(chosen)[:, _AGREEABLE], rater.name),
    )
    findings = []
    for name, title, values, by in measures:
        stream = rng.child(corpus.seed, "evaluation", "positivity", "length", name)
        found = bootstrap(
            _rise, np.log2(words[kept]), values, held, stream=stream, resamples=_RESAMPLES, method="percentile"
        )
        findings.append(
            Finding(
                id=f"text.positivity.length.{name}",
                title=f"Rise of {title} with each doubling of a profile's words",
                value=found.value,
                low=found.low,
                high=found.high,
                n=len(values),
                unit="score",
                expected=0.0,
                note=f"{by}; {'at equal drawn traits' if known else 'drawn traits unknown'}",
            )
        )
    return Evidence(tuple(findings))


def _rise(doublings: Floats, values: Floats, held: Floats) -> float:
    design = np.column_stack([doublings, np.ones(len(doublings)), held])
    return float(np.linalg.lstsq(design, values, rcond=None)[0][0])


def _course(corpus: Corpus, source: str, feel: Sentiment, rater: Rater, instrument: str) -> Evidence:
    """Compare the fifths of each text that has at least five sentences."""
    parts = [_fifths(text) for text in corpus.whole()]
    long = [part for part in parts if part]
    if len(long) < _FEWEST:
        return Evidence()
    flat = [text for part in long for text in part]
    findings: list[Finding] = []
    details: list[Detail] = []
    measures = (
        ("sentiment", np.asarray(feel(flat), dtype=np.float64), instrument),
        ("agreeableness", rater.rate(flat)[:, _AGREEABLE], rater.name),
    )
    for name, values, by in measures:
        table = values.reshape(-1, FIFTHS)
        found = mean_interval(table[:, -1] - table[:, 0])
        findings.append(
            Finding(
                id=f"text.positivity.course.{name}",
                title=f"{name.capitalize()} of the last fifth of a profile less the first",
                value=found.value,
                low=found.low,
                high=found.high,
                n=len(table),
                unit="score",
                expected=0.0,
                note=f"{by}; fields in their order",
            )
        )
        for fifth in range(FIFTHS):
            at = mean_interval(table[:, fifth])
            details.append(
                Detail(
                    name="positivity.course",
                    source=source,
                    group=name,
                    label=str(fifth + 1),
                    x=float(fifth + 1),
                    value=at.value,
                    low=at.low,
                    high=at.high,
                )
            )
    return Evidence(tuple(findings), tuple(details))


def _fifths(text: str) -> list[str]:
    read = sentences(text)
    if len(read) < FIFTHS:
        return []
    edges = np.linspace(0, len(read), FIFTHS + 1).round().astype(int)
    return [" ".join(read[a:b]) for a, b in pairwise(edges)]


def kept_of(scores: Scores, instrument: str, *, seed: int = 0) -> Evidence:
    """Return how much of the drawn variety is left in expressed traits; nothing for fewer than 20 people."""
    if len(scores.person_id) < _FEWEST:
        return Evidence()
    return Evidence(tuple(_kept(scores, instrument, seed)))


def _kept(scores: Scores, instrument: str, seed: int) -> Iterator[Finding]:
    from scipy.special import ndtri

    drawn, n = np.asarray(ndtri(np.clip(scores.drawn, 0.001, 0.999))), len(scores.person_id)
    stream = rng.child(seed, "evaluation", "kept")
    shares = [(trait, _recovered(scores.expressed[:, i], drawn[:, i], stream)) for i, trait in enumerate(TRAITS)]

    def mean(expressed: Floats, known: Floats) -> float:
        return float(np.mean([_square(expressed[:, i], known[:, i]) for i in range(len(TRAITS))]))

    together = bootstrap(mean, scores.expressed, drawn, stream=stream, resamples=_RESAMPLES, method="percentile")
    for name, found in (*((f"trait.{trait}", share) for trait, share in shares), ("traits", together)):
        trait = name.partition(".")[2]
        yield Finding(
            id=f"text.kept.{name}",
            title=f"Variance of drawn {trait or 'traits'} that the text keeps" + ("" if trait else ", mean of five"),
            value=found.value,
            low=found.low,
            high=found.high,
            n=n,
            unit="share",
            expected=1.0,
            note=f"{instrument}; squared correlation of expressed and drawn",
        )
    halo = bootstrap(_halo, scores.expressed, stream=stream, resamples=_RESAMPLES, method="percentile")
    yield Finding(
        id="text.kept.halo",
        title="Mean correlation of expressed traits, each turned to its wished-for pole",
        value=halo.value,
        low=halo.low,
        high=halo.high,
        n=n,
        unit="r",
        expected=_halo(drawn),
        note=f"{instrument}; expected: that of the drawn traits",
    )


def _square(expressed: Floats, drawn: Floats) -> float:
    if np.ptp(expressed) == 0 or np.ptp(drawn) == 0:
        return 0.0
    return float(np.corrcoef(expressed, drawn)[0, 1] ** 2)


def _recovered(expressed: Floats, drawn: Floats, stream: np.random.Generator) -> Estimate:
    return bootstrap(_square, expressed, drawn, stream=stream, resamples=_RESAMPLES, method="percentile")


def _halo(traits: Floats) -> float:
    varied = np.flatnonzero(np.ptp(traits, axis=0) > 0)
    if len(varied) < 2:
        return float("nan")
    table = np.corrcoef((traits * _WISHED)[:, varied], rowvar=False)
    return float(table[np.triu_indices(len(varied), 1)].mean())
