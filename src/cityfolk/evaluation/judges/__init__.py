"""Judges against each other, against themselves, and against what they should not go by."""

from cityfolk.evaluation.judges.agreement import icc
from cityfolk.evaluation.judges.evidence import judges_findings

__all__ = ["icc", "judges_findings"]
