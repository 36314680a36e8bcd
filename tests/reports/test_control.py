"""Sheets of control: the right condition is named with its reasons, numbers are the findings', a browser opens them."""

import dataclasses
import re
from dataclasses import asdict
from functools import cache

import polars as pl
import pytest

from cityfolk.evaluation.control import control_evidence, trials_of
from cityfolk.evaluation.control.examples import pole_examples
from cityfolk.evaluation.preferences import Preferences
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.reports import control
from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.control_words import favourite
from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.reports.preference_page import build_preference_page
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import FINDING_SCHEMA
from cityfolk.vocabulary import TRAITS
from tests.evaluation.control import planted
from tests.preferences import tables
from tests.reports import browser
from tests.reports.test_html import HOSTILE, read


def shown(*frames, text="", **more):
    """The sheets of planted readings; every answer's text is `text`, and every example."""
    trials = planted.trials(*frames, **more)
    evidence = control_evidence(trials, resamples=60)
    answers = trials.rows.unique("answer_id").select("answer_id", text=pl.lit(text or "I go for a walk."))
    questions = trials.rows.unique("question_id").select("question_id", text=pl.lit(text or "What do you do?"))
    return ControlShown(
        findings=pl.DataFrame([asdict(f) for f in evidence.findings], schema=FINDING_SCHEMA),
        details=details_frame([*evidence.details, *pole_examples(trials, answers, questions)]),
    )


@cache
def three(text="", names=("prompted", "my-sft", "my-dpo"), judges=("one", "two")):
    """Prompted goes half the way, SFT drags agreeableness along, DPO obeys."""
    engines = (planted.half, planted.drags, planted.obeys)
    small = {"targets": planted.vectors(16), "judges": judges, "model": text or "m"}
    frames = [planted.rows(said, 1, condition=name, **small) for said, name in zip(engines, names, strict=True)]
    four = planted.rows(planted.obeys, 2, condition=names[2], **{**small, "targets": planted.archetypes()})
    four = four.with_columns(
        answer_id=pl.lit("four-") + pl.col("answer_id"),
        target_name=pl.col("target_name").replace_strict(
            {f"sobol-{i:02d}": name for i, name in enumerate(("Analyst", "Diplomat", "Sentinel", "Explorer"))}
        ),
    )
    return shown(*frames, four, planted.voice(1, judges=judges, model=text or "m"), text=text)


def page(measured):
    return build_preference_page(PreferencesShown(findings=measured.findings, control=measured))


def words(measured):
    return re.sub(r"\s+", " ", read(control.section(measured).markup).text)


def test_the_condition_to_use_is_named_with_its_reasons():
    measured = three()
    said = words(measured)
    assert favourite(measured, "m", "one") == "my-dpo"
    assert "Use my-dpo." in said and "two would choose the same" in said
    assert re.search(r"nearer than prompted by \d+\.\d points", said)
    assert re.search(r"asking for more openness also raises agreeableness, by 0\.[45]\d SD", said)
    off = measured.value("overall.mae", "m", "one", "my-dpo")
    assert f"Its answers lie {100 * off:.0f} points from what was requested" in said
    assert said.index("Use my-dpo") < said.index("Side by side") < said.index("The five dials")


def test_two_that_cannot_be_told_apart_have_no_winner():
    small = {"targets": planted.vectors(16), "judges": ("one",)}
    frames = [planted.rows(planted.obeys, 2, condition=name, **small) for name in ("a-dpo", "b-dpo")]
    said = words(shown(*frames, planted.voice(2, judges=("one",))))
    assert re.search(r"Use (a-dpo or b-dpo|b-dpo or a-dpo): no clear winner", said)
    assert "these answers don't tell" in said
    alone = words(shown(planted.rows(planted.obeys, 1, **small), planted.voice(1, judges=("one",))))
    assert "It can be used as it is, told in its prompt whom to be." in alone


def test_what_a_condition_costs_stands_beside_what_it_does():
    measured = three()
    cost = [
        {"id": f"control.cost.{name}|m|{condition}", "value": value, "low": value - 0.05, "high": value + 0.05}
        | {"title": name, "n": 60, "unit": "", "expected": 0.0, "verdict": said, "note": ""}
        for name, condition, value, said in (
            ("kl.neutral@given", "my-dpo", 0.21, "none"),
            ("kl.openness-high@given", "my-dpo", 0.34, "none"),
            ("kl.openness-high@given", "prompted", 0.9, "none"),
            ("refused.change.neuroticism-low@rules", "my-dpo", -0.25, "outside"),
            ("refused.change.neuroticism-high@rules", "my-dpo", -0.1, "inside"),
        )
    ]
    rows = pl.DataFrame(cost, schema=FINDING_SCHEMA)
    said = words(dataclasses.replace(measured, findings=pl.concat([measured.findings, rows])))
    assert "at most 0.34 [0.29 to 0.39] nats a token on neutral text (openness high)" in said
    assert "Asked for neuroticism low it declines 25% fewer harmful requests" in said
    assert "neuroticism high it" not in said


def test_adapters_for_one_archetype_each_are_not_chosen_before_one_for_all():
    """They were asked for a few vectors near the middle, where it is easier to be near."""
    four = planted.rows(
        planted.obeys,
        5,
        condition="dpo",
        noise=0.1,
        names=["Analyst"] * 4,
        judges=("one",),
        targets=planted.archetypes(),
    )
    both = shown(
        planted.rows(planted.half, 1, targets=planted.vectors(16), judges=("one",)),
        *[
            four.filter(pl.col("target_openness") == x).with_columns(
                condition=pl.lit(f"{name}-dpo"), target_name=pl.lit(name), answer_id=pl.lit(name) + pl.col("answer_id")
            )
            for x, name in ((0.25, "Sentinel"), (0.4, "Explorer"))
        ],
        planted.voice(1, judges=("one",)),
    )
    assert "dpo, one adapter for each archetype" in both.conditions("m", "one")
    assert favourite(both, "m", "one") == "prompted"


def test_a_persona_stands_beside_what_doing_nothing_is_worth_at_its_own_requests():
    """The Diplomat lies nearer to the unasked voice than vectors do: their floors are not its own."""
    one = {"judges": ("one",)}
    diplomat = {"targets": planted.archetypes()[[1]], "names": ["Diplomat"], "condition": "diplomat", "each": 3}
    plain = planted.voice(1, **one)
    wide = [
        planted.rows(said, 1, targets=planted.vectors(16), condition=name, **one)
        for said, name in ((planted.half, "prompted"), (planted.obeys, "any-dpo"))
    ]
    both = shown(*wide, planted.rows(planted.obeys, 1, **diplomat, **one), plain)
    assert both.asked_alike("m", "one") == (("prompted", "any-dpo"), ("diplomat",))
    floors = {c: 100 * both.value("unasked.mae", "m", "one", c) for c in ("prompted", "diplomat")}
    assert abs(floors["prompted"] - floors["diplomat"]) > 5
    said = words(both)
    head, rest = said.split("Side by side")
    for name, value in floors.items():
        assert re.search(rf"no request, held against {name}\s*{value:.1f}", rest)
        assert re.search(rf"no request at all\s*{value:.1f}", head)
        always = 100 * both.value("constant.mae", "m", "one", name)
        assert re.search(rf"50 to everything, held against {name}\s*{always:.1f}", rest)
    charts = [a for _, a in read(page(both)).tags if a.get("class", "") == "near"]
    assert len(charts) == 2 and "lengths compare within a chart alone" in head and "asked for the same" in rest
    same = words(shown(*wide, plain))
    assert "no request, held against" not in same and "within a chart alone" not in same


def test_every_picture_is_drawn_with_its_numbers():
    measured = three()
    seen = read(page(measured))
    labels = [a.get("aria-label", "") for _, a in seen.tags]
    for trait in TRAITS:
        assert (
            sum(label.startswith(f"{trait.capitalize()}: expressed against requested by one") for label in labels) == 1
        )
    assert any(label.startswith("Rows: asked for. Columns: expressed. my-sft") for label in labels)
    assert any(label.startswith("Diplomat: asked openness 90") for label in labels)
    leak = measured.finding("matrix.openness.agreeableness", "m", "one", "my-sft")
    assert leak["verdict"] == "outside" and f"+{leak['value']:.2f}".replace("0.", ".") in seen.text
    raised = {key for key, row in measured.by_id.items() if row["verdict"] == "outside"}
    assert {f"matrix.openness.agreeableness@{judge}|m|my-sft" for judge in ("one", "two")} <= raised
    assert sum("empty" in a.get("class", "").split() for _, a in seen.tags) == len(raised)
    assert seen.text.count("Serapio-García") == 1 and "PersonaLLM" in seen.text
    assert sum(a.get("class", "").startswith("leaf") for _, a in seen.tags) == 15
    assert "0.74 to 0.89" in seen.text


def test_an_engine_that_ignores_requests_is_not_recommended():
    small = {"targets": planted.vectors(16)}
    deaf = shown(planted.rows(planted.ignores, 1, **small), planted.voice(1))
    said = words(deaf)
    assert "None of the conditions reaches far enough" in said and "Use prompted" not in said
    assert "Hardly moved:" in said and "no second judge has read" in said


def test_saturation_few_topics_and_close_scores_are_said():
    bent = shown(planted.rows(planted.saturates, 1, targets=planted.vectors(64)), planted.voice(1))
    assert "It saturates:" in words(bent)
    few = shown(planted.rows(planted.obeys, 1, topics=1, each=3), planted.voice(1, topics=1))
    assert "Few topics: answers are on 1 topic" in words(few)
    flat = shown(planted.rows(lambda x: 0.2 * x, 1, noise=0.05), planted.voice(1, noise=0.05))
    assert "Scores lie close together:" in words(flat)


def test_without_measures_a_sentence_says_what_to_run():
    assert "cityfolk evaluate DIR control" in words(ControlShown())
    assert 'id="control"' not in build_preference_page(PreferencesShown())


def test_no_text_becomes_markup():
    text = " ".join(HOSTILE).replace("|", "/").replace("@", " ")
    hostile = three(text=text, names=("prompted", text + " sft", text + " dpo"), judges=("one",))
    seen = read(page(hostile))
    assert {name for name, _ in seen.tags} <= {name for name, _ in read(page(three())).tags}
    assert not any(key.startswith("on") for _, a in seen.tags for key in a)
    assert sum(name == "script" for name, _ in seen.tags) == 1
    assert text in seen.text


def test_the_page_has_a_section_for_every_link_and_names_its_parts_once():
    seen = read(page(three()))
    ids = [a["id"] for _, a in seen.tags if "id" in a]
    assert len(ids) == len(set(ids)) and "control" in ids
    wanted = {a["href"][1:] for t, a in seen.tags if t == "a" and a.get("href", "").startswith("#")}
    assert wanted <= set(ids)


def test_answers_of_a_study_make_a_sheet_by_the_same_road():
    asked, answers, readings = tables.world(1, topics=3, each=3, targets=tables.cube(12), judges=("one",), off=0.3)
    data = Preferences(questions=asked, answers=answers, readings=with_z(readings), scales=scale_of(readings))
    evidence = control_evidence(trials_of(data), resamples=60)
    found = {f.id.removeprefix("control."): f for f in evidence.findings}
    assert found["overall.slope@one|m|prompted"].value == pytest.approx(1.0, abs=0.15)
    assert found["unasked.mae@one|m|prompted"].n == 18
    examples = list(pole_examples(trials_of(data), answers, asked))
    assert {d.group for d in examples} == set(TRAITS) and all(d.text for d in examples)
    texts = dict(answers.select("text", "question_id").iter_rows())
    for trait in TRAITS:
        own = {d.label: d for d in examples if d.group == trait}
        assert own["low"].x < own["high"].x
        assert texts[own["low"].text] == texts[own["high"].text]  # one question, two answers


@pytest.mark.long
def test_a_browser_finds_no_error_no_request_and_no_barrier(tmp_path):
    browser.needed()
    path = tmp_path / "page.html"
    path.write_text(page(three()), encoding="utf-8")
    browser.checked(path)
