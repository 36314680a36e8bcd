"""Variety: how much what was written repeats itself."""

from cityfolk.evaluation.variety.evidence import Sizes, variety_evidence

__all__ = ["Sizes", "variety_evidence"]
