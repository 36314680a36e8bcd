"""One citizen for the terminal: as plain text, as a rich table, as a document."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.personality.words import trait_phrase
from cityfolk.profiles.schema import ProfileText
from cityfolk.reports.facts import fact_rows, member_lines
from cityfolk.reports.gallery import STORY, is_pocket, overrides_of, problems_of
from cityfolk.reports.html import clean
from cityfolk.reports.inputs import ReportInputs
from cityfolk.vocabulary import TRAITS

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 96
POCKET = "Written by the small embedded demonstration model (pocket)."


def show_document(inputs: ReportInputs, person_id: int) -> dict[str, Any]:
    """Return one citizen as plain values: person, household, others, weight and overrides, profiles.

    Raises UsageError if there is nobody of that number.
    """
    rows = inputs.people.filter(pl.col("person_id") == person_id)
    if rows.height == 0:
        raise UsageError(
            f"there is no person {person_id} in this study",
            hint=f"person_id runs from 0 to {inputs.people.height - 1}",
        )
    person = rows.row(0, named=True)
    same = pl.col("household_id") == person["household_id"]
    household = inputs.households.filter(same).row(0, named=True)
    members = inputs.people.filter(same).to_dicts() if household["kind"] != "group_quarters" else [person]
    chosen = _of(inputs.cohort, person_id)
    written = _of(inputs.profiles, person_id)
    for row in written:
        row["problems"] = problems_of(row)
    return {
        "place": inputs.place_title,
        "person": person,
        "household": household,
        "others": [m for m in members if m["person_id"] != person_id],
        "weight": chosen[0]["weight"] if chosen else None,
        "overrides": overrides_of(chosen[0].get("overrides")) if chosen else {},
        "profiles": written,
        "real": False,
    }


def _of(frame: pl.DataFrame | None, person_id: int) -> list[dict[str, Any]]:
    return [] if frame is None else frame.filter(pl.col("person_id") == person_id).to_dicts()


def plain_text(inputs: ReportInputs, person_id: int) -> str:
    """Return one citizen as lines of at most 96 characters; works whether or not their life was written."""
    document = show_document(inputs, person_id)
    lines = [_title(document), "=" * len(_title(document)), "A synthetic person, not real.", ""]
    for label, text in _facts(document):
        lines += textwrap.wrap(f"  {label:<20}{text}", WIDTH, subsequent_indent=" " * 22)
    lines += ["", "Personality (percentile among adults, IPIP-NEO-120)"]
    for trait, value, note in _traits(document):
        lines.append(f"  {trait.capitalize():<20}{_bar(value)}  {note}")
    lines += ["", *_household_lines(document)]
    for profile in document["profiles"]:
        lines += ["", *_story_lines(profile)]
    if not document["profiles"]:
        lines += ["", "No life was written for this person."]
    # Text of a model must not steer a terminal: control characters are shown, not sent.
    return clean("\n".join(lines))


def rich_view(inputs: ReportInputs, person_id: int) -> RenderableType:
    """Return one citizen as a rich renderable: a panel of facts, traits, household and story."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    document = show_document(inputs, person_id)
    facts = Table.grid(padding=(0, 2))
    for label, text in _facts(document):
        facts.add_row(Text(label, style="dim"), Text(clean(text)))
    traits = Table.grid(padding=(0, 2))
    for trait, value, note in _traits(document):
        traits.add_row(Text(trait.capitalize(), style="dim"), Text(_bar(value), style="cyan"), Text(note))
    parts: list[RenderableType] = [
        facts,
        Text(""),
        traits,
        Text(""),
        Text(clean("\n".join(_household_lines(document)))),
    ]
    for profile in document["profiles"]:
        parts += [Text(""), Text(clean("\n".join(_story_lines(profile))))]
    return Panel(
        Group(*parts), title=Text(clean(_title(document))), subtitle="a synthetic person, not real", width=WIDTH + 6
    )


def _title(document: Mapping[str, Any]) -> str:
    return f"{document['person']['name']}, {document['place']} (person {document['person']['person_id']})"


def _facts(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield from fact_rows(document["person"], document["household"])
    if document["weight"] is not None:
        yield "stands for", f"{document['weight']:,.0f} people"


def _traits(document: Mapping[str, Any]) -> Iterable[tuple[str, float, str]]:
    for trait in TRAITS:
        by_hand = trait in document["overrides"]
        value = float(document["overrides"].get(trait, document["person"][trait]))
        yield trait, value, trait_phrase(trait, value) + (" [set by hand]" if by_hand else "")


def _bar(value: float, width: int = 20) -> str:
    at = min(width - 1, int(value * width))
    return "·" * at + "●" + "·" * (width - 1 - at)


def _household_lines(document: Mapping[str, Any]) -> list[str]:
    others = member_lines(document["person"], document["household"], document["others"])
    if document["household"]["kind"] == "group_quarters":
        return ["Lives in group quarters."]
    if not others:
        return ["Lives alone."]
    return [f"Lives with {len(others)}:", *(f"  {line}" for line in others)]


def _story_lines(profile: Mapping[str, Any]) -> list[str]:
    head = f"Life written by {profile['engine']} ({profile['model']})"
    lines = [head, "-" * len(head)]
    if is_pocket(profile["engine"]):
        lines.append(POCKET)
    for field in ("job_title", *STORY):
        value = profile.get(field)
        if not value:
            continue
        text = "; ".join(value) if isinstance(value, list) else str(value)
        lines += textwrap.wrap(f"{_label(field)}: {text}", WIDTH, subsequent_indent="    ")
    for problem in profile["problems"]:
        known, said = (
            json.dumps(problem.get("known"), ensure_ascii=False),
            json.dumps(problem.get("written"), ensure_ascii=False),
        )
        lines.append(f"! {problem.get('rule')} in {problem.get('field')}: known {known}, written {said}")
    return lines


def _label(field: str) -> str:
    words = field.removeprefix("reflection_").replace("_", " ")
    return words.capitalize() if field in ProfileText.model_fields else f"Reflection on {words}"
