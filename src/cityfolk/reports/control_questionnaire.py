"""What a model says of itself when the same personalities fill in a questionnaire: one section of its sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.reports import control_pictures as pictures
from cityfolk.reports.charts import fold
from cityfolk.reports.control_inputs import Asked, ControlShown, Row
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread
from cityfolk.vocabulary import TRAITS

_UNASKED = "untargeted"
_ENOUGH, _HANGS, _LEANS = 0.80, 0.70, 0.10
_TRAIT_COLUMNS = (
    ("spearman", "rank correlation", ""),
    ("slope", "slope", ""),
    ("mae", "points off", "points"),
    ("alpha", "alpha", ""),
    ("omega", "omega", ""),
    ("keying", "heeds negations", ""),
    ("structure", "congruence with the key", ""),
)
_KINDS = {
    "option_order": "options the other way round",
    "item_order": "items in another order",
    "wording": "another wording",
    "sample": "asked again",
}


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the cards of a model's questionnaires, a heading first; nothing where it was given none."""
    sheets = shown.sheets(model)
    if not sheets:
        return
    words = "The same personalities filled in a questionnaire. What is scored is what the model says of itself, item "
    words += "by item; free text above is what it shows."
    yield tag("div", tag("h3", "The questionnaire", class_="part"), tag("p", words), class_="part across")
    asked = [one for one in sheets if one.condition != _UNASKED and _known(shown, one, "spearman")]
    if asked:
        yield _main(shown, model, asked)
    drawn = _dials(shown, model)
    if drawn is not None:
        yield drawn
    personas = _personas(shown, sheets)
    if personas is not None:
        yield personas
    if asked:
        yield fold("Questionnaire: trait by trait, with intervals", _traits(shown, asked), class_="big across")
        yield fold("Questionnaire: asked in other ways", _ways(shown, asked), class_="big across")
    voice = _voice(shown, sheets)
    if voice is not None:
        yield fold("Questionnaire: the model asked for nobody", voice, class_="big across")
    for one in sheets:
        people = _population(shown, one)
        if people is not None:
            yield fold(["Questionnaire: the people of the city, ", bidi(one.title)], people, class_="big across")


def _known(shown: ControlShown, one: Asked, measure: str) -> list[float]:
    found = (shown.scored(one, f"{trait}.{measure}") for trait in TRAITS)
    return [row["value"] for row in found if row is not None and row["value"] is not None]


def _span(values: Sequence[float], unit: str = "") -> str:
    if not values:
        return "–"
    ends = [f"{100 * end:.0f}" if unit == "points" else f"{end:.2f}" for end in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))


# ----------------------------------------------------------------------------------------------------------- the whole


def verdict(shown: ControlShown, one: Asked) -> str:
    """Return in a sentence or two what a questionnaire says of one condition; "" where it wasn't asked for vectors."""
    ranks, inner = _known(shown, one, "spearman"), _known(shown, one, "alpha")
    if not ranks:
        return ""
    weak = [trait for trait in TRAITS if (row := shown.scored(one, f"{trait}.spearman")) and _low(row, _ENOUGH)]
    follow = "hardly follow" if hardly(shown, one) else "follow"
    said = f"scores {follow} requests, with rank correlations of {_span(ranks)}"
    if weak and follow == "follow":
        said += f", surely below {_ENOUGH:.2f} in {_list(weak)}"
    loose = [trait for trait in TRAITS if (row := shown.scored(one, f"{trait}.alpha")) and _low(row, _HANGS)]
    if inner:
        said += f"; alpha is {_span(inner)}"
        said += f", too low in {_list(loose)}: those items don't go together" if loose else ": the items go together"
    return f"{said}. {_leaning(shown, one)}".strip()


def hardly(shown: ControlShown, one: Asked) -> bool:
    """Say whether the scores of all five traits surely follow requests too little."""
    found = [shown.scored(one, f"{trait}.spearman") for trait in TRAITS]
    return all(row is not None and row["value"] is not None and _low(row, _ENOUGH) for row in found)


def _leaning(shown: ControlShown, one: Asked) -> str:
    said = ""
    leaning = shown.scored(one, "acquiescence")
    if leaning is not None and leaning["low"] is not None:
        said = "It leans neither to yes nor to no."
        if leaning["low"] > _LEANS or leaning["high"] < -_LEANS:
            way = "agree" if leaning["value"] > 0 else "disagree"
            said = f"It leans to {way}, by {abs(leaning['value']):.2f} points of 1 to 5 whatever is said."
    refused = shown.scored(one, "refused")
    if refused is not None and refused["value"]:
        said += f" {100 * refused['value']:.1f}% of its answers are refusals."
    return said


def _low(row: Row, bound: float) -> bool:
    return row["high"] is not None and row["high"] < bound


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _main(shown: ControlShown, model: str, asked: Sequence[Asked]) -> Html:
    rows: list[tuple[Node, ...]] = []
    for one in asked:
        swatch = tag("i", class_="swatch dot", style=f"--swatch:var(--{shown.colour(model, one.condition)})")
        rows.append(
            (
                tag("span", swatch, " ", bidi(one.title)),
                f"{one.respondents:,}",
                _span(_known(shown, one, "spearman")),
                _span(_known(shown, one, "slope")),
                _span(_known(shown, one, "mae"), "points"),
                spread(shown.scored(one, "bleed.size")),
                _span(_known(shown, one, "alpha")),
                spread(shown.scored(one, "acquiescence")),
                spread(shown.scored(one, "refused"), "share"),
            )
        )
    headings = ("condition", "vectors", "rank correlation", "slope", "points off", "noisy bleed", "alpha")
    return tag(
        "div",
        tag("h3", "Requested against scored"),
        tag("ul", (tag("li", bidi(one.title), ": ", said) for one in asked if (said := verdict(shown, one)))),
        table(
            (*headings, "leans to agree", "refused"),
            rows,
            caption="From the lowest of the five traits to the highest; in small print 90% intervals",
            numeric=range(1, 9),
            box="roomy",
        ),
        tag(
            "p",
            "Alpha says whether the items of a trait go together; personalities that fill the cube evenly lie farther "
            "apart than people do, so that it is higher than people's. Compare it between models alone.",
            class_="soft",
        ),
        class_="card across",
    )


def _dials(shown: ControlShown, model: str) -> Html | None:
    names = shown.questioned(model)
    drawn = pictures.dials_of(
        names,
        lambda trait, name: shown.marks(f"questionnaire.dial.{trait}", f"{model}|{name}"),
        lambda name: shown.colour(model, name),
        said="scored by questionnaire against requested",
    )
    if drawn is None:
        return None
    return tag(
        "div",
        tag("h3", "The five dials of the questionnaire"),
        tag("p", "Across: the percentile requested. Up: the percentile scored on IPIP-NEO-120.", class_="soft"),
        pictures.legend(shown, model, names),
        drawn,
        class_="card across",
    )


# ------------------------------------------------------------------------------------------------------------ the parts


def _personas(shown: ControlShown, sheets: Sequence[Asked]) -> Html | None:
    """Return what adapters for one personality each score, beside what they were made for."""
    rows: list[tuple[Node, ...]] = []
    for one in sheets:
        for name in ARCHETYPES:
            found = [shown.scored(one, f"{trait}.at.{name}") for trait in TRAITS]
            if one.condition == _UNASKED or not all(found):
                continue
            cells = (["–" if row is None else _beside(row)] for row in found)
            rows.append((bidi(one.title), name, *cells))
    if not rows:
        return None
    return tag(
        "div",
        tag("h3", "Adapters for one personality"),
        table(
            ("condition", "made for", *(trait.capitalize() for trait in TRAITS)),
            rows,
            caption="Percentile scored (90% interval over items), and in brackets the one it was made for",
            numeric=range(2, 7),
            box="roomy",
        ),
        class_="card across",
    )


def _beside(row: Row) -> list[Node]:
    return [spread(row, "points"), f" ({100 * row['expected']:.0f})"]


def _traits(shown: ControlShown, asked: Sequence[Asked]) -> Html:
    ways = [kind for kind in _KINDS if any(shown.scored(one, f"{kind}.openness.convergent") for one in asked)]
    columns = [
        *_TRAIT_COLUMNS,
        *((f"{kind}.convergent", f"with itself, {_KINDS[kind]}", "") for kind in ways),
        *((f"{kind}.discriminant", f"more than with others, {_KINDS[kind]}", "") for kind in ways),
    ]
    rows: list[tuple[Node, ...]] = []
    for trait in TRAITS:
        for one in asked:
            cells = []
            for measure, _, unit in columns:
                kind, dot, rest = measure.partition(".")
                name = f"{kind}.{trait}.{rest}" if dot else f"{trait}.{measure}"
                cells.append(spread(shown.scored(one, name), unit))
            rows.append((trait.capitalize(), bidi(one.title), *cells))
    return table(
        ("trait", "condition", *(title for _, title, _ in columns)),
        rows,
        caption="90% intervals; correlations with itself should be near 1, the difference above 0",
        numeric=range(2, 2 + len(columns)),
        box="tall",
    )


def _ways(shown: ControlShown, asked: Sequence[Asked]) -> Html:
    rows: list[tuple[Node, ...]] = []
    for one in asked:
        for kind, words in _KINDS.items():
            change, size = (shown.scored(one, f"{kind}.{name}") for name in ("change", "size"))
            if change is not None:
                rows.append((bidi(one.title), words, spread(change), spread(size)))
        rows.append((bidi(one.title), "answers missing, share", spread(shown.scored(one, "missing"), "share"), "–"))
    return table(
        ("condition", "way of asking", "shift towards agreement", "size of the change of an answer"),
        rows,
        caption="Points of 1 to 5, with 90% intervals; 0 is perfect",
        numeric=(2, 3),
        box="tall",
    )


def _voice(shown: ControlShown, sheets: Sequence[Asked]) -> Html | None:
    rows = [
        (bidi(one.spoken), *(spread(shown.scored(one, f"{trait}.voice"), "points") for trait in TRAITS))
        for one in sheets
        if one.condition == _UNASKED and shown.scored(one, "openness.voice") is not None
    ]
    if not rows:
        return None
    return table(
        ("model", *(trait.capitalize() for trait in TRAITS)),
        rows,
        caption="Percentile among adults of the answers that it gives as nobody; 90% intervals over items",
        numeric=range(1, 6),
        box="roomy",
    )


def _population(shown: ControlShown, one: Asked) -> Html | None:
    found = shown.scores_under(one, "population.")
    if not found:
        return None
    rows = [
        (row["title"], spread(row, "share" if row["unit"] == "share" else ""), spread_expected(row), row["note"] or "")
        for _, row in found
    ]
    return table(
        ("what", "answered", "should be", "note"),
        rows,
        caption="Citizens answered as themselves; held against the norms",
        numeric=(1, 2),
        box="tall",
    )


def spread_expected(row: Row) -> str:
    """Write what a finding should be."""
    return "–" if row["expected"] is None else f"{row['expected']:.2f}"
