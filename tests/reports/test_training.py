"""The page of a training: pictures with the numbers of its files, no text becomes markup, a browser opens it.

The trainings are made up by a small simulation (tests/training/runs.py).
"""

import json
import re
from itertools import pairwise

import pytest

from cityfolk.reports import training_charts
from cityfolk.reports.training import build_training_page, write_training_page
from cityfolk.training.record import read_training
from tests.reports import browser
from tests.reports.test_html import HOSTILE, read
from tests.training.runs import write_run

MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return {kind: write_run(tmp_path_factory.mktemp(kind), kind=kind) for kind in ("persona", "vectors")}


@pytest.fixture(scope="module")
def pages(trained):
    return {kind: write_training_page(folder).read_text(encoding="utf-8") for kind, folder in trained.items()}


def test_every_curve_is_drawn_and_says_what_was_kept(pages, trained):
    read_back = read_training(trained["persona"])
    kept = f"at the kept step {read_back.best_step:,}"
    labels = [a["aria-label"] for _, a in read(pages["persona"]).tags if a.get("role") == "img" and "aria-label" in a]
    curves = [label for label in labels if kept in label]
    titles = ("Loss", "Accuracy", "Margin", "Distance from the base model", "Rewards", "Learning rate")
    for title in titles:
        assert sum(label.startswith(title) for label in curves) == 2, title  # for a laptop and for a phone
    for who in ("text rater", "grammar"):
        assert sum(label.startswith(f"Share of the way that was closed, by the {who}") for label in curves) == 2
    assert any(label.startswith("agreeableness: target 90, before 55, after ") for label in labels)
    loss = read_back.last("held-out", "loss")
    assert f"held-out {loss:.3g}" in next(label for label in curves if label.startswith("Loss"))


def test_control_is_by_trait_and_a_trait_that_was_not_measured_has_no_number(pages, trained):
    read_back = read_training(trained["persona"])
    rows = dict(
        re.findall(r"<tr><td>(\w+)</td><td class=\"num\">\w+</td><td class=\"num\">([^<]+)</td>", pages["persona"])
    )
    assert rows["Conscientiousness"] == "–"
    assert rows["Agreeableness"] == f"{100 * read_back.last('control', 'closed.agreeableness'):.0f}%"
    assert "rank correlation" in pages["vectors"] and "Share of the way" not in pages["vectors"]


def test_samples_stand_side_by_side(pages):
    seen = read(pages["persona"])
    assert sum(a.get("class", "").startswith("leaf") for _, a in seen.tags) == 3
    assert seen.text.count("Before") >= 3 and "I would tell them that I miss them" in seen.text
    assert "openness 10th, conscientiousness 90th" in read(pages["vectors"]).text


def test_no_text_becomes_markup(tmp_path, pages):
    text = " ".join(HOSTILE)
    folder = write_run(tmp_path / "x", kind="vectors", name=text, steps=1, every=1, target_name=text, stopped_by=text)
    samples = [
        {"when": w, "target_name": text, "target": [0.5] * 5, "question": text, "text": text} for w in ("before",)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    (folder / "recipe.toml").write_text(f"model = {json.dumps(text, ensure_ascii=True)}\n")
    seen = read(build_training_page(read_training(folder)))
    assert {name for name, _ in seen.tags} <= {name for name, _ in read(pages["vectors"]).tags}
    assert not any(key.startswith("on") for _, a in seen.tags for key in a)
    assert sum(name == "script" for name, _ in seen.tags) == 1


def test_pages_are_small_have_a_section_for_every_link_and_headings_in_order(pages):
    for page in pages.values():
        seen = read(page)
        assert len(page.encode()) < MOST_BYTES
        ids = [a["id"] for _, a in seen.tags if "id" in a]
        wanted = {a["href"][1:] for t, a in seen.tags if t == "a" and a.get("href", "").startswith("#")}
        assert len(ids) == len(set(ids)) and wanted <= set(ids)
        levels = [int(t[1]) for t, _ in seen.tags if re.fullmatch("h[1-6]", t)]
        assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
        policy = next(a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy


def test_a_training_that_left_little_has_a_page_all_the_same(tmp_path):
    folder = write_run(tmp_path / "x")
    for name in ("training.jsonl", "samples.jsonl", "recipe.toml", "adapter_config.json"):
        (folder / name).unlink()
    page = read(build_training_page(read_training(folder))).text
    for words in ("No step of this training was kept", "Control was not measured", "No samples were kept"):
        assert words in page


def test_a_long_training_is_thinned_and_keeps_its_mean_and_its_last_step():
    points = [(step, float(step % 7)) for step in range(1, 3201)]
    thinned = training_charts.thinned(points)
    assert len(thinned) == 400 and thinned[-1][0] == 3200
    assert sum(v for _, v in thinned) / 400 == pytest.approx(sum(v for _, v in points) / 3200)
    assert training_charts.thinned(points[:400]) == points[:400]


def test_the_trend_is_a_mean_that_leans_to_neither_side():
    points = [(step, 2.0 * step) for step in range(200)]
    assert all(trend == pytest.approx(value) for (_, value), trend in training_charts.with_trend(points))
    assert training_charts.with_trend(points[:1]) == [(points[0], points[0][1])]


def test_a_training_of_a_single_step_is_drawn(tmp_path):
    page = write_training_page(write_run(tmp_path / "short", steps=1, every=1)).read_text()
    assert not re.search(r'[="\s,](NaN|nan|Infinity|undefined)[",\s<]', page)


@pytest.mark.long
def test_a_browser_finds_no_error_no_request_and_no_barrier_at_either_width(trained, pages):
    browser.needed()
    for folder in trained.values():
        assert browser.checked(folder / "training.html", browser.turned)[1] == 1
