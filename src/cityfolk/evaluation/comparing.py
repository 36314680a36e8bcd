"""Two or more sources that wrote about the same people: which differs from which, by how much, and how surely.

Every measure here is a number a profile, so that sources are compared person by person. Under "these two write alike"
the two texts about a person could be swapped, so each test swaps them at random within persons (9,999 times): exact for
means, and for correlations with the drawn traits too, whatever their distribution. Holm's (1979) correction runs over
all measures of all pairs of sources: where the same model wrote twice, the chance that anything is called different is
at most `ALPHA`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.feeling.lexicon import sentiment as by_lexicon
from cityfolk.evaluation.personal.scores import Rater
from cityfolk.evaluation.statistics import Estimate, holm, mean_interval, permutation_columns
from cityfolk.evaluation.text_basic import words as words_of
from cityfolk.evaluation.truth.claims import FIELDS
from cityfolk.evaluation.truth.evidence import sampled
from cityfolk.evaluation.truth.table import truth_table
from cityfolk.types import Finding
from cityfolk.vocabulary import NORMS, TRAITS

Floats = NDArray[np.float64]
ALPHA = 0.05
MOST_PEOPLE = 5_000
_SWAPS, _FEWEST = 9_999, 10
_TITLES = {
    "words": ("Words in a profile", "words"),
    "variety": ("Different words among a profile's first 100", "share"),
    "sentiment": ("Sentiment", "score"),
    "claims": ("Fields of nine on which a profile says something", "fields"),
    "contradictions": ("Fields of nine that a profile contradicts", "fields"),
    "invented": ("Numbers in a profile that are none of the facts", "numbers"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One source: who was written, the measures a profile (n, m) with their names, and expressed and drawn traits."""

    source: str
    person_id: NDArray[np.int64]
    names: tuple[str, ...]
    values: Floats
    expressed: Floats
    drawn: Floats

    def of(self, people: NDArray[np.int64]) -> Measured:
        """Return the rows of some people, in their order; each must be there once."""
        order = np.argsort(self.person_id, kind="stable")
        rows = order[np.searchsorted(self.person_id[order], people)]
        return Measured(self.source, people, self.names, self.values[rows], self.expressed[rows], self.drawn[rows])


def compare_evidence(
    corpus: Corpus,
    *,
    sentiment: Callable[[Sequence[str]], Floats] | None = None,
    rater: Rater | None = None,
    most: int = MOST_PEOPLE,
) -> Evidence:
    """Compare every pair of sources on the people whom both wrote about (`most` of them at most, drawn by person).

    Ids are `text.compare.MEASURE@A~B` (the mean of A less B) and `text.compare.correlation.TRAIT@A~B` (the correlation
    of expressed and drawn, A less B). A verdict is "outside" where the Holm-corrected p is at most 5%. Nothing is said
    of one source, nor of pairs with fewer than 10 people in common.
    """
    measured = [
        measure(sampled(_first(corpus.of(source)), most), sentiment or by_lexicon, rater or Rater())
        for source in corpus.sources
    ]
    return compare_measured(measured, seed=corpus.seed)


def _first(corpus: Corpus) -> Corpus:
    """Return the first profile of each person."""
    kept = corpus.profiles.unique("person_id", keep="first", maintain_order=True)
    return Corpus(profiles=kept, fields=corpus.fields, people=corpus.people, seed=corpus.seed)


def measure(corpus: Corpus, sentiment: Callable[[Sequence[str]], Floats], rater: Rater) -> Measured:
    """Return what is compared of one source."""
    texts = corpus.whole()
    tokens = [words_of(text) for text in texts]
    columns: dict[str, Floats] = {
        "words": np.array([len(found) for found in tokens], dtype=np.float64),
        "variety": np.array([len(set(found[:100])) / max(len(found[:100]), 1) for found in tokens]),
        "sentiment": np.asarray(sentiment(texts), dtype=np.float64),
    }
    table = truth_table(corpus)
    if any(table[f"{field}_known"].any() for field in FIELDS):
        for name, what in (("claims", "claimed"), ("contradictions", "contradicted")):
            columns[name] = table.select(pl.sum_horizontal(f"{f}_{what}" for f in FIELDS)).to_series().to_numpy()
        columns["invented"] = table["invented"].to_numpy()
    expressed = rater.rate(texts)
    columns |= {f"expressed.{trait}": expressed[:, i] for i, trait in enumerate(TRAITS)}
    facts = corpus.facts(*TRAITS, "norms")
    drawn = facts.select(pl.col(TRAITS).cast(pl.Float64)).to_numpy().astype(np.float64)
    usable = (facts["norms"].cast(pl.String).fill_null(NORMS[0]) == NORMS[0]).to_numpy()
    drawn[~usable] = np.nan
    values = np.column_stack([column.astype(np.float64) for column in columns.values()])
    ids = corpus.profiles["person_id"].cast(pl.Int64).to_numpy()
    return Measured(corpus.sources[0] if texts else "", ids, tuple(columns), values, expressed, drawn)


@dataclass(frozen=True, slots=True)
class _Difference:
    """One measure of one pair: its estimate, and what it is called."""

    name: str
    title: str
    unit: str
    pair: tuple[str, str]
    n: int
    found: Estimate
    means: tuple[float, float]


def compare_measured(measured: Sequence[Measured], *, seed: int = 0, swaps: int = _SWAPS) -> Evidence:
    """Compare sources that were measured; see `compare_evidence`."""
    differences: list[_Difference] = []
    for a, b in combinations(measured, 2):
        people = np.intersect1d(a.person_id, b.person_id)
        if len(people) >= _FEWEST:
            stream = rng.child(seed, "evaluation", "compare", a.source, b.source)
            differences += _pair(a.of(people), b.of(people), stream, swaps)
    corrected = holm([1.0 if d.found.p is None else d.found.p for d in differences])
    findings = tuple(_finding(d, float(p)) for d, p in zip(differences, corrected, strict=True))
    return Evidence(findings, tuple(_mark(d, f) for d, f in zip(differences, findings, strict=True)))


def _pair(a: Measured, b: Measured, stream: Generator, swaps: int) -> Iterator[_Difference]:
    gaps = a.values - b.values
    tested = np.flatnonzero(np.ptp(gaps, axis=0) + np.abs(gaps).max(axis=0) > 0)
    chances = np.ones(len(a.names))
    if len(tested):
        chances[tested] = permutation_columns(gaps[:, tested], stream, swaps)
    for column, name in enumerate(a.names):
        title, unit = _TITLES.get(name, (f"Expressed {name.partition('.')[2]}", "score"))
        mean = mean_interval(gaps[:, column])
        found = Estimate(mean.value, mean.low, mean.high, float(chances[column]))
        means = float(a.values[:, column].mean()), float(b.values[:, column].mean())
        yield _Difference(name, title, unit, (a.source, b.source), len(gaps), found, means)
    known = np.asarray(np.isfinite(a.drawn).all(axis=1))
    if known.sum() >= _FEWEST:
        yield from _correlations(a, b, known, stream, swaps)


def _correlations(
    a: Measured, b: Measured, known: NDArray[np.bool_], stream: Generator, swaps: int
) -> Iterator[_Difference]:
    from scipy.special import ndtri

    z = np.asarray(ndtri(np.clip(a.drawn[known], 0.001, 0.999)))
    n = len(z)
    for column, trait in enumerate(TRAITS):
        pair = np.column_stack([a.expressed[known, column], b.expressed[known, column]])
        if np.ptp(pair[:, 0]) == 0 or np.ptp(pair[:, 1]) == 0 or np.ptp(z[:, column]) == 0:
            continue
        means = _r(pair[:, 0], z[:, column]), _r(pair[:, 1], z[:, column])
        value = means[0] - means[1]
        low, high = _correlation_interval(pair, z[:, column])
        p = _swapped(pair, z[:, column], value, stream, swaps)
        title = f"Correlation of expressed and drawn {trait}"
        found = Estimate(value, low, high, p)
        yield _Difference(f"correlation.{trait}", title, "r", (a.source, b.source), n, found, means)


def _r(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def _correlation_interval(pair: Floats, z: Floats) -> tuple[float, float]:
    """Return the 90% interval of the difference of two correlations that share a variable (Zou 2007, MOVER)."""
    from scipy.special import ndtri

    r1, r2, between = _r(pair[:, 0], z), _r(pair[:, 1], z), _r(pair[:, 0], pair[:, 1])
    half = float(ndtri(0.95)) / np.sqrt(max(len(z) - 3, 1))
    (l1, u1), (l2, u2) = (
        (float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)))
        for r in (np.clip(r1, -0.999999, 0.999999), np.clip(r2, -0.999999, 0.999999))
    )
    shared = (between - r1 * r2 / 2) * (1 - r1**2 - r2**2 - between**2) + between**3
    link = float(np.clip(shared / max((1 - r1**2) * (1 - r2**2), 1e-12), -1, 1))
    below = (r1 - l1) ** 2 + (u2 - r2) ** 2 - 2 * link * (r1 - l1) * (u2 - r2)
    above = (u1 - r1) ** 2 + (r2 - l2) ** 2 - 2 * link * (u1 - r1) * (r2 - l2)
    return r1 - r2 - float(np.sqrt(max(below, 0.0))), r1 - r2 + float(np.sqrt(max(above, 0.0)))


def _swapped(pair: Floats, z: Floats, observed: float, stream: Generator, swaps: int) -> float:
    """Return the p-value of equal correlations: the two texts of each person change places at random."""
    centred = z - z.mean()
    norm = float(np.sqrt(centred @ centred))
    mean, half = pair.mean(axis=1), (pair[:, 0] - pair[:, 1]) / 2
    n, extreme = len(z), 0
    size = max(1, min(swaps, 4_000_000 // n))
    # With signs s, the first source has mean + s * half, so all sums are linear in s, the squares too (s * s = 1).
    square = float((mean**2 + half**2).sum())
    for start in range(0, swaps, size):
        count = min(size, swaps - start)
        signs = stream.integers(0, 2, size=(count, n), dtype=np.int8).astype(np.float64) * 2 - 1
        moved, across, cross = signs @ half, signs @ (half * centred), signs @ (2 * mean * half)
        total, fixed = float(mean.sum()), float(mean @ centred)
        first = (fixed + across) / np.sqrt(np.maximum(square + cross - (total + moved) ** 2 / n, 1e-300)) / norm
        second = (fixed - across) / np.sqrt(np.maximum(square - cross - (total - moved) ** 2 / n, 1e-300)) / norm
        extreme += int((np.abs(first - second) >= abs(observed) - 1e-12).sum())
    return (extreme + 1) / (swaps + 1)


def _finding(difference: _Difference, corrected: float) -> Finding:
    first, second = difference.pair
    means = f"{first} {difference.means[0]:.3g}, {second} {difference.means[1]:.3g}"
    return Finding(
        id=f"text.compare.{difference.name}@{first}~{second}",
        title=f"{difference.title}: {first} less {second}",
        value=difference.found.value,
        low=difference.found.low,
        high=difference.found.high,
        n=difference.n,
        unit=difference.unit,
        expected=0.0,
        verdict="outside" if corrected <= ALPHA else "inside",
        note=f"{means}; same people; p by swapping texts, Holm-corrected = {corrected:.2g}",
    )


def _mark(difference: _Difference, finding: Finding) -> Detail:
    return Detail(
        name="compare",
        source="~".join(difference.pair),
        label=difference.name,
        group=finding.verdict,
        value=finding.value,
        low=finding.low,
        high=finding.high,
        text=finding.note,
    )
