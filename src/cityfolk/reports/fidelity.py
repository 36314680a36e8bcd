"""The certificate in the report: how near the people made come to the place's own tables."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from cityfolk.reports.charts import chart_of, colour, figure, fold, key
from cityfolk.reports.html import Html, Node, join, table, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import number, table_title, value_of, verdict
from cityfolk.reports.pairs import pairs_card
from cityfolk.reports.rules import rules_card
from cityfolk.rng import uniform_at

PREFIX = "people.certificate."
CELL = PREFIX + "cell."
JUDGED, CLASSES = "judged", ("without margin", "medians and means", "borrowed")
LEAST_WORST = 20  # quantities named even where all lie inside
FURTHEST = 4  # margins; what lies further out is drawn at the edge
_SCHEMA: dict[str, Any] = {
    "code": pl.String,
    "table": pl.String,
    "title": pl.String,
    "unit": pl.String,
    "made": pl.Float64,
    "official": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "z": pl.Float64,
    "n": pl.Int64,
    "verdict": pl.String,
    "fitted": pl.Boolean,
    "kind": pl.String,
    "reason": pl.String,
}


def cells(findings: pl.DataFrame, tables: pl.DataFrame | None) -> pl.DataFrame:
    """Return every quantity of the certificate, worst first; z is (made - official) / margin."""
    of = dict(tables.select("code", "table").iter_rows()) if tables is not None and "code" in tables.columns else {}
    rows = []
    for row in findings.filter(pl.col("id").str.starts_with(CELL)).iter_rows(named=True):
        code = row["id"].removeprefix(CELL)
        kind, how, reason = _read_note(row["note"] or "")
        z = None
        if None not in (row["low"], row["high"], row["expected"], row["value"]) and row["high"] > row["low"]:
            z = 2 * (row["value"] - row["expected"]) / (row["high"] - row["low"])
        rows.append(
            {
                "code": code,
                "table": of.get(code, re.split(r"[:_]", code, maxsplit=1)[0]),
                "title": row["title"],
                "unit": row["unit"],
                "made": row["value"],
                "official": row["expected"],
                "low": row["low"],
                "high": row["high"],
                "z": z,
                "n": row["n"],
                "verdict": row["verdict"],
                "fitted": how == "fitted",
                "kind": kind,
                "reason": reason,
            }
        )
    rank = pl.col("verdict").replace_strict({"outside": 0, "inside": 1, "none": 2}, default=3)
    judged = (pl.col("kind") != JUDGED).cast(pl.Int8)
    return pl.DataFrame(rows, schema=_SCHEMA).sort(rank, judged, -pl.col("z").abs().fill_null(0.0), "code")


def _read_note(note: str) -> tuple[str, str, str]:
    parts = [part for part in note.split("; ") if part]
    kind = parts.pop(0) if parts and parts[0] in CLASSES else JUDGED
    how = parts.pop(0) if parts and parts[0] in ("fitted", "held back") else ""
    return kind, how, "; ".join(parts)


def section(inputs: ReportInputs) -> Html:
    """Return the certificate at a glance and in full."""
    head = tag("h2", "Fidelity certificate")
    every = cells(inputs.findings, inputs.tables)
    if every.height == 0:
        return join(
            head,
            tag(
                "p",
                "The people of this study were not evaluated: run ",
                tag("code", "cityfolk evaluate DIR people"),
                ".",
            ),
        )
    judged = every.filter((pl.col("kind") == JUDGED) & (pl.col("verdict") != "none"))
    return join(
        head,
        tag(
            "p",
            "Every official figure for this place, next to the same figure counted in the people made. An official "
            "figure comes with a margin of error: the truth lies inside it nine times in ten. Inside the margin is as "
            "near as anybody can say.",
            class_="lead",
        ),
        tag(
            "div",
            _shares(inputs.findings),
            _by_table(inputs.findings, judged["table"].unique(maintain_order=True).to_list()),
            _distances(judged),
            pairs_card(inputs.findings),
            rules_card(inputs.findings),
            class_="grid two",
        ),
        _worst(every),
        _full(every),
    )


def _shares(findings: pl.DataFrame) -> Html:
    wanted = (
        ("inside", "all official quantities with a margin"),
        ("fitted.inside", "of those that the people were fitted to"),
        ("held_back.inside", "of those held back: a test that nothing was fitted to"),
        ("averages.inside", "of medians and means"),
    )
    rows = []
    for name, text in wanted:
        found = value_of(findings, PREFIX + name)
        if found is not None and found["value"] is not None:
            aim = f"{100 * found['expected']:.0f}%" if found["expected"] is not None else "–"
            inside = round(found["value"] * found["n"])
            rows.append((text, number(found["value"], "share"), f"{inside:,} of {found['n']:,}", aim))
    bare = value_of(findings, PREFIX + "without_margin")
    note = None
    if bare is not None and bare["value"] is not None:
        note = tag(
            "p",
            f"{bare['n']:,} more figures are published without a margin; half of them are met within "
            f"{100 * bare['value']:.1f}% of their size.",
            class_="soft",
        )
    return tag(
        "div",
        tag("h3", "Inside the 90% margin"),
        table(
            ("quantities", "inside", "n", "aim"),
            rows,
            caption="Each quantity once, though tables repeat it",
            numeric=(1, 2, 3),
        ),
        note,
        class_="card",
    )


def _by_table(findings: pl.DataFrame, names: list[str]) -> Html:
    rows = []
    for name in names:
        share = value_of(findings, f"{PREFIX}{name}.inside")
        if share is None or share["value"] is None:
            continue
        distances = [value_of(findings, f"{PREFIX}{name}.{measure}") for measure in ("tvd", "srmse")]
        row = {"table": name, "n": share["n"], "share": share["value"], "inside": round(share["value"] * share["n"])}
        rows.append(row | dict(zip(("tvd", "srmse"), (d and d["value"] for d in distances), strict=True)))
    rows.sort(key=lambda row: (-row["n"], row["table"]))
    body = (
        (
            table_title(r["table"]),
            f"{r['inside']:,} of {r['n']:,}",
            number(r["share"], "share"),
            *("–" if r[measure] is None else f"{r[measure]:.4f}" for measure in ("tvd", "srmse")),
        )
        for r in rows
    )
    return tag(
        "div",
        tag("h3", "By table"),
        figure(
            partial(_table_bars, rows),
            label="Share of official quantities inside their margin, by table.",
            caption="Share of a table's quantities inside their 90% margin. A quantity that stands in two tables "
            "counts in both.",
            numbers=join(
                tag(
                    "p",
                    "TVD (total variation distance): the share of people who would have to change cells to match the "
                    "table. SRMSE: the standardised root mean square error of its shares. 0 is a perfect match in "
                    "both.",
                    class_="soft",
                ),
                table(
                    ("table", "inside", "share", "TVD", "SRMSE"),
                    body,
                    caption="How near each table is met",
                    numeric=(1, 2, 3, 4),
                ),
            ),
        ),
        class_="card",
    )


def _table_bars(rows: list[dict[str, Any]], width: int) -> Any:
    import altair as alt

    values = [{**r, "label": f"{r['inside']:,} of {r['n']:,}", "name": _axis_name(r["table"], width)} for r in rows]
    order = [r["name"] for r in values]
    base = chart_of(values).encode(y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=250)))
    scale = alt.Scale(domain=[0, 1.4])
    axis = alt.Axis(format="%", values=[0, 0.5, 1])
    whole = (
        base.mark_bar(color=colour("outside"), height={"band": 0.62})
        .encode(x=alt.X("whole:Q", scale=scale, axis=axis, title=None))
        .transform_calculate(whole="1")
    )
    inside = base.mark_bar(color=colour("made"), height={"band": 0.62}).encode(x=alt.X("share:Q", scale=scale))
    text = (
        base.mark_text(align="left", dx=6, color=colour("ink"))
        .encode(x=alt.X("whole:Q", scale=scale), text="label:N")
        .transform_calculate(whole="1")
    )
    return alt.layer(whole, inside, text).properties(
        width=width - (245 if width > 400 else 90), height=max(60, 27 * len(rows))
    )


def _axis_name(table: str, width: int) -> str:
    return table_title(table) if width > 400 else table


def _distances(judged: pl.DataFrame) -> Html:
    rows = judged.filter(pl.col("z").is_not_null())
    order = rows.group_by("table").len().sort("len", "table", descending=[True, False])["table"].to_list()
    height = rows.height
    furthest = rows["z"].abs().max()
    edge = min(FURTHEST, max(2, math.ceil(furthest))) if isinstance(furthest, float) else 2
    far = rows.filter(pl.col("z").abs() > edge).height
    jitter = uniform_at(0, "report", "jitter", ids=np.arange(height))
    values = [
        {"table": t, "z": max(-edge, min(edge, z)), "jitter": float(u), "out": v == "outside"}
        for t, z, v, u in zip(rows["table"], rows["z"], rows["verdict"], jitter, strict=True)
    ]
    beyond = f" {far} lie beyond {edge} margins and are drawn at the edge." if far else ""
    return tag(
        "div",
        tag("h3", "How far off, in margins of error"),
        key(("made", "dot", "inside"), ("outside", "dot", "outside"), ("band", "box", "the 90% margin")),
        figure(
            partial(_strip, values, order, edge),
            label="Difference of each made quantity from the official one, in margins of error, by table.",
            caption=f"Each dot is one of {height:,} quantities; within ±1 is inside its margin.{beyond}",
        ),
        class_="card across",
    )


def _strip(values: list[dict[str, Any]], order: list[str], edge: int, width: int) -> Any:
    import altair as alt

    values = [{**v, "name": _axis_name(v["table"], width)} for v in values]
    scale = alt.Scale(domain=[-edge - 0.15, edge + 0.15], nice=False)
    band = (
        chart_of([{"low": -1, "high": 1}])
        .mark_rect(color=colour("band"))
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    )
    zero = chart_of([{"at": 0}]).mark_rule(color=colour("soft")).encode(x=alt.X("at:Q", scale=scale))
    colours = alt.Color(
        "out:N", scale=alt.Scale(domain=[False, True], range=[colour("made"), colour("outside")]), legend=None
    )
    points = (
        chart_of(values)
        .mark_circle(size=20, opacity=0.75)
        .encode(
            x=alt.X(
                "z:Q",
                scale=scale,
                title="(made − official) / margin of error",
                axis=alt.Axis(values=list(range(-edge, edge + 1)), grid=True, format="d"),
            ),
            y=alt.Y("name:N", sort=[_axis_name(t, width) for t in order], title=None, axis=alt.Axis(labelLimit=250)),
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-0.15, 1.15])),
            color=colours,
        )
    )
    # Twice the width on a laptop: the card spans both columns.
    wide = width * 1.75 if width > 400 else width
    return alt.layer(band, zero, points).properties(
        width=wide - (245 if width > 400 else 90), height=max(60, 34 * len(order))
    )


def _quantity_row(r: dict[str, Any]) -> tuple[Node, ...]:
    margin = None if r["high"] is None or r["low"] is None else (r["high"] - r["low"]) / 2
    how = "fitted" if r["fitted"] else "held back"
    kind = "" if r["kind"] == JUDGED else r["kind"]
    unit = r["unit"]
    z = "–" if r["z"] is None else f"{r['z']:+.2f}".replace("-", "−")
    return (
        r["title"],
        tag("code", r["code"]),
        tag("span", number(r["official"], unit), data_v=r["official"]),
        tag(
            "span",
            f"± {number(margin, unit)}" if margin is not None else "none",
            data_v=margin if margin is not None else "",
        ),
        tag("span", number(r["made"], unit), data_v=r["made"]),
        tag("span", z, data_v=r["z"] if r["z"] is not None else ""),
        verdict(r["verdict"]),
        how,
        "; ".join(part for part in (kind, r["reason"]) if part),
    )


_HEADINGS = (
    "quantity",
    "code",
    "official",
    "90% margin",
    "made",
    "off by (margins)",
    "verdict",
    "fitted or held back",
    "why",
)


def _worst(every: pl.DataFrame) -> Html:
    """Return the quantities outside their margin, each with its reason, and then the nearest to its edge."""
    known = every.filter(pl.col("verdict") != "none")
    judged = pl.col("kind") == JUDGED
    wrong, rest = known.filter(pl.col("verdict") == "outside"), known.filter(pl.col("verdict") == "inside")
    most = pl.concat([wrong, rest.filter(judged).head(max(0, LEAST_WORST - wrong.height))])
    counted = wrong.filter(judged).height
    others = wrong.height - counted
    words = f"{counted:,} counts and percents and {others:,} medians lie outside"
    return fold(
        f"The worst by name: {words}",
        table(
            _HEADINGS,
            (_quantity_row(r) for r in most.iter_rows(named=True)),
            caption="Outside their margin first, each with its reason; then those nearest to its edge",
            numeric=(2, 3, 4, 5),
            row_classes=most["verdict"].to_list(),
            sortable=True,
            box="tall",
        ),
        class_="big",
    )


def _full(every: pl.DataFrame) -> Html:
    options = (
        ("", "all"),
        ("outside", "outside"),
        ("inside", "inside"),
        ("none", "not judged"),
        ("fitted", "fitted"),
        ("held", "held back"),
    )
    tools = tag(
        "div",
        tag("label", "Search", tag("input", type="search", placeholder="e.g. foreign-born age 25")),
        tag("label", "Show", tag("select", (tag("option", text, value=value) for value, text in options))),
        tag("output", "", class_="soft"),
        class_="tools",
        data_filters="certificate-table",
    )
    marks = [f"{r['verdict']} {'fitted' if r['fitted'] else 'held'}" for r in every.iter_rows(named=True)]
    whole = table(
        _HEADINGS,
        (_quantity_row(r) for r in every.iter_rows(named=True)),
        caption="Every quantity once, worst first; click a heading to sort",
        numeric=(2, 3, 4, 5),
        row_classes=marks,
        sortable=True,
        id_="certificate-table",
        box="tall",
    )
    return fold(f"The whole certificate: {every.height:,} quantities", join(tools, whole), class_="big")
