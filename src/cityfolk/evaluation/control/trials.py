"""Answers under requests as one judge reads them: the table that control is measured on, and its arms.

An arm is one model under one condition: "untargeted" (no personality asked for), "prompted", an adapter's name, or
`TRUE_TEXT`, texts whose writer is known to have exactly the personality asked for: they show how much of a request a
judge can read at best. Two adapters or more that were each made for one archetype ("Diplomat-dpo", "Analyst-dpo") are
one arm ("dpo, one adapter for each archetype"): none of them can be asked for two personalities, all together can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.control.draws import RESAMPLES, Draws
from cityfolk.evaluation.preferences.tables import (
    CALIBRATED,
    FEWEST_CLUSTERS,
    PROMPTED,
    TARGETS,
    UNTARGETED,
    Preferences,
    Z,
    matrix,
)
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
TRUE_TEXT = "true text"
RAW = tuple(f"raw_{trait}" for trait in TRAITS)
ONE_EACH = "one adapter for each archetype"
FEWEST = 20
"""Fewer answers than this say nothing of an arm."""
_NEEDED = ("answer_id", "condition", "model", "topic", "question_id", "target_name", "judge", *TARGETS, *Z)
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_FLOOR = 0.001


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Readings of answers, a row an answer and judge.

    Columns: answer_id, condition, model, topic, question_id, target_name, target_TRAIT (percentiles, null where nothing
    was asked for), judge, z_TRAIT (the reading in the reference, null where nothing was read); raw_TRAIT, the judge's
    own scores, if there are any. `scales` says of each judge what its z are ("percentile" if it is calibrated).
    """

    rows: pl.DataFrame
    scales: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        missing = [name for name in _NEEDED if name not in self.rows.columns]
        if missing:
            raise DataError(
                f"the table of readings lacks the columns {', '.join(missing)}", hint="see docs/what-can-be-claimed.md"
            )
        twins = self.rows.select("answer_id", "judge").is_duplicated()
        if twins.any():
            raise DataError(
                f"the reading {self.rows.filter(twins).select('answer_id', 'judge').row(0)} is there twice",
                hint="one row an answer and judge",
            )


def trials_of(data: Preferences) -> Trials:
    """Return the readings of preference data as trials: known questions alone, every judge."""
    about = data.asked().select("answer_id", "condition", "model", "topic", "question_id", "target_name", *TARGETS)
    raw = [name for name in RAW if name in data.readings.columns]
    rows = about.join(data.readings.select("answer_id", "judge", *Z, *raw), on="answer_id", how="inner")
    return Trials(rows=rows.with_columns(pl.col("target_name").fill_null("")), scales=data.scales, seed=data.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """n readings of one condition by one judge.

    asked: percentiles asked for, (n, 5), NaN where nothing was; x: their z; y: z that was read, NaN where a trait was
    not; scores: the judge's own from 0 to 1, else percentiles of y; cluster: number of the topic in the draws; target:
    number of the target in `names`.
    """

    condition: str
    asked: Floats
    x: Floats
    y: Floats
    scores: Floats
    cluster: Whole
    question: NDArray[np.object_]
    target: Whole
    names: tuple[str, ...]
    topic: NDArray[np.object_]

    @property
    def n(self) -> int:
        """How many answers were read."""
        return len(self.x)

    @property
    def clusters(self) -> int:
        """How many topics (or questions) the answers are spread over."""
        return len(np.unique(self.cluster))

    def of(self, flags: NDArray[np.bool_]) -> Arm:
        """Return some of the readings."""
        return Arm(
            condition=self.condition,
            asked=self.asked[flags],
            x=self.x[flags],
            y=self.y[flags],
            scores=self.scores[flags],
            cluster=self.cluster[flags],
            question=self.question[flags],
            target=self.target[flags],
            names=self.names,
            topic=self.topic[flags],
        )

    def read(self, trait: int) -> Arm:
        """Return the readings in which a trait was read."""
        flags = np.isfinite(self.y[:, trait])
        return self if flags.all() else self.of(flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One model as one judge reads it: its arms under a request by condition, its own voice, texts of known writers."""

    model: str
    judge: str
    calibrated: bool
    unit_scores: bool
    draws: Draws
    arms: Mapping[str, Arm]
    voice: Arm | None
    truth: Arm | None
    seed: int

    def source(self, condition: str) -> str:
        """Return what ends an id: "JUDGE|MODEL|CONDITION"."""
        return f"{self.judge}|{self.model}|{condition}"

    @property
    def scale(self) -> str:
        """Say what the readings are."""
        return "z of percentiles" if self.calibrated else "no norms: z within these answers"


def families(rows: pl.DataFrame) -> dict[tuple[str, str], str]:
    """Return the arm of each (model, condition): adapters made for one archetype each are put together, two or more."""
    asked = rows.filter(~pl.col("condition").is_in([UNTARGETED, TRUE_TEXT]))
    seen = asked.group_by("model", "condition").agg(pl.col("target_name").unique().sort()).sort("model", "condition")
    found = {(model, condition): condition for model, condition, _ in seen.iter_rows()}
    alike: dict[tuple[str, str], dict[str, str]] = {}
    for model, condition, names in seen.iter_rows():
        if condition != PROMPTED and len(names) == 1 and names[0] in ARCHETYPES:
            rest = _EDGES.sub("", re.sub(re.escape(names[0]), "", condition, flags=re.IGNORECASE))
            if rest != condition:
                alike.setdefault((model, rest), {})[condition] = names[0]
    for (model, rest), kinds in alike.items():
        if len(set(kinds.values())) > 1:
            together = f"{rest}, {ONE_EACH}" if rest else ONE_EACH
            found |= {(model, condition): together for condition in kinds}
    return found


def benches(trials: Trials, resamples: int = RESAMPLES) -> list[Bench]:
    """Return a bench for each model and judge, models in order, judges in order."""
    rows = trials.rows.sort("model", "condition", "answer_id", "judge")
    named = families(rows)
    keys = zip(rows["model"].to_list(), rows["condition"].to_list(), strict=True)
    rows = rows.with_columns(arm=pl.Series([named.get(key, key[1]) for key in keys], dtype=pl.String))
    found = []
    truth = rows.filter(pl.col("condition") == TRUE_TEXT)
    for model in rows.filter(pl.col("condition") != TRUE_TEXT)["model"].unique().sort():
        own = rows.filter((pl.col("model") == model) & (pl.col("condition") != TRUE_TEXT))
        both = pl.concat([own, truth])
        by = "topic" if both["topic"].n_unique() >= FEWEST_CLUSTERS else "question_id"
        places = {name: at for at, name in enumerate(both[by].unique().sort().to_list())}
        stream = rng.child(trials.seed, "evaluation", "control", model)
        draws = Draws.of(len(places), "topics" if by == "topic" else "questions", stream, resamples)
        for judge in own["judge"].unique().sort():
            found.append(_bench(trials, own, truth, model, judge, draws, by, places))
    return [bench for bench in found if bench.arms]


def _bench(
    trials: Trials,
    own: pl.DataFrame,
    truth: pl.DataFrame,
    model: str,
    judge: str,
    draws: Draws,
    by: str,
    places: Mapping[str, int],
) -> Bench:
    mine, known = (frame.filter(pl.col("judge") == judge) for frame in (own, truth))
    unit = _unit(mine)
    arms = {
        name: arm(part, name, by, places, unit)
        for name in mine.filter(pl.col("condition") != UNTARGETED)["arm"].unique().sort()
        if (part := mine.filter(pl.col("arm") == name)).height >= FEWEST
    }
    plain = mine.filter(pl.col("condition") == UNTARGETED)
    calibrated = trials.scales.get(judge, CALIBRATED) == CALIBRATED
    return Bench(
        model=model,
        judge=judge,
        calibrated=calibrated,
        unit_scores=unit,
        draws=draws,
        arms=arms,
        voice=arm(plain, UNTARGETED, by, places, unit) if plain.height else None,
        # Texts read on a scale of their own pool can't be held against answers read on another's.
        truth=arm(known, TRUE_TEXT, by, places, unit) if known.height >= FEWEST and calibrated else None,
        seed=trials.seed,
    )


def _unit(rows: pl.DataFrame) -> bool:
    """Say whether a judge's own scores run from 0 to 1."""
    if any(name not in rows.columns for name in RAW):
        return False
    raw = matrix(rows, RAW)
    known = raw[np.isfinite(raw)]
    return bool(len(known) and known.min() >= 0.0 and known.max() <= 1.0)


def arm(rows: pl.DataFrame, condition: str, by: str, places: Mapping[str, int], unit: bool) -> Arm:
    """Return rows as an arm; `by` is the column of the clusters, `places` their numbers, `unit` if raw is 0 to 1."""
    asked, y = matrix(rows, TARGETS), matrix(rows, Z)
    # A target is its vector: names may be shared by mistake.
    vectors, target = np.unique(np.nan_to_num(asked, nan=-1.0), axis=0, return_inverse=True)
    names = rows["target_name"].to_list()
    first = {int(number): names[row] for row, number in reversed(list(enumerate(target.ravel())))}
    return Arm(
        condition=condition,
        asked=asked,
        x=np.asarray(ndtri(np.clip(asked, _FLOOR, 1 - _FLOOR))),
        y=y,
        scores=matrix(rows, RAW) if unit else np.asarray(ndtr(y)),
        cluster=np.array([places[name] for name in rows[by].to_list()], dtype=np.int64),
        question=rows["question_id"].to_numpy().astype(object),
        target=target.ravel().astype(np.int64),
        names=tuple(first.get(number, "") for number in range(len(vectors))),
        topic=rows["topic"].to_numpy().astype(object),
    )


def crossed(voice: Arm, like: Arm, most: int = 400_000) -> Arm:
    """Return answers without a target as if each had been asked for every target of another arm.

    That is what asking for nothing is worth. At most `most` rows: the targets are thinned evenly.
    """
    vectors = np.unique(like.asked, axis=0)
    step = max(1, -(-len(vectors) * voice.n // most))
    vectors = vectors[::step]
    kind = np.tile(np.arange(len(vectors)), voice.n)
    asked = vectors[kind]
    each = np.repeat(np.arange(voice.n), len(vectors))
    return Arm(
        condition=voice.condition,
        asked=asked,
        x=np.asarray(ndtri(np.clip(asked, _FLOOR, 1 - _FLOOR))),
        y=voice.y[each],
        scores=voice.scores[each],
        cluster=voice.cluster[each],
        question=voice.question[each],
        target=kind.astype(np.int64),
        names=tuple("" for _ in vectors),
        topic=voice.topic[each],
    )
