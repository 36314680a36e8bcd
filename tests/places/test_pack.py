"""Packs that are right are read; packs that are wrong say where and what to do."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from cityfolk.errors import DataError, UsageError
from cityfolk.places.pack import find_place, list_places, load_place

SELENE = Path(__file__).parents[1] / "packs" / "port_selene"


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "port-selene"
    shutil.copytree(SELENE, folder)
    return folder


def change(folder, old, new, file="tables.csv"):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


def complaint(folder):
    with pytest.raises(DataError) as caught:
        load_place(folder)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return str(caught.value)


def test_a_place_outside_the_united_states_is_a_pack_and_nothing_else():
    place = load_place(SELENE)
    assert (place.name, place.country, place.population, place.households) == ("port-selene", "Marevia", 5090, 2200)
    assert place.borrowed.is_empty()
    assert place.block_groups["block_group"].to_list() == ["PS-01", "PS-02", "PS-03"]
    assert len(place.geometry["features"]) == 3
    assert place.associations is None


def test_a_pack_is_named_by_its_content(pack):
    before = load_place(pack).content_hash
    assert load_place(SELENE).content_hash == before
    change(pack, "median_income_usd", "median_income", "block_groups.csv")
    assert load_place(pack).content_hash != before


def test_a_misspelt_place_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        load_place("cambridge-mass")
    assert "did you mean 'cambridge-ma'" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        load_place("zzz")
    assert "cambridge-ma" in caught.value.hint


def test_added_packs_are_found_where_people_keep_them(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYFOLK_PLACES", str(tmp_path))
    assert list_places() == ["cambridge-ma"]
    shutil.copytree(SELENE, tmp_path / "port-selene")
    assert list_places() == ["cambridge-ma", "port-selene"]
    assert load_place("port-selene").title == "Port Selene, Marevia"


def test_a_folder_without_a_pack_is_asked_wrongly(tmp_path):
    with pytest.raises(UsageError, match=r"no place\.toml"):
        find_place(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",,count,5090,0,", ",,count,-5,0,", "line 2: the count R1 is negative"),
        (",,count,5090,0,", ",,count,(X),0,", "line 2: the estimate of R1 is '(X)', not a number"),
        (",,count,5090,0,", ',,count,"5,090",0,', "line 2: the estimate of R1 is '5,090'"),
        (",,count,5090,0,", ",,count,5090,-1,", "line 2: the margin of R1 is '-1'"),
        (",,count,5090,0,", ",,percent,50,0,", "line 2: the percent R1 has no dimensions"),
        ("sex=female,count,2590", "sex=females,count,2590", "line 3: sex cannot be 'females'"),
        ("sex=female,count,2590", "sexes=female,count,2590", "line 3: persons have no column 'sexes'"),
        ("sex=female,count,2590", "sex=female,percent,259", "line 3: the percent R2 is 259"),
        ("R,R2,persons", "R,R1,persons", "line 3: the code R1 is also on line 2"),
        ("R,R2,persons", "R,R2,people", "line 3: a universe cannot be 'people'"),
        ("age=..4|sex=female", "sex=female|age=..4", "line 5: the conditions of R10F are not in order"),
        ("age=..4|sex=female", "age=4..0|sex=female", "line 5: the range '4..0' is empty"),
        ("mean:size", "average:size", "a measure cannot be 'average:size'"),
        ('2024,"Marevia Statistics, population register, 1 January 2024"', "2024,", "line 2: source is empty"),
        ("moe90", "moe", "unknown column 'moe'"),
        (",moe90", "", "not a table"),
    ],
)
def test_a_wrong_cell_is_named_by_file_and_line(pack, old, new, said):
    change(pack, old, new)
    message = complaint(pack)
    assert "tables.csv" in message
    assert said in message


def test_parts_that_exceed_their_whole_are_named(pack):
    change(pack, "birth_region=Asia,count,90", "birth_region=Asia,count,390")
    assert "birth_region does not add up: RB1 to RB6 make 740, their whole is 440" in complaint(pack)


def test_a_complete_partition_that_falls_short_is_named(pack):
    change(pack, "tenure=owner,count,1400", "tenure=owner,count,400")
    assert "tenure does not add up" in complaint(pack)


def test_an_incomplete_partition_may_fall_short(pack):
    change(pack, "birth_region=Asia,count,90", "birth_region=Asia,count,10")
    assert load_place(pack).tables.height == 140


def test_a_percent_that_its_counts_deny_is_named(pack):
    with (pack / "tables.csv").open("a") as file:
        file.write("H,H99,households,Port Selene,tenure=owner,percent,70.0,1,2024,Marevia Statistics\n")
    assert "H99 is 70.0%, but H11 is 63.6% of H" in complaint(pack)


def test_the_totals_of_place_toml_are_those_of_the_tables(pack):
    change(pack, "population = 5090", "population = 5100", "place.toml")
    assert "5,100 persons" in complaint(pack)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("population = 5090", "poplation = 5090", "unknown key 'poplation'"),
        ("population = 5090", "population = -1", "population: Input should be greater than 0"),
        ("population = 5090", "population = 'many'", "population: Input should be a valid integer"),
        ('vintage = "2024"\n', "", "vintage: Field required"),
        ('name = "port-selene"', 'name = "Port Selene"', "name: String should match pattern"),
        ('name = "port-selene"', "name = port", "is not TOML"),
    ],
)
def test_a_wrong_place_toml_says_what(pack, old, new, said):
    change(pack, old, new, "place.toml")
    assert said in complaint(pack)


@pytest.mark.parametrize("file", ["tables.csv"])
def test_a_missing_file_is_named(pack, file):
    (pack / file).unlink()
    assert f"{file} is missing" in complaint(pack)


@pytest.mark.parametrize("start", ["H,H1", "R,R1", "R,R10", "R,R2"])
def test_what_every_place_must_say_is_asked_for(pack, start):
    text = (pack / "tables.csv").read_text().splitlines(keepends=True)
    words = {"H,H1": "tenure", "R,R1": ",persons,Port Selene,,", "R,R10": "age=", "R,R2": "sex="}
    asked = {"H,H1": "households by tenure", "R,R1": "the number of people", "R,R10": "by age", "R,R2": "by sex"}
    kept = [line for line in text if words[start] not in line or line.startswith("H,H10,")]
    (pack / "tables.csv").write_text("".join(kept))
    assert asked[start] in complaint(pack)


def test_an_american_pack_needs_three_tables(pack):
    change(pack, 'country = "Marevia"', 'country = "United States"', "place.toml")
    assert "no row of table S0501" in complaint(pack)


def test_geometry_that_is_no_geometry_is_named(pack):
    (pack / "geometry.geojson").write_text('{"type": "Feature"}')
    assert "not a GeoJSON FeatureCollection" in complaint(pack)
    (pack / "geometry.geojson").write_text('{"features": [{"geometry": {"type": "Point"}, "properties": {}}]}')
    assert "holds Point" in complaint(pack)


def test_areas_and_outlines_must_be_the_same(pack):
    change(pack, "PS-03,PS", "PS-04,PS", "block_groups.csv")
    assert "PS-03 is in one of them alone" in complaint(pack)
    change(pack, "PS-04,PS", "PS-02,PS", "block_groups.csv")
    assert "names an area twice: PS-02" in complaint(pack)
    change(pack, "land_km2,population", "land_km2,peeple", "block_groups.csv")
    assert "no column 'population'" in complaint(pack)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("persons,age,18..64,tenure,owner,1,1,s,fitted", "line 2: persons have no column 'tenure'"),
        ("persons,age,18..64,sex,female,-1,1,s,fitted", "line 2: the weight is -1"),
        ("persons,age,18..64,sex,female,1,1,s,tested", "line 2: use is 'tested'"),
    ],
)
def test_a_wrong_association_is_named_by_line(pack, row, said):
    header = "pair,universe,a_column,a_value,b_column,b_value,weight,n,source,use"
    (pack / "associations.csv").write_text(f"{header}\nage x sex,{row}\n")
    assert said in complaint(pack)


def test_rows_of_another_vintage_or_area_are_borrowed(pack):
    with (pack / "tables.csv").open("a") as file:
        file.write("X,X1,persons,Marevia,sex=female,percent,51,,2024,Marevia Statistics\n")
        file.write("X,X2,persons,Port Selene,sex=female,percent,52,,2011,Marevia Statistics\n")
    assert load_place(pack).borrowed["code"].to_list() == ["X1", "X2"]
    assert load_place(pack).tables.schema["moe90"] == pl.Float64
