"""Control of several studies on one page: which model and condition to use, all lines, and what differs surely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cityfolk.reports.charts import fold
from cityfolk.reports.control_inputs import COLUMNS, KNOWN_TRUTH
from cityfolk.reports.evidence_inputs import COLOURS
from cityfolk.reports.html import Html, Node, bidi, join, table, tag
from cityfolk.reports.preference_inputs import spread

Line = Mapping[str, Any]
_SHEET = (("spearman", "rank correlation"), ("slope", "slope"), ("mae", "points off"), ("alpha", "alpha"))
_MEASURES = {"mae": "points off", "slope": "slope", "spearman": "rank correlation", "bleed": "bleed"}


def section(found: Mapping[str, Any]) -> Html:
    """Return the section of `compare_control`'s result: {"lines", "questionnaires", "differences", "why"}."""
    judges = _judges(found["lines"])
    cards = [_answer(found, judges[0]), *(_lines(found["lines"], judge) for judge in judges)] if judges else []
    cards += [card for card in (_questionnaires(found["questionnaires"]), _differences(found)) if card is not None]
    lead = "The same requests put to several models. Judges read what the answers express; nobody claims that a model "
    return join(
        tag("h2", "Control"),
        tag("p", f"{lead}feels it.", class_="lead"),
        tag("div", cards, class_="grid"),
    )


def _judges(lines: Sequence[Line]) -> list[str]:
    """Return the judges, those who read in most studies first, of these the ones with norms."""
    names = dict.fromkeys(line["judge"] for line in lines)

    def rank(judge: str) -> tuple[int, bool, bool, str]:
        own = [line for line in lines if line["judge"] == judge]
        return -len({line["study"] for line in own}), "mae" not in own[0], judge != KNOWN_TRUTH, judge

    return sorted(names, key=rank)


def _ranked(lines: Sequence[Line], judge: str) -> list[Line]:
    """Return the lines of one judge, the nearest first; of a judge without norms the steepest."""
    own = [line for line in lines if line["judge"] == judge]
    if any("mae" in line for line in own):
        return sorted((line for line in own if "mae" in line), key=lambda line: line["mae"]["value"] or 0.0)
    return sorted((line for line in own if "slope" in line), key=lambda line: -(line["slope"]["value"] or 0.0))


def difference(found: Mapping[str, Any], judge: str, first: str, second: str) -> tuple[float, float, float] | None:
    """Return (value, low, high) in distance of one arm less another, None where they were not asked alike."""
    for row in found["differences"]:
        for one, two, sign in ((first, second, 1), (second, first, -1)):
            if row["id"] == f"control.compare.mae@{judge}|{one}|{two}" and row["low"] is not None:
                low, high = sorted((sign * row["low"], sign * row["high"]))
                return sign * row["value"], low, high
    return None


def _answer(found: Mapping[str, Any], judge: str) -> Html:
    """Return the card that says which to use and why."""
    ranked = _ranked(found["lines"], judge)
    if not ranked:
        return tag("div", tag("h3", "No model can be recommended."), class_="card advice")
    whole = [line for line in ranked if "bleed" in line] or ranked
    best = whole[0]
    others = [line for line in whole[1:] if line["study"] != best["study"]]
    equal = [line for line in others if _open(found, judge, best, line)]
    head: list[Node] = ["Use ", bidi(best["arm"])]
    head += [node for line in equal[:2] for node in (" or ", bidi(line["arm"]))]
    head.append(": no clear winner." if equal else ".")
    return tag(
        "div",
        tag("h3", head),
        tag("p", _reason(best), class_="lead"),
        _bars(ranked, sorted({line["study"] for line in ranked})),
        tag("ul", (tag("li", said) for said in _against(found, judge, best, others))),
        tag("p", tag("small", f"Read by {judge}.")),
        class_="card advice",
    )


def _open(found: Mapping[str, Any], judge: str, best: Line, line: Line) -> bool:
    """Say whether these answers leave open which of two is nearer."""
    gap = difference(found, judge, best["arm"], line["arm"])
    if gap is not None:
        return gap[1] <= 0 <= gap[2]
    if "mae" not in best or best["mae"]["high"] is None or line["mae"]["low"] is None:
        return True
    return bool(line["mae"]["low"] <= best["mae"]["high"])


def _reason(best: Line) -> Iterator[Node]:
    if "mae" in best:
        yield [
            "The answers of ",
            bidi(best["arm"]),
            f" lie {_range(best['mae'], 100, '')} percentile points from what ",
        ]
        yield "was asked for"
        if "moved" in best:
            yield f", and go {_range(best['moved'], 100, '%')} of the way there from how it answers unasked"
        yield ". "
    elif "slope" in best:
        yield f"What is expressed rises by {_range(best['slope'], 1, '')} for each step asked for. "
    if "bleed" in best:
        yield f"What it does to traits that were not asked for is {_range(best['bleed'], 100, '%')} of what it does to "
        yield "those that were."


def _range(found: Mapping[str, Any], times: float, unit: str) -> str:
    digits = 0 if times > 1 else 2
    said = f"{times * found['value']:.{digits}f}{unit}"
    if found["low"] is None or found["high"] is None:
        return said
    return f"{said} [{times * found['low']:.{digits}f} to {times * found['high']:.{digits}f}]"


def _against(found: Mapping[str, Any], judge: str, best: Line, others: Sequence[Line]) -> Iterator[Node]:
    for line in others:
        gap = difference(found, judge, best["arm"], line["arm"])
        if gap is None:
            yield ["It was not asked what ", bidi(line["arm"]), " was: the two can't be told apart but by their bars."]
        elif gap[2] < 0:
            size = f"{abs(100 * gap[0]):.1f} points [{abs(100 * gap[2]):.1f} to {abs(100 * gap[1]):.1f}]"
            yield ["On what both were asked it is nearer than ", bidi(line["arm"]), f" by {size}."]
        elif gap[1] > 0:
            yield ["On what both were asked ", bidi(line["arm"]), f" is nearer, by {100 * gap[0]:.1f} points."]
        else:
            said = f"{100 * gap[0]:+.1f} points, 90% interval {100 * gap[1]:+.1f} to {100 * gap[2]:+.1f}"
            yield ["Whether it is nearer than ", bidi(line["arm"]), f" can't be told: {said}."]


def _bars(ranked: Sequence[Line], studies: Sequence[str]) -> Html | None:
    if "mae" not in ranked[0]:
        return None
    most = max(max(line["mae"]["value"], line["mae"]["high"] or 0.0) for line in ranked) or 1.0
    bars = []
    for line in ranked:
        row = line["mae"]
        colour = COLOURS[studies.index(line["study"]) % len(COLOURS)]
        bar = tag("i", style=f"--w:{row['value'] / most:.3f};--swatch:var(--{colour})")
        whisker = None
        if row["low"] is not None:
            whisker = tag("u", style=f"--a:{row['low'] / most:.3f};--b:{row['high'] / most:.3f}")
        value = tag("span", f"{100 * row['value']:.1f}", class_="num")
        bars.append(tag("li", tag("span", bidi(line["arm"])), tag("span", bar, whisker, class_="bar"), value))
    words = "How many percentile points answers lie from what was requested: the shorter the better. The dark mark is "
    return tag("div", tag("p", f"{words}the 90% interval.", class_="soft"), tag("ul", bars, class_="near"))


def _lines(lines: Sequence[Line], judge: str) -> Html:
    own = _ranked(lines, judge)
    columns = [column for column in COLUMNS if any(column[0] in line for line in own)]
    rows: list[tuple[Node, ...]] = []
    for line in own:
        cells = (spread(line.get(measure), unit) for measure, _, unit in columns)
        rows.append((bidi(line["study"]), bidi(line["model"]), bidi(line["condition"]), *cells))
    return tag(
        "div",
        tag("h3", "As ", bidi(judge), " reads it"),
        table(
            ("study", "model", "condition", *(title for _, title, _ in columns)),
            rows,
            caption="The nearest first; in small print 90% intervals",
            numeric=range(3, 3 + len(columns)),
            box="roomy",
        ),
        class_="card",
    )


def _questionnaires(sheets: Sequence[Line]) -> Html | None:
    own = [line for line in sheets if "spearman" in line]
    if not own:
        return None
    rows: list[tuple[Node, ...]] = []
    for line in own:
        cells = [_span(line.get(measure), 100 if measure == "mae" else 1) for measure, _ in _SHEET]
        about = (bidi(line["study"]), bidi(line["model"]), bidi(line["condition"]), line["instrument"])
        rows.append((*about, *cells, spread(line.get("bleed.size")), spread(line.get("refused"), "share")))
    return tag(
        "div",
        tag("h3", "Questionnaires"),
        table(
            ("study", "model", "condition", "instrument", *(title for _, title in _SHEET), "noisy bleed", "refused"),
            rows,
            caption="From the lowest of the five traits to the highest",
            numeric=range(4, 10),
            box="roomy",
        ),
        class_="card",
    )


def _span(found: Mapping[str, float] | None, times: float) -> str:
    if found is None:
        return "–"
    digits = 0 if times > 1 else 2
    return f"{times * found['lowest']:.{digits}f} to {times * found['highest']:.{digits}f}"


def _differences(found: Mapping[str, Any]) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for row in found["differences"]:
        name, _, source = row["id"].removeprefix("control.compare.").partition("@")
        judge, first, second = source.split("|", 2)
        if name in _MEASURES:
            sure = row["low"] is not None and not row["low"] <= 0 <= row["high"]
            unit = "points" if name == "mae" else ""
            cells = (spread(row, unit), "surely" if sure else "can't be told")
            rows.append((bidi(first), bidi(second), judge, _MEASURES[name], *cells))
    if not rows:
        return tag("p", f"No differences: {found['why']}.", class_="soft")
    shown = table(
        ("first", "less", "judge", "in", "difference", "differs"),
        rows,
        caption=f"Taken {found['why']}; 90% intervals by drawing topics anew",
        numeric=(4,),
        box="tall",
    )
    return fold("Every difference", shown, class_="big")
