"""Everything that is measured of the people of a study: the certificate, the rules, the pairs."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from cityfolk.evaluation.certificate import certificate
from cityfolk.evaluation.pairs import pairs
from cityfolk.tables.rules import check
from cityfolk.tables.view import build_views
from cityfolk.types import Finding, Verdict


def evaluate_people(
    people: pl.DataFrame,
    households: pl.DataFrame,
    tables: pl.DataFrame,
    *,
    associations: pl.DataFrame | None = None,
    fitted: Collection[str] = (),
    state: str = "",
    geography: str | None = None,
    vintage: str | None = None,
    seed: int = 0,
) -> list[Finding]:
    """Measure a population against its place's tables.csv, the rules and associations.csv.

    `fitted` holds the codes that were fitted (people.parquet's metadata `cityfolk.fitted`); `state` is the place's own,
    as in place.toml; the others are as in `certificate`.
    """
    views = build_views(people, households, state=state)
    _, findings = certificate(tables, views, fitted=fitted, geography=geography, vintage=vintage)
    findings += rule_findings(people, households)
    if associations is not None and associations.height:
        findings += pairs(associations, views, seed=seed)
    return findings


def rule_findings(people: pl.DataFrame, households: pl.DataFrame) -> list[Finding]:
    """Return one finding a rule, how many break it (none should), and one for all of them together."""
    rows = list(check(people, households).iter_rows(named=True))
    broken = sum(1 for row in rows if row["offenders"])
    unchecked = sum(1 for row in rows if row["offenders"] is None)
    findings = [
        Finding(
            id="people.rules.broken",
            title="Rules that somebody breaks",
            value=float(broken),
            n=len(rows) - unchecked,
            unit="rules",
            expected=0.0,
            verdict="outside" if broken else ("none" if unchecked else "inside"),
            note=f"{unchecked} could not be checked: a column is missing" if unchecked else "",
        )
    ]
    for row in rows:
        offenders: int | None = row["offenders"]
        verdict: Verdict = "none" if offenders is None else ("outside" if offenders else "inside")
        notes = [row["source"], f"for example {row['of']} {', '.join(map(str, row['examples']))}" * bool(offenders)]
        if offenders is None:
            notes.append("could not be checked: a column is missing")
        findings.append(
            Finding(
                id=f"people.rule.{row['rule']}",
                title=row["sentence"],
                value=None if offenders is None else float(offenders),
                n=people.height if row["of"] == "person" else households.height,
                unit=f"{row['of']}s",
                expected=0.0,
                verdict=verdict,
                note="; ".join(note for note in notes if note),
            )
        )
    return findings
