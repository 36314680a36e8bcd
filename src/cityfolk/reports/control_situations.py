"""Word and deed: what situational choices tell of a model, and whether they agree with questionnaire and free text."""

from __future__ import annotations

from collections.abc import Iterator

from cityfolk.reports.charts import fold
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread
from cityfolk.vocabulary import TRAITS

KEYS = "keys"
PAIRS = (("words", "text"), ("words", "deeds"), ("text", "deeds"))
_NAMES = {"words": "questionnaire", "text": "free text", "deeds": "situations"}
_AGREE, _FOLLOW = 0.5, 0.2
_COLUMNS = (
    ("slope", "rise with the request", ""),
    ("spearman", "rank correlation", ""),
    ("alpha", "alpha", ""),
)


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the cards of a model that chose in situations; nothing where it did not."""
    for arm in arms_of(shown, model):
        yield _card(shown, model, arm)


def models_of(shown: ControlShown) -> tuple[str, ...]:
    """Return the models that chose in situations."""
    return tuple(sorted({model for model, _ in _sources(shown)}))


def arms_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the conditions under which a model chose, prompts first, those without a request left out."""
    found = {arm for own, arm in _sources(shown) if own == model and arm != "untargeted"}
    return tuple(sorted(found, key=lambda arm: (arm != "prompted", arm)))


def _sources(shown: ControlShown) -> set[tuple[str, str]]:
    ends = (name.partition("@")[2].split("|", 2) for name in shown.by_id if name.startswith("situations."))
    return {(end[1], end[2]) for end in ends if len(end) == 3}


def conclusion(shown: ControlShown, model: str, arm: str) -> str:
    """Return in a sentence whether choices follow requests and agree with what the model says."""
    follow = [t for t in TRAITS if _low(shown, f"situations.spearman.{t}", model, arm) > _FOLLOW]
    ranked = [t for t in TRAITS if shown.finding(f"situations.spearman.{t}", model, KEYS, arm)]
    if not ranked:
        return "Too few personalities were asked for to say whether choices follow requests."
    if not follow:
        said = "What it would do does not surely follow the request in any trait"
    elif len(follow) == len(ranked):
        said = "What it would do follows the request in every trait"
    else:
        said = f"What it would do surely follows the request in {', '.join(follow)} alone"
    words = [shown.value(f"situations.agree.words.deeds.{t}", model, KEYS, arm) for t in TRAITS]
    known = [value for value in words if value is not None]
    if not known:
        return f"{said}."
    mean = sum(known) / len(known)
    how = "agrees with" if mean >= _AGREE else "differs from"
    return f"{said}; on average its deed {how} its word in the questionnaire (mean correlation {mean:.2f})."


def _low(shown: ControlShown, name: str, model: str, arm: str) -> float:
    row = shown.finding(name, model, KEYS, arm)
    return -1.0 if row is None or row["low"] is None else float(row["low"])


def _card(shown: ControlShown, model: str, arm: str) -> Html:
    rows: list[tuple[Node, ...]] = []
    for trait in TRAITS:
        own = [spread(shown.finding(f"situations.{c}.{trait}", model, KEYS, arm), unit) for c, _, unit in _COLUMNS]
        if any(cell != "–" for cell in own):
            rows.append((trait.capitalize(), *own))
    parts: list[Node] = [tag("h3", "Word and deed, ", bidi(arm)), tag("p", conclusion(shown, model, arm))]
    if rows:
        parts.append(
            table(
                ("trait", *(title for _, title, _ in _COLUMNS)),
                rows,
                caption="Choices in forty situations, scored from 0 to 1; in small print 90% intervals",
                numeric=(1, 2, 3),
                box="roomy",
            )
        )
    agreement = _agreement(shown, model, arm)
    if agreement is not None:
        parts.append(agreement)
    order = shown.value("situations.order", model, KEYS, arm)
    if order is not None:
        parts.append(
            tag(
                "p",
                f"Turning the options round changes a choice by {100 * order:.0f}% of the scale on average"
                + ("; much of it goes by place, not by what the options say." if order > 0.15 else "."),
                class_="soft",
            )
        )
    words = "The situations and their keys were written for this package by reason; people have not answered them yet."
    parts.append(tag("p", words, class_="soft"))
    return tag("div", parts, class_="card")


def _agreement(shown: ControlShown, model: str, arm: str) -> Node:
    rows: list[tuple[Node, ...]] = []
    for one, other in PAIRS:
        cells = [spread(shown.finding(f"situations.agree.{one}.{other}.{t}", model, KEYS, arm)) for t in TRAITS]
        if any(cell != "–" for cell in cells):
            rows.append((f"{_NAMES[one]} and {_NAMES[other]}", *cells))
            freed = [spread(shown.finding(f"situations.true.{one}.{other}.{t}", model, KEYS, arm)) for t in TRAITS]
            if any(cell != "–" for cell in freed):
                rows.append(("… freed of unreliability", *freed))
            apart = [spread(shown.finding(f"situations.apart.{one}.{other}.{t}", model, KEYS, arm)) for t in TRAITS]
            rows.append(("… above other traits", *apart))
    if not rows:
        return None
    made = table(
        ("two ways of asking", *(trait.capitalize() for trait in TRAITS)),
        rows,
        caption="Correlation of two ways of asking over the same personalities; 1 is perfect",
        numeric=range(1, 6),
        box="roomy",
    )
    return [made, fold("Every correlation (traits by methods)", _matrix(shown, model, arm))]


def _matrix(shown: ControlShown, model: str, arm: str) -> Html:
    rows: list[tuple[Node, ...]] = []
    for name, row in shown.under("situations.cell.", model, KEYS, arm):
        first, one, second, other = name.split(".")
        rows.append((f"{one}, {_NAMES[first]}", f"{other}, {_NAMES[second]}", spread(row)))
    caption = "Traits by methods (Campbell and Fiske 1959); 90% intervals"
    return table(("this", "with this", "r"), rows, caption=caption, numeric=(2,), box="tall")
