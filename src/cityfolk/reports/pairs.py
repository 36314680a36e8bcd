"""The withheld pairs in the report: do two facts go together as microdata say, though nothing was fitted to it?"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import polars as pl

from cityfolk.reports.charts import chart_of, colour, figure, fold, key
from cityfolk.reports.html import Html, table, tag
from cityfolk.reports.numbers import number, verdict

PREFIX = "people.pair."
_NOTE = re.compile(
    r"made (?P<made>[\d.]+), independent (?P<independent>[\d.]+), sampling floor (?P<floor>[\d.]+), "
    r"(?P<records>[\d,]+) records(?P<where>.*)"
)
_WORDS = {"size": "household size", "role": "role in household", "enrollment": "school"}
_HEADINGS = ("pair", "made", "independent", "floor", "left", "at most half?", "records", "universe and source")


def pairs_card(findings: pl.DataFrame) -> Html | None:
    """Return the pairs that were withheld, and folded away those that were fitted; None where none was measured."""
    rows, fitted = pair_rows(findings, "withheld"), pair_rows(findings, "fitted")
    if not rows:
        return None
    good = sum(1 for row in rows if row["verdict"] == "inside")
    return tag(
        "div",
        tag("h3", "Pairs that were withheld"),
        tag(
            "p",
            "How two facts go together was kept from the fit for these pairs, then compared with microdata: the "
            "answers of real, anonymous respondents. 0 is a perfect match, 1 no overlap. Even a perfect city shows "
            "the sampling floor; above it, at most half of the distance of drawing each fact on its own may be left. "
            f"{good} of {len(rows)} pairs keep to that.",
            class_="soft",
        ),
        key(
            ("made", "dot", "people made"),
            ("c3", "dot", "each fact on its own"),
            ("soft", "tick", "sampling floor"),
        ),
        figure(
            partial(_pair_dots, rows),
            label="Distance from microdata of the withheld pairs: people made against independent drawing.",
            caption="Total variation distance: the share of people who would have to change cells to match.",
            numbers=_pair_table(rows, "Withheld pairs: distance from microdata (total variation)"),
        ),
        fold(
            "The pairs that were fitted", _pair_table(fitted, "Fitted pairs: distance from microdata (total variation)")
        )
        if fitted
        else None,
        class_="card",
    )


def _pair_table(rows: list[dict[str, Any]], caption: str) -> Html:
    body = (
        (
            r["title"],
            f"{r['made']:.3f}",
            f"{r['independent']:.3f}",
            f"{r['floor']:.3f}",
            number(r["ratio"], "share"),
            verdict(r["verdict"]),
            f"{r['records']:,}",
            r["where"],
        )
        for r in rows
    )
    return table(_HEADINGS, body, caption=caption, numeric=(1, 2, 3, 4, 6), box="tall")


def pair_rows(findings: pl.DataFrame, use: str) -> list[dict[str, Any]]:
    """Return the pairs of a use ("withheld", "fitted"): title, distances made, independent, floor, ratio, records."""
    rows: list[dict[str, Any]] = []
    for row in findings.filter(pl.col("id").str.starts_with(f"{PREFIX}{use}.")).iter_rows(named=True):
        read = _NOTE.search(row["note"] or "")
        if read is None or row["value"] is None:
            continue
        rows.append(
            {
                "title": _title(row["title"].partition(f" ({use})")[0]),
                "made": float(read["made"]),
                "independent": float(read["independent"]),
                "floor": float(read["floor"]),
                "records": int(read["records"].replace(",", "")),
                "ratio": row["value"],
                "verdict": row["verdict"],
                "where": read["where"].strip("; "),
            }
        )
    return rows


def _title(pair: str) -> str:
    """Write a pair of columns in words: "age x hh_income_usd" is "age × household income"."""
    words = [_WORDS.get(part, part) for part in pair.split(" x ")]
    return " × ".join(word.replace("hh_", "household ").replace("_usd", "").replace("_", " ") for word in words)


def _pair_dots(rows: list[dict[str, Any]], width: int) -> Any:
    import altair as alt

    base = chart_of(rows).encode(
        y=alt.Y("title:N", title=None, sort=[r["title"] for r in rows], axis=alt.Axis(labelLimit=220))
    )
    x = alt.X(
        "made:Q", title="distance from microdata", scale=alt.Scale(zero=True), axis=alt.Axis(grid=True, tickCount=4)
    )
    line = base.mark_rule(color=colour("line"), strokeWidth=3).encode(x=x, x2="independent:Q")
    floor = base.mark_tick(color=colour("soft"), thickness=2, size=14).encode(x=alt.X("floor:Q"))
    other = base.mark_circle(color=colour("c3"), size=90, opacity=1).encode(x=alt.X("independent:Q"))
    made = base.mark_circle(color=colour("made"), size=90, opacity=1).encode(x=x)
    return alt.layer(line, floor, other, made).properties(
        width=width - (255 if width > 400 else 205), height=max(80, 34 * len(rows))
    )
