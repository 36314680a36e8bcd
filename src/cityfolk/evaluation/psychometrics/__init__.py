"""Questionnaires put to models: asked, read, scored, and what the answers are worth."""

from cityfolk.evaluation.psychometrics.administration import Design, Form, Respondent, read_reply, requests
from cityfolk.evaluation.psychometrics.findings import PREFIX, questionnaire_findings
from cityfolk.evaluation.psychometrics.population import population_findings
from cityfolk.evaluation.psychometrics.scoring import Scores, percentiles, score, z_scores
from cityfolk.evaluation.psychometrics.sheets import RESPONSES, Sheet, sheets

__all__ = [
    "PREFIX",
    "RESPONSES",
    "Design",
    "Form",
    "Respondent",
    "Scores",
    "Sheet",
    "percentiles",
    "population_findings",
    "questionnaire_findings",
    "read_reply",
    "requests",
    "score",
    "sheets",
    "z_scores",
]
