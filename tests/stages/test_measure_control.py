"""`evaluate DIR control` on written answers: the grammar as an engine with a dial, read by the rater and the truth."""

import json
import subprocess
import sys

import polars as pl
import pytest

from cityfolk.errors import UsageError
from cityfolk.stages import measure
from cityfolk.stages.control_lines import control_text
from cityfolk.stages.pages import make_report
from cityfolk.study.folder import Study
from tests.evaluation.control import planted, written
from tests.preferences.tables import cube, world
from tests.stages.test_pairs import study_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Half the way by prompt, all of it by an adapter, on eight topics: 33 + 24 answers a topic."""
    conditions = {"prompted": planted.half, "vectors-dpo": planted.obeys}
    made = written.tables(8, 12, conditions)
    return written.study_of(tmp_path_factory.mktemp("control") / "s", made)


def test_written_answers_are_measured_by_both_judges_and_against_true_texts(folder):
    with Study.open(folder) as study:
        done = measure(study, ["control"])
        found = {row["id"].removeprefix("control."): row for row in study.findings().iter_rows(named=True)}
        page = make_report(study).read_text(encoding="utf-8")
        marks = study.read("control_details")
    # What the grammar wrote the grammar reads: a little cautious, and the adapter goes twice as far as the prompt.
    half, whole = (found[f"overall.slope@grammar|pocket-1|{c}"]["value"] for c in ("prompted", "vectors-dpo"))
    assert 0.38 < half < 0.55 and 0.85 < whole < 1.05
    gap = found["difference.slope@grammar|pocket-1|prompted|vectors-dpo"]
    assert gap["high"] < -0.3
    # The rater swallows part of every request; over its own slope on true texts the dial is what it is.
    for trait in ("openness", "extraversion", "neuroticism"):
        one = found[f"relative.{trait}@rater|pocket-1|vectors-dpo"]
        assert one["low"] < 1.0 < one["high"] and "known writers" in one["note"]
    assert not any("|grammar|" in key or "true text" in key.split("@")[-1] for key in found)
    rows = {(row["judge"], row["condition"]): row for row in done["control"]}
    assert rows["grammar", "vectors-dpo"]["mae"]["value"] < rows["grammar", "no request"]["mae"]["value"]
    text = control_text(done["control"])
    assert "grammar: pocket-1, vectors-dpo" in text and len({len(line) for line in text.splitlines()}) == 1
    assert "Use " in page and "The five dials" in page and "Both poles, side by side" in page
    assert set(marks["name"]) >= {"control.dial.openness", "control.matrix", "control.radar", "control.example"}


def test_the_same_study_gives_the_same_findings(folder):
    with Study.open(folder) as study:
        measure(study, ["control"])
        first, marks = study.findings(), study.read("control_details")
        measure(study, ["control"])
        assert study.findings().equals(first) and study.read("control_details").equals(marks)


def test_the_command_line_prints_the_table(tmp_path):
    made = study_of(tmp_path / "s", world(1, topics=3, each=3, targets=cube(12), judges=("one",)))
    command = [sys.executable, "-m", "cityfolk", "evaluate", str(made), "control"]
    said = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    rows = json.loads(said.stdout)["control"]
    assert [(row["judge"], row["condition"]) for row in rows] == [("one", "prompted"), ("one", "no request")]
    ids = pl.read_parquet(made / "findings.parquet")["id"]
    assert ids.str.starts_with("control.").all()


def test_a_study_without_readings_or_requests_says_what_to_do(tmp_path):
    asked, answers, readings = world(1, targets=cube(3))
    with Study.open(study_of(tmp_path / "s", (asked, answers, readings.head(0)))) as study:
        with pytest.raises(UsageError, match="no judged answers") as refused:
            measure(study, ["control"])
        assert "cityfolk judge" in refused.value.hint
    plain = answers.filter(pl.col("condition") == "untargeted")
    with Study.open(study_of(tmp_path / "u", (asked, plain, readings))) as study:
        with pytest.raises(UsageError, match="no judged answers"):
            measure(study, ["control"])
        measure(study, ["pairs"])  # and the rest goes on
