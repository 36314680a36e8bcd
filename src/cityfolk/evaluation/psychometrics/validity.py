"""Whether answers follow what was asked for and nothing else: gain and bleed, convergence, agreeing, order.

n respondents are independent; intervals are at 90% unless told otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.judges.agreement import Moments, interval, moments
from cityfolk.evaluation.psychometrics.reliability import NOTHING, RESAMPLES
from cityfolk.evaluation.psychometrics.scoring import keys, trait_positions
from cityfolk.evaluation.statistics import LEVEL, Estimate, mean_interval

Floats = NDArray[np.float64]
MIDDLE = 3.0
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Gain:
    """Measured on all requests at once: `matrix[i][j]` is how far measured j moves with one unit of requested i."""

    matrix: tuple[tuple[Estimate, ...], ...]
    intercept: tuple[Estimate, ...]
    n: int


def gain(requested: ArrayLike, measured: ArrayLike, level: float = LEVEL) -> Gain:
    """Return the linear model of measured (n, m) on requested (n, p): effects (p, m) and intercepts (m,).

    Intervals are Student's t on n - p - 1 degrees with errors that may differ in size among respondents (HC3: MacKinnon
    & White 1985, Journal of Econometrics 29). DataError where requests do not tell the effects apart.
    """
    from scipy.stats import t

    x, y = np.asarray(requested, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    known = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    x, y = x[known], y[known]
    n, p = x.shape
    design = np.column_stack([np.ones(n), x])
    if n < p + 3 or np.linalg.matrix_rank(design) < p + 1:
        raise DataError(
            f"{n} respondents do not tell the effects of {p} requests apart",
            hint="ask under more vectors that differ in every trait, such as sobol:32",
        )
    inverse = np.linalg.inv(design.T @ design)
    effects = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residual = (y - design @ effects) / np.maximum(1 - leverage, 1e-9)[:, None]
    bread = inverse @ design.T
    errors = np.sqrt(((bread[:, :, None] * residual[None]) ** 2).sum(axis=1))
    half = float(t.ppf((1 + level) / 2, n - p - 1)) * errors
    made = [_around(row, width) for row, width in zip(effects, half, strict=True)]
    return Gain(matrix=tuple(made[1:]), intercept=made[0], n=n)


def _around(values: Floats, halves: Floats) -> tuple[Estimate, ...]:
    return tuple(Estimate(float(v), float(v - h), float(v + h)) for v, h in zip(values, halves, strict=True))


def bleed(found: Gain) -> float:
    """Return the mean size of effects on other traits over the mean size of effects on the trait requested."""
    sizes = np.array([[abs(cell.value) for cell in row] for row in found.matrix])
    own = float(np.diagonal(sizes).mean())
    others = float(sizes[~np.eye(len(sizes), dtype=bool)].mean())
    return others / own if own > _FLAT else float("nan")


# ------------------------------------------------------------------------------------- several ways of asking the same


@dataclass(frozen=True, slots=True)
class Agreement:
    """Traits by methods (Campbell & Fiske 1959): each trait's convergence, and by how much it exceeds the rest.

    `convergent[t]` is the mean correlation of a trait with itself between methods, `discriminant[t]` that minus the
    mean size of its correlations with other traits between methods.
    """

    convergent: tuple[Estimate, ...]
    discriminant: tuple[Estimate, ...]
    n: int


def multitrait(scores: ArrayLike, stream: Generator, resamples: int = RESAMPLES, level: float = LEVEL) -> Agreement:
    """Return convergence and discrimination of m methods, scores (m, n, t), with intervals over respondents.

    Campbell & Fiske (1959), Psychological Bulletin 56(2); the difference is that of Serapio-Garcia et al. (2025),
    Nature Machine Intelligence. NaN for a trait that is the same for everybody under some method.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 3 or len(table) < 2:
        raise DataError("two or more methods are needed", hint="give an array of methods by respondents by traits")
    table = table[:, np.isfinite(table).all(axis=(0, 2))]
    m, n, count = table.shape
    if n < 5:
        return Agreement((NOTHING,) * count, (NOTHING,) * count, n)
    drawn = moments(table.transpose(1, 0, 2).reshape(n, m * count), np.arange(n), stream, resamples)
    pairs = list(combinations(range(m), 2))
    convergent, discriminant = [], []
    for trait in range(count):
        own = _mean(drawn, [(a * count + trait, b * count + trait) for a, b in pairs])
        others = [
            (a * count + i, b * count + j) for a, b in pairs for i in range(count) for j in range(count) if i != j
        ]
        crossed = _mean(drawn, [(i, j) for i, j in others if trait in (i % count, j % count)], size=True)
        convergent.append(interval(own, level))
        discriminant.append(interval(own - crossed, level))
    return Agreement(tuple(convergent), tuple(discriminant), n)


def _mean(drawn: Moments, cells: list[tuple[int, int]], *, size: bool = False) -> Floats:
    found = np.stack([drawn.correlation(i, j) for i, j in cells])
    return np.asarray((np.abs(found) if size else found).mean(axis=0))


# -------------------------------------------------------------------------------------------------- habits of answering


def agreeing(answers: ArrayLike, instrument: str) -> Floats:
    """Return each respondent's leaning to agree, (n,): mean agreement where both directions weigh alike, less 3.

    Of each trait half positively and half negatively keyed items, so that no level of a trait shows in it; NaN where
    one of these has no answer. The balanced mean of Soto, John, Gosling & Potter (2008), Journal of Personality and
    Social Psychology 94(4).
    """
    table = np.asarray(answers, dtype=np.float64)
    halves = []
    for places in trait_positions(instrument):
        for sign in (1.0, -1.0):
            part = table[:, places[keys(instrument)[places] == sign]]
            given = np.isfinite(part).sum(axis=1)
            halves.append(np.where(given > 0, np.nansum(part, axis=1) / np.maximum(given, 1), np.nan))
    return np.asarray(np.mean(halves, axis=0) - MIDDLE)


def acquiescence(answers: ArrayLike, instrument: str, level: float = LEVEL) -> Estimate:
    """Return the mean leaning to agree of respondents (n, items), in points of the 1-to-5 scale; 0 is none."""
    leaning = agreeing(answers, instrument)
    leaning = leaning[np.isfinite(leaning)]
    return mean_interval(leaning, level) if len(leaning) > 1 else NOTHING


def keying(answers: ArrayLike, requested: ArrayLike, instrument: str, level: float = LEVEL) -> tuple[Estimate, ...]:
    """Return for each trait how far negatively keyed items follow the request as positively keyed ones do.

    The slope of the negative half (turned round) on requested z (n, 5) over that of the positive half: 1 heeds a
    negation, 0 does not follow it, -1 answers as if it were not there. The interval is by the delta method from errors
    as in `gain`. NaN where the positive half may not follow at all, which leaves nothing to compare with.
    """
    table, z = np.asarray(answers, dtype=np.float64), np.asarray(requested, dtype=np.float64)
    made = []
    for position, places in enumerate(trait_positions(instrument)):
        signs = keys(instrument)[places]
        positive = table[:, places[signs > 0]].mean(axis=1)
        negative = MIDDLE * 2 - table[:, places[signs < 0]].mean(axis=1)
        made.append(_ratio(z[:, [position]], positive, negative, level))
    return tuple(made)


def _ratio(x: Floats, positive: Floats, negative: Floats, level: float) -> Estimate:
    """Return the slope of one outcome on x (n, 1) over that of another."""
    try:
        below, above = gain(x, np.column_stack([positive, negative]), level).matrix[0]
        if not abs(below.value) > below.high - below.low + 1e-6:
            return NOTHING
        ratio = above.value / below.value
        rest = gain(x, (negative - ratio * positive)[:, None], level).matrix[0][0]
    except DataError:
        return NOTHING
    half = (rest.high - rest.low) / 2 / abs(below.value)
    return Estimate(ratio, ratio - half, ratio + half)


@dataclass(frozen=True, slots=True)
class Shift:
    """What another way of asking does: by how much agreement rises, and how large a change is whatever its sign."""

    change: Estimate
    size: Estimate


def shift(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Shift:
    """Return second minus first of answers (n, items), in points of the 1-to-5 scale, over respondents."""
    gaps = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    made = []
    for values in (gaps, np.abs(gaps)):
        known = np.isfinite(values).any(axis=1)
        means = np.array([row[np.isfinite(row)].mean() for row in values[known]])
        made.append(mean_interval(means, level) if len(means) > 1 else NOTHING)
    return Shift(*made)


def spearman(x: ArrayLike, y: ArrayLike, level: float = LEVEL) -> Estimate:
    """Return Spearman's rank correlation with an interval by Fisher's z; NaN where one is constant.

    The variance of z is (1 + r^2 / 2) / (n - 3): Bonett & Wright (2000), Psychometrika 65.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    pairs = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 5 or (np.ptp(pairs, axis=0) <= _FLAT).any():
        return NOTHING
    r = float(np.corrcoef(rankdata(pairs[:, 0]), rankdata(pairs[:, 1]))[0, 1])
    z = float(np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)))
    half = float(ndtri((1 + level) / 2)) * np.sqrt((1 + r**2 / 2) / (len(pairs) - 3))
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Frobenius norm of the difference of two correlation matrices."""
    return float(np.linalg.norm(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)))
