"""The part "questionnaire" of control: the same vectors answer the items that people are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cityfolk.evaluation.psychometrics.administration import Design
from cityfolk.evaluation.psychometrics.marks import questionnaire_marks
from cityfolk.personality.inventory import inventory
from cityfolk.stages import questionnaire
from cityfolk.stages.ask_control import AskOptions, adapter_in
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import Study
from cityfolk.types import Finding

NAME = "questionnaire"
DETAILS = "questionnaire_details"


def options_of(options: AskOptions) -> questionnaire.QuestionnaireOptions:
    """Return what is asked of the engines."""
    return replace(
        questionnaire.PRESETS[options.preset],
        engines=tuple(options.engines),
        persona=options.persona,
        seed=options.seed,
        limits=options.limits,
    )


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked: calls; with a study also what is open, tokens and cost."""
    asked = options_of(options)
    vectors = sum(int(word.partition(":")[2]) for word in asked.targets if ":" in word)
    forms = {
        "option_orders": asked.option_orders,
        "item_orders": asked.item_orders,
        "wordings": asked.wordings,
        "samples": asked.samples,
    }
    personas = sum(1 for name in options.engines if options.persona and adapter_in(name))
    everybody = len(asked.targets) - sum(":" in word for word in asked.targets) + vectors
    respondents = personas + (len(asked.engines) - personas) * everybody
    calls = sum(Design(instrument=one, **forms).calls(respondents) for one in asked.instruments)
    items = " and ".join(f"{len(inventory(one))} items of {one}" for one in asked.instruments)
    ways = len(Design(instrument=asked.instruments[0], **forms).forms)
    told: dict[str, Any] = {
        "calls": calls,
        "words": f"{items}, one call each, in {ways} way{'s' if ways > 1 else ''} of asking, "
        f"by {respondents:,} respondents: personalities, and each model without one",
    }
    if study is not None:
        told["asked"] = [questionnaire.plan_questionnaire(study, asked)]
    return told


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine answer: responses.parquet."""
    return questionnaire.give(study, options_of(options), step=step)


def has(study: Study) -> bool:
    """Say whether anybody answered a questionnaire."""
    return questionnaire.has_responses(study)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings `control.questionnaire.`; write the marks of their pictures."""
    step("evaluate questionnaire", 0, 1, "")
    found = questionnaire.questionnaire_evidence(study)
    study.write(DETAILS, details_frame(questionnaire_marks(study.read(questionnaire.TABLE))))
    step("evaluate questionnaire", 1, 1, "")
    return found
