"""Findings of one kind, written in one way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityfolk.evaluation.statistics import Estimate
from cityfolk.types import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes the findings `PREFIX.NAME` of what "these SOURCE" hold."""

    prefix: str
    source: str

    def __call__(
        self,
        name: str,
        title: str,
        found: Estimate | float | None,
        n: int | None,
        unit: str,
        note: str = "",
        *,
        expected: float | None = None,
        verdict: Verdict = "none",
    ) -> Finding:
        """Return the finding `PREFIX.NAME`; a value that can't be told is null and not judged."""
        if not isinstance(found, Estimate):
            found = Estimate(float("nan") if found is None else float(found), float("nan"), float("nan"))
        known, ends = bool(np.isfinite(found.value)), bool(np.isfinite([found.low, found.high]).all())
        unknown = f"it can't be told from these {self.source}"
        return Finding(
            id=f"{self.prefix}.{name}",
            title=title,
            value=found.value if known else None,
            low=found.low if known and ends else None,
            high=found.high if known and ends else None,
            n=n,
            unit=unit,
            expected=expected,
            verdict=verdict if known else "none",
            note=note if known else "; ".join(part for part in (note, unknown) if part),
        )
