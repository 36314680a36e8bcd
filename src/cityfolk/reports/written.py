"""What was checked in the text: contradictions, and whether each trait can be heard in it."""

from __future__ import annotations

from functools import partial
from typing import Any

import polars as pl

from cityfolk.evaluation.intervals import wilson
from cityfolk.reports.charts import chart_of, colour, figure, key
from cityfolk.reports.gallery import problems_of
from cityfolk.reports.html import Html, bidi, join, table, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import number, verdict
from cityfolk.vocabulary import TRAITS


def section(inputs: ReportInputs) -> Html:
    """Return the checks of the text, or a sentence where there is none."""
    head = tag("h2", "What was written, checked")
    if inputs.profiles is None or inputs.profiles.height == 0:
        return join(head, tag("p", "Nothing was written, so there is nothing to check."))
    return join(
        head,
        tag(
            "p",
            "The model only writes. Every story is searched for statements about age, sex, family, work, origin and "
            "money, and each is compared with the fact. What disagrees is a problem; it stays in the text and is "
            "marked there.",
            class_="lead",
        ),
        tag("div", _contradictions(inputs), _expressed(inputs.findings), _others(inputs.findings), class_="grid two"),
    )


def _contradictions(inputs: ReportInputs) -> Html:
    assert inputs.profiles is not None
    counts: dict[str, int] = {}
    listed = []
    names = dict(
        inputs.people.join(inputs.profiles.select("person_id"), on="person_id", how="semi")
        .select("person_id", "name")
        .iter_rows()
    )
    for row in inputs.profiles.select("person_id", "problems").iter_rows(named=True):
        for problem in problems_of(row):
            counts[str(problem.get("rule", ""))] = counts.get(str(problem.get("rule", "")), 0) + 1
            who = tag(
                "a", bidi(str(names.get(row["person_id"], row["person_id"]))), href=f"#citizen-{row['person_id']}"
            )
            listed.append(
                (
                    who,
                    problem.get("rule", ""),
                    str(problem.get("field", "")).replace("_", " "),
                    bidi(str(problem.get("known", ""))),
                    bidi(str(problem.get("written", ""))),
                )
            )
    total = inputs.profiles.height
    wrong = sum(bool(problems_of(row)) for row in inputs.profiles.select("problems").iter_rows(named=True))
    low, high = wilson(total - wrong, total)
    share = f"{100 * (total - wrong) / total:.1f}% (90% interval {100 * low:.1f} to {100 * high:.1f}%)"
    summary = f"{total - wrong:,} of {total:,} stories have no contradiction: {share}."
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tag(
        "div",
        tag("h3", "Contradictions"),
        tag("p", summary),
        table(("kind", "how many"), rows, caption="Contradictions by kind", numeric=(1,)) if rows else None,
        tag(
            "details",
            tag("summary", "List them"),
            table(("who", "kind", "where", "known", "written"), listed[:500], caption="Each contradiction", box="tall"),
        )
        if listed
        else None,
        class_="card",
    )


def expressed_rows(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the AUC of each trait: how well a rater tells low from high from the text alone."""
    rows = []
    for trait in TRAITS:
        name = pl.col("id").str.split("@").list.first()
        for row in findings.filter(name == f"text.expressed.auc.{trait}").iter_rows(named=True):
            engine = row["id"].partition("@")[2]
            rows.append({**row, "trait": trait.capitalize() + f" ({engine})" * bool(engine)})
    return [row for row in rows if row["value"] is not None]


def _expressed(findings: pl.DataFrame) -> Html | None:
    rows = expressed_rows(findings)
    if not rows:
        return None
    aims = {row["expected"] for row in rows if row["expected"] is not None}
    aim = f" The aim is {min(aims):.1f} or more." if aims else ""
    body = (
        (
            r["trait"],
            f"{r['value']:.3f}",
            f"{r['low']:.3f} to {r['high']:.3f}" if r["low"] is not None and r["high"] is not None else "–",
            f"{r['n']:,}" if r["n"] is not None else "–",
        )
        for r in rows
    )
    return tag(
        "div",
        tag("h3", "Can one hear the personality?"),
        tag(
            "p",
            "A rater that the model was not trained with reads only the text. AUC: how often it ranks somebody above "
            f"the 80th percentile over somebody below the 20th. 0.5 is guessing, 1 is always.{aim} A prompt gives each "
            "trait in adjectives, which a model may copy into its description of the personality: the table below also "
            "has the AUC without that description.",
            class_="soft",
        ),
        key(("made", "dot", "AUC with 90% interval"), ("soft", "line", "guessing, and the aim")),
        figure(
            partial(_auc_dots, rows, min(aims) if aims else None),
            label="AUC of expressed personality by trait.",
            caption="Expressed style, not personality: a rater hears how a text sounds.",
            numbers=table(
                ("trait", "AUC", "90% interval", "n"), body, caption="Expressed personality by trait", numeric=(1, 2, 3)
            ),
        ),
        class_="card",
    )


def _auc_dots(rows: list[dict[str, Any]], aim: float | None, width: int) -> Any:
    import altair as alt

    lowest = min([0.45, *(r["low"] - 0.02 for r in rows if r["low"] is not None)])
    scale = alt.Scale(domain=[lowest, 1.0], nice=False)
    values = [{k: r[k] for k in ("trait", "value", "low", "high")} for r in rows]
    base = chart_of(values).encode(y=alt.Y("trait:N", sort=[r["trait"] for r in rows], title=None))
    x = alt.X(
        "value:Q",
        scale=scale,
        title="AUC",
        axis=alt.Axis(values=[i / 10 for i in range(11)], grid=True, format=".1f"),
    )
    lines = [{"at": 0.5}] + ([{"at": aim}] if aim is not None else [])
    rule = chart_of(lines).mark_rule(color=colour("soft"), strokeDash=[4, 3]).encode(x=alt.X("at:Q", scale=scale))
    spread = base.mark_rule(color=colour("made"), strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dot = base.mark_circle(color=colour("made"), size=90, opacity=1).encode(x=x)
    return alt.layer(rule, spread, dot).properties(width=width - 130, height=190)


def _others(findings: pl.DataFrame) -> Html | None:
    shown = {row["id"] for row in expressed_rows(findings)}
    plain = tuple(f"text.{name}" for name in ("valid", "clear", "words", "distinct", "repeated", "expressed"))
    rows = [
        row
        for row in findings.filter(pl.col("id").str.starts_with("text.")).iter_rows(named=True)
        if row["id"] not in shown and row["id"].startswith(plain)
    ]
    if not rows:
        return None
    body = (
        (
            row["title"],
            number(row["value"], row["unit"] or ""),
            f"{row['n']:,}" if row["n"] is not None else "–",
            number(row["expected"], row["unit"] or ""),
            verdict(row["verdict"]),
        )
        for row in rows
    )
    return tag(
        "div",
        tag("h3", "Other measures of the text"),
        table(
            ("what", "value", "n", "should be", "verdict"), body, caption="All measures of the text", numeric=(1, 2, 3)
        ),
        class_="card across",
    )
