"""The evidence in the report: how true, how varied, how felt, how personal and how fair, for one source or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cityfolk.evaluation.flags import test_of
from cityfolk.reports import evidence_fair, evidence_margins, evidence_texts, evidence_traits
from cityfolk.reports.evidence_inputs import Shown, row_finding, swatches
from cityfolk.reports.html import Html, Node, join, table, tag
from cityfolk.reports.numbers import number, verdict

# The findings that sum a source up: id, what it is called, what is better.
SUMMARY = (
    ("text.words", "Words in a profile (5th to 95th percentile)"),
    ("text.true.contradicted.any", "Profiles that contradict a fact"),
    ("text.true.invented_numbers", "Profiles with a number that no fact gives"),
    ("text.variety.copies", "Near copies of another profile"),
    ("text.variety.distinct2", "Different pairs of words among all"),
    ("text.variety.mattr", "Different words in 50 running words"),
    ("text.variety.jaccard", "Words that two profiles share"),
    ("text.variety.similarity", "How alike two profiles are"),
    ("text.variety.vendi", "Entirely different profiles that would be as varied"),
    ("text.feeling.sentiment", "Sentiment, −1 to 1"),
    ("text.kept.traits", "Variety of personality kept in the text"),
    ("text.fair.sentiment", "Groups written of in another tone"),
)


def section(shown: Shown) -> Html:
    """Return the whole section, or a sentence where nothing was measured."""
    head = tag("h2", "The evidence")
    if shown.details.height == 0:
        return join(head, tag("p", "The text was not measured: run ", tag("code", "cityfolk evaluate DIR text"), "."))
    return join(
        head,
        tag(
            "p",
            "What can be measured of the written lives"
            + (f" of {len(shown.sources)} sources, side by side" if len(shown.sources) > 1 else "")
            + ": whether they say what is true, how varied they are, how they feel, whether one can hear who somebody "
            "is, and whether they treat everybody alike. Each number has an interval of 90% unless its note says "
            "otherwise.",
            class_="lead",
        ),
        tag(
            "div",
            _flags(shown),
            _summary(shown),
            *_cards(shown),
            class_="grid two",
        ),
    )


def _cards(shown: Shown) -> Iterator[Html | None]:
    yield _part("True", "What the text says of people, next to what was known and to official figures.")
    yield from evidence_margins.cards(shown)
    yield _part("Varied", "Whether people are told apart, or told in the same words.")
    yield from evidence_texts.variety_cards(shown)
    yield _part("Felt", "How the text sounds, field by field.")
    yield from evidence_texts.feeling_cards(shown)
    yield _part("Personal", "Whether the personality that was asked for can be heard.")
    yield from evidence_traits.cards(shown)
    yield _part("Fair", "Whether people are written of alike, whoever they are.")
    yield from evidence_fair.cards(shown)


def _part(title: str, words: str) -> Html:
    return tag("div", tag("h3", title, class_="part"), tag("p", words, class_="soft"), class_="across part")


def _flags(shown: Shown) -> Html | None:
    """Return the alarms: the findings that are tested together, raised ones by name."""
    tested = [row for row in shown.findings.iter_rows(named=True) if test_of(row_finding(row))]
    judged = [row for row in tested if row["verdict"] in ("inside", "outside")]
    if not judged:
        return None
    raised = [row for row in judged if row["verdict"] == "outside"]
    said = (
        f"Alarms raised: {len(raised)} of {len(judged)}."
        if raised
        else f"None of {len(judged)} alarms is raised: nothing here is further off than chance allows."
    )
    rows = [
        (
            row["title"],
            number(row["value"], row["unit"] or ""),
            number(row["expected"], row["unit"] or ""),
            verdict(row["verdict"]),
        )
        for row in raised
    ]
    return tag(
        "div",
        tag("h3", "Alarms"),
        tag(
            "p",
            said + " They are tested together: in a source without faults the chance of any false alarm is at most 5%.",
        ),
        table(("what", "found", "allowed or asked", "verdict"), rows, caption="Alarms raised", numeric=(1, 2))
        if rows
        else None,
        class_="card across" + (" alarm" if raised else ""),
    )


def _summary(shown: Shown) -> Html | None:
    rows: list[tuple[Node, ...]] = []
    for name, title in SUMMARY:
        found = {source: shown.finding(name, source) for source in shown.sources}
        if not any(found.values()):
            continue
        rows.append((title, *(_cell(found[source]) for source in shown.sources)))
    if not rows:
        return None
    return tag(
        "div",
        tag("h3", "At a glance"),
        table(
            ("measure", *shown.sources),
            rows,
            caption="In small print the 90% interval",
            numeric=range(1, len(shown.sources) + 1),
        ),
        swatches(shown) if len(shown.sources) > 1 else None,
        class_="card across",
    )


def _cell(row: dict[str, object] | None) -> Node:
    if row is None or row["value"] is None:
        return "–"
    unit = str(row["unit"] or "")
    short = "" if unit in ("score", "similarity", "profiles", "words", "groups", "-1 to 1") else unit
    value = number(row["value"], short)  # type: ignore[arg-type]
    if row["low"] is None or row["high"] is None:
        return value
    low, high = number(row["low"], short), number(row["high"], short)  # type: ignore[arg-type]
    return join(value, tag("br"), tag("small", f"{low} to {high}"))


def comparison(differences: Sequence[dict[str, object]], paired: str) -> Html:
    """Return the person-by-person differences of several sources, or why there are none."""
    if not differences:
        return tag("div", tag("h3", "Person by person"), tag("p", paired + "."), class_="card across")
    rows = [
        (
            row["title"],
            number(row["value"], str(row["unit"] or "")),  # type: ignore[arg-type]
            f"{number(row['low'], str(row['unit'] or ''))} to {number(row['high'], str(row['unit'] or ''))}"  # type: ignore[arg-type]
            if row["low"] is not None
            else "–",
            f"{row['n']:,}" if row["n"] is not None else "–",
            "differs" if row["verdict"] == "outside" else "no clear difference",
            str(row["note"] or ""),
        )
        for row in differences
    ]
    return tag(
        "div",
        tag("h3", "Person by person"),
        tag("p", f"{paired}. A difference counts where its p-value, corrected for all of them, is at most 5%."),
        table(
            ("difference", "value", "90% interval", "people", "verdict", "note"),
            rows,  # type: ignore[arg-type]
            caption="The first less the second, on the same people",
            numeric=(1, 2, 3),
            box="tall",
        ),
        class_="card across",
    )
