"""What is worked out of an arm, each as an array over the draws: its own value first, then that of every draw.

z is the unit unless something else is said; percentiles are 0 to 1. `voice` is how the model answers unasked.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from cityfolk.evaluation.control.draws import Draws, Floats, Whole, error_of
from cityfolk.evaluation.control.trials import Arm
from cityfolk.personality.nearness import mahalanobis, original_similarity

INNER = 0.8416212335729143
"""The z of the 80th percentile: requests beyond it, either way, are at the ends of the scale."""
FEWEST_TARGETS = 7
"""Five effects and an intercept at once need more vectors than they are."""
ENDS = ("inner", "low", "high", "outer", "kept")
_FEWEST_VALUES = 5
_OTHERS = ~np.eye(5, dtype=bool)


def line(arm: Arm, trait: int, draws: Draws) -> tuple[Floats, Floats]:
    """Return (intercept, slope) of the reading of a trait on the request for it."""
    own = arm.read(trait)
    found = draws.effects(own.x[:, [trait]], own.y[:, trait], own.cluster)
    return found[:, 0], found[:, 1]


def matrix(arm: Arm, draws: Draws) -> Floats:
    """Return the effect of each request on each reading, all five requests at once: (draws, asked, read).

    Its diagonal is the gain (1 is perfect), the rest the bleed (0 is perfect). NaN where the vectors that were asked
    for can't tell the five apart.
    """
    found = np.full((len(draws.weights), 5, 5), np.nan)
    for heard in range(5):
        own = arm.read(heard)
        if len(np.unique(own.target)) >= FEWEST_TARGETS:
            found[:, :, heard] = draws.effects(own.x, own.y[:, heard], own.cluster)[:, 1:]
    return found


def gain_of(effects: Floats) -> Floats:
    """Return the mean gain of a matrix."""
    return np.asarray(np.diagonal(effects, axis1=1, axis2=2).mean(axis=1))


def bleed_of(effects: Floats, clusters: int) -> Floats:
    """Return the root mean square of the twenty effects on other traits over the mean gain, freed of noise.

    Squares of noisy effects are too large by the square of their error; that is taken off (twice of a draw, which is
    noise on noise), and what falls below 0 keeps its sign. NaN where nothing is gained.
    """
    others = effects[:, _OTHERS]
    noise = np.mean([error_of(column, clusters) ** 2 for column in others.T])
    square = (others**2).mean(axis=1) - np.where(np.arange(len(others)) == 0, 1, 2) * noise
    return _over(np.sign(square) * np.sqrt(np.abs(square)), gain_of(effects))


def mean_bleed(effects: Floats) -> Floats:
    """Return the mean size of the same twenty effects over the mean gain, noise and all, as others publish it."""
    return _over(np.abs(effects[:, _OTHERS]).mean(axis=1), gain_of(effects))


def chance_bleed(effects: Floats, clusters: int) -> float:
    """Return the mean bleed that noise alone would show: the mean size of twenty effects that are truly 0."""
    errors = np.array([error_of(column, clusters) for column in effects[:, _OTHERS].T])
    gain = float(gain_of(effects)[0])
    return float(np.sqrt(2 / np.pi) * errors.mean() / gain) if gain > 0 else float("nan")


def _over(above: Floats, gain: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gain > 0, above / gain, np.nan)


def target_means(arm: Arm, trait: int, draws: Draws) -> tuple[Floats, Floats]:
    """Return what was asked of a trait at each target, (targets,), and the mean reading there, (draws, targets)."""
    own, count = arm.read(trait), len(arm.names)
    groups = draws.weights.shape[1]
    place = own.cluster * count + own.target
    n = np.bincount(place, minlength=groups * count).reshape(groups, count)
    sums = np.bincount(place, weights=own.y[:, trait], minlength=groups * count).reshape(groups, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (draws.weights @ sums) / (draws.weights @ n)
    asked = np.full(count, np.nan)
    asked[arm.target] = arm.x[:, trait]
    kept = np.isfinite(asked) & (n.sum(axis=0) > 0)
    return asked[kept], np.asarray(means[:, kept])


def spearman(arm: Arm, trait: int, draws: Draws) -> Floats:
    """Return the rank correlation of requests and mean readings over the targets; 0 where all read the same."""
    asked, means = target_means(arm, trait, draws)
    if len(asked) < 3 or np.ptp(asked) == 0:
        return np.full(len(means), np.nan)
    x = np.where(np.isfinite(means), asked, np.nan)
    first, second = (rankdata(values, axis=1, nan_policy="omit") for values in (x, means))
    count = np.maximum(np.isfinite(x).sum(axis=1, keepdims=True), 1)  # of draws without a topic nothing is left
    first, second = (values - np.nansum(values, axis=1, keepdims=True) / count for values in (first, second))
    both = np.sqrt(np.nansum(first**2, axis=1) * np.nansum(second**2, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(both > 0, np.nansum(first * second, axis=1) / both, 0.0)


def off(arm: Arm, trait: int, draws: Draws) -> Floats:
    """Return the mean distance of the read from the requested percentile."""
    own = arm.read(trait)
    return draws.means(np.abs(ndtr(own.y[:, trait]) - own.asked[:, trait]), own.cluster)


def voice_of(voice: Arm | None, draws: Draws) -> Floats:
    """Return the mean reading of answers without a request, (draws, 5); NaN where there are none."""
    found = np.full((len(draws.weights), 5), np.nan)
    if voice is not None:
        for trait in range(5):
            own = voice.read(trait)
            if own.n:
                found[:, trait] = draws.means(own.y[:, trait], own.cluster)
    return found


def reached(arm: Arm, trait: int, start: Floats, draws: Draws) -> Floats:
    """Return 1 - |tuned - target| / |untuned - target|, sums over targets; `start`: the untuned mean, (draws,).

    Tuned is the mean of the answers under a target. 1: every mean is on its target; 0: as far off as unasked answers.
    """
    asked, means = target_means(arm, trait, draws)
    known = np.isfinite(means)
    left = np.nansum(np.abs(means - asked), axis=1)
    whole = np.where(known, np.abs(start[:, None] - asked), 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, 1 - left / whole, np.nan)


def moved(arm: Arm, traits: list[int], start: Floats, draws: Draws) -> Floats:
    """Return the share of the asked-for move that was made, by least squares through the unasked mean, (draws,).

    Unlike `reached` it isn't lowered by noise, nor by going too far: 1 is all of the move, more than 1 too much of it.
    `start` is (draws, 5).
    """
    above, below = np.zeros(len(start)), np.zeros(len(start))
    for trait in traits:
        own = arm.read(trait)
        if not own.n:
            continue
        x, y, u = own.x[:, trait], own.y[:, trait], start[:, trait]
        n, sx, sy, sxx, sxy = draws.sums(np.column_stack([np.ones(own.n), x, y, x * x, x * y]), own.cluster).T
        above += sxy - u * (sx + sy) + n * u * u
        below += sxx - 2 * u * sx + n * u * u
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 1e-12, above / below, np.nan)


def ends(arm: Arm, trait: int, draws: Draws) -> dict[str, Floats]:
    """Return slopes between the 20th and 80th percentile ("inner"), below ("low") and above ("high"), and more.

    "outer" is the mean of the two ends. One broken line goes through all readings, its knots at those two. "kept" is
    outer over inner: 1 is a straight line, 0 a dial that no longer moves at its ends. NaN where too few
    values were asked for.
    """
    own = arm.read(trait)
    x = own.x[:, trait]
    values = np.unique(np.round(x, 9))
    blank = np.full(len(draws.weights), np.nan)
    inside = (np.abs(values) <= INNER + 1e-9).sum()
    if len(values) < _FEWEST_VALUES or inside < 2 or not (values < -INNER).any() or not (values > INNER).any():
        return dict.fromkeys(ENDS, blank)
    design = np.column_stack([x, np.minimum(x + INNER, 0.0), np.maximum(x - INNER, 0.0)])
    found = draws.effects(design, own.y[:, trait], own.cluster)
    inner, low, high = found[:, 1], found[:, 1] + found[:, 2], found[:, 1] + found[:, 3]
    outer = (low + high) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(inner > 0, outer / inner, np.nan)
    return {"inner": inner, "low": low, "high": high, "outer": outer, "kept": kept}


def similarity(arm: Arm, draws: Draws) -> Floats:
    """Return the mean of the original work's similarity exp(-5 d^2) of scores and percentiles asked for."""
    flags = np.asarray(np.isfinite(arm.scores).all(axis=1))
    own = arm if flags.all() else arm.of(flags)
    return draws.means(original_similarity(own.scores, own.asked), own.cluster)


def constant_similarity(arm: Arm, draws: Draws) -> Floats:
    """Return what an answer of .5 on every trait scores by the same, at the same targets."""
    return draws.means(original_similarity(np.full(arm.asked.shape, 0.5), arm.asked), arm.cluster)


def constant_off(arm: Arm, draws: Draws) -> Floats:
    """Return how far an answer of the 50th percentile on every trait is off, the mean over the five."""
    return draws.means(np.abs(arm.asked - 0.5).mean(axis=1), arm.cluster)


def distance(arm: Arm, draws: Draws) -> Floats:
    """Return the mean Mahalanobis distance of readings from requests, of answers in which all five were read."""
    flags = np.asarray(np.isfinite(arm.y).all(axis=1))
    own = arm if flags.all() else arm.of(flags)
    if not own.n:
        return np.full(len(draws.weights), np.nan)
    return draws.means(mahalanobis(own.y, own.x), own.cluster)


def mean_of(parts: list[Floats]) -> Floats:
    """Return the mean over traits of arrays over draws; NaN where one of them is."""
    return np.asarray(np.mean(np.stack(parts), axis=0))


def levels(arm: Arm, trait: int, cuts: Floats) -> Whole:
    """Return the number of the bin of each request: each value its own where there are few, else by the cuts."""
    values, place = np.unique(np.round(arm.x[:, trait], 9), return_inverse=True)
    if len(values) <= len(cuts) + 2:
        return np.asarray(place.ravel(), dtype=np.int64)
    return np.searchsorted(cuts, arm.x[:, trait], side="right").astype(np.int64)
