"""Word clouds: words sized by how telling they are, laid out along a spiral so that none covers another.

Widths come from a table of letter widths (a sans serif's, in ems), and every word is drawn at the width it was given:
a page is shown in whatever font its reader has.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin, sqrt

from cityfolk.reports.html import Html, tag

WIDTH, HEIGHT = 520, 300
_SMALLEST, _LARGEST = 12.0, 46.0
_NARROW, _WIDE = "ijltfr.,'’ I1", "mwMWQO@%"
_LINE = 1.08  # ems from line to line
_BOLD = 24.0  # pixels from which words are bold
_STEP = 0.35  # radians along the spiral

Box = tuple[float, float, float, float]


def letter_width(letter: str) -> float:
    """Return the width of a letter in ems."""
    if letter in _NARROW:
        return 0.36
    if letter in _WIDE:
        return 0.92
    if letter.isupper() or letter.isdigit():
        return 0.7
    return 0.58 if letter.isascii() else 1.0


def word_width(word: str, size: float) -> float:
    """Return the width of a word in pixels; it is drawn at exactly this width, whatever the font."""
    return size * (1.06 if size > _BOLD else 1.0) * sum(letter_width(letter) for letter in word)


def place(
    words: Sequence[tuple[str, float]], width: float = WIDTH, height: float = HEIGHT
) -> list[tuple[str, float, float, float]]:
    """Return (word, x and y of its centre, size in pixels), largest first; words that find no room are left out.

    Size grows with the square root of the weight. The layout is a function of the words alone.
    """
    ordered = sorted(((w, v) for w, v in words if v > 0 and w), key=lambda one: (-one[1], one[0]))
    if not ordered:
        return []
    most = ordered[0][1]
    taken: list[Box] = []
    placed = []
    for word, weight in ordered:
        size = max(_SMALLEST, _LARGEST * sqrt(weight / most))
        wide, tall = word_width(word, size) + 4, size * _LINE
        if wide > width:
            continue
        spot = _spot(wide, tall, width, height, taken)
        if spot is not None:
            taken.append((spot[0] - wide / 2, spot[1] - tall / 2, spot[0] + wide / 2, spot[1] + tall / 2))
            placed.append((word, spot[0], spot[1], size))
    return placed


def _spot(wide: float, tall: float, width: float, height: float, taken: list[Box]) -> tuple[float, float] | None:
    angle = 0.0
    while angle < 60 * pi:
        radius = 2.2 * angle
        x, y = width / 2 + radius * cos(angle), height / 2 + radius * sin(angle) * height / width
        box = (x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2)
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
        if inside and not any(_overlap(box, other) for other in taken):
            return x, y
        angle += _STEP if angle > 2 else 0.15
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def cloud(words: Sequence[tuple[str, float]], *, label: str, colours: Sequence[str]) -> Html | None:
    """Draw a word cloud in the page's colours; None where there is no word."""
    placed = place(words)
    if not placed:
        return None
    drawn = (
        tag(
            "text",
            word,
            x=f"{x:.0f}",
            y=f"{y + 0.34 * size:.0f}",
            font_size=f"{size:.0f}",
            font_weight=600 if size > _BOLD else 400,
            text_anchor="middle",
            textLength=f"{word_width(word, size):.0f}",
            lengthAdjust="spacingAndGlyphs",
            fill=f"var(--{colours[i % len(colours)]})",
        )
        for i, (word, x, y, size) in enumerate(placed)
    )
    told = ", ".join(word for word, *_ in placed[:12])
    return tag("svg", drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{label}: {told}", class_="cloud")
