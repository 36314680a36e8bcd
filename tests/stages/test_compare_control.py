"""`compare` on studies of control: lines side by side, differences on what was asked alike, a page that says which."""

import pytest

from cityfolk.stages import compare_studies, measure
from cityfolk.study.folder import Study
from tests.preferences.tables import cube, world
from tests.reports.test_html import read
from tests.stages.test_compare import make
from tests.stages.test_pairs import study_of


def measured(folder, **more):
    made = world(1, **({"topics": 8, "each": 1, "targets": cube(12), "judges": ("one",), "samples": 1} | more))
    study_of(folder, made)
    with Study.open(folder) as study:
        measure(study, ["control"])
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("compared")
    return [measured(place / "near", off=0.2), measured(place / "far", off=1.2, model="other")]


def test_lines_stand_side_by_side_and_the_nearer_is_surely_nearer(folders, tmp_path):
    done = compare_studies(folders, out=tmp_path / "c.html")
    control = done["control"]
    lines = {row["arm"]: row for row in control["lines"]}
    assert set(lines) == {"near: prompted", "far: prompted"} and done["findings"] == []
    gap = {row["id"]: row for row in control["differences"]}["control.compare.mae@one|far: prompted|near: prompted"]
    assert gap["low"] > 0
    apart = lines["far: prompted"]["mae"]["value"] - lines["near: prompted"]["mae"]["value"]
    assert gap["value"] == pytest.approx(apart, abs=1e-6)  # both were asked the same
    assert "far: prompted less near: prompted, by one: +" in done["text"] and "surely" in done["text"]
    said = read((tmp_path / "c.html").read_text()).text
    assert "Use near: prompted." in said and "it is nearer than far: prompted by" in said
    assert "The evidence" not in said


def test_the_same_model_twice_has_no_winner(folders, tmp_path):
    twin = measured(tmp_path / "twin", off=0.2)
    done = compare_studies([folders[0], twin], out=tmp_path / "c.html")
    assert "no clear winner" in read((tmp_path / "c.html").read_text()).text
    assert all(row["value"] == pytest.approx(0.0, abs=1e-9) for row in done["control"]["differences"])


def test_what_was_asked_otherwise_is_not_subtracted(folders, tmp_path):
    other = measured(tmp_path / "other", targets=cube(12, seed=5))
    control = compare_studies([folders[0], other], out=tmp_path / "c.html")["control"]
    assert control["differences"] == [] and "not asked the same" in control["why"]
    assert "It was not asked what" in read((tmp_path / "c.html").read_text()).text


def test_studies_without_control_are_compared_as_before(folders, tmp_path):
    done = compare_studies([make(tmp_path, "a"), folders[0]])
    assert done["control"] == {}
