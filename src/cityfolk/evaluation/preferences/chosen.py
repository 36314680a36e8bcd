"""Chosen against rejected: is the chosen answer the nearer one, by how much, and is it no more than the longer one.

For each table of pairs ("@NAME" ends an id). Distances are worked out again here from the readings of the judges that a
pair names, so that what was exchanged after the pairs were made is found.

- `pairs.lost`: pairs whose answers or readings are not there. `pairs.order`: the share of pairs whose chosen answer is
  the nearer one to the target; outside where there is one that is not.
- `pairs.independent.JUDGE`: the same by a judge who took no part, and `.chosen`, `.rejected`, `.constant`, the mean
  distances by that judge; `.margin` is rejected less chosen, outside where it is surely below 0.
- `pairs.distance.chosen`, `rejected`, `constant`: mean Mahalanobis distance of z-scores to the target; the constant is
  an answer of the 50th percentile in every trait. `pairs.gain.distance`: constant less chosen, outside where the
  constant is surely the nearer one; judged only where all judges have norms. `pairs.similarity.*` and
  `pairs.gain.similarity` are the same by the original work's similarity exp(-5 d^2), chosen less constant, which is
  reported and not judged.
- `pairs.above.chosen`, `rejected`: the share of answers with a similarity of `THRESHOLD` or more.
- `pairs.words.chosen`, `rejected`: mean words; `pairs.words.ratio`: the geometric mean of words chosen over words
  rejected, outside where it is surely beyond `MOST_RATIO` either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import ndtri

from cityfolk import rng
from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.judges.agreement import interval, moments
from cityfolk.evaluation.preferences.tables import (
    CALIBRATED,
    TARGETS,
    Floats,
    Preferences,
    Z,
    clusters,
    finding,
    matrix,
)
from cityfolk.evaluation.preferences.verdicts import Tested, above, below
from cityfolk.evaluation.statistics import Estimate
from cityfolk.personality.nearness import mahalanobis, original_similarity
from cityfolk.vocabulary import TRAITS

THRESHOLD = 0.8
MOST_RATIO = 1.1
BINS = 24
RESAMPLES = 400
SIDES = ("chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Judged:
    """n pairs of one table with what is worked out of them: z of both answers (n, 5), distances (n,), words (n,)."""

    name: str
    rows: pl.DataFrame
    target: Floats
    z: dict[str, Floats]
    distance: dict[str, Floats]
    words: dict[str, Floats]
    seed: int

    def stream(self, *path: str) -> Generator:
        return rng.child(self.seed, "evaluation", "preferences", "chosen", self.name, *path)


def judged_pairs(data: Preferences, name: str) -> Judged:
    """Return one table of pairs with distances by today's readings of the judges that each pair names."""
    rows = data.pairs[name].with_row_index("row")
    z = _mean_z(rows, data.readings)
    target = np.asarray(ndtri(np.clip(matrix(rows, TARGETS), 0.001, 0.999)))
    counted = data.answers.select("answer_id", words=pl.col("text").str.count_matches(r"\S+").cast(pl.Float64))
    words = {}
    for side in SIDES:
        own = rows.select(answer_id=f"{side}_id").join(counted, on="answer_id", how="left", maintain_order="left")
        words[side] = matrix(own, ("words",))[:, 0]
    distance = {side: mahalanobis(z[side], target) for side in SIDES}
    return Judged(name, rows, target, z, distance, words, data.seed)


def _mean_z(rows: pl.DataFrame, readings: pl.DataFrame) -> dict[str, Floats]:
    each = rows.select("row", "chosen_id", "rejected_id", judge="judges").explode("judge")
    for side in SIDES:
        own = readings.select("judge", *(pl.col(c).alias(f"{side}.{c}") for c in Z), answer_id="answer_id")
        each = each.join(
            own, left_on=[f"{side}_id", "judge"], right_on=["answer_id", "judge"], how="left", maintain_order="left"
        )
    columns = [f"{side}.{c}" for side in SIDES for c in Z]
    # A judge that a pair names and that has not read both answers leaves nothing to work out.
    mean = each.group_by("row", maintain_order=True).agg(
        pl.when(pl.col(c).is_not_null().all()).then(pl.col(c).mean()).alias(c) for c in columns
    )
    ordered = rows.select("row").join(mean, on="row", how="left", maintain_order="left")
    return {side: matrix(ordered, tuple(f"{side}.{c}" for c in Z)) for side in SIDES}


def chosen_and_rejected(data: Preferences, judged: Judged) -> Iterator[Tested | Detail]:
    """Yield the findings of one table of pairs and the marks of its pictures."""
    if not judged.rows.height:
        return
    yield from _order(judged)
    yield from _independent(data, judged)
    yield from _nearness(judged, _with_norms(data, judged))
    yield from _lengths(judged)
    yield from _marks(judged)


def _order(judged: Judged) -> Iterator[Tested]:
    name, n = judged.name, judged.rows.height
    near, far = (judged.distance[side] for side in SIDES)
    known = np.isfinite(near) & np.isfinite(far)
    gone = n - int((known & np.isfinite(judged.words["chosen"]) & np.isfinite(judged.words["rejected"])).sum())
    lost = finding(
        f"lost@{name}",
        f"Pairs of {name} whose answers or readings are gone",
        float(gone),
        n,
        "count",
        "an answer, or a reading by a judge that the pair names, is not in the tables",
        expected=0.0,
        verdict="outside" if gone else "inside",
    )
    yield Tested(lost)
    total = int(known.sum())
    if not total:
        return
    right = int((near < far)[known].sum())
    ordered = finding(
        f"order@{name}",
        f"Pairs of {name} whose chosen answer is the nearer one to its target",
        Estimate(right / total, *wilson(right, total)),
        total,
        "share",
        "by the readings of the judges that each pair names; 90% Wilson interval; it must hold of every pair",
        expected=1.0,
        verdict="inside" if right == total else "outside",
    )
    yield Tested(ordered)


def _independent(data: Preferences, judged: Judged) -> Iterator[Tested]:
    """Ask each judge who took no part in making the pairs which answer is nearer."""
    listed = judged.rows["judges"].explode().drop_nulls().unique().to_list()
    for judge in sorted(set(data.judges) - set(listed)):
        rows = judged.rows.with_columns(judges=pl.lit([judge], dtype=pl.List(pl.String)))
        z = _mean_z(rows, data.readings)
        near, far = (mahalanobis(z[side], judged.target) for side in SIDES)
        known = np.isfinite(near) & np.isfinite(far)
        n = int(known.sum())
        if n < 2:
            continue
        groups, units = clusters(judged.rows.filter(known))
        nearer = np.where(near == far, 0.5, near < far)
        zero = mahalanobis(np.zeros_like(judged.target), judged.target)
        columns = np.column_stack([nearer, near, far, zero])[known].astype(np.float64)
        means = moments(columns, groups, judged.stream("independent", judge), RESAMPLES).mean
        of, by = f"of {judged.name} by {judge}", f"independent.{judge}"
        note = f"{judge} took no part in the pairs; 90% bootstrap over {units}"
        title = f"Pairs whose chosen answer is the nearer one, {of}"
        share = finding(f"{by}@{judged.name}", title, interval(means[:, 0]), n, "share", f"{note}; .5 is chance")
        yield Tested(share)
        for at, who in enumerate(("chosen", "rejected", "constant"), start=1):
            title = f"{who.capitalize()} answers {of}: mean distance to the target"
            yield Tested(finding(f"{by}.{who}@{judged.name}", title, interval(means[:, at]), n, "SD", note))
        gap = means[:, 2] - means[:, 1]
        title = f"Rejected distance less chosen distance, {of}"
        margin = finding(f"{by}.margin@{judged.name}", title, interval(gap), n, "SD", f"{note}; above 0", expected=0.0)
        yield Tested(margin, below(gap, 0.0))


def _with_norms(data: Preferences, judged: Judged) -> bool:
    """Say whether all judges of the pairs have norms, so that distances are in standard deviations of adults."""
    return all(data.scales.get(name) == CALIBRATED for name in judged.rows["judges"].explode().drop_nulls().unique())


def _nearness(judged: Judged, with_norms: bool) -> Iterator[Tested]:
    name = judged.name
    groups, units = clusters(judged.rows)
    zero = mahalanobis(np.zeros_like(judged.target), judged.target)
    half = original_similarity(np.full_like(judged.target, 0.5), matrix(judged.rows, TARGETS))
    similar = {side: matrix(judged.rows, (f"similarity_{side}",))[:, 0] for side in SIDES}
    note = f"90% bootstrap over {units}"
    for kind, values, unit in (
        ("distance", {**judged.distance, "constant": zero}, "SD"),
        ("similarity", {**similar, "constant": half}, "similarity"),
    ):
        known = np.isfinite(np.column_stack(list(values.values()))).all(axis=1)
        if not known.any():
            continue
        table = np.column_stack([column[known] for column in values.values()])
        found = moments(table, groups[known], judged.stream(kind), RESAMPLES).mean
        n = int(known.sum())
        what = "distance to the target" if kind == "distance" else "original similarity to the target"
        for at, who in enumerate(values):
            answer = "A constant answer of .5" if who == "constant" else f"{who.capitalize()} answers of {name}"
            yield Tested(
                finding(f"{kind}.{who}@{name}", f"{answer}: mean {what}", interval(found[:, at]), n, unit, note)
            )
        gain = found[:, 2] - found[:, 0] if kind == "distance" else found[:, 0] - found[:, 2]
        title = f"How much nearer the chosen answers of {name} are than a constant answer of .5, by {kind}"
        made = finding(
            f"gain.{kind}@{name}", title, interval(gain), n, unit, f"{note}; above 0 is nearer", expected=0.0
        )
        yield Tested(made, below(gain, 0.0) if kind == "distance" and with_norms else None)
    for side in SIDES:
        known = np.isfinite(similar[side])
        n, count = int(known.sum()), int((similar[side][known] >= THRESHOLD).sum())
        if n:
            share = Estimate(count / n, *wilson(count, n))
            title = f"{side.capitalize()} answers of {name} with an original similarity of {THRESHOLD} or more"
            yield Tested(finding(f"above.{side}@{name}", title, share, n, "share", "90% Wilson interval"))
    margins = matrix(judged.rows, ("margin",))[:, 0]
    yield Tested(
        finding(
            f"margin@{name}",
            f"Mean margin of {name}",
            float(np.nanmean(margins)) if np.isfinite(margins).any() else None,
            judged.rows.height,
            "SD",
            "rejected distance less chosen distance, as the table has it",
        )
    )


def _lengths(judged: Judged) -> Iterator[Tested]:
    chosen, rejected = (np.maximum(judged.words[side], 1.0) for side in SIDES)
    known = np.isfinite(chosen) & np.isfinite(rejected)
    n = int(known.sum())
    if n < 2:
        return
    groups, units = clusters(judged.rows.filter(known))
    table = np.column_stack([chosen, rejected, np.log(chosen / rejected)])[known]
    found = moments(table, groups, judged.stream("words"), RESAMPLES).mean
    note = f"90% bootstrap over {units}"
    for at, side in enumerate(SIDES):
        title = f"Words in a {side} answer of {judged.name}"
        yield Tested(finding(f"words.{side}@{judged.name}", title, interval(found[:, at]), n, "words", note))
    logs = found[:, 2]
    ratio = interval(np.exp(logs))
    bound = float(np.log(MOST_RATIO))
    # Two sides, each tested, so twice the smaller p.
    p = [one for one in (above(logs, bound), below(logs, -bound)) if one is not None]
    title = f"Words chosen over words rejected, {judged.name}"
    said = finding(
        f"words.ratio@{judged.name}",
        title,
        ratio,
        n,
        "ratio",
        f"geometric mean; {note}; expected: 1, at most {MOST_RATIO} times either way",
        expected=1.0,
    )
    yield Tested(said, min(1.0, 2 * min(p)) if p else None)


def _marks(judged: Judged) -> Iterator[Detail]:
    """Yield distributions (share by bin) of distance, similarity, words and each trait's z, for both sides."""
    named = [("distance", "", judged.distance), ("words", "", judged.words)]
    named.append(("similarity", "", {s: matrix(judged.rows, (f"similarity_{s}",))[:, 0] for s in SIDES}))
    named += [("z", trait, {s: judged.z[s][:, at] for s in SIDES}) for at, trait in enumerate(TRAITS)]
    for kind, trait, values in named:
        both = np.concatenate([values[side] for side in SIDES])
        both = both[np.isfinite(both)]
        if not len(both):
            continue
        low, high = (0.0, 1.0) if kind == "similarity" else (float(both.min()), float(both.max()))
        edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
        for side in SIDES:
            known = values[side][np.isfinite(values[side])]
            counts, _ = np.histogram(known, edges)
            for at, count in enumerate(counts):
                yield Detail(
                    name=f"pairs.spread.{kind}",
                    source=judged.name,
                    group=trait,
                    label=side,
                    x=float((edges[at] + edges[at + 1]) / 2),
                    value=float(count / max(len(known), 1)),
                )
