"""Preference data in the report: what was asked, expressed and chosen, what is covered, who judged, pairs to read."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cityfolk.reports import preference_control, preference_pairs, preference_texts
from cityfolk.reports.html import Html, Node, join, table, tag
from cityfolk.reports.numbers import number, verdict
from cityfolk.reports.preference_inputs import PreferencesShown, spread
from cityfolk.vocabulary import TRAITS

_AGREEMENT = (
    ("icc2", "same score, ICC(2,1)"),
    ("icc3", "same order, ICC(3,1)"),
    ("pearson", "correlation"),
    ("bias", "bias, z"),
)
_FAMILY = "SAME FAMILY"


def section(shown: PreferencesShown, title: str = "Preference data") -> Html:
    """Return the whole section, or a sentence where nothing was measured."""
    head = tag("h2", title)
    if shown.details.height == 0:
        command = tag("code", "cityfolk evaluate DIR pairs")
        return join(head, tag("p", "The preference data was not measured: run ", command, "."))
    return join(
        head,
        _warnings(shown),
        tag(
            "p",
            "A model was asked open questions as if it had one personality or another. Judges read what it expressed; "
            "of two answers to one question, the one nearer to what was asked for is chosen, the other rejected. A "
            "model that is trained on such pairs learns to answer with a requested personality. Here is what the pairs "
            "hold.",
            class_="lead",
        ),
        _tiles(shown),
        tag("div", *_cards(shown), class_="grid two"),
    )


def _cards(shown: PreferencesShown) -> Iterator[Html | None]:
    yield _alarms(shown)
    yield from _part("Asked", "Which questions, and as whom.", preference_pairs.asked_cards(shown))
    yield from _part("Expressed", "Whether answers show what was asked for.", preference_control.cards(shown))
    yield from _part("Chosen", "Whether the better answer was chosen, and why.", preference_pairs.chosen_cards(shown))
    yield from _part("Covered", "Which personalities the pairs can teach.", preference_pairs.cover_cards(shown))
    yield from _part("Sound", "How the answers sound.", preference_texts.voice_cards(shown))
    yield from _part("Judged", "Who read the answers, and whether they agree.", _judges(shown))
    yield preference_pairs.twins(shown)
    yield preference_texts.example_card(shown)


def _part(title: str, words: str, cards: Iterator[Html | None]) -> Iterator[Html | None]:
    drawn = [card for card in cards if card is not None]
    if drawn:
        yield tag("div", tag("h3", title, class_="part"), tag("p", words, class_="soft"), class_="across part")
        yield from drawn


def _warnings(shown: PreferencesShown) -> Html | None:
    """Return what must be known before anything else: judges of the generator's own family."""
    families = [row for row in shown.about("judges.same_family") if row["verdict"] == "outside"]
    told = [text for text in shown.notices if text.startswith(_FAMILY)]
    lines = told or [f"{row['title']}: {number(row['value'], 'share')}" for row in families]
    if not lines:
        return None
    return tag(
        "div",
        tag("p", tag("strong", "Judge and generator are of one family.")),
        [tag("p", line.removeprefix(f"{_FAMILY}: ")) for line in lines],
        tag("p", "Such a judge favours its own style: read what it says with a judge of another family beside it."),
        class_="notice loud",
        role="note",
    )


def _tiles(shown: PreferencesShown) -> Html:
    judges = sorted({row["id"].split("@")[1] for row in shown.about("judges.unread@")})
    tiles: list[tuple[str, str, str]] = []
    for name, words in (
        ("asked.questions", "questions"),
        ("asked.topics", "topics"),
        ("asked.targets", "personalities asked for"),
        ("asked.answers", "answers"),
    ):
        value = shown.value(name)
        if value:
            held = shown.value("asked.topics.held-out") if name == "asked.topics" else None
            tiles.append((f"{value:,.0f}", words, f"{held:,.0f} held out" if held else ""))
    if judges:
        tiles.append((str(len(judges)), "judges" if len(judges) > 1 else "judge", ", ".join(judges)))
    pairs = shown.value("count")
    if pairs:
        tiles.append((f"{pairs:,.0f}", "pairs", f"on {shown.value('topics') or 0:,.0f} topics"))
    drawn = (
        tag("li", tag("b", value), tag("span", words), tag("small", small) if small else None, class_="tile")
        for value, words, small in tiles
    )
    return tag("ul", drawn, class_="tiles six")


def _alarms(shown: PreferencesShown) -> Html | None:
    """Return the findings outside of what they should be; corners of the cube count as one."""
    judged = [
        row
        for prefix in ("pairs.", "judges.")
        for row in shown.about(prefix)
        if row["verdict"] in ("inside", "outside") and not row["id"].startswith("pairs.coverage.corner.")
    ]
    if not judged:
        return None
    raised = [row for row in judged if row["verdict"] == "outside"]
    said = (
        f"{len(raised)} of {len(judged)} checks are outside of what they should be."
        if raised
        else f"All of {len(judged)} checks are inside of what they should be."
    )
    rows = [
        (
            row["title"],
            spread(row, _unit(row)),
            number(row["expected"], _unit(row)),
            verdict("outside"),
            row["note"] or "",
        )
        for row in raised
    ]
    return tag(
        "div",
        tag("h3", "Checks"),
        tag(
            "p",
            said
            + " Some must hold of every row, such as no topic in both splits; those that chance can blur are tested "
            "together.",
        ),
        table(
            ("what", "found", "should be", "verdict", "note"),
            rows,
            caption="Outside",
            numeric=(1, 2),
            box="roomy" if len(rows) <= 12 else "tall",
        )
        if rows
        else None,
        class_="card across" + (" alarm" if raised else ""),
    )


def _unit(row: dict[str, object]) -> str:
    unit = str(row["unit"] or "")
    return unit if unit in ("share", "count") else ""


def _judges(shown: PreferencesShown) -> Iterator[Html | None]:
    pairs = dict.fromkeys(row["id"].split("@")[1] for row in shown.about("judges.icc2."))
    rows: list[tuple[Node, ...]] = []
    for both in pairs:
        for trait in TRAITS:
            found = {r["id"]: r for r in shown.about("judges.") if r["id"].endswith(f".{trait}@{both}")}
            cells = (spread(found.get(f"judges.{name}.{trait}@{both}")) for name, _ in _AGREEMENT)
            rows.append((both.replace("|", " and "), trait.capitalize(), *cells))
    if rows:
        yield tag(
            "div",
            tag("h3", "Agreement of judges"),
            table(
                ("judges", "trait", *(title for _, title in _AGREEMENT)),
                rows,
                caption="Two judges on the same answers, with 90% intervals; 1 is perfect agreement, bias 0 is none",
                numeric=range(2, 2 + len(_AGREEMENT)),
                box="roomy" if len(rows) <= 20 else "tall",
            ),
            class_="card across",
        )
    yield _each_judge(shown)


def _each_judge(shown: PreferencesShown) -> Html | None:
    judges = dict.fromkeys(row["id"].split("@")[1] for row in shown.about("judges.unread@"))
    rows: list[tuple[Node, ...]] = []
    for judge in judges:
        found = {row["id"]: row for row in shown.about("judges.") if row["id"].endswith(f"@{judge}")}

        def worst(name: str, found: dict[str, dict[str, object]] = found, judge: str = judge) -> Node:
            values = [found.get(f"judges.{name}.{t}@{judge}", {}).get("value") for t in TRAITS]
            known = [float(v) for v in values if v is not None]  # type: ignore[arg-type]
            return f"{max(known, key=abs):.2f}" if known else "–"

        unread, family = found.get(f"judges.unread@{judge}"), found.get(f"judges.same_family@{judge}")
        nothing = number(unread["value"], "share") if unread else "–"
        own = "the known truth" if judge == "grammar" else number(family["value"], "share") if family else "–"
        rows.append((judge, nothing, own, worst("same_score"), worst("length")))
    if not rows:
        return None
    return tag(
        "div",
        tag("h3", "Each judge alone"),
        table(
            ("judge", "could read nothing", "own family", "commonest score, share", "goes by length, r"),
            rows,
            caption="Shares of answers; the last two are those of the worst trait",
            numeric=(1, 2, 3, 4),
        ),
        class_="card across",
    )


def of_findings(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that the section and the sheets of control are drawn from."""
    return findings.filter(
        pl.any_horizontal(pl.col("id").str.starts_with(prefix) for prefix in ("pairs.", "judges.", "control."))
    )
