"""Conditions side by side: one line of numbers each, and the difference of every two, paired topic by topic.

A line of an arm is what it comes to over all five traits; the line of "untargeted" is what the model's own voice comes
to if it is held against the same requests, and "constant" an answer of the 50th percentile on every trait. A difference
is taken over what both were asked: the same targets on the same questions, by the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from cityfolk.evaluation.control import measures as of
from cityfolk.evaluation.control.draws import Floats, Scale, estimate
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.control.trials import FEWEST, Arm, Bench, crossed
from cityfolk.evaluation.preferences.tables import UNTARGETED
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

TITLES: dict[str, tuple[str, str, Scale, float | None]] = {
    "slope": ("Mean slope of expressed on requested", "ratio", "plain", 1.0),
    "spearman": ("Mean rank correlation over targets", "rho", "fisher", None),
    "mae": ("Mean distance of expressed from requested percentile", "percentile", "size", 0.0),
    "distance": ("Mean Mahalanobis distance of expressed from requested", "SD", "size", 0.0),
    "moved": ("Share of the asked-for moves that was made", "share", "plain", 1.0),
    "bleed": ("What a request does to other traits over its own", "ratio", "size", 0.0),
    "similarity": ("Mean similarity exp(-5 d^2) of the original work", "", "plain", 1.0),
}
"""Measure -> title, unit, scale of its interval, and what would be perfect."""


def lines(bench: Bench, arm: Arm, start: Floats) -> dict[str, Floats]:
    """Return the measures of an arm over all five traits, each an array over the draws."""
    draws = bench.draws
    found: dict[str, Floats] = {}
    read = all(arm.read(trait).n >= FEWEST // 2 for trait in range(5))
    varied = asked_otherwise(arm) if read and arm.condition != UNTARGETED else []
    if varied:
        found["slope"] = of.mean_of([of.line(arm, trait, draws)[1] for trait in varied])
        if len(arm.names) >= 3:
            found["spearman"] = of.mean_of([of.spearman(arm, trait, draws) for trait in varied])
        found["bleed"] = of.bleed_of(of.matrix(arm, draws), arm.clusters)
        if bench.calibrated and np.isfinite(start[0]).all():
            found["moved"] = of.moved(arm, list(range(5)), start, draws)
    if bench.calibrated and read:
        found["mae"] = of.mean_of([of.off(arm, trait, draws) for trait in range(5)])
        found["distance"] = of.distance(arm, draws)
    if read and (bench.calibrated or bench.unit_scores):
        found["similarity"] = of.similarity(arm, draws)
    return {name: values for name, values in found.items() if np.isfinite(values[0])}


def asked_otherwise(arm: Arm) -> list[int]:
    """Return the traits of which more than one percentile was asked for; all five, but for a few archetypes."""
    return [trait for trait in range(5) if arm.n and np.ptp(arm.x[:, trait]) > 0]


def _over(arm: Arm) -> str:
    varied = asked_otherwise(arm)
    return "" if len(varied) == 5 else f"over {', '.join(TRAITS[trait] for trait in varied) or 'no trait'}"


def overall(bench: Bench, name: str, start: Floats) -> Iterator[Finding]:
    """Yield an arm's line, and that of the voice and of a constant answer at the same requests."""
    arm = bench.arms[name]
    for measure, values in lines(bench, arm, start).items():
        title, unit, scale, expected = TITLES[measure]
        yield told(
            f"overall.{measure}@{bench.source(name)}",
            f"{title}, {name}, by {bench.judge}",
            estimate(values, arm.clusters, scale),
            arm.n,
            unit,
            "; ".join(
                part
                for part in (
                    bench.scale,
                    f"90% by drawing {bench.draws.unit} anew",
                    _over(arm) if measure in ("slope", "spearman") else "",
                )
                if part
            ),
            expected=expected,
        )
    yield from _original(bench, arm)
    yield from _floors(bench, arm, start)


def _floors(bench: Bench, arm: Arm, start: Floats) -> Iterator[Finding]:
    note = f"{bench.scale}; at the requests of {arm.condition}"
    source = bench.source(arm.condition)
    if bench.voice is not None:
        plain = crossed(bench.voice, arm)
        for measure, values in lines(bench, plain, start).items():
            title, unit, scale, _ = TITLES[measure]
            yield told(
                f"unasked.{measure}@{source}",
                f"{title}, answers without a request held against {arm.condition}'s, by {bench.judge}",
                estimate(values, bench.voice.clusters, scale),
                bench.voice.n,
                unit,
                note,
            )
    if bench.calibrated:
        title, unit, _, _ = TITLES["mae"]
        always = float(of.constant_off(arm, bench.draws)[0])
        yield told(f"constant.mae@{source}", f"{title}, an answer of 50 on every trait", always, arm.n, unit, note)


def _original(bench: Bench, arm: Arm) -> Iterator[Finding]:
    """Yield the original work's metric beside what a constant answer of .5 scores by it."""
    if not (bench.calibrated or bench.unit_scores):
        return
    own, always = of.similarity(arm, bench.draws), of.constant_similarity(arm, bench.draws)
    source, on = bench.source(arm.condition), "raw scores" if bench.unit_scores else "percentiles"
    note = f"exp(-5 d^2) on {on}, geometric mean over traits"
    title = "Similarity of the original work"
    yield told(
        f"original.constant@{source}",
        f"{title}, an answer of .5 on every trait",
        float(always[0]),
        arm.n,
        "",
        note,
    )
    yield told(
        f"original.gain@{source}",
        f"{title}, above an answer of .5 on every trait, {arm.condition}, by {bench.judge}",
        estimate(own - always, arm.clusters),
        arm.n,
        "",
        note,
        expected=0.0,
    )
    yield from _archetypes(bench, arm, note)
    for trait in range(5):
        x, y = arm.asked[:, [trait]], arm.scores[:, trait]
        flags = np.isfinite(y)
        if flags.sum() < FEWEST or np.ptp(x[flags]) == 0:
            continue
        slope = bench.draws.effects(x[flags], y[flags], arm.cluster[flags])[:, 1]
        name = TRAITS[trait]
        yield told(
            f"original.slope.{name}@{source}",
            f"{name.capitalize()}: rise of the score with the percentile requested, {arm.condition}, by {bench.judge}",
            estimate(slope, arm.clusters),
            int(flags.sum()),
            "ratio",
            f"{on} on percentiles, both 0 to 1; 1 is perfect",
            expected=1.0,
        )


def _archetypes(bench: Bench, arm: Arm, note: str) -> Iterator[Finding]:
    """Yield for each archetype how much nearer to it answers lie than unasked ones on the same questions."""
    if bench.voice is None:
        return
    for number, name in enumerate(arm.names):
        own = arm.of(arm.target == number)
        plain = bench.voice.of(np.isin(bench.voice.question, own.question))
        if name not in ARCHETYPES or min(own.n, plain.n) < FEWEST // 2:
            continue
        gain = of.similarity(own, bench.draws) - of.similarity(crossed(plain, own), bench.draws)
        title = f"Similarity of the original work: {name}, above answers without a request"
        yield told(
            f"original.above.{name}@{bench.source(arm.condition)}",
            f"{title}, {arm.condition}, by {bench.judge}",
            estimate(gain, own.clusters),
            own.n,
            "",
            note,
            expected=0.0,
        )


def side_by_side(bench: Bench, start: Floats) -> Iterator[Finding]:
    """Yield the difference, first less second, of every two arms in every measure that both have."""
    for first, second in combinations(bench.arms, 2):
        yield from _difference(bench, bench.arms[first], bench.arms[second], start)
    if bench.voice is None:
        return
    for arm in bench.arms.values():
        asked = set(arm.question.tolist()) & set(bench.voice.question.tolist())
        mine, plain = (one.of(np.isin(one.question, list(asked))) for one in (arm, bench.voice))
        if min(mine.n, 2 * plain.n) >= FEWEST:
            yield from _subtract(bench, mine, crossed(plain, mine), start)


def _difference(bench: Bench, first: Arm, second: Arm, start: Floats) -> Iterator[Finding]:
    keys = [
        [(question, *vector) for question, vector in zip(arm.question.tolist(), arm.asked.tolist(), strict=True)]
        for arm in (first, second)
    ]
    shared = set(keys[0]) & set(keys[1])
    parts = [
        arm.of(np.array([key in shared for key in mine], dtype=bool))
        for arm, mine in zip((first, second), keys, strict=True)
    ]
    if min(part.n for part in parts) >= FEWEST:
        yield from _subtract(bench, parts[0], parts[1], start)


def _subtract(bench: Bench, first: Arm, second: Arm, start: Floats) -> Iterator[Finding]:
    mine, other = (lines(bench, arm, start) for arm in (first, second))
    clusters = len(np.unique(np.concatenate([first.cluster, second.cluster])))
    for measure in mine:
        if measure not in other:
            continue
        title, unit, _, _ = TITLES[measure]
        found = estimate(mine[measure] - other[measure], clusters)
        sure = "" if found.p is None else f"; p = {found.p:.2g}"
        yield told(
            f"difference.{measure}@{bench.judge}|{bench.model}|{first.condition}|{second.condition}",
            f"{title}: {first.condition} less {second.condition}, by {bench.judge}",
            found,
            min(first.n, second.n),
            unit,
            f"{bench.scale}; on the targets and questions of both; 90% by drawing {bench.draws.unit} anew{sure}",
            expected=0.0,
        )
