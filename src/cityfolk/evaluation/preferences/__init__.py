"""Preference data measured: what was asked, what was expressed, what was chosen, what is covered, what leaked."""

from cityfolk.evaluation.preferences.evidence import preference_evidence
from cityfolk.evaluation.preferences.tables import Preferences

__all__ = ["Preferences", "preference_evidence"]
