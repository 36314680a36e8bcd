"""How true the written lives are: what they say against the drawn facts, and the city they describe against the tables.

Ids, for each FIELD of age, sex, origin, education, job, income, marriage, party, religion:
`text.true.claimed.FIELD`, `text.true.contradicted.FIELD`, `text.true.drift.FIELD`, `text.true.official.FIELD` with its
p-value `text.true.official.FIELD.p`; `text.true.invented_numbers`; and, of education, job, marriage, party, religion,
`text.kept.FIELD`: the entropy of what was written over that of the facts. Verdicts are given by `evaluation.flags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.intervals import Z90, wilson
from cityfolk.evaluation.partitions import tvd
from cityfolk.evaluation.statistics import bootstrap
from cityfolk.evaluation.truth.claims import FIELDS
from cityfolk.evaluation.truth.facts import FACTS
from cityfolk.evaluation.truth.margins import Margin, Standing, compare, margins, views
from cityfolk.evaluation.truth.table import WRITTEN, truth_table
from cityfolk.types import Finding

MOST_CONTRADICTED = 0.01
"""The share of profiles that may contradict a field before it is flagged."""
MOST_PROFILES = 20_000
_EXAMPLES, _FEWEST_KEPT, _RESAMPLES = 10, 30, 300
_TITLES = {"marriage": "marital status", "job": "work", "party": "party", "origin": "origin"}


def truth_evidence(
    corpus: Corpus,
    tables: pl.DataFrame | None = None,
    weights: pl.DataFrame | None = None,
    *,
    youngest: int = 18,
    most: int = MOST_PROFILES,
) -> Evidence:
    """Measure how true profiles are, a source at a time; `@SOURCE` ends the ids where there are several.

    `tables` is a place's tables.csv (`load_place(...).tables`), `weights` has person_id and weight (cohort.parquet;
    equal by default), `youngest` the least age that was written. Of a source with more than `most` profiles that many
    are read, drawn by person: the intervals then hold for all of them.
    """
    official = margins(tables, youngest) if tables is not None else ()
    total = Evidence()
    several = len(corpus.sources) > 1
    for source in corpus.sources:
        part = sampled(corpus.of(source), most)
        evidence = truth_of(truth_table(part), official, weights, seed=corpus.seed)
        total += evidence.named(source) if several else evidence
    return total


def sampled(corpus: Corpus, most: int) -> Corpus:
    """Return the corpus, or `most` of its profiles drawn by person number so that every source has the same people."""
    if corpus.profiles.height <= most:
        return corpus
    ids = corpus.profiles["person_id"].cast(pl.Int64).to_numpy()
    order = rng.uniform_at(corpus.seed, "evaluation", "sample", ids=ids)
    kept = np.sort(np.argsort(order, kind="stable")[:most])
    return replace(corpus, profiles=corpus.profiles[kept])


def truth_of(
    table: pl.DataFrame, official: Sequence[Margin] = (), weights: pl.DataFrame | None = None, *, seed: int = 0
) -> Evidence:
    """Return the evidence of one source's `truth_table`."""
    findings = [*_claims(table), *_kept(table, seed)]
    details = list(_examples(table))
    for margin_findings, margin_details in _margins(table, official, weights, seed):
        findings += margin_findings
        details += margin_details
    return Evidence(tuple(findings), tuple(details))


def _claims(table: pl.DataFrame) -> Iterator[Finding]:
    n = table.height
    for field in FIELDS:
        what = _TITLES.get(field, field)
        yield _share(f"text.true.claimed.{field}", f"Profiles that say something of {what}", table[f"{field}_claimed"])
        judged = table.filter(f"{field}_known")
        name = f"text.true.contradicted.{field}"
        if not judged.height:
            yield Finding(id=name, title=f"Profiles that contradict the {what} known", value=None, n=0, unit="share")
            continue
        found = _share(name, f"Profiles that contradict the {what} known", judged[f"{field}_contradicted"])
        yield replace(found, expected=MOST_CONTRADICTED, note="expected: at most")
    if n and any(table[name].count() for name in FACTS):
        wrong = table["invented"] > 0
        found = _share("text.true.invented_numbers", "Profiles with a number that is none of the facts", wrong)
        yield replace(found, note=f"numbers in digits; {int(table['invented'].sum()):,} in all")


_KEPT = {"education": "education", "job": "occupation", "marriage": "marital_status"}
_KEPT |= {"party": "party", "religion": "religion"}


def _kept(table: pl.DataFrame, seed: int) -> Iterator[Finding]:
    """Compare the entropy of the facts as written with that of the facts, over those whose text says something."""
    for field, column in _KEPT.items():
        said = table.filter(pl.col(f"{field}_claimed") & pl.col(column).is_not_null())
        if said.height < _FEWEST_KEPT or said[column].n_unique() < 2:
            continue
        kinds = pl.concat([said[column], said[f"written_{column}"]]).unique().sort()
        codes = [
            said[name].cast(pl.Enum(kinds.drop_nulls())).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
            for name in (f"written_{column}", column)
        ]
        stream = rng.child(seed, "evaluation", "kept", field)
        found = bootstrap(_entropy_ratio, *codes, stream=stream, resamples=_RESAMPLES, method="percentile")
        yield Finding(
            id=f"text.kept.{field}",
            title=f"Variety of written {_TITLES.get(field, field)} over that of the facts (entropy)",
            value=found.value,
            low=found.low,
            high=found.high,
            n=said.height,
            unit="ratio",
            expected=1.0,
            note="those whose text says something of it",
        )


def _entropy_ratio(written: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
    below = _entropy(drawn)
    return _entropy(written[written >= 0]) / below if below > 0 else float("nan")


def _entropy(codes: NDArray[np.int64]) -> float:
    """Return Shannon's entropy in nats with Miller and Madow's (1955) correction for the size of the sample."""
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    if not len(counts):
        return 0.0
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() + (len(counts) - 1) / (2 * counts.sum()))


def _share(name: str, title: str, met: pl.Series) -> Finding:
    n, successes = len(met), int(met.sum())
    if n == 0:
        return Finding(id=name, title=title, value=None, n=0, unit="share")
    low, high = wilson(successes, n)
    return Finding(id=name, title=title, value=successes / n, low=low, high=high, n=n, unit="share")


def _examples(table: pl.DataFrame) -> Iterator[Detail]:
    for field in FIELDS:
        wrong = table.filter(pl.col(f"{field}_contradicted") & (pl.col(f"{field}_words") != "")).head(_EXAMPLES)
        for person, source, words in wrong.select("person_id", "source", f"{field}_words").iter_rows():
            yield Detail(name="true.contradicted", source=source, group=field, label=str(person), text=words)


def _margins(
    table: pl.DataFrame, official: Sequence[Margin], weights: pl.DataFrame | None, seed: int
) -> Iterator[tuple[list[Finding], list[Detail]]]:
    if not official or not table.height:
        return
    drawn = table.select("person_id", *WRITTEN)
    written = table.select("person_id", *(pl.col(f"written_{name}").alias(name) for name in WRITTEN))
    weight = _weights(table, weights)
    by_fact, by_text = views(drawn, written)
    for field in FIELDS:
        held: list[tuple[Margin, Standing]] = []
        for number, margin in enumerate(m for m in official if m.field == field):
            stream = rng.child(seed, "evaluation", "official", field, margin.table, number)
            found = compare(margin, by_fact, by_text, weight, stream)
            if found is not None:
                held.append((margin, found))
        if held:
            details = [d for margin, found in held for d in _marks(margin, found, table["source"][0])]
            yield _official(field, held), details


def _weights(table: pl.DataFrame, weights: pl.DataFrame | None) -> NDArray[np.float64]:
    if weights is None:
        return np.ones(table.height)
    right = weights.select(pl.col("person_id").cast(pl.Int64), pl.col("weight").cast(pl.Float64))
    left = table.select(pl.col("person_id").cast(pl.Int64))
    return left.join(right, on="person_id", how="left", maintain_order="left")["weight"].fill_null(0.0).to_numpy()


def _official(field: str, held: list[tuple[Margin, Standing]]) -> list[Finding]:
    """Return drift, distance from the official shares, and the p-value over all tables that hold the field."""
    what = _TITLES.get(field, field)
    worst = min(range(len(held)), key=lambda i: (held[i][1].p_written, i))
    margin, found = held[worst]
    p = min(1.0, len(held) * found.p_written)
    p_drawn = min(1.0, len(held) * min(standing.p_drawn for _, standing in held))
    tables = ", ".join(dict.fromkeys(margin.table for margin, _ in held))
    here = f"table {margin.table}, {len(margin.rows)} rows"
    drawn = f"drawn facts: {tvd(found.drawn, margin.shares):.3f}, p = {p_drawn:.2g}"
    return [
        Finding(
            id=f"text.true.drift.{field}",
            title=f"From the drawn {what} to the written: share of people who changed place",
            value=tvd(found.written, found.drawn),
            n=found.n,
            unit="share",
            expected=0.0,
            note=f"total variation distance, {here}; silence counts as agreement",
        ),
        Finding(
            id=f"text.true.official.{field}",
            title=f"Written {what} against the official shares",
            value=tvd(found.written, margin.shares),
            n=found.n,
            unit="share",
            expected=0.0,
            note=f"total variation distance, {here}; {drawn}",
        ),
        Finding(
            id=f"text.true.official.{field}.p",
            title=f"Chance of written {what} so far from the official shares",
            value=p,
            n=found.n,
            unit="p",
            note=f"simulated chi-square of {tables}, corrected for {len(held)}; drawn facts: p = {p_drawn:.2g}",
        ),
    ]


def _marks(margin: Margin, found: Standing, source: str) -> Iterator[Detail]:
    name = f"true.margin.{margin.field}.{margin.table}"
    for row, label in enumerate(margin.labels):
        half = Z90 * float(margin.errors[row])
        share = float(margin.shares[row])
        yield Detail(
            name=name, source=source, label=label, group="official", value=share, low=share - half, high=share + half
        )
        for group, shares in (("drawn", found.drawn), ("written", found.written)):
            value = float(shares[row])
            low, high = wilson(value * found.effective, found.effective)
            yield Detail(name=name, source=source, label=label, group=group, value=value, low=low, high=high)
