"""Pairs in pictures: what was asked, chosen against rejected, the corners of the cube, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cityfolk.reports.charts import chart_of, colour, figure, fold, key
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.numbers import number
from cityfolk.reports.preference_inputs import COLOURS, PreferencesShown, spread
from cityfolk.vocabulary import TRAITS

_MOST_TARGETS = 80
_ROWS = tuple((o, c) for o in "-+" for c in "-+")
_COLUMNS = tuple((e, a, n) for e in "-+" for a in "-+" for n in "-+")


def asked_cards(shown: PreferencesShown) -> Iterator[Html | None]:
    """Return what was asked: topics, styles, targets."""
    yield _topics(shown)
    yield _targets(shown)


def _topics(shown: PreferencesShown) -> Html | None:
    domains = shown.marks("asked.domain")
    topics = shown.marks("asked.topic")
    if not topics:
        return None
    styles = shown.marks("asked.style")
    rows = [
        (
            bidi(m["label"].replace("-", " ")),
            m["group"] or "–",
            m["source"],
            f"{m['value']:,.0f}",
            bidi(m["text"] or ""),
        )
        for m in topics
    ]
    return tag(
        "div",
        tag("h3", "Questions"),
        tag("p", "Open questions of everyday life, by the part of life that their topic belongs to."),
        figure(
            partial(_bars, [(m["label"] or "other", m["value"]) for m in (domains or styles)]),
            label="Questions by part of life.",
            caption="Styles: " + ", ".join(f"{m['label']} {m['value']:,.0f}" for m in styles) + "." if styles else None,
        ),
        fold(
            f"Show the {len(topics):,} topics, with a question each",
            table(
                ("topic", "part of life", "split", "questions", "one of them"),
                rows,
                caption="Topics; held-out ones are never trained on",
                numeric=(3,),
                box="tall",
            ),
        ),
        class_="card",
    )


def _bars(values: list[tuple[str, float]], width: int) -> Any:
    import altair as alt

    rows = [{"label": label, "count": count} for label, count in values]
    base = chart_of(rows).encode(
        y=alt.Y("label:N", title=None, sort="-x"),
        x=alt.X("count:Q", title=None, stack=None, axis=alt.Axis(tickCount=4, grid=True)),
    )
    bars = base.mark_bar(color=colour("c1"), cornerRadiusEnd=3, height={"band": 0.7})
    return bars.properties(width=width - 190, height={"step": 22})


def _targets(shown: PreferencesShown) -> Html | None:
    marks = shown.marks("asked.target")
    if not marks:
        return None
    names = list(dict.fromkeys(m["group"] for m in marks))
    kept = frozenset(names[:_MOST_TARGETS])
    shapes: list[Html] = []
    step, left, width = 54, 132, 400
    for row, trait in enumerate(TRAITS):
        y = 30 + row * step
        shapes.append(tag("text", trait.capitalize(), x="0", y=f"{y + 5}", font_size="14", fill="var(--ink)"))
        shapes.append(tag("path", d=f"M{left} {y}h{width}", stroke="var(--line-strong)"))
        shapes.append(tag("path", d=f"M{left + width / 2:.0f} {y - 12}v24", stroke="var(--line-strong)"))
        for m in marks:
            if m["label"] == trait and m["group"] in kept and m["x"] is not None:
                title = tag("title", f"{m['group']}: {100 * m['x']:.0f}")
                dot = {"cx": f"{left + m['x'] * width:.1f}", "cy": f"{y}", "r": "5"}
                shapes.append(tag("circle", title, **dot, fill="var(--c1)", opacity="0.45"))
    bottom = 30 + 5 * step
    for at in (0, 50, 100):
        x = f"{left + at / 100 * width:.0f}"
        text = f"{at}th" if at == 50 else f"{at}"
        shapes.append(
            tag("text", text, x=x, y=f"{bottom - 14}", text_anchor="middle", font_size="13", fill="var(--soft)")
        )
    more = f" The first {_MOST_TARGETS} of {len(names):,} are drawn." if len(names) > _MOST_TARGETS else ""
    plain = shown.value("asked.untargeted") or 0
    return tag(
        "div",
        tag("h3", "Personalities asked for"),
        tag(
            "p",
            f"{len(names):,} personalities, each a percentile among adults in five traits; a dot is one of them in one "
            f"trait.{more} {plain:,.0f} answers were made without any.",
        ),
        tag(
            "figure",
            tag(
                "svg",
                shapes,
                viewBox=f"0 0 {left + width + 14} {bottom}",
                role="img",
                aria_label=f"{len(names)} personalities that were asked for, by trait",
                class_="chart",
            ),
        ),
        class_="card",
    )


def chosen_cards(shown: PreferencesShown) -> Iterator[Html | None]:
    """Return chosen against rejected: distances, similarities, numbers, lengths."""
    tables = shown.sources("spread.")
    for name in tables:
        yield _spread(shown, name, "distance", f"Distance to the target: {name}", "standard deviations")
        yield _spread(shown, name, "words", f"Length: {name}", "words of an answer")
    yield _numbers(shown, tables)


def _spread(shown: PreferencesShown, name: str, kind: str, title: str, axis: str) -> Html | None:
    marks = [m for m in shown.marks(f"spread.{kind}", source=name) if not m["group"]]
    if not marks:
        return None
    means = {side: shown.finding(f"{kind}.{side}@{name}") for side in COLOURS}
    rules = {side: row["value"] for side, row in means.items() if row and row["value"] is not None}
    if kind == "distance":
        words = (
            "Further left is nearer to what was asked for. Upright lines are means; the grey one is what a constant "
        )
        words += "answer of .5 in every trait would have."
    else:
        found = shown.finding(f"words.ratio@{name}")
        ratio = f"{found['value']:.2f}" if found and found["value"] is not None else "unknown"
        words = f"Chosen answers have {ratio} times the words of the rejected ones (1 teaches nothing about length)."
    entries = [(COLOURS[side], "box", side) for side in ("chosen", "rejected")]
    if "constant" in rules:
        entries.append(("soft", "tick", "constant answer"))
    return tag(
        "div",
        tag("h3", title),
        key(*entries),
        figure(
            partial(_distribution, marks, rules, axis),
            label=f"{title}: distribution of chosen and of rejected answers.",
            caption=words,
        ),
        class_="card",
    )


def _distribution(marks: list[dict[str, Any]], rules: dict[str, float], axis: str, width: int) -> Any:
    import altair as alt

    rows = [{"x": m["x"], "share": 100 * m["value"], "side": m["label"]} for m in marks]
    palette = alt.Scale(domain=list(COLOURS), range=[colour(name) for name in COLOURS.values()])
    base = chart_of(rows).encode(
        x=alt.X("x:Q", title=axis, axis=alt.Axis(tickCount=6, grid=False)),
        y=alt.Y("share:Q", title="% of answers", stack=None, axis=alt.Axis(grid=True, tickCount=4)),
        color=alt.Color("side:N", scale=palette, legend=None),
    )
    area = base.mark_area(opacity=0.25, interpolate="monotone")
    line = base.mark_line(strokeWidth=2.2, interpolate="monotone")
    upright = chart_of([{"x": value, "side": side} for side, value in rules.items()])
    drawn = upright.mark_rule(strokeWidth=2, strokeDash=[5, 3]).encode(
        x="x:Q", color=alt.Color("side:N", scale=palette, legend=None)
    )
    return alt.layer(area, line, drawn).properties(width=width - 70, height=200)


def _numbers(shown: PreferencesShown, tables: list[str]) -> Html | None:
    if not tables:
        return None
    measures = (
        ("order", "chosen is the nearer one", "share"),
        ("distance.chosen", "distance, chosen", ""),
        ("distance.rejected", "distance, rejected", ""),
        ("distance.constant", "distance, constant .5", ""),
        ("gain.distance", "chosen nearer than the constant by", ""),
        ("similarity.chosen", "original similarity, chosen", ""),
        ("similarity.rejected", "original similarity, rejected", ""),
        ("similarity.constant", "original similarity, constant .5", ""),
        ("above.chosen", "similarity of .8 or more, chosen", "share"),
        ("above.rejected", "similarity of .8 or more, rejected", "share"),
        ("words.chosen", "words, chosen", ""),
        ("words.rejected", "words, rejected", ""),
        ("words.ratio", "words chosen over rejected", ""),
    )
    rows: list[tuple[Node, ...]] = [
        (title, *(spread(shown.finding(f"{name}@{one}"), unit) for one in tables)) for name, title, unit in measures
    ]
    independent = (row["id"].removeprefix("pairs.independent.") for row in shown.about("pairs.independent."))
    for judge in dict.fromkeys(name.rpartition("@")[0] for name in independent):
        who, _, side = judge.rpartition(".")
        if who and side in (*COLOURS, "margin"):
            title, unit = f"{'margin' if side == 'margin' else f'distance, {side}'}, by {who}", ""
        else:
            title, unit = f"chosen is nearer by {judge}, who took no part", "share"
        rows.append((title, *(spread(shown.finding(f"independent.{judge}@{one}"), unit) for one in tables)))
    return tag(
        "div",
        tag("h3", "Chosen and rejected in numbers"),
        table(
            ("measure", *tables),
            rows,
            caption="By table of pairs, with 90% intervals",
            numeric=range(1, len(tables) + 1),
            box="roomy" if len(tables) > 1 else "",
        ),
        tag(
            "p",
            "Distances are Mahalanobis' between z-scores: of adults by judges that have norms, of the answers at hand "
            "by others, so that a constant answer is a fair yardstick only where all judges have norms. The original "
            "similarity, exp(−5 d²), compares raw scores with percentiles and is given so that older figures can be "
            "compared: mind that a constant answer of .5 scores high by it.",
            class_="soft",
        ),
        class_="card across",
    )


def cover_cards(shown: PreferencesShown) -> Iterator[Html | None]:
    """Return what is covered: corners of the cube, directions of each trait."""
    yield _cube(shown)
    yield _directions(shown)


def _cube(shown: PreferencesShown) -> Html | None:
    counts = {m["label"]: m for m in shown.marks("corner")}
    if not counts:
        return None
    most = max(m["value"] for m in counts.values()) or 1.0
    head = [
        tag("th", tag("span", f"{_sign('E', e)} {_sign('A', a)} {_sign('N', n)}"), scope="col") for e, a, n in _COLUMNS
    ]
    rows = []
    for o, c in _ROWS:
        cells = []
        for e, a, n in _COLUMNS:
            name = f"O{o}C{c}E{e}A{a}N{n}"
            mark = counts.get(name)
            count = mark["value"] if mark else 0.0
            empty = "empty" if not count else "pos"
            cells.append(tag("td", f"{count:,.0f}", class_=empty, title=name, style=f"--r:{0.75 * count / most:.2f}"))
        rows.append(tag("tr", tag("th", f"{_sign('O', o)} {_sign('C', c)}", scope="row"), cells))
    filled = sum(m["value"] > 0 for m in counts.values())
    wanted = sum((m["x"] or 0) > 0 for m in counts.values())
    drawn = tag(
        "table",
        tag("caption", "Pairs by corner; ↑ a target above the 50th percentile, ↓ below"),
        tag("thead", tag("tr", tag("td"), head)),
        tag("tbody", rows),
        class_="heat cube",
    )
    return tag(
        "div",
        tag("h3", "The corners of the cube"),
        tag(
            "p",
            f"Five traits, each high or low, make 32 corners; {filled} of them hold pairs, and answers were asked for "
            f"in {wanted}. O openness, C conscientiousness, E extraversion, A agreeableness, N neuroticism.",
        ),
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label="Pairs by corner of the cube"),
        class_="card across",
    )


def _sign(letter: str, sign: str) -> str:
    return f"{letter}{'↑' if sign == '+' else '↓'}"


def _directions(shown: PreferencesShown) -> Html | None:
    marks = {(m["group"], m["label"]): m["value"] for m in shown.marks("direction")}
    if not marks:
        return None
    most = max(marks.values()) or 1.0
    rows = []
    for trait in TRAITS:
        low, high = marks.get((trait, "low"), 0.0), marks.get((trait, "high"), 0.0)
        rows.append(
            tag(
                "div",
                tag("span", f"{low:,.0f}", class_="num"),
                tag("span", tag("i", style=f"--w:{low / most:.3f}"), class_="left"),
                tag("strong", trait.capitalize()),
                tag("span", tag("i", style=f"--w:{high / most:.3f}"), class_="right"),
                tag("span", f"{high:,.0f}"),
            )
        )
    return tag(
        "div",
        tag("h3", "Both directions of each trait"),
        tag(
            "p",
            "Pairs whose target is low, on the left, and high, on the right. Low agreeableness and low "
            "conscientiousness are what models like least to show: without pairs there nothing can be learned of them.",
        ),
        tag("div", rows, class_="directions", role="img", aria_label="Pairs by direction of each trait"),
        class_="card across",
    )


def twins(shown: PreferencesShown) -> Html | None:
    """Return copies among questions and answers."""
    named = ("copies.questions", "copies.questions.near", "copies.answers", "copies.answers.near")
    rows: list[tuple[Node, ...]] = []
    for name in named:
        found = shown.finding(name)
        if found is not None:
            rows.append((found["title"], spread(found, "share"), number(found["n"], "count"), found["note"] or ""))
    if not rows:
        return None
    marks = shown.marks("twins")
    pairs = table(
        ("", "a question", "and its copy"),
        [(m["label"], bidi(m["group"]), bidi(m["text"])) for m in marks],
        caption="The first copies that were found",
    )
    return tag(
        "div",
        tag("h3", "Copies"),
        table(
            ("what", "share", "of", "note"),
            rows,
            caption="Exact and near copies, with 90% intervals",
            numeric=(1, 2),
            box="roomy",
        ),
        fold("Show copies of questions", pairs) if marks else None,
        class_="card across",
    )
