"""Rules that no person or household may break, as the findings tell."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cityfolk.reports.html import Html, Node, bidi, table, tag

ALL, PREFIX = "people.rules.broken", "people.rule."


@dataclass(frozen=True, slots=True)
class Broken:
    """How many rules are broken, of how many, and on how many people they were checked."""

    broken: int
    rules: int
    people: int


def broken(findings: pl.DataFrame) -> Broken | None:
    """Return how many rules are broken; None where rules were not checked."""
    rows = rule_rows(findings)
    if rows.height == 0:
        return None
    checked = rows["n"].max()
    return Broken(rows.filter(pl.col("value") > 0).height, rows.height, checked if isinstance(checked, int) else 0)


def rule_rows(findings: pl.DataFrame) -> pl.DataFrame:
    """Return one row a rule, broken ones first: id, title, value (who breaks it), n (who was checked), note."""
    rows = findings.filter(pl.col("id").str.starts_with(PREFIX))
    return rows.sort(pl.col("value").fill_null(0), descending=True, maintain_order=True)


def rules_card(findings: pl.DataFrame) -> Html | None:
    """Return the rules as a card with a table; None where rules were not checked."""
    rows, found = rule_rows(findings), broken(findings)
    if found is None:
        return None
    verdict = "None of them is broken." if not found.broken else f"Broken: {found.broken} of them."

    def line(row: dict[str, object]) -> tuple[Node, ...]:
        value = row["value"]
        said = "not checked" if value is None else f"{value:,.0f}"
        return str(row["title"]), said, f"{row['n']:,} {row['unit']}", bidi(str(row["note"] or ""))

    marks = ["outside" if (value or 0) > 0 else "inside" for value in rows["value"]]
    whole = table(
        ("rule", "broken by", "checked on", "source"),
        (line(row) for row in rows.iter_rows(named=True)),
        caption="Rules that no person or household may break",
        numeric=(1, 2),
        row_classes=marks,
        box="tall short",
    )
    return tag(
        "div",
        tag("h3", "Rules nobody may break"),
        tag(
            "p",
            f"{found.rules} rules, such as “employed people are 16 or older”, were checked on all {found.people:,} "
            f"people. {verdict}",
        ),
        whole,
        class_="card",
    )
