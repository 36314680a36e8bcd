"""How the written lives feel: sentiment and emotion, by a lexicon of our own and by trained classifiers."""

from cityfolk.evaluation.feeling.classifiers import Classifier, load_classifier
from cityfolk.evaluation.feeling.evidence import feeling_evidence
from cityfolk.evaluation.feeling.lexicon import EMOTIONS, INSTRUMENT, emotions, sentiment

__all__ = ["EMOTIONS", "INSTRUMENT", "Classifier", "emotions", "feeling_evidence", "load_classifier", "sentiment"]
