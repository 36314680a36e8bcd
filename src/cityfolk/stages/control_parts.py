"""The parts that control is made of, joined: planned, asked and measured, each on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, Protocol

from cityfolk.errors import CityfolkError, IncompleteError, UsageError
from cityfolk.evaluation.adapted import without_adapter
from cityfolk.evaluation.feeling.classifiers import Classifier
from cityfolk.preferences.records import UNTARGETED
from cityfolk.stages import (
    control_bias,
    control_cost,
    control_culture,
    control_questionnaire,
    control_situations,
    control_stability,
    control_text,
)
from cityfolk.stages.ask_control import AskOptions, rounds
from cityfolk.stages.control_refusals import judge_of, replies_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Finding


class Part(Protocol):
    """One part: it plans, asks through the journal into a table of its own, and makes findings of what is there."""

    NAME: str

    def plan(self, options: AskOptions, study: Study | None = None) -> dict[str, Any]:
        """Say how much is asked, before: {"calls", "words"}."""

    def give(self, study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
        """Ask what is not answered yet: {"notices"}."""

    def has(self, study: Study) -> bool:
        """Say whether there is something to measure."""

    def evidence(self, study: Study, *, step: Step = quiet) -> list[Finding]:
        """Return the findings `control.`."""


PARTS: tuple[Part, ...] = (
    control_text,
    control_questionnaire,
    control_situations,
    control_stability,
    control_culture,
    control_bias,
    control_cost,
)


def parts_of(options: AskOptions) -> list[Part]:
    """Return the parts that are asked for: those named, else those of the preset; UsageError for an unknown name."""
    names = [part.NAME for part in PARTS]
    wrong = next((name for name in options.only if name not in names), None)
    if wrong is not None:
        raise UsageError(f"control has no part {wrong!r}", hint=f"one of {', '.join(names)}")
    wanted = options.only or options.size.parts or names
    if options.refusal_judge and control_cost.NAME not in wanted:
        raise UsageError(
            f"a refusal judge reads what the part {control_cost.NAME!r} asks, which is not among the parts asked for",
            hint=f"add --only {control_cost.NAME}, or ask for the preset full",
        )
    return [part for part in PARTS if part.NAME in wanted]


# ------------------------------------------------------------------------------------------------------------- planning


def plan_control(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked: {"preset", "engines", "parts": {name: its plan}, "calls", "usd"}.

    With a study also what its journal does not answer yet ("open"), and what that costs in US dollars where every
    model's price is known.
    """
    asked = rounds(options, study)
    shared = set(asked[0].engines)
    parts: dict[str, Any] = {}
    for part in parts_of(options):
        plans = []
        for number, one in enumerate(asked):
            # The models that lead every round are asked once.
            own = [name for name in one.engines if number == 0 or name not in shared]
            plans.append(part.plan(replace(one, engines=tuple(own)), study))
        estimates = [engine for plan in plans for some in plan.get("asked", ()) for engine in some["engines"]]
        known = all("asked" in plan for plan in plans)
        parts[part.NAME] = {
            "calls": sum(plan["calls"] for plan in plans),
            "words": plans[0]["words"],
            "open": sum(engine["calls"] for engine in estimates) if known else None,
            "usd": _sum([engine["usd"] for engine in estimates]) if known else None,
            "plans": plans,
        }
    return {
        "preset": options.preset,
        "engines": list(dict.fromkeys(name for one in asked for name in one.engines)),
        "personas": [one.persona for one in asked if one.persona],
        "parts": parts,
        "calls": sum(plan["calls"] for plan in parts.values()),
        "usd": _sum([plan["usd"] for plan in parts.values()]),
    }


def _sum(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else float(sum(value or 0.0 for value in values))


def plan_words(plan: Mapping[str, Any]) -> str:
    """Return a plan in lines: the whole, then each part."""
    whole = f"{plan['preset']}: {plan['calls']:,} calls of {', '.join(plan['engines'])}"
    lines = [whole + (f"; {_dollars(plan['usd'])}" if plan["usd"] is not None else "")]
    for name, part in plan["parts"].items():
        more = ""
        if part["open"] is not None:
            kept = part["calls"] - part["open"]
            more = f"; {part['open']:,} to be asked now" if kept > 0 else ""
            more += f"; {_dollars(part['usd'])}" if part["usd"] is not None else "; at a price that is not known"
        lines.append(f"  {name:<14} {part['calls']:>9,} calls  {part['words']}{more}")
    return "\n".join(lines)


def _dollars(amount: float) -> str:
    if amount == 0:
        return "it costs nothing"
    return f"about ${amount:,.2f}" if amount >= 0.01 else "less than a cent"


# --------------------------------------------------------------------------------------------------- asking, measuring


def ask_control(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Ask everything that is asked for: {"asked": names of parts, "notices", "failed": {part: error}}.

    What the study has already is not asked again. A part that fails, or one round of it, keeps no other from being
    asked; where all of them fail the first error is raised.
    """
    asked = rounds(options, study)
    chosen = parts_of(options)
    if options.refusal_judge:
        judge_of(options)  # a wrong name is told before anybody is asked
    notices: list[str] = []
    failed: dict[str, CityfolkError] = {}
    whole: list[str] = []
    for part in chosen:
        done = 0
        for one in asked:
            try:
                notices += part.give(study, one, step=step).get("notices", ())
                done += 1
            except CityfolkError as error:
                failed.setdefault(part.NAME, error)
        whole += [part.NAME] if done == len(asked) else []
    if chosen and not whole and not any(part.has(study) for part in chosen):
        raise next(iter(failed.values()))
    return {"asked": whole, "notices": list(dict.fromkeys(notices)), "failed": failed}


def has_parts(study: Study) -> bool:
    """Say whether a study holds anything of control that can be measured."""
    return any(part.has(study) for part in PARTS)


def measure_parts(
    study: Study, *, classifiers: Sequence[Classifier | str] = (), step: Step = quiet
) -> tuple[list[Finding], dict[str, CityfolkError]]:
    """Measure every part that there is; return the findings, and the errors of the parts that could not be measured.

    `classifiers`, loaded ones or names, go to the parts that read feelings and toxicity. Where no part can be measured
    the first error is raised.
    """
    found: list[Finding] = []
    failed: dict[str, CityfolkError] = {}
    for part in PARTS:
        if not part.has(study):
            continue
        try:
            more = {"classifiers": classifiers} if "classifiers" in signature(part.evidence).parameters else {}
            found += part.evidence(study, step=step, **more)
        except CityfolkError as error:
            failed[part.NAME] = error
    if failed and not found:
        raise next(iter(failed.values()))
    return on_one_sheet(found), failed


def unread(study: Study, classifiers: Sequence[Classifier]) -> list[str]:
    """Say which classifiers of toxicity have nothing to read, and how that is asked for."""
    if control_cost.has(study) and replies_of(study.read(control_cost.TABLE)).height:
        return []
    return [
        f"{one.name} reads toxicity in the replies that the part cost asks for, and there are none: ask for them with "
        f"`cityfolk evaluate {study.folder} control --preset quick --only cost --engine ENGINE`"
        for one in classifiers
        if one.reads == "toxicity" and has_parts(study)
    ]


def on_one_sheet(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings "NAME@READER|MODEL|CONDITION" in which an adapter is a condition of the model that it adapts.

    What an adapter says without a request is left out: the voice that counts is the model's own.
    """
    parts = [finding.id.partition("@")[2].split("|", 2) for finding in findings]
    bare: dict[str, str] = {}
    for part in parts:
        if len(part) == 3 and part[2] != UNTARGETED and (base := without_adapter(part[1], part[2])) != part[1]:
            bare[part[1]] = base
    found = []
    for finding, part in zip(findings, parts, strict=True):
        if len(part) < 3 or part[1] not in bare:
            found.append(finding)
        elif part[2] != UNTARGETED:
            name = finding.id.partition("@")[0]
            found.append(replace(finding, id=f"{name}@{part[0]}|{bare[part[1]]}|{part[2]}"))
    return found


def incomplete(study: Study, failed: Mapping[str, CityfolkError]) -> IncompleteError:
    """Return the error that says which parts failed, after the others are done."""
    said = "; ".join(f"{name}: {error}" for name, error in failed.items())
    hints = "; ".join(dict.fromkeys(error.hint for error in failed.values() if error.hint))
    return IncompleteError(f"of control {said}; the other parts are kept in {study.folder}", hint=hints)
