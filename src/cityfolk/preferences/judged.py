"""Answers and readings as arrays: what each judge reads in each answer, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.nearness import original_similarity
from cityfolk.preferences.judging.scale import judge_z
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
GRAMMAR = "grammar"
RAW = tuple(f"raw_{trait}" for trait in TRAITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """n answers, sorted by id, and what J judges read in them.

    z: (n, J, 5) in the reference, NaN where a trait was not read; read: (n, J), whether all five were; scores:
    (n, J, 5) from 0 to 1, the judge's raw scores where its instrument has that range, else the percentiles of its z;
    text numbers each distinct text; `answers` has their rows with `at`, their place in the arrays, `read`, how many
    judges read them, and `enough`, whether those are enough.
    """

    answers: pl.DataFrame
    judges: tuple[str, ...]
    ids: NDArray[np.object_]
    z: Floats
    read: NDArray[np.bool_]
    scores: Floats
    words: NDArray[np.int64]
    text: NDArray[np.int64]

    def similarity(self, rows: NDArray[np.int64], both: NDArray[np.bool_], targets: Floats) -> Floats:
        """Return the original's similarity to targets (n, 5 percentiles), the mean over the flagged judges (n, J)."""
        each = original_similarity(self.scores[rows], targets[:, None, :])
        return np.asarray(np.where(both, each, 0.0).sum(axis=1) / np.maximum(both.sum(axis=1), 1))


def judged(answers: pl.DataFrame, readings: pl.DataFrame, judges: Sequence[str] = (), *, least: int = 2) -> Judged:
    """Return answers with the readings of the judges named.

    By default all there are but the embedded model's grammar: who knows the truth is kept to measure by. Raises
    UsageError where a judge has read nothing or there are fewer than `least`, DataError where an answer or a reading
    is there twice.
    """
    known = sorted(readings["judge"].unique().to_list())
    for name in judges:
        if name not in known:
            raise UsageError(
                f"the judge {name!r} has read no answer", hint=f"there are {', '.join(known) or 'no readings yet'}"
            )
    named = tuple(dict.fromkeys(judges)) or tuple(name for name in known if name != GRAMMAR)
    if len(named) < least:
        raise UsageError(
            f"a pair needs {least} judges and there {'is' if len(named) == 1 else 'are'} {len(named)}",
            hint="have the answers read by another one: `cityfolk judge DIR --judge NAME`",
        )
    rows = answers.sort("answer_id").with_row_index("at").with_columns(pl.col("at").cast(pl.Int64))
    _no_twins(rows, ["answer_id"], "answer")
    _no_twins(readings, ["answer_id", "judge"], "reading")
    z = np.full((rows.height, len(named), 5), np.nan)
    scores = np.full_like(z, np.nan)
    for number, name in enumerate(named):
        own = readings.filter(pl.col("judge") == name).sort("answer_id")
        values = judge_z(own)
        raw = own.select(RAW).to_numpy().astype(np.float64)
        unit = bool(np.isfinite(raw).any() and np.nanmin(raw) >= 0.0 and np.nanmax(raw) <= 1.0)
        where = own.select("answer_id").join(rows.select("answer_id", "at"), on="answer_id", how="left")["at"]
        here = where.is_not_null().to_numpy()
        at = where.drop_nulls().to_numpy()
        z[at, number] = values[here]
        scores[at, number] = (raw if unit else ndtr(values))[here]
    read = np.isfinite(z).all(axis=2)
    text = rows["text"].str.strip_chars()
    return Judged(
        answers=rows.with_columns(read=pl.Series(read.sum(axis=1)), enough=pl.Series(read.sum(axis=1) >= least)),
        judges=named,
        ids=rows["answer_id"].to_numpy().astype(object),
        z=z,
        read=read,
        scores=scores,
        words=np.maximum(text.str.count_matches(r"\S+").to_numpy().astype(np.int64), 1),
        text=text.rank("dense").to_numpy().astype(np.int64),
    )


def _no_twins(frame: pl.DataFrame, key: list[str], what: str) -> None:
    twins = frame.filter(frame.select(key).is_duplicated())
    if twins.height:
        raise DataError(f"the {what} {twins.select(key).row(0)} is there twice", hint="the table was changed by hand")
