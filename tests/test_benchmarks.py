"""What a benchmark takes up again after it was stopped."""

import importlib.util
import sys
from pathlib import Path

import polars as pl

from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences.records import PAIRS
from cityfolk.study.folder import Study

PLACE = Path(__file__).parents[1] / "benchmarks" / "steering.py"


def test_steering_makes_pairs_until_every_table_is_there(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("steering", PLACE)
    steering = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(steering)
    made = []

    class Stopped(Exception):
        pass

    def stop(study):
        raise Stopped

    monkeypatch.setattr(steering, "make_pairs", lambda study: made.append(sorted(study.tables_in("pairs"))))
    monkeypatch.setattr(steering, "measured_questions", stop)
    monkeypatch.setattr(sys, "argv", ["steering", "--study", str(tmp_path / "s")])
    tables = [*ARCHETYPES, "vectors"]
    for done in range(len(tables) + 1):
        with Study.open(tmp_path / "s", create=True) as study:
            for name in tables[:done]:
                study.write(f"pairs/{name}", pl.DataFrame(schema=PAIRS))
        try:
            steering.main()
        except Stopped:
            pass
    assert made == [sorted(f"pairs/{name}" for name in tables[:done]) for done in range(len(tables))]
