"""Background and feeling: what nationality, language, sex, age and religion explain beside the vector, and emotions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.reports.charts import fold
from cityfolk.reports.control_inputs import KNOWN_TRUTH, ControlShown, Row
from cityfolk.reports.html import Html, Node, bidi, join, table, tag
from cityfolk.reports.preference_inputs import spread
from cityfolk.vocabulary import TRAITS

FACTORS = ("nationality", "language", "sex", "age", "religion")
SOURCES = ("vector", *FACTORS)
WORDS = "words"
_PANELS = (("personality", "Expressed personality"), ("sentiment", "Sentiment"), ("emotion", "Emotions"))
_COLOURS = {"vector": "made"}
_MOST = 9  # emotions in the picture; the others are in the table below it
_BAR = 100  # per cent at the right end of a bar


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the cards of a model's answers with a background, a heading first; nothing where it was asked for none."""
    arms = arms_of(shown, model)
    if not arms:
        return
    yield tag(
        "div",
        tag("h3", "Background and feeling", class_="part"),
        tag("p", conclusion(shown, model, arms[0])),
        class_="part across",
    )
    yield _explained(shown, model, arms[0])
    gaps = _gaps(shown, model, arms[0])
    if gaps is not None:
        yield gaps
    drawn = _emotions(shown, model, arms[0])
    if drawn is not None:
        yield drawn
    yield fold("Background: every share, trait by trait", _table(shown, model, arms), class_="big across")
    for arm in arms[1:]:
        more = [_explained(shown, model, arm), _gaps(shown, model, arm), _emotions(shown, model, arm)]
        said = tag("p", conclusion(shown, model, arm))
        yield fold(["Background: ", bidi(arm)], join(said, *more), class_="big across")


def arms_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the conditions under which a model answered with a background, prompts first."""
    found = {arm for _, own, arm in _sources(shown) if own == model}
    return tuple(sorted(found, key=lambda arm: (arm != "prompted", arm)))


def models_of(shown: ControlShown) -> tuple[str, ...]:
    """Return the models that answered with a background."""
    return tuple(sorted({model for _, model, _ in _sources(shown)}))


def _sources(shown: ControlShown) -> set[tuple[str, str, str]]:
    ends = (name.partition("@")[2].split("|", 2) for name in shown.by_id if name.startswith("culture."))
    return {(end[0], end[1], end[2]) for end in ends if len(end) == 3}


def readers_of(shown: ControlShown, model: str, arm: str, measure: str) -> tuple[str, ...]:
    """Return who read a measure: the known truth first, then the shipped rater, then the others."""
    found = {
        reader
        for reader, own, one in _sources(shown)
        if (own, one) == (model, arm)
        and any(shown.finding(f"culture.{source}.{measure}", model, reader, arm) for source in SOURCES)
    }
    return tuple(sorted(found, key=lambda reader: (reader != KNOWN_TRUTH, reader not in ("rater", WORDS), reader)))


# ------------------------------------------------------------------------------------------------------------ in words


def conclusion(shown: ControlShown, model: str, arm: str) -> str:
    """Return in two or three sentences what the vector explains, what a background does, and what surely shows."""
    readers = readers_of(shown, model, arm, "personality")
    said = ""
    if readers:
        found = {source: shown.finding(f"culture.{source}.personality", model, readers[0], arm) for source in SOURCES}
        vector = found["vector"]
        rest = [(row["value"], row["high"], source) for source in FACTORS if (row := _known(found[source]))]
        if _known(vector):
            said = f"Of what differs between answers to the same question, the vector explains {_percent(vector)} of "
            said += f"expressed personality (read by {readers[0]})"
            if rest:
                most, high, source = max(rest)
                said += f"; of the backgrounds {source} explains most: {_share(most)}"
                said += f", at most {_share(high)}." if high is not None else "."
            else:
                said += "."
    return f"{said} {_alarms(shown, model, arm)}".strip()


def _alarms(shown: ControlShown, model: str, arm: str) -> str:
    raised: dict[tuple[str, str], float] = {}
    for name, row in shown.by_id.items():
        head, _, end = name.partition("@")
        parts = head.split(".")
        if head.startswith("culture.") and parts[1] in FACTORS and end.endswith(f"|{model}|{arm}"):
            if row["verdict"] == "outside":
                key = (parts[1], parts[2])
                raised[key] = max(raised.get(key, 0.0), row["value"])
    if not raised:
        return "No background surely shows in the answers."
    lines = [f"{factor} in {measure} ({_share(value)})" for (factor, measure), value in raised.items()]
    return f"What surely shows: {_list(lines)}."


def _known(row: Row | None) -> Row | None:
    return row if row is not None and row["value"] is not None else None


def _percent(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return "an unknown share"
    ends = f" ({_share(row['low'])} to {_share(row['high'])})" if row["low"] is not None else ""
    return f"{_share(row['value'])}{ends}"


def _share(value: float) -> str:
    return f"{100 * max(value, 0.0):.0f}%" if value >= 0.1 else f"{100 * max(value, 0.0):.1f}%"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# ------------------------------------------------------------------------------------------------------------ pictures


def _explained(shown: ControlShown, model: str, arm: str) -> Html:
    panels = []
    for measure, title in _PANELS:
        readers = readers_of(shown, model, arm, measure)
        if not readers:
            continue
        bars = [
            _bar(source, row)
            for source in SOURCES
            if (row := _known(shown.finding(f"culture.{source}.{measure}", model, readers[0], arm)))
        ]
        words = tag("p", "read by ", bidi(_reader(readers[0])), class_="soft")
        panels.append(tag("div", tag("h4", title), words, tag("ul", bars, class_="near")))
    about = (
        "How much of what differs between answers to the same question goes with the vector, and how much with each "
        "background, freed of what chance would explain. The dark mark is the 90% interval. A background should "
        "explain nothing: 0%."
    )
    return tag(
        "div",
        tag("h3", "The vector against the background"),
        tag("p", about, class_="soft"),
        tag("div", panels, class_="panels"),
        class_="card",
    )


def _reader(reader: str) -> str:
    if reader == KNOWN_TRUTH:
        return f"{reader} (the known truth of its own texts)"
    return "the word lists of sentiment and emotion" if reader == WORDS else reader


def _bar(source: str, row: Row) -> Html:
    wide = min(max(row["value"], 0.0), 1.0)
    style = f"--w:{wide:.4f};--swatch:var(--{_COLOURS.get(source, 'c3')})"
    mark = None
    if row["low"] is not None:
        low, high = (min(max(row[end], 0.0), 1.0) for end in ("low", "high"))
        mark = tag("u", style=f"--a:{low:.4f};--b:{high:.4f}")
    words = f"{source}: {_percent(row)}"
    name = tag("strong", source) if row["verdict"] == "outside" or source == "vector" else source
    return tag(
        "li",
        tag("span", name),
        tag("span", tag("i", style=style), mark, class_="bar", role="img", aria_label=words, title=words),
        tag("small", _share(row["value"])),
    )


def _gaps(shown: ControlShown, model: str, arm: str) -> Html | None:
    """Return the largest differences between backgrounds: those that are sure, else the largest in tone and traits."""
    rows: list[tuple[bool, tuple[Node, ...]]] = []
    for name, row in shown.by_id.items():
        head, _, end = name.partition("@")
        if not head.startswith("culture.gap.") or not end.endswith(f"|{model}|{arm}") or row["value"] is None:
            continue
        _, _, factor, measure = head.split(".")
        reader = end.split("|")[0]
        best = readers_of(shown, model, arm, measure if measure in TRAITS else "sentiment")
        if best and reader != best[0] and row["verdict"] != "outside":
            continue
        flag = row["verdict"] == "outside"
        told = row["title"].partition(": ")[2]
        points = row["unit"].startswith("share")
        size = spread(row, "share" if points else "")
        cells: tuple[Node, ...] = (factor, measure, told, size, reader, "yes" if flag else "no")
        rows.append((flag, cells))
    if not rows:
        return None
    sure = [row for flag, row in rows if flag]
    said = (
        f"{len(sure)} of {len(rows)} largest differences are sure after correction for all pairs that were compared."
        if sure
        else f"None of the {len(rows)} largest differences is sure after correction for all pairs that were compared."
    )
    titles = ("background", "in", "which", "difference", "read by", "sure")
    caption = "SD of people for traits, −1 to 1 for sentiment, share of sentences for emotions; 90% for the largest"
    shape: dict[str, Any] = {"caption": caption, "numeric": (3,)}
    inner = [table(titles, sure, **shape, box="roomy")] if sure else []
    return tag(
        "div",
        tag("h3", "Largest differences between backgrounds"),
        tag("p", said),
        *inner,
        fold("All of them", table(titles, [row for _, row in rows], **shape, box="tall")),
        class_="card",
    )


def _emotions(shown: ControlShown, model: str, arm: str) -> Html | None:
    """Return the emotions of answers by archetype and pole, as a heat map and in full."""
    marks = shown.marks("culture.emotion", f"{_feeler(shown, model, arm)}|{model}|{arm}")
    values = {(m["group"], m["label"]): m for m in marks}
    if not values:
        return None
    targets = sorted({group for group, _ in values}, key=_order)
    emotions = list(dict.fromkeys(m["label"] for m in marks if m["label"] != "neutral"))
    means = {e: sum(values[t, e]["value"] for t in targets) / len(targets) for e in emotions}
    often = sorted(emotions, key=lambda e: -means[e])[:_MOST]
    most = max((values[t, e]["value"] for t in targets for e in often), default=0.0) or 1.0
    rows = [
        tag(
            "tr",
            tag("th", bidi(target.replace("-", " ")), scope="row"),
            (_cell(values[target, e], means[e], most) for e in often),
        )
        for target in targets
    ]
    head = tag("thead", tag("tr", tag("td"), (tag("th", e, scope="col") for e in often)))
    drawn = tag("table", head, tag("tbody", rows), class_="heat wide")
    words = (
        "Per cent of an answer's sentences that express an emotion, over all backgrounds; the ones that occur most. "
        "Bold: surely other than the mean of the rows. The rest of the sentences show none."
    )
    full = table(
        ("vector", "emotion", "share of sentences"),
        [
            (target.replace("-", " "), e, spread(values[target, e], "share"))
            for target in targets
            for e in (*emotions, "neutral")
            if (target, e) in values
        ],
        caption="All emotions (the labels of GoEmotions); in small print 90% intervals",
        numeric=(2,),
        box="tall",
    )
    return tag(
        "div",
        tag("h3", "Emotions by archetype and pole"),
        tag("p", words, class_="soft"),
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label="Emotions by archetype and pole"),
        fold("Show the numbers", full),
        class_="card",
    )


def _feeler(shown: ControlShown, model: str, arm: str) -> str:
    return next(iter(readers_of(shown, model, arm, "emotion")), WORDS)


def _order(target: str) -> tuple[int, int, str]:
    if target in ARCHETYPES:
        return 0, list(ARCHETYPES).index(target), target
    trait, _, _ = target.partition("-")
    return 1, TRAITS.index(trait) if trait in TRAITS else len(TRAITS), target


def _cell(mark: dict[str, Any], mean: float, most: float) -> Html:
    value = mark["value"]
    sure = mark["low"] is not None and not mark["low"] <= mean <= mark["high"]
    text = f"{100 * value:.0f}" if value >= 0.005 else "·"
    title = f"{_share(mark['low'])} to {_share(mark['high'])}" if mark["low"] is not None else None
    style = f"--r:{0.75 * value / most:.2f}"
    return tag("td", tag("strong", text) if sure else text, class_="pos", style=style, title=title)


def _table(shown: ControlShown, model: str, arms: Sequence[str]) -> Html:
    rows: list[tuple[Node, ...]] = []
    for arm in arms:
        for measure in (*TRAITS, *(name for name, _ in _PANELS)):
            for reader in readers_of(shown, model, arm, measure):
                cells = (
                    spread(shown.finding(f"culture.{source}.{measure}", model, reader, arm), "share")
                    for source in SOURCES
                )
                rows.append((measure, bidi(arm), reader, *cells))
    return table(
        ("of", "condition", "read by", *SOURCES),
        rows,
        caption="Shares of what differs between answers to the same question; in small print 90% intervals",
        numeric=range(3, 3 + len(SOURCES)),
        box="tall",
    )
