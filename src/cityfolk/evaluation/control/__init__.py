"""How far a requested personality reaches in free text, what it drags along, and who else it depends on."""

from cityfolk.evaluation.control.evidence import control_evidence
from cityfolk.evaluation.control.trials import TRUE_TEXT, Trials, trials_of

__all__ = ["TRUE_TEXT", "Trials", "control_evidence", "trials_of"]
