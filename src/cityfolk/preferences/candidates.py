"""For every question, target and model: the answer nearest the target, and which answers may be rejected for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from cityfolk.personality.nearness import mahalanobis
from cityfolk.personality.reference import z_from_percentile
from cityfolk.preferences.judged import Judged
from cityfolk.preferences.records import TARGET_COLUMNS

STRATEGIES = ("farthest", "nearest-wrong", "base")
ONE_TRAIT = 0.5  # of the squared difference of two targets (in z) that lies in one trait, at least
WRONG_TARGETS = 5  # the nearest targets that are one trait off, of which one is taken
_UNIT = ("question_id", "target", "model", "condition")


def candidates(asked: pl.DataFrame, seen: Judged, strategies: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return units and edges.

    A unit is a question, target, model, condition and strategy: what may become one pair, with the number of judges
    that `read` the best read of its answers and whether they are `enough`. An edge names unit, chosen and rejected
    (rows of `seen`) and its rank: the lower, the more the strategy wants it.
    """
    targeted = asked.filter(pl.col("condition") != "untargeted")
    kinds = targeted.select("target_name", *TARGET_COLUMNS).unique().sort("target_name", *TARGET_COLUMNS)
    kinds = kinds.with_row_index("target").with_columns(pl.col("target").cast(pl.Int64))
    targeted = targeted.join(kinds, on=["target_name", *TARGET_COLUMNS], how="left")
    targeted = targeted.with_columns(own=pl.Series(_own_distance(targeted, seen), dtype=pl.Float64).fill_nan(None))
    places = (
        targeted.filter("wanted")
        .group_by(*_UNIT, "topic", "split", "target_name", *TARGET_COLUMNS)
        .agg(pl.col("read").max(), pl.col("enough").any())
        .sort(*_UNIT)
    )
    units = pl.concat([places.with_columns(strategy=pl.lit(name)) for name in strategies])
    units = units.with_row_index("unit").with_columns(pl.col("unit").cast(pl.Int64))
    nearest = (
        targeted.filter("enough")
        .sort("own", "answer_id")
        .group_by(_UNIT, maintain_order=True)
        .agg(pl.col("at").first().alias("chosen"))
    )
    chosen = units.select("unit", *_UNIT, "strategy").join(nearest, on=_UNIT)
    make = {"farthest": _farthest, "nearest-wrong": _nearest_wrong}
    found = []
    for name in strategies:
        of_this = chosen.filter(pl.col("strategy") == name)
        if name == "base":
            found.append(_base(of_this, asked))
        else:
            found.append(make[name](of_this, targeted, kinds))
    edges = pl.concat(found).sort("unit", "rank")
    return units, edges


def _own_distance(targeted: pl.DataFrame, seen: Judged) -> np.ndarray:
    """Return the distance of each answer, by the mean of all judges who read it, to its own target."""
    at = targeted["at"].to_numpy()
    read = seen.read[at]
    with np.errstate(invalid="ignore"):
        mean = np.where(read[:, :, None], seen.z[at], 0.0).sum(axis=1) / read.sum(axis=1)[:, None]
    wanted = targeted.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5)
    return mahalanobis(mean, z_from_percentile(wanted))


def _farthest(chosen: pl.DataFrame, targeted: pl.DataFrame, kinds: pl.DataFrame) -> pl.DataFrame:
    del kinds
    others = targeted.select(*_UNIT, pl.col("at").alias("rejected"), "own", "answer_id")
    found = chosen.join(others, on=_UNIT).filter(pl.col("rejected") != pl.col("chosen"))
    return _ranked(found.sort("own", "answer_id", descending=[True, False], nulls_last=True))


def _nearest_wrong(chosen: pl.DataFrame, targeted: pl.DataFrame, kinds: pl.DataFrame) -> pl.DataFrame:
    key = ["question_id", "model", "condition", "wrong"]
    others = targeted.rename({"target": "wrong", "at": "rejected"}).select(*key, "rejected", "own", "answer_id")
    found = chosen.join(one_trait_off(kinds), on="target").join(others, on=key)
    # Of the answers under the wrong target, the one that hits it best.
    return _ranked(found.sort("step", "own", "answer_id", nulls_last=True))


def _base(chosen: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    plain = asked.filter(pl.col("condition") == "untargeted")
    others = plain.select("question_id", "model", pl.col("at").alias("rejected"), "answer_id")
    return _ranked(chosen.join(others, on=["question_id", "model"]).sort("answer_id"))


def _ranked(found: pl.DataFrame) -> pl.DataFrame:
    return found.select("unit", "chosen", "rejected", pl.int_range(pl.len()).over("unit").cast(pl.Int64).alias("rank"))


def one_trait_off(kinds: pl.DataFrame) -> pl.DataFrame:
    """Return, for each target, the nearest others that differ from it mainly in one trait: target, wrong, step.

    kinds: target (numbers) and its five percentiles. Mainly: half or more of the squared difference in z is in it.
    """
    z = z_from_percentile(kinds.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5))
    numbers = kinds["target"].to_numpy()
    rows: list[tuple[int, int, int]] = []
    for i in range(len(z)):
        squares = (z - z[i]) ** 2
        total = squares.sum(axis=1)
        mainly = (total > 0) & (squares.max(axis=1) >= ONE_TRAIT * total)
        distance = np.where(mainly, mahalanobis(z, z[i]), np.inf)
        order = np.lexsort((numbers, distance))[: min(WRONG_TARGETS, int(mainly.sum()))]
        rows += [(int(numbers[i]), int(numbers[j]), step) for step, j in enumerate(order)]
    return pl.DataFrame(rows, schema={"target": pl.Int64, "wrong": pl.Int64, "step": pl.Int64}, orient="row")
