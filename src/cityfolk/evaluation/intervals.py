"""Intervals of 90%, spelled once."""

from __future__ import annotations

from math import sqrt

Z90 = 1.6448536269514722
"""The 95th percentile of the standard normal: a value and its 90% interval are Z90 standard errors apart."""


def wilson(successes: float, n: float, z: float = Z90) -> tuple[float, float]:
    """Return the Wilson score interval of a share, 90% by default; n must be positive.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    share, square = successes / n, z * z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def matched(gained: int, lost: int, n: int, z: float = Z90) -> tuple[float, float]:
    """Return the interval of a difference of two shares of the same n things, 90% by default; n must be positive.

    `gained` count in the first share alone, `lost` in the second alone. Bonett and Price (2012), "Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data", J. Educ. Behav. Stat. 37: one is
    added to both counts and two to n, so that no change among a few things doesn't pass for certainty.
    """
    first, second = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = z * sqrt((first + second - (first - second) ** 2) / (n + 2))
    return max(-1.0, first - second - half), min(1.0, first - second + half)
