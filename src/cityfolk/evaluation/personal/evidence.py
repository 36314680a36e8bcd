"""How personal the written lives are: the personality that the text expresses against the one that was drawn.

A rater's scores have a unit of their own, so nothing here compares a score with a percentile. For each TRAIT:

- `text.personal.correlation.TRAIT`: Pearson's r of score and drawn z (the percentile's normal quantile), interval by
  Fisher's z. Expected: at least `LEAST_CORRELATION`; `evaluation.flags` judges it.
- `text.personal.slope.TRAIT`: how much the score rises with one standard deviation of the drawn trait.
- `text.personal.calibration.TRAIT`: the mean distance between the ranks of drawn and expressed over ten bins of the
  drawn trait: 0 where text orders people as the facts do, .25 where it ignores them.
- `text.personal.tail_low.TRAIT`, `tail_high`: the mean rank of expressed scores among those below the 10th and above
  the 90th percentile drawn; .05 and .95 where text is perfect, .5 where it says nothing.
- `text.personal.middle.TRAIT`: the slope among the middle third of people over the slope among all: 1 where text tells
  the middle apart as finely as the rest, 0 where everybody in the middle is written alike (the middle collapses).
- `text.personal.spread.TRAIT`: the variance of scores within the middle third over the variance of all scores.

Pictures: `personal.curve.TRAIT` (x: mean drawn percentile of a bin, value: the mean expressed rank and its interval)
and `personal.scatter.TRAIT` (at most 500 people).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.personal.scores import Floats, Rater, Scores, ranks, score
from cityfolk.evaluation.statistics import Estimate, bootstrap, correlation, mean_interval
from cityfolk.evaluation.truth.evidence import MOST_PROFILES, sampled
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

LEAST_CORRELATION = 0.25
"""The correlation that a text must reach with a drawn trait before it counts as expressed at all (r^2 of 6%)."""
BINS, TAIL = 10, 0.10
_FEWEST, _FEWEST_TAIL, _RESAMPLES, _POINTS = 20, 5, 300, 500


def personal_evidence(corpus: Corpus, rater: Rater | None = None, *, most: int = MOST_PROFILES) -> Evidence:
    """Measure expressed against drawn personality, a source at a time; the shipped lexicon rates by default.

    Of a source with more than `most` profiles that many are rated, drawn by person.
    """
    chosen = rater or Rater()
    total = Evidence()
    for source in corpus.sources:
        part = sampled(corpus.of(source), most)
        scores = score(Corpus(profiles=part.profiles, fields=part.fields, people=part.people, seed=part.seed), chosen)
        evidence = personal_of(scores, chosen.name, seed=corpus.seed)
        total += evidence.named(source) if len(corpus.sources) > 1 else evidence
    return total


def personal_of(scores: Scores, instrument: str, *, seed: int = 0) -> Evidence:
    """Return the evidence of one source's scores; nothing where the drawn traits of fewer than 20 are known."""
    if len(scores.person_id) < _FEWEST:
        return Evidence()
    findings: list[Finding] = []
    details: list[Detail] = []
    for column, trait in enumerate(TRAITS):
        expressed, drawn = scores.expressed[:, column], scores.drawn[:, column]
        findings += _findings(trait, expressed, drawn, instrument, seed)
        details += _curve(trait, expressed, drawn, scores.source)
        details += _scatter(trait, scores, column, seed)
    return Evidence(tuple(findings), tuple(details))


def correlation_finding(trait: str, expressed: Floats, drawn: Floats, instrument: str) -> Finding:
    """Return `text.personal.correlation.TRAIT`, the one by which a trait that is ignored is found."""
    found = correlation(expressed, _z(drawn))
    known = np.isfinite(found.value)
    return Finding(
        id=f"text.personal.correlation.{trait}",
        title=f"Expressed and drawn {trait}: correlation",
        value=found.value if known else 0.0,
        low=found.low if known else None,
        high=found.high if known else None,
        n=len(expressed),
        unit="r",
        expected=LEAST_CORRELATION,
        note=f"{instrument}; expected: at least" + ("" if known else "; every text scores the same"),
    )


def _findings(trait: str, expressed: Floats, drawn: Floats, instrument: str, seed: int) -> Iterator[Finding]:
    yield correlation_finding(trait, expressed, drawn, instrument)
    n = len(expressed)

    def finding(name: str, title: str, found: Estimate, unit: str, note: str, expected: float | None = None) -> Finding:
        known = np.isfinite([found.value, found.low, found.high]).all()
        return Finding(
            id=f"text.personal.{name}.{trait}",
            title=title,
            value=found.value if known else None,
            low=found.low if known else None,
            high=found.high if known else None,
            n=n,
            unit=unit,
            expected=expected,
            note=f"{instrument}; {note}" + ("" if known else "; it cannot be told from these people"),
        )

    z, rank = _z(drawn), ranks(expressed)
    middle = (drawn > np.quantile(drawn, 1 / 3)) & (drawn < np.quantile(drawn, 2 / 3))

    def interval(statistic: str, function: object, *samples: Floats) -> Estimate:
        stream = rng.child(seed, "evaluation", "personal", statistic, trait)
        return bootstrap(function, *samples, stream=stream, resamples=_RESAMPLES, method="percentile")  # type: ignore[arg-type]

    yield finding(
        "slope",
        f"Rise of expressed {trait} with a standard deviation of the drawn",
        interval("slope", _slope, z, expressed),
        "score",
        "raw scores from -1 to 1",
    )
    yield finding(
        "calibration",
        f"Distance of expressed from drawn {trait}, in ranks over ten bins",
        interval("calibration", _calibration, drawn, expressed),
        "rank",
        "0 perfect, 0.25 unrelated",
        0.0,
    )
    tails = (
        ("tail_low", drawn < TAIL, 0.05, "below the 10th"),
        ("tail_high", drawn > 1 - TAIL, 0.95, "above the 90th"),
    )
    for name, chosen, ideal, words in tails:
        part = rank[chosen]
        found = mean_interval(part) if len(part) >= _FEWEST_TAIL else Estimate(np.nan, np.nan, np.nan)
        title = f"Mean rank of expressed {trait} among those {words} percentile"
        yield finding(name, title, found, "rank", f"{len(part)} people; 0.5 says nothing", ideal)
    yield finding(
        "middle",
        f"How finely text tells the middle third of {trait} apart, against everybody",
        interval("middle", _middle, z, expressed, middle.astype(float)),
        "ratio",
        "slope in the middle third over slope among all; 0: the middle collapses",
        1.0,
    )
    yield finding(
        "spread",
        f"Variance of expressed {trait} within the middle third, of all its variance",
        interval("spread", _spread, expressed, middle.astype(float)),
        "ratio",
        f"the drawn trait has {_spread(z, middle.astype(float)):.2f} there; 0 is a middle all alike",
    )


def _z(percentile: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(percentile, 0.001, 0.999)), dtype=np.float64)


def _slope(z: Floats, expressed: Floats) -> float:
    centred = z - z.mean()
    square = float(centred @ centred)
    return float(centred @ expressed) / square if square > 0 else float("nan")


def _calibration(drawn: Floats, expressed: Floats) -> float:
    mine, theirs = ranks(drawn), ranks(expressed)
    bins = np.minimum((mine * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    gaps = np.bincount(bins, weights=mine - theirs, minlength=BINS)
    return float(np.abs(gaps).sum() / counts.sum())


def _middle(z: Floats, expressed: Floats, middle: Floats) -> float:
    inside = middle > 0
    whole = _slope(z, expressed)
    if inside.sum() < _FEWEST_TAIL or not abs(whole) > 0:
        return float("nan")
    return _slope(z[inside], expressed[inside]) / whole


def _spread(values: Floats, middle: Floats) -> float:
    inside = middle > 0
    variance = float(values.var())
    return float(values[inside].var()) / variance if variance > 0 and inside.sum() > 1 else float("nan")


def _curve(trait: str, expressed: Floats, drawn: Floats, source: str) -> Iterator[Detail]:
    mine, theirs = ranks(drawn), ranks(expressed)
    bins = np.minimum((mine * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        inside = bins == number
        if inside.sum() >= 2:
            found = mean_interval(theirs[inside])
            yield Detail(
                name=f"personal.curve.{trait}",
                source=source,
                label=f"{number + 1}",
                x=float(drawn[inside].mean()),
                value=found.value,
                low=found.low,
                high=found.high,
            )


def _scatter(trait: str, scores: Scores, column: int, seed: int) -> Iterator[Detail]:
    order = np.argsort(rng.uniform_at(seed, "evaluation", "scatter", ids=scores.person_id), kind="stable")
    for row in np.sort(order[:_POINTS]):
        yield Detail(
            name=f"personal.scatter.{trait}",
            source=scores.source,
            label=str(scores.person_id[row]),
            x=float(scores.drawn[row, column]),
            value=float(scores.expressed[row, column]),
        )
