"""Findings `control.*`, written in one way."""

from __future__ import annotations

import numpy as np

from cityfolk.evaluation.statistics import Estimate
from cityfolk.types import Finding, Verdict


def told(
    name: str,
    title: str,
    found: Estimate | float,
    n: int | None,
    unit: str,
    note: str = "",
    *,
    expected: float | None = None,
    verdict: Verdict = "none",
) -> Finding:
    """Return the finding `control.NAME`; a value that can't be told is null and not judged."""
    if not isinstance(found, Estimate):
        found = Estimate(float(found), float("nan"), float("nan"))
    known, ends = bool(np.isfinite(found.value)), bool(np.isfinite([found.low, found.high]).all())
    return Finding(
        id=f"control.{name}",
        title=title,
        value=found.value if known else None,
        low=found.low if known and ends else None,
        high=found.high if known and ends else None,
        n=n,
        unit=unit,
        expected=expected,
        verdict=verdict if known else "none",
        note=note if known else "; ".join(part for part in (note, "it can't be told from these answers") if part),
    )
