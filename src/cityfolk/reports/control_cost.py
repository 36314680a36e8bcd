"""Cost: what a personality does to neutral text, to what is declined, and to how toxic replies are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from cityfolk.reports.control_inputs import ControlShown, Row
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread

GIVEN, RULES = "given", "rules"
_NEUTRAL = "neutral"
_AGREEMENT = "cost.refused.agreement"
Column: TypeAlias = "tuple[str, str, str, str]"
"""A finding's name, who judges, the heading, and the unit."""
_TEXT: tuple[Column, ...] = (
    ("perplexity", GIVEN, "perplexity", ""),
    ("kl", GIVEN, "moved from its base, nats a token", ""),
    ("grammar.perplexity", GIVEN, "perplexity of its own grammar", ""),
    ("grammar.kl", GIVEN, "moved on its own grammar", ""),
)


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the card of a model whose costs were measured; nothing where they were not."""
    rows = _rows(shown, model)
    if not rows:
        return
    yield tag(
        "div",
        tag("h3", "What it costs"),
        tag("p", bidi(conclusion(shown, model))),
        *_text(shown, model),
        *_declined(shown, model),
        *_toxic(shown, model),
        _knowledge(shown, model),
        tag("p", "A pole is one trait at its 5th or 95th percentile, the others at their 50th.", class_="soft"),
        class_="card",
    )


def _text(shown: ControlShown, model: str) -> Iterator[Html]:
    drawn = _table(shown, model, "Neutral text that was given to the model; 90% intervals", _TEXT)
    if drawn is not None:
        yield tag("h4", "Neutral text")
        yield drawn


def _declined(shown: ControlShown, model: str) -> Iterator[Html]:
    columns = [
        (f"refused.{kind}", judge, f"{kind}, by {'the rules' if judge == RULES else judge}", "share")
        for judge in (RULES, *judges_of(shown, model))
        for kind in ("harmful", "harmless")
    ]
    drawn = _table(shown, model, "Share of requests declined, harmful ones and their twins; 90% intervals", columns)
    if drawn is not None:
        yield tag("h4", "What it declines")
        yield from (tag("p", bidi(line)) for line in agreement(shown, model))
        yield drawn


def _toxic(shown: ControlShown, model: str) -> Iterator[Html | None]:
    yield tag("h4", "Toxicity")
    yield tag("p", toxicity(shown, model))
    for judge in classifiers_of(shown, model):
        columns = [("toxic.share", judge, "toxic", "share"), ("toxic.change", judge, "against its base", "share")]
        yield _table(shown, model, f"Share of replies that {judge} holds for toxic; 90% intervals", columns)


def _table(shown: ControlShown, model: str, caption: str, columns: Sequence[Column]) -> Html | None:
    found = [
        (arm, pole, [_finding(shown, column, model, arm, pole) for column in columns])
        for arm, pole in _rows(shown, model)
    ]
    there = [any(row[at] for *_, row in found) for at in range(len(columns))]
    if not any(there):
        return None
    shares = [column[3] for column in columns]
    rows: list[tuple[Node, ...]] = [
        (
            bidi(_place(arm, pole)),
            *(spread(one, unit) for one, unit, own in zip(row, shares, there, strict=True) if own),
        )
        for arm, pole, row in found
        if any(row)
    ]
    titles = [bidi(column[2]) for column, own in zip(columns, there, strict=True) if own]
    return table(("under", *titles), rows, caption=caption, numeric=range(1, 1 + len(titles)), box="tall")


def judges_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the engines that said which of a model's replies decline."""
    return _who(shown, model, f"{_AGREEMENT}@")


def classifiers_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the classifiers that said which of a model's replies are toxic."""
    return _who(shown, model, "cost.toxic.share.")


def _who(shown: ControlShown, model: str, prefix: str) -> tuple[str, ...]:
    ends = (name.partition("@")[2].split("|", 2) for name in shown.by_id if name.startswith(prefix))
    return tuple(sorted({end[0] for end in ends if end[1:2] == [model]}))


def agreement(shown: ControlShown, model: str) -> Iterator[str]:
    """Yield in a sentence each how far the engines that were asked agree with the rules on what declines."""
    for judge in judges_of(shown, model):
        for name, row in shown.by_id.items():
            head, _, end = name.partition("@")
            parts = end.split("|", 2)
            if head == _AGREEMENT and parts[:2] == [judge, model] and row["value"] is not None:
                ends = f" ({row['low']:.0%} to {row['high']:.0%})" if row["low"] is not None else ""
                same = f"{row['value']:.0%}{ends} of {row['n']:,} replies"
                yield f"{_arm(parts[2])}: {judge} and the rules agree on {same}; {row['note']}."


def _arm(condition: str) -> str:
    return "Without a request" if condition == "untargeted" else f"Under “{condition}”"


def toxicity(shown: ControlShown, model: str) -> Node:
    """Return in a sentence or two what a classifier found toxic; where none read, that and how one does."""
    readers = classifiers_of(shown, model)
    if not readers:
        command = tag("code", "cityfolk evaluate DIR control --classifier unitary/toxic-bert")
        if not _asked(shown, model):
            return "Toxicity was not measured: there are no replies to requests that a classifier could read."
        return ["Toxicity was not measured, since no classifier of it was named: run ", command, "."]
    said = []
    for judge in readers:
        shares, surely = [], []
        for arm, pole in _rows(shown, model):
            row = shown.finding(f"cost.toxic.share.{pole}", model, judge, arm)
            if row is not None and row["value"] is not None:
                shares.append((row["value"], row["n"], _place(arm, pole)))
            change = shown.finding(f"cost.toxic.change.{pole}", model, judge, arm)
            if change is not None and change["verdict"] == "outside":
                surely.append(_place(arm, pole))
        most, n, where = max(shares)
        words = f"{judge} holds at most {most:.1%} of {n:,} replies for toxic ({where})" if most else ""
        words = words or f"{judge} holds none of the replies for toxic"
        more = f"surely more than without a request at: {'; '.join(surely)}" if surely else "nowhere surely more"
        said.append(f"{words}; {more}." if most else f"{words}.")
    return bidi(" ".join(said))


def _place(arm: str, pole: str) -> str:
    return "no request" if arm == "untargeted" else f"{arm}, {pole.replace('-', ' ')}"


def _asked(shown: ControlShown, model: str) -> bool:
    return any(shown.finding(f"cost.refused.harmful.{pole}", model, RULES, arm) for arm, pole in _rows(shown, model))


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


def _finding(shown: ControlShown, column: Column, model: str, arm: str, pole: str) -> Row | None:
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
            where = _place(arm, pole)
            said.append(f"On neutral text it moves from its base by at most {most:.2f} nats a token ({where}).")
    lower = _lower(shown, model, RULES)
    if lower:
        said.append(f"It surely declines fewer harmful requests than its base at: {', '.join(lower)}.")
    elif _asked(shown, model):
        said.append("No personality surely lowers how many harmful requests it declines.")
    else:
        said.append("What it declines was not measured.")
    for judge in judges_of(shown, model):
        other = _lower(shown, model, judge)
        if other != lower:
            said.append(
                f"As {judge} reads the replies, it does so {'at: ' + ', '.join(other) if other else 'nowhere'}."
            )
    return " ".join(said)


def _lower(shown: ControlShown, model: str, judge: str) -> list[str]:
    """Return under which personalities fewer harmful requests are surely declined."""
    return [
        pole.replace("-", " ")
        for arm, pole in _rows(shown, model)
        if (row := shown.finding(f"cost.refused.change.{pole}", model, judge, arm)) is not None
        and row["verdict"] == "outside"
    ]
