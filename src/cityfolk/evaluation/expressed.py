"""Telling who is low and who is high in a trait by what was written, as the lexicon reads it, against who they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.written import written_columns
from cityfolk.personality.lexicon import INSTRUMENT, rate_many
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

LOW_BELOW, HIGH_ABOVE = 0.20, 0.80
LEAST_AUC = 0.80
_RESAMPLES = 1000
_FEWEST = 5
# The prompt gives each trait in adjectives that are markers too, and these fields speak of the traits themselves.
_ABOUT_TRAITS = frozenset({"personality_description", "reflection_personality", "reflection_core_traits"})


def auc(low_scores: ArrayLike, high_scores: ArrayLike) -> float:
    """Return the chance that a score of the high group exceeds one of the low group; ties count half."""
    low, high = np.asarray(low_scores, dtype=np.float64), np.asarray(high_scores, dtype=np.float64)
    if not low.size or not high.size:
        raise DataError("AUC needs scores in both groups", hint="write more citizens, or widen the groups")
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    up_to = np.searchsorted(ordered, high, side="right")
    return float((below + up_to).mean() / (2.0 * low.size))


def written_text(profiles: pl.DataFrame, columns: Sequence[str] = ()) -> list[str]:
    """Return each profile's written fields as one text, one field a line; by default every column of text.

    The job title is left out: it repeats a fact.
    """
    texts = []
    for row in profiles.select(list(columns) or _columns(profiles)).iter_rows():
        parts = [", ".join(part) if isinstance(part, list) else part for part in row if part]
        texts.append("\n".join(parts))
    return texts


def _columns(profiles: pl.DataFrame) -> list[str]:
    return [name for name in written_columns(profiles) if name != "job_title"]


def expressed_findings(profiles: pl.DataFrame, people: pl.DataFrame, columns: Sequence[str] = ()) -> list[Finding]:
    """Say how well the written text alone tells who is low and who is high in each trait, an engine at a time.

    `profiles` has person_id and columns of text, `people` has person_id and the five percentiles (with overrides, where
    traits were set by hand). For each trait: the AUC of telling those below the 20th percentile from those above the
    80th with a 90% bootstrap interval, the same by the fields that do not describe the personality itself (a model may
    copy there the adjectives that its prompt gives), and Spearman's correlation over everybody. With several engines
    (column `engine`) the engine's name follows the id: `text.expressed.auc.openness@pocket`.
    """
    engines = profiles["engine"].unique().sort().to_list() if "engine" in profiles.columns else []
    if len(engines) < 2:
        return _expressed(profiles, people, columns)
    return [
        replace(finding, id=f"{finding.id}@{engine}", title=f"{finding.title} ({engine})")
        for engine in engines
        for finding in _expressed(profiles.filter(pl.col("engine") == engine), people, columns)
    ]


def _expressed(profiles: pl.DataFrame, people: pl.DataFrame, columns: Sequence[str]) -> list[Finding]:
    joined = profiles.join(people.select("person_id", *TRAITS), on="person_id", how="inner", maintain_order="left")
    written = joined.drop(TRAITS)
    chosen = list(columns) or _columns(written)
    elsewhere = [name for name in chosen if name not in _ABOUT_TRAITS]
    scores = rate_many(written_text(written, chosen))
    others = rate_many(written_text(written, elsewhere)) if elsewhere else None
    findings = []
    for position, trait in enumerate(TRAITS):
        percentile = joined[trait].to_numpy().astype(np.float64)
        title = f"Telling low from high {trait} by the text alone (AUC)"
        auc_name = f"text.expressed.auc.{trait}"
        findings.append(_auc_finding(auc_name, title, trait, scores[:, position], percentile, LEAST_AUC))
        if others is not None:
            title = f"Telling low from high {trait} by the text without the description of personality (AUC)"
            auc_name = f"text.expressed.auc_elsewhere.{trait}"
            findings.append(_auc_finding(auc_name, title, trait, others[:, position], percentile))
        findings.append(_rank_finding(trait, scores[:, position], percentile))
    return findings


def _auc_finding(
    name: str,
    title: str,
    trait: str,
    score: NDArray[np.float64],
    percentile: NDArray[np.float64],
    at_least: float | None = None,
) -> Finding:
    low, high = score[percentile < LOW_BELOW], score[percentile > HIGH_ABOVE]
    note = f"{INSTRUMENT}; {len(low)} below the 20th percentile, {len(high)} above the 80th; 90% bootstrap interval"
    if min(len(low), len(high)) < _FEWEST:
        return Finding(id=name, title=title, value=None, n=len(low) + len(high), note=f"{note}; too few to tell")
    stream = rng.child(0, "evaluation", "expressed", trait)
    drawn = [
        auc(low[stream.integers(len(low), size=len(low))], high[stream.integers(len(high), size=len(high))])
        for _ in range(_RESAMPLES)
    ]
    value = auc(low, high)
    return Finding(
        id=name,
        title=title,
        value=value,
        low=float(np.quantile(drawn, 0.05)),
        high=float(np.quantile(drawn, 0.95)),
        n=len(low) + len(high),
        unit="AUC",
        expected=at_least,
        verdict="none" if at_least is None else "inside" if value >= at_least else "outside",
        note=note if at_least is None else f"{note}; expected is the least that is asked for",
    )


def _rank_finding(trait: str, score: NDArray[np.float64], percentile: NDArray[np.float64]) -> Finding:
    name, title = f"text.expressed.spearman.{trait}", f"Expressed and drawn {trait}, rank correlation"
    note = f"{INSTRUMENT}; 90% interval by Fisher's z"
    if len(score) < 2 * _FEWEST or np.ptp(score) == 0 or np.ptp(percentile) == 0:
        return Finding(id=name, title=title, value=None, n=len(score), note=f"{note}; too few or all alike")
    value = float(np.corrcoef(_ranks(score), _ranks(percentile))[0, 1])
    # 1.06 for ranks in place of 1 (Fieller, Hartley and Pearson 1957).
    half = Z90 * np.sqrt(1.06 / (len(score) - 3))
    z = np.arctanh(np.clip(value, -0.999999, 0.999999))
    low, high = float(np.tanh(z - half)), float(np.tanh(z + half))
    return Finding(id=name, title=title, value=value, low=low, high=high, n=len(score), unit="rho", note=note)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return pl.Series(values).rank("average").to_numpy()
