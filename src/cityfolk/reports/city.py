"""The city in the report: dots, map, pyramid, and who lives with whom."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from cityfolk.reports import frames
from cityfolk.reports.charts import chart_of, colour, figure, fold, key
from cityfolk.reports.geo import Projection, Shape, area_names, dots, points_inside, shapes
from cityfolk.reports.html import Html, data_block, join, table, tag
from cityfolk.reports.inputs import ReportInputs

DOTS = 6000  # at most this many dots in the opening picture
STAGES = (
    ("c3", "under 18"),
    ("c1", "in college or graduate school"),
    ("c2", "other adults"),
    ("mark", "65 and over"),
)
# column, title, unit, how to write a value, what it is multiplied by
VARIABLES = (
    ("median_age", "Median age", "years", "{:.0f}", 1),
    ("foreign_born", "Share of people born abroad", "%", "{:.0f}", 100),
    ("median_income_usd", "Median household income", "$1,000 a year", "{:.0f}", 0.001),
    ("students", "Share of people in college or graduate school", "%", "{:.0f}", 100),
    ("degree", "Bachelor's degree or more, 25 and over", "%", "{:.0f}", 100),
    ("owners", "Homes lived in by their owner", "%", "{:.0f}", 100),
    ("car_commute", "Workers who commute by car", "%", "{:.0f}", 100),
    ("group_quarters", "Share of people in group quarters (dormitories, nursing homes)", "%", "{:.0f}", 100),
)
LIVING_COLOURS = ("c3", "c1", "c2", "c4", "c5", "c6")


def dot_picture(inputs: ReportInputs) -> Html | None:
    """Draw everyone as dots at random places inside their block group; None without outlines."""
    areas = shapes(inputs.geometry)
    if not areas:
        return None
    every = max(1, -(-inputs.people.height // DOTS))
    stage = (
        pl.when(pl.col("age") < 18)
        .then(0)
        .when(pl.col("age") >= 65)
        .then(3)
        .when(pl.col("enrollment").cast(pl.String) == "college or graduate school")
        .then(1)
        .otherwise(2)
    )
    shown = (
        inputs.people.select("person_id", "household_id", stage=stage)
        .gather_every(every, offset=every // 2)
        .join(
            inputs.households.select("household_id", "block_group"),
            on="household_id",
            how="left",
            maintain_order="left",
        )
    )
    projection = Projection.fit(areas.values(), 560)
    outline = tag(
        "path",
        d="".join(projection.path(a) for a in areas.values()),
        fill="none",
        stroke="var(--line-strong)",
        stroke_width="0.6",
    )
    layers = []
    for index in (2, 1, 0, 3):
        points = _home_points(shown.filter(pl.col("stage") == index), areas, inputs.seed or 0)
        layers.append(
            tag(
                "path",
                d=dots(points, projection),
                stroke=f"var(--{STAGES[index][0]})",
                stroke_width="2.5",
                stroke_linecap="round",
                fill="none",
                opacity="0.85",
            )
        )
    rate = "One dot for each person" if every == 1 else f"One dot for every {every} people"
    label = f"Dot map of {inputs.place_title}, coloured by stage of life. {rate}."
    drawn = tag("svg", outline, layers, viewBox=f"0 0 560 {projection.height:.0f}", role="img", aria_label=label)
    return tag(
        "figure",
        drawn,
        key(*((name, "dot", text) for name, text in STAGES)),
        tag("figcaption", f"{rate}, at a random place inside their block group."),
    )


def _home_points(people: pl.DataFrame, areas: dict[str, Shape], seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = [
        points_inside(areas[str(group[0])], rows["household_id"].to_numpy(), seed)
        for group, rows in people.group_by("block_group", maintain_order=True)
        if str(group[0]) in areas
    ]
    return np.concatenate(found) if found else np.empty((0, 2))


def map_figure(inputs: ReportInputs) -> Html:
    """Draw the block groups with a choice of what their colour shows."""
    areas = shapes(inputs.geometry)
    if not areas:
        return tag(
            "div",
            tag("h3", "Map"),
            tag("p", "The place pack has no outlines, so there is no map."),
            class_="card across",
        )
    facts = {
        row["block_group"]: row for row in frames.block_groups(inputs.people, inputs.households).iter_rows(named=True)
    }
    order = sorted(areas)
    projection = Projection.fit(areas.values(), 760)
    variables = [_variable(spec, [facts.get(geoid) for geoid in order]) for spec in VARIABLES]
    first = variables[0]
    hoods = {**area_names(inputs.geometry), **inputs.names}
    names = [_area_name(geoid, hoods.get(geoid)) for geoid in order]
    people = [facts[geoid]["people"] if geoid in facts else 0 for geoid in order]
    paths = [
        tag(
            "path",
            tag("title", f"{names[i]}: {first['shown'][i]} {first['unit']} ({people[i]:,} people)"),
            d=projection.path(areas[geoid]),
            class_=f"bg b{'x' if first['bin'][i] is None else first['bin'][i]}",
            fill_rule="evenodd",
        )
        for i, geoid in enumerate(order)
    ]
    label = f"Map of {len(order)} block groups of {inputs.place_title}. The list of values stands below the map."
    data = {"variables": variables, "names": names, "people": [f"{n:,}" for n in people]}
    rows = ((names[i], f"{people[i]:,}", *(v["shown"][i] for v in variables)) for i in range(len(order)))
    return tag(
        "div",
        tag("h3", "Block by block"),
        tag(
            "div",
            _map_side(variables, people),
            tag("svg", paths, viewBox=f"0 0 760 {projection.height:.0f}", role="img", aria_label=label),
            class_="beside",
        ),
        data_block("map-data", data),
        fold(
            "Show the numbers",
            table(
                ("Block group", "people", *(f"{v['title']} ({v['unit']})" for v in variables)),
                rows,
                caption="What the map shows, block group by block group",
                numeric=range(1, 2 + len(variables)),
                sortable=True,
                box="tall",
            ),
        ),
        class_="card map across",
    )


def _map_side(variables: list[dict[str, Any]], people: list[int]) -> Html:
    """Return what stands beside the map: what it is, the choice, the legend, and what is pointed at."""
    choices = (tag("option", variable["title"], value=i) for i, variable in enumerate(variables))
    return tag(
        "div",
        tag(
            "p",
            f"Block groups are the smallest areas with published tables: {len(people)} here, "
            f"{sum(people) / max(1, len(people)):,.0f} people each on average. Every colour has about as many block "
            "groups.",
            class_="soft",
        ),
        tag("div", tag("label", "Colour shows", tag("select", choices)), class_="tools", hidden=True),
        _legend(variables[0]),
        tag("p", "Point at a block group to read it.", class_="readout", role="status"),
    )


def _area_name(geoid: str, hood: str | None) -> str:
    tract, group = geoid[-7:-1], geoid[-1]
    short = f"tract {int(tract) / 100:g}, block group {group}" if geoid.isdigit() and len(geoid) == 12 else geoid
    return f"{hood}, {short}" if hood else short


def _variable(spec: tuple[str, str, str, str, float], rows: list[dict[str, Any] | None]) -> dict[str, Any]:
    """Put one variable into six classes of equal number; a class that would be empty is merged into its neighbour."""
    column, title, unit, form, factor = spec
    values = [None if row is None or row[column] is None else float(row[column]) * factor for row in rows]
    known = np.array([v for v in values if v is not None])
    cuts: list[float] = []
    if len(known):
        cuts = sorted({float(form.format(q)) for q in np.quantile(known, np.arange(1, 6) / 6)})
        cuts = [c for c in cuts if known.min() < c <= known.max()]
    bins = [None if v is None else int(np.searchsorted(cuts, v, side="right")) for v in values]
    spread = [round(i * 5 / max(1, len(cuts))) for i in range(len(cuts) + 1)]
    edges = [form.format(c) for c in cuts]
    legend = [f"under {edges[0]}"] if edges else ["all alike"]
    legend += [f"{low} to {high}" for low, high in pairwise(edges)]
    legend += [f"{edges[-1]} and more"] if edges else []
    return {
        "title": title,
        "unit": unit,
        "shown": ["none" if v is None else form.format(v) for v in values],
        "bin": [None if b is None else spread[b] for b in bins],
        "legend": [f"{text} {unit}" for text in legend],
        "colours": spread,
    }


def _legend(variable: dict[str, Any]) -> Html:
    texts = variable["legend"]
    square = tag("rect", width=10, height=10)
    return tag(
        "ul",
        (
            tag(
                "li",
                tag(
                    "svg",
                    square,
                    viewBox="0 0 10 10",
                    class_=f"b{variable['colours'][i] if i < len(texts) else 0}",
                    aria_hidden="true",
                ),
                tag("span", texts[i] if i < len(texts) else ""),
                hidden=i >= len(texts),
            )
            for i in range(6)
        ),
        class_="legend",
    )


def pyramid_figure(inputs: ReportInputs) -> Html:
    """Draw people by age and sex as bars, and the place's own table as marks."""
    made = frames.pyramid(inputs.people)
    official = frames.official_pyramid(inputs.tables, inputs.people.height)
    if official is not None:
        made = made.join(official[0], on=["band", "sex"], how="left", maintain_order="left")
    rows = made.to_dicts()
    legend = [("women", "box", "women made"), ("men", "box", "men made")]
    caption = "Five-year age bands."
    if official is not None:
        legend.append(("mark", "tick", "official"))
        caption = f"Marks: {official[1]}, scaled to the {inputs.people.height:,} people of the city."
    headings = ("age", "sex", "people made") + (("official, scaled",) if official is not None else ())
    body = (
        (r["band"], r["sex"], f"{r['made']:,}", *([f"{r['official']:,.0f}"] if official is not None else []))
        for r in rows
    )
    return tag(
        "div",
        tag("h3", "Age and sex"),
        key(*legend),
        figure(
            partial(_pyramid, rows, official is not None),
            label=f"Population pyramid of {inputs.place_title} by five-year age band and sex"
            + (", made against official." if official is not None else "."),
            caption=caption,
            numbers=table(headings, body, caption="People by age band and sex", numeric=(2, 3)),
        ),
        class_="card",
    )


def _pyramid(rows: list[dict[str, Any]], with_official: bool, width: int) -> Any:
    import altair as alt

    top = max(max(r["made"], r.get("official") or 0) for r in rows) * 1.04 or 1
    middle = 44
    half, height = (width - middle) // 2 - 12, 340

    def side(sex: str) -> Any:
        left = sex == "male"
        scale = alt.Scale(domain=[0, top], reverse=left, nice=False)
        axis = alt.Axis(tickCount=3, format="~s")
        y = alt.Y("band:O", sort=list(reversed(frames.BANDS)), axis=None)
        base = chart_of([r for r in rows if r["sex"] == sex]).encode(y=y)
        bars = base.mark_bar(color=colour("men" if left else "women"), height={"band": 0.82})
        layers = [bars.encode(x=alt.X("made:Q", scale=scale, title="men" if left else "women", axis=axis))]
        if with_official:
            mark = base.mark_tick(color=colour("mark"), thickness=2.5, size=height / 20)
            layers.append(mark.encode(x=alt.X("official:Q", scale=scale)))
        return alt.layer(*layers).properties(width=half, height=height)

    names = (
        chart_of([{"band": b} for b in frames.BANDS])
        .mark_text(color=colour("soft"), fontSize=11)
        .encode(y=alt.Y("band:O", sort=list(reversed(frames.BANDS)), axis=None), text="band:O")
        .properties(width=middle, height=height)
    )
    return alt.hconcat(side("male"), names, side("female"), spacing=0)


def living_figure(inputs: ReportInputs) -> Html:
    """Draw, for each age, whom people live with."""
    rows = frames.living_by_age(inputs.people, inputs.households)
    total = rows.group_by("living", maintain_order=True).agg(pl.col("n").sum())
    people = max(1, inputs.people.height)
    body = ((r["living"], f"{r['n']:,}", f"{100 * r['n'] / people:.1f}") for r in total.iter_rows(named=True))
    return tag(
        "div",
        tag("h3", "Whom people live with, by age"),
        key(*((c, "box", text) for c, text in zip(LIVING_COLOURS, frames.LIVING, strict=True))),
        figure(
            partial(_living, rows.select("age", "living", "share").to_dicts()),
            label="Share of people of each age by whom they live with.",
            caption="Share of people of each age, 85 standing for 85 and over. Made, not measured: no official table "
            "has this by single year.",
            numbers=table(("living", "people", "%"), body, caption="People by whom they live with", numeric=(1, 2)),
        ),
        class_="card",
    )


def _living(rows: list[dict[str, Any]], width: int) -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(frames.LIVING), range=[colour(c) for c in LIVING_COLOURS])
    order = {name: i for i, name in enumerate(frames.LIVING)}
    values = [{**row, "order": order[row["living"]]} for row in rows]
    return (
        chart_of(values)
        .mark_area()
        .encode(
            x=alt.X(
                "age:Q",
                title="age in years",
                scale=alt.Scale(domain=[0, 85], nice=False),
                axis=alt.Axis(values=[0, 18, 30, 45, 65, 85], grid=False),
            ),
            y=alt.Y(
                "share:Q",
                stack="zero",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=4),
            ),
            color=alt.Color("living:N", scale=scale, legend=None),
            order="order:Q",
        )
        .properties(width=width - 48, height=250)
    )


def households_figure(inputs: ReportInputs) -> Html:
    """Draw households by type and size."""
    rows = frames.household_types(inputs.people, inputs.households)
    total = max(1, int(rows["n"].sum()))
    by_type = rows.group_by("type", maintain_order=True).agg(pl.col("n").sum())
    body = (
        (
            r["type"],
            f"{r['n']:,}",
            f"{100 * r['n'] / total:.1f}",
            *(f"{n:,}" for n in rows.filter(pl.col("type") == r["type"])["n"]),
        )
        for r in by_type.iter_rows(named=True)
    )
    return tag(
        "div",
        tag("h3", f"The {total:,} households"),
        figure(
            partial(_households, by_type.with_columns(share=pl.col("n") / total).to_dicts()),
            label="Households by type.",
            caption="Share of households by type; group quarters are counted apart.",
            numbers=table(
                (
                    "type",
                    "households",
                    "%",
                    *(f"{n} people" if n > 1 else "1 person" for n in range(1, 7)),
                    "7 and more",
                ),
                body,
                caption="Households by type and size",
                numeric=range(1, 10),
            ),
        ),
        class_="card",
    )


def _households(rows: list[dict[str, Any]], width: int) -> Any:
    import altair as alt

    top = max(r["share"] for r in rows) * 1.18 or 1
    base = chart_of(rows).encode(
        y=alt.Y("type:N", sort=list(frames.HOUSEHOLD_TYPES), title=None, axis=alt.Axis(labelLimit=230)),
        x=alt.X("share:Q", title=None, axis=None, scale=alt.Scale(domain=[0, top])),
    )
    bars = base.mark_bar(color=colour("made"), height={"band": 0.7})
    text = base.mark_text(align="left", dx=5, color=colour("ink")).encode(text=alt.Text("share:Q", format=".1%"))
    return alt.layer(bars, text).properties(width=width - 250, height=220)


def quarters_figure(inputs: ReportInputs) -> Html | None:
    """List group quarters by type; None where there are none."""
    held = inputs.households.filter(pl.col("kind").cast(pl.String) == "group_quarters")
    if held.height == 0:
        return None
    counted = (
        held.group_by(pl.col("gq_type").cast(pl.String))
        .agg(n=pl.col("size").sum())
        .sort("n", "gq_type", descending=[True, False])
    )
    total, people = int(counted["n"].sum()), max(1, inputs.people.height)
    rows = (
        (r["gq_type"] or "not known", f"{r['n']:,}", f"{100 * r['n'] / total:.1f}")
        for r in counted.iter_rows(named=True)
    )
    return tag(
        "div",
        tag("h3", "Group quarters"),
        tag(
            "p",
            f"{total:,} people, {100 * total / people:.1f}% of the city, live in dormitories, homes and other places "
            "that are not households.",
        ),
        table(("type", "people", "%"), rows, caption="People in group quarters by type", numeric=(1, 2)),
        class_="card",
    )


def section(inputs: ReportInputs) -> Html:
    """Return everything about the city, in its order."""
    where = " in a block group" if inputs.households["block_group"].count() else ""
    return join(
        tag("h2", "The city"),
        tag("p", f"Everyone has a home{where}, a household and a place in it.", class_="lead"),
        tag(
            "div",
            pyramid_figure(inputs),
            living_figure(inputs),
            map_figure(inputs),
            households_figure(inputs),
            quarters_figure(inputs),
            class_="grid two",
        ),
    )
