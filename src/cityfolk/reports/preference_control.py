"""Asked for and expressed, in pictures: means of targets with the line through them, all 25 correlations, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cityfolk.reports.html import Html, Node, table, tag
from cityfolk.reports.preference_inputs import PreferencesShown, spread, told
from cityfolk.vocabulary import TRAITS

_SIDE, _EDGE = 200, 28
_NUMBERS = (
    ("spearman", "", "rank correlation", ""),
    ("spearman", ".train", "on train topics", ""),
    ("spearman", ".held-out", "on held-out topics", ""),
    ("slope", "", "slope", ""),
    ("mae", "", "percentiles off", "points"),
    ("reached", "", "of the move made", "share"),
)


def cards(shown: PreferencesShown) -> Iterator[Html | None]:
    """Return the scatters, the heat maps and the numbers, a judge at a time."""
    judges = shown.sources("means.")
    for place, judge in enumerate(judges):
        yield _scatters(shown, judge, explained=place == 0)
    if judges:
        yield tag(
            "div",
            tag("h3", "Every request against everything expressed"),
            tag(
                "p",
                "Rank correlations. On the diagonal a trait and the request for it: the higher the better. Beside it, "
                "what asking for one trait does to another: near 0 is best, though requests that go together, as in "
                "a few archetypes, make others go together as well.",
                class_="soft",
            ),
            tag("div", [_heat(shown, judge) for judge in judges], class_="panels"),
            class_="card across",
        )
    yield _numbers(shown, judges)


def _scatters(shown: PreferencesShown, judge: str, *, explained: bool) -> Html:
    panels = [panel for trait in TRAITS if (panel := _panel(shown, judge, trait)) is not None]
    return tag(
        "div",
        tag("h3", f"Asked for and expressed, by {told(judge)}"),
        tag("p", words, class_="soft") if (words := _reading(explained) + _without_norms(shown, judge)) else None,
        tag("div", panels, class_="panels five"),
        class_="card across",
    )


def _reading(explained: bool) -> str:
    if not explained:
        return ""
    return (
        "Across: the percentile that was asked for. Up: the percentile that the judge reads in the answers. A dot is "
        "the mean of one target (of a twentieth of the scale where there are many) with its 90% interval; the line is "
        "the trend with its band. On the dashed line answers show exactly what was asked for; a flat line shows "
        "nothing of it. "
    )


def _without_norms(shown: PreferencesShown, judge: str) -> str:
    found = shown.finding(f"control.slope.{TRAITS[0]}@{judge}") or {}
    if "no norms" not in str(found.get("note") or ""):
        return ""
    return "This judge has no norms: its scores order answers, and 50 is the middle of these answers, not of people."


def _at(x: float, y: float) -> str:
    return f"{_EDGE + x * _SIDE:.1f} {_SIDE - y * _SIDE + 8:.1f}"


def _panel(shown: PreferencesShown, judge: str, trait: str) -> Html | None:
    means = shown.marks(f"means.{trait}", source=judge)
    line = sorted(shown.marks(f"line.{trait}", source=judge), key=lambda m: m["x"])
    if not means:
        return None
    shapes: list[Html] = [
        tag("path", d=f"M{_at(0, 0)}L{_at(1, 1)}", stroke="var(--soft)", stroke_dasharray="4 3", fill="none")
    ]
    if len(line) > 1:
        around = [_at(m["x"], m["high"]) for m in line] + [_at(m["x"], m["low"]) for m in reversed(line)]
        shapes.append(tag("path", d=f"M{'L'.join(around)}Z", fill="var(--c1)", opacity="0.22"))
        middle = "L".join(_at(m["x"], m["value"]) for m in line)
        shapes.append(tag("path", d=f"M{middle}", stroke="var(--c1)", stroke_width="2.4", fill="none"))
    bars = "".join(f"M{_at(m['x'], m['low'])}L{_at(m['x'], m['high'])}" for m in means)
    shapes.append(tag("path", d=bars, stroke="var(--ink)", stroke_width="1.2", fill="none", opacity="0.4"))
    for m in means:
        x, y = _at(m["x"], m["value"]).split()
        title = tag("title", f"{m['label'] or 'a twentieth'}: asked {100 * m['x']:.0f}, read {100 * m['value']:.0f}")
        shapes.append(tag("circle", title, cx=x, cy=y, r="3.4", fill="var(--ink)", opacity="0.75"))
    shapes.append(tag("path", d=f"M{_at(0, 1)}L{_at(0, 0)}L{_at(1, 0)}", stroke="var(--line-strong)", fill="none"))
    shapes += _ticks()
    found = shown.finding(f"control.spearman.{trait}@{judge}")
    rho = f"ρ = {found['value']:.2f}" if found and found["value"] is not None else "ρ unknown"
    drawn = tag(
        "svg",
        shapes,
        viewBox=f"0 0 {_SIDE + _EDGE + 12} {_SIDE + 30}",
        role="img",
        aria_label=f"{trait.capitalize()} by {told(judge)}: expressed against requested, {len(means)} means, {rho}",
    )
    return tag("figure", drawn, tag("figcaption", tag("strong", trait.capitalize()), tag("br"), rho))


def _ticks() -> Iterator[Html]:
    for at in (0, 50, 100):
        left, top = _at(at / 100, 0).split()
        below = str(round(float(top)) + 16)
        yield tag("text", f"{at}", x=left, y=below, text_anchor="middle", font_size="12", fill="var(--soft)")
        if at:
            x, y = _at(0, at / 100).split()
            beside = {"x": str(round(float(x)) - 5), "y": str(round(float(y)) + 4)}
            yield tag("text", f"{at}", **beside, text_anchor="end", font_size="12", fill="var(--soft)")


def _heat(shown: PreferencesShown, judge: str) -> Html:
    values = {(m["group"], m["label"]): m for m in shown.marks("matrix", source=judge)}
    letters = [tag("th", tag("abbr", t[0].upper(), title=t.capitalize()), scope="col") for t in TRAITS]
    rows = []
    for asked in TRAITS:
        cells = [_cell(values.get((asked, heard)), own=asked == heard) for heard in TRAITS]
        rows.append(tag("tr", tag("th", asked.capitalize(), scope="row"), cells))
    bleed = shown.finding(f"control.bleed@{judge}")
    said = (
        f" Other traits move {100 * bleed['value']:.0f}% as far as the one asked for, all requests taken at once."
        if bleed and bleed["value"] is not None
        else ""
    )
    what = f"Rows: asked for. Columns: expressed, by {told(judge)}"
    drawn = tag(
        "table",
        tag("caption", what),
        tag("thead", tag("tr", tag("td"), letters)),
        tag("tbody", rows),
        class_="heat",
    )
    return tag(
        "figure",
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=what),
        tag("figcaption", said.strip()) if said else None,
    )


def _cell(mark: dict[str, Any] | None, *, own: bool) -> Html:
    if mark is None:
        return tag("td", "–")
    value = mark["value"]
    size = f"{min(abs(value), 1.0) * 0.75:.2f}"
    text = f"{value:+.2f}".replace("-", "−").replace("0.", ".")
    return tag("td", tag("strong", text) if own else text, class_="pos" if value >= 0 else "neg", style=f"--r:{size}")


def _numbers(shown: PreferencesShown, judges: list[str]) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for judge in judges:
        for trait in TRAITS:
            found = [shown.finding(f"control.{name}.{trait}{split}@{judge}") for name, split, _, _ in _NUMBERS]
            if any(found):
                units = [unit for _, _, _, unit in _NUMBERS]
                rows.append((trait.capitalize(), judge.replace("|", ", "), *(map(spread, found, units))))
    if not rows:
        return None
    return tag(
        "div",
        tag("h3", "How well each trait answers to a request"),
        table(
            ("trait", "judge", *(title for _, _, title, _ in _NUMBERS)),
            rows,
            caption="With 90% intervals. Perfect: correlation 1, slope 1, 0 percentiles off, 100% of the move made",
            numeric=range(2, 2 + len(_NUMBERS)),
            box="roomy" if len(rows) <= 20 else "tall",
        ),
        tag(
            "p",
            "The move is counted from how the same model answers when no personality is asked for. Percentiles off and "
            "the move need a judge with norms. A judge hears expressed style and is no questionnaire.",
            class_="soft",
        ),
        class_="card across",
    )
