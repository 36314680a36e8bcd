"""The fidelity certificate: every quantity of a place's tables once, and whether the people made lie inside its margin.

A quantity is judged when it is a count or a percent with a published 90% margin of error, from the place's own
geography and vintage. It is inside when |made - estimate| <= margin; an official percent is rounded to 0.1, so a
percent may lie 0.05 further out. What cannot be said of the people made (a percent of nobody) is outside.
Tables repeat themselves (a count here, its percent there): quantities with the same canonical key are judged once, as
the count where there is one with a margin, else as the percent. A percent of the same people out of another universe
(unemployed in the labor force, rather than among all) is a quantity of its own. Medians, means and sums, cells without
a margin, and rows borrowed from elsewhere are reported apart.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from cityfolk.evaluation.partitions import distances
from cityfolk.evaluation.reasons import add_reasons
from cityfolk.tables.canonical import canonical_key, denominator_key
from cityfolk.tables.query import Condition, Query, evaluate_all, parse
from cityfolk.tables.view import Views
from cityfolk.types import Finding, Verdict

ACCEPT_ALL, ACCEPT_FITTED = 0.95, 0.98
PERCENT_ROUNDING = 0.05
JUDGED, UNMARGINED, AVERAGES, BORROWED = "judged", "without margin", "medians and means", "borrowed"


def cells(
    tables: pl.DataFrame,
    views: Views,
    *,
    fitted: Collection[str] = (),
    geography: str | None = None,
    vintage: str | None = None,
) -> pl.DataFrame:
    """Return one row per row of tables.csv, in its order, with what was made of it.

    Added columns: made, made_rows, made_universe; low, high (the margin, rounding included); z = (made - estimate) /
    margin; inside; class ("judged", "without margin", "medians and means", "borrowed"); quantity (its canonical name);
    counted (true for the one row by which a quantity is judged); fitted; reason (of counted cells that lie outside).
    `fitted` holds codes; `geography` and `vintage` name the place's own rows and default to the commonest.
    """
    queries = [parse(u, d or "", m) for u, d, m in tables.select("universe", "dimensions", "measure").iter_rows()]
    frame = evaluate_all(tables.with_columns(pl.col("estimate", "moe90").cast(pl.Float64)), views)
    frame = frame.with_columns(_classes(frame, geography, vintage).alias("class"))
    frame = _with_quantities(frame, queries)
    slack = pl.when(pl.col("measure") == "percent").then(PERCENT_ROUNDING).otherwise(0.0)
    frame = frame.with_columns(
        (pl.col("estimate") - pl.col("moe90") - slack).alias("low"),
        (pl.col("estimate") + pl.col("moe90") + slack).alias("high"),
        pl.when(pl.col("moe90") > 0).then((pl.col("made") - pl.col("estimate")) / pl.col("moe90")).alias("z"),
    )
    # 1e-9: a made percent of exactly estimate + margin + 0.05 is inside whatever the last bit of the sum says.
    within = ((pl.col("made") - pl.col("low")) >= -1e-9) & ((pl.col("high") - pl.col("made")) >= -1e-9)
    frame = frame.with_columns(
        pl.when(pl.col("moe90").is_not_null()).then(within & pl.col("made").is_not_nan()).alias("inside"),
        pl.col("code").is_in(list(fitted)).max().over("quantity").alias("fitted"),
    )
    return add_reasons(frame, queries)


def _classes(frame: pl.DataFrame, geography: str | None, vintage: str | None) -> pl.Series:
    common = frame.group_by("geography", "vintage").len().sort("len", "geography", "vintage").row(-1)
    own = (pl.col("geography") == (geography or common[0])) & (pl.col("vintage") == (vintage or common[1]))
    return frame.select(
        pl.when(~own)
        .then(pl.lit(BORROWED))
        .when(~pl.col("measure").is_in(("count", "percent")))
        .then(pl.lit(AVERAGES))
        .when(pl.col("moe90").is_null())
        .then(pl.lit(UNMARGINED))
        .otherwise(pl.lit(JUDGED))
    ).to_series()


def _with_quantities(frame: pl.DataFrame, queries: list[Query]) -> pl.DataFrame:
    """Name each row's quantity and choose the row by which it is judged."""
    keys = [canonical_key(query) for query in queries]
    denominators = [denominator_key(query) if query.measure == "percent" else "" for query in queries]
    # The percent that stands for the count is the one out of the widest universe: the one with the fewest conditions.
    widest: dict[str, str] = {}
    for key, base in zip(keys, denominators, strict=True):
        if base and (key not in widest or base.count("|") < widest[key].count("|")):
            widest[key] = base
    names = [
        key if not base or widest[key] == base else f"{key} of {base}"
        for key, base in zip(keys, denominators, strict=True)
    ]
    kinds = frame["class"].to_list()
    names = [name if kind != BORROWED else f"{name} (borrowed)" for name, kind in zip(names, kinds, strict=True)]
    order = {JUDGED: 0, UNMARGINED: 1, AVERAGES: 1, BORROWED: 2}
    best: dict[str, tuple[int, bool, int]] = {}
    for row, (name, kind, query) in enumerate(zip(names, kinds, queries, strict=True)):
        rank = (order[kind], query.measure == "percent", row)
        best[name] = min(best.get(name, rank), rank)
    return frame.with_columns(
        pl.Series("quantity", names),
        pl.Series("counted", [best[name][2] == row for row, name in enumerate(names)]),
    )


def describe(universe: str, dimensions: str, measure: str) -> str:
    """Return a row's question in words: "percent of persons (age 16..): employment employed"."""
    query = parse(universe, dimensions or "", measure)

    def words(conditions: tuple[Condition, ...]) -> str:
        return ", ".join(
            f"{c.column.replace('_', ' ')} {'not ' if c.negated else ''}{' or '.join(c.values)}" for c in conditions
        )

    what = query.measure if not query.column else f"{query.measure} {query.column.replace('_', ' ')}"
    of = f" ({words(query.universe)})" if query.universe else ""
    rest = f": {words(query.dimensions)}" if query.dimensions else ""
    return f"{what.replace('count', 'number')} of {query.entity}{of}{rest}"


def certificate(
    tables: pl.DataFrame,
    views: Views,
    *,
    fitted: Collection[str] = (),
    geography: str | None = None,
    vintage: str | None = None,
) -> tuple[pl.DataFrame, list[Finding]]:
    """Judge a population by its place's tables: (cells, findings); see `cells` for the frame's columns."""
    frame = cells(tables, views, fitted=fitted, geography=geography, vintage=vintage)
    return frame, [*overall(frame), *by_table(frame), *each(frame)]


def _share(id_: str, title: str, part: pl.DataFrame, accept: float | None, note: str = "") -> Finding:
    """Return the share of cells inside their margin, with the line it must reach where there is one."""
    judged = part["inside"].drop_nulls()
    if not len(judged):
        return Finding(id=id_, title=title, value=None, n=0, unit="share", expected=accept, note="no such cells")
    value = float(judged.sum()) / len(judged)
    verdict: Verdict = "none" if accept is None else ("inside" if value >= accept else "outside")
    return Finding(
        id=id_, title=title, value=value, n=len(judged), unit="share", expected=accept, verdict=verdict, note=note
    )


def overall(frame: pl.DataFrame) -> list[Finding]:
    """Return the shares inside the margin: all quantities, those fitted, those held back, averages, borrowed rows."""
    prefix = "people.certificate"
    judged = frame.filter((pl.col("class") == JUDGED) & pl.col("counted"))
    averages = frame.filter((pl.col("class") == AVERAGES) & pl.col("counted"))
    bare = frame.filter((pl.col("class") == UNMARGINED) & pl.col("counted"))
    gaps = ((bare["made"] - bare["estimate"]).abs() / bare["estimate"].abs().clip(lower_bound=1)).drop_nans()
    median = gaps.median()
    return [
        _share(f"{prefix}.inside", "Quantities inside their 90% margin", judged, ACCEPT_ALL, "expected: at least"),
        _share(
            f"{prefix}.fitted.inside",
            "Fitted quantities inside their 90% margin",
            judged.filter("fitted"),
            ACCEPT_FITTED,
            "expected: at least",
        ),
        _share(
            f"{prefix}.held_back.inside",
            "Held-back quantities inside their 90% margin",
            judged.filter(~pl.col("fitted")),
            None,
        ),
        _share(f"{prefix}.averages.inside", "Medians and means inside their 90% margin", averages, None),
        Finding(
            id=f"{prefix}.without_margin",
            title="Cells without a margin: median relative difference",
            value=median if isinstance(median, float) else None,
            n=bare.height,
            unit="share",
            expected=0.0,
        ),
        *_distances(frame.filter(pl.col("class") == BORROWED), f"{prefix}.borrowed", "Rows borrowed from elsewhere"),
    ]


def _distances(part: pl.DataFrame, prefix: str, title: str) -> list[Finding]:
    tvd, srmse, groups = distances(part)
    if not groups:
        return []
    note = f"over {groups} groups of cells that exclude each other"
    return [
        Finding(
            id=f"{prefix}.tvd",
            title=f"{title}: total variation distance",
            value=tvd,
            n=groups,
            unit="share",
            expected=0.0,
            note=f"mean {note}",
        ),
        Finding(
            id=f"{prefix}.srmse",
            title=f"{title}: standardised root mean square error",
            value=srmse,
            n=groups,
            unit="ratio",
            expected=0.0,
            note=f"of shares, {note}",
        ),
    ]


def by_table(frame: pl.DataFrame) -> list[Finding]:
    """Return each own table's share inside the margin (its quantities once), TVD and SRMSE."""
    findings = []
    own = frame.filter(pl.col("class") != BORROWED)
    for table in own["table"].unique(maintain_order=True):
        part = own.filter(pl.col("table") == table)
        once = part.filter(pl.col("class") == JUDGED).sort(pl.col("measure") == "percent", maintain_order=True)
        once = once.unique("quantity", keep="first", maintain_order=True)
        prefix = f"people.certificate.{table}"
        findings.append(_share(f"{prefix}.inside", f"{table}: quantities inside their 90% margin", once, None))
        findings += _distances(part, prefix, table)
    return findings


def each(frame: pl.DataFrame) -> list[Finding]:
    """Return one finding a quantity: made, the margin around the estimate, inside or outside, and why where outside."""
    findings = []
    for row in frame.filter("counted").iter_rows(named=True):
        verdict: Verdict = "none" if row["inside"] is None else ("inside" if row["inside"] else "outside")
        how = "fitted" if row["fitted"] else "held back"
        notes = [row["class"] if row["class"] != JUDGED else "", how, row["reason"] or ""]
        findings.append(
            Finding(
                id=f"people.certificate.cell.{row['code']}",
                title=describe(row["universe"], row["dimensions"], row["measure"]),
                value=None if row["made"] != row["made"] else row["made"],
                low=row["low"],
                high=row["high"],
                n=row["made_rows"],
                unit=_unit(row["measure"]),
                expected=row["estimate"],
                verdict=verdict if row["class"] != BORROWED else "none",
                note="; ".join(note for note in notes if note),
            )
        )
    return findings


def _unit(measure: str) -> str:
    if measure in ("count", "percent"):
        return measure
    column = measure.partition(":")[2]
    return "USD" if column.endswith("_usd") else column


def worst(frame: pl.DataFrame, n: int = 40) -> pl.DataFrame:
    """Return the counted cells furthest outside their margin, in margins; cells whose margin is 0 come first."""
    outside = frame.filter(pl.col("counted") & ~pl.col("inside") & (pl.col("class") == JUDGED))
    return outside.sort(pl.col("z").abs().fill_null(float("inf")), descending=True).head(n)
