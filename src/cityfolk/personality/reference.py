"""The one reference for everybody: adults on IPIP-NEO-120.

Eight norm groups (four ages by two sexes), each trait normal within its group and bounded by the scale's ends, mixed in
proportion to the adults of the United States whom a group stands for (Census Bureau, 1 July 2019). A percentile is a
place in that mixture, so a difference between age groups or sexes stays a difference in percentiles.

Within a group the distribution is a normal one cut off at POMP 0 and 1 whose location and scale are solved so that,
after the cut, mean and standard deviation are the published ones: nobody scores outside the questionnaire and nothing
piles up at its ends. All functions take a trait's name and numbers or arrays, and work element by element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cityfolk.errors import DataError
from cityfolk.personality.norms import norm_groups
from cityfolk.types import PERCENTILE_CEILING, PERCENTILE_FLOOR
from cityfolk.vocabulary import TRAITS

FloatArray = NDArray[np.float64]
Groups = NDArray[np.intp] | int
_GRID = 16_385
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class CutNormals:
    """Normal distributions cut off at 0 and 1; arrays of shape (8 groups, 5 traits)."""

    location: FloatArray
    scale: FloatArray
    below: FloatArray
    inside: FloatArray

    def cdf(self, x: ArrayLike, group: Groups, trait: int) -> FloatArray:
        """Return the share of a group at or below POMP x."""
        z = (np.clip(x, 0.0, 1.0) - self.location[group, trait]) / self.scale[group, trait]
        return np.asarray((ndtr(z) - self.below[group, trait]) / self.inside[group, trait])

    def quantile(self, u: ArrayLike, group: Groups, trait: int) -> FloatArray:
        """Return the POMP below which the share u of a group lies."""
        z = ndtri(self.below[group, trait] + np.asarray(u) * self.inside[group, trait])
        return np.asarray(np.clip(self.location[group, trait] + self.scale[group, trait] * z, 0.0, 1.0))


def _moments(location: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and SD of a normal cut off at 0 and 1 (Johnson, Kotz, Balakrishnan 1994, section 10.1)."""
    low, high = -location / scale, (1.0 - location) / scale
    density_low, density_high = (np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) for z in (low, high))
    inside = ndtr(high) - ndtr(low)
    shift = (density_low - density_high) / inside
    variance = 1.0 + (low * density_low - high * density_high) / inside - shift**2
    return location + scale * shift, scale * np.sqrt(variance)


@cache
def group_distributions() -> CutNormals:
    """Return the cut normals that have the published mean and SD of each group and trait."""
    mean = np.array([group.mean for group in norm_groups()])
    sd = np.array([group.sd for group in norm_groups()])
    location, scale = mean.copy(), sd.copy()
    for _ in range(500):
        got_mean, got_sd = _moments(location, scale)
        location, scale = location + (mean - got_mean), scale * (sd / got_sd)
        if max(np.abs(got_mean - mean).max(), np.abs(got_sd - sd).max()) < _TOLERANCE:
            break
    below = ndtr(-location / scale)
    return CutNormals(location, scale, below, ndtr((1.0 - location) / scale) - below)


@cache
def reference_weights() -> FloatArray:
    """Return the share of each norm group among adults, in the order of `norm_groups()`; they sum to 1."""
    adults = np.array([group.adults for group in norm_groups()], dtype=np.float64)
    return np.asarray(adults / adults.sum())


@cache
def _table(trait: int) -> tuple[FloatArray, FloatArray]:
    """Return a fine grid of POMP and the reference's percentile at each point."""
    grid = np.linspace(0.0, 1.0, _GRID)
    shares = group_distributions()
    percentile = sum(weight * shares.cdf(grid, group, trait) for group, weight in enumerate(reference_weights()))
    return grid, np.asarray(percentile)


def percentile_from_pomp(trait: str, pomp: ArrayLike) -> FloatArray:
    """Return percentiles among adults, .001 to .999, of raw IPIP-NEO-120 scores (POMP, 0 to 1)."""
    scores = _within(pomp, "a POMP score")
    grid, percentile = _table(_position(trait))
    return np.clip(np.interp(scores, grid, percentile), PERCENTILE_FLOOR, PERCENTILE_CEILING)


def pomp_from_percentile(trait: str, percentile: ArrayLike) -> FloatArray:
    """Return the raw IPIP-NEO-120 scores (POMP, 0 to 1) at percentiles among adults."""
    grid, table = _table(_position(trait))
    return np.interp(_within(percentile, "a percentile"), table, grid)


def z_from_percentile(percentile: ArrayLike) -> FloatArray:
    """Return z-scores in the reference: the standard normal value at a percentile, clipped to .001 and .999 first."""
    inside = np.clip(_within(percentile, "a percentile"), PERCENTILE_FLOOR, PERCENTILE_CEILING)
    return np.asarray(ndtri(inside))


def percentile_from_z(z: ArrayLike) -> FloatArray:
    """Return percentiles among adults, .001 to .999, of z-scores in the reference."""
    return np.asarray(np.clip(ndtr(np.asarray(z, dtype=np.float64)), PERCENTILE_FLOOR, PERCENTILE_CEILING))


def _position(trait: str) -> int:
    if trait not in TRAITS:
        raise DataError(f"{trait!r} is not a trait", hint=f"one of {', '.join(TRAITS)}")
    return TRAITS.index(trait)


def _within(values: ArrayLike, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.all((array >= 0.0) & (array <= 1.0)):
        raise DataError(f"{what} lies between 0 and 1", hint="divide a 0-to-100 score by 100")
    return array
