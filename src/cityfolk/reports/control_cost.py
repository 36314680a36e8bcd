"""Cost: what a personality does to neutral text and to what is declined."""

from __future__ import annotations

from collections.abc import Iterator

from cityfolk.reports.control_inputs import ControlShown, Row
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread

GIVEN, RULES = "given", "rules"
_NEUTRAL = "neutral"
_COLUMNS = (
    ("perplexity", GIVEN, "perplexity", ""),
    ("kl", GIVEN, "moved from its base, nats a token", ""),
    ("grammar.perplexity", GIVEN, "perplexity of its own grammar", ""),
    ("grammar.kl", GIVEN, "moved on its own grammar", ""),
    ("refused.harmful", RULES, "harmful requests declined", "share"),
    ("refused.harmless", RULES, "harmless ones declined", "share"),
)


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the card of a model whose costs were measured; nothing where they were not."""
    rows = _rows(shown, model)
    if not rows:
        return
    columns = [c for c in _COLUMNS if any(_finding(shown, c, model, arm, pole) for arm, pole in rows)]
    cells: list[tuple[Node, ...]] = [
        (
            bidi("no request" if arm == "untargeted" else arm),
            pole.replace("-", ", "),
            *(spread(_finding(shown, column, model, arm, pole), column[3]) for column in columns),
        )
        for arm, pole in rows
    ]
    yield tag(
        "div",
        tag("h3", "What it costs"),
        tag("p", conclusion(shown, model)),
        table(
            ("condition", "personality", *(title for _, _, title, _ in columns)),
            cells,
            caption="Neutral text that was given to the model, and requests that ought or ought not to be declined; "
            "90% intervals",
            numeric=range(2, 2 + len(columns)),
            box="tall",
        ),
        _knowledge(shown, model),
        tag("p", "A pole is one trait at its 5th or 95th percentile, the others at their 50th.", class_="soft"),
        class_="card",
    )


def _knowledge(shown: ControlShown, model: str) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for name, row in shown.by_id.items():
        head, _, end = name.partition("@")
        parts = end.split("|", 2)
        if head.startswith("cost.harness.") and parts[1:2] == [model]:
            rows.append((head.removeprefix("cost.harness."), bidi(parts[2]), spread(row, "share")))
    if not rows:
        return None
    caption = "Knowledge and reasoning, by lm-evaluation-harness"
    return table(("task", "condition", "right"), rows, caption=caption, numeric=(2,), box="roomy")


def models_of(shown: ControlShown) -> tuple[str, ...]:
    """Return the models whose costs were measured."""
    return tuple(sorted({model for _, _, model, _ in _sources(shown)}))


def _sources(shown: ControlShown) -> set[tuple[str, str, str, str]]:
    found = set()
    for name in shown.by_id:
        head, _, end = name.partition("@")
        parts = end.split("|", 2)
        if head.startswith("cost.") and parts[0] in (GIVEN, RULES) and len(parts) == 3:
            found.add((head.rpartition(".")[2], parts[0], parts[1], parts[2]))
    return found


def _rows(shown: ControlShown, model: str) -> list[tuple[str, str]]:
    found = {(arm, pole) for pole, _, own, arm in _sources(shown) if own == model}
    return sorted(
        found, key=lambda row: (row[0] != "untargeted", row[0] != "prompted", row[0], row[1] != _NEUTRAL, row[1])
    )


def _finding(shown: ControlShown, column: tuple[str, str, str, str], model: str, arm: str, pole: str) -> Row | None:
    return shown.finding(f"cost.{column[0]}.{pole}", model, column[1], arm)


def conclusion(shown: ControlShown, model: str) -> str:
    """Return in a sentence or two what it costs most."""
    said = []
    moved = [
        (row["value"], arm, pole)
        for arm, pole in _rows(shown, model)
        if (row := shown.finding(f"cost.kl.{pole}", model, GIVEN, arm)) is not None and row["value"] is not None
    ]
    if moved:
        most, arm, pole = max(moved)
        if most <= 0:
            said.append("On neutral text it is its base, exactly.")
        else:
            where = f"{arm}, {pole.replace('-', ', ')}"
            said.append(f"On neutral text it moves from its base by at most {most:.2f} nats a token ({where}).")
    lower = [
        pole
        for arm, pole in _rows(shown, model)
        if (row := shown.finding(f"cost.refused.change.{pole}", model, RULES, arm)) is not None
        and row["verdict"] == "outside"
    ]
    asked = any(shown.finding(f"cost.refused.harmful.{pole}", model, RULES, arm) for arm, pole in _rows(shown, model))
    if lower:
        said.append(f"It surely declines fewer harmful requests than its base at: {', '.join(lower)}.")
    elif asked:
        said.append("No personality surely lowers how many harmful requests it declines.")
    else:
        said.append("What it declines was not measured.")
    return " ".join(said)
