"""True, in pictures: the people as written next to official shares, and what contradicts the facts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl

from cityfolk.evaluation.intervals import wilson
from cityfolk.reports.charts import chart_of, colour, figure
from cityfolk.reports.evidence_inputs import Shown, said, swatches
from cityfolk.reports.html import Html, Node, bidi, table, tag
from cityfolk.reports.numbers import table_title

_FIELDS = {
    "age": "Age",
    "sex": "Sex",
    "origin": "Origin",
    "education": "Education",
    "job": "Work",
    "marriage": "Marriage",
    "party": "Party",
    "religion": "Faith",
}
# Facts that no text claims outright: column, title, universe and dimension of tables.csv, who is counted.
_DRAWN: tuple[tuple[str, str, str, str, pl.Expr], ...] = (
    (
        "industry",
        "Industry",
        "persons|age=16..|employment=employed",
        "industry=",
        (pl.col("employment") == "employed") & (pl.col("age") >= 16),
    ),
    (
        "birthplace",
        "Country of birth, of those born abroad",
        "persons|nativity=foreign-born",
        "birthplace=",
        pl.col("nativity") == "foreign-born",
    ),
    (
        "earnings_usd",
        "Earnings, of those working full time all year",
        "persons|age=16..|year_round_worker=yes",
        "earnings_usd=",
        (pl.col("full_time_year_round")) & (pl.col("earnings_usd") > 0),
    ),
    (
        "disability",
        "Disability, 18 to 64",
        "persons|age=18..64|civilian=yes|institutional=no",
        "disability_",
        pl.col("age").is_between(18, 64),
    ),
)
_MOST_COUNTRIES = 12


def cards(shown: Shown) -> Iterator[Html | None]:
    """Return contradictions, the pyramid, and one picture a fact."""
    yield _contradictions(shown)
    names = shown.names("true.margin.")
    pyramid = next((name for name in names if name.startswith("true.margin.age.") and _has_sexes(shown, name)), None)
    if pyramid:
        yield _pyramid_card(shown, pyramid)
    done = {"age"} if pyramid else set()
    for name in names:
        field, _, source = name.removeprefix("true.margin.").partition(".")
        if name == pyramid or field in done:
            continue
        done.add(field)
        yield _share_card(shown, name, _FIELDS.get(field, said(field).capitalize()), source)
    for spec in _DRAWN:
        yield _drawn_card(shown, *spec)


def _has_sexes(shown: Shown, name: str) -> bool:
    return any(", male" in mark["label"] for mark in shown.marks(name))


def _contradictions(shown: Shown) -> Html | None:
    fields = list(_FIELDS | {"income": "Income"})
    values = []
    rows: list[tuple[Node, ...]] = []
    for field in fields:
        found = {source: shown.finding(f"text.true.contradicted.{field}", source) for source in shown.sources}
        if not any(found.values()):
            continue
        for source, row in found.items():
            if row is not None and row["value"] is not None:
                values.append({"label": said(field), "source": source, **{k: row[k] for k in ("value", "low", "high")}})
        rows.append((said(field), *(_percent(row) for row in found.values())))
    if not values:
        return None
    examples = [
        (bidi(mark["label"]), mark["source"], said(mark["group"]), bidi(mark["text"]))
        for mark in shown.marks("true.contradicted")[:200]
    ]
    return tag(
        "div",
        tag("h3", "What contradicts the facts"),
        tag("p", "Of all profiles, those that say something else than is known, by what it is about.", class_="soft"),
        swatches(shown),
        figure(
            partial(_dots, values, shown, "profiles that contradict it (%)"),
            label="Share of profiles that contradict a fact, by fact.",
            caption="Dots with 90% intervals.",
            numbers=table(
                ("fact", *shown.sources),
                rows,
                caption="Profiles that contradict each fact",
                numeric=range(1, len(shown.sources) + 1),
            ),
        ),
        tag(
            "details",
            tag("summary", "Examples"),
            table(("person", "source", "fact", "words"), examples, caption="Words that contradict", box="tall"),
        )
        if examples
        else None,
        class_="card across",
    )


def _percent(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "–"
    return f"{100 * row['value']:.1f}%"


def _share_card(shown: Shown, name: str, title: str, source: str) -> Html | None:
    marks = shown.marks(name)
    official = [m for m in marks if m["group"] == "official" and m["source"] == marks[0]["source"]]
    drawn = [m for m in marks if m["group"] == "drawn"]
    written = [m for m in marks if m["group"] == "written"]
    return _shares(shown, title, table_title(source), official, written, drawn)


def _shares(
    shown: Shown,
    title: str,
    source: str,
    official: list[dict[str, Any]],
    written: list[dict[str, Any]],
    drawn: list[dict[str, Any]],
    what: str = "as written",
) -> Html | None:
    if not official or not written:
        return None
    by = {(m["source"], m["label"]): m for m in written}
    first = {m["label"]: m for m in reversed(drawn)}
    rows = [
        (
            _label(o["label"]),
            f"{100 * o['value']:.1f}",
            *((f"{100 * first[o['label']]['value']:.1f}" if o["label"] in first else "–",) if drawn else ()),
            *(
                f"{100 * by[source, o['label']]['value']:.1f}" if (source, o["label"]) in by else "–"
                for source in shown.sources
            ),
        )
        for o in official
    ]
    headings = ("group", "official %", *(("drawn %",) if drawn else ()), *(f"{s} %" for s in shown.sources))
    extra = (("mark", "tick", "official, with its margin"),) + ((("soft", "line", "drawn facts"),) if drawn else ())
    return tag(
        "div",
        tag("h3", title),
        swatches(shown, *extra),
        figure(
            partial(_share_dots, official, written, list(first.values()), shown),
            label=f"{title}: shares {what}, next to official shares.",
            caption=f"Official: {source}. Dots: {what}, with 90% intervals.",
            numbers=table(headings, rows, caption=f"{title}: percent of people", numeric=range(1, len(headings))),
        ),
        class_="card",
    )


def _label(text: str) -> str:
    if text.endswith(".."):
        return f"{text[:-2]}+"
    return f"under {text[2:]}" if text.startswith("..") else text.replace("..", "–")


def _share_dots(
    official: list[dict[str, Any]],
    written: list[dict[str, Any]],
    drawn: list[dict[str, Any]],
    shown: Shown,
    width: int,
) -> Any:
    import altair as alt

    order = [_label(m["label"]) for m in official]
    several = len(shown.sources)
    step = 14 * several + 12 if several > 1 else 24

    def values(marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "label": _label(m["label"]),
                "source": m["source"],
                **{k: 100 * m[k] for k in ("value", "low", "high") if m[k] is not None},
            }
            for m in marks
        ]

    room = min(250 if width > 400 else 135, 20 + 7 * max(len(label) for label in order))
    y = alt.Y(
        "label:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelLimit=room),
        scale=alt.Scale(type="band", paddingInner=0.2),
    )
    x = alt.X("value:Q", title="percent of people", axis=alt.Axis(grid=True, tickCount=4), scale=alt.Scale(zero=True))
    offset = alt.YOffset("source:N", sort=list(shown.sources)) if several > 1 else alt.Undefined
    paint = alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None)
    span = chart_of(values(official)).mark_rule(strokeWidth=min(step - 6, 16), color=colour("band"))
    layers = [
        span.encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        chart_of(values(official))
        .mark_tick(color=colour("mark"), thickness=2.5, size=min(step - 4, 30))
        .encode(x=x, y=y),
    ]
    if drawn:
        layers.append(
            chart_of(values(drawn))
            .mark_tick(color=colour("soft"), thickness=2, size=10)
            .encode(x=alt.X("value:Q"), y=y)
        )
    base = chart_of(values(written)).encode(y=y, yOffset=offset, color=paint)
    layers += [
        base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_circle(size=58, opacity=1).encode(x=x),
    ]
    return alt.layer(*layers).properties(width=width - room - 25, height=step * len(order))


def _dots(values: list[dict[str, Any]], shown: Shown, title: str, width: int) -> Any:
    import altair as alt

    order = list(dict.fromkeys(v["label"] for v in values))
    shares = [{**v, **{k: 100 * v[k] for k in ("value", "low", "high") if v[k] is not None}} for v in values]
    several = len(shown.sources)
    base = chart_of(shares).encode(
        y=alt.Y("label:N", sort=order, title=None, scale=alt.Scale(type="band", paddingInner=0.2)),
        yOffset=alt.YOffset("source:N", sort=list(shown.sources)) if several > 1 else alt.Undefined,
        color=alt.Color("source:N", scale=alt.Scale(**shown.palette), legend=None),
    )
    x = alt.X("value:Q", title=title, axis=alt.Axis(grid=True, tickCount=5), scale=alt.Scale(zero=True))
    rule = base.mark_rule(strokeWidth=1.6).encode(x=alt.X("low:Q"), x2="high:Q")
    return alt.layer(rule, base.mark_circle(size=64, opacity=1).encode(x=x)).properties(
        width=width - 130, height=(14 * several + 12) * len(order)
    )


def _pyramid_card(shown: Shown, name: str) -> Html:
    source = name.removeprefix("true.margin.age.")
    marks = [m for m in shown.marks(name) if ", " in m["label"]]
    rows = []
    for mark in marks:
        band, _, sex = mark["label"].partition(", ")
        if sex in ("male", "female"):
            rows.append({**mark, "band": _label(band), "sex": sex})
    bands = list(dict.fromkeys(row["band"] for row in rows))
    by = {(r["source"], r["group"], r["band"], r["sex"]): r["value"] for r in rows}
    first = shown.sources[0]
    body = [
        (
            band,
            *(f"{100 * by.get((first, 'official', band, sex), 0):.1f}" for sex in ("female", "male")),
            *(f"{100 * by.get((s, 'written', band, sex), 0):.1f}" for s in shown.sources for sex in ("female", "male")),
        )
        for band in bands
    ]
    headings = (
        "age",
        "women, official",
        "men, official",
        *tuple(f"{sex}, {s}" for s in shown.sources for sex in ("women", "men")),
    )
    return tag(
        "div",
        tag("h3", "Age and sex"),
        tag("p", "Everybody by the age and sex that their life tells, next to the place's own count.", class_="soft"),
        figure(
            partial(_pyramid, rows, bands, shown),
            label="Population pyramid of the people as written, next to the official count, by source.",
            caption=f"Bars: as written, women to the left. Marks: {table_title(source)}. Percent of all, both sexes.",
            numbers=table(headings, body, caption="Percent of people", numeric=range(1, len(headings)), box="tall"),
        ),
        class_="card across" if len(shown.sources) > 1 else "card",
    )


def _pyramid(rows: list[dict[str, Any]], bands: list[str], shown: Shown, width: int) -> Any:
    import altair as alt

    sign = {"female": -1, "male": 1}
    values = [{**r, "at": 100 * sign[r["sex"]] * r["value"]} for r in rows if r["group"] in ("written", "official")]
    most = max(abs(v["at"]) for v in values) * 1.08
    columns = min(len(shown.sources), 3 if width > 400 else 1)
    panel = (width * (2 if columns > 1 else 1) - 60) // columns - 34
    scale = alt.Scale(domain=[-most, most], nice=False)
    axis = alt.Axis(grid=True, tickCount=5, labelExpr="format(abs(datum.value), '.0f')")
    base = alt.Chart().encode(y=alt.Y("band:N", sort=bands[::-1], title=None))
    paint = alt.Color(
        "sex:N", scale=alt.Scale(domain=["female", "male"], range=[colour("women"), colour("men")]), legend=None
    )
    bars = (
        base.transform_filter("datum.group == 'written'")
        .mark_bar(height={"band": 0.82})
        .encode(x=alt.X("at:Q", scale=scale, axis=axis, title="percent of people"), color=paint)
    )
    ticks = (
        base.transform_filter("datum.group == 'official'")
        .mark_tick(color=colour("mark"), thickness=2.5, size=13)
        .encode(x=alt.X("at:Q", scale=scale))
    )
    layered = alt.layer(bars, ticks, data=chart_of(values).data).properties(width=panel, height=16 * len(bands))
    return layered.facet(facet=alt.Facet("source:N", sort=list(shown.sources), title=None), columns=columns, spacing=16)


# -- facts that the text need not claim -------------------------------------------------------------------------------


def _drawn_card(shown: Shown, column: str, title: str, universe: str, prefix: str, who: pl.Expr) -> Html | None:
    if shown.tables is None or shown.people is None or column not in shown.people.columns:
        return None
    needed = set(who.meta.root_names()) | {column}
    if not needed <= set(shown.people.columns):
        return None
    cells = _official(shown.tables, universe, prefix)
    if not cells:
        return None
    marks = _standing(shown, column, cells, who)
    if not marks:
        return None
    if column == "birthplace":
        cells = sorted(cells, key=lambda c: -c["value"])[:_MOST_COUNTRIES]
    kept = {cell["label"] for cell in cells}
    marks = [mark for mark in marks if mark["label"] in kept]
    return _shares(shown, title, cells[0]["text"], cells, marks, [], "of the people written")


def _official(tables: pl.DataFrame, universe: str, prefix: str) -> list[dict[str, Any]]:
    """Return the shares of one table that tell a universe apart by one column; empty if there is none."""
    near = tables.filter(
        (pl.col("universe") == universe)
        & pl.col("dimensions").fill_null("").str.starts_with(prefix)
        & ~pl.col("dimensions").fill_null("").str.contains(r"[|;]")
        & pl.col("measure").is_in(["count", "percent"])
        & pl.col("estimate").is_not_null()
    )
    for name in near["table"].unique(maintain_order=True):
        rows = near.filter(pl.col("table") == name)
        counts = rows.filter(pl.col("measure") == "percent")
        rows = counts if counts.height else rows
        scale = 100.0 if counts.height else float(rows["estimate"].sum())
        if rows.height < 2 or scale <= 0:
            continue
        return [
            {
                "label": _cell_label(row["dimensions"]),
                "condition": row["dimensions"],
                "source": "",
                "value": row["estimate"] / scale,
                "low": max(0.0, (row["estimate"] - (row["moe90"] or 0)) / scale),
                "high": (row["estimate"] + (row["moe90"] or 0)) / scale,
                "text": table_title(name),
            }
            for row in rows.iter_rows(named=True)
        ]
    return []


def _cell_label(dimension: str) -> str:
    column, _, value = dimension.partition("=")
    if column.startswith("disability_"):
        return column.removeprefix("disability_").replace("_", " ")
    if column == "earnings_usd":
        low, _, high = value.partition("..")
        ends = [f"${int(end) / 1000:,.0f}k" if end else "" for end in (low, str(int(high) + 1) if high else "")]
        return f"{ends[0]} or more" if not high else f"under {ends[1]}" if int(low or 0) <= 1 else "–".join(ends)
    return value


def _standing(shown: Shown, column: str, cells: list[dict[str, Any]], who: pl.Expr) -> list[dict[str, Any]]:
    """Return the weighted share of each cell among the people of each source, with Wilson's interval at Kish's n."""
    if shown.people is None or shown.profiles is None:
        return []
    weights = shown.weights or {}
    marks = []
    people = shown.people.filter(pl.col(column).is_not_null())
    for source in shown.sources:
        ids = shown.profiles.filter(pl.col("engine") == source).select("person_id").unique()
        mine = people.join(ids.cast({"person_id": people.schema["person_id"]}), on="person_id", how="semi").filter(who)
        if mine.height < 10:
            continue
        w = pl.Series([weights.get(i, 1.0) for i in mine["person_id"]], dtype=pl.Float64)
        effective = float(w.sum()) ** 2 / float((w * w).sum())
        for cell in cells:
            inside = mine.select(_meets(column, cell["condition"]).fill_null(False).alias("in"))["in"]
            share = min(1.0, float((w * inside.cast(pl.Float64)).sum()) / float(w.sum()))
            low, high = wilson(share * effective, effective)
            marks.append({"label": cell["label"], "source": source, "value": share, "low": low, "high": high})
    return marks


def _meets(column: str, condition: str) -> pl.Expr:
    name, _, value = condition.partition("=")
    if name.startswith("disability_"):
        kind = next(k for k in _KINDS if k.replace(" ", "_").replace("-", "_") == name.removeprefix("disability_"))
        return pl.col(column).cast(pl.String).str.contains(kind, literal=True)
    if name == "earnings_usd":
        low, _, high = value.partition("..")
        return (pl.col(column) >= int(low or 0)) & (pl.col(column) <= (int(high) if high else 2**31 - 1))
    return pl.col(column).cast(pl.String) == value


_KINDS = ("hearing", "vision", "cognitive", "ambulatory", "self-care", "independent living")
