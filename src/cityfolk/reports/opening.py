"""The top of the report: what this is, how it was made, and the whole study in a dozen numbers."""

from __future__ import annotations

from typing import Any

import polars as pl

from cityfolk.reports.city import dot_picture
from cityfolk.reports.gallery import is_pocket, problems_of
from cityfolk.reports.html import Html, Node, join, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.reports.numbers import number, value_of
from cityfolk.reports.rules import broken
from cityfolk.reports.traits import MARGIN, against_norms


def hero(inputs: ReportInputs, heading: str) -> Html:
    """Return the title, the plain statement that nobody here is real, and the picture of the city as dots."""
    people, written = inputs.people.height, _written(inputs)
    lives = f", {written:,} of them with a written life" if written else ""
    engines = sorted(set(inputs.profiles["engine"].to_list())) if written and inputs.profiles is not None else []
    pocket = [
        tag(
            "p",
            "The lives were written by the small embedded demonstration model (“pocket”). It is for demonstrations, "
            "teaching and tests.",
        )
        if any(is_pocket(engine) for engine in engines)
        else None
    ]
    words = tag(
        "div",
        tag("p", "A synthetic population", class_="eyebrow"),
        tag("h1", heading),
        tag("p", f"{people:,} synthetic people{lives}.", class_="lead"),
        tag(
            "div",
            tag(
                "p",
                tag("strong", "Nobody on this page is real. "),
                "Everyone was drawn from published tables. Any likeness to a living person is chance.",
            ),
            pocket,
            class_="notice",
        ),
    )
    return tag("header", tag("div", words, dot_picture(inputs), class_="wrap"), class_="hero")


def glance(inputs: ReportInputs) -> Html:
    """Return the tiles and how the study was made."""
    return join(
        tag("h2", "At a glance"),
        tag("ul", _tiles(inputs), class_="tiles"),
        tag(
            "div",
            tag(
                "div",
                tag("h3", "What this is"),
                tag(
                    "p",
                    "Official tables say how many people of each kind live in a place. From them this study makes "
                    "whole people in whole households, so that every table is met at once; gives each a personality "
                    "from published norms; lets a language model write the lives of some; and checks what it wrote "
                    "against what was known.",
                ),
                tag(
                    "p",
                    "The page shows each of these steps with its numbers, what they should be, and where they fall "
                    "short.",
                ),
                class_="card",
            ),
            tag("div", tag("h3", "How it was made"), _made(inputs), class_="card"),
            class_="grid two",
        ),
    )


def _written(inputs: ReportInputs) -> int:
    return 0 if inputs.profiles is None else int(inputs.profiles["person_id"].n_unique())


def _tile(value: str, label: str, note: str = "", mood: str = "") -> Html:
    return tag(
        "li", tag("b", value), tag("span", label), tag("small", note) if note else None, class_=f"tile {mood}".strip()
    )


def _mood(found: dict[str, Any]) -> str:
    return {"inside": "good", "outside": "bad"}.get(found["verdict"], "")


def _tiles(inputs: ReportInputs) -> list[Html]:
    households = inputs.households
    quarters = int(households.filter(pl.col("kind").cast(pl.String) == "group_quarters")["size"].sum())
    occupied = households.filter(pl.col("kind").cast(pl.String) != "group_quarters").height
    people = inputs.people.height
    tiles = [
        _tile(f"{people:,}", "people", "one row each"),
        _tile(f"{occupied:,}", "households", f"{(people - quarters) / max(1, occupied):.2f} people each"),
        _tile(
            f"{quarters:,}",
            "in group quarters",
            f"{100 * quarters / max(1, people):.1f}% of people: dormitories, homes",
        ),
    ]
    for name, label in (
        ("inside", "of official figures inside their margin"),
        ("fitted.inside", "of fitted figures inside their margin"),
    ):
        found = value_of(inputs.findings, f"people.certificate.{name}")
        if found is not None and found["value"] is not None:
            aim = f", aim {100 * found['expected']:.0f}%" if found["expected"] is not None else ""
            tiles.append(_tile(number(found["value"], "share"), label, f"n = {found['n']:,}{aim}", _mood(found)))
    rules = broken(inputs.findings)
    if rules is not None:
        tiles.append(
            _tile(
                f"{rules.broken:,}",
                f"of {rules.rules} rules broken",
                f"checked on {rules.people:,} people",
                "good" if not rules.broken else "bad",
            )
        )
    gaps = against_norms(inputs.people)
    if gaps.height:
        worst = max(abs(made - norm) for made, norm in gaps.select("made", "norm").iter_rows())
        tiles.append(
            _tile(
                f"{worst:.3f}",
                "largest gap of a trait's mean to its norm",
                f"0 to 1 scale, aim {MARGIN}",
                "good" if worst <= MARGIN else "",
            )
        )
    tiles += _cohort_tiles(inputs)
    return tiles


def _cohort_tiles(inputs: ReportInputs) -> list[Html]:
    written = _written(inputs)
    if not written or inputs.profiles is None:
        return [_tile("0", "lives written", "this study has people only")]
    weight = inputs.cohort["weight"].sum() if inputs.cohort is not None and inputs.cohort.height else None
    stands = f"they stand for {weight:,.0f} people" if weight is not None else ""
    wrong = sum(1 for row in inputs.profiles.select("problems").iter_rows(named=True) if problems_of(row))
    every = inputs.profiles.height
    tiles = [_tile(f"{written:,}", "lives written", stands)]
    # With several engines each has its own: text.clear.core@pocket.
    cores = inputs.findings.filter(pl.col("id").str.split("@").list.first() == "text.clear.core")
    for core in cores.filter(pl.col("value").is_not_null()).iter_rows(named=True):
        aim = f"n = {core['n']:,}" + (f", aim {100 * core['expected']:.0f}%" if core["expected"] is not None else "")
        engine = core["id"].partition("@")[2]
        who = f" by {engine}" if engine else ""
        label = f"of lives{who} agree with age, sex, job, household and origin"
        tiles.append(_tile(number(core["value"], "share"), label, aim, _mood(core)))
    return [*tiles, _tile(f"{wrong:,}", f"of {every:,} lives contradict any fact", "each is marked in the text")]


def _made(inputs: ReportInputs) -> Html:
    rows: list[tuple[str, Node]] = [("place", inputs.place_title)]
    config = inputs.stage("people").get("config", {})
    if inputs.tables is not None and "vintage" in inputs.tables.columns:
        top = inputs.tables.group_by("vintage").len().sort("len", "vintage", descending=True)
        rows.append(("main tables", f"{top['vintage'][0]}; {inputs.tables.height:,} official figures in all"))
    words = {"tables": "SHA-256 of the pack"}
    rows += [
        (words.get(key, str(key).replace("_", " ")), _short(value))
        for key, value in config.items()
        if not isinstance(value, dict | list) and key != "place"
    ]
    write = inputs.stage("write")
    for key in ("model", "depth", "prompt"):
        if key in write.get("config", {}):
            rows.append((f"writing: {key}", _short(write["config"][key])))
    for verb in ("people", "write", "evaluate"):
        ended = inputs.stage(verb).get("ended")
        if ended:
            rows.append((f"{verb} done", str(ended).replace("T", " ").replace("+00:00", " UTC")))
    versions = inputs.stage("people").get("versions", {})
    if versions:
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    git = inputs.stage("people").get("git") or {}
    if git.get("commit"):
        rows.append(("commit", f"{git['commit'][:12]}{' with uncommitted changes' if git.get('dirty') else ''}"))
    return tag("dl", ((tag("dt", key), tag("dd", value)) for key, value in rows), class_="facts")


def _short(value: object) -> Node:
    text = str(value)
    return tag("code", f"{text[:16]}…") if len(text) == 64 and text.isalnum() else text
