"""The evidence on a page: every picture drawn for one source and for several, in a real browser where there is one."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from cityfolk.reports import cloud, evidence, evidence_margins
from cityfolk.reports.evidence_inputs import EMPTY_DETAILS, Shown
from cityfolk.reports.evidence_page import EvidencePage, build_evidence_page
from cityfolk.reports.page import build_report
from cityfolk.study.folder import FINDING_SCHEMA
from cityfolk.vocabulary import TRAITS
from tests.reports import browser
from tests.reports.cases import finding, study
from tests.reports.test_html import HOSTILE, read

MOST_BYTES = 15_000_000


def spread(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def truth(text):
    for group in ("official", "drawn", "written"):
        for band in ("20..24", "25..64", "65.."):
            for sex in ("male", "female"):
                yield "true.margin.age.S0101", {"group": group, "label": f"{band}, {sex}", **spread(0.15)}
        for label in ("high school", "bachelor's"):
            yield "true.margin.education.S0501", {"group": group, "label": label, **spread(0.5)}
    yield "true.contradicted", {"group": "age", "label": "12", "text": text}


def variety(text):
    for field in ("general_description", "personality_description"):
        for i in range(30):
            yield "variety.words", {"group": field, "label": f"{text}{i}", "value": 1 / (i + 1)}
        yield "variety.values", {"group": field, "label": text, "value": 0.2}
    for x in np.linspace(0, 0.5, 9):
        yield "variety.similarity", {"x": float(x), "value": 0.1}
        yield "variety.jaccard", {"x": float(x), "value": 0.1}
    for which in ("most.1", "least.1", "most.2"):
        for person in ("3", "4"):
            yield "variety.alike", {"group": which, "label": person, "value": 0.4, "text": text * 40}


def personality(_):
    g = np.random.default_rng(5)
    for trait in TRAITS:
        for i in range(12):
            yield f"personal.scatter.{trait}", {"label": str(i), "x": float(g.random()), "value": float(g.integers(5))}
        for i in range(10):
            yield f"personal.curve.{trait}", {"label": str(i), "x": i / 10 + 0.05, **spread(0.5)}


def feeling_and_fairness(text):
    for i, emotion in enumerate(("joy", "anger", "neutral", text)):
        yield "feeling.emotion", {"group": "lexicon", "label": emotion, **spread(0.1 * i)}
    for field in ("all fields", "family"):
        yield "feeling.sentiment", {"label": field, **spread(0.1)}
    for group in ("sentiment", "agency", "emotion.joy"):
        yield "fairness.sex", {"group": group, "label": "women", "x": 0.01, "text": "9 people", **spread(0.3)}
        yield "fairness.age", {"group": group, "label": "18 to 34", "x": 0.9, "text": "9 people", **spread(-0.1)}
    for i in range(12):
        word = {"group": "women", "label": f"{text}{i}", "x": 9.0, "value": 5.0 - i / 4, "text": "sex"}
        yield "fairness.words", word


def marks(sources, text="plain words"):
    """One of every mark that the pictures are drawn from."""
    empty = dict.fromkeys(EMPTY_DETAILS.columns) | {"label": "", "group": "", "text": ""}
    rows = [
        {**empty, "name": name, "source": source, **mark}
        for source in sources
        for part in (truth, variety, personality, feeling_and_fairness)
        for name, mark in part(text)
    ]
    return pl.DataFrame(rows, schema=EMPTY_DETAILS.schema)


def numbers(sources):
    several = len(sources) > 1
    rows = []
    for source in sources:
        at = f"@{source}" if several else ""
        rows += [
            finding(
                f"text.true.contradicted.{field}{at}",
                field,
                share,
                low=share / 2,
                high=share + 0.02,
                n=200,
                unit="share",
                expected=0.01,
                verdict="outside" if share > 0.01 else "inside",
            )
            for field, share in (("age", 0.05), ("sex", 0.0))
        ]
        rows += [
            finding(f"text.variety.vendi{at}", "Vendi", 158.1, low=157.0, high=159.0, n=200, unit="profiles"),
            finding(f"text.variety.values.general_description{at}", "Different", 0.9, n=200, unit="share"),
        ]
        for trait in TRAITS:
            rows.append(
                finding(
                    f"text.personal.correlation.{trait}{at}", "r", 0.8, low=0.7, high=0.9, n=200, unit="r", note="rater"
                )
            )
    return pl.DataFrame(rows, schema=FINDING_SCHEMA)


def shown(*sources, text="plain words"):
    return Shown(findings=numbers(sources), details=marks(sources, text), sources=sources)


@pytest.mark.parametrize("sources", [("pocket",), ("alpha", "beta: with a long name")], ids=["one", "two"])
def test_every_picture_is_drawn(sources):
    seen = read(evidence.section(shown(*sources)).markup)
    for heading in (
        "Alarms",
        "At a glance",
        "What contradicts the facts",
        "Age and sex",
        "Education",
        "The words that descriptions are made of",
        "How alike profiles are",
        "Field by field",
        "The most and the least alike",
        "Emotions",
        "Sentiment by field",
        "Asked for and heard",
        "Group differences",
        "Words that one group is given",
    ):
        assert heading in seen.text, heading
    labels = [a["aria-label"] for name, a in seen.tags if name == "svg"]
    assert len([x for x in labels if "expressed against drawn" in x]) == 5 * len(sources)
    assert all(source in seen.text for source in sources)
    assert not re.search(r"\b(None|nan|NaN)\b", seen.text.replace("None of", ""))


def test_alarms_are_counted_and_named():
    text = read(evidence.section(shown("pocket")).markup).text
    assert "Alarms raised: 1 of 2." in text


def test_without_details_a_sentence_says_what_to_run():
    bare = Shown(findings=numbers(("a",)), details=EMPTY_DETAILS, sources=("a",))
    assert "cityfolk evaluate DIR text" in read(evidence.section(bare).markup).text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text):
    clean, hostile = (read(evidence.section(shown("a", "b", text=t)).markup) for t in ("plain", text))
    assert {name for name, _ in hostile.tags} == {name for name, _ in clean.tags}
    assert not any(key.startswith("on") for _, attributes in hostile.tags for key in attributes)


# -- word clouds -----------------------------------------------------------------------------------------------------


def test_no_word_covers_another_and_all_lie_inside():
    g = np.random.default_rng(1)
    words = [("w" * int(n), float(v)) for n, v in zip(g.integers(2, 14, 60), g.random(60), strict=True)]
    placed = cloud.place(words)
    boxes = []
    for word, x, y, size in placed:
        wide, tall = cloud.word_width(word, size), size
        boxes.append((x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2))
    assert len(boxes) >= 15
    for i, a in enumerate(boxes):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= cloud.WIDTH and a[3] <= cloud.HEIGHT
        assert not any(cloud._overlap(a, b) for b in boxes[:i])


def test_a_cloud_is_the_same_in_any_order_and_sized_by_the_root_of_the_weight():
    words = [("tall", 1.0), ("small", 0.25), ("none", 0.0)]
    assert cloud.place(words) == cloud.place(words[::-1])
    sizes = {word: size for word, _, _, size in cloud.place(words)}
    assert sizes["tall"] == pytest.approx(2 * sizes["small"]) and "none" not in sizes
    assert cloud.place([]) == [] and cloud.cloud([], label="x", colours=("ink",)) is None


# -- official shares -------------------------------------------------------------------------------------------------


def test_drawn_facts_are_weighted_and_official_shares_come_from_one_table():
    who = "persons|age=16..|employment=employed"
    tables = pl.DataFrame(
        {
            "table": ["T"] * 3,
            "universe": [who] * 3,
            "dimensions": ["industry=manufacturing", "industry=information", "industry=manufacturing;information"],
            "measure": ["count"] * 3,
            "estimate": [300.0, 100.0, 400.0],
            "moe90": [40.0, None, 1.0],
        }
    )
    cells = evidence_margins._official(tables, who, "industry=")
    assert [(c["label"], c["value"], c["low"], c["high"]) for c in cells] == [
        ("manufacturing", 0.75, 0.65, 0.85),
        ("information", 0.25, 0.25, 0.25),
    ]
    people = pl.DataFrame(
        {
            "person_id": range(20),
            "age": [30] * 20,
            "employment": ["employed"] * 20,
            "industry": ["manufacturing"] * 10 + ["information"] * 10,
        }
    )
    given = Shown(
        findings=numbers(("a",)),
        details=EMPTY_DETAILS,
        sources=("a",),
        profiles=pl.DataFrame({"person_id": range(20), "engine": ["a"] * 20}),
        people=people,
        weights={i: 3.0 if i < 10 else 1.0 for i in range(20)},
        tables=tables,
    )
    found = evidence_margins._standing(given, "industry", cells, pl.col("age") > 15)
    assert [mark["value"] for mark in found] == pytest.approx([0.75, 0.25])


def test_labels_of_ages_and_amounts():
    assert [evidence_margins._label(t) for t in ("20..24", "85..", "..4", "male")] == [
        "20–24",
        "85+",
        "under 4",
        "male",
    ]
    said = [evidence_margins._cell_label(f"earnings_usd={r}") for r in ("1..9999", "10000..14999", "75000..")]
    assert said == ["under $10k", "$10k–$15k", "$75k or more"]


# -- whole pages, in a browser ---------------------------------------------------------------------------------------


def pages():
    two = shown("alpha", "beta")
    whole = dataclasses.replace(
        study(), details=marks(("pocket",)), findings=pl.concat([study().findings, numbers(("pocket",))])
    )
    account = {
        "column": "Bio",
        "became": "text bio",
        "values": 3,
        "understood": 3,
        "guessed": True,
        "examples": [],
        "note": "",
    }
    return {
        "report": build_report(whole),
        "imported": build_evidence_page(
            EvidencePage(heading="Others", lead="Read.", shown=two, counts=(("3", "profiles"),), accounts=[account])
        ),
    }


def test_pages_are_small_whole_and_have_a_section_for_every_link():
    for name, page in pages().items():
        seen = read(page)
        assert len(page.encode()) < MOST_BYTES
        ids = [a["id"] for _, a in seen.tags if "id" in a]
        assert len(ids) == len(set(ids)), name
        wanted = {a["href"][1:] for t, a in seen.tags if t == "a" and a.get("href", "").startswith("#")}
        assert wanted - set(ids) <= {w for w in wanted if w.startswith("citizen-")}, name
        # What a reader without a mouse or a screen needs; axe looks for more where there is a browser.
        assert all("aria-label" in a for t, a in seen.tags if t == "svg" and a.get("role") == "img")
        assert all(
            a.get("tabindex") == "0" for t, a in seen.tags if "scroll" in a.get("class", "").split() and "role" in a
        )
        levels = [int(t[1]) for t, _ in seen.tags if re.fullmatch("h[1-6]", t)]
        assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels)), name


@pytest.mark.long
def test_a_browser_finds_no_error_no_request_and_no_barrier(tmp_path):
    browser.needed()
    for name, page in pages().items():
        path = tmp_path / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        browser.checked(path)
