"""Control measured: how far a requested personality reaches in free text, and what it drags along.

Every finding is `control.NAME[.TRAIT]@JUDGE|MODEL|CONDITION`; the docs (what-can-be-claimed) say what each means.
Intervals of 90% come from drawing whole topics anew (`draws`); the targets are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from cityfolk import rng
from cityfolk.evaluation.control import measures as of
from cityfolk.evaluation.control.draws import RESAMPLES, Draws, Floats, Scale, estimate
from cityfolk.evaluation.control.sides import overall, side_by_side
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.control.trials import TRUE_TEXT, Arm, Bench, Trials, benches
from cityfolk.evaluation.corpus import Detail, Evidence
from cityfolk.evaluation.statistics import Estimate
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.cube import CORNERS, corners
from cityfolk.personality.words import CUTS
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

ALPHA = 0.05
LEAST_BLEED = 0.1
"""A side effect smaller than this, in z a z asked for, raises no alarm however sure it is."""
FEWEST_TOPICS = 8
LOW, HIGH = 0.2, 0.8
_LEVELS = np.asarray(ndtri(CUTS))
_OFF_DIAGONAL = 20


def control_evidence(trials: Trials, *, resamples: int = RESAMPLES) -> Evidence:
    """Measure every model by every judge; findings `control.*` and the marks of the pictures."""
    findings: list[Finding] = []
    details: list[Detail] = []
    for bench in benches(trials, resamples):
        for one in _bench(bench):
            (findings if isinstance(one, Finding) else details).append(one)  # type: ignore[arg-type]
    return Evidence(tuple(findings), tuple(details))


def _bench(bench: Bench) -> Iterator[Finding | Detail]:
    yield from _judge(bench)
    start = of.voice_of(bench.voice, bench.draws)
    for name, arm in bench.arms.items():
        slopes: dict[int, Floats] = {}
        for trait in range(5):
            if arm.read(trait).n < FEWEST_TOPICS or np.ptp(arm.x[:, trait]) == 0:
                continue
            slopes[trait] = of.line(arm, trait, bench.draws)[1]
            yield from _trait(bench, arm, trait, start)
            yield from _dial(bench, arm, trait)
        yield from _matrix(bench, arm)
        yield from _topics(bench, arm)
        yield from _regions(bench, arm, start)
        yield from _radar(bench, arm, start)
        yield from overall(bench, name, start)
    yield from side_by_side(bench, start)


def _finding(
    bench: Bench,
    arm: Arm,
    name: str,
    title: str,
    values: Floats,
    *,
    n: int | None = None,
    unit: str = "",
    scale: Scale = "plain",
    more: str = "",
    expected: float | None = None,
) -> Finding:
    note = "; ".join(part for part in (bench.scale, f"90% by drawing {bench.draws.unit} anew", more) if part)
    return told(
        f"{name}@{bench.source(arm.condition)}",
        f"{title}, {arm.condition}, by {bench.judge}",
        estimate(values, arm.clusters, scale),
        arm.n if n is None else n,
        unit,
        note,
        expected=expected,
    )


def _judge(bench: Bench) -> Iterator[Finding]:
    """Yield over how many topics there are answers, and how much of its scale a judge uses."""
    arms = [arm for arm in (*bench.arms.values(), bench.voice) if arm is not None]
    topics = len(set(np.concatenate([arm.topic for arm in arms]).tolist()))
    source = f"{bench.judge}|{bench.model}"
    yield told(
        f"topics@{source}",
        f"Topics that {bench.model} answered on, read by {bench.judge}",
        float(topics),
        sum(arm.n for arm in arms),
        "topics",
        f"expected: at least; with fewer than {FEWEST_TOPICS} nothing can be said of topics nobody asked about",
        expected=float(FEWEST_TOPICS),
        verdict="inside" if topics >= FEWEST_TOPICS else "outside",
    )
    for trait, name in enumerate(TRAITS):
        scores = np.concatenate([arm.scores[:, trait] for arm in arms])
        asked = np.concatenate([arm.asked[:, trait] for arm in bench.arms.values()])
        scores = scores[np.isfinite(scores)]
        if len(scores) < FEWEST_TOPICS:
            continue
        low, high = np.quantile(scores, [0.05, 0.95])
        wanted = float(np.ptp(np.quantile(asked, [0.05, 0.95])))
        note = "what it says of nine answers in ten, from 0 to 1; low and high: from where to where; expected: the span"
        yield told(
            f"judge.span.{name}@{source}",
            f"Span of scores for {name} that {bench.judge} gives",
            Estimate(float(high - low), float(low), float(high)),
            len(scores),
            "",
            f"{note} of nine requests in ten",
            expected=wanted,
        )


def _trait(bench: Bench, arm: Arm, trait: int, start: Floats) -> Iterator[Finding]:
    draws, name, n = bench.draws, TRAITS[trait], arm.read(trait).n
    word = name.capitalize()
    intercept, slope = of.line(arm, trait, draws)

    def told_of(what: str, title: str, values: Floats, unit: str = "ratio", **rest: object) -> Finding:
        return _finding(bench, arm, f"{what}.{name}", f"{word}: {title}", values, n=n, unit=unit, **rest)  # type: ignore[arg-type]

    yield told_of("slope", "rise of expressed with requested", slope, more="1 is perfect", expected=1.0)
    title = "what is expressed when the middle is requested"
    yield told_of("intercept", title, intercept, "z", more="0 is perfect", expected=0.0)
    targets = len(of.target_means(arm, trait, draws)[0])
    if targets >= 3:
        title = f"rank correlation of requested and mean expressed over {targets} targets"
        yield told_of("spearman", title, of.spearman(arm, trait, draws), "rho", scale="fisher")
    if bench.calibrated:
        title = "distance of expressed from requested, in percentiles"
        yield told_of("mae", title, of.off(arm, trait, draws), "percentile", scale="size", more="mean absolute, 0 to 1")
        if np.isfinite(start[0, trait]):
            far = of.reached(arm, trait, start[:, trait], draws)
            title = "share of the distance between unasked answers and the targets that is gone"
            more = "1 - |tuned - target| / |untuned - target|; noise in the means counts as distance"
            yield told_of("reached", title, far, "share", more=more, expected=1.0)
            far = of.moved(arm, [trait], start, draws)
            title = "share of the asked-for move that was made"
            yield told_of("moved", title, far, "share", more="least squares from the voice unasked", expected=1.0)
    found = of.ends(arm, trait, draws)
    steep = estimate(found["inner"], arm.clusters)
    for part, title in (
        ("inner", "rise between the 20th and 80th percentile requested"),
        ("low", "rise below the 20th percentile requested"),
        ("high", "rise above the 80th percentile requested"),
    ):
        if np.isfinite(found[part][0]):
            yield told_of(f"ends.{part}", title, found[part])
    # Where the middle hardly rises, what is kept of that at the ends is a ratio of noise.
    if np.isfinite(steep.value) and steep.low > 0.05:
        yield told_of("ends.kept", "rise at the ends over rise in the middle", found["kept"], expected=1.0)
    yield from _against_truth(bench, arm, trait, slope)


def _against_truth(bench: Bench, arm: Arm, trait: int, slope: Floats) -> Iterator[Finding]:
    """Yield the slope relative to that of texts whose writers have what is asked for, as the same judge reads them."""
    if bench.truth is None or bench.truth.read(trait).n < FEWEST_TOPICS or np.ptp(bench.truth.x[:, trait]) == 0:
        return
    best = of.line(bench.truth, trait, bench.draws)[1]
    known = estimate(best, bench.truth.clusters)
    if not known.low > 0.05:
        return
    more = f"the judge's slope on texts of known writers is {known.value:.2f} [{known.low:.2f}, {known.high:.2f}]"
    yield _finding(
        bench,
        arm,
        f"relative.{TRAITS[trait]}",
        f"{TRAITS[trait].capitalize()}: slope over the judge's own slope on {TRUE_TEXT}",
        np.asarray(slope / best),
        n=arm.read(trait).n,
        unit="ratio",
        more=more,
        expected=1.0,
    )


def _dial(bench: Bench, arm: Arm, trait: int) -> Iterator[Detail]:
    """Yield the mean reading at each level of request with its band, in percentiles; x is the mean percentile asked."""
    own = arm.read(trait)
    bins = of.levels(own, trait, _LEVELS)
    for at in np.unique(bins):
        flags = bins == at
        part = own.of(flags)
        mean = estimate(bench.draws.means(part.y[:, trait], part.cluster), part.clusters)
        known = np.isfinite([mean.low, mean.high]).all()
        yield Detail(
            name=f"control.dial.{TRAITS[trait]}",
            source=bench.source(arm.condition),
            label=f"{part.n}",
            x=float(part.asked[:, trait].mean()),
            value=float(ndtr(mean.value)),
            low=float(ndtr(mean.low)) if known else None,
            high=float(ndtr(mean.high)) if known else None,
        )


def _matrix(bench: Bench, arm: Arm) -> Iterator[Finding | Detail]:
    effects = of.matrix(arm, bench.draws)
    if not np.isfinite(effects[0]).all():
        return
    source = bench.source(arm.condition)
    for asked, requested in enumerate(TRAITS):
        for heard, trait in enumerate(TRAITS):
            own = asked == heard
            found = _finding(
                bench,
                arm,
                f"matrix.{requested}.{trait}",
                f"What asking for {requested} does to {trait}",
                effects[:, asked, heard],
                n=arm.read(heard).n,
                unit="ratio",
                more="z read a z asked for, all five requests at once",
                expected=1.0 if own else 0.0,
            )
            yield found if own else _leak(found, estimate(effects[:, asked, heard], arm.clusters).p)
            yield Detail(
                name="control.matrix",
                source=source,
                group=requested,
                label=trait,
                value=found.value,
                low=found.low,
                high=found.high,
            )
    more = f"z read a z asked for; mean over {len(TRAITS)} traits"
    yield _finding(bench, arm, "gain", "Gain, the mean of the diagonal", of.gain_of(effects), more=more, expected=1.0)
    title = "What a request does to other traits, over what it does to its own"
    values, more = of.bleed_of(effects, arm.clusters), "root mean square, freed of noise"
    yield _finding(bench, arm, "bleed", title, values, unit="ratio", scale="size", more=more, expected=0.0)
    floor = of.chance_bleed(effects, arm.clusters)
    more = "mean size, noise and all; expected: what noise alone would show"
    title, expected = f"{title}: mean size", floor if np.isfinite(floor) else None
    values = of.mean_bleed(effects)
    yield _finding(bench, arm, "bleed.size", title, values, unit="ratio", scale="size", more=more, expected=expected)


def _leak(found: Finding, p: float | None) -> Finding:
    """Return an effect on another trait with its verdict: outside if it is surely there, of twenty, and not tiny."""
    if p is None or found.value is None or not np.isfinite(p):
        return found
    sure = min(1.0, p * _OFF_DIAGONAL)
    raised = sure <= ALPHA and abs(found.value) >= LEAST_BLEED
    note = f"{found.note}; p over {_OFF_DIAGONAL} effects = {sure:.2g}, alarm from {LEAST_BLEED}"
    return replace(found, verdict="outside" if raised else "inside", note=note)


def _topics(bench: Bench, arm: Arm) -> Iterator[Finding]:
    """Yield the mean slope over traits on each topic; targets are drawn anew, since a topic is one cluster."""
    names = sorted(set(arm.topic.tolist()))
    if len(names) < 2 or len(arm.names) < FEWEST_TOPICS:
        return
    for topic in names:
        part = arm.of(arm.topic == topic)
        if part.n < FEWEST_TOPICS or any(np.ptp(part.x[:, t]) == 0 or part.read(t).n < 3 for t in range(5)):
            continue
        stream = rng.child(bench.seed, "evaluation", "control", bench.model, arm.condition, "topic", topic)
        targets, place = np.unique(part.target, return_inverse=True)
        local = Draws.of(len(targets), "targets", stream, min(200, len(bench.draws.weights) - 1))
        slopes = []
        for trait in range(5):
            flags = np.isfinite(part.y[:, trait])
            design, y = part.x[flags][:, [trait]], part.y[flags, trait]
            slopes.append(local.effects(design, y, place.ravel()[flags].astype(np.int64))[:, 1])
        yield told(
            f"topic.{topic}@{bench.source(arm.condition)}",
            f"Mean slope over five traits on {topic}, {arm.condition}, by {bench.judge}",
            estimate(of.mean_of(slopes), len(targets)),
            part.n,
            "ratio",
            f"{bench.scale}; 90% by drawing targets anew",
            expected=1.0,
        )


def _regions(bench: Bench, arm: Arm, start: Floats) -> Iterator[Finding]:
    """Yield the share of the move made in each corner of the cube and at each pole; of judges with norms."""
    if not bench.calibrated or not np.isfinite(start[0]).all():
        return
    where = corners(arm.asked)
    for number, corner in enumerate(CORNERS):
        part = arm.of(where == number)
        if part.n >= FEWEST_TOPICS:
            values = of.moved(part, list(range(5)), start, bench.draws)
            title = f"Share of the asked-for move made in the corner {corner}"
            yield _finding(bench, part, f"corner.{corner}", title, values, unit="share", expected=1.0)
    for trait, name in enumerate(TRAITS):
        for side, flags in (("low", arm.asked[:, trait] < LOW), ("high", arm.asked[:, trait] > HIGH)):
            part = arm.of(flags).read(trait)
            if part.n >= FEWEST_TOPICS:
                values = of.moved(part, [trait], start, bench.draws)
                title = f"Share of the asked-for move made where {name} is asked for {side}"
                yield _finding(bench, part, f"pole.{side}.{name}", title, values, unit="share", expected=1.0)


def _radar(bench: Bench, arm: Arm, start: Floats) -> Iterator[Detail]:
    """Yield requested and read percentiles of each archetype that was asked for, and of answers unasked."""
    kinds = {name: number for number, name in enumerate(arm.names) if name in ARCHETYPES}
    for name, number in kinds.items():
        part = arm.of(arm.target == number)
        for trait, word in enumerate(TRAITS):
            own = part.read(trait)
            if not own.n:
                continue
            mean = estimate(bench.draws.means(own.y[:, trait], own.cluster), own.clusters)
            known = np.isfinite([mean.low, mean.high]).all()
            yield Detail(
                name="control.radar",
                source=bench.source(arm.condition),
                group=name,
                label=word,
                x=float(part.asked[0, trait]),
                value=float(ndtr(mean.value)),
                low=float(ndtr(mean.low)) if known else None,
                high=float(ndtr(mean.high)) if known else None,
                text=f"{float(ndtr(start[0, trait])):.4f}" if np.isfinite(start[0, trait]) else "",
            )
