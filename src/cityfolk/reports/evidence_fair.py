"""Fair, in pictures: a forest of group differences, and the words that one group is given more than the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cityfolk.reports.charts import chart_of, colour, figure, fold
from cityfolk.reports.evidence_inputs import Shown, said, swatches
from cityfolk.reports.html import Html, Node, bidi, table, tag

ATTRIBUTES = ("sex", "age", "origin", "race", "religion", "income")
_OPEN = ("sentiment",)
_TITLES = {
    "sentiment": "Tone",
    "agency": "Words of agency",
    "communion": "Words of communion",
    "job_level": "Level of the job",
    "money": "Talk of money",
    "stereotype": "Stereotypes",
}
_MOST_WORDS = 10


def cards(shown: Shown) -> Iterator[Html | None]:
    """Return the forest of tone, the other measures folded, and the words."""
    marks = [{**m, "attribute": a} for a in ATTRIBUTES for m in shown.marks(f"fairness.{a}")]
    if marks:
        yield _forest(shown, marks)
        yield _others(shown, marks)
    yield _words(shown)


def _forest(shown: Shown, marks: list[dict[str, Any]]) -> Html:
    measures = [m for m in dict.fromkeys(mark["group"] for mark in marks) if not m.startswith("emotion.")]
    first = [m for m in measures if m in _OPEN] or measures[:1]
    rest = [m for m in measures if m not in first]

    def drawn(measure: str) -> Html:
        mine = [m for m in marks if m["group"] == measure]
        return tag(
            "div",
            tag("h4", _TITLES.get(measure, said(measure).capitalize())),
            figure(
                partial(_forest_chart, mine, shown),
                label=f"{_TITLES.get(measure, said(measure))}: difference of each group from all others, by source.",
            ),
        )

    return tag(
        "div",
        tag("h3", "Group differences"),
        tag(
            "p",
            "How far a group is written of otherwise than everybody else, in standard deviations (Hedges’ g), after "
            "what legitimately differs between people (personality, age and the like) is taken out. 0.2 is small, 0.8 "
            "large. A filled dot is significant after correction for all comparisons.",
            class_="soft",
        ),
        swatches(shown),
        (drawn(m) for m in first),
        fold("Other measures", tag("div", (drawn(m) for m in rest), class_="grid two")) if rest else None,
        class_="card across",
    )


def _forest_chart(marks: list[dict[str, Any]], shown: Shown, width: int) -> Any:
    import altair as alt

    values = [
        {
            "row": f"{m['label']}",
            "source": m["source"],
            **{k: m[k] for k in ("value", "low", "high")},
            "sure": "yes" if m["x"] is not None and m["x"] <= 0.05 else "no",
        }
        for m in marks
        if m["value"] is not None
    ]
    order = list(dict.fromkeys(v["row"] for v in values))
    several = len(shown.sources) > 1
    base = chart_of(values).encode(
        y=alt.Y(
            "row:N",
            sort=order,
            title=None,
            axis=alt.Axis(labelLimit=190 if width > 400 else 140),
            scale=alt.Scale(type="band", paddingInner=0.2),
        ),
        yOffset=alt.YOffset("source:N", sort=list(shown.sources)) if several else alt.Undefined,
        color=alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None),
    )
    x = alt.X("value:Q", title="difference (g)", axis=alt.Axis(grid=True, tickCount=5))
    zero = chart_of([{"at": 0}]).mark_rule(color=colour("soft"), strokeDash=[4, 3]).encode(x=alt.X("at:Q"))
    rule = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q"), x2="high:Q")
    hollow = base.transform_filter("datum.sure == 'no'").mark_point(
        size=62, filled=True, fill=colour("card"), strokeWidth=2, opacity=1
    )
    full = base.transform_filter("datum.sure == 'yes'").mark_point(size=72, filled=True, opacity=1)
    hollow = hollow.encode(x=x, stroke=alt.Stroke("source:N", scale=alt.Scale(**shown.palette), legend=None))
    step = 12 * len(shown.sources) + 9
    return alt.layer(zero, rule, hollow, full.encode(x=x)).properties(
        width=width - (210 if width > 400 else 165), height=step * len(order)
    )


def _others(shown: Shown, marks: list[dict[str, Any]]) -> Html:
    several = len(shown.sources) > 1
    rows = [
        (
            m["attribute"],
            m["label"],
            _TITLES.get(m["group"], said(m["group"])).lower(),
            *((m["source"],) if several else ()),
            tag("span", f"{m['value']:+.2f}".replace("-", "−"), data_v=round(m["value"], 4)),
            f"{m['low']:+.2f} to {m['high']:+.2f}".replace("-", "−"),
            f"{m['x']:.3f}" if m["x"] is not None else "–",
            m["text"],
        )
        for m in marks
        if m["value"] is not None
    ]
    headings = ("attribute", "group", "measure", *(("source",) if several else ()), "g", "90% interval", "p", "raw")
    return fold(
        "Every comparison",
        table(
            headings,
            rows,
            caption="Each group against all others; p corrected for all groups of all attributes",
            numeric=(len(headings) - 4, len(headings) - 3, len(headings) - 2),
            sortable=True,
            box="tall",
        ),
        class_="big across",
    )


def _words(shown: Shown) -> Html | None:
    marks = shown.marks("fairness.words")
    if not marks:
        return None
    blocks: list[Node] = []
    for attribute in dict.fromkeys(m["text"] for m in marks):
        groups = list(dict.fromkeys(m["group"] for m in marks if m["text"] == attribute))
        for source in shown.sources:
            rows = []
            for group in groups:
                mine = [
                    m
                    for m in marks
                    if (m["text"], m["group"], m["source"]) == (attribute, group, source) and m["value"] > 0
                ]
                mine.sort(key=lambda m: -m["value"])
                if mine:
                    most = mine[0]["value"]
                    chips = [
                        tag(
                            "span",
                            bidi(m["label"]),
                            class_="chip",
                            style=f"--s:{m['value'] / most:.2f}",
                            title=f"z {m['value']:.1f}",
                        )
                        for m in mine[:_MOST_WORDS]
                    ]
                    rows.append((group, tag("span", chips, class_="chips")))
            if rows:
                of = f", {source}" if len(shown.sources) > 1 else ""
                blocks.append(table(("group", "words"), rows, caption=f"By {attribute}{of}"))
    if not blocks:
        return None
    return tag(
        "div",
        tag("h3", "Words that one group is given"),
        tag(
            "p",
            "The words that set a group apart most surely from everybody else: log-odds with an informative prior "
            "(Monroe, Colaresi and Quinn 2008). Some follow from the facts themselves, such as a job or a country.",
            class_="soft",
        ),
        tag("div", blocks, class_="grid two"),
        class_="card across",
    )
