"""`make check-sources` can fail: a small folder of sources, a pack built from it, and one figure altered."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from build_cambridge import NEIGHBOURHOODS, OUTLINES, build, crosswalk  # noqa: E402  # scripts are no package
from cambridge_sources import _DEGREES, cambridge  # noqa: E402
from check_sources import differences, main  # noqa: E402
from outlines import centroid, contains, simplify  # noqa: E402

EDGE = [-71.10, 42.36], [-71.1000001, 42.365], [-71.10, 42.37]  # a border with a point that hardly leaves it


def write_csv(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def acs_row(code, estimate, margin):
    common = {"table": code.split("_")[0], "label": "x", "vintage": "v", "geography": "g", "source": "s"}
    return {"code": code, "estimate": estimate, "moe90": margin, **common}


def other(table, universe, dimensions, estimate):
    common = {"vintage": "ACS 1-year 2022", "geography": "g", "unit": "count", "note": ""}
    return {"table": table, "universe": universe, "dimensions": dimensions, "estimate": estimate, **common}


def square(x0, x1, middle):
    border = [[x, y] for x, y in middle]
    shift = x0 if x0 != -71.10 else x1
    return [[*border, [shift, 42.37], [shift, 42.36], border[0]]]


def feature(properties, coordinates):
    return {"properties": properties, "geometry": {"type": "Polygon", "coordinates": coordinates}}


@pytest.fixture
def data(tmp_path):
    places = tmp_path / "data" / "places"
    write_csv(
        places / "cambridge_acs5_2024.csv",
        [
            acs_row("DP03_0004E", "70999", "1311"),
            acs_row("DP03_0004PE", "67.1", "1.1"),
            acs_row("DP03_0009E", "(X)", "(X)"),
            acs_row("S0501_C05_115E", "-", "**"),
        ],
    )
    levels = [level for group in _DEGREES.values() for level in group]
    write_csv(
        places / "cambridge_b15002.csv",
        [{"acs5_year": "2024", "level": level, "male": 10, "female": 20} for level in levels],
    )
    write_csv(
        places / "cambridge_other_figures.csv",
        [
            other("S0101", "persons", "sex=male|age=85+", "591"),
            other("P8", "persons", "race=White; Asian", "2650"),
            other("Gallup", "LGBT adults, US", "identity=queer", "0.1"),
        ],
    )
    write_csv(
        places / "cambridge_zip_2010.csv",
        [
            {"zip": zip_code, "variable": "group quarters", "category": "college", "count": count}
            for zip_code, count in (("02138", 9588), ("02139", 5724))
        ],
    )
    block_group = {"pop": 900, "tothh": 400, "minopop": 1, "foreignbornres": 2, "li50hh": 3, "limenghh": 4}
    write_csv(
        places / "cambridge_bg_2019.csv",
        [{"GEOID": "250173521011", **block_group, "lownocarhh": 5, "MHHI": 100000}],
    )
    outlines = [
        feature({"GEOID20": f"25017352101{n}", "ALAND20": 1e6}, square(*span, EDGE))
        for n, span in ((1, (-71.11, -71.10)), (2, (-71.10, -71.09)))
    ]
    (places / "geometry").mkdir()
    (places / OUTLINES).write_text(json.dumps({"features": outlines}))
    whole = [[[-71.2, 42.3], [-71.0, 42.3], [-71.0, 42.4], [-71.2, 42.4], [-71.2, 42.3]]]
    (places / NEIGHBOURHOODS).write_text(json.dumps({"features": [feature({"NAME": "The Port"}, whole)]}))
    return tmp_path / "data"


@pytest.fixture
def pack(data, tmp_path):
    folder = tmp_path / "pack"
    folder.mkdir()
    for name, text in build(data).items():
        (folder / name).write_text(text)
    return folder


def test_a_pack_agrees_with_what_it_was_built_from(data, pack, capsys):
    assert differences(pack, data) == []
    assert main(data, pack) == 0
    assert "0 differences" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (",70999,1311,", ",70998,1311,", "DP03_0004E estimate"),
        (",70999,1311,", ",70999,1310,", "DP03_0004E moe90"),
        ("employment=employed,count", "employment=unemployed,count", "DP03_0004E dimensions"),
        ("ACS 1-year 2022,", "ACS 5-year 2020-2024,", "S0101:male:85+ vintage"),
        (",15312,", ",15313,", "ZIP:group quarters:college estimate"),
    ],
)
def test_one_altered_figure_is_named(data, pack, capsys, old, new, where):
    text = (pack / "tables.csv").read_text()
    assert old in text
    (pack / "tables.csv").write_text(text.replace(old, new, 1))
    assert [d.where for d in differences(pack, data)] == [where]
    assert main(data, pack) == 1
    assert where in capsys.readouterr().out


def test_a_figure_too_few_or_too_many_is_named(data, pack):
    lines = (pack / "tables.csv").read_text().splitlines(keepends=True)
    (pack / "tables.csv").write_text("".join(lines[:1] + lines[2:]))
    assert [(d.where, d.shipped) for d in differences(pack, data)] == [("DP03_0004E", "nothing")]
    (pack / "tables.csv").write_text("".join([*lines, lines[1].replace("DP03_0004E", "DP03_9999E")]))
    assert [(d.where, d.source) for d in differences(pack, data)] == [("DP03_9999E", "nothing")]


def test_an_altered_block_group_or_outline_is_named(data, pack):
    for name in ("block_groups.csv", "geometry.geojson"):
        shutil.copy(pack / name, pack / "kept")
        (pack / name).write_text((pack / name).read_text().replace("The Port", "The Porch", 1))
        assert [d.file for d in differences(pack, data)] == [name]
        shutil.copy(pack / "kept", pack / name)


def test_what_has_no_figure_or_no_attribute_is_listed_with_its_reason(data):
    left_out = cambridge(data / "places").left_out
    assert set(left_out) == {"DP03_0009E", "S0501_C05_115E", "Gallup:identity=queer"}
    assert all(left_out.values())


def test_the_script_ends_with_exit_code_1(data):
    """Run against the shipped pack, a folder with four figures leaves the rest without a source."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "check_sources.py"), str(data)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "tables.csv: DP03_0001E: shipped 105754, source nothing" in done.stdout


def test_people_of_a_tract_whose_block_groups_changed_are_shared_equally():
    """Tract 3523 kept one block group and gained one; 3524 kept its own; medians are weighted by households."""
    counts = {"minopop": "0", "foreignbornres": "0", "li50hh": "0", "limenghh": "0", "lownocarhh": "0"}
    old = [
        {"GEOID": "250173523001", "pop": "1000", "tothh": "300", "MHHI": "50000", **counts},
        {"GEOID": "250173523002", "pop": "2000", "tothh": "100", "MHHI": "90000", **counts},
        {"GEOID": "250173524001", "pop": "500", "tothh": "10", "MHHI": "", **counts},
    ]
    made = crosswalk(old, ["250173523001", "250173523002", "250173523003", "250173524001"])
    assert [made[f"25017352300{n}"]["population"] for n in (1, 2, 3)] == [1000, 1000, 1000]
    assert made["250173523003"]["median_income_usd"] == 60000  # (300 * 50,000 + 100 * 90,000) / 400
    assert made["250173524001"]["population"] == 500
    assert "median_income_usd" not in made["250173524001"]


def test_a_shared_border_is_simplified_once(data):
    left, right = (
        json.loads(build(data)["geometry.geojson"])["features"][n]["geometry"]["coordinates"][0] for n in (0, 1)
    )
    assert len(left) == len(right) == 5  # the point 1 cm off the border is gone from both
    assert {tuple(p) for p in left} & {tuple(p) for p in right} == {(-71.1, 42.36), (-71.1, 42.37)}


def test_simplifying_keeps_what_is_farther_off_than_the_tolerance():
    ring = [(0.0, 0.0), (0.01, 0.0), (0.01, 0.005), (0.01, 0.01), (0.005, 0.0102), (0.0, 0.01)]
    (kept,) = simplify([ring], tolerance_m=5)
    assert set(kept) == {(0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.005, 0.0102), (0.0, 0.01)}
    (coarse,) = simplify([ring], tolerance_m=50)
    assert (0.005, 0.0102) not in coarse


def test_centre_and_inside_of_a_square():
    ring = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    assert centroid(ring) == pytest.approx((1.0, 1.0))
    assert contains(ring, (1.5, 0.5))
    assert not contains(ring, (2.5, 0.5))
