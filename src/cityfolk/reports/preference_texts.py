"""How answers sound and ten pairs to read: word clouds, emotions, examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cityfolk.reports.charts import fold, key
from cityfolk.reports.cloud import cloud
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.vocabulary import TRAITS

_MOST_EMOTIONS = 10


def voice_cards(shown: PreferencesShown) -> Iterator[Html | None]:
    """Return word clouds and emotions by archetype."""
    yield _clouds(shown)
    yield _emotions(shown)


def _clouds(shown: PreferencesShown) -> Html | None:
    words = shown.marks("words")
    groups = list(dict.fromkeys(m["source"] for m in words))
    drawn = []
    for group in groups:
        mine = [(m["label"], m["value"]) for m in words if m["source"] == group]
        picture = cloud(mine, label=f"Words of {group}", colours=("ink", "c1", "c2", "c3", "c4"))
        if picture is not None:
            drawn.append(tag("figure", picture, tag("figcaption", bidi(group))))
    if not drawn:
        return None
    rows = [(bidi(m["source"]), bidi(m["label"]), f"{m['x']:,.0f}", f"{m['value']:.1f}") for m in words]
    return tag(
        "div",
        tag("h3", "Words that tell them apart"),
        tag(
            "p",
            "The larger a word, the surer it is that these answers use it more than all others do (log-odds with a "
            "prior, Monroe et al. 2008).",
            class_="soft",
        ),
        tag("div", drawn, class_="panels"),
        fold(
            "Show the numbers",
            table(("answers", "word", "times", "z"), rows, caption="Telling words", numeric=(2, 3), box="tall"),
        ),
        class_="card across",
    )


def _emotions(shown: PreferencesShown) -> Html | None:
    marks = shown.marks("emotion")
    groups = list(dict.fromkeys(m["source"] for m in marks))
    if not groups:
        return None
    share = {(m["source"], m["label"]): m["value"] for m in marks}
    labels = sorted({m["label"] for m in marks} - {"neutral"}, key=lambda e: -max(share[g, e] for g in groups))
    labels = [e for e in labels[:_MOST_EMOTIONS] if max(share[g, e] for g in groups) > 0]
    feeling = {m["label"]: m for m in shown.marks("sentiment")}
    most = max((share[g, e] for g in groups for e in labels), default=1.0) or 1.0
    rows = []
    for group in groups:
        cells = [
            tag("td", f"{100 * share[group, e]:.1f}", class_="pos", style=f"--r:{0.75 * share[group, e] / most:.2f}")
            for e in labels
        ]
        one = feeling.get(group)
        said = f"{one['value']:+.2f}".replace("-", "−") if one else "–"
        rows.append(tag("tr", tag("th", bidi(group), scope="row"), cells, tag("td", said)))
    heads = [tag("th", e, scope="col") for e in labels]
    drawn = tag(
        "table",
        tag("caption", "% of sentences that express an emotion; sentiment from −1 to 1"),
        tag("thead", tag("tr", tag("td"), heads, tag("th", "sentiment", scope="col"))),
        tag("tbody", rows),
        class_="heat wide",
    )
    return tag(
        "div",
        tag("h3", "Emotions"),
        tag("p", "By the lexicon that ships with cityfolk; it knows words and no irony.", class_="soft"),
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label="Emotions by group of answers"),
        class_="card across",
    )


def example_card(shown: PreferencesShown) -> Html | None:
    """Return pairs to read, one at a time."""
    marks = shown.marks("example")
    numbers = list(dict.fromkeys(m["group"] for m in marks))
    if not numbers:
        return None
    leaves = [
        _leaf([m for m in marks if m["group"] == number], place, len(numbers))
        for place, number in enumerate(numbers, start=1)
    ]
    pager = tag(
        "div",
        tag("button", "← Back", type="button", class_="button"),
        tag("output", f"1 of {len(numbers)}", class_="soft"),
        tag("button", "Next →", type="button", class_="button"),
        class_="pager",
    )
    return tag(
        "div",
        tag("h3", "Pairs to read"),
        tag(
            "p",
            "Drawn at random, each of another target as far as there are. The bars show what was asked for and what "
            "the judges of the pair read in the two answers.",
        ),
        pager,
        leaves,
        class_="card across leaves",
        id_="pairs-to-read",
    )


def _leaf(marks: list[dict[str, Any]], place: int, count: int) -> Html:
    by = {m["label"]: m for m in marks}
    target = by["target"]
    bars = []
    for trait in TRAITS:
        one = by.get(trait)
        if one is None or one["x"] is None:
            continue
        dots: list[Node] = [tag("i", class_="asked", style=f"--p:{one['x']:.3f}")]
        for value, name in ((one["value"], "chosen"), (one["high"], "rejected")):
            if value is not None:
                dots.append(tag("i", class_=name, style=f"--p:{value:.3f}"))
        told = f"asked {100 * one['x']:.0f}"
        if one["value"] is not None and one["high"] is not None:
            told += f", chosen {100 * one['value']:.0f}, rejected {100 * one['high']:.0f}"
        bar = tag("span", dots, class_="bar", role="img", aria_label=told, title=told)
        bars.append(
            tag("div", tag("span", trait.capitalize()), bar, tag("span", f"{100 * one['x']:.0f}"), class_="trait")
        )
    return tag(
        "article",
        tag("p", tag("small", f"{place} of {count} · {by['topic']['text'].replace('-', ' ')}")),
        tag("h4", bidi(by["question"]["text"])),
        tag("p", tag("small", bidi(target["text"]), f" · margin {target['value'] or 0:.2f}")),
        key(("ink", "tick", "asked for"), ("c1", "dot", "read in chosen"), ("c3", "dot", "read in rejected")),
        tag("div", bars, class_="traits read"),
        tag("div", _side(by["chosen"], "Chosen"), _side(by["rejected"], "Rejected"), class_="beside two"),
        class_="leaf shown" if place == 1 else "leaf",
    )


def _side(mark: dict[str, Any], title: str) -> Html:
    distance = f", distance {mark['value']:.2f}" if mark["value"] is not None else ""
    return tag(
        "div",
        tag("p", tag("strong", title, class_=title.lower()), tag("small", distance)),
        tag("blockquote", bidi(mark["text"] or "(the answer is gone)"), class_=title.lower()),
    )
