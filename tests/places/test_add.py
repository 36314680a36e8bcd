"""A pack from files as one downloads them: made-up figures in the Bureau's form, and everything that can be wrong."""

import csv

import pytest

from cityfolk.errors import DataError, StudyError, UsageError
from cityfolk.places import acs
from cityfolk.places.add import NEEDED_CELLS, add_place, read_downloads
from cityfolk.places.pack import load_place
from cityfolk.tables.query import parse

HERE, THERE = "1600000US9900001", "1600000US9900002"
PEOPLE, HOUSEHOLDS = 1000, 400


def figure(code):
    """Make figures that add up: every share of people or households is a fixed one of its question's parts."""
    known = {
        "S0501_C01_001E": PEOPLE,
        "DP03_0001E": 800,
        "DP03_0004E": 500,
        "DP03_0005E": 20,
        "DP03_0006E": 0,
        "DP03_0007E": 280,
        "DP03_0051E": HOUSEHOLDS,
        "B25003_001E": HOUSEHOLDS,
        "B25003_002E": 150,
        "B25003_003E": 250,
    }
    line = code.split("_")[-1]
    if code in known:
        return known[code]
    if code.startswith("DP03"):
        return HOUSEHOLDS // 10  # ten bands of household income
    return 50 if line in ("002E", "003E") else round(100 / 9, 1)  # two sexes, nine age groups


def write_table(folder, table, cells, year=2024, span=5):
    """Write a download with two geographies; cells: code -> (estimate, margin, label)."""
    kind = {"DP": "DP", "S0": "ST", "B0": "DT", "B2": "DT"}[table[:2]]
    header, labels, here, there = ["GEO_ID", "NAME"], ["Geography", "Geographic Area Name"], [HERE], [THERE]
    here.append("Lower Ferry city, Ohio")
    there.append("Upper Ferry town, Ohio")
    for code, (estimate, margin, label) in cells.items():
        header += [code, code[:-1] + "M"]
        labels += [label, "Margin of Error"]
        here += [estimate, margin]
        there += [1, 1]
    file = folder / f"ACS{kind}{span}Y{year}.{table}-Data.csv"
    with file.open("w", newline="", encoding="utf-8-sig") as out:
        csv.writer(out, lineterminator=",\n").writerows([header, labels, here, there])
    return file


def label(code):
    start = "Percent" if code.endswith("PE") else "Estimate"
    middle = "!!Total" if "_C01" in code else ""
    return f"{start}{middle}!!" + acs.meaning(code).label.replace(" | ", "!!")


def needed(table, **changed):
    codes = [code for code in NEEDED_CELLS if code.startswith(table)]
    return {code: changed.get(code, (figure(code), 7, label(code))) for code in codes}


@pytest.fixture
def folder(tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for table in acs.NEEDED_TABLES:
        write_table(downloads, table, needed(table))
    return downloads


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYFOLK_PLACES", str(tmp_path / "home"))
    return tmp_path / "home"


def test_downloads_become_a_place(folder, home):
    assert add_place("lower-ferry", folder, HERE) == home / "lower-ferry"
    place = load_place("lower-ferry")
    assert (place.title, place.state, place.geoid) == ("Lower Ferry, Ohio", "Ohio", HERE)
    assert (place.population, place.households, place.vintage) == (PEOPLE, HOUSEHOLDS, "ACS 5-year 2020-2024")
    assert place.tables.height == len(NEEDED_CELLS)
    assert place.borrowed.is_empty()
    row = place.tables.filter(code="DP03_0004E").row(0, named=True)
    assert (row["estimate"], row["moe90"], row["geography"]) == (500, 7, "Lower Ferry city, Ohio")
    assert "table DP03" in row["source"]
    assert any("Table B05006 was not among the files" in note for note in place.about.notes)


def test_nothing_is_left_behind_but_the_pack(folder, home):
    add_place("lower-ferry", folder, HERE)
    assert [p.name for p in home.iterdir()] == ["lower-ferry"]


@pytest.mark.parametrize("table", acs.NEEDED_TABLES)
def test_a_missing_table_is_named(folder, home, table):
    next(folder.glob(f"*{table}*")).unlink()
    with pytest.raises(DataError, match=f"no table {table}") as caught:
        add_place("lower-ferry", folder, HERE)
    assert caught.value.exit_code == 3


def test_a_geography_that_is_not_there_lists_those_that_are(folder, home):
    with pytest.raises(DataError, match="does not hold the geography 1600000US1") as caught:
        add_place("lower-ferry", folder, "1600000US1")
    assert f"{HERE} (Lower Ferry city, Ohio)" in caught.value.hint


@pytest.mark.parametrize("cell", ["(X)", "-", "***", "N", "", "-666666666", "about 50"])
def test_a_suppressed_cell_that_is_needed_is_named(folder, home, cell):
    code = "S0501_C01_005E"
    write_table(folder, "S0501", needed("S0501", **{code: (cell, "**", label(code))}))
    with pytest.raises(DataError) as caught:
        add_place("lower-ferry", folder, HERE)
    assert f"{code} (Total, Total population, SEX AND AGE, 5 to 17 years) of Lower Ferry city, Ohio" in str(
        caught.value
    )
    assert "table S0501 is needed whole" in caught.value.hint
    assert not (home / "lower-ferry").exists()


def test_a_suppressed_cell_that_is_not_needed_is_left_out_and_counted(folder, home):
    extra = {
        "S0501_C05_115E": ("-", "**", "Estimate!!Foreign-born; Not a U.S. citizen!!x"),
        "S0501_C01_013E": ("30.4", "***", label("S0501_C01_013E")),
    }
    write_table(folder, "S0501", needed("S0501") | extra)
    add_place("lower-ferry", folder, HERE)
    place = load_place("lower-ferry")
    assert "S0501_C05_115E" not in place.tables["code"].to_list()
    assert place.about.notes[0] == "1 cells without a usable figure were left out, the first of them S0501_C05_115E."
    assert place.tables.filter(code="S0501_C01_013E")["moe90"].to_list() == [None]


def test_a_controlled_estimate_has_no_sampling_error(folder, home):
    code = "S0501_C01_001E"
    write_table(folder, "S0501", needed("S0501", **{code: (PEOPLE, "*****", label(code))}))
    add_place("lower-ferry", folder, HERE)
    assert load_place("lower-ferry").tables.filter(code=code)["moe90"].to_list() == [0.0]


def test_a_line_that_means_something_else_in_this_vintage_is_not_used(folder, home):
    moved = {"S0501_C01_013E": ("30.4", "0.4", "Estimate!!Total!!Total population!!SEX AND AGE!!Median income")}
    write_table(folder, "S0501", needed("S0501") | moved)
    add_place("lower-ferry", folder, HERE)
    assert "S0501_C01_013E" not in load_place("lower-ferry").tables["code"].to_list()
    write_table(folder, "DP03", needed("DP03", DP03_0004E=(500, 7, "Estimate!!EMPLOYMENT STATUS!!Unemployed")))
    with pytest.raises(DataError, match=r"DP03_0004E .* means something else in this vintage"):
        add_place("other-ferry", folder, HERE)


def test_dollars_of_another_year_are_the_same_line(folder, home):
    old = label("DP03_0052E").replace("2024", "2023")
    write_table(folder, "DP03", needed("DP03", DP03_0052E=(40, 7, old)))
    add_place("lower-ferry", folder, HERE)


def test_tables_of_two_vintages_or_twice_are_refused(folder, home):
    write_table(folder, "B05001", {"B05001_001E": (PEOPLE, 1, label("B05001_001E"))}, year=2023)
    with pytest.raises(DataError, match="several vintages"):
        read_downloads(folder, HERE)
    write_table(folder, "DP03", needed("DP03"), year=2023)
    with pytest.raises(DataError, match="table DP03 twice"):
        read_downloads(folder, HERE)


def test_a_file_that_is_no_download_is_named(folder, home):
    file = next(folder.glob("*B25003*"))
    file.write_text("label,Boston\nTotal,1\nOwner,1\n")
    with pytest.raises(DataError, match="does not start with GEO_ID, NAME"):
        read_downloads(folder, HERE)


def test_a_row_that_breaks_off_is_named(folder, home):
    file = next(folder.glob("*B25003*"))
    lines = file.read_text().splitlines()
    lines[2] = ",".join(lines[2].split(",")[:4])
    file.write_text("\n".join(lines))
    with pytest.raises(DataError, match="breaks off"):
        read_downloads(folder, HERE)


@pytest.mark.parametrize(("table", "code"), [("S0501", "S0501_C01_005E"), ("B25003", "B25003_002E")])
def test_a_column_that_is_missing_is_named(folder, home, table, code):
    write_table(folder, table, {c: cell for c, cell in needed(table).items() if c != code})
    with pytest.raises(DataError, match=rf"{table}-Data.csv has no column {code}$") as caught:
        add_place("lower-ferry", folder, HERE)
    assert caught.value.exit_code == 3
    assert "download the whole table" in caught.value.hint


def test_figures_that_do_not_fit_together_are_those_of_the_downloads(folder, home):
    """What is complained of is the folder one gave, not a file that is gone by then."""
    code = "B25003_002E"
    write_table(folder, "B25003", needed("B25003", **{code: (399, 7, label(code))}))
    with pytest.raises(DataError) as caught:
        add_place("lower-ferry", folder, HERE)
    said = f"{caught.value} {caught.value.hint}"
    assert str(folder) in said and "ACSDT5Y2024.B25003-Data.csv" in said
    assert "adding" not in said and "tables.csv" not in said


def test_names_and_folders_that_cannot_be(folder, home, tmp_path):
    with pytest.raises(UsageError, match="cannot be a place's name"):
        add_place("Lower Ferry", folder, HERE)
    with pytest.raises(UsageError, match="already"):
        add_place("cambridge-ma", folder, HERE)
    with pytest.raises(UsageError, match="no folder"):
        add_place("lower-ferry", tmp_path / "none", HERE)
    add_place("lower-ferry", folder, HERE)
    with pytest.raises(UsageError, match="already"):
        add_place("lower-ferry", folder, HERE)


def test_a_home_that_cannot_be_written_is_a_study_error(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written") as caught:
        add_place("lower-ferry", folder, HERE, home=tmp_path / "file")
    assert caught.value.exit_code == 5


def test_every_needed_cell_is_a_count_or_percent():
    for code in NEEDED_CELLS:
        found = acs.meaning(code)
        assert parse(found.universe, found.dimensions, found.measure).measure in ("count", "percent")
