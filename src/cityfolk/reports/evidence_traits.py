"""Personal, in pictures: expressed against drawn personality, trait by trait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cityfolk.reports.evidence_inputs import Shown, swatches
from cityfolk.reports.html import Html, Node, table, tag
from cityfolk.reports.numbers import number
from cityfolk.vocabulary import TRAITS

_SIDE, _EDGE = 200, 26
_MEASURES = (
    ("correlation", "correlation"),
    ("tail_low", "lowest tenth, rank"),
    ("tail_high", "highest tenth, rank"),
    ("middle", "slope of the middle, of all"),
)


def cards(shown: Shown) -> Iterator[Html | None]:
    """Return the scatter of each trait and the numbers of all."""
    yield _scatters(shown)
    yield _numbers(shown)


def _scatters(shown: Shown) -> Html | None:
    panels = []
    for source in shown.sources:
        for trait in TRAITS:
            points = shown.marks(f"personal.scatter.{trait}", source=source)
            curve = shown.marks(f"personal.curve.{trait}", source=source)
            if points:
                panels.append(_panel(shown, source, trait, points, curve))
    if not panels:
        return None
    return tag(
        "div",
        tag("h3", "Asked for and heard"),
        tag(
            "p",
            "Across: the percentile that was drawn. Up: what a rater hears in the text, lowest at the bottom. The line "
            "joins the mean rank of ten equal groups of people; on the dashed line text follows the person perfectly. "
            "A flat line: the trait cannot be heard. A step: only the ends are written, and the middle collapses.",
            class_="soft",
        ),
        swatches(shown) if len(shown.sources) > 1 else None,
        tag("div", panels, class_="panels five"),
        class_="card across",
    )


def _panel(shown: Shown, source: str, trait: str, points: list[dict[str, Any]], curve: list[dict[str, Any]]) -> Html:
    ordered = sorted(points, key=lambda p: p["value"])
    ranks: dict[float, float] = {}
    for value in {p["value"] for p in ordered}:
        places = [i for i, p in enumerate(ordered) if p["value"] == value]
        ranks[value] = (sum(places) / len(places) + 0.5) / len(ordered)

    def at(x: float, y: float) -> str:
        return f"{_EDGE + x * _SIDE:.0f} {_SIDE - y * _SIDE + 6:.0f}"

    dots = "".join(f"M{at(p['x'], ranks[p['value']])}h0" for p in points)
    shapes: list[Html] = [
        tag("path", d=f"M{at(0, 0)}L{at(1, 1)}", stroke="var(--soft)", stroke_dasharray="4 3", fill="none"),
        tag(
            "path",
            d=dots,
            stroke=f"var(--{shown.colour(source)})",
            stroke_width="4",
            stroke_linecap="round",
            fill="none",
            opacity="0.35",
        ),
    ]
    mean = sorted(curve, key=lambda c: c["x"])
    if len(mean) > 1:
        line = "L".join(at(c["x"], c["value"]) for c in mean)
        shapes.append(tag("path", d=f"M{line}", stroke="var(--ink)", stroke_width="2.4", fill="none"))
    frame = f"M{at(0, 1)}L{at(0, 0)}L{at(1, 0)}"
    shapes.append(tag("path", d=frame, stroke="var(--line-strong)", fill="none"))
    for x in (0, 50, 100):
        left, top = at(x / 100, 0).split()
        shapes.append(
            tag("text", f"{x}", x=left, y=int(top) + 15, text_anchor="middle", font_size="12", fill="var(--soft)")
        )
    found = shown.finding(f"text.personal.correlation.{trait}", source)
    r = f"r = {found['value']:.2f}" if found and found["value"] is not None else ""
    of = f", {source}" if len(shown.sources) > 1 else ""
    return tag(
        "figure",
        tag(
            "svg",
            shapes,
            viewBox=f"0 0 {_SIDE + _EDGE + 12} {_SIDE + 26}",
            role="img",
            aria_label=f"{trait.capitalize()}{of}: expressed against drawn, {len(points)} people, {r}",
        ),
        tag("figcaption", tag("strong", trait.capitalize()), f"{of}  ", r),
    )


def _numbers(shown: Shown) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for trait in TRAITS:
        for source in shown.sources:
            found = [shown.finding(f"text.personal.{name}.{trait}", source) for name, _ in _MEASURES]
            kept = shown.finding(f"text.kept.trait.{trait}", source)
            if not any(found):
                continue
            rows.append(
                (
                    trait.capitalize(),
                    *((source,) if len(shown.sources) > 1 else ()),
                    *(_spread(row) for row in found),
                    number(kept["value"], "share") if kept else "–",
                )
            )
    if not rows:
        return None
    several = len(shown.sources) > 1
    headings = ("trait", *(("source",) if several else ()), *(title for _, title in _MEASURES), "variety kept")
    note = next(
        (row["note"] for row in shown.findings.iter_rows(named=True) if row["id"].startswith("text.personal.")), ""
    )
    return tag(
        "div",
        tag("h3", "How well each trait can be heard"),
        table(
            headings,
            rows,
            caption="With 90% intervals. Perfect text: correlation 1, tenths at .05 and .95, slope 1, 100%",
            numeric=range(1 + several, len(headings)),
        ),
        tag("p", f"The rater: {note.split(';')[0]}. It hears style, and is no questionnaire.", class_="soft")
        if note
        else None,
        class_="card across",
    )


def _spread(row: dict[str, Any] | None) -> Node:
    if row is None or row["value"] is None:
        return "–"
    if row["low"] is None or row["high"] is None:
        return f"{row['value']:.2f}"
    return [f"{row['value']:.2f} ", tag("small", f"{row['low']:.2f} to {row['high']:.2f}")]
