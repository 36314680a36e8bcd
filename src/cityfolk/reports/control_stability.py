"""Stability: a personality over the turns of a conversation, and over wordings, temperatures and draws."""

from __future__ import annotations

from collections.abc import Iterator

from cityfolk.reports.control_inputs import KNOWN_TRUTH, ControlShown
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread
from cityfolk.vocabulary import TRAITS

_SOURCES = {
    "vector": "the personality requested",
    "question": "the question",
    "wording": "the wording of the request",
    "temperature": "the temperature",
    "draw": "the draw (another sample)",
}
_WIDE, _HIGH, _EDGE = 420, 150, 34
_MOST = 1.25


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the cards of a model whose stability was measured; nothing where it was not."""
    for arm in arms_of(shown, model):
        judges = readers_of(shown, model, arm)
        if judges:
            yield _card(shown, model, arm, judges)


def models_of(shown: ControlShown) -> tuple[str, ...]:
    """Return the models whose stability was measured."""
    return tuple(sorted({model for _, model, _ in _sources(shown)}))


def arms_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the conditions that were measured, prompts first."""
    found = {arm for _, own, arm in _sources(shown) if own == model}
    return tuple(sorted(found, key=lambda arm: (arm != "prompted", arm)))


def readers_of(shown: ControlShown, model: str, arm: str) -> tuple[str, ...]:
    """Return who read, the known truth first."""
    found = {judge for judge, own, one in _sources(shown) if (own, one) == (model, arm)}
    return tuple(sorted(found, key=lambda judge: (judge != KNOWN_TRUTH, judge)))


def _sources(shown: ControlShown) -> set[tuple[str, str, str]]:
    ends = (name.partition("@")[2].split("|", 2) for name in shown.by_id if name.startswith("stability."))
    return {(end[0], end[1], end[2]) for end in ends if len(end) == 3}


def conclusion(shown: ControlShown, model: str, judge: str, arm: str) -> str:
    """Return in a sentence how long a personality lasts."""
    slope = shown.finding("stability.slope", model, judge, arm)
    kept = shown.finding("stability.kept", model, judge, arm)
    if slope is None or slope["value"] is None or slope["low"] is None:
        return "There are too few conversations to say whether the personality lasts."
    if slope["high"] >= 0 >= slope["low"]:
        said = "Whether the personality fades over 20 turns can't be told"
    else:
        said = "Over 20 turns the personality surely " + ("fades" if slope["high"] < 0 else "grows")
    if kept is None or kept["value"] is None:
        return f"{said}."
    ends = f" (90% interval {100 * kept['low']:.0f}% to {100 * kept['high']:.0f}%)" if kept["low"] is not None else ""
    return f"{said}: at the last turn answers hold {100 * kept['value']:.0f}% of the move they began with{ends}."


def _card(shown: ControlShown, model: str, arm: str, judges: tuple[str, ...]) -> Html:
    first = judges[0]
    parts: list[Node] = [tag("h3", "Stability, ", bidi(arm)), tag("p", conclusion(shown, model, first, arm))]
    drawn = _turns(shown, model, first, arm)
    if drawn is not None:
        parts += [drawn, tag("p", "The band is the 90% interval; 100% is all of the requested move.", class_="soft")]
    lost = shown.finding("stability.left_out", model, first, arm)
    if lost is not None and lost["value"]:
        words = f"At the last turn {lost['value']:.0f} earlier turns no longer fitted into the request and were left "
        parts.append(
            tag("p", words + "out, the oldest first; the description of the personality stayed.", class_="soft")
        )
    parts.append(_shares(shown, model, arm, judges))
    parts.append(_reach(shown, model, arm, judges))
    parts.append(_iccs(shown, model, arm, judges))
    return tag("div", parts, class_="card")


def _turns(shown: ControlShown, model: str, judge: str, arm: str) -> Html | None:
    points = [
        (int(name), row) for name, row in shown.under("stability.turn.", model, judge, arm) if row["value"] is not None
    ]
    if len(points) < 3:
        return None
    last = max(turn for turn, _ in points)

    def at(turn: int, value: float) -> str:
        inside = min(max(value, -0.25), _MOST)
        x = _EDGE + (turn - 1) / max(last - 1, 1) * _WIDE
        return f"{x:.1f} {_HIGH * (1 - (inside + 0.25) / (_MOST + 0.25)) + 8:.1f}"

    sure = [(turn, row) for turn, row in points if row["low"] is not None]
    band = [at(turn, row["high"]) for turn, row in sure] + [at(turn, row["low"]) for turn, row in reversed(sure)]
    shapes: list[Html] = [tag("path", d=f"M{'L'.join(band)}Z", fill="var(--band)")] if band else []
    for value in (0.0, 1.0):
        shapes.append(tag("path", d=f"M{at(1, value)}L{at(last, value)}", stroke="var(--soft)", stroke_dasharray="4 3"))
        y = at(1, value).split()[1]
        shapes.append(tag("text", f"{100 * value:.0f}%", x=0, y=float(y) + 4, fill="var(--soft)", font_size="11"))
    line = "L".join(at(turn, row["value"]) for turn, row in points)
    shapes.append(tag("path", d=f"M{line}", stroke="var(--made)", stroke_width="2", fill="none"))
    for turn in (1, 10, last):
        x = at(turn, 0).split()[0]
        shapes.append(
            tag("text", f"turn {turn}", x=x, y=_HIGH + 24, fill="var(--soft)", font_size="11", text_anchor="middle")
        )
    label = f"Share of the requested move by turn of the conversation, by {judge}"
    box = f"0 0 {_WIDE + _EDGE + 30} {_HIGH + 30}"
    return tag("figure", tag("svg", shapes, viewBox=box, role="img", aria_label=label, style="max-width:34rem"))


def _shares(shown: ControlShown, model: str, arm: str, judges: tuple[str, ...]) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for source, words in _SOURCES.items():
        cells = [spread(shown.finding(f"stability.share.{source}", model, judge, arm), "share") for judge in judges]
        if any(cell != "–" for cell in cells):
            rows.append((words, *cells))
    if not rows:
        return None
    caption = "What single answers differ by: share of the variance from each source; 90% intervals"
    return table(("source", *map(bidi, judges)), rows, caption=caption, numeric=range(1, 1 + len(judges)), box="roomy")


def _reach(shown: ControlShown, model: str, arm: str, judges: tuple[str, ...]) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for kind in ("wording", "temperature"):
        names = dict.fromkeys(
            name for judge in judges for name, _ in shown.under(f"stability.reach.{kind}.", model, judge, arm)
        )
        for name in names:
            found = [shown.finding(f"stability.reach.{kind}.{name}", model, judge, arm) for judge in judges]
            rows.append((f"{kind} {name}", *map(spread, found)))
    if not rows:
        return None
    caption = "How far expressed rises with requested, by wording and by temperature; 1 is perfect"
    return table(
        ("asked with", *map(bidi, judges)), rows, caption=caption, numeric=range(1, 1 + len(judges)), box="roomy"
    )


def _iccs(shown: ControlShown, model: str, arm: str, judges: tuple[str, ...]) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for kind in ("wording", "temperature", "draw"):
        for judge in judges:
            cells = [spread(shown.finding(f"stability.icc.{kind}.{t}", model, judge, arm)) for t in TRAITS]
            if any(cell != "–" for cell in cells):
                rows.append((f"another {kind}, by {judge}", *cells))
    if not rows:
        return None
    caption = "Would it have shown the same? ICC(2,1) over personalities; 1 is always"
    heads = ("with", *(trait.capitalize() for trait in TRAITS))
    return table(heads, rows, caption=caption, numeric=range(1, 6), box="roomy")
