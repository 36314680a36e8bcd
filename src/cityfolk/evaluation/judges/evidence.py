"""What is found of judges: where they agree, how steady they are, and what they go by instead of personality.

Scores of two judges are compared as z-scores, percentiles through the reference's normal where a judge is calibrated,
else its raw scores standardised over the study's answers; which, every note says. Intervals are at 90% by a bootstrap
over questions, since answers to one question are alike. A judge's name follows "@" in an id, two with "|" between.

- `judges.icc2.TRAIT`, `icc3`, `pearson`, `spearman`: agreement of two judges; `bias` (mean difference in z) only where
  both are calibrated, since standardised scores all have the mean 0.
- `judges.slope.TRAIT`, `intercept`: the line of the known truth (the grammar's) on a calibrated judge; 1 and 0 is
  perfect, a slope below 1 means that the judge exaggerates.
- `judges.retest.TRAIT`: a judge's first and second reading of the same answers.
- `judges.same_score.TRAIT`, `judges.deviation.TRAIT`: a judge that always says the same. Outside where more than 90%
  of answers surely have one score, or where the standard deviation of raw scores is surely below .02.
- `judges.length.TRAIT`: a judge that rates length: the correlation of score and log words, at equal target where there
  are targets; outside where it is surely above .5 either way (length then makes up a quarter of the score) and above
  that of score and target at equal length.
- `judges.unread`: the share of answers in which a judge could read nothing. `judges.same_family`: the share of answers
  written by a model of the judge's family; outside where there is any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.judges.agreement import Floats, Moments, interval, moments
from cityfolk.evaluation.statistics import Estimate, correlation
from cityfolk.evaluation.telling import Teller
from cityfolk.types import Finding, Verdict
from cityfolk.vocabulary import TRAITS

TRUTH = "grammar"
MOST_ALIKE, LEAST_DEVIATION = 0.9, 0.02
MOST_LENGTH = 0.5
FEWEST = 20
_finding = Teller("judges", "answers")
CALIBRATED = "percentile"
"""What `scales` says of a calibrated judge."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One judge's scores of n answers, NaN where it has read nothing."""

    raw: Floats
    z: Floats
    has_row: NDArray[np.bool_]
    same_family: NDArray[np.float64]
    calibrated: bool
    scale: str


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the scores are about: one row an answer."""

    question: NDArray[np.int64]
    log_words: Floats
    target: Floats
    seed: int


def judges_findings(
    answers: pl.DataFrame,
    readings: pl.DataFrame,
    scales: Mapping[str, str],
    retests: pl.DataFrame | None = None,
    *,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """Measure the judges of a study.

    `answers` has answer_id, question_id, words (how many) and the columns target_TRAIT (percentiles, null without a
    target); `readings` has the columns of readings.parquet and z_TRAIT (null where nothing was read); `scales` says of
    each judge what its z-scores are, "percentile" if it is calibrated; `retests` are readings of the same answers by
    the same judge, with `look` 1 and 2.
    """
    ordered = answers.sort("answer_id")
    about = _Answers(
        question=ordered["question_id"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64),
        log_words=np.log(np.maximum(ordered["words"].to_numpy().astype(np.float64), 1.0)),
        target=_z(_matrix(ordered, "target_")),
        seed=seed,
    )
    seen = {
        judge: _seen(ordered, readings.filter(pl.col("judge") == judge), scales.get(judge, "raw scores"))
        for judge in sorted(readings["judge"].unique())
    }
    found: list[Finding] = []
    for judge, one in seen.items():
        found += _whole(judge, one)
        for column, trait in enumerate(TRAITS):
            found += _faults(judge, one, about, column, trait)
    for first, second in combinations(seen, 2):
        for column, trait in enumerate(TRAITS):
            found += _agreement(first, second, seen, about, column, trait)
    if TRUTH in seen:
        for judge, one in seen.items():
            if judge != TRUTH and one.calibrated:
                for column, trait in enumerate(TRAITS):
                    found += _against_truth(judge, one, seen[TRUTH], about, column, trait)
    return (*found, *_retests(retests))


def _matrix(frame: pl.DataFrame, prefix: str) -> Floats:
    columns = [pl.col(f"{prefix}{trait}").cast(pl.Float64).fill_null(np.nan) for trait in TRAITS]
    return np.array(frame.select(columns).to_numpy())


def _z(percentile: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(percentile, 0.001, 0.999)), dtype=np.float64)


def _seen(ordered: pl.DataFrame, own: pl.DataFrame, scale: str) -> _Seen:
    wanted = ["judge", "same_family", *(f"{kind}_{trait}" for kind in ("raw", "z") for trait in TRAITS)]
    joined = ordered.select("answer_id").join(
        own.select("answer_id", *wanted), on="answer_id", how="left", maintain_order="left"
    )
    return _Seen(
        raw=_matrix(joined, "raw_"),
        z=_matrix(joined, "z_"),
        has_row=joined["judge"].is_not_null().to_numpy(),
        same_family=joined["same_family"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        calibrated=scale == CALIBRATED,
        scale=f"by {scale}" if scale == CALIBRATED else scale,
    )


# ------------------------------------------------------------------------------------------------------ one judge


def _whole(judge: str, one: _Seen) -> Iterator[Finding]:
    rows = int(one.has_row.sum())
    if not rows:
        return
    nothing = int((one.has_row & ~np.isfinite(one.raw).any(axis=1)).sum())
    yield _finding(
        f"unread@{judge}",
        f"Answers in which {judge} could read nothing",
        Estimate(nothing / rows, *wilson(nothing, rows)),
        rows,
        "share",
        "90% Wilson interval",
    )
    told = np.isfinite(one.same_family)
    count, known = int((one.same_family == 1.0).sum()), int(told.sum())
    note = "a judge favours the style of its own family"
    if known < rows:
        note += f"; of {rows - known} answers the names of the models do not tell"
    verdict: Verdict = "outside" if count else "inside" if known == rows else "none"
    if judge == TRUTH:
        verdict, note = "none", "the grammar is the embedded model's own and stands for known truth"
    share = count / known if known else float("nan")
    yield _finding(
        f"same_family@{judge}",
        f"Answers by a model of {judge}'s own family",
        Estimate(share, share, share),
        known,
        "share",
        note,
        expected=0.0,
        verdict=verdict,
    )


def _faults(judge: str, one: _Seen, about: _Answers, column: int, trait: str) -> Iterator[Finding]:
    read = np.isfinite(one.raw[:, column])
    n = int(read.sum())
    if n < FEWEST:
        return
    raw = one.raw[read, column]
    _, counts = np.unique(np.round(raw, 3), return_counts=True)
    most = int(counts.max())
    low, high = wilson(most, n)
    yield _finding(
        f"same_score.{trait}@{judge}",
        f"Answers to which {judge} gives its commonest score for {trait}",
        Estimate(most / n, low, high),
        n,
        "share",
        "raw scores to three decimals; 90% Wilson interval; expected: at most",
        expected=MOST_ALIKE,
        verdict="outside" if low > MOST_ALIKE else "inside",
    )
    stream = rng.child(about.seed, "evaluation", "judges", judge, trait)
    target = about.target[read, column]
    targeted = np.isfinite(target)
    spread = interval(moments(raw[:, None], about.question[read], stream).deviation(0))
    yield _finding(
        f"deviation.{trait}@{judge}",
        f"Standard deviation of {judge}'s raw scores for {trait}",
        spread,
        n,
        "raw",
        "over all answers; expected: at least",
        expected=LEAST_DEVIATION,
        verdict="outside" if spread.high < LEAST_DEVIATION else "inside",
    )
    words = about.log_words[read]
    if targeted.sum() >= FEWEST and np.ptp(target[targeted]) > 0:
        columns = np.column_stack([raw, words, target])[targeted]
        found = moments(columns, about.question[read][targeted], stream)
        yield _length(judge, trait, interval(found.partial(0, 1, 2)), found, int(targeted.sum()))
    else:
        found = moments(np.column_stack([raw, words]), about.question[read], stream)
        yield _length(judge, trait, interval(found.correlation(0, 1)), None, n)


def _length(judge: str, trait: str, found: Estimate, with_target: Moments | None, n: int) -> Finding:
    sure = min(abs(found.low), abs(found.high)) if found.low * found.high > 0 else 0.0
    if with_target is None:
        rival, note = 0.0, "log of words; no targets to compare with"
    else:
        rival = float(np.nan_to_num(with_target.partial(0, 2, 1)[0]))
        note = f"log of words, at equal target; with the target at equal length it is {rival:.2f}"
    outside = sure > MOST_LENGTH and abs(found.value) > abs(rival)
    return _finding(
        f"length.{trait}@{judge}",
        f"{judge}'s scores for {trait} and the length of answers",
        found,
        n,
        "r",
        f"{note}; expected: at most, either way",
        expected=MOST_LENGTH,
        verdict="outside" if outside else "inside",
    )


# ----------------------------------------------------------------------------------------------------- two judges


def _agreement(
    first: str, second: str, seen: Mapping[str, _Seen], about: _Answers, column: int, trait: str
) -> Iterator[Finding]:
    a, b = seen[first], seen[second]
    both = np.isfinite(a.z[:, column]) & np.isfinite(b.z[:, column])
    n = int(both.sum())
    if n < FEWEST:
        return
    x, y = a.z[both, column], b.z[both, column]
    stream = rng.child(about.seed, "evaluation", "judges", first, second, trait)
    table = np.column_stack([x, y, _ranks(x), _ranks(y)])
    found = moments(table, about.question[both], stream)
    names = f"{trait}@{first}|{second}"
    between = f"{first} and {second} on {trait}"
    note = f"{first}: z {a.scale}; {second}: z {b.scale}"
    agreement, consistency = (interval(values) for values in found.iccs(0, 1))
    yield _finding(f"icc2.{names}", f"{between}: ICC(2,1), the same score", agreement, n, "ICC", note)
    yield _finding(f"icc3.{names}", f"{between}: ICC(3,1), the same order", consistency, n, "ICC", note)
    r = interval(found.correlation(0, 1))
    opposed = bool(r.high < 0)
    yield _finding(
        f"pearson.{names}",
        f"{between}: correlation",
        r,
        n,
        "r",
        note + ("; they contradict each other" if opposed else ""),
        verdict="outside" if opposed else "none",
    )
    yield _finding(
        f"spearman.{names}", f"{between}: rank correlation", interval(found.correlation(2, 3)), n, "rho", note
    )
    if a.calibrated and b.calibrated:
        difference = interval(found.mean[:, 0] - found.mean[:, 1])
        yield _finding(f"bias.{names}", f"{first} less {second} on {trait}", difference, n, "z", note, expected=0.0)


def _against_truth(judge: str, one: _Seen, truth: _Seen, about: _Answers, column: int, trait: str) -> Iterator[Finding]:
    both = np.isfinite(one.z[:, column]) & np.isfinite(truth.z[:, column])
    n = int(both.sum())
    if n < FEWEST:
        return
    stream = rng.child(about.seed, "evaluation", "judges", "truth", judge, trait)
    found = moments(np.column_stack([truth.z[both, column], one.z[both, column]]), about.question[both], stream)
    note = "known truth on the judge's z-score; a slope below 1: the judge exaggerates"
    yield _finding(
        f"slope.{trait}@{judge}",
        f"Known {trait} against {judge}: slope",
        interval(found.slope(0, 1)),
        n,
        "z",
        note,
        expected=1.0,
    )
    yield _finding(
        f"intercept.{trait}@{judge}",
        f"Known {trait} where {judge} says average",
        interval(found.intercept(0, 1)),
        n,
        "z",
        note,
        expected=0.0,
    )


def _ranks(values: Floats) -> Floats:
    return pl.Series(values).rank("average").to_numpy().astype(np.float64)


# -------------------------------------------------------------------------------------------------- the same judge


def _retests(retests: pl.DataFrame | None) -> Iterator[Finding]:
    if retests is None or not retests.height:
        return
    for judge in sorted(retests["judge"].unique()):
        own = retests.filter(pl.col("judge") == judge)
        columns = ["answer_id", *(f"raw_{trait}" for trait in TRAITS)]
        one, two = (own.filter(pl.col("look") == look).select(columns) for look in (1, 2))
        both = one.join(two, on="answer_id", suffix="_again").sort("answer_id")
        for trait in TRAITS:
            pair = both.select(f"raw_{trait}", f"raw_{trait}_again").drop_nulls().to_numpy()
            found = Estimate(float("nan"), float("nan"), float("nan"))
            if len(pair) >= 4:
                found = correlation(pair[:, 0], pair[:, 1])
            apart = float(np.abs(pair[:, 0] - pair[:, 1]).mean()) if len(pair) else 0.0
            yield _finding(
                f"retest.{trait}@{judge}",
                f"{judge} on {trait}, asked twice: correlation",
                found,
                len(pair),
                "r",
                f"the two readings are {apart:.3f} apart on average (raw); 90% interval by Fisher's z",
            )
