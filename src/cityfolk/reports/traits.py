"""Personality in the report: the whole city against the norms it was drawn from."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from cityfolk.evaluation.intervals import Z90
from cityfolk.personality.norms import INSTRUMENT, group_index, norm_groups, residual_correlations
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.reports.charts import chart_of, colour, figure, fold, key
from cityfolk.reports.html import Html, join, table, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import verdict
from cityfolk.vocabulary import TRAITS

MARGIN = 0.02  # POMP: how near a group's mean should come to its norm
LETTERS = dict(zip(TRAITS, "OCEAN", strict=True))


def against_norms(people: pl.DataFrame) -> pl.DataFrame:
    """Compare each norm group's mean and SD (POMP) with the norm: trait, group, n, made, norm, se, sd, norm_sd.

    People marked as extrapolated are left out. `se` is the standard error of a mean of n people.
    """
    covered = people.filter(pl.col("norms").cast(pl.String) == INSTRUMENT)
    index = group_index(covered["age"].to_numpy(), covered["sex"].cast(pl.String).to_numpy())
    rows = []
    for trait_index, trait in enumerate(TRAITS):
        pomp = pomp_from_percentile(trait, covered[trait].to_numpy().astype(np.float64))
        for position, group in enumerate(norm_groups()):
            mine = pomp[index == position]
            if len(mine) < 2:
                continue
            sd = float(mine.std(ddof=1))
            rows.append(
                {
                    "trait": trait,
                    "group": group.name,
                    "n": len(mine),
                    "made": float(mine.mean()),
                    "norm": group.mean[trait_index],
                    "se": sd / len(mine) ** 0.5,
                    "sd": sd,
                    "norm_sd": group.sd[trait_index],
                }
            )
    return pl.DataFrame(rows)


def correlations(people: pl.DataFrame) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int]:
    """Return the correlations of the traits given age and sex among those whom the norms cover, and their number."""
    covered = people.filter(pl.col("norms").cast(pl.String) == INSTRUMENT)
    index = group_index(covered["age"].to_numpy(), covered["sex"].cast(pl.String).to_numpy())
    columns = []
    size = np.maximum(np.bincount(index, minlength=len(norm_groups())), 1)
    for trait in TRAITS:
        pomp = pomp_from_percentile(trait, covered[trait].to_numpy().astype(np.float64))
        means = np.bincount(index, weights=pomp, minlength=len(size)) / size
        columns.append(pomp - means[index])
    return np.corrcoef(np.array(columns)), covered.height


def section(inputs: ReportInputs) -> Html:
    """Return the personality section; a sentence where nobody is covered by the norms."""
    extrapolated = inputs.people.filter(pl.col("norms").cast(pl.String) != INSTRUMENT).height
    rows = against_norms(inputs.people)
    intro = join(
        tag("h2", "Personality"),
        tag(
            "p",
            "Each person has five traits, the Big Five, drawn together from published norms of the questionnaire "
            f"{INSTRUMENT} for their age and sex. A percentile of 80 means: higher than 80 of 100 adults.",
            class_="lead",
        ),
        tag(
            "p",
            f"{extrapolated:,} people are younger than anybody the norms describe. They are drawn from the youngest "
            "group, marked as extrapolated in the tables, and left out of the comparison below.",
        )
        if extrapolated
        else None,
    )
    if rows.height == 0:
        return join(intro, tag("p", "Nobody here is covered by the norms, so there is nothing to compare."))
    return join(
        intro, tag("div", _means(rows), _correlations(inputs.people), _spread(rows, inputs.findings), class_="grid two")
    )


def _means(rows: pl.DataFrame) -> Html:
    worst = float((rows["made"] - rows["norm"]).abs().max())  # type: ignore[arg-type]
    body = (
        (
            r["trait"],
            r["group"],
            f"{r['n']:,}",
            f"{r['made']:.3f} ± {Z90 * r['se']:.3f}",
            f"{r['norm']:.3f}",
            f"{r['made'] - r['norm']:+.3f}",
        )
        for r in rows.iter_rows(named=True)
    )
    return tag(
        "div",
        tag("h3", "Averages by age and sex"),
        tag(
            "p",
            "Scale: 0 is the lowest possible score on the questionnaire, 1 the highest. The largest gap between made "
            f"and norm is {worst:.3f}; the aim is at most {MARGIN} where a group is large.",
            class_="soft",
        ),
        key(("women", "dot", "women made"), ("men", "dot", "men made"), ("mark", "tick", "norm")),
        figure(
            partial(_mean_panels, rows.to_dicts()),
            label="Average of each trait by age group and sex, made against norm.",
            caption="Dots with 90% intervals: people made. Marks: norms (Johnson 2014).",
            numbers=table(
                ("trait", "group", "n", "made ± 90%", "norm", "difference"),
                body,
                caption="Average trait scores (0 to 1) by age and sex",
                numeric=(2, 3, 4, 5),
            ),
        ),
        class_="card across",
    )


def _mean_panels(rows: list[dict[str, Any]], width: int) -> Any:
    import altair as alt

    columns = 5 if width > 400 else 2
    ages = ["under 21", "21-40", "41-60", "over 60"]
    values = []
    for r in rows:
        sex, _, age = r["group"].partition(" ")
        spread = Z90 * r["se"]
        values.append(
            {
                **r,
                "sex": sex,
                "age": age,
                "low": r["made"] - spread,
                "high": r["made"] + spread,
                "trait": r["trait"].capitalize(),
            }
        )
    low = min(min(v["low"], v["norm"]) for v in values) - 0.015
    high = max(max(v["high"], v["norm"]) for v in values) + 0.015
    colours = alt.Color(
        "sex:N", scale=alt.Scale(domain=["women", "men"], range=[colour("women"), colour("men")]), legend=None
    )
    panel = (width * (2 if columns == 5 else 1) - 40) // columns - 26
    base = alt.Chart().encode(
        x=alt.X("age:N", sort=ages, title=None, axis=alt.Axis(labelAngle=-40, labelPadding=4)),
        xOffset=alt.XOffset("sex:N", sort=["women", "men"]),
    )
    y = alt.Y(
        "made:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        title=None,
        axis=alt.Axis(grid=True, tickCount=4, format=".2f"),
    )
    layers = [
        base.mark_tick(color=colour("mark"), thickness=2, size=max(10, panel / 11)).encode(y=alt.Y("norm:Q")),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q", color=colours),
        base.mark_circle(size=46, opacity=1).encode(y=y, color=colours),
    ]
    order = [t.capitalize() for t in TRAITS]
    return (
        alt.layer(*layers, data=chart_of(values).data)
        .properties(width=panel, height=170)
        .facet(facet=alt.Facet("trait:N", sort=order, title=None), columns=columns, spacing=14)
    )


def _correlations(people: pl.DataFrame) -> Html:
    made, n = correlations(people)
    expected = residual_correlations()
    gap = float(np.max(np.abs(made - expected)))

    def cell(i: int, j: int) -> Html:
        if i == j:
            return tag("td", "–")
        strength = min(1.0, abs(float(made[i, j])) * 1.3)
        return tag(
            "td",
            f"{made[i, j]:+.2f}".replace("-", "−"),
            tag("small", f"{expected[i, j]:+.2f}".replace("-", "−")),
            class_="pos" if made[i, j] >= 0 else "neg",
            style=f"--r:{strength:.2f}",
        )

    head = tag(
        "tr",
        tag("td", ""),
        *(tag("th", tag("abbr", LETTERS[trait], title=trait), scope="col") for trait in TRAITS),
    )
    body = (
        tag("tr", tag("th", f"{trait.capitalize()} ({LETTERS[trait]})", scope="row"), *(cell(i, j) for j in range(5)))
        for i, trait in enumerate(TRAITS)
    )
    caption = (
        f"Correlations given age and sex, n = {n:,}; in small print the norm. +1: two traits always go together; −1: "
        "where one is high the other is low; 0: they have nothing to do with each other."
    )
    return tag(
        "div",
        tag("h3", "Which traits go together"),
        tag(
            "div",
            tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_="heat"),
            class_="scroll",
        ),
        tag(
            "p",
            f"Largest gap to the norm: {gap:.3f}. The norm is 245,850 people who answered IPIP-NEO-300.",
            class_="soft",
        ),
        class_="card",
    )


def _effects(findings: pl.DataFrame) -> Html | None:
    """Return how much women differ from men and old from young, against the norms; None where it was not measured."""
    found = findings.filter(
        pl.col("id").str.contains(r"^people\.personality\.(sex|age)\.") & pl.col("value").is_not_null()
    )
    if found.height == 0:
        return None
    body = (
        (
            r["title"].replace(", ", ": ", 1),
            f"{r['value']:+.3f}".replace("-", "−"),
            f"{r['expected']:+.3f}".replace("-", "−"),
            verdict(r["verdict"]),
        )
        for r in found.iter_rows(named=True)
    )
    return fold(
        "How women and men, old and young differ",
        table(
            ("difference", "made", "norm", "verdict"), body, caption="Differences on the 0 to 1 scale", numeric=(1, 2)
        ),
    )


def _spread(rows: pl.DataFrame, findings: pl.DataFrame) -> Html:
    by_trait = rows.group_by("trait", maintain_order=True).agg(
        low=(pl.col("sd") / pl.col("norm_sd")).min(),
        high=(pl.col("sd") / pl.col("norm_sd")).max(),
        mean=(pl.col("sd") / pl.col("norm_sd") * pl.col("n")).sum() / pl.col("n").sum(),
        gap=(pl.col("made") - pl.col("norm")).abs().max(),
    )
    body = (
        (r["trait"].capitalize(), f"{r['mean']:.3f}", f"{r['low']:.3f} to {r['high']:.3f}", f"{r['gap']:.3f}")
        for r in by_trait.iter_rows(named=True)
    )
    return tag(
        "div",
        tag("h3", "How much people differ"),
        tag(
            "p",
            "Spread (standard deviation) made, divided by the norm's: 1 means that people differ as much as people do.",
            class_="soft",
        ),
        table(
            ("trait", "spread, made / norm", "lowest to highest group", "largest gap of a mean"),
            body,
            caption="Eight groups by age and sex",
            numeric=(1, 2, 3),
        ),
        _effects(findings),
        class_="card",
    )
