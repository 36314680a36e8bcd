"""The questionnaire's section of a sheet: its sentence is the findings', and what was not asked is not drawn."""

import re

import polars as pl
import pytest

from cityfolk.reports import control
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.control_questionnaire import cards, verdict
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS
from cityfolk.study.folder import FINDING_SCHEMA
from cityfolk.vocabulary import TRAITS
from tests.reports.test_html import read


def finding(name, value, low=None, high=None, **more):
    row = {"id": f"control.questionnaire.{name}", "title": name, "value": value, "low": low, "high": high}
    return row | {"n": 64, "unit": "", "expected": None, "verdict": "none", "note": ""} | more


def shown(*rows, marks=(("m", "prompted", "m"),), dials=()):
    sheet = [
        {"name": "control.questionnaire.sheet", "source": f"{model}|{condition}", "label": label, "value": 64.0}
        | {"text": "IPIP-NEO-120"}
        for model, condition, label in marks
    ]
    return ControlShown(
        findings=pl.DataFrame(list(rows), schema=FINDING_SCHEMA),
        details=pl.DataFrame([*sheet, *dials], schema=EMPTY_DETAILS.schema),
    )


def five(measure, values, width=0.05, label="m"):
    return [
        finding(f"{label}.{trait}.{measure}", value, value - width, value + width)
        for trait, value in zip(TRAITS, values, strict=True)
    ]


def text(measured):
    return re.sub(r"\s+", " ", read("".join(card.markup for card in cards(measured, "m"))).text)


EVEN, ONE = (0.90, 0.92, 0.95, 0.90, 0.91), (0.90, 0.92, 0.95, 0.40, 0.91)
NONE, LOOSE = (0.1, 0.0, -0.2, 0.3, 0.1), (0.9, 0.2, 0.9, 0.9, 0.3)


@pytest.mark.parametrize(
    ("ranks", "inner", "leaning", "refused", "said", "unsaid"),
    [
        (EVEN, EVEN, 0.0, 0.0, ("scores follow requests", "0.90 to 0.95", "go together"), "below"),
        (ONE, EVEN, 0.0, 0.0, ("surely below 0.80 in agreeableness.",), "extraversion"),
        (NONE, LOOSE, 0.0, 0.0, ("hardly follow", "conscientiousness and neur"), "go together:"),
        (EVEN, EVEN, 0.4, 0.2, ("leans to agree, by 0.40", "20.0% of its answers are refusals"), "neither"),
        (EVEN, EVEN, -0.4, 0.0, ("leans to disagree, by 0.40",), "refusals"),
    ],
)
def test_the_sentence_says_what_the_findings_say(ranks, inner, leaning, refused, said, unsaid):
    rows = [*five("spearman", ranks), *five("alpha", inner)]
    rows += [
        finding("m.acquiescence", leaning, leaning - 0.05, leaning + 0.05),
        finding("m.refused", refused, 0.0, 0.3),
    ]
    measured = shown(*rows)
    words = verdict(measured, measured.sheets("m")[0]).replace("; alpha", ".; alpha")
    assert all(part in words for part in said) and unsaid not in words


def test_numbers_stand_with_their_intervals_and_people_with_their_norms():
    rows = [*five("spearman", (0.9,) * 5), finding("m.bleed.size", 0.07, 0.02, 0.12)]
    rows += [finding("m.population.mean.openness", 0.51, 0.5, 0.52, title="Mean openness (answered)", expected=0.5)]
    rows += [finding("m:untargeted.openness.voice", 0.71, 0.6, 0.8)]
    said = text(shown(*rows, marks=(("m", "prompted", "m"), ("m", "untargeted", "m:untargeted"))))
    assert "0.07 0.02 to 0.12" in said and "0.90 0.85 to 0.95" in said
    assert "Mean openness (answered)" in said and "the people of the city" in said
    assert "71.0 60.0 to 80.0" in said and "asked for nobody" in said


def test_an_adapter_for_one_personality_is_held_against_what_it_was_made_for():
    rows = [
        finding(f"m+d.{trait}.at.Diplomat", 0.5, 0.4, 0.6, expected=wanted)
        for trait, wanted in zip(TRAITS, (0.9, 0.5, 0.45, 0.9, 0.6), strict=True)
    ]
    said = text(shown(*rows, marks=(("m", "one adapter for each archetype", "m+d"),)))
    assert "Adapters for one personality" in said and "50.0 40.0 to 60.0 (90)" in said
    assert "Requested against scored" not in said


def test_a_questionnaire_alone_makes_a_sheet_and_none_makes_nothing():
    dials = [
        {"name": f"control.questionnaire.dial.{trait}", "source": "m|prompted", "label": "8", "x": x, "value": x}
        for trait in TRAITS
        for x in (0.2, 0.8)
    ]
    measured = shown(*five("spearman", (0.9,) * 5), dials=dials)
    page = read(control.section(measured).markup)
    assert "The questionnaire" in page.text and measured.models == ("m",)
    labels = [a.get("aria-label", "") for _, a in page.tags]
    assert sum("scored by questionnaire against requested; prompted" in label for label in labels) == 5
    assert list(cards(ControlShown(), "m")) == []
