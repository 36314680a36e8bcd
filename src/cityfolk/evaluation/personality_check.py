"""Is the city's personality what the norms say: means, spreads, correlations, and the effects of age and sex.

All from the stored percentiles, converted back to raw IPIP-NEO-120 scores (POMP, 0 to 1). People whose age the norms do
not cover are left out. A value counts as inside when a mean is within .02 POMP, an SD ratio between
.95 and 1.05, a residual correlation within .03, each or within 4 standard errors, whichever is wider.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.intervals import Z90
from cityfolk.personality.norms import INSTRUMENT, group_index, norm_groups, residual_correlations
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.types import Finding, Verdict
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
MEAN_WITHIN, SD_WITHIN, CORRELATION_WITHIN = 0.02, 0.05, 0.03
_STANDARD_ERRORS = 4.0
_BANDS = 4


def personality_findings(people: pl.DataFrame) -> list[Finding]:
    """Compare people.parquet (age, sex, five percentiles, norms) with the norms; n is 40 + 40 + 10 + 5 + 5 + 1."""
    missing = [name for name in ("age", "sex", "norms", *TRAITS) if name not in people.columns]
    if missing:
        raise DataError(
            f"people has no {', '.join(missing)}", hint="give it people.parquet as `cityfolk people` writes it"
        )
    covered = people.filter(pl.col("norms") == INSTRUMENT)
    raw = np.column_stack(
        [pomp_from_percentile(trait, covered[trait].to_numpy().astype(np.float64)) for trait in TRAITS]
    )
    group = group_index(covered["age"].to_numpy(), covered["sex"].cast(pl.String).to_numpy())
    return [
        _extrapolated(people.height, covered.height),
        *_means_and_spreads(raw, group),
        *_correlations(raw, group),
        *_effects(raw, group),
    ]


def _verdict(value: float, expected: float, within: float, error: float) -> Verdict:
    return "inside" if abs(value - expected) <= max(within, _STANDARD_ERRORS * error) else "outside"


def _extrapolated(everybody: int, covered: int) -> Finding:
    share = (everybody - covered) / everybody if everybody else None
    return Finding(
        id="people.personality.extrapolated",
        title="People whose age the personality norms do not cover",
        value=share,
        n=everybody,
        unit="share",
        note=f"drawn from the nearest norm group of {INSTRUMENT}, marked, and left out of every other check",
    )


def _means_and_spreads(raw: FloatArray, group: NDArray[np.intp]) -> list[Finding]:
    findings = []
    for number, norm in enumerate(norm_groups()):
        scores = raw[group == number]
        n = len(scores)
        for position, trait in enumerate(TRAITS):
            name = f"{trait}.{norm.name}"
            if n < 2:
                findings.append(_too_few(f"people.personality.mean.{name}", f"Mean {trait}, {norm.name}", n))
                findings.append(_too_few(f"people.personality.sd.{name}", f"Spread of {trait}, {norm.name}", n))
                continue
            mean, sd = float(scores[:, position].mean()), float(scores[:, position].std(ddof=1))
            error, expected = sd / np.sqrt(n), norm.mean[position]
            findings.append(
                Finding(
                    id=f"people.personality.mean.{name}",
                    title=f"Mean {trait}, {norm.name}",
                    value=mean,
                    low=mean - Z90 * error,
                    high=mean + Z90 * error,
                    n=n,
                    unit="POMP",
                    expected=expected,
                    verdict=_verdict(mean, expected, MEAN_WITHIN, norm.sd[position] / np.sqrt(n)),
                    note=f"{INSTRUMENT}; within .02 or 4 standard errors",
                )
            )
            ratio, error = sd / norm.sd[position], 1.0 / np.sqrt(2.0 * (n - 1))
            findings.append(
                Finding(
                    id=f"people.personality.sd.{name}",
                    title=f"Spread of {trait} against the norms, {norm.name}",
                    value=ratio,
                    low=ratio * (1.0 - Z90 * error),
                    high=ratio * (1.0 + Z90 * error),
                    n=n,
                    unit="ratio of SDs",
                    expected=1.0,
                    verdict=_verdict(ratio, 1.0, SD_WITHIN, error),
                    note=f"{INSTRUMENT}, SD {norm.sd[position]:.3f}; within .95 to 1.05 or 4 standard errors",
                )
            )
    return findings


def _too_few(name: str, title: str, n: int) -> Finding:
    return Finding(id=name, title=title, value=None, n=n, note="too few people of this age and sex")


def _correlations(raw: FloatArray, group: NDArray[np.intp]) -> list[Finding]:
    """Compare the correlations given age group and sex with the published residual correlations."""
    residual = raw.copy()
    for number in np.unique(group):
        residual[group == number] -= residual[group == number].mean(axis=0)
    n = len(residual)
    expected = residual_correlations()
    findings = []
    for one, other in combinations(range(len(TRAITS)), 2):
        name, title = f"{TRAITS[one]}.{TRAITS[other]}", f"Correlation of {TRAITS[one]} and {TRAITS[other]}"
        if n < 2 * len(norm_groups()):
            findings.append(_too_few(f"people.personality.correlation.{name}", title, n))
            continue
        value = float(np.corrcoef(residual[:, one], residual[:, other])[0, 1])
        known = float(expected[one, other])
        half = Z90 / np.sqrt(n - 3)
        findings.append(
            Finding(
                id=f"people.personality.correlation.{name}",
                title=f"{title}, given age and sex",
                value=value,
                low=float(np.tanh(np.arctanh(value) - half)),
                high=float(np.tanh(np.arctanh(value) + half)),
                n=n,
                unit="r",
                expected=known,
                verdict=_verdict(value, known, CORRELATION_WITHIN, (1.0 - known**2) / np.sqrt(n - 1)),
                note="expected: IPIP-NEO-300 given age, sex and country, n = 245,850; within .03 or 4 standard errors",
            )
        )
    return findings


def _effects(raw: FloatArray, group: NDArray[np.intp]) -> list[Finding]:
    """Compare women minus men, and over 60 minus 21 to 40, with the same contrasts of the norms."""
    count = np.bincount(group, minlength=2 * _BANDS).astype(np.float64)
    band_share = count.reshape(2, _BANDS).sum(axis=0)
    by_sex = np.concatenate([-band_share, band_share]) / max(band_share.sum(), 1.0)
    by_age = np.zeros(2 * _BANDS)
    by_age[[3, 7]], by_age[[1, 5]] = 0.5, -0.5
    contrasts = (
        ("sex", "Women minus men", by_sex, "over the city's ages, averaged within norm groups"),
        ("age", "Over 60 minus 21 to 40", by_age, "both sexes weighing the same"),
    )
    findings = []
    for key, title, weights, how in contrasts:
        for position, trait in enumerate(TRAITS):
            name = f"people.personality.{key}.{trait}"
            if np.any(count[weights != 0] < 2):
                findings.append(_too_few(name, f"{title}, {trait}", int(count.sum())))
                continue
            means = np.array([raw[group == g, position].mean() if count[g] else 0.0 for g in range(2 * _BANDS)])
            spread = np.array([norm.sd[position] for norm in norm_groups()])
            value = float(weights @ means)
            expected = float(weights @ np.array([norm.mean[position] for norm in norm_groups()]))
            error = float(np.sqrt(np.sum(weights**2 * spread**2 / np.maximum(count, 1.0))))
            findings.append(
                Finding(
                    id=name,
                    title=f"{title}, {trait}",
                    value=value,
                    low=value - Z90 * error,
                    high=value + Z90 * error,
                    n=int(count[weights != 0].sum()),
                    unit="POMP",
                    expected=expected,
                    verdict=_verdict(value, expected, MEAN_WITHIN, error),
                    note=f"{INSTRUMENT}, {how}; within .02 or 4 standard errors",
                )
            )
    return findings
