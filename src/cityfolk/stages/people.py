"""`people`: tables -> everyone who lives there."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

from cityfolk.errors import StudyError
from cityfolk.people.build import build_people
from cityfolk.places.pack import Place, load_place
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study


def place_of(study: Study) -> Place:
    """Return the place that a study's people were made from; StudyError if its tables have changed since."""
    config = study.config("people")
    place = load_place(config["place"])
    if place.content_hash != config["tables"]:
        raise StudyError(
            f"the tables of {config['place']} have changed since the people of {study.folder} were made from them",
            hint="make the people again in another folder with --out",
        )
    return place


def make_people(study: Study, place_name: str, seed: int, *, step: Step = quiet) -> dict[str, Any]:
    """Build everyone who lives in a place: households.parquet and people.parquet; nothing if they are there."""
    place = load_place(place_name)
    where = str(Path(place_name).resolve()) if Path(place_name).is_dir() else place_name
    study.begin("people", {"place": where, "tables": place.content_hash, "seed": seed})
    if not study.is_done("people", "people", "households"):
        study.work("people")
        began = perf_counter()
        population = build_people(place, seed, progress=lambda word, done, total: step("people", done, total, word))
        study.write("households", population.households)
        about = {
            "cityfolk.sources": json.dumps(population.sources, ensure_ascii=False),
            "cityfolk.borrowed": json.dumps(population.borrowed, ensure_ascii=False),
            "cityfolk.fitted": json.dumps(list(population.fitted)),
        }
        study.write("people", population.people, metadata=about)
        study.finish("people", seconds=round(perf_counter() - began, 1))
    tables = study.manifest["tables"]
    households = study.read("households")
    quarters = int((households["kind"] == "group_quarters").sum())
    return {
        "place": place.title,
        "people": tables["people"]["rows"],
        "households": households.height - quarters,
        "group_quarters": quarters,
    }
