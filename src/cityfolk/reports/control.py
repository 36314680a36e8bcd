"""One sheet a model: which condition to use and why, its dials, its side effects, and what others published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cityfolk.evaluation.control.unseen import sentence
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.reports import (
    control_bias,
    control_cost,
    control_culture,
    control_questionnaire,
    control_situations,
    control_stability,
)
from cityfolk.reports import control_pictures as pictures
from cityfolk.reports.charts import fold
from cityfolk.reports.control_anchors import ANCHORS, Anchor
from cityfolk.reports.control_inputs import COLUMNS, KNOWN_TRUTH, ControlShown, Row
from cityfolk.reports.control_words import advice, favourite
from cityfolk.reports.html import Html, Node, bidi, join, table, tag
from cityfolk.reports.preference_inputs import spread
from cityfolk.vocabulary import TRAITS

PARTS = (
    control_questionnaire,
    control_situations,
    control_stability,
    control_culture,
    control_bias,
    control_cost,
)
"""The parts of a sheet behind free text: modules with `cards(shown, model)`."""
_TRAIT_COLUMNS = (
    ("slope", "slope", ""),
    ("original.slope", "slope of the score itself", ""),
    ("intercept", "at the middle, z", ""),
    ("relative", "slope, judge's share taken out", ""),
    ("spearman", "rank correlation", ""),
    ("mae", "points off", "points"),
    ("moved", "of the move made", "share"),
    ("reached", "of the distance gone", "share"),
    ("ends.kept", "kept at the ends", ""),
)


def section(shown: ControlShown, title: str = "Control") -> Html:
    """Return the sheets of all models, or a sentence where nothing was measured."""
    head = tag("h2", title)
    if not shown.models:
        command = tag("code", "cityfolk evaluate DIR control")
        return join(head, tag("p", "How far requests reach was not measured: run ", command, "."))
    return join(
        head,
        tag(
            "p",
            "A model was asked to answer as somebody with a given personality. How far does the request reach, what "
            "does it drag along, and which way of asking works best? Judges read what the answers express; nobody "
            "claims that a model feels it.",
            class_="lead",
        ),
        *(_sheet(shown, model) for model in shown.models),
    )


def _sheet(shown: ControlShown, model: str) -> Html:
    judges = shown.judges(model)
    cards = [card for card in _cards(shown, model, judges[0]) if card is not None] if judges else []
    for part in PARTS:
        cards += part.cards(shown, model)
    for judge in judges[1:]:
        more = [card for card in _pictures(shown, model, judge) if card is not None]
        inner = join(_conditions(shown, model, judge), *more, _traits(shown, model, judge))
        cards.append(fold(["The same, as ", bidi(judge), " reads it"], inner, class_="big across"))
    heading = tag("h3", bidi(model), class_="part")
    return join(tag("div", heading, class_="part"), tag("div", cards, class_="grid"))


def _cards(shown: ControlShown, model: str, judge: str) -> Iterator[Html | None]:
    yield advice(shown, model, judge)
    yield _conditions(shown, model, judge)
    yield from _pictures(shown, model, judge)
    yield _anchors(shown, model, judge)
    yield _examples(shown, model)
    yield fold("Trait by trait, with intervals", _traits(shown, model, judge), class_="big across")
    places = _places(shown, model, judge)
    if places is not None:
        yield fold("By topic, by pole and by corner of the cube", places, class_="big across")


def reader(judge: str) -> str:
    """Return a judge in words."""
    return f"{judge} (the known truth of its own texts)" if judge == KNOWN_TRUTH else judge


def _conditions(shown: ControlShown, model: str, judge: str) -> Html | None:
    names = shown.conditions(model, judge)
    columns = [c for c in COLUMNS if any(shown.finding(f"overall.{c[0]}", model, judge, n) for n in names)]
    if not columns:
        return None
    rows: list[tuple[Node, ...]] = []
    groups = shown.asked_alike(model, judge)
    for group in groups:
        for name in group:
            cells = (spread(shown.finding(f"overall.{m}", model, judge, name), unit) for m, _, unit in columns)
            swatch = tag("i", class_="swatch dot", style=f"--swatch:var(--{shown.colour(model, name)})")
            rows.append((tag("span", swatch, " ", bidi(name)), *cells))
        rows += _floors(shown, model, judge, group[0], columns, of=group[0] if len(groups) > 1 else "")
    apart = "Not all conditions were asked for the same: hold each against the lines below its group. "
    return tag(
        "div",
        tag("h3", "Side by side"),
        table(
            ("condition", *(title for _, title, _ in columns)),
            rows,
            caption=f"All five traits, read by {reader(judge)}; in small print 90% intervals",
            numeric=range(1, 1 + len(columns)),
            box="roomy",
        ),
        tag("p", apart if len(groups) > 1 else "", _explained([measure for measure, _, _ in columns]), class_="soft"),
        [tag("p", line, class_="soft") for line in _left_out(shown, model)],
        class_="card",
    )


def _floors(
    shown: ControlShown, model: str, judge: str, name: str, columns: Sequence[tuple[str, str, str]], *, of: str
) -> Iterator[tuple[Node, ...]]:
    """Yield what doing nothing comes to at the requests of a condition: no request at all, 50 to everything."""
    plain = {m: spread(shown.finding(f"unasked.{m}", model, judge, name), unit) for m, _, unit in columns}
    always = {
        "mae": spread(shown.finding("constant.mae", model, judge, name), "points"),
        "similarity": spread(shown.finding("original.constant", model, judge, name)),
    }
    for title, found in (("no request", plain), ("50 to everything", always)):
        if any(cell != "–" for cell in found.values()):
            label = tag("em", title, *((", held against ", bidi(of)) if of else ()))
            yield (label, *(found.get(measure, "–") for measure, _, _ in columns))


def _left_out(shown: ControlShown, model: str) -> Iterator[Node]:
    for name, row in shown.left_out(model):
        yield sentence(name, row["value"], row["n"], row["note"]) + "."


def _explained(measures: list[str]) -> str:
    words = {
        "mae": "Points off: how many percentiles an answer lies from what was requested, 0 is perfect.",
        "moved": "Of the move made: the way from how the model answers unasked to what was requested, 100% is all.",
        "spearman": "Rank correlation: whether higher requests get higher answers, 1 is perfect.",
        "slope": "Slope: how much expressed rises with requested, 1 is perfect.",
        "bleed": "Bleed: what a request does to other traits over what it does to its own, 0 is perfect.",
        "similarity": "The last column is the original work's metric; hold it against “50 to everything”.",
    }
    return " ".join(words[measure] for measure in words if measure in measures)


def _pictures(shown: ControlShown, model: str, judge: str) -> Iterator[Html | None]:
    names = shown.conditions(model, judge)
    drawn = pictures.dials(shown, model, judge)
    if drawn is not None:
        words = "Across: the percentile requested. Up: the percentile expressed, the mean at that level with its band. "
        words += "On the dashed line an answer shows exactly what was requested; a flat line shows nothing of it."
        if not shown.calibrated(model, judge):
            words += " This judge has no norms: 50 is the middle of these answers, not of people."
        yield tag(
            "div",
            tag("h3", "The five dials"),
            tag("p", words, class_="soft"),
            pictures.legend(shown, model, names),
            drawn,
            class_="card",
        )
    maps = [one for name in names if (one := pictures.heat(shown, model, judge, name)) is not None]
    if maps:
        yield tag(
            "div",
            tag("h3", "What a request drags along"),
            tag(
                "p",
                "Each row is a request, each column what it does to a trait: 1 on the diagonal is all of it, 0 beside "
                "it is no side effect. A side effect that is surely there is outlined.",
                class_="soft",
            ),
            tag("div", maps, class_="panels"),
            class_="card",
        )
    stars = pictures.radars(shown, model, judge, names)
    if stars is not None:
        yield tag(
            "div",
            tag("h3", "Archetypes"),
            tag("p", "Shaded and dashed: requested. Lines: expressed. The rim is the 100th percentile.", class_="soft"),
            pictures.legend(shown, model, names),
            stars,
            class_="card",
        )


def _anchors(shown: ControlShown, model: str, judge: str) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    best = favourite(shown, model, judge)
    for anchor in ANCHORS:
        own = _same(shown, anchor, model, judge, best)
        if own is not None:
            said = f"{anchor.low:.2f}" if anchor.low == anchor.high else f"{anchor.low:.2f} to {anchor.high:.2f}"
            rows.append((anchor.what, own, said, f"{anchor.who}; {anchor.how}", anchor.source))
    if not rows:
        return None
    return tag(
        "div",
        tag("h3", "Beside what others published"),
        table(
            ("metric", tag("span", bidi(best), f", by {judge}"), "published", "of whom, and how", "source"),
            rows,
            caption="The same formula each time; texts, judges and requests differ: read it as an order of size",
            box="roomy",
        ),
        class_="card",
    )


def _same(shown: ControlShown, anchor: Anchor, model: str, judge: str, condition: str) -> str | None:
    """Return a condition's own figure in an anchor's metric, from the lowest to the highest trait where it has five."""
    if anchor.measure == "original.above":
        gains = [
            v
            for name in ARCHETYPES
            if (v := shown.value(f"original.above.{name}", model, judge, condition)) is not None
        ]
        return f"{min(gains):.2f} to {max(gains):.2f}" if gains else None
    if anchor.measure == "bleed.size":
        value = shown.value("bleed.size", model, judge, condition)
        return f"{value:.2f}" if value is not None else None
    values = [shown.value(f"{anchor.measure}.{trait}", model, judge, condition) for trait in TRAITS]
    known = [value for value in values if value is not None]
    return f"{min(known):.2f} to {max(known):.2f}" if len(known) == len(TRAITS) else None


def _traits(shown: ControlShown, model: str, judge: str) -> Html:
    names = shown.conditions(model, judge)
    columns = [
        c for c in _TRAIT_COLUMNS if any(shown.finding(f"{c[0]}.{t}", model, judge, n) for t in TRAITS for n in names)
    ]
    rows: list[tuple[Node, ...]] = []
    for trait in TRAITS:
        for name in names:
            found = [shown.finding(f"{measure}.{trait}", model, judge, name) for measure, _, _ in columns]
            if any(found):
                units = (unit for _, _, unit in columns)
                rows.append((trait.capitalize(), bidi(name), *map(spread, found, units)))
    return table(
        ("trait", "condition", *(title for _, title, _ in columns)),
        rows,
        caption=f"Read by {reader(judge)}; 90% intervals",
        numeric=range(2, 2 + len(columns)),
        box="tall",
    )


def _places(shown: ControlShown, model: str, judge: str) -> Html | None:
    names = shown.conditions(model, judge)
    rows: list[tuple[Node, ...]] = []
    for kind, words, unit in (
        ("topic.", "slope on {}", ""),
        ("pole.", "of the move made, {}", "share"),
        ("corner.", "of the move made, {}", "share"),
    ):
        found: dict[str, dict[str, Row]] = {}
        for name in names:
            for place, row in shown.under(kind, model, judge, name):
                found.setdefault(place, {})[name] = row
        for place, by in found.items():
            label = words.format(place.replace("-", " ") if kind == "topic." else place.replace(".", " "))
            rows.append((label, *(spread(by.get(name), unit) for name in names)))
    if not rows:
        return None
    return table(
        ("where", *(bidi(name) for name in names)),
        rows,
        caption="Corners are named by their traits' first letters, + above the 50th percentile and − below",
        numeric=range(1, 1 + len(names)),
        box="tall",
    )


def _examples(shown: ControlShown, model: str) -> Html | None:
    leaves: list[Html] = []
    best = favourite(shown, model, shown.judges(model)[0])
    names = sorted(shown.conditions(model), key=lambda name: name != best)
    found = [(name, shown.marks("example", f"{model}|{name}")) for name in names]
    count = sum(1 for _, marks in found for trait in TRAITS if any(m["group"] == trait for m in marks))
    for name, marks in found:
        for trait in TRAITS:
            own = {m["label"]: m for m in marks if m["group"] == trait}
            if {"question", "low", "high"} <= set(own):
                sides = [_side(own[pole], f"{trait.capitalize()} asked for {pole}") for pole in ("low", "high")]
                leaf = tag(
                    "article",
                    tag("p", tag("small", f"{len(leaves) + 1} of {count} · ", bidi(name))),
                    tag("h4", bidi(own["question"]["text"])),
                    tag("div", sides, class_="beside two"),
                    class_="leaf" if leaves else "leaf shown",
                )
                leaves.append(leaf)
    if not leaves:
        return None
    pager = tag(
        "div",
        tag("button", "← Back", type="button", class_="button"),
        tag("output", f"1 of {len(leaves)}", class_="soft"),
        tag("button", "Next →", type="button", class_="button"),
        class_="pager",
    )
    return tag(
        "div",
        tag("h3", "Both poles, side by side"),
        tag("p", "One question, asked for low and for high in a trait. Drawn by lot; nobody picked the best."),
        pager,
        leaves,
        class_="card leaves",
    )


def _side(mark: Row, title: str) -> Html:
    said = f" (percentile {100 * mark['x']:.0f})" if mark["x"] is not None else ""
    return tag(
        "div",
        tag("p", tag("strong", title), tag("small", said)),
        tag("blockquote", bidi(mark["text"] or "(the answer is gone)")),
    )
