"""Varied and felt, in pictures: word clouds, likeness, most and least alike pairs, emotions, sentiment by field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cityfolk.reports.charts import chart_of, colour, figure, fold
from cityfolk.reports.cloud import cloud
from cityfolk.reports.evidence_inputs import Shown, said, swatches
from cityfolk.reports.html import Html, Node, bidi, join, table, tag
from cityfolk.reports.numbers import number

CLOUDS = ("general_description", "personality_description")
_MOST_WORDS, _MOST_EMOTIONS, _MOST_TEXT, _MOST_FIELDS = 60, 14, 1200, 24


def variety_cards(shown: Shown) -> Iterator[Html | None]:
    """Return what is told of variety."""
    yield _clouds(shown)
    yield _likeness(shown)
    yield _fields(shown)
    yield _pairs(shown)


def _clouds(shown: Shown) -> Html | None:
    words = shown.marks("variety.words")
    fields = [f for f in CLOUDS if any(m["group"] == f for m in words)]
    if not fields:
        fields = list(dict.fromkeys(m["group"] for m in words))[:2]
    drawn: list[Html] = []
    for source in shown.sources:
        for field in fields:
            mine = [(m["label"], m["value"]) for m in words if m["source"] == source and m["group"] == field]
            title = f"{said(field).capitalize()}{', ' + source if len(shown.sources) > 1 else ''}"
            picture = cloud(mine[:_MOST_WORDS], label=f"Words of {title}", colours=("ink", "c1", "c2", "c3", "c4"))
            if picture is not None:
                drawn.append(tag("figure", picture, tag("figcaption", title)))
    if not drawn:
        return None
    rows = [
        (m["source"], said(m["group"]), bidi(m["label"]), f"{100 * m['value']:.0f}%")
        for m in words
        if m["group"] in fields
    ]
    return tag(
        "div",
        tag("h3", "The words that descriptions are made of"),
        tag(
            "p",
            "The larger a word, the larger the share of people whose description has it. Names and words without "
            "meaning of their own are left out.",
            class_="soft",
        ),
        tag("div", drawn, class_="panels"),
        fold(
            "Show the numbers",
            table(
                ("source", "field", "word", "people"),
                rows,
                caption="Words by share of people",
                numeric=(3,),
                box="tall",
            ),
        ),
        class_="card across",
    )


def _likeness(shown: Shown) -> Html | None:
    panels = (
        ("variety.similarity", "How alike profiles are", "cosine similarity of two profiles"),
        ("variety.jaccard", "How many words two profiles share", "share of the words of both"),
    )
    drawn = []
    for name, title, axis in panels:
        marks = shown.marks(name, group="")
        if not marks:
            continue
        rows = [
            (m["source"], f"{m['x']:.3g}", f"{100 * m['value']:.2f}%") for m in sorted(marks, key=lambda m: m["source"])
        ]
        drawn.append(
            tag(
                "div",
                tag("h3", title),
                swatches(shown),
                figure(
                    partial(_distribution, marks, shown, axis),
                    label=f"{title}: distribution over pairs of profiles, by source.",
                    caption="Share of pairs of profiles. Further right: more alike.",
                    numbers=table(("source", axis, "pairs"), rows, caption=title, numeric=(1, 2), box="tall"),
                ),
                class_="card",
            )
        )
    return join(*drawn) if drawn else None


def _distribution(marks: list[dict[str, Any]], shown: Shown, title: str, width: int) -> Any:
    import altair as alt

    values = [{"x": m["x"], "share": 100 * m["value"], "source": m["source"]} for m in marks]
    base = chart_of(values).encode(
        x=alt.X("x:Q", title=title, axis=alt.Axis(tickCount=6, grid=False)),
        y=alt.Y("share:Q", title="% of pairs", axis=alt.Axis(grid=True, tickCount=4)),
        color=alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None),
    )
    area = base.mark_area(opacity=0.16, interpolate="monotone").encode(y=alt.Y("share:Q", stack=None))
    line = base.mark_line(strokeWidth=2.2, interpolate="monotone")
    return alt.layer(area, line).properties(width=width - 70, height=200)


def _fields(shown: Shown) -> Html | None:
    """Return, by field, how many values are different and the most frequent one."""
    values = shown.marks("variety.values")
    fields = list(dict.fromkeys(m["group"] for m in values))
    rows: list[tuple[Node, ...]] = []
    for field in fields:
        for source in shown.sources:
            different = shown.finding(f"text.variety.values.{field}", source)
            diversity = shown.finding(f"text.variety.semantic.{field}", source)
            top = [m for m in values if m["group"] == field and m["source"] == source][:3]
            if different is None and not top:
                continue
            rows.append(
                (
                    said(field),
                    *((source,) if len(shown.sources) > 1 else ()),
                    number(different["value"], "share") if different else "–",
                    number(diversity["value"]) if diversity else "–",
                    tag(
                        "span",
                        [
                            tag(
                                "span",
                                bidi(_short(m["label"], 60)),
                                tag("small", f" {100 * m['value']:.0f}%"),
                                class_="value",
                            )
                            for m in top
                        ],
                    ),
                )
            )
    if not rows:
        return None
    headings = (
        "field",
        *(("source",) if len(shown.sources) > 1 else ()),
        "different",
        "semantic diversity",
        "most frequent",
    )
    return tag(
        "div",
        tag("h3", "Field by field"),
        table(
            headings,
            rows,
            caption="Different values among all; how unlike two people's texts are (0 the same, 1 nothing in common)",
            numeric=(len(headings) - 3, len(headings) - 2),
            box="tall",
        ),
        class_="card across",
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _pairs(shown: Shown) -> Html | None:
    marks = shown.marks("variety.alike")
    if not marks:
        return None
    shows = []
    for source in shown.sources:
        for which, title in (("most", "Most alike"), ("least", "Least alike")):
            for rank in ("1", "2"):
                pair = [m for m in marks if m["source"] == source and m["group"] == f"{which}.{rank}"]
                if len(pair) == 2:
                    shows.append(_pair(shown, source, title if rank == "1" else f"{title}, the next", pair))
    if not shows:
        return None
    first, rest = shows[:1] + [s for s in shows[1:] if "Least alike</h4>" in s.markup][:1], shows
    return tag(
        "div",
        tag("h3", "The most and the least alike"),
        first,
        fold("Further pairs", [one for one in rest if one not in first]) if len(rest) > len(first) else None,
        class_="card across",
    )


def _pair(shown: Shown, source: str, title: str, pair: list[dict[str, Any]]) -> Html:
    of = f", {source}" if len(shown.sources) > 1 else ""
    return tag(
        "div",
        tag("h4", f"{title}{of}"),
        tag("p", f"similarity {pair[0]['value']:.2f}", class_="soft"),
        tag(
            "div",
            (
                tag(
                    "blockquote",
                    tag("p", bidi(_short(m["text"], _MOST_TEXT))),
                    tag("small", f"person {m['label']}"),
                    tabindex=0,
                )
                for m in pair
            ),
            class_="beside two",
        ),
        class_="pair",
    )


def feeling_cards(shown: Shown) -> Iterator[Html | None]:
    """Return emotions and sentiment by field."""
    yield _emotions(shown)
    yield _sentiment(shown)


def _emotions(shown: Shown) -> Html | None:
    marks = [m for m in shown.marks("feeling.emotion") if m["label"] != "neutral"]
    if not marks:
        return None
    readers = list(dict.fromkeys(m["group"] for m in marks))
    reader = next((r for r in readers if r != "lexicon"), readers[0])
    mine = [m for m in marks if m["group"] == reader]
    total: dict[str, float] = {}
    for mark in mine:
        total[mark["label"]] = total.get(mark["label"], 0.0) + mark["value"]
    order = sorted(total, key=lambda label: -total[label])
    by = {(m["source"], m["label"]): m["value"] for m in mine}
    rows = [(label, *(f"{100 * by.get((s, label), 0):.2f}%" for s in shown.sources)) for label in order]
    return tag(
        "div",
        tag("h3", "Emotions"),
        swatches(shown),
        figure(
            partial(_bars, [m for m in mine if m["label"] in order[:_MOST_EMOTIONS]], order[:_MOST_EMOTIONS], shown),
            label="Share of sentences by emotion, by source.",
            caption=f"Read by the {reader}; the {_MOST_EMOTIONS} most frequent, “neutral” left out.",
            numbers=table(
                ("emotion", *shown.sources),
                rows,
                caption="All emotions",
                numeric=range(1, len(shown.sources) + 1),
                box="tall",
            ),
        ),
        class_="card",
    )


def _bars(marks: list[dict[str, Any]], order: list[str], shown: Shown, width: int) -> Any:
    import altair as alt

    values = [
        {**{k: 100 * m[k] for k in ("value", "low", "high")}, "label": m["label"], "source": m["source"]} for m in marks
    ]
    several = len(shown.sources) > 1
    base = chart_of(values).encode(
        y=alt.Y("label:N", sort=order, title=None, scale=alt.Scale(type="band", paddingInner=0.2)),
        yOffset=alt.YOffset("source:N", sort=list(shown.sources)) if several else alt.Undefined,
    )
    x = alt.X("value:Q", title="% of sentences", axis=alt.Axis(grid=True, tickCount=5))
    bar = base.mark_bar(height={"band": 0.8}).encode(
        x=x, color=alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None)
    )
    rule = base.mark_rule(color=colour("ink"), strokeWidth=1.2).encode(x=alt.X("low:Q"), x2="high:Q")
    return alt.layer(bar, rule).properties(width=width - 120, height=(11 * len(shown.sources) + 9) * len(order))


def _sentiment(shown: Shown) -> Html | None:
    marks = [m for m in shown.marks("feeling.sentiment") if m["group"] == ""]
    fields = list(dict.fromkeys(m["label"] for m in marks))[:_MOST_FIELDS]
    if not fields:
        return None
    values = [{**m, "label": said(m["label"])} for m in marks if m["label"] in fields]
    by = {(m["source"], m["label"]): m for m in marks}
    rows = [
        (said(f), *(f"{by[s, f]['value']:+.3f}".replace("-", "−") if (s, f) in by else "–" for s in shown.sources))
        for f in fields
    ]
    return tag(
        "div",
        tag("h3", "Sentiment by field"),
        swatches(shown),
        figure(
            partial(_sentiment_dots, values, [said(f) for f in fields], shown),
            label="Mean sentiment of each field, by source.",
            caption="−1 all negative, +1 all positive; by the shipped lexicon, with 90% intervals.",
            numbers=table(
                ("field", *shown.sources), rows, caption="Mean sentiment", numeric=range(1, len(shown.sources) + 1)
            ),
        ),
        class_="card",
    )


def _sentiment_dots(values: list[dict[str, Any]], order: list[str], shown: Shown, width: int) -> Any:
    import altair as alt

    several = len(shown.sources) > 1
    base = chart_of([{k: v[k] for k in ("label", "source", "value", "low", "high")} for v in values]).encode(
        y=alt.Y(
            "label:N",
            sort=order,
            title=None,
            axis=alt.Axis(labelLimit=150),
            scale=alt.Scale(type="band", paddingInner=0.2),
        ),
        yOffset=alt.YOffset("source:N", sort=list(shown.sources)) if several else alt.Undefined,
        color=alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None),
    )
    x = alt.X("value:Q", title="mean sentiment", axis=alt.Axis(grid=True, tickCount=5))
    zero = chart_of([{"at": 0}]).mark_rule(color=colour("soft"), strokeDash=[4, 3]).encode(x=alt.X("at:Q"))
    rule = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q"), x2="high:Q")
    dots = base.mark_circle(size=58, opacity=1).encode(x=x)
    step = 11 * len(shown.sources) + 9
    return alt.layer(zero, rule, dots).properties(width=width - 165, height=step * len(order))
