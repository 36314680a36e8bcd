"""Curves of a training: what was learned from and what was held out, step by step, with the step that was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cityfolk.reports.charts import chart_of, colour, figure, key
from cityfolk.reports.html import Html, Node, table, tag
from cityfolk.training.card import reader_title
from cityfolk.training.record import Training
from cityfolk.vocabulary import TRAITS

Series = Sequence[tuple[int, float]]
COLOURS = {"train": "c5", "held-out": "c1", "chosen": "c1", "rejected": "c3"}
TRAIT_COLOURS = dict(zip(TRAITS, ("c1", "c2", "c3", "c4", "c6"), strict=True))
_MOST_ROWS = 60
_MOST_POINTS = 400
_CURVES = (
    (
        "loss",
        "Loss",
        "nats",
        "What training minimises. Where the held-out line turns upwards, pairs are being learnt by heart.",
    ),
    (
        "accuracy",
        "Accuracy",
        "% of pairs",
        "Pairs whose chosen answer gained more than the rejected one. Half is chance; a tie, as before the first step, "
        "counts as wrong.",
    ),
    (
        "margin",
        "Margin",
        "nats",
        "By how much more the chosen answer gained than the rejected one, times beta.",
    ),
    (
        "kl",
        "Distance from the base model",
        "nats a token",
        "How far the model has moved on these answers. The further it has, the more else may have changed.",
    ),
)

MEASURES = {
    "closed": (
        "Share of the way that was closed",
        "% of the way",
        "From how the base model answers (0) to the target (100), by trait. Overshooting counts against it. A trait "
        "without a line was near enough to the target to begin with.",
        100.0,
    ),
    "slope": (
        "How much a trait follows its request",
        "slope",
        "How much the trait that is read rises with the one that was asked for: 1 is perfect, 0 nothing.",
        1.0,
    ),
    "spearman": (
        "Whether a trait follows in order",
        "rank correlation",
        "Rank correlation of the percentile asked for with the one that is read: 1 is perfect.",
        1.0,
    ),
}


def curve_cards(training: Training) -> Iterator[Html | None]:
    """Return loss, accuracy, margin, distance and the two rewards, a card each."""
    for name, title, unit, words in _CURVES:
        scale = 100.0 if name == "accuracy" else 1.0
        series = {
            event: [(step, scale * value) for step, value in training.series(event, name)]
            for event in ("train", "held-out")
        }
        level = 50.0 if name == "accuracy" else None
        yield _curve(training, series, COLOURS, title=title, unit=unit, words=words, level=level)
    rewards = {side: training.series("held-out", f"reward_{side}") for side in ("chosen", "rejected")}
    yield _curve(
        training,
        rewards,
        COLOURS,
        title="Rewards on held-out pairs",
        unit="nats",
        words="How much likelier the two kinds of answers have become than to the base model, times beta. Both may "
        "fall; what counts is that the rejected one falls further.",
        level=0.0,
    )
    yield _curve(
        training,
        {"train": training.series("train", "rate")},
        COLOURS,
        title="Learning rate",
        unit="",
        words="How large the steps were.",
    )


def control_cards(training: Training) -> Iterator[Html | None]:
    """Return what a rater read in answers to held-out questions, trait by trait."""
    for measure in ("closed",) if training.persona else ("slope", "spearman"):
        title, unit, words, scale = MEASURES[measure]
        for who, key_ in training.readers(measure):
            told = f"{title}, by the {reader_title(who)}" if who else title
            yield _traits(training, key_, told, unit, words, scale=scale)


def _traits(training: Training, name: str, title: str, unit: str, words: str, *, scale: float = 1.0) -> Html | None:
    series = {
        trait: [(step, scale * value) for step, value in training.series("control", f"{name}.{trait}")]
        for trait in TRAITS
    }
    drawn = {trait: points for trait, points in series.items() if points}
    return _curve(training, drawn, TRAIT_COLOURS, title=title, unit=unit, words=words, level=scale, dots=True)


def _curve(
    training: Training,
    series: Mapping[str, Series],
    colours: Mapping[str, str],
    *,
    title: str,
    unit: str,
    words: str,
    level: float | None = None,
    dots: bool = False,
) -> Html | None:
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    best, measured = training.best_step, f"{title} by step{f', in {unit}' if unit else ''}"
    kept = ", ".join(
        f"{name} {number(value)}" for name, points in series.items() if (value := _at(points, best)) is not None
    )
    entries = [(colours[name], "line", name.capitalize() if name in TRAITS else name) for name in series]
    return tag(
        "div",
        tag("h3", title),
        key(*entries, ("ink", "tick", f"kept: step {best:,}")),
        figure(
            partial(_draw, series, colours, unit, level, best, dots),
            label=f"{measured}; at the kept step {best:,}: {kept or 'not measured'}.",
            caption=words,
            numbers=_table(series, title),
        ),
        class_="card",
    )


def _draw(
    series: Mapping[str, Series],
    colours: Mapping[str, str],
    unit: str,
    level: float | None,
    best: int,
    dots: bool,
    width: int,
) -> Any:
    import altair as alt

    names = list(series)
    shown = {name: with_trend(thinned(series[name])) for name in names}
    rows = [
        {"step": step, "value": value, "of": name, "trend": trend}
        for name, points in shown.items()
        for (step, value), trend in points
    ]
    palette = alt.Scale(domain=names, range=[colour(colours[name]) for name in names])
    values = [value for points in shown.values() for (_, value), _ in points]
    values += [] if level is None else [level]
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * 0.06
    base = chart_of(rows).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(tickCount=5, tickMinStep=1, grid=False, format=",d")),
        y=alt.Y(
            "value:Q",
            title=unit or None,
            axis=alt.Axis(grid=True, tickCount=5),
            scale=alt.Scale(domain=[low - room, high + room], nice=False, zero=False),
        ),
        color=alt.Color("of:N", scale=palette, legend=None),
    )
    layers: list[Any] = []
    if level is not None:
        line = chart_of([{"value": level}]).mark_rule(color=colour("soft"), strokeDash=[4, 3]).encode(y="value:Q")
        layers.append(line)
    upright = chart_of([{"step": best}]).mark_rule(color=colour("ink"), strokeWidth=1.5, strokeDash=[2, 3])
    layers.append(upright.encode(x="step:Q"))
    thin = [name for name in names if name == "train"]
    thick = [name for name in names if name != "train"]
    if thin:
        layers.append(base.transform_filter(_one_of(thin)).mark_line(strokeWidth=1.1, opacity=0.4 if thick else 1.0))
    if thin and thick:
        trend = base.transform_filter(_one_of(thin))
        layers.append(trend.encode(y="trend:Q").mark_line(strokeWidth=2.2))
    if thick:
        point = {"size": 34, "filled": True} if dots or _few(series, thick) else False
        layers.append(base.transform_filter(_one_of(thick)).mark_line(strokeWidth=2.4, point=point))
    return alt.layer(*layers).properties(width=width - 76, height=210)


def _one_of(names: Sequence[str]) -> dict[str, Any]:
    return {"field": "of", "oneOf": list(names)}


def _few(series: Mapping[str, Series], names: Sequence[str]) -> bool:
    return max(len(series[name]) for name in names) <= 40


def thinned(points: Series) -> Series:
    """Return at most some hundreds of points, each the mean of its neighbours, so that a page stays small."""
    size = -(-len(points) // _MOST_POINTS)
    if size <= 1:
        return points
    groups = [points[place : place + size] for place in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def with_trend(points: Series) -> list[tuple[tuple[int, float], float]]:
    """Return points with their running mean over a twentieth of the training, the same number on either side."""
    half, last = len(points) // 40, len(points) - 1
    values = [value for _, value in points]
    means = []
    for place in range(len(points)):
        reach = min(half, place, last - place)
        near = values[place - reach : place + reach + 1]
        means.append(sum(near) / len(near))
    return list(zip(points, means, strict=True))


def _at(points: Series, step: int) -> float | None:
    reached = [value for at, value in points if at <= step]
    return reached[-1] if reached else None


def _table(series: Mapping[str, Series], title: str) -> Node:
    steps = sorted({step for name, points in series.items() if name != "train" for step, _ in points})
    steps = steps or sorted({step for step, _ in series["train"]})
    every = -(-len(steps) // _MOST_ROWS)
    by = {name: dict(points) for name, points in series.items()}
    rows = [(f"{step:,}", *(number(by[name].get(step)) for name in series)) for step in steps[::every]]
    return table(("step", *series), rows, caption=f"{title} by step", numeric=range(len(series) + 1), box="short")


def number(value: float | None) -> str:
    """Write a measured value with three figures; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}".replace("-", "−")
