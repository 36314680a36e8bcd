"""`evaluate` on a town of seventeen people and ten invented profiles."""

import json
from importlib import import_module
from types import SimpleNamespace

import polars as pl
import pytest

from cityfolk.study.folder import Study
from tests.evaluation.test_certificate import HERE, ROWS, THEN, tables
from tests.evaluation.test_text_basic import table
from tests.tables.town import STATE, households, people

FITTED = ["b", "c"]
stage = import_module("cityfolk.stages.measure")  # the room's own name is the function


@pytest.fixture
def study(tmp_path, monkeypatch):
    place = SimpleNamespace(
        tables=tables(*ROWS), associations=None, state=STATE, about=SimpleNamespace(geography=HERE, vintage=THEN)
    )
    monkeypatch.setattr(stage, "place_of", lambda _: place)
    with Study.open(tmp_path / "study", create=True) as opened:
        opened.begin("people", {"seed": 1})
        opened.write("people", people(), metadata={"cityfolk.fitted": json.dumps(FITTED)})
        opened.write("households", households())
        yield opened


def write(study, profiles, **facts):
    chosen = profiles.select("person_id").unique().cast({"person_id": pl.Int32}).sort("person_id")
    study.begin("write", {})
    study.write("cohort", chosen.with_columns(weight=pl.lit(1.7), overrides=pl.lit(None, dtype=pl.String)))
    study.write("profiles", profiles.cast({"person_id": pl.Int32}))
    study.finish("write", **facts)


def test_every_headline_is_measured(study):
    write(study, table())
    summary = stage.measure(study)
    lives = [name for name in stage.HEADLINE if not name.startswith("pairs.")]
    assert [row["id"] for row in summary["headline"]] == lives
    assert all(row["text"] != "not known" for row in summary["headline"])


def test_with_two_engines_each_has_its_headline_and_its_failures(study):
    both = pl.concat([table(), table(wrong=0).with_columns(engine=pl.lit("other"))])
    write(study, both, failed=3, failed_by_engine={"pocket": 0, "other": 3})
    ids = [row["id"] for row in stage.measure(study, ["text"])["headline"]]
    assert ids == ["text.clear.core@other", "text.clear.core@pocket"]
    values = dict(study.findings().select("id", "value").iter_rows())
    assert values["text.valid@pocket"] == 1.0
    assert values["text.valid@other"] == pytest.approx(10 / 13)


def test_people_only(study):
    ids = [row["id"] for row in stage.measure(study)["headline"]]
    assert ids == [name for name in stage.HEADLINE if name.startswith("people.")]
