"""What people take away: every row comes back, homes lie in their block group, the card is one that loads."""

import csv
import dataclasses
import io
import json

import polars as pl
import pytest

from cityfolk.errors import UsageError
from cityfolk.reports import columns, export, geo
from cityfolk.reports.gallery import problems_of
from tests.reports.cases import study
from tests.reports.mock import geometry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    to = tmp_path_factory.mktemp("export")
    for write in (export.export_geo, export.export_tables, export.export_hf):
        files = write(study(), to)
        assert files and all(file.exists() for file in files)
    return to


def test_csv_and_json_lines_come_back(folder):
    people = study().people
    lines = (folder / "tables" / "people.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["name"] for line in lines] == people["name"].to_list()
    rows = list(csv.DictReader(io.StringIO((folder / "tables" / "people.csv").read_text("utf-8"))))
    assert [int(row["person_id"]) for row in rows] == people["person_id"].to_list()
    assert [row["commute_mode"] or None for row in rows] == people["commute_mode"].to_list()


def test_lists_and_problems_are_json_text_in_csv(folder):
    rows = list(csv.DictReader(io.StringIO((folder / "tables" / "profiles.csv").read_text("utf-8"))))
    assert json.loads(rows[0]["strengths"]) == ["keeps promises", "plain speech", "patience"]
    structs = study().profiles.with_columns(
        problems=pl.Series([problems_of(r) for r in study().profiles.iter_rows(named=True)])
    )
    flat = export._flat(structs)
    assert [json.loads(text) for text in flat["problems"]] == structs["problems"].to_list()


def test_the_dictionary_names_every_column_with_its_values_and_source(folder):
    about = json.loads((folder / "tables" / "columns.json").read_text("utf-8"))
    for name, frame in (("people", study().people), ("households", study().households), ("profiles", study().profiles)):
        assert [c["name"] for c in about["tables"][name]] == frame.columns
    by_name = {c["name"]: c for c in about["tables"]["people"]}
    assert by_name["sex"]["values"] == ["female", "male"] and by_name["age"]["source"] == "table T1"
    assert by_name["full_time_year_round"]["type"] == "boolean" and by_name["openness"]["type"] == "number"
    assert "real" in about["note"]


def test_the_dictionary_knows_every_column_of_the_contract():
    from cityfolk.profiles.write import PROFILE_SCHEMA
    from cityfolk.types import Household, Person

    assert set(Person.__dataclass_fields__) - {"personality"} <= columns.PEOPLE.keys()
    assert set(Household.__dataclass_fields__) <= columns.HOUSEHOLDS.keys()
    assert set(PROFILE_SCHEMA) <= columns.PROFILES.keys()


def test_homes_lie_in_their_block_group_and_are_shared(folder):
    people = pl.read_csv(folder / "geo" / "people.csv", schema_overrides={"block_group": pl.String})
    assert people["person_id"].to_list() == study().people["person_id"].to_list()
    areas = geo.shapes(geometry())
    for (group,), rows in people.group_by("block_group"):
        assert areas[group].contains(rows.select("home_lon", "home_lat").to_numpy()).all()
    shared = people.group_by("household_id").agg(pl.col("home_lon").n_unique())
    assert shared["home_lon"].max() == 1
    assert (people["home_x_m"] >= 0).all() and (people["home_y_m"] >= 0).all()
    # 0.03 degrees of longitude at 42.372 north: 0.03 * 111,195 m * cos(42.372 deg) = 2,464.6 m
    assert people["home_x_m"].max() < 2464.6 and people["home_y_m"].max() < 0.024 * 111_195


def test_points_and_areas_are_geojson(folder):
    points = json.loads((folder / "geo" / "people.geojson").read_text("utf-8"))
    assert len(points["features"]) == study().people.height
    first = points["features"][0]
    assert first["geometry"]["type"] == "Point" and first["properties"]["person_id"] == 0
    areas = json.loads((folder / "geo" / "block_groups.geojson").read_text("utf-8"))
    assert sum(f["properties"]["people"] for f in areas["features"]) == study().people.height
    assert {f["geometry"]["type"] for f in areas["features"]} == {"Polygon"}


def test_a_home_stays_where_it_is_when_others_move_in():
    inputs = study()
    fewer = dataclasses.replace(inputs, households=inputs.households.head(40))
    all_homes, some = export.home_points(inputs), export.home_points(fewer)
    assert all_homes.head(40).equals(some)


def test_homes_outside_the_outlines_are_null_and_left_off_the_map():
    inputs = study()
    away = inputs.households.with_columns(block_group=pl.lit("elsewhere"))
    homes = export.home_points(dataclasses.replace(inputs, households=away))
    assert homes["home_lon"].null_count() == homes.height and homes["home_x_m"].null_count() == homes.height


def test_without_outlines_geo_says_so(tmp_path):
    with pytest.raises(UsageError, match="no outlines"):
        export.export_geo(dataclasses.replace(study(), geometry=None), tmp_path)


def test_the_dataset_card_lists_files_that_are_there(folder):
    yaml_text, _, body = (folder / "hf" / "README.md").read_text("utf-8").removeprefix("---\n").partition("\n---\n")
    paths = [line.split("path: ")[1] for line in yaml_text.splitlines() if "path: " in line]
    assert paths == [f"data/{t}.parquet" for t in ("people", "households", "cohort", "profiles", "findings")]
    for path in paths:
        assert pl.read_parquet(folder / "hf" / path).height
    assert "size_categories:\n- n<1K" in yaml_text
    assert "small embedded demonstration model" in body and "Nobody in these files is real" in body
    assert pl.read_parquet(folder / "hf" / "data" / "people.parquet").equals(study().people)


def test_the_same_study_exports_the_same_bytes(folder, tmp_path):
    for write in (export.export_geo, export.export_hf):
        for file in write(study(), tmp_path):
            assert file.read_bytes() == (folder / file.relative_to(tmp_path)).read_bytes()


def test_people_only_exports(tmp_path):
    bare = dataclasses.replace(study(), cohort=None, profiles=None, findings=study().findings.clear())
    export.export_hf(bare, tmp_path)
    export.export_tables(bare, tmp_path)
    assert sorted(p.name for p in (tmp_path / "hf" / "data").iterdir()) == ["households.parquet", "people.parquet"]
