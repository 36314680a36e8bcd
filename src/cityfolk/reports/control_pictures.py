"""Pictures of control: dials (requested against expressed), heat maps of bleed, radars of the archetypes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import cos, pi, sin
from typing import Any

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.reports.charts import key
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.html import Html, Node, bidi, tag
from cityfolk.vocabulary import TRAITS

_SIDE, _EDGE = 200, 28
_RADIUS, _MIDDLE = 84, 116


def legend(shown: ControlShown, model: str, conditions: Sequence[str], *extra: tuple[str, str, str]) -> Html:
    """Return which colour is which condition."""
    return key(*((shown.colour(model, condition), "dot", condition) for condition in conditions), *extra)


def dials(shown: ControlShown, model: str, judge: str) -> Html | None:
    """Return five panels, one a trait, with a line a condition, as a judge reads them."""
    return dials_of(
        shown.conditions(model, judge),
        lambda trait, name: shown.marks(f"dial.{trait}", f"{judge}|{model}|{name}"),
        lambda name: shown.colour(model, name),
        said=f"expressed against requested by {judge}",
        slope=lambda trait, name: shown.value(f"slope.{trait}", model, judge, name),
    )


def dials_of(
    conditions: Sequence[str],
    marks: Callable[[str, str], list[dict[str, Any]]],
    colour: Callable[[str], str],
    *,
    said: str,
    slope: Callable[[str, str], float | None] = lambda trait, name: None,
) -> Html | None:
    """Return five panels, one a trait: `marks(trait, condition)` as lines; `said` and `slope` are told to readers."""
    panels: list[Html] = []
    for trait in TRAITS:
        lines = {name: sorted(marks(trait, name), key=lambda m: m["x"]) for name in conditions}
        lines = {name: found for name, found in lines.items() if found}
        steep = {name: slope(trait, name) for name in lines}
        told = [name if steep[name] is None else f"{name} rises {steep[name]:.2f}" for name in lines]
        if lines:
            label = f"{trait.capitalize()}: {said}; {'; '.join(told)}"
            panels.append(_dial(trait, lines, colour, label))
    return tag("div", panels, class_="panels five") if panels else None


def _at(x: float, y: float) -> str:
    return f"{_EDGE + x * _SIDE:.1f} {_SIDE - y * _SIDE + 8:.1f}"


def _dial(trait: str, lines: dict[str, list[dict[str, Any]]], colour: Callable[[str], str], label: str) -> Html:
    shapes: list[Html] = [
        tag("path", d=f"M{_at(0, 0)}L{_at(1, 1)}", stroke="var(--soft)", stroke_dasharray="4 3", fill="none")
    ]
    for name, marks in lines.items():
        shapes += _line(marks, f"var(--{colour(name)})", name)
    shapes.append(tag("path", d=f"M{_at(0, 1)}L{_at(0, 0)}L{_at(1, 0)}", stroke="var(--line-strong)", fill="none"))
    shapes += _ticks()
    drawn = tag("svg", shapes, viewBox=f"0 0 {_SIDE + _EDGE + 12} {_SIDE + 30}", role="img", aria_label=label)
    return tag("figure", drawn, tag("figcaption", tag("strong", trait.capitalize())))


def _line(marks: list[dict[str, Any]], colour: str, condition: str) -> Iterator[Html]:
    banded = [m for m in marks if m["low"] is not None]
    if len(banded) > 1:
        around = [_at(m["x"], m["high"]) for m in banded] + [_at(m["x"], m["low"]) for m in reversed(banded)]
        yield tag("path", d=f"M{'L'.join(around)}Z", fill=colour, opacity="0.16")
    middle = "L".join(_at(m["x"], m["value"]) for m in marks)
    yield tag("path", d=f"M{middle}", stroke=colour, stroke_width="2.4", fill="none")
    for m in marks:
        x, y = _at(m["x"], m["value"]).split()
        said = f"{condition}: asked {100 * m['x']:.0f}, expressed {100 * m['value']:.0f} ({m['label']} answers)"
        yield tag("circle", tag("title", said), cx=x, cy=y, r="3.2", fill=colour)


def _ticks() -> Iterator[Html]:
    for at in (0, 50, 100):
        left, top = _at(at / 100, 0).split()
        below = str(round(float(top)) + 16)
        yield tag("text", f"{at}", x=left, y=below, text_anchor="middle", font_size="12", fill="var(--soft)")
        if at:
            x, y = _at(0, at / 100).split()
            beside = {"x": str(round(float(x)) - 5), "y": str(round(float(y)) + 4)}
            yield tag("text", f"{at}", **beside, text_anchor="end", font_size="12", fill="var(--soft)")


def heat(shown: ControlShown, model: str, judge: str, condition: str) -> Html | None:
    """Return the matrix of one condition: rows asked for, columns expressed."""
    values = {(m["group"], m["label"]): m for m in shown.marks("matrix", f"{judge}|{model}|{condition}")}
    if not values:
        return None
    letters = [tag("th", tag("abbr", t[0].upper(), title=t.capitalize()), scope="col") for t in TRAITS]
    rows = []
    for asked in TRAITS:
        cells = []
        for trait in TRAITS:
            found = shown.finding(f"matrix.{asked}.{trait}", model, judge, condition)
            cells.append(_cell(values.get((asked, trait)), own=asked == trait, raised=_raised(found)))
        rows.append(tag("tr", tag("th", asked.capitalize(), scope="row"), cells))
    what = f"Rows: asked for. Columns: expressed. {condition}"
    drawn = tag(
        "table",
        tag("caption", bidi(condition)),
        tag("thead", tag("tr", tag("td"), letters)),
        tag("tbody", rows),
        class_="heat",
    )
    return tag("figure", tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=what))


def _raised(found: Any) -> bool:
    return found is not None and found["verdict"] == "outside"


def _cell(mark: dict[str, Any] | None, *, own: bool, raised: bool) -> Html:
    if mark is None or mark["value"] is None:
        return tag("td", "–")
    value = mark["value"]
    text = f"{value:+.2f}".replace("-", "−").replace("0.", ".", 1)
    inner: Node = tag("strong", text) if own or raised else text
    spread = f"{mark['low']:.2f} to {mark['high']:.2f}" if mark["low"] is not None else None
    size = f"{min(abs(value), 1.0) * 0.75:.2f}"
    kind = ("pos" if value >= 0 else "neg") + (" empty" if raised else "")
    return tag("td", inner, class_=kind, style=f"--r:{size}", title=spread)


def radars(shown: ControlShown, model: str, judge: str, conditions: Sequence[str]) -> Html | None:
    """Return a radar for each archetype that was asked for: what was asked, and what each condition expressed."""
    sides = {c: shown.marks("radar", f"{judge}|{model}|{c}") for c in conditions}
    there = {m["group"] for marks in sides.values() for m in marks}
    names = [name for name in ARCHETYPES if name in there]
    if not names:
        return None
    return tag("div", [_radar(shown, model, name, sides) for name in names], class_="panels four")


def _spoke(position: int, value: float) -> tuple[float, float]:
    turn = 2 * pi * position / len(TRAITS)
    return _MIDDLE + _RADIUS * value * sin(turn), _MIDDLE - _RADIUS * value * cos(turn)


def _shape(values: Sequence[float]) -> str:
    return "M" + "L".join("{:.1f} {:.1f}".format(*_spoke(i, v)) for i, v in enumerate(values)) + "Z"


def _radar(shown: ControlShown, model: str, name: str, sides: dict[str, list[dict[str, Any]]]) -> Html:
    shapes = [tag("path", d=_shape([ring] * 5), stroke="var(--line)", fill="none") for ring in (0.25, 0.5, 0.75, 1.0)]
    for position, trait in enumerate(TRAITS):
        x, y = _spoke(position, 1.16)
        place = {"x": f"{x:.1f}", "y": f"{y + 4:.1f}"}
        shapes.append(tag("text", trait[0].upper(), **place, text_anchor="middle", font_size="13", fill="var(--soft)"))
    asked: list[float] = []
    told: list[str] = []
    for condition, marks in sides.items():
        own = {m["label"]: m for m in marks if m["group"] == name}
        if len(own) < len(TRAITS):
            continue
        asked = [own[trait]["x"] for trait in TRAITS]
        read = [own[trait]["value"] for trait in TRAITS]
        shapes.append(
            tag(
                "path",
                d=_shape(read),
                stroke=f"var(--{shown.colour(model, condition)})",
                stroke_width="2.2",
                fill="none",
            )
        )
        told.append(f"{condition} " + ", ".join(f"{t} {100 * v:.0f}" for t, v in zip(TRAITS, read, strict=True)))
    if asked:
        dashed = {"stroke": "var(--ink)", "stroke_dasharray": "4 3", "stroke_width": "1.6"}
        shapes.insert(9, tag("path", d=_shape(asked), **dashed, fill="var(--soft)", fill_opacity="0.14"))
        told.insert(0, "asked " + ", ".join(f"{t} {100 * v:.0f}" for t, v in zip(TRAITS, asked, strict=True)))
    size = 2 * _MIDDLE
    label = f"{name}: {'; '.join(told)}"
    drawn = tag("svg", shapes, viewBox=f"0 0 {size} {size}", role="img", aria_label=label)
    return tag("figure", drawn, tag("figcaption", tag("strong", name)))
