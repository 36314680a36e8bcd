"""How varied what was written is, from words to whole profiles, one set of findings a source.

A number that describes every profile there is has no interval. One that is taken over profiles, or over pairs of them,
speaks of what its source would write of other people like these: low and high are 90% for n profiles, and where
profiles or pairs were drawn the error of drawing is inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtrc

from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.embed import Embedder, load_embedder
from cityfolk.evaluation.intervals import Z90, wilson
from cityfolk.evaluation.variety import pairs, similarity, values, wording
from cityfolk.rng import child, derive
from cityfolk.texts import duplicates
from cityfolk.texts.tokens import Tokens, as_text, tokenize
from cityfolk.types import Finding

COPIES_ALLOWED = 0.005
FALSE_ALARM = 0.001
"""A source that writes no more near copies than are allowed has the verdict "outside" in at most this share of sets.

`evaluation.flags` judges again, together with the other flags of a study.
"""

_WORD_EDGES = np.linspace(0.0, 1.0, 51)
_COSINE_EDGES = np.linspace(-1.0, 1.0, 101)
_TOP_VALUES, _TOP_WORDS, _EXTREMES = 20, 80, 5
_GROWS = "compare at equal n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many are looked at, at most; fewer profiles than that are all looked at.

    `profiles`: for windows of words and for pairs; `exact`: up to how many profiles every pair is looked at, above it
    `pairs` are drawn (`field_pairs` a field); `references`: for self-BLEU; `long`: for MTLD; `embedded`: whole profiles
    embedded; `field_texts`: texts of a field embedded.
    """

    profiles: int = 20_000
    exact: int = 2_000
    pairs: int = 200_000
    field_pairs: int = 40_000
    references: int = 1_000
    long: int = 2_000
    embedded: int = 2_000
    field_texts: int = 250


def variety_evidence(corpus: Corpus, *, embedder: Embedder | str | None = "", sample: Sizes | None = None) -> Evidence:
    """Return the findings `text.variety.*` and the details `variety.*` of every source.

    `embedder` is one, or a name or folder as `load_embedder` takes it ("": the lexical one); with None or "none" the
    similarity, the Vendi score and the semantic diversity are left out. Vectors of all sources are made in one call, so
    that those of an embedder that is fitted on its texts can be compared.
    """
    sizes = sample or Sizes()
    if isinstance(embedder, str):
        embedder = load_embedder(embedder, seed=corpus.seed)
    several = len(corpus.sources) > 1
    evidence = Evidence()
    for source in corpus.sources:
        found = Evidence(*_source(corpus.of(source), source, sizes))
        evidence += found.named(source) if several else found
    if embedder is not None:
        for source, found in _meaning(corpus, embedder, sizes):
            evidence += found.named(source) if several else found
    return evidence


def _drawn(corpus: Corpus, source: str, purpose: str, n: int, size: int) -> NDArray[np.int64]:
    """Return at most `size` of n rows, in order."""
    if n <= size:
        return np.arange(n)
    rng = child(corpus.seed, "variety", source, purpose)
    return np.sort(rng.choice(n, size, replace=False)).astype(np.int64)


def _source(corpus: Corpus, source: str, sizes: Sizes) -> tuple[tuple[Finding, ...], tuple[Detail, ...]]:
    findings: list[Finding] = []
    details: list[Detail] = []
    tokens = tokenize(corpus.profiles, corpus.fields)
    findings += _wording(corpus, source, tokens, sizes)
    findings += _copies(corpus, source, tokens)
    part = tokens.rows(_drawn(corpus, source, "pairs", tokens.profiles, sizes.profiles))
    for evidence in (_alike(corpus, source, part, sizes), _fields(corpus, source, part)):
        findings += evidence.findings
        details += evidence.details
    return tuple(findings), tuple(details)


def _mean(name: str, title: str, sample: NDArray[np.float64], unit: str, note: str) -> Finding:
    """Return the finding on the mean of what is known for each profile; nan is left out."""
    known = sample[~np.isnan(sample)]
    n = len(known)
    if n < 2:
        return Finding(id=name, title=title, value=None, n=n, unit=unit, note=f"{note}; too few to say")
    mean, half = float(known.mean()), Z90 * float(known.std(ddof=1)) / n**0.5
    return Finding(id=name, title=title, value=mean, low=mean - half, high=mean + half, n=n, unit=unit, note=note)


def _wording(corpus: Corpus, source: str, tokens: Tokens, sizes: Sizes) -> Iterator[Finding]:
    names = {1: "words", 2: "pairs of words", 3: "triples of words"}
    for size, what in names.items():
        share, total = wording.distinct(tokens, size)
        title = f"Different {what} among all"
        note = f"distinct-{size}, of {total:,}; falls as more is written: {_GROWS}"
        value = share if total else None
        yield Finding(
            id=f"text.variety.distinct{size}", title=title, value=value, n=tokens.profiles, unit="share", note=note
        )
    part = tokens.rows(_drawn(corpus, source, "windows", tokens.profiles, sizes.profiles))
    note = f"MATTR, windows of {wording.WINDOW} words; profiles shorter than that are left out"
    title = f"Different words in {wording.WINDOW} running words"
    yield _mean("text.variety.mattr", title, wording.mattr(part), "share", note)
    part = tokens.rows(_drawn(corpus, source, "mtld", tokens.profiles, sizes.long))
    ends = part.ends
    lengths = np.array([wording.mtld(part.ids[a:b].tolist()) for a, b in pairwise(ends)])
    note = "MTLD; profiles in which no word repeats are left out"
    title = f"Running words until fewer than {wording.MTLD_THRESHOLD:.0%} are different"
    yield _mean("text.variety.mtld", title, lengths, "words", note)
    if tokens.profiles > 1:
        part = tokens.rows(_drawn(corpus, source, "bleu", tokens.profiles, sizes.references))
        note = f"self-BLEU-4, each against the other {part.profiles - 1:,}; rises with their number"
        title = "Runs of words also in another profile"
        yield _mean("text.variety.self_bleu", title, wording.self_bleu(part), "share", note)


def _copies(corpus: Corpus, source: str, tokens: Tokens) -> Iterator[Finding]:
    n = tokens.profiles
    texts = pl.DataFrame([as_text(corpus.profiles[field]).alias(f"{i}") for i, field in enumerate(corpus.fields)])
    alone = int(texts.is_unique().sum())
    low, high = wilson(alone, n)
    title = "Profiles unlike any other word for word"
    yield Finding(id="text.variety.unique", title=title, value=alone / n, low=low, high=high, n=n, unit="share")
    if n < 2:
        return
    seed = derive(corpus.seed, "variety", source, "copies")
    copies = duplicates.near_copies(tokens, seed).copies
    low, high = wilson(copies, n)
    # P(that many or more) among n profiles of a source that writes as many copies as are allowed.
    chance = float(bdtrc(copies - 1, n, COPIES_ALLOWED)) if copies else 1.0
    alike = f"{duplicates.THRESHOLD:.0%} of their runs of {duplicates.SHINGLE} words"
    note = f"all but one of each set of profiles that share at least {alike}; expected: at most"
    yield Finding(
        id="text.variety.copies",
        title="Profiles that are near copies of another",
        value=copies / n,
        low=low,
        high=high,
        n=n,
        unit="share",
        expected=COPIES_ALLOWED,
        verdict="outside" if chance < FALSE_ALARM else "inside",
        note=note,
    )
    rng = child(corpus.seed, "variety", source, "recall")
    found, planted = duplicates.measured_recall(tokens, seed, rng)
    if planted:
        low, high = wilson(found, planted)
        yield Finding(
            id="text.variety.copies_found",
            title="Near copies found, of those planted",
            value=found / planted,
            low=low,
            high=high,
            n=planted,
            unit="share",
            note="profiles of this source, altered word by word, that still are near copies by the definition",
        )


def _pair_finding(name: str, title: str, found: pairs.Pairs, n: int, note: str) -> Finding:
    how = f"all {found.pairs:,} pairs" if found.exact else f"{found.pairs:,} pairs drawn"
    half = Z90 * found.error
    return Finding(
        id=name,
        title=title,
        value=found.mean,
        low=found.mean - half,
        high=found.mean + half,
        n=n,
        unit="similarity",
        note=f"{note}; {how}",
    )


def _histogram(name: str, source: str, found: pairs.Pairs, group: str) -> list[Detail]:
    middles = (found.edges[:-1] + found.edges[1:]) / 2
    return [
        Detail(name=name, source=source, group=group, x=round(float(x), 6), value=float(share))
        for x, share in zip(middles, found.shares, strict=True)
        if share > 0
    ]


def _alike(corpus: Corpus, source: str, part: Tokens, sizes: Sizes) -> Evidence:
    """Return the similarity of word sets, of whole profiles and of each field."""
    findings: list[Finding] = []
    details: list[Detail] = []
    cases = [("", "a whole profile", part, sizes.pairs)]
    cases += [(f".{name}", said(name), part.field(name), sizes.field_pairs) for name in corpus.fields]
    for suffix, what, texts, count in cases:
        rng = child(corpus.seed, "variety", source, f"jaccard{suffix}")
        sets = pairs.word_sets(texts)
        found = pairs.jaccard_pairs(sets, _WORD_EDGES, exact=sizes.exact, pairs=count, rng=rng)
        if found is None:
            continue
        name, n = f"text.variety.jaccard{suffix}", int(np.count_nonzero(np.diff(sets.indptr)))
        title = f"Words shared by two people: {what}"
        findings.append(_pair_finding(name, title, found, n, "Jaccard: shared of all different words"))
        details += _histogram("variety.jaccard", source, found, suffix[1:])
    return Evidence(tuple(findings), tuple(details))


def said(field: str) -> str:
    """Return a column's name as words."""
    return field.replace("_", " ")


def _fields(corpus: Corpus, source: str, part: Tokens) -> Evidence:
    """Return how many different values each field has, how evenly, its values most often met, and its words.

    Words are counted in the profiles drawn, values in all.
    """
    findings: list[Finding] = []
    details: list[Detail] = []
    names = _names(corpus)
    for field in corpus.fields:
        found = values.field_values(corpus.profiles[field])
        if not found.n:
            continue
        findings += _values(field, found)
        top = zip(found.values[:_TOP_VALUES], found.counts[:_TOP_VALUES].tolist(), strict=True)
        details += [
            Detail(name="variety.values", source=source, group=field, label=value, value=count / found.n)
            for value, count in top
        ]
        details += [
            Detail(name="variety.words", source=source, group=field, label=word, value=share)
            for word, share in values.telling_words(part.field(field), names, _TOP_WORDS)
        ]
    return Evidence(tuple(findings), tuple(details))


def _names(corpus: Corpus) -> frozenset[str]:
    """Return the words of the people's names, which say nothing of what was written."""
    column = corpus.facts("name")["name"].drop_nulls()
    if column.dtype != pl.String or not len(column):
        return frozenset()
    return frozenset(tokenize(pl.DataFrame({"name": column}), ["name"]).vocabulary)


def _values(field: str, found: values.Values) -> Iterator[Finding]:
    n, what = found.n, said(field)
    yield Finding(
        id=f"text.variety.values.{field}",
        title=f"Different values among all: {what}",
        value=len(found.values) / n,
        n=n,
        unit="share",
        note=f"{len(found.values):,} different; falls as more is written: {_GROWS}",
    )
    bits, error = values.entropy(found.counts)
    yield Finding(
        id=f"text.variety.entropy.{field}",
        title=f"Entropy of values: {what}",
        value=bits,
        low=max(0.0, bits - Z90 * error),
        high=bits + Z90 * error,
        n=n,
        unit="bits",
        note=f"at most {np.log2(n):.2f} with {n:,}: {_GROWS}",
    )
    low, high = wilson(int(found.counts[0]), n)
    value = found.values[0] if len(found.values[0]) <= 60 else found.values[0][:57] + "..."
    yield Finding(
        id=f"text.variety.top.{field}",
        title=f"Most frequent value's share: {what}",
        value=float(found.counts[0] / n),
        low=low,
        high=high,
        n=n,
        unit="share",
        note=f'"{value}"',
    )


def _meaning(corpus: Corpus, embedder: Embedder, sizes: Sizes) -> Iterator[tuple[str, Evidence]]:
    """Return the evidence from embeddings, source by source: whole profiles, then each field."""
    parts = {source: corpus.of(source) for source in corpus.sources}
    chosen: dict[str, Corpus] = {}
    for source, part in parts.items():
        rows = _drawn(corpus, source, "embedded", part.profiles.height, sizes.embedded)
        chosen[source] = replace(part, profiles=part.profiles[rows])
    wholes = {source: part.whole() for source, part in chosen.items()}
    for source, units, kept in _embedded(embedder, wholes):
        if len(units) >= 3:
            yield source, _whole(source, units, kept, wholes[source], chosen[source], embedder.name)
    for field in corpus.fields:
        texts = {}
        for source, part in parts.items():
            column = as_text(part.profiles[field])
            rows = np.flatnonzero((column.str.strip_chars() != "").to_numpy())
            rows = rows[_drawn(corpus, source, f"embedded.{field}", len(rows), sizes.field_texts)]
            texts[source] = column[rows].to_list()
        for source, units, _ in _embedded(embedder, texts):
            if len(units) >= 3:
                mean, error = similarity.mean_cosine(units)
                yield source, Evidence((_diversity(field, mean, error, len(units), embedder.name),))


def _embedded(embedder: Embedder, texts: dict[str, list[str]]) -> Iterator[tuple[str, pairs.Floats, NDArray[np.int64]]]:
    """Return each source's unit vectors, texts without any direction left out, and which texts they belong to."""
    flat = [text for part in texts.values() for text in part]
    units = similarity.unit_rows(embedder.embed(flat)) if flat else np.zeros((0, 1))
    start = 0
    for source, part in texts.items():
        own = units[start : start + len(part)]
        start += len(part)
        kept = np.flatnonzero(np.abs(own).sum(axis=1) > 0)
        yield source, own[kept], kept


def _whole(
    source: str, units: pairs.Floats, kept: NDArray[np.int64], texts: list[str], corpus: Corpus, name: str
) -> Evidence:
    n = len(units)
    mean, _ = similarity.mean_cosine(units)
    found = similarity.cosine_pairs(units, _COSINE_EDGES, _EXTREMES)
    note = f"mean cosine of two profiles; embedder {name}"
    findings = [
        _pair_finding("text.variety.similarity", "How alike two profiles are", replace(found, mean=mean), n, note)
    ]
    score, half = similarity.vendi(units), Z90 * similarity.vendi_error(units)
    findings.append(
        Finding(
            id="text.variety.vendi",
            title="Entirely different profiles that would be as varied",
            value=score,
            low=max(1.0, score - half),
            high=score + half,
            n=n,
            unit="profiles",
            note=f"Vendi score, at most {min(n, units.shape[1]):,}: {_GROWS}; embedder {name}",
        )
    )
    people = corpus.profiles["person_id"].to_list()
    details = _histogram("variety.similarity", source, found, "")
    for which, extremes in (("most", found.most), ("least", found.least)):
        for rank, (value, one, other) in enumerate(extremes, 1):
            for row in (int(kept[one]), int(kept[other])):
                details.append(
                    Detail(
                        name="variety.alike",
                        source=source,
                        group=f"{which}.{rank}",
                        label=str(people[row]),
                        value=value,
                        text=texts[row],
                    )
                )
    return Evidence(tuple(findings), tuple(details))


def _diversity(field: str, mean: float, error: float, n: int, name: str) -> Finding:
    half = Z90 * error
    return Finding(
        id=f"text.variety.semantic.{field}",
        title=f"Semantic diversity: {said(field)}",
        value=1 - mean,
        low=1 - mean - half,
        high=1 - mean + half,
        n=n,
        unit="distance",
        note=f"1 - mean cosine of two people's texts; embedder {name}",
    )
