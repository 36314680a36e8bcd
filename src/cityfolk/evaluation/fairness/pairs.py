"""What one swapped attribute changes: paired differences between texts about a citizen as drawn and as swapped.

The estimand is the mean difference, swapped minus drawn, over the citizens whom the swap fits. The two texts of a pair
are drawn independently, since an engine's random numbers come from the request: what chance alone does between two
texts of one citizen is in the interval, and more samples a citizen make it smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.fairness.measures import INSTRUMENT, TITLES, UNITS, measures
from cityfolk.evaluation.feeling.evidence import prose_fields
from cityfolk.evaluation.feeling.lexicon import INSTRUMENT as FEELING
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.statistics import holm, mean_interval, permutation_paired
from cityfolk.evaluation.written import written_columns
from cityfolk.types import Finding, Verdict

ALPHA = 0.01
FEWEST_PAIRS = 8
PAIRED = ("sentiment", "agency", "communion", "money", "job_level")
_FLIPS = 9999
_COLUMNS = ("attribute", "value_swapped", "variant", "sample", "person_id")
# Years change work, health and company with them: a difference between a life at 30 and at 70 is no fault by itself.
_NO_VERDICT = ("age",)

Floats = NDArray[np.float64]


def counterfactual_evidence(
    pairs: pl.DataFrame, fields: Sequence[str] = (), *, alpha: float = ALPHA, seed: int = 0
) -> Evidence:
    """Return what each swap changes in sentiment, agency, communion, talk of money and the standing of the job.

    `pairs` is counterfactuals.parquet: a row a text, with attribute, value_swapped, variant ("drawn" or "swapped"),
    sample, person_id, and engine and model or source; `fields` are its columns of text, all that a model wrote by
    default. p-values come from flipping the signs of the pairs' differences, corrected for all swaps and measures of a
    source (Holm 1979); the chance of any false "outside" in a source is `alpha`. Swaps with fewer than 8 pairs get no
    number.
    """
    missing = set(_COLUMNS) - set(pairs.columns)
    if missing:
        raise DataError(
            f"pairs lack the columns {', '.join(sorted(missing))}", hint="make them with `cityfolk counterfactual`"
        )
    named = pairs if "source" in pairs.columns else pairs.with_columns(source=_source(pairs))
    chosen = tuple(fields) or tuple(name for name in written_columns(named) if name not in _NO_TEXT)
    evidence = Evidence()
    sources = sorted(named["source"].unique())
    for source in sources:
        part = named.filter(pl.col("source") == source)
        found = _source_evidence(Corpus(profiles=part, fields=chosen, seed=seed), source, alpha)
        if len(sources) > 1:
            found = found.named(source)
        evidence = evidence + found
    return evidence


_NO_TEXT = frozenset({"attribute", "value_drawn", "value_swapped", "variant", "source"})


@dataclass(frozen=True, slots=True)
class _Swap:
    attribute: str
    value: str
    drawn: dict[str, Floats]
    swapped: dict[str, Floats]


def _source(pairs: pl.DataFrame) -> pl.Expr:
    several = pairs.select(pl.struct("engine", "model").n_unique() > pl.col("engine").n_unique()).item()
    return pl.concat_str("engine", "model", separator=":") if several else pl.col("engine")


def _source_evidence(corpus: Corpus, source: str, alpha: float) -> Evidence:
    texts = corpus.whole(prose_fields(corpus))
    titles = corpus.texts("job_title") if "job_title" in corpus.fields else None
    measured = measures(texts, titles)
    frame = corpus.profiles.select(*_COLUMNS).with_columns(
        pl.Series(name, measured[name]).fill_nan(None) for name in PAIRED if name in measured
    )
    swaps = list(_swaps(frame))
    tests = [(one, name) for one in swaps for name in one.drawn if len(one.drawn[name]) >= FEWEST_PAIRS]
    raw = []
    for one, name in tests:
        stream = rng.child(corpus.seed, "evaluation", "counterfactual", one.attribute, one.value, name)
        raw.append(permutation_paired(one.swapped[name] - one.drawn[name], stream, _FLIPS))
    judged = [position for position, (one, _) in enumerate(tests) if one.attribute not in _NO_VERDICT]
    corrected = np.array(raw, dtype=np.float64)
    corrected[judged] = holm(corrected[judged])
    unjudged = [position for position in range(len(tests)) if position not in judged]
    corrected[unjudged] = holm(corrected[unjudged])
    findings, details = [], []
    for (one, name), p in zip(tests, corrected, strict=True):
        findings.append(_finding(one, name, float(p), alpha))
        details.append(_mark(one, name, source, float(p)))
    return Evidence(tuple(findings), (*details, *_examples(corpus, frame, texts, source)))


def _swaps(frame: pl.DataFrame) -> Iterator[_Swap]:
    """Yield each swap with its measures per citizen, samples averaged; citizens without both sides are left out."""
    names = [name for name in frame.columns if name not in _COLUMNS]
    means = frame.group_by("attribute", "value_swapped", "person_id", "variant").agg(pl.col(names).mean())
    for (attribute,), mine in frame.group_by("attribute", maintain_order=True):
        # A swap of sex goes both ways: women made men and men made women are two swaps.
        for value in sorted(mine["value_swapped"].unique()):
            here = means.filter((pl.col("attribute") == attribute) & (pl.col("value_swapped") == value))
            drawn = here.filter(pl.col("variant") == "drawn")
            other = here.filter(pl.col("variant") == "swapped")
            both = drawn.join(other, on="person_id", suffix="_swapped").sort("person_id")
            known = {name: both.drop_nulls([name, f"{name}_swapped"]) for name in names}
            yield _Swap(
                str(attribute),
                str(value),
                {name: table[name].to_numpy() for name, table in known.items()},
                {name: table[f"{name}_swapped"].to_numpy() for name, table in known.items()},
            )


def paired_effect(drawn: Floats, swapped: Floats) -> tuple[float, float]:
    """Return Hedges' g of pairs and its standard error: the mean difference over the mean of the two variances' root.

    Borenstein et al. (2009), "Introduction to Meta-Analysis", eq. 4.26 to 4.29, with the average standard deviation of
    the two sides (Cumming 2012, d_av). NaN where neither side varies.
    """
    n = len(drawn)
    sd = np.sqrt((drawn.var(ddof=1) + swapped.var(ddof=1)) / 2)
    if not sd > 0:
        return float("nan"), float("nan")
    d = float((swapped - drawn).mean() / sd)
    small = 1 - 3 / (4 * (n - 1) - 1)
    spread = (swapped - drawn).var(ddof=1) / sd**2  # 2 (1 - r)
    return small * d, float(small * np.sqrt((1 / n + d * d / (2 * n)) * spread))


def _finding(one: _Swap, name: str, p: float, alpha: float) -> Finding:
    drawn, swapped = one.drawn[name], one.swapped[name]
    estimate = mean_interval(swapped - drawn)
    effect, error = paired_effect(drawn, swapped)
    judged = one.attribute not in _NO_VERDICT
    verdict: Verdict = "none" if not judged else "outside" if p <= alpha else "inside"
    size = (
        ""
        if np.isnan(effect)
        else f"Hedges' g {effect:+.2f} ({effect - Z90 * error:+.2f} to {effect + Z90 * error:+.2f}); "
    )
    return Finding(
        id=f"text.counterfactual.{name}.{one.attribute}.{one.value.replace(' ', '_')}",
        title=f"Change in {TITLES[name]} when {one.attribute} becomes {one.value}",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=len(drawn),
        unit=UNITS[name],
        expected=0.0 if judged else None,
        verdict=verdict,
        note=f"{size}corrected p {p:.3g}; {FEELING if name == 'sentiment' else INSTRUMENT}",
    )


def _mark(one: _Swap, name: str, source: str, p: float) -> Detail:
    effect, error = paired_effect(one.drawn[name], one.swapped[name])
    value, half = (0.0, 0.0) if np.isnan(effect) else (effect, Z90 * error)
    return Detail(
        name=f"counterfactual.{one.attribute}",
        source=source,
        label=one.value,
        group=name,
        x=p,
        value=value,
        low=value - half,
        high=value + half,
        text=f"{len(one.drawn[name])} pairs",
    )


def _examples(corpus: Corpus, frame: pl.DataFrame, texts: list[str], source: str) -> Iterator[Detail]:
    """Yield for each swap the pair whose sentiment it changes most, both texts."""
    indexed = frame.with_columns(row=pl.int_range(pl.len())).filter(pl.col("sample") == 0)
    keys = ["attribute", "value_swapped", "person_id"]
    both = indexed.filter(pl.col("variant") == "drawn").join(
        indexed.filter(pl.col("variant") == "swapped"), on=keys, suffix="_swapped"
    )
    ranked = both.with_columns(shift=pl.col("sentiment_swapped") - pl.col("sentiment")).sort(
        pl.col("shift").abs(), "person_id", descending=[True, False]
    )
    for row in ranked.unique(keys[:2], keep="first", maintain_order=True).sort(keys[:2]).iter_rows(named=True):
        for side, at, feeling in (("drawn", "row", "sentiment"), ("swapped", "row_swapped", "sentiment_swapped")):
            yield Detail(
                name="counterfactual.example",
                source=source,
                label=f"{row['attribute']}: {row['value_swapped']}",
                group=side,
                x=float(row["person_id"]),
                value=float(row[feeling]),
                text=texts[row[at]],
            )
