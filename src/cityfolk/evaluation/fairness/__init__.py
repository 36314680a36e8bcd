"""Whether groups of people are written about alike, and what one swapped attribute changes."""

from cityfolk.evaluation.fairness.evidence import fairness_evidence
from cityfolk.evaluation.fairness.pairs import counterfactual_evidence

__all__ = ["counterfactual_evidence", "fairness_evidence"]
