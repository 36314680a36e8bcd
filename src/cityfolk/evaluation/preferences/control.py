"""Requested against expressed personality: does an answer show what was asked for, trait by trait and judge by judge.

Requested is the z-score of the percentile asked for, expressed the z-score that a judge reads. Of answers made under a
target, for each TRAIT and judge ("@JUDGE" ends an id; "|WHO" follows where several models or conditions answered):

- `pairs.control.spearman.TRAIT`: rank correlation; the one that is tested. Outside: surely below `LEAST`, so the trait
  that was asked for cannot be heard. `.train` and `.held-out` end the id of a split's own.
- `pairs.control.pearson.TRAIT`, `slope`: correlation; rise of expressed with one standard deviation asked for (1 is
  perfect; of a judge without norms in units of its own spread).
- `pairs.control.mae.TRAIT`: mean distance of expressed from requested percentile, of judges with norms.
- `pairs.control.reached.TRAIT`: the share of the asked-for move that was made: from the mean of answers without a
  target towards the target, by least squares through that point; 1 is all of it. Of judges with norms.
- `pairs.control.matrix.REQUESTED.EXPRESSED`: rank correlations of all 25; `pairs.control.bleed`: the mean size of the
  effects of a request on the four other traits over that on its own, from one linear model of all five requests.
- `pairs.control.voice.TRAIT`: the mean of answers without a target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cityfolk import rng
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.judges.agreement import Moments, interval, moments
from cityfolk.evaluation.preferences.tables import (
    CALIBRATED,
    PROMPTED,
    TARGETS,
    UNTARGETED,
    Floats,
    Preferences,
    Z,
    clusters,
    finding,
    matrix,
    ranks,
)
from cityfolk.evaluation.preferences.verdicts import Tested, below, fisher
from cityfolk.evaluation.statistics import Estimate
from cityfolk.vocabulary import TRAITS

LEAST = 0.25
"""The rank correlation from which a trait counts as expressed at all."""
FEWEST = 20
MOST_POINTS = 60
RESAMPLES = 400
_GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_SPLITS = ("train", "held-out")


@dataclass(frozen=True, slots=True)
class _Read:
    """n answers under targets as one judge reads them: percentiles asked for, z asked for and expressed, (n, 5)."""

    source: str
    judge: str
    calibrated: bool
    rows: pl.DataFrame
    asked: Floats
    requested: Floats
    expressed: Floats
    voice: Floats  # (5,): mean of answers without a target, NaN where there are none
    seed: int

    def of(self, flags: NDArray[np.bool_]) -> _Read:
        """Return some of the answers."""
        kept = (self.rows.filter(flags), self.asked[flags], self.requested[flags], self.expressed[flags])
        return _Read(self.source, self.judge, self.calibrated, *kept, self.voice, self.seed)

    def stream(self, *path: str) -> Generator:
        return rng.child(self.seed, "evaluation", "preferences", "control", self.source, *path)

    @property
    def scale(self) -> str:
        return "z of percentiles" if self.calibrated else "no norms: z within these answers"


def control(data: Preferences) -> Iterator[Tested | Detail]:
    """Yield the findings and the marks of the pictures."""
    for read in _readers(data):
        for position in range(5):
            yield from _trait(read, position)
            yield from _points(read, position)
        yield from _matrix(read)


def _readers(data: Preferences) -> Iterator[_Read]:
    about = data.asked().select(
        "answer_id", "question_id", "topic", "split", "condition", "model", *TARGETS, "target_name"
    )
    targeted = about.filter(pl.col("condition") != UNTARGETED)
    who = targeted.select("model", "condition").unique().sort("model", "condition")
    models = who["model"].n_unique() > 1
    for judge in data.judges:
        own = data.readings.filter(pl.col("judge") == judge).select("answer_id", *Z)
        for model, condition in who.iter_rows():
            rows = targeted.filter((pl.col("model") == model) & (pl.col("condition") == condition))
            rows = rows.join(own, on="answer_id", how="inner").sort("answer_id")
            base = about.filter((pl.col("condition") == UNTARGETED) & (pl.col("model") == model))
            plain = matrix(base.join(own, on="answer_id", how="inner"), Z)
            voice = np.array(
                [column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan for column in plain.T]
            )
            words = [*([model] if models else []), *([condition] if condition != PROMPTED else [])]
            asked = matrix(rows, TARGETS)
            if rows.height >= FEWEST:
                yield _Read(
                    source="|".join([judge, *words]),
                    judge=judge,
                    calibrated=data.scales.get(judge) == CALIBRATED,
                    rows=rows,
                    asked=asked,
                    requested=np.asarray(ndtri(np.clip(asked, 0.001, 0.999))),
                    expressed=matrix(rows, Z),
                    voice=voice,
                    seed=data.seed,
                )


def _trait(whole: _Read, position: int) -> Iterator[Tested]:
    read = whole.of(np.isfinite(whole.expressed[:, position]) & np.isfinite(whole.requested[:, position]))
    if read.rows.height < FEWEST or np.ptp(read.requested[:, position]) == 0:
        return
    yield from _rank(read, position)
    for split in _SPLITS:
        part = read.of((read.rows["split"] == split).fill_null(False).to_numpy())
        if FEWEST <= part.rows.height < read.rows.height and np.ptp(part.requested[:, position]) > 0:
            yield from _rank(part, position, split)
    yield from _line(read, position)


def _line(read: _Read, position: int) -> Iterator[Tested]:
    """Yield what the line through requested and expressed tells, and how far answers come along it."""
    trait = TRAITS[position]
    x, y = read.requested[:, position], read.expressed[:, position]
    groups, units = clusters(read.rows)
    start = read.voice[position]
    far = (x - start, y - start) if np.isfinite(start) else (x, y)
    columns = np.column_stack([x, y, np.abs(ndtr(x) - ndtr(y)), far[0] * far[1], far[0] ** 2])
    found = moments(columns, groups, read.stream(trait), RESAMPLES)
    n, note = len(x), f"{read.scale}; 90% bootstrap over {units}"
    name, of = f"{trait}@{read.source}", f"{trait} by {read.source}"

    def told(what: str, title: str, values: Floats, unit: str, more: str, expected: float | None) -> Tested:
        said = "; ".join(part for part in (note, more) if part)
        return Tested(finding(f"control.{what}.{name}", title, interval(values), n, unit, said, expected=expected))

    yield told("pearson", f"Requested and expressed {of}: correlation", found.correlation(0, 1), "r", "", None)
    title = f"Rise of expressed {of} with the requested"
    yield told("slope", title, found.slope(1, 0), "ratio", "1 is perfect", 1.0)
    if read.calibrated:
        title = f"Distance of expressed from requested {of}, in percentiles"
        yield told("mae", title, found.mean[:, 2], "percentile", "mean absolute distance, 0 to 1", 0.0)
    if read.calibrated and np.isfinite(start):
        with np.errstate(invalid="ignore", divide="ignore"):
            share = found.mean[:, 3] / found.mean[:, 4]
        title = f"Share of the asked-for move in {of} that was made"
        yield told("reached", title, share, "share", "from the voice without a target", 1.0)
    if np.isfinite(start):
        title = f"Answers without a target: mean {of}"
        yield Tested(finding(f"control.voice.{name}", title, float(start), None, "z", read.scale))


def _rank(read: _Read, position: int, split: str = "") -> Iterator[Tested]:
    trait, n = TRAITS[position], read.rows.height
    groups, units = clusters(read.rows)
    columns = np.column_stack([ranks(read.requested[:, position]), ranks(read.expressed[:, position])])
    values = moments(columns, groups, read.stream("rank", trait, split), RESAMPLES).correlation(0, 1)
    note = f"{read.scale}; 90% bootstrap over {units}; expected: at least"
    where = f", {split} topics" if split else ""
    name = f"control.spearman.{trait}{'.' + split if split else ''}@{read.source}"
    title = f"Requested and expressed {trait} by {read.source}: rank correlation{where}"
    if np.isnan(values[0]):
        # Every answer has the same score: nothing of what was asked for is heard.
        alike = finding(
            name, title, 0.0, n, "rho", f"{note}; every answer has the same score", expected=LEAST, verdict="outside"
        )
        yield Tested(alike)
        return
    p = None if split else below(fisher(values), float(np.arctanh(LEAST)))
    yield Tested(finding(name, title, interval(values), n, "rho", note, expected=LEAST), p)


def _points(whole: _Read, position: int) -> Iterator[Detail]:
    """Yield the mean of each target (of bins where there are many), and the line with its band, in percentiles."""
    trait = TRAITS[position]
    read = whole.of(np.isfinite(whole.expressed[:, position]))
    x, y = read.asked[:, position], read.expressed[:, position]
    if len(x) < FEWEST or np.ptp(x) == 0:
        return
    frame = read.rows.select("question_id", "target_name").with_columns(x=x, y=y)
    by = "target_name"
    if frame["target_name"].n_unique() > MOST_POINTS:
        by = "bin"
        frame = frame.with_columns(bin=(pl.col("x") * 20).floor().clip(0, 19).cast(pl.Int64).cast(pl.String))
    each = frame.group_by(by, "question_id", maintain_order=True).agg(pl.col("x").mean(), pl.col("y").mean())
    means = (
        each.group_by(by, maintain_order=True)
        .agg(pl.col("x").mean(), pl.col("y").mean(), pl.col("y").std().alias("sd"), pl.len())
        .sort("x", by)
    )
    for row in means.iter_rows(named=True):
        half = Z90 * (row["sd"] or 0.0) / np.sqrt(row["len"])
        yield Detail(
            name=f"pairs.means.{trait}",
            source=read.source,
            label=row[by] if by == "target_name" else "",
            x=float(row["x"]),
            value=float(ndtr(row["y"])),
            low=float(ndtr(row["y"] - half)),
            high=float(ndtr(row["y"] + half)),
        )
    groups, _ = clusters(read.rows)
    found = moments(np.column_stack([read.requested[:, position], y]), groups, read.stream("line", trait), RESAMPLES)
    slope, start = found.slope(1, 0), found.intercept(1, 0)
    for at in _GRID:
        line = interval(start + slope * float(ndtri(at)))
        yield Detail(
            name=f"pairs.line.{trait}",
            source=read.source,
            x=at,
            value=float(ndtr(line.value)),
            low=float(ndtr(line.low)),
            high=float(ndtr(line.high)),
        )


def _matrix(read: _Read) -> Iterator[Tested | Detail]:
    for heard, trait in enumerate(TRAITS):
        part = read.of(np.isfinite(read.expressed[:, heard]))
        if part.rows.height < FEWEST:
            continue
        groups, _ = clusters(part.rows)
        columns = [*(ranks(part.requested[:, i]) for i in range(5)), ranks(part.expressed[:, heard])]
        found = moments(np.column_stack(columns), groups, read.stream("matrix", trait), RESAMPLES)
        for asked, requested in enumerate(TRAITS):
            r = interval(found.correlation(asked, 5))
            name = f"control.matrix.{requested}.{trait}@{read.source}"
            title = f"Requested {requested} and expressed {trait} by {read.source}: rank correlation"
            yield Tested(finding(name, title, r, part.rows.height, "rho", read.scale))
            if np.isfinite(r.value):
                yield Detail(
                    name="pairs.matrix",
                    source=read.source,
                    group=requested,
                    label=trait,
                    value=r.value,
                    low=r.low,
                    high=r.high,
                )
    yield from _bleed(read)


def _bleed(read: _Read) -> Iterator[Tested]:
    whole = read.of(np.asarray(np.isfinite(read.expressed).all(axis=1)))
    # Five effects at once need targets that lie in more than a plane.
    if len(np.unique(whole.requested, axis=0)) < 7 or whole.rows.height < FEWEST:
        return
    groups, units = clusters(whole.rows)
    found = moments(np.column_stack([whole.requested, whole.expressed]), groups, read.stream("bleed"), RESAMPLES)
    if np.linalg.cond(found.covariance[0, :5, :5]) > 1e6:
        return
    note = f"{read.scale}; linear model of five requests, 90% bootstrap over {units}; 0 is none"
    title = f"What a request does to other traits, over what it does to its own, by {read.source}"
    yield Tested(
        finding(
            f"control.bleed@{read.source}",
            title,
            _basic(_ratio(found)),
            whole.rows.height,
            "ratio",
            note,
            expected=0.0,
        )
    )


def _ratio(found: Moments) -> Floats:
    effects = np.array([np.linalg.lstsq(c[:5, :5], c[:5, 5:], rcond=None)[0] for c in found.covariance])
    own = np.diagonal(effects, axis1=1, axis2=2).mean(axis=1)
    others = np.abs(effects[:, ~np.eye(5, dtype=bool)]).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(own > 0, others / own, np.nan)


def _basic(values: Floats) -> Estimate:
    """Return an estimate with the basic bootstrap interval: means of sizes grow in every resample."""
    found = interval(values)
    return Estimate(found.value, max(0.0, 2 * found.value - found.high), max(0.0, 2 * found.value - found.low))
