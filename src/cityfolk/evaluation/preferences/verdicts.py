"""Which findings of preference data are tested, and how the tests are held together.

A fact that must hold of every row (no topic in both splits, the chosen answer nearer in every pair) is judged as it
stands. A fact that chance can blur has a p-value of "nothing is wrong"; Holm's (1979) correction over all of them keeps
the chance of any false alarm at `ALPHA`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cityfolk.evaluation.preferences.tables import Floats
from cityfolk.evaluation.statistics import holm
from cityfolk.types import Finding

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Tested:
    """A finding and the p-value of "nothing is wrong", None where it is not tested."""

    finding: Finding
    p: float | None = None


def below(values: Floats, bound: float) -> float | None:
    """Return the p-value of "the truth is at least `bound`"; `values`: the estimate, then its resamples.

    Normal, with the standard deviation of the resamples; None where there is no estimate.
    """
    from scipy.special import ndtr

    rest = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(rest) < 2:
        return None
    error = float(rest.std(ddof=1))
    if error <= 0:
        return 1.0 if values[0] >= bound else 0.0
    return float(ndtr((values[0] - bound) / error))


def above(values: Floats, bound: float) -> float | None:
    """Return the p-value of "the truth is at most `bound`", as `below`."""
    return below(-values, -bound)


def fisher(values: Floats) -> Floats:
    """Return correlations on Fisher's (1921) scale, on which resamples are nearly normal."""
    return np.asarray(np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9)))


def settled(tested: Iterable[Tested]) -> tuple[Finding, ...]:
    """Return the findings in order, those that are tested with a verdict."""
    every: Sequence[Tested] = list(tested)
    known = {i: one.p for i, one in enumerate(every) if one.p is not None}
    corrected = holm(list(known.values())) if known else np.empty(0)
    result = [one.finding for one in every]
    for i, p in zip(known, corrected, strict=True):
        note = "; ".join(part for part in (result[i].note, f"Holm-corrected p = {p:.2g}") if part)
        result[i] = replace(result[i], verdict="outside" if p <= ALPHA else "inside", note=note)
    return tuple(result)
