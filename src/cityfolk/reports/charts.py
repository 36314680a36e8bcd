"""Charts: an altair chart becomes an SVG inside the page, in the page's own colours, so that it opens offline.

Colours are named, not spelled: a chart is drawn in stand-in colours that turn into CSS variables, so that one drawing
serves light and dark. Every chart is drawn twice, for a laptop and for a phone, and CSS shows the one that fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from cityfolk.reports.html import Html, Node, clean, tag

WIDE, NARROW = 600, 340  # pixels
# Stand-ins for the page's CSS variables of the same name; no chart may use a colour that is not here.
COLOURS = {
    name: f"#0a0b{index:02x}"
    for index, name in enumerate(
        (
            "ink",
            "soft",
            "line",
            "card",
            "made",
            "mark",
            "outside",
            "band",
            "women",
            "men",
            "c1",
            "c2",
            "c3",
            "c4",
            "c5",
            "c6",
        )
    )
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
_STAND_IN = re.compile("|".join(COLOURS.values()))
_VARIABLE = {value: f"var(--{name})" for name, value in COLOURS.items()}
_ATTRIBUTE = re.compile(r'(?<==")[^"<>]*?\d\.\d{3,}[^"<>]*(?=")')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
# The whole drawing is one image with one label: its parts must not claim to be images without any.
_INNER_ROLE = re.compile(r' (?:role="graphics-[^"]*"|aria-roledescription="[^"]*")')
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>")


def chart_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Start an altair chart from rows."""
    import altair as alt

    data: Any = alt.Data
    return alt.Chart(data(values=rows))


def colour(name: str) -> str:
    """Return the stand-in for one of the page's colours."""
    return COLOURS[name]


@cache
def theme() -> dict[str, Any]:
    """Return the Vega-Lite config that all charts share."""
    ink, soft, line = colour("ink"), colour("soft"), colour("line")
    return {
        "aria": False,
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "domain": False,
            "ticks": False,
            "labelColor": soft,
            "labelFontSize": 12,
            "labelPadding": 6,
            "labelLimit": 240,
            "labelFlush": False,
            "titleColor": soft,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": line,
        },
        "axisY": {"grid": False},
        "header": {"labelColor": ink, "labelFontSize": 13, "labelFontWeight": "bold", "titleColor": soft},
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": ink,
            "labelFontSize": 12,
            "symbolType": "square",
            "labelLimit": 260,
            "offset": 4,
        },
        "title": {"color": ink, "fontSize": 13, "anchor": "start"},
        "range": {"category": [colour(f"c{i}") for i in range(1, 7)]},
        "text": {"color": ink, "fontSize": 12},
    }


def svg(chart: Any, *, label: str, class_: str = "") -> Html:
    """Draw an altair chart as an SVG with a label for those who cannot see it; sizes follow the page."""
    import vl_convert

    spec = chart.to_dict(validate=False)
    spec.pop("config", None)
    drawn = vl_convert.vegalite_to_svg(spec, vl_version="6.4", config=theme())
    return Html(_settle(drawn, label, class_))


def _settle(drawn: str, label: str, class_: str) -> str:
    """Give a drawing the page's colours, its label, and no size of its own."""
    drawn = _ATTRIBUTE.sub(
        lambda m: _LONG_NUMBER.sub(lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), m[0]), drawn
    )
    drawn = _INNER_ROLE.sub("", drawn)
    drawn = _STAND_IN.sub(lambda m: _VARIABLE[m[0]], drawn)
    opening = _OPENING.match(drawn)
    if opening is None:
        return ""
    box = opening[1]
    width = float(box.split()[2])
    head = tag(
        "svg",
        class_=f"chart {class_}".strip(),
        viewBox=box,
        role="img",
        aria_label=clean(label),
        style=f"max-width:{width:.0f}px",
    )
    body = drawn[opening.end() :].removesuffix("\n")
    return head.markup.removesuffix("</svg>") + body


def figure(draw: Callable[[int], Any], *, label: str, caption: Node = None, numbers: Node = None) -> Html:
    """Draw a chart for a laptop and for a phone; `numbers` is the same content as a table, folded away."""
    return tag(
        "figure",
        svg(draw(WIDE), label=label, class_="wide"),
        svg(draw(NARROW), label=label, class_="narrow"),
        tag("figcaption", caption) if caption is not None else None,
        fold("Show the numbers", numbers) if numbers is not None else None,
    )


def fold(summary: Node, content: Node, *, class_: str = "") -> Html:
    """Fold content away under a line that opens it."""
    return tag("details", tag("summary", summary), content, class_=class_ or None)


def key(*entries: tuple[str, str, str]) -> Html:
    """Return a legend in HTML: (colour name, shape "box", "line", "dot" or "tick", text)."""
    return tag(
        "p",
        *(
            tag("span", tag("i", class_=f"swatch {shape}", style=f"--swatch:var(--{name})"), text)
            for name, shape, text in entries
        ),
        class_="key",
    )
