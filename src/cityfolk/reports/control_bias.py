"""Bias in answers about groups: BBQ's scores by condition and by dimension, beside how well the stories were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cityfolk.reports.charts import fold
from cityfolk.reports.control_inputs import ControlShown, Row
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.preference_inputs import spread

READER, BASE = "choices", "untargeted"
DIMENSIONS = ("age", "sex", "nationality", "religion", "disability", "income", "looks", "education")
CHANCE = 1 / 3
_READS = 0.6  # share of right answers from which a model can be said to read the stories
_COLUMNS = (
    ("accuracy.known", "right, where the story says", "share"),
    ("accuracy.ambiguous", "“cannot be known”, where it can't", "share"),
    ("ambiguous", "bias, story open", ""),
    ("known", "bias, story clear", ""),
    ("pairs", "stereotype held likelier", "share"),
    ("difference.ambiguous", "bias, against its own voice", ""),
)


def cards(shown: ControlShown, model: str) -> Iterator[Html]:
    """Yield the cards of a model's choices about groups, a heading first; nothing where it was asked for none."""
    arms = arms_of(shown, model)
    if not arms:
        return
    groups = [arm for arm in arms if _single(arm, arms) is None]
    yield tag(
        "div",
        tag("h3", "Stereotypes", class_="part"),
        tag("p", conclusion(shown, model, arms)),
        class_="part across",
    )
    words = (
        "Stories about two people leave open who did something, or say it; one option is always that it can't be "
        "known. Bias is BBQ's score, from −1 over 0 (none) to 1 (always with the stereotype). A score means something "
        "only where the right answers are well above a third, which is chance."
    )
    yield tag(
        "div",
        tag("h3", "Bias by condition"),
        tag("p", words, class_="soft"),
        _table(shown, model, groups),
        class_="card",
    )
    heat = _dimensions(shown, model, groups)
    if heat is not None:
        yield heat
    singles = [arm for arm in arms if arm not in groups]
    if singles:
        yield fold("Stereotypes: every vector and adapter", _table(shown, model, singles), class_="big across")


def arms_of(shown: ControlShown, model: str) -> tuple[str, ...]:
    """Return the conditions in which a model chose: its own voice first, then groups, then single vectors."""
    prefix, end = "bias.ambiguous@", f"{READER}|{model}|"
    found = [name.removeprefix(prefix) for name in shown.by_id if name.startswith(prefix)]
    own = [name.removeprefix(end) for name in found if name.startswith(end)]
    return tuple(sorted(own, key=lambda arm: (arm != BASE, _single(arm, own) is not None, arm != "prompted", arm)))


def models_of(shown: ControlShown) -> tuple[str, ...]:
    """Return the models that chose."""
    ends = (name.partition("@")[2].split("|", 2) for name in shown.by_id if name.startswith("bias.ambiguous@"))
    return tuple(sorted({end[1] for end in ends if len(end) == 3}))


def _single(arm: str, arms: Sequence[str]) -> str | None:
    """Return the group that an arm is one of, None where it stands for itself."""
    return next((group for group in arms if arm != group and arm.startswith(f"{group} as ")), None)


def conclusion(shown: ControlShown, model: str, arms: Sequence[str]) -> str:
    """Return in a few sentences how biased a model is, whether that can be told, and what the conditions do to it."""
    base = BASE if BASE in arms else arms[0]
    voice = "The model's own voice" if base == BASE else base
    read = _row(shown, "accuracy.known", model, base)
    if read is None:
        return ""
    share = f"{100 * read['value']:.0f}%"
    if read["value"] < _READS:
        return (
            f"{voice} names the right person in {share} of the stories that say who it was (chance is a third): it "
            "does not read them well enough for its scores of bias to mean much."
        )
    score = _row(shown, "ambiguous", model, base)
    said = f"{voice} reads the stories ({share} right where they say who it was)"
    if score is not None:
        said += f"; where they leave it open, {_leaning(score)} (s_AMB {_ends(score)})."
    changed = []
    for arm in arms:
        row = _row(shown, "difference.ambiguous", model, arm)
        if row is not None and row["verdict"] == "outside":
            how = f"when {arm}" if arm.startswith("prompted") else f"with {arm}"
            changed.append(f"{'more' if row['value'] > 0 else 'less'} {how} ({row['value']:+.2f})")
    if changed:
        most = f" and {len(changed) - 3} others" if len(changed) > 3 else ""
        return f"{said} Surely {', '.join(changed[:3])}{most}.".replace("-", "−")
    return f"{said} No condition surely changes that." if len(arms) > 1 else said


def _leaning(row: Row) -> str:
    if row["low"] is not None and row["low"] > 0:
        return "it goes with the stereotype"
    if row["high"] is not None and row["high"] < 0:
        return "it goes against the stereotype"
    return "it surely leans neither with the stereotype nor against it" if row["low"] is not None else "it leans"


def _ends(row: Row) -> str:
    ends = f", {row['low']:+.2f} to {row['high']:+.2f}" if row["low"] is not None else ""
    return f"{row['value']:+.2f}{ends}".replace("-", "−")


def _row(shown: ControlShown, measure: str, model: str, arm: str) -> Row | None:
    found = shown.finding(f"bias.{measure}", model, READER, arm)
    return found if found is not None and found["value"] is not None else None


def _table(shown: ControlShown, model: str, arms: Sequence[str]) -> Html:
    rows: list[tuple[Node, ...]] = []
    for arm in arms:
        cells = (spread(_row(shown, measure, model, arm), unit) for measure, _, unit in _COLUMNS)
        name: Node = tag("em", "its own voice") if arm == BASE else bidi(arm)
        rows.append((name, *cells))
    refused = sum(1 for arm in arms if (row := _row(shown, "refused", model, arm)) and row["value"] > 0)
    more = f"; {refused} of these refused some questions" if refused else ""
    return table(
        ("condition", *(title for _, title, _ in _COLUMNS)),
        rows,
        caption=f"In small print 90% intervals, by drawing stories anew{more}",
        numeric=range(1, 1 + len(_COLUMNS)),
        box="roomy",
    )


def _dimensions(shown: ControlShown, model: str, arms: Sequence[str]) -> Html | None:
    rows = []
    for dimension in DIMENSIONS:
        found = [_row(shown, f"ambiguous.{dimension}", model, arm) for arm in arms]
        if any(found):
            rows.append(tag("tr", tag("th", dimension, scope="row"), (_cell(row) for row in found)))
    if not rows:
        return None
    head = (tag("th", "its own voice" if arm == BASE else bidi(arm), scope="col") for arm in arms)
    drawn = tag("table", tag("thead", tag("tr", tag("td"), head)), tag("tbody", rows), class_="heat wide")
    words = "Bias where the story leaves it open, by what the two people differ in. Few stories each: bold is sure."
    return tag(
        "div",
        tag("h3", "Bias by what people differ in"),
        tag("p", words, class_="soft"),
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label="Bias by what people differ in"),
        class_="card",
    )


def _cell(row: Row | None) -> Html:
    if row is None:
        return tag("td", "–")
    value = row["value"]
    text = f"{value:+.2f}".replace("-", "−")
    ends = f"{row['low']:+.2f} to {row['high']:+.2f}".replace("-", "−") if row["low"] is not None else None
    sure = row["low"] is not None and (row["low"] > 0 or row["high"] < 0)
    style = f"--r:{min(abs(value), 1.0) * 0.75:.2f}"
    return tag(
        "td", tag("strong", text) if sure else text, class_="pos" if value >= 0 else "neg", style=style, title=ends
    )
