"""Judges: who reads an answer and says what personality it expresses."""

from cityfolk.preferences.judging.base import Item, Judge, ReadingRows
from cityfolk.preferences.judging.family import families, family, same_family
from cityfolk.preferences.judging.llm import LLMJudge, Looks
from cityfolk.preferences.judging.registry import load_judge
from cityfolk.preferences.judging.scale import Calibration, calibrate, judge_z, with_z

__all__ = [
    "Calibration",
    "Item",
    "Judge",
    "LLMJudge",
    "Looks",
    "ReadingRows",
    "calibrate",
    "families",
    "family",
    "judge_z",
    "load_judge",
    "same_family",
    "with_z",
]
