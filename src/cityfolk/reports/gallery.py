"""The citizens who were written: facts, traits, story, provenance and problems, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from cityfolk.personality.words import level, trait_phrase
from cityfolk.profiles.schema import ProfileText, ReflectionsText
from cityfolk.reports.facts import fact_rows, member_lines
from cityfolk.reports.html import Html, Node, bidi, join, tag
from cityfolk.reports.inputs import ReportInputs
from cityfolk.vocabulary import TRAITS

MOST = 200  # citizens on one page
STORY = (
    *(name for name in ProfileText.model_fields if name != "job_title"),
    *(f"reflection_{name}" for name in ReflectionsText.model_fields),
)
AT_HOME = ("home", "household income")
ACROSS = frozenset({"general_description"})
AGES = ((0, 17, "under 18"), (18, 29, "18 to 29"), (30, 44, "30 to 44"), (45, 64, "45 to 64"), (65, 200, "65 and over"))


def is_pocket(engine: object) -> bool:
    """Say whether a text came from the embedded demonstration model."""
    return str(engine).split(":", 1)[0] == "pocket"


def problems_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a profile's problems, whether kept as JSON text or as a list of structs."""
    held = row.get("problems")
    if isinstance(held, str):
        held = json.loads(held) if held.strip() else []
    return [dict(problem) for problem in held or [] if isinstance(problem, Mapping)]


def overrides_of(text: object) -> dict[str, float]:
    """Return the traits that were set by hand for a citizen, by trait."""
    if not isinstance(text, str) or not text.strip():
        return {}
    found = json.loads(text)
    return {str(k): float(v) for k, v in found.items()} if isinstance(found, dict) else {}


def marked(text: str, spans: Iterable[tuple[int, int, str]]) -> Html:
    """Return text with spans (start, end, why) highlighted; spans outside the text or inside another are left out."""
    pieces: list[Node] = []
    at = 0
    for start, end, why in sorted(spans):
        if start < at or end > len(text) or start >= end:
            continue
        pieces += [text[at:start], tag("mark", text[start:end], title=why)]
        at = end
    return join(pieces, text[at:])


def section(inputs: ReportInputs) -> Html:
    """Return the gallery, or a sentence where nobody was written."""
    head = tag("h2", "Citizens")
    if inputs.profiles is None or inputs.profiles.height == 0:
        return join(
            head,
            tag(
                "p",
                "Nobody was written in this study: ",
                tag("code", "cityfolk write"),
                " lets a model write lives.",
                class_="lead",
            ),
        )
    shown = inputs.profiles.head(MOST)
    total = inputs.profiles.height
    people = {
        row["person_id"]: row
        for row in inputs.people.join(
            shown.select(pl.col("person_id").cast(inputs.people.schema["person_id"])), on="person_id", how="semi"
        ).iter_rows(named=True)
    }
    members = _members(inputs, people)
    homes = {
        row["household_id"]: row
        for row in inputs.households.filter(
            pl.col("household_id").is_in([p["household_id"] for p in people.values()])
        ).iter_rows(named=True)
    }
    cohort = {
        row["person_id"]: row for row in (inputs.cohort.iter_rows(named=True) if inputs.cohort is not None else ())
    }
    written = [(row, people[row["person_id"]]) for row in shown.iter_rows(named=True) if row["person_id"] in people]
    # Facts, traits and household were drawn from tables; only the story was written.
    cards: list[tuple[int, Html]] = []
    for row, person in written:
        home = person["household_id"]
        known = (homes[home], members[home], cohort.get(person["person_id"], {}))
        first = not cards or cards[-1][0] != person["person_id"]
        cards.append((person["person_id"], _card(row, person, *known, first, not cards)))
    more = (
        f" The page shows the first {MOST} of {total:,} stories; all are in profiles.parquet." if total > MOST else ""
    )
    return join(
        head,
        tag(
            "p",
            f"{inputs.profiles['person_id'].n_unique():,} people had their lives written. Facts and traits were drawn "
            "from tables before the model spoke; only the story is the model's. None of them exists." + more,
            class_="lead",
        ),
        _who_wrote(inputs.profiles),
        tag(
            "div",
            tag("div", _tools(), _roster(written), class_="roster"),
            tag(
                "div",
                _pager(),
                tag("p", "Nobody fits these filters.", class_="card none-found", hidden=True),
                (card for _, card in cards),
            ),
            class_="gallery",
        ),
    )


def _members(inputs: ReportInputs, people: Mapping[int, Mapping[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    wanted = {person["household_id"] for person in people.values()}
    near = inputs.people.filter(pl.col("household_id").is_in(list(wanted)))
    found: dict[int, list[dict[str, Any]]] = {household: [] for household in wanted}
    for row in near.iter_rows(named=True):
        found[row["household_id"]].append(row)
    return found


def _who_wrote(profiles: pl.DataFrame) -> Html | None:
    engines = [row["engine"] for row in profiles.select("engine").unique(maintain_order=True).iter_rows(named=True)]
    if not any(is_pocket(engine) for engine in engines):
        return None
    return tag(
        "div",
        tag(
            "p",
            tag("strong", "Written by the small embedded demonstration model. "),
            "The model “pocket” ships with this package and is meant for demonstrations, teaching and tests. Its "
            "stories are simple and alike; do not judge a larger model, or people, by them.",
        ),
        class_="notice",
    )


def _tools() -> Html:
    def select(label: str, options: Iterable[tuple[str, str]]) -> Html:
        return tag("label", label, tag("select", (tag("option", text, value=value) for value, text in options)))

    traits = [("", "any")]
    for trait in TRAITS:
        traits += [(f"{trait}-low", f"low {trait}"), (f"{trait}-high", f"high {trait}")]
    return tag(
        "div",
        tag("label", "Search names and stories", tag("input", type="search", autocomplete="off")),
        select("Age", [("", "any"), *((f"age-{low}", text) for low, _, text in AGES)]),
        select("Sex", [("", "any"), ("female", "women"), ("male", "men")]),
        select("Trait", traits),
        tag("label", tag("input", type="checkbox"), " only with problems", class_="check"),
        class_="tools",
    )


def _tags(row: Mapping[str, Any], person: Mapping[str, Any]) -> str:
    found = [str(person["sex"])]
    found += [f"age-{low}" for low, high, _ in AGES if low <= person["age"] <= high]
    found += [f"{t}-low" for t in TRAITS if person[t] < 0.2] + [f"{t}-high" for t in TRAITS if person[t] > 0.8]
    if problems_of(row):
        found.append("problem")
    return " ".join(found)


def _roster(written: list[tuple[dict[str, Any], dict[str, Any]]]) -> Html:
    def entry(row: dict[str, Any], person: dict[str, Any]) -> Html:
        wrong = tag("i", "!", title="has problems", aria_label="has problems") if problems_of(row) else tag("span", "")
        job = row.get("job_title") or ""
        line = tag("small", f"{person['age']}", ", " if job else "", bidi(str(job)))
        return tag(
            "li",
            tag("button", tag("b", bidi(person["name"])), wrong, line, type="button"),
            data_tags=_tags(row, person),
        )

    return tag("ul", (entry(row, person) for row, person in written), aria_label="Citizens; move with the arrow keys")


def _pager() -> Html:
    return tag(
        "div",
        tag("button", "← previous", type="button", class_="button"),
        tag("output", "", class_="soft", aria_live="polite"),
        tag("button", "next →", type="button", class_="button"),
        class_="pager",
    )


def _card(
    row: Mapping[str, Any],
    person: Mapping[str, Any],
    household: Mapping[str, Any],
    members: list[dict[str, Any]],
    chosen: Mapping[str, Any],
    first: bool,
    shown: bool,
) -> Html:
    overrides = overrides_of(chosen.get("overrides"))
    others = member_lines(person, household, members)
    facts = dict(fact_rows(person, household))
    home: list[tuple[str, Node]] = [(label, facts.pop(label)) for label in AT_HOME if label in facts]
    if household["kind"] != "group_quarters":  # who shares a dormitory or a ward is not known
        home.append(("lives with", [tag("div", bidi(line)) for line in others] if others else "nobody else"))
    weight = chosen.get("weight")
    number = f"person {person['person_id']}"
    job = row.get("job_title")
    title = tag(
        "header",
        tag(
            "div",
            tag("h3", bidi(person["name"])),
            tag("p", tag("bdi", marked(job, _spans(row).get("job_title", ())))) if isinstance(job, str) else None,
        ),
        tag("span", number, f" · stands for {weight:,.0f} people" if weight is not None else "", class_="soft"),
    )
    return tag(
        "article",
        title,
        tag(
            "div",
            tag(
                "div",
                tag("h4", "Facts, drawn from tables"),
                tag("dl", ((tag("dt", k), tag("dd", v)) for k, v in facts.items()), class_="facts"),
            ),
            tag(
                "div",
                tag("h4", "Personality, percentile among adults"),
                trait_bars(person, overrides),
                tag("h4", "Home", class_="spaced"),
                tag("dl", ((tag("dt", k), tag("dd", v)) for k, v in home), class_="facts"),
            ),
            class_="cols",
        ),
        _problem_box(problems_of(row)),
        _story(row),
        _provenance(row),
        class_="card citizen shown" if shown else "card citizen",
        id=f"citizen-{person['person_id']}" if first else None,
    )


def trait_bars(person: Mapping[str, Any], overrides: Mapping[str, float]) -> Html:
    """Draw five traits as places on a line from the lowest to the highest of 100 adults."""

    def bar(trait: str) -> Html:
        value = float(overrides.get(trait, person[trait]))
        rank = f"{100 * value:.0f}"
        note = f"set by hand; drawn was {100 * float(person[trait]):.0f}" if trait in overrides else level(value)
        return tag(
            "div",
            tag("span", trait.capitalize()),
            tag(
                "span",
                tag("i", style=f"--p:{value:.3f}"),
                class_="bar",
                role="img",
                aria_label=f"{trait}: {trait_phrase(trait, value)}",
            ),
            tag("span", rank, class_="num"),
            tag("small", note),
            class_="trait",
        )

    extra = (
        tag("p", tag("small", "Younger than the norms describe: extrapolated."))
        if person.get("norms") == "extrapolated"
        else None
    )
    return join(tag("div", (bar(trait) for trait in TRAITS), class_="traits"), extra)


def _problem_box(problems: list[dict[str, Any]]) -> Html | None:
    if not problems:
        return None
    lines = (
        tag(
            "li",
            f"{p.get('rule', '')}, in {str(p.get('field', '')).replace('_', ' ')}: known “",
            bidi(str(p.get("known", ""))),
            "”, written “",
            bidi(str(p.get("written", ""))),
            "”",
        )
        for p in problems
    )
    return tag(
        "div", tag("strong", "The story contradicts what is known:"), tag("ul", lines), class_="problems", role="note"
    )


def _spans(row: Mapping[str, Any]) -> dict[str, list[tuple[int, int, str]]]:
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for p in problems_of(row):
        if isinstance(p.get("start"), int) and isinstance(p.get("end"), int):
            why = f"{p.get('rule', '')}: known {p.get('known', '')}"
            spans.setdefault(str(p.get("field", "")), []).append((p["start"], p["end"], why))
    return spans


def _story(row: Mapping[str, Any]) -> Html:
    spans = _spans(row)
    parts = []
    for field in STORY:
        value = row.get(field)
        if not isinstance(value, str | list) or not value:
            continue
        content: Node
        if isinstance(value, str):
            content = tag("p", tag("bdi", marked(value, spans.get(field, ()))))
        else:
            content = tag("ul", (tag("li", bidi(str(item))) for item in value))
        wide = field in ACROSS
        parts.append(
            tag(
                "section",
                tag("h5", field.replace("_", " ").capitalize()),
                content,
                class_="across general" if wide else None,
            )
        )
    return tag("div", parts, class_="story")


def _provenance(row: Mapping[str, Any]) -> Html:
    pocket = "the small embedded demonstration model, " if is_pocket(row.get("engine")) else ""
    facts = [f"Story written by {pocket}{row.get('engine')}"]
    for label, column in (
        ("model", "model"),
        ("prompt", "prompt_hash"),
        ("temperature", "temperature"),
        ("seed", "seed"),
    ):
        if row.get(column) not in (None, ""):
            facts.append(f"{label} {row[column]}")
    return tag(
        "p", " · ".join(facts) + ". Facts from the tables of the place pack; not a real person.", class_="provenance"
    )
