"""The four tables of preference data: their columns and types, and how their rows get their names."""

from __future__ import annotations

import polars as pl

from cityfolk.types import BigFive, content_key
from cityfolk.vocabulary import TRAITS

STYLES = ("reflection", "hypothetical", "experience", "moral", "situational")
SPLITS = ("train", "held-out")
UNTARGETED, PROMPTED = "untargeted", "prompted"
TARGET_COLUMNS = tuple(f"target_{trait}" for trait in TRAITS)

QUESTIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "question_id": pl.String,
    "topic": pl.String,
    "domain": pl.String,
    "facets": pl.List(pl.String),
    "style": pl.String,
    "text": pl.String,
    "split": pl.String,
    "engine": pl.String,
    "model": pl.String,
    "prompt_hash": pl.String,
    "seed": pl.Int64,
}
"""questions.parquet, sorted by question_id ("moving-house-017"); imported questions have a null engine."""

ANSWERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "question_id": pl.String,
    "condition": pl.String,
    "target_name": pl.String,
    **dict.fromkeys(TARGET_COLUMNS, pl.Float64),
    "sample": pl.Int16,
    "text": pl.String,
    "engine": pl.String,
    "model": pl.String,
    "adapter": pl.String,
    "prompt": pl.String,
    "prompt_hash": pl.String,
    "temperature": pl.Float64,
    "seed": pl.Int64,
    "finish": pl.String,
    "prompt_tokens": pl.Int32,
    "completion_tokens": pl.Int32,
}
"""answers.parquet, sorted by question_id, condition, target_name, sample; targets are null when untargeted."""

READINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "judge": pl.String,
    "instrument": pl.String,
    **{f"raw_{trait}": pl.Float64 for trait in TRAITS},
    **dict.fromkeys(TRAITS, pl.Float64),
    **{f"spread_{trait}": pl.Float64 for trait in TRAITS},
    "repeats": pl.Int16,
    "same_family": pl.Boolean,
}
"""readings.parquet, one row an answer and judge: raw scores, percentiles (null if uncalibrated), spreads of raw."""

PAIRS: dict[str, pl.DataType | type[pl.DataType]] = {
    "question_id": pl.String,
    "topic": pl.String,
    "split": pl.String,
    "target_name": pl.String,
    **dict.fromkeys(TARGET_COLUMNS, pl.Float64),
    "chosen_id": pl.String,
    "rejected_id": pl.String,
    "margin": pl.Float64,
    "strategy": pl.String,
    "distance_chosen": pl.Float64,
    "distance_rejected": pl.Float64,
    "similarity_chosen": pl.Float64,
    "similarity_rejected": pl.Float64,
    "judges": pl.List(pl.String),
}
"""pairs/NAME.parquet: distances are Mahalanobis of z-scores by the mean of the judges; similarities the original's."""


def answer_id(
    question: str, condition: str, target: BigFive | None, sample: int, model: str, adapter: str, prompt_hash: str
) -> str:
    """Name an answer by what was asked: 16 hex digits that stay when more is asked for later."""
    vector = None if target is None else [value for _, value in target.items()]
    return content_key([question, condition, vector, sample, model, adapter, prompt_hash])[:16]
