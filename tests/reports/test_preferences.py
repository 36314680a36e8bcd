"""The page of preference data: every picture drawn, nothing of a model's becomes markup, a real browser opens it."""

import dataclasses
import re
from dataclasses import asdict
from itertools import pairwise

import polars as pl
import pytest

from cityfolk.evaluation.judges import judges_findings
from cityfolk.evaluation.preferences import Preferences, preference_evidence
from cityfolk.preferences.judging.scale import scale_of, with_z
from cityfolk.preferences.pairs import make_pairs
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.reports import preferences
from cityfolk.reports.page import build_report
from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.reports.preference_page import build_preference_page
from cityfolk.stages.text import details_frame
from cityfolk.study.folder import FINDING_SCHEMA
from cityfolk.vocabulary import TRAITS
from tests.preferences.tables import ARCHETYPES, cube, world
from tests.reports import browser
from tests.reports.cases import study
from tests.reports.test_html import HOSTILE, read

MOST_BYTES = 3_000_000


def shown(*, text="", same=False):
    """A small study, measured; with `text` every text of a model and every name is that."""
    asked, answers, readings = world(2, topics=4, each=3, targets={**ARCHETYPES, **cube(8)}, judges=("one", "two"))
    pairs = make_pairs(asked, answers, readings).table
    if text:
        asked = asked.with_columns(text=pl.lit(text), domain=pl.lit(text))
        answers = answers.with_columns(text=pl.lit(text) + pl.col("text"))
    if same:
        readings = readings.with_columns(same_family=pl.col("judge") == "two")
    seen, scales = with_z(readings), scale_of(readings)
    data = Preferences(questions=asked, answers=answers, readings=seen, scales=scales, pairs={"all": pairs})
    evidence = preference_evidence(data)
    words = answers.select("answer_id", "question_id", *TARGET_COLUMNS, words=pl.col("text").str.count_matches(r"\S+"))
    found = [*evidence.findings, *judges_findings(words, seen, scales)]
    return PreferencesShown(
        findings=pl.DataFrame([asdict(f) for f in found], schema=FINDING_SCHEMA),
        details=details_frame(evidence.details),
        versions={"cityfolk": "9"},
        seed=3,
    )


@pytest.fixture(scope="module")
def measured():
    return shown()


def test_every_part_is_drawn(measured):
    seen = read(build_preference_page(measured))
    for words in ("Asked", "Expressed", "Chosen", "Covered", "Sound", "Judged", "Checks", "Pairs to read", "Copies"):
        assert words in seen.text, words
    labels = [a.get("aria-label", "") for _, a in seen.tags]
    for judge in ("one", "two"):
        for trait in TRAITS:
            assert sum(label.startswith(f"{trait.capitalize()} by {judge}: expressed") for label in labels) == 1
    for name in ("Analyst", "Diplomat", "Sentinel", "Explorer"):
        assert any(label.startswith(f"Words of {name}") for label in labels)
    assert sum(a.get("class", "").startswith("leaf") for _, a in seen.tags) == 10
    corners = [a for _, a in seen.tags if re.fullmatch("(O.C.E.A.N.)", a.get("title", ""))]
    assert len(corners) == 32


def test_numbers_on_the_page_are_those_of_the_findings(measured):
    page = build_preference_page(measured)
    rho = measured.finding("control.spearman.openness@one")["value"]
    assert f"ρ = {rho:.2f}" in page
    counts = {m["label"]: m["value"] for m in measured.marks("corner")}
    assert sum(counts.values()) == measured.value("count")
    # Twelve targets cannot fill 32 corners, and the page says so.
    assert measured.finding("coverage.corners")["verdict"] == "outside" and "✗ outside" in page


def test_a_judge_of_the_generators_family_is_said_first(measured):
    page = build_preference_page(shown(same=True))
    assert page.index("Judge and generator are of one family") < page.index("A model was asked open questions")
    told = dataclasses.replace(measured, notices=("SAME FAMILY: x judges what y wrote",))
    assert "x judges what y wrote" in build_preference_page(told)
    assert "of one family" not in build_preference_page(measured)


def test_without_measures_a_sentence_says_what_to_run():
    assert "cityfolk evaluate DIR pairs" in read(preferences.section(PreferencesShown()).markup).text
    assert "What the pairs hold" in build_preference_page(PreferencesShown())


def test_no_text_becomes_markup(measured):
    text = " ".join(HOSTILE)
    seen = read(build_preference_page(shown(text=text), title=text))
    assert {name for name, _ in seen.tags} <= {name for name, _ in read(build_preference_page(measured)).tags}
    assert not any(key.startswith("on") for _, a in seen.tags for key in a)
    assert sum(name == "script" for name, _ in seen.tags) == 1
    assert text in seen.text


def test_pages_are_small_and_have_a_section_for_every_link(measured):
    whole = build_report(dataclasses.replace(study(), preferences=measured))
    assert 'id="preferences"' in whole and 'id="preferences"' not in build_report(study())
    for page in (build_preference_page(measured), whole):
        seen = read(page)
        assert len(page.encode()) < MOST_BYTES
        ids = [a["id"] for _, a in seen.tags if "id" in a]
        assert len(ids) == len(set(ids))
        wanted = {a["href"][1:] for t, a in seen.tags if t == "a" and a.get("href", "").startswith("#")}
        assert wanted - set(ids) <= {w for w in wanted if w.startswith("citizen-")}
        levels = [int(t[1]) for t, _ in seen.tags if re.fullmatch("h[1-6]", t)]
        assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))


@pytest.mark.long
def test_a_browser_finds_no_error_no_request_and_no_barrier_and_turns_the_leaves(measured, tmp_path):
    browser.needed()
    path = tmp_path / "page.html"
    path.write_text(build_preference_page(measured), encoding="utf-8")
    assert browser.checked(path, browser.turned) == (0, 1)
