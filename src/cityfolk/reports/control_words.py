"""Which condition to use and why, in sentences: the first thing on a model's sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cityfolk.personality.norms import INSTRUMENT
from cityfolk.reports.control_inputs import ControlShown, Row
from cityfolk.reports.control_questionnaire import hardly, verdict
from cityfolk.reports.html import Html, Node, bidi, tag
from cityfolk.vocabulary import TRAITS

_FEWEST_TOPICS = 8
_WEAK = 0.5
_NARROW = 0.45
_STILL = 0.25


def advice(shown: ControlShown, model: str, judge: str) -> Html:
    """Return the card that says which condition to use and why, how sure that is, and what to beware of."""
    best = favourite(shown, model, judge)
    lines = list(_because(shown, model, judge, best)) if best else []
    lines += _on_paper(shown, model, best)
    lines += _beware(shown, model, judge, best)
    reaches = bool(best) and _reaches(shown, model, judge, best)
    why = tag("p", _why(shown, model, judge, best, reaches=reaches), class_="lead") if best else None
    names = "“prompted” is told the personality in its prompt; other names are adapters. "
    by = tag("p", tag("small", f"{names}Read by {judge}", _others(shown, model, judge, best)))
    told = tag("ul", (tag("li", line) for line in lines)) if lines else None
    head = tag("h3", _head(shown, model, judge, best, reaches=reaches))
    return tag("div", head, why, _bars(shown, model, judge), told, by, class_="card advice")


def _head(shown: ControlShown, model: str, judge: str, best: str, *, reaches: bool) -> Node:
    if not best:
        return "No condition can be recommended."
    if not reaches:
        return "None of the conditions reaches far enough to be relied on."
    deaf = any(one.condition == best and hardly(shown, one) for one in shown.sheets(model))
    text_alone = " For free text, not for questionnaires." if deaf else ""
    others = [name for name in alike(shown, model, judge, best) if not _drags_more(shown, model, judge, name, best)]
    if len(shown.conditions(model, judge)) == 1 and best == "prompted":
        return ["It can be used as it is, told in its prompt whom to be.", text_alone]
    if others:
        return [
            "Use ",
            bidi(best),
            *(node for name in others for node in (" or ", bidi(name))),
            ": no clear winner.",
            text_alone,
        ]
    return ["Use ", bidi(best), ".", text_alone]


def _why(shown: ControlShown, model: str, judge: str, best: str, *, reaches: bool) -> Iterator[Node]:
    """Yield why in a sentence or two: how far it goes, beside the next best, what it drags along, what it costs."""
    measure = "moved" if shown.finding("overall.moved", model, judge, best) else "slope"
    way = "{} of the way asked for" if measure == "moved" else "{} for each step asked for"
    own = shown.finding(f"overall.{measure}", model, judge, best)
    if own is not None and own["value"] is not None:
        yield ["Asked for a personality, ", bidi(best), " goes ", way.format(_within(own, measure))]
        others = [
            (name, row)
            for name in everywhere(shown, model, judge)
            if name != best and (row := shown.finding(f"overall.{measure}", model, judge, name)) is not None
        ]
        for name, row in sorted(others, key=lambda other: -(other[1]["value"] or 0.0)):
            yield [", ", bidi(name), " ", _within(row, measure)]
        yield ". "
    bleed = shown.finding("overall.bleed", model, judge, best)
    if bleed is not None and bleed["value"] is not None:
        yield f"What it does to traits that were not asked for is {_within(bleed, 'share')} of what it does to those "
        yield "that were. "
    for name in alike(shown, model, judge, best):
        if _drags_more(shown, model, judge, name, best):
            yield ["As far as these answers tell, ", bidi(name), " comes as near, but drags more along. "]
        elif reaches:
            yield ["Whether it comes nearer than ", bidi(name), " these answers don't tell. "]
    yield from cost_words(shown, model, best)


def _on_paper(shown: ControlShown, model: str, best: str) -> Iterator[Node]:
    """Yield whether a questionnaire agrees."""
    for one in shown.sheets(model):
        if one.condition == best and one.instrument == INSTRUMENT and (said := verdict(shown, one)):
            yield [tag("strong", "On a questionnaire"), f" its {said}"]


def _within(row: Row, measure: str) -> str:
    """Return a finding with its interval: as percents, but a slope as it is."""
    times, digits, sign = (1, 2, "") if measure == "slope" else (100, 0, "%")
    said = f"{times * row['value']:.{digits}f}{sign}"
    if row["low"] is None or row["high"] is None:
        return said
    return f"{said} [{times * row['low']:.{digits}f} to {times * row['high']:.{digits}f}]"


def alike(shown: ControlShown, model: str, judge: str, best: str) -> list[str]:
    """Return the conditions of which these answers don't tell whether they are nearer than the best or farther."""
    found = []
    for name in everywhere(shown, model, judge):
        gap = shown.difference("mae", model, judge, name, best) if name != best else None
        if gap is not None and gap[1] <= 0 <= gap[2]:
            found.append(name)
    return found


def _drags_more(shown: ControlShown, model: str, judge: str, other: str, best: str) -> bool:
    return len(leaks_of(shown, model, judge, other)) > len(leaks_of(shown, model, judge, best))


def everywhere(shown: ControlShown, model: str, judge: str) -> list[str]:
    """Return the conditions that were asked for enough vectors to tell what a request drags along; else all."""
    names = shown.conditions(model, judge)
    return [name for name in names if shown.finding("gain", model, judge, name)] or list(names)


def _bars(shown: ControlShown, model: str, judge: str) -> Html | None:
    """Return bars of how far off each condition's answers are, the nearest first, and what doing nothing is worth.

    Conditions that were asked for other personalities have a chart of their own: theirs may have been nearer by.
    """
    found = [rows for group in shown.asked_alike(model, judge) if (rows := _bar_rows(shown, model, judge, group))]
    if not found:
        return None
    most = max(max(row["value"], row["high"] or 0.0) for rows in found for _, row, _ in rows) or 1.0
    words = "How many percentile points answers lie from what was requested, on average: the shorter the better. The "
    words += "dark mark is the 90% interval."
    if len(found) > 1:
        words += " What was asked for differs from chart to chart, so lengths compare within a chart alone."
    charts = (tag("ul", [_bar(row, most) for row in rows], class_="near") for rows in found)
    return tag("div", tag("p", words, class_="soft"), *charts)


def _bar_rows(shown: ControlShown, model: str, judge: str, names: Sequence[str]) -> list[tuple[Node, Row, str]]:
    """Return (label, finding, colour) of conditions that were asked alike, and of doing nothing at their requests."""
    rows: list[tuple[Node, Row, str]] = []
    for name in names:
        found = shown.finding("overall.mae", model, judge, name)
        if found is not None and found["value"] is not None:
            rows.append((bidi(name), found, shown.colour(model, name)))
    rows.sort(key=lambda row: row[1]["value"])
    for words, identifier in (("no request at all", "unasked.mae"), ("50 to everything", "constant.mae")):
        found = shown.finding(identifier, model, judge, names[0]) if rows else None
        if found is not None and found["value"] is not None:
            rows.append((tag("em", words), found, "c5"))
    return rows


def _bar(shown: tuple[Node, Row, str], most: float) -> Html:
    label, row, colour = shown
    whisker = None
    if row["low"] is not None:
        whisker = tag("u", style=f"--a:{row['low'] / most:.3f};--b:{row['high'] / most:.3f}")
    bar = tag("i", style=f"--w:{row['value'] / most:.3f};--swatch:var(--{colour})")
    value = tag("span", f"{100 * row['value']:.1f}", class_="num")
    return tag("li", tag("span", label), tag("span", bar, whisker, class_="bar"), value)


def favourite(shown: ControlShown, model: str, judge: str) -> str:
    """Return the condition whose answers lie nearest to what was requested; of judges without norms, the steepest.

    Of those that aren't surely farther off than the nearest, the one with the fewest sure side effects. Conditions that
    were asked for a few vectors alone (adapters for one archetype each) come in only where there are no others.
    """
    names = everywhere(shown, model, judge)
    near = {n: v for n in names if (v := shown.value("overall.mae", model, judge, n)) is not None}
    if near:
        nearest = min(near, key=lambda n: near[n])
        alike = [n for n in near if n == nearest or _as_near(shown, model, judge, n, nearest)]
        return min(alike, key=lambda n: (len(leaks_of(shown, model, judge, n)), near[n]))
    steep = {n: v for n in names if (v := shown.value("overall.slope", model, judge, n)) is not None}
    return max(steep, key=lambda n: steep[n]) if steep else ""


def _as_near(shown: ControlShown, model: str, judge: str, other: str, nearest: str) -> bool:
    gap = shown.difference("mae", model, judge, other, nearest)
    return gap is not None and gap[1] <= 0


def leaks_of(shown: ControlShown, model: str, judge: str, condition: str) -> list[tuple[str, Row]]:
    """Return ("ASKED.READ", finding) of the side effects that are surely there, the largest first."""
    found = [
        (name, row) for name, row in shown.under("matrix.", model, judge, condition) if row["verdict"] == "outside"
    ]
    return sorted(found, key=lambda leak: -abs(leak[1]["value"]))


def _reaches(shown: ControlShown, model: str, judge: str, best: str) -> bool:
    """Say whether answers surely rise with requests and, of judges with norms, come nearer than the unasked ones.

    Of a judge without norms whose scores run from 0 to 1: score higher, by the original work's metric, than a constant.
    """
    slope = shown.finding("overall.slope", model, judge, best)
    if slope is not None and (slope["low"] is None or slope["low"] <= 0.1):
        return False
    gap = shown.difference("mae", model, judge, best, "untargeted")
    above = shown.finding("original.gain", model, judge, best)
    if not shown.calibrated(model, judge) and above is not None and (above["low"] is None or above["low"] <= 0):
        return False
    return slope is not None and (gap is None or gap[2] < 0)


def _because(shown: ControlShown, model: str, judge: str, best: str) -> Iterator[Node]:
    own = shown.finding("overall.mae", model, judge, best)
    if own is not None and own["value"] is not None:
        line: list[Node] = [f"Its answers lie {100 * own['value']:.0f} points from what was requested"]
        for name, found in (
            ("answers without a request", shown.value("unasked.mae", model, judge, best)),
            ("an answer of 50 to everything", shown.value("constant.mae", model, judge, best)),
        ):
            if found is not None:
                line.append(f"; {name}, {100 * found:.0f}")
        yield [*line, "."]
    else:
        yield from _by_similarity(shown, model, judge, best)
    for other in shown.conditions(model, judge):
        if other != best and (gap := shown.difference("mae", model, judge, best, other)) is not None:
            yield [*_against(other, gap), *_dragged(shown, model, judge, other)]
    name = dial(shown, model, judge, best)
    slopes = {t: v for t in TRAITS if (v := shown.value(f"{name}.{t}", model, judge, best)) is not None}
    if len(slopes) > 1:
        weak, strong = min(slopes, key=lambda t: slopes[t]), max(slopes, key=lambda t: slopes[t])
        yield (
            f"Of each step requested it makes {_share(slopes[strong])} in {strong} (the most) and "
            f"{_share(slopes[weak])} in {weak} (the least)."
        )


def _by_similarity(shown: ControlShown, model: str, judge: str, best: str) -> Iterator[Node]:
    own, always = (shown.value(name, model, judge, best) for name in ("overall.similarity", "original.constant"))
    if own is None or always is None:
        return
    plain = shown.value("unasked.similarity", model, judge, best)
    words = f"By the original work's metric its answers score {own:.3f}, an answer of .5 to everything {always:.3f}"
    yield words + (f", answers without a request {plain:.3f}." if plain is not None else ".")


def dial(shown: ControlShown, model: str, judge: str, condition: str) -> str:
    """Return the slope that speaks of the whole scale: of a judge without norms that of its scores, if from 0 to 1."""
    scored = any(shown.finding(f"original.slope.{t}", model, judge, condition) for t in TRAITS)
    return "original.slope" if scored and not shown.calibrated(model, judge) else "slope"


def _dragged(shown: ControlShown, model: str, judge: str, other: str) -> Iterator[Node]:
    """Yield the worst side effect of a condition that isn't the one to use, if it surely has one."""
    for name, row in leaks_of(shown, model, judge, other)[:1]:
        asked, heard = name.split(".")
        way = "raises" if row["value"] > 0 else "lowers"
        yield f" There, asking for more {asked} also {way} {heard}, by {abs(row['value']):.2f} SD for each SD."


def _against(other: str, gap: tuple[float, float, float]) -> list[Node]:
    size = f"{abs(100 * gap[0]):.1f} points [{min(map(abs, gap[1:])) * 100:.1f}, {max(map(abs, gap[1:])) * 100:.1f}]"
    if gap[2] < 0:
        return ["On what both were asked it is nearer than ", bidi(other), f" by {size}."]
    if gap[1] > 0:
        return ["On what both were asked ", bidi(other), f" is nearer, by {size}: the two were not asked alike."]
    return ["Whether it is nearer than ", bidi(other), f" can't be told: {_signed(gap)}."]


def _signed(gap: tuple[float, float, float]) -> str:
    return f"{100 * gap[0]:+.1f} points, 90% interval {100 * gap[1]:+.1f} to {100 * gap[2]:+.1f}"


def _beware(shown: ControlShown, model: str, judge: str, best: str) -> Iterator[Node]:
    if best:
        for name, row in leaks_of(shown, model, judge, best)[:3]:
            asked, heard = name.split(".")
            way = "raises" if row["value"] > 0 else "lowers"
            words = f" asking for more {asked} also {way} {heard}, by {abs(row['value']):.2f} SD for each SD."
            yield [tag("strong", "It drags along:"), words]
        name = dial(shown, model, judge, best)
        still = []
        for trait in TRAITS:
            slope = shown.finding(f"{name}.{trait}", model, judge, best)
            if slope is not None and slope["high"] is not None and slope["high"] < _STILL:
                still.append(f"{trait} ({slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}] of each step)")
        if still:
            yield [tag("strong", "Hardly moved:"), f" {', '.join(still)}."]
        for trait in TRAITS:
            kept = shown.finding(f"ends.kept.{trait}", model, judge, best)
            if kept is not None and kept["high"] is not None and kept["high"] < _WEAK:
                words = f" beyond the 20th and 80th percentile {trait} keeps {_share(kept['value'])} of its rise."
                yield [tag("strong", "It saturates:"), words]
    topics = shown.by_id.get(f"topics@{judge}|{model}")
    if topics is not None and topics["value"] is not None and topics["value"] < _FEWEST_TOPICS:
        count = f"{topics['value']:.0f} topic{'s' if topics['value'] != 1 else ''}"
        yield [tag("strong", "Few topics:"), f" answers are on {count}; what holds on others isn't known."]
    narrow = []
    for trait in TRAITS:
        span = shown.by_id.get(f"judge.span.{trait}@{judge}|{model}")
        if span and span["value"] is not None and span["value"] < _NARROW:
            narrow.append(f"{trait} from {100 * span['low']:.0f} to {100 * span['high']:.0f}")
    if narrow:
        words = (
            f" of 0 to 100, nine answers in ten get {'; '.join(narrow)}. The answers are alike, or the judge is narrow."
        )
        yield [tag("strong", "Scores lie close together:"), words]


def _others(shown: ControlShown, model: str, judge: str, best: str) -> str:
    """Say whether the other judges would choose the same."""
    said = []
    for other in shown.judges(model):
        if other == judge:
            continue
        choice = favourite(shown, model, other)
        if choice:
            said.append(f"{other} would choose {'the same' if choice == best else choice}")
    return f"; {'; '.join(said)}." if said else "; no second judge has read these answers."


def _share(value: float) -> str:
    return f"{100 * value:.0f}%"


def cost_words(shown: ControlShown, model: str, best: str) -> Iterator[Node]:
    """Yield what a condition costs, where that was measured: neutral text moved, harmful requests declined less."""
    moved = [(name, row) for name, row in shown.under("cost.kl.", model, "given", best) if row["value"] is not None]
    if moved:
        name, most = max(moved, key=lambda one: one[1]["value"])
        spread = f" [{most['low']:.2f} to {most['high']:.2f}]" if most["low"] is not None else ""
        yield f"It costs at most {most['value']:.2f}{spread} nats a token on neutral text ({name.replace('-', ' ')}). "
    for name, row in shown.under("cost.refused.change.", model, "rules", best):
        if row["verdict"] == "outside":
            yield f"Asked for {name.replace('-', ' ')} it declines {-100 * row['value']:.0f}% fewer harmful requests. "
