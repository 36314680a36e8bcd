"""Pairs written through the journal by a stub, in a town of a pack's size."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cityfolk.engines.pocket import PocketEngine
from cityfolk.errors import IncompleteError, UsageError
from cityfolk.evaluation.fairness import counterfactual_evidence
from cityfolk.profiles.write import PROFILE_SCHEMA
from cityfolk.stages import ask_citizen, counterfactual, lives
from cityfolk.stages.counterfactual import CounterfactualOptions, write_counterfactuals
from cityfolk.stages.people import make_people
from cityfolk.study.folder import Study
from tests.stub_engines import Stub

PACK = Path(__file__).parents[1] / "packs" / "port_selene"


class Prejudiced(Stub):
    """Writes warmly of everybody but those born in Haiti; counts what it is asked; may refuse some."""

    def __init__(self):
        self.asked = []
        self.refuses = ()

    def text(self, request):
        self.asked.append(request)
        facts = request.messages[-1].content
        if request.label in self.refuses:
            return "No."
        fields = json.loads(super().text(request))
        fields["general_description"] = (
            "A rude and lazy neighbor." if "born in Haiti" in facts else "A kind and generous neighbor."
        )
        return json.dumps(fields)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town") / "s"
    with Study.open(folder, create=True) as study:
        make_people(study, str(PACK), 1)
    return folder


@pytest.fixture
def study(town, tmp_path, monkeypatch):
    shutil.copytree(town, tmp_path / "s")
    engine = Prejudiced()
    for stage in (lives, counterfactual):
        monkeypatch.setattr(stage, "load_engines", lambda specs, limits=None: [engine])
    with Study.open(tmp_path / "s") as opened:
        lives.write_lives(opened, lives.WriteOptions(n=30, engines=("plain",)))
        yield opened, engine


def options(*swaps, **rest):
    return CounterfactualOptions(swaps=swaps, engines=("plain",), **rest)


def test_pairs_are_written_and_the_known_side_is_not_paid_again(study):
    opened, engine = study
    engine.asked.clear()
    done = write_counterfactuals(opened, options("origin=Haiti", n=10))
    assert done["pairs"] == {"origin=Haiti": 10}
    assert len(engine.asked) == 10  # the side as drawn was in the journal
    assert all("born in Haiti" in request.messages[-1].content for request in engine.asked)
    table = opened.read("counterfactuals")
    assert table.columns[:5] == ["attribute", "value_drawn", "value_swapped", "variant", "sample"]
    assert table.columns[5:] == list(PROFILE_SCHEMA)
    assert table["variant"].value_counts().sort("variant")["count"].to_list() == [10, 10]
    drawn = table.filter(pl.col("variant") == "drawn").drop(table.columns[:5])
    own = opened.read("profiles").filter(pl.col("person_id").is_in(drawn["person_id"].implode()))
    assert drawn.sort("person_id").equals(own.sort("person_id"))
    found = {f.id: f for f in counterfactual_evidence(table).findings}
    assert found["text.counterfactual.sentiment.origin.Haiti"].verdict == "outside"
    stages = {row["stage"] for row in opened.journal.summary()}
    assert stages == {"write", "counterfactual"}


def test_the_same_command_asks_nobody_and_more_is_appended(study):
    opened, engine = study
    write_counterfactuals(opened, options("origin=Haiti", n=5))
    first = opened.read("counterfactuals")
    engine.asked.clear()
    write_counterfactuals(opened, options("origin=Haiti", n=5))
    assert engine.asked == [] and opened.read("counterfactuals").equals(first)
    write_counterfactuals(opened, options("sex", n=4, samples=2))
    table = opened.read("counterfactuals")
    assert table.filter(pl.col("attribute") == "origin").equals(first)
    assert table.filter(pl.col("attribute") == "sex").height == 4 * 2 * 2
    assert table.filter(pl.col("sample") == 1)["variant"].n_unique() == 2


def test_what_could_not_be_written_is_exit_6_and_listed(study):
    opened, engine = study
    number = int(opened.read("cohort")["person_id"][0])
    engine.refuses = (f"person {number}",)
    engine.asked.clear()
    with pytest.raises(IncompleteError, match="1 texts of counterfactual pairs"):
        write_counterfactuals(opened, options("religion=Buddhist", n=6))
    assert [row["label"] for row in opened.failures()] == [f"person {number}"]
    table = opened.read("counterfactuals")
    assert table.filter(pl.col("person_id") == number)["variant"].to_list() == ["drawn"]
    engine.refuses = ()
    write_counterfactuals(opened, options("religion=Buddhist", n=6))
    assert opened.failures() == [] and opened.read("counterfactuals").height == 12


def test_bad_swaps_are_refused_before_anything_is_written(study):
    opened, engine = study
    engine.asked.clear()
    for swaps in (("origin=Atlantis",), (), ("shoe=9",)):
        with pytest.raises(UsageError):
            write_counterfactuals(opened, options(*swaps, n=3))
    assert engine.asked == [] and not opened.has("counterfactuals")


@pytest.mark.long
def test_whoever_wrote_the_study_writes_the_pairs(study):
    opened, _ = study
    free = opened.manifest["stages"]["write"]["free"]
    free.update(specs=["pocket:weights+adapter", "plain"])
    assert counterfactual._engines_of(opened) == ["pocket:weights+adapter", "plain"]
    del free["specs"]  # as earlier versions left it
    free.update(engines=["pocket"], models=["pocket-1@another"])
    with pytest.raises(UsageError, match="pocket-1@another"):
        counterfactual._engines_of(opened)
    free.update(models=[counterfactual.load_engine("pocket").model])
    assert counterfactual._engines_of(opened) == ["pocket"]


def test_another_pockets_citizen_is_not_taken_for_pockets(study):
    opened, _ = study
    opened.manifest["stages"]["write"]["free"]["specs"] = []
    with pytest.raises(UsageError, match="cannot be found by its name"):
        ask_citizen._writer(opened, {"engine": "pocket", "model": "pocket-1@another"})
    assert ask_citizen._writer(opened, {"engine": "pocket", "model": PocketEngine().model}).name == "pocket"


def test_the_command_line(town, tmp_path, stub_engines):
    folder = tmp_path / "s"
    shutil.copytree(town, folder)

    def cityfolk(*args):
        return subprocess.run(
            [sys.executable, "-m", "cityfolk", *map(str, args)],
            capture_output=True,
            text=True,
            env={**os.environ, **stub_engines},
        )

    assert cityfolk("write", folder, "--n", 12, "--engine", "plain").returncode == 0
    done = cityfolk("counterfactual", folder, "--swap", "origin=Haiti", "--n", 9, "--json")  # by plain, who wrote it
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pairs"] == {"origin=Haiti": 9}
    wrong = cityfolk("counterfactual", folder, "--swap", "origin=Haity", "--engine", "plain")
    assert wrong.returncode == 2 and "try: such as Haiti" in wrong.stderr and "Traceback" not in wrong.stderr
    measured = cityfolk("evaluate", folder, "text")
    assert measured.returncode == 0, measured.stderr
    found = pl.read_parquet(folder / "findings.parquet").filter(
        pl.col("id") == "text.counterfactual.sentiment.origin.Haiti"
    )
    assert found["n"].to_list() == [9] and found["verdict"].to_list() == ["inside"]
